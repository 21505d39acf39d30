/*
 * Moving client-side-apply ownership, case by case as client-go util/csaupgrade has it, and the
 * union of fieldsV1 sets as structured-merge-diff has it.
 */
#include "../cmocka_all.h"

#include "base/text.h"
#include "kube/managed_fields.h"

#include <string.h>

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(json_parse(&value, text, strlen(text), "the test", ERROR_INTERNAL, NULL), 0);
    return value;
}

static void assert_json(const json_t *actual, const char *expected) {
    cleanup_json json_t *wanted = parse(expected);
    cleanup_free char *left = json_canonical_text(actual, NULL);
    cleanup_free char *right = json_canonical_text(wanted, NULL);
    assert_string_equal(left, right);
}

/* ---- union ---- */

static void check_union(const char *left, const char *right, const char *expected) {
    cleanup_json json_t *one = parse(left);
    cleanup_json json_t *two = parse(right);
    cleanup_json json_t *forth = managed_fields_union(one, two);
    cleanup_json json_t *back = managed_fields_union(two, one);
    assert_json(forth, expected);
    assert_json(back, expected);
    assert_json(one, left);
    assert_json(two, right);
}

static void union_with_the_empty_set(void **state) {
    (void)state;
    check_union("{}", "{}", "{}");
    check_union("{}", "{\"f:spec\":{\"f:a\":{}}}", "{\"f:spec\":{\"f:a\":{}}}");
    check_union("null", "{\"f:spec\":{}}", "{\"f:spec\":{}}");
}

static void union_of_disjoint_fields(void **state) {
    (void)state;
    check_union("{\"f:spec\":{\"f:a\":{}}}", "{\"f:spec\":{\"f:b\":{}},\"f:status\":{}}",
                "{\"f:spec\":{\"f:a\":{},\"f:b\":{}},\"f:status\":{}}");
}

static void a_leaf_that_meets_children_says_dot(void **state) {
    (void)state;
    check_union("{\"f:spec\":{}}", "{\"f:spec\":{\"f:a\":{}}}",
                "{\"f:spec\":{\".\":{},\"f:a\":{}}}");
    check_union("{\"f:m\":{\"f:l\":{}}}", "{\"f:m\":{\".\":{},\"f:l\":{\"f:x\":{}}}}",
                "{\"f:m\":{\".\":{},\"f:l\":{\".\":{},\"f:x\":{}}}}");
}

static void union_keeps_dots_keys_values_and_indexes(void **state) {
    (void)state;
    check_union(
        "{\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\".\":{},\"f:name\":{}}}}",
        "{\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\"f:value\":{}},"
        "\"k:{\\\"name\\\":\\\"B\\\"}\":{}},\"f:set\":{\"v:\\\"x\\\"\":{}},\"f:l\":{\"i:0\":{}}}",
        "{\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\".\":{},\"f:name\":{},\"f:value\":{}},"
        "\"k:{\\\"name\\\":\\\"B\\\"}\":{}},\"f:set\":{\"v:\\\"x\\\"\":{}},\"f:l\":{\"i:0\":{}}}");
}

static void union_of_equal_sets_is_the_set(void **state) {
    (void)state;
    check_union("{\"f:spec\":{\"f:a\":{},\"f:b\":{\"f:c\":{}}}}",
                "{\"f:spec\":{\"f:a\":{},\"f:b\":{\"f:c\":{}}}}",
                "{\"f:spec\":{\"f:a\":{},\"f:b\":{\"f:c\":{}}}}");
}

/* ---- migration ---- */

#define LAST_APPLIED                                                                               \
    "\"f:metadata\":{\"f:annotations\":{"                                                          \
    "\"f:kubectl.kubernetes.io/last-applied-configuration\":{}}}"

/* An object whose managedFields are ENTRIES. */
static json_t *object_with(const char *entries) {
    cleanup_free char *text = text_format(
        NULL, "{\"metadata\":{\"resourceVersion\":\"77\",\"managedFields\":%s}}", entries);
    return parse(text);
}

static void check_migration(const char *before, const char *after) {
    cleanup_json json_t *live = object_with(before);
    cleanup_json json_t *untouched = json_deep_copy(live);
    json_t *patch_made = NULL;
    assert_int_equal(managed_fields_migration(&patch_made, live, "ours", NULL), 0);
    cleanup_json json_t *patch = patch_made;
    assert_true(json_equal(live, untouched));
    if (after == NULL) {
        assert_null(patch);
        return;
    }
    cleanup_free char *expected =
        text_format(NULL,
                    "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":%s},"
                    "{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"77\"}]",
                    after);
    assert_json(patch, expected);
}

#define ENTRY(manager, operation, version, fields)                                                 \
    "{\"manager\":\"" manager "\",\"operation\":\"" operation "\",\"apiVersion\":\"" version       \
    "\",\"time\":\"2026-01-02T03:04:05Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{" fields "}}"

#define STATUS_ENTRY                                                                               \
    "{\"manager\":\"manager\",\"operation\":\"Update\",\"apiVersion\":\"v1\","                     \
    "\"fieldsV1\":{\"f:status\":{}},\"subresource\":\"status\"}"

static void nothing_to_move(void **state) {
    (void)state;
    check_migration("[]", NULL);
    check_migration("null", NULL);
    check_migration("[" ENTRY("ours", "Apply", "v1", "\"f:spec\":{}") "]", NULL);
    check_migration("[" ENTRY("kubectl-edit", "Update", "v1", "\"f:spec\":{}") "," STATUS_ENTRY "]",
                    NULL);
    /* Apply entries of kubectl are owned by whoever ran `kubectl apply --server-side` */
    check_migration("[" ENTRY("kubectl", "Apply", "v1", "\"f:spec\":{}") "]", NULL);
}

static void client_side_entry_is_renamed(void **state) {
    (void)state;
    check_migration("[" ENTRY("kubectl-client-side-apply", "Update", "v1",
                              LAST_APPLIED ",\"f:spec\":{\"f:a\":{}}") "," STATUS_ENTRY "]",
                    "[" ENTRY("ours", "Apply", "v1",
                              LAST_APPLIED ",\"f:spec\":{\"f:a\":{}}") "," STATUS_ENTRY "]");
}

static void client_side_entry_joins_ours(void **state) {
    (void)state;
    check_migration(
        "[" ENTRY("ours", "Apply", "v1",
                  "\"f:spec\":{\"f:b\":{}}") "," ENTRY("kubectl-client-side-apply", "Update", "v1",
                                                       LAST_APPLIED ",\"f:spec\":{\"f:a\":{}}") "]",
        "[" ENTRY("ours", "Apply", "v1", LAST_APPLIED ",\"f:spec\":{\"f:a\":{},\"f:b\":{}}") "]");
}

static void entries_of_other_versions_are_dropped_not_joined(void **state) {
    (void)state;
    /* csaupgrade joins only the entry with the same apiVersion as the target */
    check_migration("[" ENTRY("ours", "Apply", "v1", "\"f:spec\":{\"f:b\":{}}") "," ENTRY(
                        "kubectl-client-side-apply", "Update", "v1alpha1",
                        LAST_APPLIED ",\"f:spec\":{\"f:a\":{}}") "]",
                    "[" ENTRY("ours", "Apply", "v1", "\"f:spec\":{\"f:b\":{}}") "]");
}

static void newest_of_several_versions_wins(void **state) {
    (void)state;
    check_migration("[" ENTRY("kubectl-client-side-apply", "Update", "v2",
                              "\"f:spec\":{\"f:new\":{}}") "," ENTRY("kubectl-client-side-apply",
                                                                     "Update", "v1",
                                                                     LAST_APPLIED) "]",
                    "[" ENTRY("ours", "Apply", "v2", "\"f:spec\":{\"f:new\":{}}") "]");
}

static void renamed_entry_joins_a_second_one_of_its_version(void **state) {
    (void)state;
    check_migration(
        "[" ENTRY("kubectl-client-side-apply", "Update", "v1", "\"f:spec\":{\"f:a\":{}}") "," ENTRY(
            "kubectl-client-side-apply", "Update", "v1", LAST_APPLIED) "]",
        "[" ENTRY("ours", "Apply", "v1", LAST_APPLIED ",\"f:spec\":{\"f:a\":{}}") "]");
}

static void every_owner_of_the_annotation_is_moved(void **state) {
    (void)state;
    check_migration(
        "[" ENTRY("kubectl-client-side-apply", "Update", "v1", "\"f:spec\":{\"f:a\":{}}") "," ENTRY(
            "kubectl", "Update", "v1",
            LAST_APPLIED
            ",\"f:spec\":{\"f:b\":{}}") "," ENTRY("before-first-apply", "Update", "v1",
                                                  LAST_APPLIED
                                                  ",\"f:spec\":{\"f:c\":{}}") "," ENTRY("kubectl-"
                                                                                        "edit",
                                                                                        "Update",
                                                                                        "v1",
                                                                                        "\"f:"
                                                                                        "spec\":{"
                                                                                        "\"f:d\":{}"
                                                                                        "}") "]",
        "[" ENTRY("ours", "Apply", "v1",
                  LAST_APPLIED
                  ",\"f:spec\":{\"f:a\":{},\"f:b\":{},\"f:c\":{}}") "," ENTRY("kubectl-edit",
                                                                              "Update", "v1",
                                                                              "\"f:spec\":{\"f:d\":"
                                                                              "{}}") "]");
}

static void our_own_update_is_moved(void **state) {
    (void)state;
    check_migration("[" ENTRY("ours", "Update", "v1", "\"f:spec\":{\"f:a\":{}}") "]",
                    "[" ENTRY("ours", "Apply", "v1", "\"f:spec\":{\"f:a\":{}}") "]");
    check_migration("[" ENTRY("ours", "Apply", "v1", "\"f:spec\":{}") "," ENTRY(
                        "ours", "Update", "v1", "\"f:metadata\":{}") "]",
                    "[" ENTRY("ours", "Apply", "v1", "\"f:metadata\":{},\"f:spec\":{}") "]");
}

static void subresource_entries_of_the_same_manager_stay(void **state) {
    (void)state;
    check_migration(
        "[" ENTRY(
            "kubectl-client-side-apply", "Update", "v1",
            LAST_APPLIED) ","
                          "{\"manager\":\"kubectl-client-side-apply\",\"operation\":\"Update\","
                          "\"apiVersion\":\"v1\",\"fieldsV1\":{\"f:status\":{}},\"subresource\":"
                          "\"status\"}]",
        "[" ENTRY(
            "ours", "Apply", "v1",
            LAST_APPLIED) ","
                          "{\"manager\":\"kubectl-client-side-apply\",\"operation\":\"Update\","
                          "\"apiVersion\":\"v1\",\"fieldsV1\":{\"f:status\":{}},\"subresource\":"
                          "\"status\"}]");
}

static void atomic_spec_of_the_minimal_crd(void **state) {
    (void)state;
    check_migration(
        "[" ENTRY("kubectl-client-side-apply", "Update", "v1", LAST_APPLIED ",\"f:spec\":{}") "]",
        "[" ENTRY("ours", "Apply", "v1", LAST_APPLIED ",\"f:spec\":{}") "]");
}

static void live_object_without_resource_version(void **state) {
    (void)state;
    cleanup_json json_t *live = parse("{\"metadata\":{\"managedFields\":["
                                      "{\"manager\":\"ours\",\"operation\":\"Update\"}]}}");
    json_t *patch = NULL;
    cleanup_error struct error *err = NULL;
    assert_int_equal(managed_fields_migration(&patch, live, "ours", &err), -1);
    assert_null(patch);
    assert_int_equal(err->kind, ERROR_INTERNAL);
}

static void applied_by(void **state) {
    (void)state;
    cleanup_json json_t *live = object_with("[" ENTRY("ours", "Apply", "v1", "") "," ENTRY(
        "other", "Update", "v1", "") "," STATUS_ENTRY "]");
    assert_true(managed_fields_applied_by(live, "ours"));
    assert_false(managed_fields_applied_by(live, "other"));
    assert_false(managed_fields_applied_by(live, "manager"));
}

/* ---- pruning ---- */

static void check_prune(const char *object, const char *document, const char *entries,
                        const char *expected) {
    cleanup_json json_t *answer = parse(object);
    cleanup_json json_t *wanted = parse(document);
    cleanup_json json_t *live = object_with(entries);
    assert_int_equal(managed_fields_prune(answer, wanted, live, "ours", NULL), 0);
    assert_json(answer, expected);
}

static void what_only_we_owned_and_left_out_goes(void **state) {
    (void)state;
    check_prune(
        "{\"spec\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4}}", "{\"spec\":{\"b\":2}}",
        "[" ENTRY("kubectl-client-side-apply", "Update", "v1",
                  LAST_APPLIED
                  ",\"f:spec\":{\"f:a\":{},\"f:b\":{},\"f:c\":{}}") "," ENTRY("ui", "Update", "v1",
                                                                              "\"f:spec\":{\"f:c\":"
                                                                              "{}}") "]",
        "{\"spec\":{\"b\":2,\"c\":3,\"d\":4}}");
}

static void what_we_applied_before_and_left_out_goes(void **state) {
    (void)state;
    check_prune("{\"a\":1,\"b\":2}", "{}", "[" ENTRY("ours", "Apply", "v1", "\"f:a\":{}") "]",
                "{\"b\":2}");
}

static void items_of_keyed_lists_and_sets_go(void **state) {
    (void)state;
    check_prune(
        "{\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\"},{\"name\":\"C\"}],"
        "\"set\":[\"x\",\"y\"]}",
        "{\"env\":[{\"name\":\"B\"}],\"set\":[\"y\"]}",
        "[" ENTRY("ours", "Update", "v1",
                  "\"f:env\":{\".\":{},\"k:{\\\"name\\\":\\\"A\\\"}\":{\".\":{},\"f:name\":{},"
                  "\"f:value\":{}},\"k:{\\\"name\\\":\\\"B\\\"}\":{\".\":{},\"f:name\":{}}},"
                  "\"f:set\":{\"v:\\\"x\\\"\":{},\"v:\\\"y\\\"\":{},\"v:\\\"z\\\"\":{}}") "]",
        "{\"env\":[{\"name\":\"B\"},{\"name\":\"C\"}],\"set\":[\"y\"]}");
}

static void container_with_others_inside_stays(void **state) {
    (void)state;
    check_prune("{\"limits\":{\"cpu\":1,\"gpu\":1},\"labels\":{\"mine\":1,\"webhook\":1}}", "{}",
                "[" ENTRY("kubectl-client-side-apply", "Update", "v1",
                          LAST_APPLIED
                          ",\"f:limits\":{\".\":{},\"f:cpu\":{},\"f:gpu\":{}},"
                          "\"f:labels\":{\"f:mine\":{}}") "," ENTRY("ui", "Update", "v1",
                                                                    "\"f:limits\":{"
                                                                    "\"f:gpu\":{}}") "]",
                "{\"limits\":{\"gpu\":1},\"labels\":{\"webhook\":1}}");
}

static void sets_that_do_not_fit_the_object_do_no_harm(void **state) {
    (void)state;
    check_prune("{\"a\":\"text\",\"l\":[1]}", "{}",
                "[" ENTRY("ours", "Update", "v1",
                          "\"f:a\":{\"f:b\":{}},\"f:l\":{\"k:nonsense\":{},\"k:{}\":{},\"i:0\":{},"
                          "\"f:x\":{},\"v:\":{},\"\":{},\"k\":{}}") "]",
                "{\"a\":\"text\",\"l\":[1]}");
}

/* ---- memory ---- */

/* jansson's allocations, of which the one that makes LEFT zero fails. */
struct fault {
    size_t left;
    bool armed;
};
static __thread struct fault *fault_at_hand;

static void *failing_malloc(size_t size) {
    struct fault *fault = fault_at_hand;
    if (fault != NULL && fault->armed && fault->left-- == 0) {
        fault->armed = false;
        return NULL;
    }
    return malloc(size);
}

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    cleanup_json json_t *live = object_with(
        "[" ENTRY("kubectl-client-side-apply", "Update", "v1",
                  LAST_APPLIED
                  ",\"f:spec\":{\"f:a\":{}}") "," ENTRY("kubectl", "Update", "v1",
                                                        LAST_APPLIED
                                                        ",\"f:spec\":{\"f:a\":{\"f:b\":{}}}") "]");
    json_set_alloc_funcs(failing_malloc, free);
    size_t failed = 0;
    for (size_t n = 0;; n++) {
        struct fault fault = {.left = n, .armed = true};
        fault_at_hand = &fault;
        json_t *patch = NULL;
        struct error *err = NULL;
        int result = managed_fields_migration(&patch, live, "ours", &err);
        fault_at_hand = NULL;
        if (result == 0) {
            assert_true(fault.armed); /* a failed allocation must not pass unseen */
            json_decref(patch);
            break;
        }
        failed++;
        assert_null(patch);
        assert_int_equal(err->kind, ERROR_INTERNAL);
        error_free(err);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failed > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(union_with_the_empty_set),
        cmocka_unit_test(union_of_disjoint_fields),
        cmocka_unit_test(a_leaf_that_meets_children_says_dot),
        cmocka_unit_test(union_keeps_dots_keys_values_and_indexes),
        cmocka_unit_test(union_of_equal_sets_is_the_set),
        cmocka_unit_test(nothing_to_move),
        cmocka_unit_test(client_side_entry_is_renamed),
        cmocka_unit_test(client_side_entry_joins_ours),
        cmocka_unit_test(entries_of_other_versions_are_dropped_not_joined),
        cmocka_unit_test(newest_of_several_versions_wins),
        cmocka_unit_test(renamed_entry_joins_a_second_one_of_its_version),
        cmocka_unit_test(every_owner_of_the_annotation_is_moved),
        cmocka_unit_test(our_own_update_is_moved),
        cmocka_unit_test(subresource_entries_of_the_same_manager_stay),
        cmocka_unit_test(atomic_spec_of_the_minimal_crd),
        cmocka_unit_test(live_object_without_resource_version),
        cmocka_unit_test(applied_by),
        cmocka_unit_test(what_only_we_owned_and_left_out_goes),
        cmocka_unit_test(what_we_applied_before_and_left_out_goes),
        cmocka_unit_test(items_of_keyed_lists_and_sets_go),
        cmocka_unit_test(container_with_others_inside_stays),
        cmocka_unit_test(sets_that_do_not_fit_the_object_do_no_harm),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
