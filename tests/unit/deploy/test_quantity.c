/* Kubernetes quantities: the grammar, exactness, rounding and bounds of resource.Quantity. */

#include "../cmocka_all.h"

#include "base/memory.h"
#include "deploy/quantity.h"

#include <stdio.h>

static struct quantity parse(const char *text) {
    struct quantity quantity = {0};
    if (!quantity_parse(&quantity, text))
        fail_msg("refused: \"%s\"", text);
    return quantity;
}

static void expect(const char *text, long long whole, long long billionths) {
    struct quantity quantity = parse(text);
    __int128 wanted = (__int128)whole * 1000000000 + billionths;
    if (quantity.billionths != wanted)
        fail_msg("\"%s\" is %lld + %lld/10^9", text, (long long)(quantity.billionths / 1000000000),
                 (long long)(quantity.billionths % 1000000000));
}

static void every_suffix(void **state) {
    (void)state;
    expect("0", 0, 0);
    expect("7", 7, 0);
    expect("7n", 0, 7);
    expect("7u", 0, 7000);
    expect("7m", 0, 7000000);
    expect("7k", 7000, 0);
    expect("7M", 7000000, 0);
    expect("7G", 7000000000, 0);
    expect("7T", 7000000000000, 0);
    expect("7P", 7000000000000000, 0);
    expect("7E", 7000000000000000000, 0);
    expect("7Ki", 7LL << 10, 0);
    expect("7Mi", 7LL << 20, 0);
    expect("7Gi", 7LL << 30, 0);
    expect("7Ti", 7LL << 40, 0);
    expect("7Pi", 7LL << 50, 0);
    expect("7Ei", 7LL << 60, 0);
}

static void decimals_signs_exponents(void **state) {
    (void)state;
    expect("1.5", 1, 500000000);
    expect(".5", 0, 500000000);
    expect("5.", 5, 0);
    expect("+5", 5, 0);
    expect("-1.5", -1, -500000000);
    expect("0.5Gi", 1LL << 29, 0);
    expect("1e3", 1000, 0);
    expect("1E3", 1000, 0);
    expect("1e+3", 1000, 0);
    expect("15e-1", 1, 500000000);
    expect("0e999999999999", 0, 0);
    expect("1000000000000000000000e-18", 1000, 0);
    expect("0.000000000000000000001e21", 1, 0);
}

static void below_a_billionth_is_rounded_up(void **state) {
    (void)state;
    expect("0.1n", 0, 1);
    expect("1.0000000001", 1, 1);
    expect("-0.1n", 0, -1);
    expect("1e-300", 0, 1);
    expect("0.000000000000000000000000000000000000000001", 0, 1);
    expect("1.000000000000000000000000000", 1, 0);
}

static void what_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "1 ",
                                        " 1",
                                        ".",
                                        "+",
                                        "-",
                                        "Gi",
                                        "1gi",
                                        "1K",
                                        "1KI",
                                        "1Mib",
                                        "1GB",
                                        "1 Gi",
                                        "1e",
                                        "1e1.5",
                                        "1ee1",
                                        "1e1Gi",
                                        "--1",
                                        "+-1",
                                        "1..2",
                                        "1.2.3",
                                        "1,5",
                                        "0x10",
                                        "nan",
                                        "inf",
                                        "1m1",
                                        "one",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "8Ei",
                                        "9.3E",
                                        "1e19",
                                        "9223372036854775807.1",
                                        "1e99999999999999999999",
                                        "99999999999999999999999999999999999999999999"};
    for (size_t i = 0; i < array_length(texts); i++) {
        struct quantity quantity = {.billionths = 77};
        if (quantity_parse(&quantity, texts[i]))
            fail_msg("taken: \"%s\"", texts[i]);
        assert_true(quantity.billionths == 77);
    }
    struct quantity quantity;
    assert_false(quantity_parse(&quantity, NULL));
}

static void the_largest(void **state) {
    (void)state;
    assert_true(quantity_value(&(struct quantity){parse("9223372036854775807").billionths}) ==
                INT64_MAX);
    assert_true(quantity_value(&(struct quantity){parse("-9223372036854775807").billionths}) ==
                -INT64_MAX);
    expect("7.9Ei", 9108079886394091110, 400000000);
}

static void comparison_is_numeric(void **state) {
    (void)state;
    const struct {
        const char *left, *right;
        int order;
    } cases[] = {
        {"1000m", "1", 0}, {"1Gi", "1024Mi", 0}, {"1G", "1Gi", -1},
        {"8k", "8000", 0}, {"0.5", "500m", 0},   {"2", "10", -1},
        {"1e1", "9", 1},   {"-1", "0", -1},      {"1.0000000001", "1", 1},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct quantity left = parse(cases[i].left);
        struct quantity right = parse(cases[i].right);
        assert_int_equal(quantity_compare(&left, &right), cases[i].order);
        assert_int_equal(quantity_compare(&right, &left), -cases[i].order);
    }
}

static void whole_and_negative(void **state) {
    (void)state;
    struct quantity half = parse("500m");
    struct quantity two = parse("2000m");
    struct quantity minus = parse("-1n");
    assert_false(quantity_is_integer(&half));
    assert_true(quantity_is_integer(&two));
    assert_true(quantity_is_negative(&minus));
    assert_false(quantity_is_negative(&half));
    assert_int_equal(quantity_value(&half), 1);
    assert_int_equal(quantity_value(&two), 2);
    assert_int_equal(quantity_value(&minus), 0);
}

static void bytes_for_people(void **state) {
    (void)state;
    const struct {
        int64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {512, "512 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {1536, "1.5 KiB"},
        {(19LL << 30) / 2, "9.5 GiB"},
        {16LL << 30, "16 GiB"},
        {(1LL << 20) - 1, "1 MiB"},
        {INT64_MAX, "8 EiB"},
        {-2048, "-2 KiB"},
        {INT64_MIN, "-8 EiB"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        char out[QUANTITY_SIZE];
        assert_string_equal(quantity_format_bytes(out, cases[i].bytes), cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suffix),
        cmocka_unit_test(decimals_signs_exponents),
        cmocka_unit_test(below_a_billionth_is_rounded_up),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(the_largest),
        cmocka_unit_test(comparison_is_numeric),
        cmocka_unit_test(whole_and_negative),
        cmocka_unit_test(bytes_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
