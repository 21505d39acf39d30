/* STORAGE_URI in place of a repository. */

#include "cmocka_all.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/uri.h"

#include <string.h>

static const struct model_request overrides = {
    .repository = "",
    .namespace_ = "demo",
    .branch = "",
    .tag = "",
    .commit = "",
    .pipeline_tag = "text-generation",
    .library_name = "transformers",
};

static void test_accepted(void **state) {
    (void)state;
    static const struct {
        const char *uri;
        const char *repository;
        const char *path;
        const char *name;
        const char *commit;
        size_t warnings;
    } cases[] = {
        {"oci://registry:5000/models/qwen:1.0", "", "qwen", "qwen", "", 0},
        {"oci://registry/models/qwen@sha256:0123", "", "qwen", "qwen", "", 0},
        {"oci://registry:5000", "", "registry:5000", "registry:5000", "", 0},
        {"s3://bucket/models/qwen/", "", "qwen", "qwen", "", 0},
        {"gs://bucket", "", "bucket", "bucket", "", 0},
        {"pvc://claim/models/qwen", "", "qwen", "qwen", "", 0},
        {"pvc://claim", "", "claim", "claim", "", 0},
        {"hf://Qwen/Qwen3-0.6B", "", "Qwen/Qwen3-0.6B", "Qwen3-0.6B", "", 0},
        {"hf://Qwen/Qwen3-0.6B:main", "", "Qwen/Qwen3-0.6B", "Qwen3-0.6B", "", 0},
        {"hf://demo/qwen:0123456789abcdef0123456789abcdef01234567", "", "demo/qwen", "qwen",
         "0123456789abcdef0123456789abcdef01234567", 0},
        {"s3://bucket/x", "qwen", "qwen", "qwen", "", 0},
        {"s3://bucket/x", "team/amlmodels/qwen", "team/amlmodels/qwen", "qwen", "", 0},
        {"s3://bucket/x", "team/qwen", "team/qwen", "qwen", "", 0},
        {"https://host/models/m.tar.gz", "", "m.tar.gz", "m.tar.gz", "", 0},
        {"https://host/m.tar.gz?signature=abc", "", "m.tar.gz", "m.tar.gz", "", 1},
        {"modelscope://qwen/Qwen3", "", "Qwen3", "Qwen3", "", 1},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct model_request request = overrides;
        request.repository = cases[i].repository;
        cleanup_model struct model model = {0};
        cleanup_error struct error *error = NULL;
        if (uri_resolve(&model, &request, cases[i].uri, &error) < 0)
            fail_msg("%s: %s", cases[i].uri, error->message);
        assert_string_equal(model.storage_uri, cases[i].uri);
        assert_string_equal(model.path, cases[i].path);
        assert_string_equal(model.name, cases[i].name);
        assert_string_equal(model.commit, cases[i].commit);
        assert_string_equal(model.pipeline_tag, "text-generation");
        assert_string_equal(model.library_name, "transformers");
        assert_string_equal(model.card_origin, "PIPELINE_TAG and LIBRARY_NAME");
        if (model.warnings.count != cases[i].warnings)
            fail_msg("%s: %zu warnings", cases[i].uri, model.warnings.count);
    }
}

static void expect_refused(const struct model_request *request, const char *uri,
                           const char *words) {
    struct model model = {0};
    cleanup_error struct error *error = NULL;
    if (uri_resolve(&model, request, uri, &error) >= 0)
        fail_msg("accepted %s", uri);
    assert_int_equal(error->kind, ERROR_PARAMETER);
    if (strstr(error->message, words) == NULL)
        fail_msg("%s: %s", uri, error->message);
    assert_null(model.path);
}

static void test_refused(void **state) {
    (void)state;
    expect_refused(&overrides, "", "scheme");
    expect_refused(&overrides, "qwen", "scheme");
    expect_refused(&overrides, "/mnt/models", "scheme");
    expect_refused(&overrides, "s3:bucket", "scheme");
    expect_refused(&overrides, "1s3://bucket", "scheme");
    expect_refused(&overrides, "s3://", "nothing behind");
    expect_refused(&overrides, "s3:///", "nothing behind");
    expect_refused(&overrides, "s3://a b", "blank");
    expect_refused(&overrides, "s3://a\nb", "blank");
    expect_refused(&overrides, "s3://\xff", "UTF-8");
    expect_refused(&overrides, "https://user:secret@host/x", "password");
    expect_refused(&overrides, "hf://owner", "hf://owner/name");
    expect_refused(&overrides, "hf://a/b/c", "hf://owner/name");
    expect_refused(&overrides, "hf://owner/name:feature/x", "revision");
    expect_refused(&overrides, "hf://owner/name:", "revision");
}

static void test_a_password_is_not_repeated(void **state) {
    (void)state;
    struct model model = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(uri_resolve(&model, &overrides, "https://user:hunter2@host/x", &error), -1);
    assert_null(strstr(error->message, "hunter2"));
}

static void test_overrides_are_needed_and_refs_excluded(void **state) {
    (void)state;
    struct model_request request = overrides;
    request.library_name = "";
    expect_refused(&request, "s3://bucket/x", "LIBRARY_NAME");
    request = overrides;
    request.branch = "main";
    expect_refused(&request, "s3://bucket/x", "MODEL_REPO_BRANCH");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_password_is_not_repeated),
        cmocka_unit_test(test_overrides_are_needed_and_refs_excluded),
    };
    return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
