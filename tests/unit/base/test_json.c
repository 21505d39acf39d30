/* json: parsing, look-up, and the two texts. */

#include "../cmocka_all.h"

#include "base/json.h"
#include "base/yaml.h"

#include <string.h>

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(json_parse(&value, text, strlen(text), "x", ERROR_INTERNAL, NULL), 0);
    return value;
}

static void parsing(void **state) {
    (void)state;
    cleanup_json json_t *value = parse(" {\"a\": 1, \"a\": 2} ");
    assert_int_equal(json_integer_at(value, -1, "a", NULL), 2);
    cleanup_json json_t *scalar = parse("true");
    assert_true(json_is_true(scalar));

    cleanup_error struct error *error = NULL;
    json_t *untouched = NULL;
    assert_int_equal(
        json_parse(&untouched, "<html>", 6, "GitLab's answer", ERROR_UNREACHABLE, &error), -1);
    assert_null(untouched);
    assert_int_equal(error->kind, ERROR_UNREACHABLE);
    assert_non_null(strstr(error->message, "GitLab's answer is not JSON (line 1, column 1: "));
    assert_int_equal(json_parse(&untouched, NULL, 0, "x", ERROR_MODEL, NULL), -1);
    assert_int_equal(json_parse(&untouched, "{} x", 4, "x", ERROR_MODEL, NULL), -1);
    assert_int_equal(json_parse(&untouched, "\"\xff\"", 3, "x", ERROR_MODEL, NULL), -1);
    char deep[5000];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(json_parse(&untouched, deep, sizeof(deep), "x", ERROR_MODEL, NULL), -1);
}

static void look_up_along_a_path(void **state) {
    (void)state;
    cleanup_json json_t *value =
        parse("{\"a\": {\"b\": \"text\", \"n\": 7, \"t\": true, \"l\": [1]}}");
    assert_string_equal(json_text_at(value, "a", "b", NULL), "text");
    assert_null(json_text_at(value, "a", "n", NULL));
    assert_null(json_text_at(value, "a", "b", "c", NULL));
    assert_null(json_text_at(value, "x", "b", NULL));
    assert_null(json_at(NULL, "a", NULL));
    assert_int_equal(json_integer_at(value, -1, "a", "n", NULL), 7);
    assert_int_equal(json_integer_at(value, -1, "a", "b", NULL), -1);
    assert_true(json_is_true_at(value, "a", "t", NULL));
    assert_false(json_is_true_at(value, "a", "n", NULL));
    assert_int_equal(json_array_size(json_at(value, "a", "l", NULL)), 1);
}

static void building(void **state) {
    (void)state;
    cleanup_json json_t *object = json_object();
    assert_int_equal(json_set_text(object, "a", "x", NULL), 0);
    assert_int_equal(json_set_text(object, "none", NULL, NULL), 0);
    assert_null(json_object_get(object, "none"));
    json_t *inner = json_object_in(object, "o", NULL);
    assert_ptr_equal(json_object_in(object, "o", NULL), inner);
    cleanup_error struct error *error = NULL;
    assert_int_equal(json_set_take(object, "b", NULL, &error), -1);
    assert_string_equal(error->message, "out of memory");
}

static void canonical_text_does_not_depend_on_the_order(void **state) {
    (void)state;
    cleanup_json json_t *left = parse("{\"b\": 1, \"a\": {\"d\": [1, \"\xc3\xa9\"], \"c\": null}}");
    cleanup_json json_t *right = parse("{\"a\": {\"c\": null, \"d\": [1, \"\\u00e9\"]}, \"b\": 1}");
    cleanup_free char *left_text = json_canonical_text(left, NULL);
    cleanup_free char *right_text = json_canonical_text(right, NULL);
    assert_string_equal(left_text, right_text);
    assert_string_equal(left_text, "{\"a\":{\"c\":null,\"d\":[1,\"\xc3\xa9\"]},\"b\":1}");
    cleanup_free char *pretty = json_pretty_text(left, NULL);
    assert_string_equal(
        pretty, "{\n  \"b\": 1,\n  \"a\": {\n    \"d\": [\n      1,\n      \"\xc3\xa9\"\n    "
                "],\n    \"c\": null\n  }\n}");
}

/* What go-yaml refuses or changes leaves escaped, what it takes leaves raw. */
static void text_for_server_side_apply(void **state) {
    (void)state;
    const struct {
        const char *raw, *text;
    } cases[] = {
        {"a/b", "\"a/b\""},
        {"\x7f", "\"\\u007f\""},
        {"\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0", "\"\\u0080\\u0085\\u009f\xc2\xa0\""},
        {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\""},
        {"\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", "\"\\ufffe\\uffff\xef\xbf\xbd\""},
        {"\xef\xbb\xbf", "\"\\ufeff\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\t\n\x01\"\\", "\"\\t\\n\\u0001\\\"\\\\\""},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_json json_t *value = json_string(cases[i].raw);
        cleanup_free char *text = json_apply_text(value, NULL);
        assert_string_equal(text, cases[i].text);
        cleanup_json json_t *back = parse(text);
        assert_true(json_equal(back, value));
        cleanup_json json_t *as_yaml = NULL;
        assert_int_equal(yaml_to_json(&as_yaml, text, strlen(text), "x", ERROR_INTERNAL, NULL), 0);
        assert_true(json_equal(as_yaml, value));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing),
        cmocka_unit_test(look_up_along_a_path),
        cmocka_unit_test(building),
        cmocka_unit_test(canonical_text_does_not_depend_on_the_order),
        cmocka_unit_test(text_for_server_side_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
