/* How TLS libraries write the end of a certificate. */

#include "../cmocka_all.h"

#include "http_internal.h"

static void both_spellings(void **state) {
    (void)state;
    assert_int_equal(http_certificate_time("Nov  5 22:15:26 2027 GMT"), 1825452926000);
    assert_int_equal(http_certificate_time("Nov 15 22:15:26 2027 GMT"), 1826316926000);
    assert_int_equal(http_certificate_time("2027-11-05 22:15:26 GMT"), 1825452926000);
}

static void nothing_else(void **state) {
    (void)state;
    static const char *const others[] = {"", "soon", "2027-11-05", "05.11.2027 22:15:26"};
    for (size_t i = 0; i < array_length(others); i++)
        assert_int_equal(http_certificate_time(others[i]), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings),
        cmocka_unit_test(nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
