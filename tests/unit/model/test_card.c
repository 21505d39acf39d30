/* The front matter of model cards, from the ordinary to the hostile. */

#include "cmocka_all.h"

#include "base/buffer.h"
#include "model/card.h"

#include <string.h>

struct card_case {
    const char *name;
    const char *readme;
    const char *pipeline_tag;
    const char *library_name;
};

static const struct card_case readable[] = {
    {"plain", "---\npipeline_tag: text-generation\nlibrary_name: transformers\n---\n# Qwen\n",
     "text-generation", "transformers"},
    {"CR LF",
     "---\r\npipeline_tag: text-generation\r\nlibrary_name: transformers\r\n---\r\n# x\r\n",
     "text-generation", "transformers"},
    {"byte order mark", "\xef\xbb\xbf---\npipeline_tag: a\nlibrary_name: b\n---\n", "a", "b"},
    {"blank lines before", "\n \n\n---\npipeline_tag: a\nlibrary_name: b\n---\n", "a", "b"},
    {"no end of line at the end", "---\npipeline_tag: a\nlibrary_name: b\n---", "a", "b"},
    {"blanks behind the closing line", "---\npipeline_tag: a\nlibrary_name: b\n--- \t\ntext", "a",
     "b"},
    {"quotes", "---\npipeline_tag: \"text-generation\"\nlibrary_name: 'sklearn'\n---\n",
     "text-generation", "sklearn"},
    {"comments", "---\n# c\npipeline_tag: a # the task\nlibrary_name: 'b#c' # d\n---\n", "a",
     "b#c"},
    {"flow style", "---\n{pipeline_tag: a, library_name: b, tags: [x, y]}\n---\n", "a", "b"},
    {"literal block",
     "---\npipeline_tag: |\n  text-generation\nlibrary_name: >-\n  transformers\n---\n",
     "text-generation", "transformers"},
    {"text that looks like other types", "---\npipeline_tag: 1.0\nlibrary_name: no\n---\n", "1.0",
     "no"},
    {"text with blanks and colons", "---\npipeline_tag: \" a b \"\nlibrary_name: x::y\n---\n",
     "a b", "x::y"},
    {"anchor and alias", "---\nx: &a transformers\npipeline_tag: t\nlibrary_name: *a\n---\n", "t",
     "transformers"},
    {"other keys of any shape",
     "---\nmodel-index:\n- name: x\n  results: [{task: {type: t}, library_name: wrong}]\n"
     "pipeline_tag: a\nwidget:\n  pipeline_tag: wrong\nlibrary_name: b\n---\n",
     "a", "b"},
    {"unicode", "---\npipeline_tag: \xe6\x96\x87\xe6\x9c\xac\nlibrary_name: caf\xc3\xa9\n---\n",
     "\xe6\x96\x87\xe6\x9c\xac", "caf\xc3\xa9"},
    {"text below is ignored",
     "---\npipeline_tag: a\n---\nlibrary_name: wrong\n---\nlibrary_name: wrong\n---\n", "a", ""},
    {"body that is not UTF-8", "---\npipeline_tag: a\nlibrary_name: b\n---\n\xff\xfe\x80 body", "a",
     "b"},
    {"no value", "---\npipeline_tag:\nlibrary_name: ~\n---\n", "", ""},
    {"null by name and empty text", "---\npipeline_tag: null\nlibrary_name: \"\"\n---\n", "", ""},
    {"empty block", "---\n\n---\n", "", ""},
    {"nothing between the lines", "---\n---\npipeline_tag: wrong\n---\n", "", ""},
    {"comment only", "---\n# nothing yet\n---\n", "", ""},
    {"no block", "# Qwen\n\npipeline_tag: wrong\nlibrary_name: wrong\n", "", ""},
    {"block after text", "# Qwen\n---\npipeline_tag: wrong\nlibrary_name: wrong\n---\n", "", ""},
    {"block that never ends", "---\npipeline_tag: wrong\nlibrary_name: wrong\n", "", ""},
    {"indented closing line", "---\npipeline_tag: wrong\n ---\n", "", ""},
    {"four dashes", "----\npipeline_tag: wrong\n----\n", "", ""},
    {"blank behind the opening line", "--- \npipeline_tag: wrong\n---\n", "", ""},
    {"upper case keys", "---\nPIPELINE_TAG: wrong\nLibrary_Name: wrong\n---\n", "", ""},
    {"empty file", "", "", ""},
    {"byte order mark alone", "\xef\xbb\xbf", "", ""},
};

static void test_readable(void **state) {
    (void)state;
    for (size_t i = 0; i < array_length(readable); i++) {
        const struct card_case *expected = &readable[i];
        cleanup_card struct card card = {0};
        cleanup_error struct error *error = NULL;
        int result = card_parse(&card, CARD_BOTH, expected->readme, strlen(expected->readme),
                                "README.md", &error);
        if (result != 0 || strcmp(card.pipeline_tag, expected->pipeline_tag) != 0 ||
            strcmp(card.library_name, expected->library_name) != 0)
            fail_msg("%s: got %d '%s' '%s' %s", expected->name, result, card.pipeline_tag,
                     card.library_name, error != NULL ? error->message : "");
    }
}

struct refused_case {
    const char *name;
    const char *readme;
    const char *part_of_message;
};

static const struct refused_case refused[] = {
    {"list", "---\nlibrary_name: b\npipeline_tag: [a]\n---\n", "line 3: pipeline_tag is a list"},
    {"block list", "---\npipeline_tag:\n- a\n- b\n---\n", "pipeline_tag is a list"},
    {"mapping", "---\nlibrary_name: {a: b}\n---\n", "line 2: library_name is a mapping"},
    {"several lines", "---\npipeline_tag: |\n  a\n  b\n---\n", "more than one line"},
    {"control character", "---\npipeline_tag: \"a\\x1bb\"\n---\n", "control character"},
    {"twice", "---\npipeline_tag: a\nx: y\npipeline_tag: b\n---\n", "line 4"},
    {"list instead of keys", "---\n- pipeline_tag\n---\n", "not a list"},
    {"text instead of keys", "---\njust words\n---\n", "\"key: value\""},
    {"broken YAML", "---\npipeline_tag: [a\nlibrary_name: b\n---\n", "README.md"},
    {"tab indent", "---\nx:\n\ty: z\n---\n", "README.md"},
    {"block that is not UTF-8", "---\npipeline_tag: \xff\xfe\n---\n", "README.md"},
    {"alias without anchor", "---\npipeline_tag: *a\n---\n", "README.md"},
    {"UTF-16", "\xff\xfe-", "UTF-16"},
    {"LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n",
     "Git LFS pointer"},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < array_length(refused); i++) {
        struct card card = {0};
        cleanup_error struct error *error = NULL;
        int result = card_parse(&card, CARD_BOTH, refused[i].readme, strlen(refused[i].readme),
                                "README.md of a/b at 0123", &error);
        if (result >= 0)
            fail_msg("%s: accepted", refused[i].name);
        if (error->kind != ERROR_MODEL ||
            strstr(error->message, refused[i].part_of_message) == NULL)
            fail_msg("%s: %s", refused[i].name, error->message);
        assert_non_null(strstr(error->message, "README.md of a/b at 0123"));
        assert_null(card.pipeline_tag);
        assert_null(card.library_name);
    }
}

static void test_nul_in_the_block(void **state) {
    (void)state;
    static const char readme[] = "---\npipeline_tag: a\0b\n---\n";
    struct card card = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(card_parse(&card, CARD_BOTH, readme, sizeof(readme) - 1, "README.md", &error),
                     -1);
    assert_int_equal(error->kind, ERROR_MODEL);
}

static void test_lines_count_from_the_top_of_the_file(void **state) {
    (void)state;
    static const char readme[] = "\r\n\n---\r\na: 1\r\npipeline_tag: []\r\n---\r\n";
    struct card card = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(card_parse(&card, CARD_BOTH, readme, strlen(readme), "README.md", &error), -1);
    assert_non_null(strstr(error->message, "line 5"));
}

/* What a parameter overrides may be wrong in the file. */
static void test_only_wanted_keys_count(void **state) {
    (void)state;
    static const char readme[] = "---\npipeline_tag: [a]\npipeline_tag: b\nlibrary_name: c\n---\n";
    cleanup_card struct card card = {0};
    assert_int_equal(
        card_parse(&card, CARD_LIBRARY_NAME, readme, strlen(readme), "README.md", NULL), 0);
    assert_string_equal(card.pipeline_tag, "");
    assert_string_equal(card.library_name, "c");
}

static void fill(struct buffer *buffer, const char *part, size_t times) {
    for (size_t i = 0; i < times; i++)
        assert_int_equal(buffer_append_text(buffer, part), 0);
}

static void test_large_text_below_is_not_read(void **state) {
    (void)state;
    cleanup_buffer struct buffer readme = BUFFER_INIT(16 * 1024 * 1024);
    fill(&readme, "---\npipeline_tag: a\nlibrary_name: b\n---\n", 1);
    fill(&readme, "text: [not yaml\n", 64 * 1024);
    cleanup_card struct card card = {0};
    assert_int_equal(card_parse(&card, CARD_BOTH, readme.data, readme.length, "README.md", NULL),
                     0);
    assert_string_equal(card.library_name, "b");
}

static void expect_refused(const struct buffer *readme, const char *words) {
    struct card card = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(
        card_parse(&card, CARD_BOTH, readme->data, readme->length, "README.md", &error), -1);
    assert_int_equal(error->kind, ERROR_MODEL);
    if (strstr(error->message, words) == NULL)
        fail_msg("%s", error->message);
}

static void test_ceilings(void **state) {
    (void)state;
    cleanup_buffer struct buffer block = BUFFER_INIT(16 * 1024 * 1024);
    fill(&block, "---\n", 1);
    fill(&block, "# comment in the block\n", 50 * 1024);
    fill(&block, "---\n", 1);
    expect_refused(&block, "1 MiB");

    cleanup_buffer struct buffer file = BUFFER_INIT(16 * 1024 * 1024);
    fill(&file, "---\npipeline_tag: a\n---\n", 1);
    fill(&file, "0123456789abcdef", 700 * 1024);
    expect_refused(&file, "10 MiB");

    cleanup_buffer struct buffer deep = BUFFER_INIT(1024 * 1024);
    fill(&deep, "---\nx: ", 1);
    fill(&deep, "[", 2000);
    fill(&deep, "]", 2000);
    fill(&deep, "\n---\n", 1);
    expect_refused(&deep, "README.md");

    cleanup_buffer struct buffer value = BUFFER_INIT(1024 * 1024);
    fill(&value, "---\npipeline_tag: ", 1);
    fill(&value, "abcdefgh", 40);
    fill(&value, "\n---\n", 1);
    expect_refused(&value, "256 bytes");
}

/* Ten levels of ten aliases each: ten thousand million nodes when expanded, none of them wanted. */
static void test_alias_bomb_costs_nothing(void **state) {
    (void)state;
    cleanup_buffer struct buffer readme = BUFFER_INIT(1024 * 1024);
    fill(&readme, "---\na0: &a0 [x]\n", 1);
    for (int i = 1; i <= 10; i++) {
        buffer_printf(&readme, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buffer_printf(&readme, "%s*a%d", j > 0 ? "," : "", i - 1);
        fill(&readme, "]\n", 1);
    }
    fill(&readme, "pipeline_tag: a\nlibrary_name: b\n---\n", 1);
    cleanup_card struct card card = {0};
    assert_int_equal(card_parse(&card, CARD_BOTH, readme.data, readme.length, "README.md", NULL),
                     0);
    assert_string_equal(card.pipeline_tag, "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readable),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul_in_the_block),
        cmocka_unit_test(test_lines_count_from_the_top_of_the_file),
        cmocka_unit_test(test_only_wanted_keys_count),
        cmocka_unit_test(test_large_text_below_is_not_read),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_alias_bomb_costs_nothing),
    };
    return cmocka_run_group_tests_name("card", tests, NULL, NULL);
}
