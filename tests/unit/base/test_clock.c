/* Time stamps and durations. */

#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/memory.h"

static void time_stamps(void **state) {
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-02T03:04:05Z", 1767323045000},
        {"2026-01-02T03:04:05.678901Z", 1767323045678},
        {"2026-01-02T03:04:05.5Z", 1767323045500},
        {"2026-01-02T04:34:05+01:30", 1767323045000},
        {"2026-01-01T22:04:05-05:00", 1767323045000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2016-12-31T23:59:60Z", 1483228800000},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        assert_true(time_parse_rfc3339(cases[i].text) == cases[i].ms);
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-01-02",
                                      "2026-01-02T03:04:05",
                                      "2026-13-02T03:04:05Z",
                                      "2026-01-32T03:04:05Z",
                                      "2026-01-02T24:04:05Z",
                                      "2026-01-02T03:04:05Zx",
                                      "1969-01-02T03:04:05Z",
                                      "2026-1-2T03:04:05Z",
                                      "2026-01-02T03:04:05+0130",
                                      "2026-00-02T03:04:05Z",
                                      "2026-01-00T03:04:05Z"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_true(time_parse_rfc3339(bad[i]) == -1);
    assert_true(time_parse_rfc3339(NULL) == -1);
    char out[TIME_RFC3339_SIZE];
    time_format_rfc3339(out, 1767323045678);
    assert_string_equal(out, "2026-01-02T03:04:05Z");
}

static void durations(void **state) {
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"90", 90000},
        {"90s", 90000},
        {"25m", 1500000},
        {"1h30m", 5400000},
        {"1500ms", 1500},
        {"1.5h", 5400000},
        {"2.5", 2500},
        {"1h0m1s", 3601000},
        {"87600h", 315360000000},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        assert_true(duration_parse(cases[i].text) == cases[i].ms);
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "+1s",
                                      "1d",
                                      "1 s",
                                      "1s ",
                                      "1h30",
                                      "1hh",
                                      "87601h",
                                      "99999999999999999999s",
                                      "1us",
                                      "1m1",
                                      "infinity"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_true(duration_parse(bad[i]) == -1);
    assert_true(duration_parse(NULL) == -1);
}

static void durations_for_people(void **state) {
    (void)state;
    const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "0.0s"},       {449, "0.4s"},      {9999, "9.9s"},      {12345, "12s"},
                 {185000, "3m05s"}, {7800000, "2h10m"}, {90061000, "25h01m"}};
    for (size_t i = 0; i < array_length(cases); i++) {
        char out[DURATION_SIZE];
        assert_string_equal(duration_format(out, cases[i].ms), cases[i].text);
    }
}

static void the_systems_clock_moves_on(void **state) {
    (void)state;
    int64_t before = clock_now(&clock_system);
    assert_true(clock_now(&clock_system) >= before);
    assert_true(clock_wall(&clock_system) > 1700000000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_stamps),
        cmocka_unit_test(durations),
        cmocka_unit_test(durations_for_people),
        cmocka_unit_test(the_systems_clock_moves_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
