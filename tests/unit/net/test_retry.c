#include "../cmocka_all.h"
#include "net/retry.h"

enum { NOW_S = 1800000000 };

static const int64_t now = (int64_t)NOW_S * 1000;

static const struct retry_policy reading = {
    .attempts = 4, .first_ms = 200, .longest_ms = 30000, .idempotent = true};
static const struct retry_policy writing = {
    .attempts = 4, .first_ms = 200, .longest_ms = 30000, .idempotent = false};

struct row {
    const char *name;
    const struct retry_policy *policy;
    struct retry_outcome outcome;
    int64_t delay; /* of the first attempt with jitter 0 */
};

static const struct row rows[] = {
    {"200 is an answer", &reading, {.http_status = 200}, -1},
    {"404 is an answer", &reading, {.http_status = 404}, -1},
    {"401 is an answer", &reading, {.http_status = 401, .retry_after = "1"}, -1},
    {"bare 429", &reading, {.http_status = 429}, 100},
    {"bare 429 of a write: nothing was done", &writing, {.http_status = 429}, 100},
    {"bare 503 of a write", &writing, {.http_status = 503}, 100},
    {"bare 502 of a read", &reading, {.http_status = 502}, 100},
    {"bare 502 of a write may have been done", &writing, {.http_status = 502}, -1},
    {"bare 504 of a write may have been done", &writing, {.http_status = 504}, -1},
    {"504 of a write, server asks", &writing, {.http_status = 504, .retry_after = "2"}, 2000},
    {"bare 500", &reading, {.http_status = 500}, -1},
    {"500, server asks", &writing, {.http_status = 500, .retry_after = "3"}, 3000},
    {"Retry-After 0 still pauses", &reading, {.http_status = 429, .retry_after = "0"}, 100},
    {"Retry-After at the ceiling", &reading, {.http_status = 429, .retry_after = "30"}, 30000},
    {"Retry-After above the ceiling", &reading, {.http_status = 429, .retry_after = "31"}, -1},
    {"Retry-After that overflows",
     &reading,
     {.http_status = 503, .retry_after = "99999999999"},
     100},
    {"Retry-After with garbage", &reading, {.http_status = 503, .retry_after = "soon"}, 100},
    {"Retry-After negative", &reading, {.http_status = 503, .retry_after = "-5"}, 100},
    {"HTTP date",
     &reading,
     {.http_status = 503, .retry_after = "Fri, 15 Jan 2027 08:00:07 GMT"},
     7000},
    {"HTTP date in RFC 850 form",
     &reading,
     {.http_status = 503, .retry_after = "Friday, 15-Jan-27 08:00:07 GMT"},
     7000},
    {"HTTP date in asctime form",
     &reading,
     {.http_status = 503, .retry_after = "Fri Jan 15 08:00:07 2027"},
     7000},
    {"HTTP date in the past",
     &reading,
     {.http_status = 503, .retry_after = "Fri, 15 Jan 2021 08:00:07 GMT"},
     100},
    {"RateLimit-Reset", &reading, {.http_status = 429, .rate_limit_reset = "1800000005"}, 5000},
    {"RateLimit-Reset too far",
     &reading,
     {.http_status = 429, .rate_limit_reset = "1800000600"},
     -1},
    {"RateLimit-Reset past", &reading, {.http_status = 429, .rate_limit_reset = "1700000000"}, 100},
    {"RateLimit-Reset of an ordinary answer",
     &reading,
     {.http_status = 200, .rate_limit_reset = "1800000005"},
     -1},
    {"RateLimit-Reset does not delay a 503",
     &reading,
     {.http_status = 503, .rate_limit_reset = "1800000005"},
     100},
    {"Retry-After goes before RateLimit-Reset",
     &reading,
     {.http_status = 429, .retry_after = "2", .rate_limit_reset = "1800000009"},
     2000},
    {"not sent: even a write", &writing, {.failure = RETRY_NOT_SENT}, 100},
    {"broken read", &reading, {.failure = RETRY_BROKEN}, 100},
    {"broken write", &writing, {.failure = RETRY_BROKEN}, -1},
    {"untrusted", &reading, {.failure = RETRY_UNTRUSTED}, -1},
};

static void first_delay(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t delay = retry_delay(rows[i].policy, 1, &rows[i].outcome, now, 0);
        if (delay != rows[i].delay)
            fail_msg("%s: %lld ms instead of %lld", rows[i].name, (long long)delay,
                     (long long)rows[i].delay);
    }
}

static void pauses_double_up_to_the_ceiling(void **state) {
    (void)state;
    const struct retry_policy policy = {
        .attempts = 100, .first_ms = 200, .longest_ms = 1000, .idempotent = true};
    const struct retry_outcome outcome = {.failure = RETRY_NOT_SENT};
    assert_int_equal(retry_delay(&policy, 1, &outcome, now, 0), 100);
    assert_int_equal(retry_delay(&policy, 2, &outcome, now, 0), 200);
    assert_int_equal(retry_delay(&policy, 3, &outcome, now, 0), 400);
    assert_int_equal(retry_delay(&policy, 4, &outcome, now, 0), 500);
    assert_int_equal(retry_delay(&policy, 99, &outcome, now, 0), 500);
}

static void jitter_spreads_over_the_upper_half(void **state) {
    (void)state;
    const struct retry_outcome outcome = {.failure = RETRY_NOT_SENT};
    assert_int_equal(retry_delay(&reading, 1, &outcome, now, 0), 100);
    assert_int_equal(retry_delay(&reading, 1, &outcome, now, 500), 150);
    assert_in_range(retry_delay(&reading, 1, &outcome, now, 999), 199, 200);
}

static void attempts_are_counted(void **state) {
    (void)state;
    const struct retry_outcome outcome = {.http_status = 503};
    assert_int_not_equal(retry_delay(&retry_default, 3, &outcome, now, 0), -1);
    assert_int_equal(retry_delay(&retry_default, 4, &outcome, now, 0), -1);
    assert_int_equal(retry_delay(&retry_never, 1, &outcome, now, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_delay),
        cmocka_unit_test(pauses_double_up_to_the_ceiling),
        cmocka_unit_test(jitter_spreads_over_the_upper_half),
        cmocka_unit_test(attempts_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
