/* text and strings: comparison, numbers, printable lines, nearest names, encoding, UTF-8. */

#include "../cmocka_all.h"

#include "base/strings.h"
#include "base/text.h"

#include <string.h>

static void comparison_takes_null(void **state) {
    (void)state;
    assert_true(text_is_empty(NULL));
    assert_true(text_is_empty(""));
    assert_false(text_is_empty(" "));
    assert_true(text_equal(NULL, NULL));
    assert_false(text_equal(NULL, ""));
    assert_true(text_equal_ignoring_case("True", "tRUE"));
    assert_false(text_has_prefix(NULL, "a"));
    assert_true(text_has_prefix("abc", "ab"));
    assert_true(text_has_suffix("abc", "bc"));
    assert_false(text_has_suffix("c", "bc"));
    assert_false(text_contains(NULL, "a"));
    assert_true(text_contains("abc", "b"));
    assert_null(text_copy(NULL, NULL));
}

static void integers_are_whole_and_bounded(void **state) {
    (void)state;
    int64_t value = 77;
    assert_true(text_to_integer("-5", -5, 5, &value));
    assert_int_equal(value, -5);
    assert_true(text_to_integer("9223372036854775807", 0, INT64_MAX, &value));
    assert_true(value == INT64_MAX);
    assert_true(text_to_integer("007", 0, 9, &value));
    assert_int_equal(value, 7);
    value = 77;
    static const char *const bad[] = {"",
                                      "-",
                                      "+5",
                                      " 5",
                                      "5 ",
                                      "0x5",
                                      "5a",
                                      "6",
                                      "-6",
                                      "9223372036854775808",
                                      "99999999999999999999999",
                                      "--5",
                                      "1e1"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(text_to_integer(bad[i], -5, 5, &value));
    assert_false(text_to_integer(NULL, 0, 1, &value));
    assert_int_equal(value, 77);
}

static void one_line_for_a_terminal(void **state) {
    (void)state;
    char text[] = "a\nb\r\x1b[2Jc\x7f\xc2\x9b"
                  "d\xc3\xa9\t.";
    assert_string_equal(text_make_printable(text), "a b  [2Jc   d\xc3\xa9 .");
    char latin1[] = "acc\xe8s refus\xe9 \xe2\x82\xac \xed\xa0\x80 \xf0\x9f\x98\x80 \xc3";
    assert_string_equal(text_make_printable(latin1),
                        "acc?s refus? \xe2\x82\xac ??? \xf0\x9f\x98\x80 ?");
    assert_null(text_make_printable(NULL));
}

static void the_nearest_name(void **state) {
    (void)state;
    static const char *const names[] = {"MODEL_REPO", "MODEL_REPO_TAG", "RUNTIME_NAME", "PVC_NAME"};
    assert_string_equal(text_nearest("MODEL_REPOS", names, 4), "MODEL_REPO");
    assert_string_equal(text_nearest("model_repo_tga", names, 4), "MODEL_REPO_TAG");
    assert_string_equal(text_nearest("RUNTIMENAME", names, 4), "RUNTIME_NAME");
    assert_null(text_nearest("SOMETHING_ELSE", names, 4));
    assert_null(text_nearest("", names, 4));
    assert_null(text_nearest("x", names, 0));
    char long_name[200];
    memset(long_name, 'A', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_null(text_nearest(long_name, names, 4));
    const char *const long_names[] = {long_name};
    assert_null(text_nearest("A", long_names, 1));
}

static void percent_encoding_is_of_everything_reserved(void **state) {
    (void)state;
    cleanup_free char *encoded = text_percent_encode("a/b c+d%\xc3\xa9~._-Z9", NULL);
    assert_string_equal(encoded, "a%2Fb%20c%2Bd%25%C3%A9~._-Z9");
    cleanup_free char *empty = text_percent_encode("", NULL);
    assert_string_equal(empty, "");
}

static void utf8_is_cut_between_characters(void **state) {
    (void)state;
    const char *text = "a\xc3\xa9\xe6\xa8\xa1\xf0\x9f\x98\x80";
    static const size_t prefixes[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t i = 0; i < array_length(prefixes); i++)
        assert_int_equal(text_utf8_prefix(text, i), prefixes[i]);
}

static void utf8_is_well_formed(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < array_length(good); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe6\xa8",
                                      "\xc3(",
                                      "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    assert_false(text_is_utf8("a\0b", 3));
    assert_false(text_is_utf8("\xc3\xa9", 1));
}

static void lists_of_text(void **state) {
    (void)state;
    cleanup_strings struct strings strings = {.items = NULL};
    cleanup_free char *none = strings_join(&strings, ", ", NULL);
    assert_string_equal(none, "");
    assert_int_equal(strings_add(&strings, "a", NULL), 0);
    assert_int_equal(strings_add_format(&strings, NULL, "%d", 7), 0);
    assert_true(strings_contain(&strings, "7"));
    assert_false(strings_contain(&strings, "b"));
    cleanup_free char *joined = strings_join(&strings, ", ", NULL);
    assert_string_equal(joined, "a, 7");
    strings_free(&strings);
    assert_int_equal(strings.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_takes_null),
        cmocka_unit_test(integers_are_whole_and_bounded),
        cmocka_unit_test(one_line_for_a_terminal),
        cmocka_unit_test(the_nearest_name),
        cmocka_unit_test(percent_encoding_is_of_everything_reserved),
        cmocka_unit_test(utf8_is_cut_between_characters),
        cmocka_unit_test(utf8_is_well_formed),
        cmocka_unit_test(lists_of_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
