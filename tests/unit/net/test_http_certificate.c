/* How TLS libraries write the end of a certificate. */

#include "../cmocka_all.h"

#include "http_internal.h"

static void both_spellings(void **state) {
    (void)state;
    assert_int_equal(http_certificate_end("Expire date:Nov  5 22:15:26 2027 GMT"), 1825452926000);
    assert_int_equal(http_certificate_end("Expire date:Nov 15 22:15:26 2027 GMT"), 1826316926000);
    assert_int_equal(http_certificate_end("Expire Date:2027-11-05 22:15:26 GMT"), 1825452926000);
}

static void nothing_else(void **state) {
    (void)state;
    static const char *const others[] = {"",
                                         "Expire date:",
                                         "Expire date:soon",
                                         "Expire date:2027-11-05",
                                         "Start date:2027-11-05 22:15:26 GMT",
                                         "2027-11-05 22:15:26 GMT"};
    for (size_t i = 0; i < array_length(others); i++)
        assert_int_equal(http_certificate_end(others[i]), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings),
        cmocka_unit_test(nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
