/* ON_FAILURE=rollback brings back exactly the spec of before, and never takes somebody else's
 * change away. */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/rollback.h"
#include "deploy/verify.h"

#include <string.h>

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
    json_t *now = parse("{\"metadata\":{\"resourceVersion\":\"9\",\"annotations\":{"
                        "\"serving.kserve.io/deploymentMode\":\"Standard\",\"other\":\"z\"}}}");
    json_t *document = NULL;
    assert_int_equal(rollback_document(&document, before, now, NULL), 0);
    assert_string_equal(
        json_text_at(document, "metadata", "annotations", "serving.kserve.io/deploymentMode", NULL),
        "Standard");
    assert_int_equal(json_object_size(json_at(document, "metadata", "annotations", NULL)), 2);
    assert_null(json_at(document, "metadata", "resourceVersion", NULL));
    assert_int_equal(json_integer_at(document, 0, "spec", "predictor", "minReplicas", NULL), 2);
    assert_string_equal(json_text_at(document, "metadata", "labels", "a", NULL), "b");
    assert_string_equal(json_text_at(document, "metadata", "annotations", "x", NULL), "y");
    assert_null(json_at(document, "metadata", "annotations",
                        "kubectl.kubernetes.io/last-applied-configuration", NULL));
    assert_null(json_at(document, "metadata", "managedFields", NULL));
    assert_null(json_at(document, "metadata", "uid", NULL));
    assert_null(json_at(document, "status", NULL));
    json_decref(document);
    json_decref(now);
    json_decref(before);
}

#define OURS "\"annotations\":{\"" ANNOTATION_CONTENT_HASH "\":\"abc\"}"

static bool safe(const char *now_text) {
    json_t *applied = parse("{\"metadata\":{\"uid\":\"u1\",\"generation\":4," OURS "}}");
    json_t *now = parse(now_text);
    bool result = rollback_is_safe(now, applied);
    json_decref(now);
    json_decref(applied);
    return result;
}

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
        {"grpc-v2", "/v2/health/ready /v2/models/qwen/ready"},
        {"", "/v1/models"},
        {"openai", "/v1/models"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct strings paths = {.items = NULL};
        enum verify_dialect order[VERIFY_DIALECTS];
        verify_order(order, cases[i].protocol);
        assert_int_equal(verify_paths(&paths, order[0], "qwen", NULL), 0);
        char *joined = strings_join(&paths, " ", NULL);
        assert_string_equal(joined, cases[i].paths);
        free(joined);
        strings_free(&paths);
    }
}

static void the_answer_is_judged_by_status_and_body(void **state) {
    (void)state;
    const struct {
        enum verify_dialect dialect;
        int status;
        const char *body;
        const char *model;
        enum verify_answer answer;
        const char *trouble;
    } cases[] = {
        {VERIFY_V2, 200, "", "", VERIFY_ANSWERS, NULL},
        {VERIFY_V2, 200, "{\"name\":\"qwen\",\"ready\":true}", "", VERIFY_ANSWERS, NULL},
        {VERIFY_V2, 200, "{\"name\":\"qwen\",\"ready\":false}", "", VERIFY_LATER, "not ready"},
        {VERIFY_V2, 200, "\n <!doctype html>", "", VERIFY_LATER, "web page"},
        {VERIFY_V2, 404, "", "", VERIFY_ABSENT, "answers 404"},
        {VERIFY_V2, 503, "", "", VERIFY_LATER, "answers 503"},
        {VERIFY_V2, 204, "", "", VERIFY_LATER, "answers 204"},
        {VERIFY_V2, 403, "", "", VERIFY_NEVER, "answers 403"},
        {VERIFY_V1, 200, "{\"name\":\"qwen\",\"ready\":\"True\"}", "", VERIFY_ANSWERS, NULL},
        {VERIFY_V1, 200, "{\"name\":\"qwen\",\"ready\":\"False\"}", "", VERIFY_LATER, "not ready"},
        {VERIFY_V1, 200, "{\"model_version_status\":[{\"state\":\"AVAILABLE\"}]}", "",
         VERIFY_ANSWERS, NULL},
        {VERIFY_V1, 200, "{\"model_version_status\":[{\"state\":\"LOADING\"}]}", "", VERIFY_LATER,
         "available"},
        {VERIFY_V1, 200, "ok", "", VERIFY_LATER, "without"},
        {VERIFY_OPENAI, 200, "{\"data\":[{\"id\":\"a\"}]}", "", VERIFY_ANSWERS, NULL},
        {VERIFY_OPENAI, 200, "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}", "b", VERIFY_ANSWERS,
         NULL},
        {VERIFY_OPENAI, 200, "{\"data\":[{\"id\":\"a\"}]}", "b", VERIFY_UNKNOWN,
         "serves a, and no model named b"},
        {VERIFY_OPENAI, 200, "{\"data\":[{\"id\":\"a\"},{\"id\":\"c\"},{},{\"id\":\"d\"}]}", "b",
         VERIFY_UNKNOWN, "serves a, c, ? and 1 more, and no model named b"},
        {VERIFY_OPENAI, 200, "{\"data\":[]}", "", VERIFY_LATER, "no model"},
        {VERIFY_OPENAI, 200, "{\"models\":[\"a\"]}", "a", VERIFY_ANSWERS, NULL},
        {VERIFY_OPENAI, 200, "[]", "", VERIFY_LATER, "no model"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        enum verify_answer answer = VERIFY_LATER;
        char *trouble = NULL;
        assert_int_equal(verify_judge(&answer, &trouble, cases[i].dialect, cases[i].status,
                                      cases[i].body, strlen(cases[i].body), cases[i].model, NULL),
                         0);
        assert_int_equal(answer, cases[i].answer);
        if (cases[i].trouble == NULL)
            assert_null(trouble);
        else
            assert_non_null(strstr(trouble, cases[i].trouble));
        free(trouble);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_holds_spec_labels_annotations_and_nothing_of_the_server),
        cmocka_unit_test(only_our_own_unchanged_apply_is_taken_back),
        cmocka_unit_test(the_paths_follow_the_protocol),
        cmocka_unit_test(the_answer_is_judged_by_status_and_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
