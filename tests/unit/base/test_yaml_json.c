/* yaml_to_json: the core schema, aliases and their budget, and what is refused. */

#include "../cmocka_all.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/yaml.h"

#include <string.h>

static void expect_json(const char *yaml, const char *json) {
    cleanup_json json_t *value = NULL;
    cleanup_error struct error *error = NULL;
    int result = yaml_to_json(&value, yaml, strlen(yaml), "the text", ERROR_PARAMETER, &error);
    if (result < 0)
        fail_msg("%s\n%s", yaml, error->message);
    cleanup_free char *text = json_canonical_text(value, &error);
    assert_string_equal(text, json);
}

static void expect_error_bytes(const char *yaml, size_t length, const char *message) {
    json_t *value = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(yaml_to_json(&value, yaml, length, "the text", ERROR_MODEL, &error), -1);
    assert_null(value);
    assert_int_equal(error->kind, ERROR_MODEL);
    assert_string_equal(error->message, message);
}

static void expect_error(const char *yaml, const char *message) {
    expect_error_bytes(yaml, strlen(yaml), message);
}

static void plain_scalars_follow_the_core_schema(void **state) {
    (void)state;
    expect_json("[~, null, Null, NULL, ]", "[null,null,null,null]");
    expect_json("a:\n", "{\"a\":null}");
    expect_json("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    expect_json("[0, -1, +7, 0x1F, 0o17, 9223372036854775807]",
                "[0,-1,7,31,15,9223372036854775807]");
    expect_json("[1.5, .5, 1e3, -2.5E-1]", "[1.5,0.5,1000.0,-0.25]");
}

static void what_only_yaml_1_1_takes_for_a_value_stays_text(void **state) {
    (void)state;
    expect_json(
        "[yes, No, on, y, 012, 1_000, 1:30, 0b1, .inf, 1e999, 2001-12-14]",
        "[\"yes\",\"No\",\"on\",\"y\",\"012\",\"1_000\",\"1:30\",\"0b1\",\".inf\",\"1e999\","
        "\"2001-12-14\"]");
}

static void quoted_and_block_scalars_are_text(void **state) {
    (void)state;
    expect_json("['1', \"true\", '', \"\\u00e9\"]", "[\"1\",\"true\",\"\",\"\xc3\xa9\"]");
    expect_json("a: |\n  1\nb: >-\n  two\n  words\n", "{\"a\":\"1\\n\",\"b\":\"two words\"}");
}

static void tags_decide(void **state) {
    (void)state;
    expect_json("[!!str 12, !!int '12', ! 12, !local 12, !!null '']",
                "[\"12\",12,\"12\",\"12\",null]");
}

static void anchors_and_aliases(void **state) {
    (void)state;
    expect_json("a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}");
    expect_json("&k key: *k\n", "{\"key\":\"key\"}");
    expect_json("? &k a\n: 1\nlist: [&k 2, *k]\n", "{\"a\":1,\"list\":[2,2]}");
    expect_json("a: &x b\n*x : 3\n", "{\"a\":\"b\",\"b\":3}");
    expect_json("a: &x [ &x 1 ]\nb: *x\n", "{\"a\":[1],\"b\":1}");
    expect_json("<<: {a: 1}\nb: 2\n", "{\"<<\":{\"a\":1},\"b\":2}");
    expect_error("a: *nobody\n", "the text, line 1: the alias *nobody names nothing");
    expect_error("a: &x\n  - *x\n", "the text, line 2: the alias *x stands inside what it names");
    expect_error("a: &x [1]\n*x : 2\n", "the text, line 2: a key must be text");
}

static void documents(void **state) {
    (void)state;
    expect_json("", "null");
    expect_json("# only a comment\n", "null");
    expect_json("---\na: 1\n---\nb: 2\n", "{\"a\":1}");
    expect_json("\xef\xbb\xbf"
                "a: 1\r\nb: 2\r\n",
                "{\"a\":1,\"b\":2}");
    expect_json("{\"a\": [1, {\"b\": \"\\/\"}], \"c\": null}",
                "{\"a\":[1,{\"b\":\"/\"}],\"c\":null}");
}

static void malformed_text_names_the_line(void **state) {
    (void)state;
    expect_error("a: 1\na: 2\n", "the text, line 2: the key \"a\" is there twice");
    expect_error("a: 1\n? [b]\n: 2\n", "the text, line 2: a key must be text");
    expect_error("a: 1\nb: [1\n", "the text, line 3: did not find expected ',' or ']'");
    expect_error("a: 1\nb: \xff\n", "the text, line 2: invalid leading UTF-8 octet");
    expect_error("a: 1\nb: \"x\\0y\"\n", "the text, line 2: text with a NUL character");
    expect_error_bytes("a: 1\nb: \0\n", 10, "the text, line 2: control characters are not allowed");
}

static void nesting_is_bounded(void **state) {
    (void)state;
    char open[65];
    memset(open, '[', sizeof(open));
    char text[130];
    memcpy(text, open, 64);
    memset(text + 64, ']', 64);
    cleanup_json json_t *value = NULL;
    assert_int_equal(yaml_to_json(&value, text, 128, "x", ERROR_MODEL, NULL), 0);
    expect_error_bytes(open, sizeof(open), "the text, line 1: nested deeper than 64 levels");
    /* 40 levels, then 40 levels with an alias of them inside */
    cleanup_buffer struct buffer deep = BUFFER_INIT(1000);
    buffer_append_text(&deep, "- &x ");
    for (int i = 0; i < 40; i++)
        buffer_append_text(&deep, "[");
    for (int i = 0; i < 40; i++)
        buffer_append_text(&deep, "]");
    buffer_append_text(&deep, "\n- ");
    for (int i = 0; i < 40; i++)
        buffer_append_text(&deep, "[");
    buffer_append_text(&deep, "*x");
    expect_error_bytes(deep.data, deep.length, "the text, line 2: nested deeper than 64 levels");
}

static void alias_bombs_are_defused(void **state) {
    (void)state;
    expect_error("a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                 "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                 "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                 "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                 "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                 "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
                 "the text, line 5: more than 100000 values after aliases are expanded");
    cleanup_buffer struct buffer large = BUFFER_INIT(4 * 1024 * 1024);
    buffer_append_text(&large, "a: &a \"");
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&large, "0123456789");
    buffer_append_text(&large, "\"\nb: [");
    for (int i = 0; i < 20; i++)
        buffer_append_text(&large, "*a,");
    buffer_append_text(&large, "]\n");
    expect_error_bytes(large.data, large.length,
                       "the text, line 2: more than 16777216 bytes after aliases are expanded");
}

static void size_is_bounded(void **state) {
    (void)state;
    size_t length = 4 * 1024 * 1024 + 1;
    cleanup_free char *text = malloc(length);
    assert_non_null(text);
    memset(text, '#', length);
    expect_error_bytes(text, length,
                       "the text is 4194305 bytes long, more than the 4194304 that are read");
    cleanup_json json_t *value = NULL;
    assert_int_equal(yaml_to_json(&value, text, length - 1, "x", ERROR_MODEL, NULL), 0);
    assert_true(json_is_null(value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(what_only_yaml_1_1_takes_for_a_value_stays_text),
        cmocka_unit_test(quoted_and_block_scalars_are_text),
        cmocka_unit_test(tags_decide),
        cmocka_unit_test(anchors_and_aliases),
        cmocka_unit_test(documents),
        cmocka_unit_test(malformed_text_names_the_line),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(alias_bombs_are_defused),
        cmocka_unit_test(size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
