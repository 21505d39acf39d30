/* yaml_read_fields: two keys out of a README's front matter, whatever else stands there. */

#include "../cmocka_all.h"

#include "base/buffer.h"
#include "base/yaml.h"

#include <string.h>

enum { TASK, LIBRARY };

static int read_card_bytes(struct yaml_field fields[2], const char *yaml, size_t length,
                           struct error **err) {
    fields[TASK] = (struct yaml_field){.key = "pipeline_tag"};
    fields[LIBRARY] = (struct yaml_field){.key = "library_name"};
    return yaml_read_fields(fields, 2, yaml, length, 1, "README.md", ERROR_MODEL, err);
}

static void expect(const char *yaml, enum yaml_scalar task_kind, const char *task,
                   enum yaml_scalar library_kind, const char *library) {
    struct yaml_field fields[2];
    cleanup_error struct error *error = NULL;
    if (read_card_bytes(fields, yaml, strlen(yaml), &error) < 0)
        fail_msg("%s\n%s", yaml, error->message);
    assert_int_equal(fields[TASK].kind, task_kind);
    assert_int_equal(fields[LIBRARY].kind, library_kind);
    if (task != NULL)
        assert_string_equal(fields[TASK].text, task);
    else
        assert_null(fields[TASK].text);
    if (library != NULL)
        assert_string_equal(fields[LIBRARY].text, library);
    else
        assert_null(fields[LIBRARY].text);
    yaml_fields_free(fields, 2);
}

static void expect_both(const char *yaml) {
    expect(yaml, YAML_SCALAR_TEXT, "text-generation", YAML_SCALAR_TEXT, "transformers");
}

static void expect_error_bytes(const char *yaml, size_t length, const char *message) {
    struct yaml_field fields[2];
    cleanup_error struct error *error = NULL;
    assert_int_equal(read_card_bytes(fields, yaml, length, &error), -1);
    assert_int_equal(error->kind, ERROR_MODEL);
    assert_string_equal(error->message, message);
    assert_null(fields[TASK].text);
    assert_null(fields[LIBRARY].text);
}

static void expect_error(const char *yaml, const char *message) {
    expect_error_bytes(yaml, strlen(yaml), message);
}

static void the_ways_people_write_it(void **state) {
    (void)state;
    expect_both("pipeline_tag: text-generation\nlibrary_name: transformers\n");
    expect_both("pipeline_tag: text-generation\r\nlibrary_name: transformers\r\n");
    expect_both("library_name: 'transformers' # c\npipeline_tag: \"text-generation\"   # c\n");
    expect_both("{pipeline_tag: text-generation, library_name: transformers}");
    expect_both("pipeline_tag: >-\n  text-generation\nlibrary_name: |-\n  transformers\n");
    expect_both("\"pipeline_tag\": text-generation\n? library_name\n: transformers\n");
    expect_both("x: &l transformers\npipeline_tag: text-generation\nlibrary_name: *l\n");
    expect_both("pipeline_tag: !!str text-generation\nlibrary_name: &a transformers");
}

static void other_keys_are_skipped_whatever_they_hold(void **state) {
    (void)state;
    expect_both("license: mit\ntags: [pipeline_tag, library_name]\n"
                "model-index:\n- name: x\n  pipeline_tag: wrong\n  results: {library_name: wrong}\n"
                "pipeline_tag: text-generation\nwidget: |\n  pipeline_tag: wrong\n"
                "library_name: transformers\nlicense: again\n");
    expect_both("? [pipeline_tag, library_name]\n: x\n? {pipeline_tag: y}\n: [z]\n"
                "pipeline_tag: text-generation\nlibrary_name: transformers\n");
    expect_both("a: &a pipeline_tag\n*a : wrong\n"
                "pipeline_tag: text-generation\nlibrary_name: transformers\n");
    expect_both("a: *unknown\npipeline_tag: text-generation\nlibrary_name: transformers\n");
}

static void plain_scalars_are_text_as_written(void **state) {
    (void)state;
    expect("pipeline_tag: no\nlibrary_name: 1.0\n", YAML_SCALAR_TEXT, "no", YAML_SCALAR_TEXT,
           "1.0");
    expect("pipeline_tag: true\nlibrary_name: 'null'\n", YAML_SCALAR_TEXT, "true", YAML_SCALAR_TEXT,
           "null");
}

static void other_kinds_are_told_apart(void **state) {
    (void)state;
    expect("pipeline_tag: [a]\nlibrary_name: {a: b}\n", YAML_SCALAR_SEQUENCE, NULL,
           YAML_SCALAR_MAPPING, NULL);
    expect("pipeline_tag:\nlibrary_name: ~\n", YAML_SCALAR_NULL, NULL, YAML_SCALAR_NULL, NULL);
    expect("a: &a [1]\npipeline_tag: *a\n", YAML_SCALAR_SEQUENCE, NULL, YAML_SCALAR_MISSING, NULL);
    expect("", YAML_SCALAR_MISSING, NULL, YAML_SCALAR_MISSING, NULL);
    expect("# nothing\n", YAML_SCALAR_MISSING, NULL, YAML_SCALAR_MISSING, NULL);
    expect("pipeline_tag: ''\n", YAML_SCALAR_TEXT, "", YAML_SCALAR_MISSING, NULL);
}

static void lines_are_counted_with_the_offset(void **state) {
    (void)state;
    struct yaml_field fields[2];
    const char *yaml = "a: b\n\npipeline_tag: x\nlibrary_name:\n  - y\n";
    assert_int_equal(read_card_bytes(fields, yaml, strlen(yaml), NULL), 0);
    assert_int_equal(fields[TASK].line, 4);
    assert_int_equal(fields[LIBRARY].line, 6);
    yaml_fields_free(fields, 2);
}

static void malformed_text_names_the_line(void **state) {
    (void)state;
    expect_error("pipeline_tag: a\nb: c\npipeline_tag: d\n",
                 "README.md, line 4: the key \"pipeline_tag\" is there twice (first in line 2)");
    expect_error("pipeline_tag:\npipeline_tag: d\n",
                 "README.md, line 3: the key \"pipeline_tag\" is there twice (first in line 2)");
    expect_error("- a\n", "README.md, line 2: \"key: value\" lines are expected, not a list");
    expect_error("just text\n",
                 "README.md, line 2: \"key: value\" lines are expected, not a single text");
    expect_error("a: b\npipeline_tag: *x\n", "README.md, line 3: the alias *x names nothing");
    expect_error("pipeline_tag: x\na: b: c\n",
                 "README.md, line 3: mapping values are not allowed in this context");
    expect_error("pipeline_tag: \"a\\0b\"\n",
                 "README.md, line 2: \"pipeline_tag\" has a NUL character");
}

static void hostile_text_is_bounded(void **state) {
    (void)state;
    cleanup_buffer struct buffer text = BUFFER_INIT(2 * 1024 * 1024);
    buffer_append_text(&text, "pipeline_tag: x\na: ");
    for (int i = 0; i < 64; i++)
        buffer_append_text(&text, "[");
    expect_error_bytes(text.data, text.length, "README.md, line 3: nested deeper than 64 levels");

    buffer_clear(&text);
    buffer_append_text(&text, "a: [");
    for (int i = 0; i < 200000; i++)
        buffer_append_text(&text, "x,");
    expect_error_bytes(text.data, text.length, "README.md, line 2: more than 100000 values");

    buffer_clear(&text);
    for (int i = 0; i <= 1024 * 1024; i++)
        buffer_append_text(&text, "#");
    expect_error_bytes(text.data, text.length,
                       "README.md is 1048577 bytes long, more than the 1048576 that are read");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ways_people_write_it),
        cmocka_unit_test(other_keys_are_skipped_whatever_they_hold),
        cmocka_unit_test(plain_scalars_are_text_as_written),
        cmocka_unit_test(other_kinds_are_told_apart),
        cmocka_unit_test(lines_are_counted_with_the_offset),
        cmocka_unit_test(malformed_text_names_the_line),
        cmocka_unit_test(hostile_text_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
