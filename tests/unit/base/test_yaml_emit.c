/* yaml_from_json: readable block style whose every string comes back as the same string. */

#include "../cmocka_all.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/yaml.h"

#include <string.h>

static json_t *parse(const char *json) {
    json_t *value = NULL;
    cleanup_error struct error *error = NULL;
    if (json_parse(&value, json, strlen(json), "the test", ERROR_INTERNAL, &error) < 0)
        fail_msg("%s\n%s", json, error->message);
    return value;
}

static void expect_round_trip(const json_t *value) {
    cleanup_error struct error *error = NULL;
    cleanup_free char *yaml = yaml_from_json(value, &error);
    assert_non_null(yaml);
    cleanup_json json_t *back = NULL;
    if (yaml_to_json(&back, yaml, strlen(yaml), "the YAML", ERROR_INTERNAL, &error) < 0)
        fail_msg("%s\n%s", yaml, error->message);
    if (!json_equal(value, back))
        fail_msg("changed by the round trip:\n%s", yaml);
}

static void expect_yaml(const char *json, const char *yaml) {
    cleanup_json json_t *value = parse(json);
    cleanup_free char *text = yaml_from_json(value, NULL);
    assert_string_equal(text, yaml);
    expect_round_trip(value);
}

static void containers(void **state) {
    (void)state;
    expect_yaml("{\"b\": 1, \"a\": {\"c\": [], \"d\": {}}, \"e\": null, \"f\": true, \"g\": 1.5}",
                "b: 1\na:\n  c: []\n  d: {}\ne: null\nf: true\ng: 1.5\n");
    expect_yaml(
        "{\"env\": [{\"name\": \"A\", \"value\": \"1\"}, {\"name\": \"B\"}], \"z\": [[1, 2], [3]]}",
        "env:\n- name: A\n  value: \"1\"\n- name: B\nz:\n- - 1\n  - 2\n- - 3\n");
    expect_yaml("[]", "[]\n");
    expect_yaml("{}", "{}\n");
    expect_yaml("7", "7\n");
}

static void strings_are_plain_only_where_that_is_safe(void **state) {
    (void)state;
    static const char *const plain[] = {"a",
                                        "500m",
                                        "4Gi",
                                        "hf://g/r:0123abcdx",
                                        "$(VAR)",
                                        "--model-name={{.Name}}",
                                        "-c",
                                        "a b",
                                        "a#b",
                                        "a:b",
                                        "/mnt/models",
                                        "nvidia.com/gpu",
                                        "\xe6\xa8\xa1\xe5\x9e\x8b",
                                        "x, y",
                                        "~/x",
                                        "python3 -m vllm"};
    for (size_t i = 0; i < array_length(plain); i++) {
        cleanup_json json_t *value = json_string(plain[i]);
        cleanup_free char *text = yaml_from_json(value, NULL);
        assert_int_equal(strlen(text), strlen(plain[i]) + 1);
        assert_memory_equal(text, plain[i], strlen(plain[i]));
        expect_round_trip(value);
    }
    static const char *const quoted[] = {
        "", " a", "a ", "a: b", "a #b", "a:", "#a", "- a", "-", "---", "? a", "*a", "&a", "!a",
        "%a", "@a", "`a", "{a", "[a", "|", ">", "'a", "\"a", "true", "No", "y", "OFF", "null", "~",
        "1", "1e3", "0x1f", "012", "1:30", "1_0", ".5", "-1", "+1", ".inf", ".NaN", "2001-12-14",
        "<<", "=", "1234567", "0e12345", "...", "...a", "a\tb", "a\rb", "a\x7f", "a\xc2\x85",
        "a\xe2\x80\xa8",
        /* a byte order mark; "a" would join the escape */
        ("\xef\xbb\xbf"
         "a"),
        "a\xef\xbf\xbe", "a\x1b[0m", "\n", "\n\n", "  \n", " a\nb", "\ta\nb", "a\r\nb"};
    for (size_t i = 0; i < array_length(quoted); i++) {
        cleanup_json json_t *value = json_string(quoted[i]);
        cleanup_free char *text = yaml_from_json(value, NULL);
        if (text[0] != '"' && text[0] != '\'')
            fail_msg("not quoted: %s", text);
        expect_round_trip(value);
    }
}

static void the_form_of_quotes(void **state) {
    (void)state;
    expect_yaml("{\"a\": \"{\\\"b\\\": 1}\", \"c\": \"it's\", \"d\": \"'\", \"e\": \"\\\"\\t'\"}",
                "a: '{\"b\": 1}'\nc: it's\nd: \"'\"\ne: \"\\\"\\t'\"\n");
    expect_yaml("{\"a: b\": 1, \"true\": 2, \"x\\ny\": 3}",
                "\"a: b\": 1\n\"true\": 2\n\"x\\ny\": 3\n");
    expect_yaml("[\"\\u001b[31m\\u2028\"]", "- \"\\u001b[31m\\u2028\"\n");
}

static void lines_become_block_literals(void **state) {
    (void)state;
    expect_yaml(
        "{\"command\": [\"bash\", \"-c\", \"set -e\\n\\nif true; then\\n\\techo "
        "\\\"$X\\\"\\nfi\\n\"], \"z\": 1}",
        "command:\n- bash\n- -c\n- |\n  set -e\n\n  if true; then\n  \techo \"$X\"\n  fi\nz: 1\n");
    expect_yaml("{\"a\": {\"b\": \"x\\ny\"}}", "a:\n  b: |-\n    x\n    y\n");
    expect_yaml("{\"a\": \"x\\n\\n\\n\", \"b\": 1}", "a: |+\n  x\n\n\nb: 1\n");
    expect_yaml("[\"x\\n\\n\", \"w\"]", "- |+\n  x\n\n- w\n");
    expect_yaml("\"x\\n---\\n# y\\n\"", "|\n  x\n  ---\n  # y\n");
    expect_yaml("[\"x \\n  \\n\", \"x\\n  \"]", "- |\n  x \n    \n- |-\n  x\n    \n");
}

static void long_keys_survive(void **state) {
    (void)state;
    cleanup_json json_t *value = json_object();
    cleanup_buffer struct buffer key = BUFFER_INIT(10000);
    for (int i = 0; i < 500; i++)
        buffer_append_text(&key, "long key ");
    assert_int_equal(
        json_object_set_new(value, buffer_text(&key), parse("{\"a\": [1, \"x\\ny\"]}")), 0);
    cleanup_json json_t *list = json_array();
    assert_int_equal(json_array_append(list, value), 0);
    expect_round_trip(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers),
        cmocka_unit_test(strings_are_plain_only_where_that_is_safe),
        cmocka_unit_test(the_form_of_quotes),
        cmocka_unit_test(lines_become_block_literals),
        cmocka_unit_test(long_keys_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
