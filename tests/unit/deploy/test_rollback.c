/* ON_FAILURE=rollback brings back exactly the spec of before, and never takes somebody else's
 * change away. */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/rollback.h"
#include "deploy/verify.h"

static json_t *parse(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

#define BEFORE                                                                                     \
    "{\"metadata\":{\"name\":\"qwen\",\"namespace\":\"demo\",\"uid\":\"u1\",\"resourceVersion\":"  \
    "\"7\",\"generation\":3,"                                                                      \
    "\"labels\":{\"a\":\"b\"},\"managedFields\":[{}],\"annotations\":{\"x\":\"y\","                \
    "\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}},"                               \
    "\"spec\":{\"predictor\":{\"minReplicas\":2}},\"status\":{\"url\":\"http://x\"}}"

static void the_document_holds_spec_labels_annotations_and_nothing_of_the_server(void **state) {
    (void)state;
    json_t *before = parse(BEFORE);
    json_t *document = NULL;
    assert_int_equal(rollback_document(&document, before, NULL), 0);
    assert_int_equal(json_integer_at(document, 0, "spec", "predictor", "minReplicas", NULL), 2);
    assert_string_equal(json_text_at(document, "metadata", "labels", "a", NULL), "b");
    assert_string_equal(json_text_at(document, "metadata", "annotations", "x", NULL), "y");
    assert_null(json_at(document, "metadata", "annotations",
                        "kubectl.kubernetes.io/last-applied-configuration", NULL));
    assert_null(json_at(document, "metadata", "managedFields", NULL));
    assert_null(json_at(document, "metadata", "resourceVersion", NULL));
    assert_null(json_at(document, "metadata", "uid", NULL));
    assert_null(json_at(document, "status", NULL));
    json_decref(document);
    json_decref(before);
}

static bool safe(const char *now_text) {
    json_t *applied = parse("{\"metadata\":{\"uid\":\"u1\",\"generation\":4}}");
    json_t *now = parse(now_text);
    bool result = rollback_is_safe(now, applied, "abc");
    json_decref(now);
    json_decref(applied);
    return result;
}

#define OURS "\"annotations\":{\"" ANNOTATION_CONTENT_HASH "\":\"abc\"}"

static void only_our_own_unchanged_apply_is_taken_back(void **state) {
    (void)state;
    assert_true(safe("{\"metadata\":{\"uid\":\"u1\",\"generation\":4," OURS "}}"));
    assert_false(safe("{\"metadata\":{\"uid\":\"u2\",\"generation\":4," OURS "}}"));
    assert_false(safe("{\"metadata\":{\"uid\":\"u1\",\"generation\":5," OURS "}}"));
    assert_false(safe("{\"metadata\":{\"uid\":\"u1\",\"generation\":4}}"));
    assert_false(safe(
        "{\"metadata\":{\"uid\":\"u1\",\"generation\":4,\"deletionTimestamp\":\"t\"," OURS "}}"));
}

static void the_paths_follow_the_protocol(void **state) {
    (void)state;
    const struct {
        const char *protocol;
        const char *paths;
    } cases[] = {
        {"v2", "/v2/health/ready /v2/models/qwen/ready"},
        {"v1", "/v1/models/qwen"},
        {"", "/v1/models"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct strings paths = {.items = NULL};
        assert_int_equal(verify_paths(&paths, cases[i].protocol, "qwen", NULL), 0);
        char *joined = strings_join(&paths, " ", NULL);
        assert_string_equal(joined, cases[i].paths);
        free(joined);
        strings_free(&paths);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_holds_spec_labels_annotations_and_nothing_of_the_server),
        cmocka_unit_test(only_our_own_unchanged_apply_is_taken_back),
        cmocka_unit_test(the_paths_follow_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
