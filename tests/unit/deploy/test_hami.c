/* What HAMi writes on nodes: both formats of the register annotation, and the handshake. */

#include "../cmocka_all.h"

#include "deploy/hami.h"

#include <string.h>

/* as v2.7 and before write it, with and without the fields that were added */
#define CSV                                                                                        \
    "GPU-00000000-0000-0000-0000-00000000000a,10,24576,100,NVIDIA-NVIDIA A10,0,true,0,hami-core:"  \
    "GPU-00000000-0000-0000-0000-00000000000b,10,24576,100,NVIDIA-NVIDIA A10,0,false:"

/* as v2.8 and later */
#define JSON                                                                                       \
    "[{\"id\":\"GPU-a\",\"count\":10,\"devmem\":81920,\"devcore\":100,\"type\":\"NVIDIA-H100\","   \
    "\"mode\":\"hami-core\",\"health\":true},"                                                     \
    "{\"id\":\"GPU-b\",\"index\":1,\"count\":10,\"devmem\":40960,\"devcore\":50,\"health\":true}," \
    "{\"id\":\"GPU-c\",\"index\":2,\"count\":10,\"devmem\":81920,\"devcore\":100}]"

static struct hami_cards parsed(const char *text) {
    struct hami_cards cards = {.count = 0};
    assert_int_equal(hami_parse_cards(&cards, text, NULL), 0);
    return cards;
}

static void reads_csv(void **state) {
    (void)state;
    cleanup_hami_cards struct hami_cards cards = parsed(CSV);
    assert_int_equal(cards.count, 2);
    assert_string_equal(cards.items[0].id, "GPU-00000000-0000-0000-0000-00000000000a");
    assert_int_equal(cards.items[0].shares, 10);
    assert_int_equal(cards.items[0].memory_mib, 24576);
    assert_int_equal(cards.items[0].cores, 100);
    assert_true(cards.items[0].healthy);
    assert_false(cards.items[1].healthy);
}

static void reads_json(void **state) {
    (void)state;
    cleanup_hami_cards struct hami_cards cards = parsed(JSON);
    assert_int_equal(cards.count, 3);
    assert_int_equal(cards.items[1].memory_mib, 40960);
    assert_true(cards.items[0].healthy);
    assert_false(cards.items[2].healthy); /* Go leaves "health" out when it is false */
    assert_int_equal(hami_largest_card(&cards), 81920);
}

static void skips_what_is_neither(void **state) {
    (void)state;
    static const char *const others[] = {"",  ":",    ",,,,,,",     "GPU-a,ten,1,1,t,0,true:",
                                         "[", "[{}]", "{\"id\":1}", "GPU-a,10,1,1,t,0"};
    for (size_t i = 0; i < array_length(others); i++) {
        cleanup_hami_cards struct hami_cards cards = parsed(others[i]);
        assert_int_equal(cards.count, 0);
    }
}

static void counts_cards_that_fit(void **state) {
    (void)state;
    cleanup_hami_cards struct hami_cards cards = parsed(JSON);
    const struct {
        struct hami_need need;
        size_t fitting;
    } cases[] = {
        {{.cards = 1, .memory_mib = 4096, .cores = 50}, 2},
        {{.cards = 1, .memory_mib = 40960, .cores = 50}, 2},
        {{.cards = 1, .memory_mib = 40961, .cores = 50}, 1},
        {{.cards = 1, .memory_mib = 4096, .cores = 51}, 1},
        {{.cards = 1, .cores = 200}, 1}, /* clamped to a whole card */
        {{.cards = 1, .memory_percent = 100}, 2},
        {{.cards = 1, .memory_mib = 90000}, 0},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        assert_int_equal(hami_fitting_cards(&cards, &cases[i].need, NULL), cases[i].fitting);
    const struct hami_need any = {.cards = 1};
    assert_int_equal(hami_fitting_cards(&cards, &any, "GPU-a,GPU-x"), 1);
    assert_int_equal(hami_fitting_cards(&cards, &any, "GPU-a,GPU-b"), 0);
}

static void reads_the_handshake(void **state) {
    (void)state;
    const int64_t now = 1769846700000; /* 2026-01-31 08:05:00 UTC */
    assert_int_equal(hami_read_handshake(NULL, now), HAMI_HANDSHAKE_MISSING);
    assert_int_equal(hami_read_handshake("Reported 2026-01-31 08:00:00", now),
                     HAMI_HANDSHAKE_ALIVE);
    assert_int_equal(hami_read_handshake("Requesting_2026-01-31 08:00:00", now),
                     HAMI_HANDSHAKE_ALIVE);
    assert_int_equal(hami_read_handshake("Requesting_2026-01-31 07:59:59", now),
                     HAMI_HANDSHAKE_STALE);
    assert_int_equal(hami_read_handshake("Requesting_2026.01.31 07:00:00", now),
                     HAMI_HANDSHAKE_STALE);
    assert_int_equal(hami_read_handshake("Requesting_soon", now), HAMI_HANDSHAKE_ALIVE);
    assert_int_equal(hami_read_handshake("Deleted_2026-01-31 08:00:00", now), HAMI_HANDSHAKE_GONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_csv),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(skips_what_is_neither),
        cmocka_unit_test(counts_cards_that_fit),
        cmocka_unit_test(reads_the_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
