/* runtime_choose: by name and by class, and why a runtime does not fit. */

#include "../cmocka_all.h"

#include "fixture.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

#define CONTAINER "{'name': 'kserve-container'}"

struct fixture {
    struct inputs inputs;
    json_t *candidates;
    struct runtime_choice choice;
};

static struct fixture start(void) {
    struct fixture fixture = {.candidates = json_array()};
    fixture_inputs(&fixture.inputs);
    fixture.inputs.hami_given = true;
    assert_non_null(fixture.candidates);
    return fixture;
}

static void finish(struct fixture *fixture) {
    inputs_free(&fixture->inputs);
    json_decref(fixture->candidates);
    runtime_choice_free(&fixture->choice);
}

/* Adds a runtime; its spec is updated with CHANGES, its labels with LABELS. Borrowed. */
static json_t *add(struct fixture *fixture, const char *name, const char *changes,
                   const char *labels) {
    json_t *runtime = fixture_runtime(name, CONTAINER);
    cleanup_json json_t *spec = fixture_json(changes);
    cleanup_json json_t *more = fixture_json(labels);
    assert_int_equal(json_object_update(json_object_get(runtime, "spec"), spec), 0);
    assert_int_equal(json_object_update(json_at(runtime, "metadata", "labels", NULL), more), 0);
    assert_int_equal(json_array_append_new(fixture->candidates, runtime), 0);
    return runtime;
}

static void expect(struct fixture *fixture, const char *name, const char *warnings) {
    cleanup_error struct error *error = NULL;
    runtime_choice_free(&fixture->choice);
    if (runtime_choose(&fixture->choice, fixture->candidates, &fixture->inputs, "transformers",
                       &error) < 0)
        fail_msg("%s", error->message);
    assert_string_equal(fixture->choice.name, name);
    assert_string_equal(json_text_at(fixture->choice.runtime, "metadata", "name", NULL), name);
    cleanup_free char *joined = strings_join(&fixture->choice.warnings, "\n", NULL);
    assert_string_equal(joined, warnings);
}

static void expect_error(struct fixture *fixture, const char *message) {
    cleanup_error struct error *error = NULL;
    runtime_choice_free(&fixture->choice);
    assert_int_equal(runtime_choose(&fixture->choice, fixture->candidates, &fixture->inputs,
                                    "transformers", &error),
                     -1);
    assert_int_equal(error->kind, ERROR_RUNTIME);
    assert_string_equal(error->message, message);
    assert_non_null(error->hint);
    assert_null(fixture->choice.runtime);
}

static void by_class_the_first_by_name_that_fits(void **state) {
    (void)state;
    struct fixture fixture = start();
    add(&fixture, "c-late", "{}", "{}");
    add(&fixture, "b-first", "{}", "{}");
    add(&fixture, "a-other-class", "{}", "{'cpaas.io/runtime-class': 'triton'}");
    add(&fixture, "a-disabled", "{'disabled': true}", "{}");
    add(&fixture, "a-mesh", "{'multiModel': true}", "{}");
    add(&fixture, "a-nodes", "{'workerSpec': {}}", "{}");
    add(&fixture, "a-format", "{'supportedModelFormats': [{'name': 'Transformers'}]}", "{}");
    add(&fixture, "a-container", "{'containers': [{'name': 'main'}]}", "{}");
    expect(&fixture, "b-first",
           "2 runtimes of class vllm fit: b-first is taken; RUNTIME_NAME chooses");
    assert_string_equal(fixture.choice.class_, "vllm");
    assert_string_equal(fixture.choice.protocol, "v2");
    finish(&fixture);
}

static void by_class_protocol_and_accelerator_come_before_the_name(void **state) {
    (void)state;
    struct fixture fixture = start();
    add(&fixture, "a-v1", "{'protocolVersions': ['v1', 'grpc-v2']}", "{}");
    expect(&fixture, "a-v1", "runtime a-v1 does not list protocol v2: v1 is used");
    assert_string_equal(fixture.choice.protocol, "v1");
    add(&fixture, "b-npu", "{'protocolVersions': []}", "{'cpaas.io/accelerator-type': 'npu'}");
    expect(&fixture, "b-npu",
           "runtime b-npu is for npu accelerators (label cpaas.io/accelerator-type), but an NVIDIA "
           "GPU is "
           "asked for\n"
           "2 runtimes of class vllm fit: b-npu is taken; RUNTIME_NAME chooses");
    assert_string_equal(fixture.choice.protocol, "");
    add(&fixture, "c-gpu", "{}", "{'cpaas.io/accelerator-type': 'nvidia'}");
    expect(&fixture, "c-gpu", "3 runtimes of class vllm fit: c-gpu is taken; RUNTIME_NAME chooses");
    fixture.inputs.hami_given = false;
    assert_int_equal(strings_add(&fixture.inputs.limit_names, "huawei.com/Ascend910B3", NULL), 0);
    expect(&fixture, "b-npu", "3 runtimes of class vllm fit: b-npu is taken; RUNTIME_NAME chooses");
    finish(&fixture);
}

static void by_class_the_error_lists_every_candidate(void **state) {
    (void)state;
    struct fixture fixture = start();
    expect_error(&fixture,
                 "there is no ClusterServingRuntime of class vllm (label cpaas.io/runtime-class)");
    add(&fixture, "a", "{'disabled': true}", "{}");
    add(&fixture, "b", "{'supportedModelFormats': [{'name': 'triton'}, {'name': 'mlflow'}]}", "{}");
    add(&fixture, "c", "{'supportedModelFormats': []}", "{}");
    expect_error(&fixture,
                 "no runtime of class vllm fits: a is disabled; b supports triton, mlflow, not "
                 "\"transformers\"; c supports no model format, not \"transformers\"");
    finish(&fixture);
}

static void by_name(void **state) {
    (void)state;
    struct fixture fixture = start();
    fixture_set(&fixture.inputs.runtime_name, "aml-vllm");
    expect_error(&fixture, "there is no ClusterServingRuntime aml-vllm (RUNTIME_NAME)");
    json_t *runtime = add(&fixture, "aml-vllm", "{}", "{}");
    expect(&fixture, "aml-vllm", "");
    fixture_set(&fixture.inputs.runtime_class, "");
    expect(&fixture, "aml-vllm", "");
    assert_string_equal(fixture.choice.class_, "vllm");

    fixture_set(&fixture.inputs.runtime_class, "mlserver");
    expect_error(&fixture, "runtime aml-vllm has class vllm, but RUNTIME_CLASS is mlserver");
    assert_int_equal(
        json_object_del(json_at(runtime, "metadata", "labels", NULL), "cpaas.io/runtime-class"), 0);
    expect_error(&fixture, "runtime aml-vllm has no class label, but RUNTIME_CLASS is mlserver");

    fixture_set(&fixture.inputs.runtime_class, "");
    assert_int_equal(json_object_set_new(json_object_get(runtime, "spec"), "disabled", json_true()),
                     0);
    expect_error(&fixture, "runtime aml-vllm cannot serve the model: it is disabled");
    finish(&fixture);
}

static void by_name_the_nearest_is_suggested(void **state) {
    (void)state;
    struct fixture fixture = start();
    fixture_set(&fixture.inputs.runtime_name, "aml-vlm");
    add(&fixture, "triton", "{}", "{}");
    add(&fixture, "aml-vllm", "{}", "{}");
    add(&fixture, "mlserver", "{}", "{}");
    cleanup_error struct error *error = NULL;
    assert_int_equal(runtime_choose(&fixture.choice, fixture.candidates, &fixture.inputs,
                                    "transformers", &error),
                     -1);
    assert_string_equal(error->hint, "did you mean aml-vllm?");
    finish(&fixture);
}

static void the_container_is_found_by_name(void **state) {
    (void)state;
    cleanup_json json_t *runtime = fixture_json("{'spec': {'containers': [{'name': 'sidecar'}, "
                                                "{'name': 'kserve-container', 'image': 'x'}]}}");
    assert_string_equal(json_text_at(runtime_container(runtime), "image", NULL), "x");
    cleanup_json json_t *none = fixture_json("{'spec': {'containers': [{'name': 'main'}]}}");
    assert_null(runtime_container(none));
    cleanup_json json_t *odd =
        fixture_json("{'spec': {'containers': 7, 'supportedModelFormats': {}}}");
    assert_null(runtime_container(odd));
    assert_false(runtime_supports(odd, "x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_class_the_first_by_name_that_fits),
        cmocka_unit_test(by_class_protocol_and_accelerator_come_before_the_name),
        cmocka_unit_test(by_class_the_error_lists_every_candidate),
        cmocka_unit_test(by_name),
        cmocka_unit_test(by_name_the_nearest_is_suggested),
        cmocka_unit_test(the_container_is_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
