/* Results fit Tekton's termination message whatever the outcome holds, and are complete. */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/overview.h"
#include "deploy/results.h"

#include <string.h>

static const char *value_of(const struct results *results, const char *name) {
    for (size_t i = 0; i < RESULTS_COUNT; i++)
        if (text_equal(results->items[i].name, name))
            return results->items[i].value;
    return NULL;
}

static struct outcome ready_outcome(void) {
    struct outcome outcome = {.state = OUTCOME_READY, .took_ms = 41000};
    assert_int_equal(outcome_init(&outcome, NULL), 0);
    outcome.state = OUTCOME_READY;
    outcome_set(&outcome.name, "qwen", NULL);
    outcome_set(&outcome.namespace_, "demo", NULL);
    outcome_set(&outcome.in_cluster_url, "http://qwen-predictor.demo.svc.cluster.local", NULL);
    outcome_set(&outcome.out_cluster_url, "http://qwen-predictor-demo.example.com", NULL);
    outcome_set(&outcome.project, "demo/amlmodels/qwen", NULL);
    outcome_set(&outcome.ref, "branch main", NULL);
    outcome_set(&outcome.commit, "0123456789abcdef0123456789abcdef01234567", NULL);
    outcome_set(&outcome.git_url, "https://gitlab.example.com/demo/amlmodels/qwen.git", NULL);
    outcome_set(&outcome.runtime, "vllm-cuda-12", NULL);
    return outcome;
}

static struct outcome failed_outcome(size_t cause_length, size_t lines, const char *unit) {
    struct outcome outcome = ready_outcome();
    outcome.state = OUTCOME_FAILED;
    outcome_set(&outcome.reason, "OOMKilled", NULL);
    outcome_set(&outcome.failure_class, "repeated", NULL);
    char *cause = malloc(cause_length * strlen(unit) + 1);
    assert_non_null(cause);
    cause[0] = '\0';
    for (size_t i = 0; i < cause_length; i++)
        memcpy(cause + i * strlen(unit), unit, strlen(unit) + 1);
    outcome_set(&outcome.cause, cause, NULL);
    outcome_set(&outcome.hint, cause, NULL);
    for (size_t i = 0; i < lines; i++)
        strings_add(&outcome.evidence, cause, NULL);
    free(cause);
    return outcome;
}

/* What Go's encoding/json makes of the value, counted as Tekton's termination message has it. */
static size_t message_length(const struct results *results) {
    size_t length = 65 + 2;
    for (size_t i = 0; i < RESULTS_COUNT; i++) {
        length +=
            strlen("{\"key\":\"\",\"value\":\"\",\"type\":1},") + strlen(results->items[i].name);
        for (const char *at = results->items[i].value; *at != '\0'; at++)
            length += strchr("\"\\\n\t\r", *at) != NULL                         ? 2
                      : strchr("<>&", *at) != NULL || (unsigned char)*at < 0x20 ? 6
                                                                                : 1;
    }
    return length;
}

static void string_result_is_the_scripts_json(void **state) {
    (void)state;
    struct outcome outcome = ready_outcome();
    struct results results = {0};
    assert_int_equal(results_render(&results, &outcome, NULL), 0);
    assert_string_equal(
        value_of(&results, "string-result"),
        "{\n  \"IN_CLUSTER_ENDPOINT\": \"http://qwen-predictor.demo.svc.cluster.local\",\n"
        "  \"OUT_CLUSTER_ENDPOINT\": \"http://qwen-predictor-demo.example.com\"\n}\n");
    results_free(&results);
    outcome_free(&outcome);
}

static void every_declared_result_is_there_even_with_nothing_known(void **state) {
    (void)state;
    struct outcome outcome = {.state = OUTCOME_FAILED};
    assert_int_equal(outcome_init(&outcome, NULL), 0);
    struct results results = {0};
    assert_int_equal(results_render(&results, &outcome, NULL), 0);
    for (size_t i = 0; i < RESULTS_COUNT; i++)
        assert_non_null(value_of(&results, results_names[i]));
    assert_string_equal(value_of(&results, "state"), "failed");
    results_free(&results);
    outcome_free(&outcome);
}

static void chains_input_names_commit_by_digest(void **state) {
    (void)state;
    struct outcome outcome = ready_outcome();
    struct results results = {0};
    assert_int_equal(results_render(&results, &outcome, NULL), 0);
    json_t *object = json_loads(value_of(&results, "model_ARTIFACT_INPUTS"), 0, NULL);
    assert_string_equal(json_text_at(object, "uri", NULL),
                        "https://gitlab.example.com/demo/amlmodels/qwen.git");
    assert_string_equal(json_text_at(object, "digest", NULL),
                        "sha1:0123456789abcdef0123456789abcdef01234567");
    json_decref(object);
    results_free(&results);
    outcome_free(&outcome);
}

static void long_causes_never_pass_the_budget(void **state) {
    (void)state;
    const char *const units[] = {"a", "\"", "<", "é", "\\", "*"};
    const size_t lengths[] = {0, 10, 399, 400, 401, 1000, 5000};
    for (size_t u = 0; u < array_length(units); u++) {
        for (size_t l = 0; l < array_length(lengths); l++) {
            struct outcome outcome = failed_outcome(lengths[l], 6, units[u]);
            struct results results = {0};
            assert_int_equal(results_render(&results, &outcome, NULL), 0);
            assert_true(message_length(&results) <= 4096);
            assert_int_equal(results_cost(&results) <= RESULTS_BUDGET, 1);
            assert_string_equal(value_of(&results, "commit"), outcome.commit);
            for (size_t i = 0; i < RESULTS_COUNT; i++)
                assert_true(text_is_utf8(results.items[i].value, strlen(results.items[i].value)));
            results_free(&results);
            outcome_free(&outcome);
        }
    }
}

static void a_failed_overview_carries_reason_cause_and_hint(void **state) {
    (void)state;
    struct outcome outcome = failed_outcome(1, 1, "needs *more* memory");
    char *text = overview_markdown(&outcome, 3000, NULL);
    assert_non_null(strstr(text, "OOMKilled"));
    assert_non_null(strstr(text, "needs \\*more\\* memory"));
    assert_non_null(strstr(text, "What to do"));
    assert_non_null(strstr(text, "Evidence"));
    free(text);
    text = overview_markdown(&outcome, 60, NULL);
    assert_true(strlen(text) <= 60);
    free(text);
    outcome_free(&outcome);
}

/* Of what a pod's name, a log or an admission webhook can hold. */
static void text_of_others_is_no_markdown(void **state) {
    (void)state;
    static const char evil[] = "# x\n- [a](javascript:b) <img src=x onerror=y> | `c` **d** ~~e~~ "
                               "&lt; \x1b[31m\r\n```\n![f](http://g)";
    struct outcome outcome = failed_outcome(1, 2, evil);
    outcome_set(&outcome.project, evil, NULL);
    outcome_set(&outcome.git_url, "https://host/a)[b](javascript:c", NULL);
    outcome_set(&outcome.reason, evil, NULL);
    outcome.applied = true;
    outcome_set(&outcome.out_cluster_url, "javascript:alert(1)", NULL);
    char *text = overview_markdown(&outcome, 100000, NULL);
    static const char *const never[] = {"\n# ", "\n```", "[a](", " <img", "`c`",   "**d**",
                                        "~~e",  " &lt;", "\x1b", "\r",    "![f](", "host/a)"};
    for (size_t i = 0; i < array_length(never); i++)
        if (strstr(text, never[i]) != NULL)
            fail_msg("\"%s\" in\n%s", never[i], text);
    free(text);
    outcome_free(&outcome);
}

static void a_failed_run_tells_as_much_as_a_good_one(void **state) {
    (void)state;
    struct outcome outcome = failed_outcome(1, 3, "The model server needs more memory.");
    outcome.applied = true;
    struct results results = {0};
    assert_int_equal(results_render(&results, &outcome, NULL), 0);
    assert_string_equal(value_of(&results, "state"), "failed");
    assert_string_equal(value_of(&results, "failure-class"), "repeated");
    assert_string_equal(value_of(&results, "reason"),
                        "OOMKilled: The model server needs more memory.");
    assert_string_equal(value_of(&results, "runtime"), "vllm-cuda-12");
    const char *overview = value_of(&results, "overview-markdown");
    static const char *const parts[] = {
        "failed",
        "The model server needs more memory.",
        "What to do",
        "repeated: it kept failing",
        "[demo/amlmodels/qwen](https://gitlab.example.com/demo/amlmodels/qwen)",
        "(http://qwen-predictor-demo.example.com)",
        "Evidence",
    };
    for (size_t i = 0; i < array_length(parts); i++)
        if (strstr(overview, parts[i]) == NULL)
            fail_msg("no \"%s\" in\n%s", parts[i], overview);
    results_free(&results);
    outcome_free(&outcome);
}

static void huge_evidence_leaves_cause_and_hint_whole(void **state) {
    (void)state;
    struct outcome outcome = failed_outcome(300, 12, "é");
    outcome_set(&outcome.cause, "The model does not fit.", NULL);
    outcome_set(&outcome.hint, "Raise NVIDIA\\_GPUMEM.", NULL);
    struct results results = {0};
    assert_int_equal(results_render(&results, &outcome, NULL), 0);
    assert_true(results_cost(&results) <= RESULTS_BUDGET);
    const char *overview = value_of(&results, "overview-markdown");
    assert_non_null(strstr(overview, "The model does not fit."));
    assert_non_null(strstr(overview, "What to do"));
    assert_non_null(strstr(overview, "Evidence"));
    assert_true(text_is_utf8(overview, strlen(overview)));
    assert_int_equal(overview[strlen(overview) - 1], '\n');
    results_free(&results);
    outcome_free(&outcome);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string_result_is_the_scripts_json),
        cmocka_unit_test(every_declared_result_is_there_even_with_nothing_known),
        cmocka_unit_test(chains_input_names_commit_by_digest),
        cmocka_unit_test(long_causes_never_pass_the_budget),
        cmocka_unit_test(a_failed_overview_carries_reason_cause_and_hint),
        cmocka_unit_test(text_of_others_is_no_markdown),
        cmocka_unit_test(a_failed_run_tells_as_much_as_a_good_one),
        cmocka_unit_test(huge_evidence_leaves_cause_and_hint_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
