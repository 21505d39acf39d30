/* plan_make: may the live object be touched, and what the deployment mode is called. */

#include "../cmocka_all.h"

#include "fixture.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

#define MODEL "'spec': {'predictor': {'model': {}}}"

struct fixture {
    struct inputs inputs;
    struct model model;
    json_t *live;
    json_t *runtimes;
    enum kserve_generation kserve;
};

static struct fixture start(const char *live) {
    struct fixture fixture = {.runtimes = json_array(), .kserve = KSERVE_NEW_MODES};
    fixture_inputs(&fixture.inputs);
    fixture_model(&fixture.model);
    fixture.live = live != NULL ? fixture_json(live) : NULL;
    assert_int_equal(json_array_append_new(fixture.runtimes,
                                           fixture_runtime("vllm", "{'name': 'kserve-container'}")),
                     0);
    return fixture;
}

static void finish(struct fixture *fixture) {
    inputs_free(&fixture->inputs);
    model_free(&fixture->model);
    json_decref(fixture->live);
    json_decref(fixture->runtimes);
}

static int make(struct plan *plan, const struct fixture *fixture, struct error **err) {
    const struct plan_facts facts = {
        .live = fixture->live, .kserve = fixture->kserve, .runtimes = fixture->runtimes};
    return plan_make(plan, &fixture->inputs, &fixture->model, &facts, err);
}

static void expect(const struct fixture *fixture, enum plan_action action, const char *mode,
                   const char *notices) {
    cleanup_plan struct plan plan = {0};
    cleanup_error struct error *error = NULL;
    if (make(&plan, fixture, &error) < 0)
        fail_msg("%s", error->message);
    assert_int_equal(plan.action, action);
    assert_string_equal(plan.deployment_mode, mode);
    assert_string_equal(plan.runtime.name, "vllm");
    cleanup_free char *joined = strings_join(&plan.notices, "\n", NULL);
    assert_string_equal(joined, notices);
}

static void expect_error(const struct fixture *fixture, enum error_kind kind, const char *message,
                         const char *hint) {
    struct plan plan = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(make(&plan, fixture, &error), -1);
    assert_int_equal(error->kind, kind);
    assert_string_equal(error->message, message);
    assert_string_equal(error->hint, hint);
    assert_null(plan.runtime.name);
}

static void expect_conflict(const char *live, const char *message, const char *hint) {
    struct fixture fixture = start(live);
    expect_error(&fixture, ERROR_CONFLICT, message, hint);
    finish(&fixture);
}

static void a_new_object_gets_the_mode_names_of_its_kserve(void **state) {
    (void)state;
    struct fixture fixture = start(NULL);
    expect(&fixture, PLAN_CREATE, "Standard", "");
    fixture.inputs.serverless = true;
    expect(&fixture, PLAN_CREATE, "Knative", "");
    fixture.kserve = KSERVE_LEGACY_MODES;
    expect(&fixture, PLAN_CREATE, "Serverless", "");
    fixture.inputs.serverless = false;
    expect(&fixture, PLAN_CREATE, "RawDeployment", "");
    fixture.kserve = KSERVE_UNKNOWN;
    expect(&fixture, PLAN_CREATE, "RawDeployment",
           "the version of KServe could not be told: deployment mode RawDeployment is used");
    finish(&fixture);
}

static void an_existing_object_keeps_its_word(void **state) {
    (void)state;
    const struct {
        const char *live, *mode;
        bool serverless;
    } cases[] = {
        {"{" MODEL ", 'status': {'deploymentMode': 'Standard'}}", "Standard", false},
        {"{" MODEL ", 'status': {'deploymentMode': 'RawDeployment'}}", "RawDeployment", false},
        {"{" MODEL ", 'status': {'deploymentMode': 'Serverless'}}", "Serverless", true},
        {"{" MODEL ", 'status': {'deploymentMode': 'Knative'}}", "Knative", true},
        {"{" MODEL
         ", 'metadata': {'annotations': {'serving.kserve.io/deploymentMode': 'RawDeployment'}}}",
         "RawDeployment", false},
        {"{" MODEL
         ", 'metadata': {'annotations': {'serving.kserve.io/deploymentMode': 'RawDeployment'}},"
         " 'status': {'deploymentMode': 'Standard'}}",
         "Standard", false},
        {"{" MODEL "}", "Standard", false},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct fixture fixture = start(cases[i].live);
        fixture.inputs.serverless = cases[i].serverless;
        expect(&fixture, PLAN_UPDATE, cases[i].mode, "");
        finish(&fixture);
    }
}

static void the_mode_cannot_change(void **state) {
    (void)state;
    expect_conflict(
        "{" MODEL ", 'status': {'deploymentMode': 'Serverless'}}",
        "InferenceService demo/qwen is deployed in mode Serverless, but ENABLE_SERVERLESS is "
        "false: KServe cannot change the mode of an object",
        "set ENABLE_SERVERLESS to true, or delete the InferenceService first");
    expect_conflict(
        "{" MODEL ", 'status': {'deploymentMode': 'ModelMesh'}}",
        "InferenceService demo/qwen is deployed in mode ModelMesh, but ENABLE_SERVERLESS is "
        "false: KServe cannot change the mode of an object",
        "delete it first, or choose another INFERENCE_SERVICE_NAME");
}

static void objects_that_must_not_be_touched(void **state) {
    (void)state;
    struct fixture fixture = start("{" MODEL "}");
    fixture.inputs.update_if_exists = false;
    expect_error(&fixture, ERROR_CONFLICT, "InferenceService demo/qwen exists already",
                 "set UPDATE_IF_EXISTS to true to update it");
    finish(&fixture);

    expect_conflict("{" MODEL ", 'metadata': {'deletionTimestamp': '2026-01-02T03:04:05Z'}}",
                    "InferenceService demo/qwen is being deleted",
                    "wait until it is gone, then run again");
    expect_conflict(
        "{" MODEL ", 'metadata': {'annotations': {'serving.kserve.io/stop': 'true'}}}",
        "InferenceService demo/qwen is stopped (annotation serving.kserve.io/stop): KServe "
        "keeps no pods of it",
        "kubectl annotate inferenceservice -n demo qwen serving.kserve.io/stop-");
    expect_conflict(
        "{" MODEL ", 'metadata': {'annotations': "
        "{'serving.kserve.io/disable-auto-update': 'true'}}}",
        "InferenceService demo/qwen is paused (annotation "
        "serving.kserve.io/disable-auto-update): KServe would never roll the change out",
        "kubectl annotate inferenceservice -n demo qwen serving.kserve.io/disable-auto-update-");
    expect_conflict(
        "{" MODEL ", 'metadata': {'ownerReferences': [{'kind': 'X', 'name': 'a'}, "
        "{'kind': 'NIMService', 'name': 'llama', 'controller': true}]}}",
        "InferenceService demo/qwen belongs to the controller NIMService llama, which would "
        "undo a change",
        "change its owner, or choose another INFERENCE_SERVICE_NAME");
    expect_conflict(
        "{'spec': {'predictor': {'containers': []}}}",
        "InferenceService demo/qwen has another kind of predictor than a model with a serving "
        "runtime",
        "delete it, or choose another INFERENCE_SERVICE_NAME");
}

static void annotations_that_say_false_do_not_block(void **state) {
    (void)state;
    struct fixture fixture =
        start("{" MODEL ", 'metadata': {'annotations': {'serving.kserve.io/stop': 'false'}}}");
    expect(&fixture, PLAN_UPDATE, "Standard", "");
    finish(&fixture);
}

static void the_model_decides_which_runtime_fits(void **state) {
    (void)state;
    struct fixture fixture = start(NULL);
    fixture_set(&fixture.model.library_name, "sklearn");
    cleanup_error struct error *error = NULL;
    struct plan plan = {0};
    assert_int_equal(make(&plan, &fixture, &error), -1);
    assert_int_equal(error->kind, ERROR_RUNTIME);
    assert_string_equal(error->message,
                        "no runtime of class vllm fits: vllm supports transformers, not "
                        "\"sklearn\"");
    finish(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_object_gets_the_mode_names_of_its_kserve),
        cmocka_unit_test(an_existing_object_keeps_its_word),
        cmocka_unit_test(the_mode_cannot_change),
        cmocka_unit_test(objects_that_must_not_be_touched),
        cmocka_unit_test(annotations_that_say_false_do_not_block),
        cmocka_unit_test(the_model_decides_which_runtime_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
