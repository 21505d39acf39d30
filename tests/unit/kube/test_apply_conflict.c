/* What a refused apply means, by Status objects as the API server writes them. */
#include "../cmocka_all.h"

#include "../../../src/kube/apply_conflict.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(json_parse(&value, text, strlen(text), "the test", ERROR_INTERNAL, NULL), 0);
    return value;
}

static enum apply_refusal refusal_of(int http_status, const char *status) {
    cleanup_json json_t *object = parse(status);
    return apply_refusal_of(NULL, http_status, object);
}

#define CAUSE(manager, field)                                                                      \
    "{\"reason\":\"FieldManagerConflict\",\"field\":\"" field                                      \
    "\",\"message\":\"conflict with \\\"" manager                                                  \
    "\\\" using serving.kserve.io/v1beta1 at 2026-01-02T03:04:05Z\"}"
#define CONFLICT(causes)                                                                           \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Conflict\",\"code\":409,"            \
    "\"message\":\"Apply failed with N conflicts\",\"details\":{\"causes\":[" causes "]}}"

static void four_conflicts_are_told_apart(void **state) {
    (void)state;
    assert_int_equal(refusal_of(409, CONFLICT(CAUSE("ui", ".spec"))), APPLY_FIELD_CONFLICT);
    assert_int_equal(
        refusal_of(
            409, "{\"reason\":\"Conflict\",\"message\":\"Operation cannot be fulfilled on "
                 "inferenceservices.serving.kserve.io \\\"qwen\\\": the object has been modified; "
                 "please apply your changes to the latest version and try again\"}"),
        APPLY_STALE);
    assert_int_equal(
        refusal_of(409,
                   "{\"reason\":\"Conflict\",\"message\":\"Operation cannot be fulfilled on "
                   "inferenceservices.serving.kserve.io \\\"qwen\\\": uid mismatch: the provided "
                   "object specified uid 5d, and no existing object was found\"}"),
        APPLY_GONE);
    assert_int_equal(refusal_of(409, "{\"reason\":\"AlreadyExists\",\"message\":\"... already "
                                     "exists\"}"),
                     APPLY_STALE);
    assert_int_equal(refusal_of(409, "{}"), APPLY_STALE);
}

static void another_uid_is_another_object(void **state) {
    (void)state;
    assert_int_equal(
        refusal_of(422, "{\"reason\":\"Invalid\",\"details\":{\"causes\":[{\"reason\":"
                        "\"FieldValueInvalid\",\"field\":\"metadata.uid\",\"message\":\"field is "
                        "immutable\"}]}}"),
        APPLY_RECREATED);
    assert_int_equal(refusal_of(409, "{\"message\":\"Precondition failed: UID in precondition: a, "
                                     "UID in object meta: b\"}"),
                     APPLY_RECREATED);
    assert_int_equal(
        refusal_of(422, "{\"details\":{\"causes\":[{\"field\":\"metadata.labels\"}]}}"),
        APPLY_REFUSED);
}

static void webhook_that_is_down_is_worth_another_try(void **state) {
    (void)state;
    assert_int_equal(
        refusal_of(500,
                   "{\"reason\":\"InternalError\",\"message\":\"Internal error occurred: failed "
                   "calling webhook \\\"x\\\": failed to call webhook: Post ...: connect: "
                   "connection refused\"}"),
        APPLY_WEBHOOK_DOWN);
}

static void denial_is_final_whatever_the_status(void **state) {
    (void)state;
    static const int statuses[] = {400, 403, 422, 500, 503};
    for (size_t i = 0; i < array_length(statuses); i++)
        assert_int_equal(
            refusal_of(statuses[i],
                       "{\"message\":\"admission webhook \\\"x\\\" denied the request: "
                       "failed calling webhook of ours\"}"),
            APPLY_REFUSED);
}

static void schema_error_is_final(void **state) {
    (void)state;
    assert_int_equal(refusal_of(500, "{\"message\":\"failed to create typed patch object: .spec.x: "
                                     "field not declared in schema\"}"),
                     APPLY_REFUSED);
}

static void broken_and_gateway_answers_are_uncertain(void **state) {
    (void)state;
    struct error broken = {.kind = ERROR_UNREACHABLE};
    struct error canceled = {.kind = ERROR_CANCELED};
    struct error late = {.kind = ERROR_DEADLINE};
    assert_int_equal(apply_refusal_of(&broken, 0, NULL), APPLY_UNCERTAIN);
    assert_int_equal(apply_refusal_of(&canceled, 0, NULL), APPLY_REFUSED);
    assert_int_equal(apply_refusal_of(&late, 0, NULL), APPLY_REFUSED);
    assert_int_equal(apply_refusal_of(NULL, 502, NULL), APPLY_UNCERTAIN);
    assert_int_equal(apply_refusal_of(NULL, 503, NULL), APPLY_UNCERTAIN);
    assert_int_equal(apply_refusal_of(NULL, 504, NULL), APPLY_UNCERTAIN);
    assert_int_equal(apply_refusal_of(NULL, 500, NULL), APPLY_REFUSED);
    assert_int_equal(apply_refusal_of(NULL, 429, NULL), APPLY_BUSY);
}

/* ---- force ---- */

static bool may_force(const char *status, const char *live) {
    cleanup_json json_t *object = parse(status);
    cleanup_json json_t *known = parse(live);
    return apply_conflict_may_force(object, known, "ours");
}

#define WITH_ANNOTATION                                                                            \
    "{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"                                     \
    "last-applied-configuration\":\"{}\"}}}"

static void deploys_of_before_are_taken_over(void **state) {
    (void)state;
    assert_true(may_force(CONFLICT(CAUSE("ours", ".spec")), "{}"));
    assert_true(may_force(
        CONFLICT(CAUSE("kubectl-client-side-apply", ".spec.a") "," CAUSE("kubectl", ".spec.b")),
        "{}"));
    assert_true(may_force(CONFLICT(CAUSE("kubectl-create", ".spec.a")), "{}"));
    assert_true(may_force(CONFLICT(CAUSE("before-first-apply", ".spec.a")), WITH_ANNOTATION));
}

static void decisions_of_people_are_not(void **state) {
    (void)state;
    assert_false(may_force(CONFLICT(CAUSE("kubectl-edit", ".spec")), WITH_ANNOTATION));
    assert_false(may_force(CONFLICT(CAUSE("kubectl-patch", ".spec")), WITH_ANNOTATION));
    assert_false(may_force(CONFLICT(CAUSE("ours", ".spec.a") "," CAUSE("ui", ".spec.b")), "{}"));
    assert_false(may_force(CONFLICT(CAUSE("before-first-apply", ".spec.a")), "{}"));
    assert_false(may_force(CONFLICT(CAUSE("kubectl\\\\\\\"", ".spec.a")), "{}"));
    assert_false(may_force(CONFLICT(""), "{}"));
    assert_false(may_force(
        CONFLICT("{\"reason\":\"FieldManagerConflict\",\"message\":\"new wording\"}"), "{}"));
}

static void error_names_managers_fields_and_the_way_out(void **state) {
    (void)state;
    cleanup_json json_t *status =
        parse(CONFLICT(CAUSE("kubectl-edit", ".spec.predictor.model.storageUri") "," CAUSE(
            "ours",
            ".spec.predictor.minReplicas") "," CAUSE("ui",
                                                     ".spec.a") "," CAUSE("kubectl-edit",
                                                                          ".metadata.labels.x")));
    struct kube_apply apply = {.resource = &kube_inference_services,
                               .namespace_ = "team-a",
                               .name = "qwen",
                               .manager = "ours"};
    cleanup_error struct error *err = NULL;
    assert_int_equal(apply_conflict_error(&err, status, &apply), -1);
    assert_int_equal(err->kind, ERROR_CONFLICT);
    assert_int_equal(err->http_status, 409);
    assert_string_equal(err->message,
                        "InferenceService qwen in namespace team-a has values that somebody else "
                        "set: \"kubectl-edit\" owns .spec.predictor.model.storageUri, "
                        ".metadata.labels.x; \"ui\" owns .spec.a");
    assert_true(text_contains(err->hint, "--force-conflicts --field-manager=ours"));
}

static void error_is_bounded_and_printable(void **state) {
    (void)state;
    cleanup_json json_t *causes = json_array();
    cleanup_free char *field = malloc(100001);
    memset(field, 'x', 100000);
    field[100000] = '\0';
    for (int i = 0; i < 1000; i++)
        json_array_append_new(causes,
                              json_pack("{s:s, s:s, s:s}", "reason", "FieldManagerConflict",
                                        "field", i % 2 ? field : ".spec.\x1b[31m", "message",
                                        "conflict with \"evil\x1b]0;\" using v1"));
    cleanup_json json_t *status = json_pack("{s:{s:O}}", "details", "causes", causes);
    struct kube_apply apply = {.resource = &kube_inference_services,
                               .namespace_ = "team-a",
                               .name = "qwen",
                               .manager = "ours"};
    cleanup_error struct error *err = NULL;
    assert_int_equal(apply_conflict_error(&err, status, &apply), -1);
    assert_true(strlen(err->message) < 5000);
    assert_null(strchr(err->message, '\x1b'));
    assert_true(text_contains(err->message, "and 990 more"));
}

/* Ten are named, and thousands are not compared with one another: under an emulator too. */
static void thousands_of_managers(void **state) {
    (void)state;
    cleanup_json json_t *causes = json_array();
    for (int i = 0; i < 20000; i++) {
        char message[64];
        snprintf(message, sizeof(message), "conflict with \"manager-%d\" using v1", i);
        json_array_append_new(causes, json_pack("{s:s, s:s, s:s}", "reason", "FieldManagerConflict",
                                                "field", ".spec.a", "message", message));
    }
    cleanup_json json_t *status = json_pack("{s:{s:O}}", "details", "causes", causes);
    struct kube_apply apply = {
        .resource = &kube_inference_services, .name = "qwen", .manager = "ours"};
    cleanup_error struct error *err = NULL;
    assert_int_equal(apply_conflict_error(&err, status, &apply), -1);
    assert_true(text_contains(err->message, "\"manager-9\" owns .spec.a; and other managers"));
    assert_false(text_contains(err->message, "manager-10"));
}

/* ---- comparing ---- */

static void check_is_in(const char *document, const char *live, bool whole, bool mostly) {
    cleanup_json json_t *wanted = parse(document);
    cleanup_json json_t *found = parse(live);
    assert_int_equal(apply_is_in(wanted, found), whole);
    assert_int_equal(apply_is_mostly_in(wanted, found), mostly);
}

static void what_the_server_adds_does_not_matter(void **state) {
    (void)state;
    check_is_in(
        "{\"metadata\":{\"name\":\"a\",\"annotations\":{\"x\":\"1\"}},\"spec\":{\"l\":[{\"n\":1}]}"
        "}",
        "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"annotations\":{\"x\":\"1\",\"y\":\"2\"}},"
        "\"spec\":{\"d\":0,\"l\":[{\"n\":1,\"m\":2}]},\"status\":{}}",
        true, true);
    check_is_in("{\"spec\":{\"l\":[1]}}", "{\"spec\":{\"l\":[1,2]}}", false, false);
    check_is_in("{\"spec\":{\"a\":1}}", "{\"spec\":{}}", false, false);
    check_is_in("{\"metadata\":{\"annotations\":{\"x\":\"1\"}},\"spec\":{}}",
                "{\"metadata\":{\"annotations\":{\"x\":\"2\"}},\"spec\":{}}", false, true);
    check_is_in("{\"metadata\":{\"labels\":{\"x\":\"1\"}},\"spec\":{}}",
                "{\"metadata\":{\"labels\":{\"x\":\"2\"}},\"spec\":{}}", false, false);
}

static void changed(const char *before, const char *after, bool expected) {
    cleanup_json json_t *one = parse(before);
    cleanup_json json_t *two = parse(after);
    assert_int_equal(apply_has_changed(one, two), expected);
    assert_int_equal(apply_has_changed(two, one), expected);
}

static void status_and_versions_are_no_change(void **state) {
    (void)state;
    changed("{\"metadata\":{\"resourceVersion\":\"1\",\"managedFields\":[1]},\"spec\":{\"a\":1},"
            "\"status\":{}}",
            "{\"metadata\":{\"resourceVersion\":\"2\",\"labels\":{}},\"spec\":{\"a\":1},\"status\":"
            "{\"x\":1}}",
            false);
    changed("{\"spec\":{\"a\":1}}", "{\"spec\":{\"a\":2}}", true);
    changed("{\"spec\":{\"a\":1}}", "{\"spec\":{\"a\":1},\"data\":{}}", true);
    changed("{\"metadata\":{\"annotations\":{\"x\":\"1\"}}}", "{\"metadata\":{}}", true);
    changed("{\"metadata\":{\"labels\":{\"x\":\"1\"}}}",
            "{\"metadata\":{\"labels\":{\"x\":\"2\"}}}", true);
}

static bool takes_nothing(const char *wanted, const char *live) {
    cleanup_json json_t *status = parse(CONFLICT(CAUSE("Mozilla", ".spec.a")));
    cleanup_json json_t *document = parse(wanted);
    cleanup_json json_t *object = parse(live);
    return apply_conflict_takes_nothing(status, document, object, "ours");
}

static void a_value_that_is_ours_already_is_shared(void **state) {
    (void)state;
    /* what KServe's webhook writes for resourceFieldRef {resource: limits.memory} */
    assert_true(takes_nothing("{\"spec\":{\"a\":{\"r\":\"m\"}}}",
                              "{\"spec\":{\"a\":{\"r\":\"m\",\"divisor\":\"0\"}}}"));
    assert_true(
        takes_nothing("{\"spec\":{\"a\":[{\"r\":1}]}}",
                      "{\"spec\":{\"a\":[{\"r\":1,\"b\":false,\"c\":\"\",\"d\":{},\"e\":null}]}}"));
    static const char *const others[][2] = {
        {"{\"spec\":{\"a\":1}}", "{\"spec\":{\"a\":2}}"},
        {"{\"spec\":{\"a\":{\"r\":\"m\"}}}", "{\"spec\":{\"a\":{\"r\":\"m\",\"d\":\"1Gi\"}}}"},
        {"{\"spec\":{\"a\":{\"r\":\"m\"}}}", "{\"spec\":{\"a\":{\"d\":\"0\"}}}"},
        {"{\"spec\":{\"a\":[1]}}", "{\"spec\":{\"a\":[1,0]}}"},
        {"{\"spec\":{}}", "{\"spec\":{\"a\":2}}"},
        {"{\"spec\":{\"a\":1}}", "{\"spec\":{}}"},
    };
    for (size_t i = 0; i < array_length(others); i++)
        if (takes_nothing(others[i][0], others[i][1]))
            fail_msg("%s takes something from %s", others[i][0], others[i][1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_ours_already_is_shared),
        cmocka_unit_test(four_conflicts_are_told_apart),
        cmocka_unit_test(another_uid_is_another_object),
        cmocka_unit_test(webhook_that_is_down_is_worth_another_try),
        cmocka_unit_test(denial_is_final_whatever_the_status),
        cmocka_unit_test(schema_error_is_final),
        cmocka_unit_test(broken_and_gateway_answers_are_uncertain),
        cmocka_unit_test(deploys_of_before_are_taken_over),
        cmocka_unit_test(decisions_of_people_are_not),
        cmocka_unit_test(error_names_managers_fields_and_the_way_out),
        cmocka_unit_test(error_is_bounded_and_printable),
        cmocka_unit_test(thousands_of_managers),
        cmocka_unit_test(what_the_server_adds_does_not_matter),
        cmocka_unit_test(status_and_versions_are_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
