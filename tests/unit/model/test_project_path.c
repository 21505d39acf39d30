/* From MODEL_REPO to project paths. */

#include "cmocka_all.h"

#include "model/project_path.h"

#include <string.h>

static void test_candidates(void **state) {
    (void)state;
    static const struct {
        const char *repository;
        const char *candidates; /* joined with '|' */
    } cases[] = {
        {"qwen", "demo/amlmodels/qwen"},
        {"Qwen2.5-0.5B_x", "demo/amlmodels/Qwen2.5-0.5B_x"},
        {"team/qwen", "team/amlmodels/qwen|team/qwen"},
        {"team/amlmodels/qwen", "team/amlmodels/qwen"},
        {"a/b/c/d/e", "a/b/c/d/e"},
        {"/team/qwen/", "team/amlmodels/qwen|team/qwen"},
        {"qwen.git", "demo/amlmodels/qwen"},
        {"team/amlmodels/qwen.git/", "team/amlmodels/qwen"},
        {".git", "demo/amlmodels/.git"},
        {"\xe6\xa8\xa1\xe5\x9e\x8b", "demo/amlmodels/\xe6\xa8\xa1\xe5\x9e\x8b"},
        {"a+b", "demo/amlmodels/a+b"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_strings struct strings found = {0};
        cleanup_error struct error *error = NULL;
        if (project_path_candidates(&found, cases[i].repository, "demo", &error) < 0)
            fail_msg("%s: %s", cases[i].repository, error->message);
        cleanup_free char *joined = strings_join(&found, "|", NULL);
        assert_string_equal(joined, cases[i].candidates);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",      "/",     "///",  "a//b",   ".",         "..",   "a/../b", "a/./b",
        "a b",   "a\tb",  "a\nb", "a%2Fb",  "a?b",       "a#b",  "a\\b",   "https://host/a/b",
        "a\x01", "a\x7f", "\xff", "a/b/..", "team/\xc3", "a\"b", "a*b",
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct strings found = {0};
        cleanup_error struct error *error = NULL;
        if (project_path_candidates(&found, cases[i], "demo", &error) >= 0)
            fail_msg("accepted '%s'", cases[i]);
        assert_int_equal(error->kind, ERROR_PARAMETER);
        assert_non_null(strstr(error->message, "MODEL_REPO"));
        assert_null(strchr(error->message, '\n'));
        assert_int_equal(found.count, 0);
    }
}

static void test_one_part_needs_a_namespace(void **state) {
    (void)state;
    struct strings found = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(project_path_candidates(&found, "qwen", "", &error), -1);
    assert_non_null(strstr(error->message, "NAMESPACE"));
}

static void test_too_long(void **state) {
    (void)state;
    char path[1100];
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    struct strings found = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(project_path_candidates(&found, path, "demo", &error), -1);
    assert_non_null(strstr(error->message, "1024"));
}

static void test_paths_of_servers(void **state) {
    (void)state;
    assert_true(project_path_is_valid("demo/amlmodels/qwen"));
    assert_true(project_path_is_valid("demo/qwen"));
    assert_false(project_path_is_valid("qwen"));
    assert_false(project_path_is_valid(""));
    assert_false(project_path_is_valid(NULL));
    assert_false(project_path_is_valid("demo/../qwen"));
    assert_false(project_path_is_valid("demo/\x1b[31mqwen"));
    assert_false(project_path_is_valid("demo/qwen\nforged"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_one_part_needs_a_namespace),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_paths_of_servers),
    };
    return cmocka_run_group_tests_name("project_path", tests, NULL, NULL);
}
