/* Overrides and card together, and what paths become. */

#include "cmocka_all.h"

#include "model_internal.h"

#include <string.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static int take(struct model *model, const char *pipeline_tag, const char *library_name,
                const char *readme, struct error **err) {
    const struct model_request request = {.pipeline_tag = pipeline_tag,
                                          .library_name = library_name};
    assert_int_equal(model_init(model, NULL), 0);
    assert_int_equal(model_set(&model->path, "demo/amlmodels/qwen", NULL), 0);
    assert_int_equal(model_set(&model->commit, COMMIT, NULL), 0);
    return model_take_card(model, &request, readme, strlen(readme), err);
}

static void test_overrides_win_key_by_key(void **state) {
    (void)state;
    cleanup_model struct model model = {0};
    assert_int_equal(
        take(&model, "text-ranking", "", "---\npipeline_tag: [x]\nlibrary_name: b\n---\n", NULL),
        0);
    assert_string_equal(model.pipeline_tag, "text-ranking");
    assert_string_equal(model.library_name, "b");
    assert_string_equal(model.card_origin, "README.md at 0123456789ab");
}

static void test_missing_keys_name_file_commit_and_parameter(void **state) {
    (void)state;
    static const struct {
        const char *readme;
        const char *message;
        const char *hint;
    } cases[] = {
        {"---\nlibrary_name: b\n---\n",
         "README.md of demo/amlmodels/qwen at 0123456789ab has no pipeline_tag", "PIPELINE_TAG"},
        {"---\npipeline_tag: b\n---\n",
         "README.md of demo/amlmodels/qwen at 0123456789ab has no library_name", "LIBRARY_NAME"},
        {"# Qwen\n",
         "README.md of demo/amlmodels/qwen at 0123456789ab has neither pipeline_tag nor "
         "library_name",
         "PIPELINE_TAG and LIBRARY_NAME"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_model struct model model = {0};
        cleanup_error struct error *error = NULL;
        assert_int_equal(take(&model, "", "", cases[i].readme, &error), -1);
        assert_int_equal(error->kind, ERROR_MODEL);
        assert_string_equal(error->message, cases[i].message);
        assert_non_null(strstr(error->hint, cases[i].hint));
    }
}

static void test_wrong_cards_can_be_overridden(void **state) {
    (void)state;
    cleanup_model struct model model = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(take(&model, "", "", "---\n- a\n---\n", &error), -1);
    assert_non_null(strstr(error->hint, "set PIPELINE_TAG and LIBRARY_NAME"));
}

static void test_paths(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *group;
        const char *subgroup;
        const char *name;
        const char *uri;
    } cases[] = {
        {"demo/amlmodels/qwen", "demo", "amlmodels", "qwen", "hf://demo/qwen:" COMMIT},
        {"demo/qwen", "demo", "", "qwen", "hf://demo/qwen:" COMMIT},
        {"a/b/c/d", "a", "b/c", "d", "hf://a/d:" COMMIT},
        {"qwen", "", "", "qwen", "hf://qwen:" COMMIT},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_model struct model model = {0};
        assert_int_equal(model_init(&model, NULL), 0);
        assert_int_equal(model_set(&model.path, cases[i].path, NULL), 0);
        assert_int_equal(model_set(&model.commit, COMMIT, NULL), 0);
        assert_int_equal(model_complete_path(&model, NULL), 0);
        assert_string_equal(model.path, cases[i].path);
        assert_string_equal(model.group, cases[i].group);
        assert_string_equal(model.subgroup, cases[i].subgroup);
        assert_string_equal(model.name, cases[i].name);
        assert_string_equal(model.storage_uri, cases[i].uri);
    }
}

static void test_commit_parameter(void **state) {
    (void)state;
    char commit[65];
    assert_int_equal(model_check_commit(commit, "ABCDEF0", NULL), 0);
    assert_string_equal(commit, "abcdef0");
    static const char *const wrong[] = {
        "",         "abcdef",
        "abcdefg",  "abcdef0 ",
        "-abcdef0", "HEAD",
        "abcdef0/", "00000000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < array_length(wrong); i++) {
        cleanup_error struct error *error = NULL;
        if (model_check_commit(commit, wrong[i], &error) >= 0)
            fail_msg("accepted '%s'", wrong[i]);
        assert_int_equal(error->kind, ERROR_PARAMETER);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overrides_win_key_by_key),
        cmocka_unit_test(test_missing_keys_name_file_commit_and_parameter),
        cmocka_unit_test(test_wrong_cards_can_be_overridden),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_commit_parameter),
    };
    return cmocka_run_group_tests_name("model_card", tests, NULL, NULL);
}
