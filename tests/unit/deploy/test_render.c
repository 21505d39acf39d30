/*
 * render: whole documents against golden files (reviewed by hand, compared byte for byte), the
 * content hash, and what is merged with the runtime.
 */

#include "../cmocka_all.h"

#include "fixture.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "model/git.h"

#include <stdio.h>
#include <string.h>

/* As the platform's runtimes are: a script as command, placeholders, valueFrom, quotes, no args. */
#define PLATFORM_CONTAINER                                                                         \
    "{'name': 'kserve-container', 'image': 'vllm:0.9.2',"                                          \
    " 'command': ['bash', '-c', 'set -e\\n\\nMODEL=/mnt/models/${MODEL_NAME}\\n"                   \
    "if [ ! -d \\\"$MODEL\\\" ]; then\\n  MODEL=/mnt/models\\nfi\\n"                               \
    "# {{.Name}} $(GPU_COUNT) `id` %{http_code} \\\\d\\n"                                          \
    "exec python3 -m vllm.entrypoints.openai.api_server --model \\\"$MODEL\\\" \\\"$@\\\"\\n', "   \
    "'bash'],"                                                                                     \
    " 'args': ['--never-copied'],"                                                                 \
    " 'env': [{'name': 'MODEL_NAME', 'value': '{{ index .Annotations \\\"aml-model-repo\\\" }}'}," \
    " {'name': 'POD_IP', 'valueFrom': {'fieldRef': {'fieldPath': 'status.podIP'}}},"               \
    " {'name': 'GPU_MEMORY_UTILIZATION', 'value': '0.95'}, {'name': 'MODEL_FAMILY', 'value': "     \
    "''}]}"

#define BARE_CONTAINER "{'name': 'kserve-container'}"

struct fixture {
    struct inputs inputs;
    struct model model;
    struct plan plan;
    struct plan_facts facts;
    json_t *live;
    struct document document;
};

static int hash_with_git(void *user, char out[65], const void *data, size_t length,
                         struct error **err) {
    (void)user;
    (void)err;
    git_hash_blob(out, data, length);
    return 0;
}

static const struct hasher hasher = {.hash = hash_with_git};

static void start(struct fixture *fixture, const char *container) {
    *fixture = (struct fixture){0};
    fixture_inputs(&fixture->inputs);
    fixture->inputs.hami_given = true;
    fixture_model(&fixture->model);
    fixture->plan = (struct plan){
        .inputs = &fixture->inputs, .model = &fixture->model, .deployment_mode = "Standard"};
    fixture->plan.runtime.runtime = fixture_runtime("aml-vllm-0.9.2", container);
    fixture_set(&fixture->plan.runtime.name, "aml-vllm-0.9.2");
    fixture_set(&fixture->plan.runtime.class_, "vllm");
    fixture_set(&fixture->plan.runtime.protocol, "v2");
}

static void finish(struct fixture *fixture) {
    document_free(&fixture->document);
    plan_free(&fixture->plan);
    model_free(&fixture->model);
    inputs_free(&fixture->inputs);
    json_decref(fixture->live);
}

static void make(struct fixture *fixture) {
    cleanup_error struct error *error = NULL;
    document_free(&fixture->document);
    fixture->facts.live = fixture->live;
    if (render(&fixture->document, &fixture->plan, &fixture->facts, &hasher, &error) < 0)
        fail_msg("%s", error->message);
}

static void expect_error(struct fixture *fixture, const char *message, const char *hint) {
    cleanup_error struct error *error = NULL;
    document_free(&fixture->document);
    assert_int_equal(render(&fixture->document, &fixture->plan, &fixture->facts, &hasher, &error),
                     -1);
    assert_int_equal(error->kind, ERROR_PARAMETER);
    assert_string_equal(error->message, message);
    if (hint != NULL)
        assert_string_equal(error->hint, hint);
    assert_null(fixture->document.object);
}

static void expect_warnings(const struct fixture *fixture, const char *warnings) {
    cleanup_free char *joined = strings_join(&fixture->document.warnings, "\n", NULL);
    assert_string_equal(joined, warnings);
}

static void expect_golden(struct fixture *fixture, const char *file, bool yaml) {
    make(fixture);
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIRECTORY, file);
    cleanup_error struct error *error = NULL;
    cleanup_free char *wanted = file_read_text(&file_system, path, 65536, &error);
    if (wanted == NULL)
        fail_msg("%s", error->message);
    cleanup_free char *text = yaml ? yaml_from_json(fixture->document.object, NULL)
                                   : json_pretty_text(fixture->document.object, NULL);
    size_t length = strlen(wanted);
    if (!yaml && length > 0 && wanted[length - 1] == '\n')
        wanted[length - 1] = '\0';
    assert_string_equal(text, wanted);
}

static json_t *model_of(const struct fixture *fixture) {
    return json_at(fixture->document.object, "spec", "predictor", "model", NULL);
}

static void expect_part(const struct fixture *fixture, const char *part, const char *json) {
    cleanup_json json_t *wanted = fixture_json(json);
    cleanup_free char *wanted_text = json_canonical_text(wanted, NULL);
    cleanup_free char *text = json_canonical_text(json_object_get(model_of(fixture), part), NULL);
    assert_string_equal(text, wanted_text);
}

/* --- whole documents --- */

static void the_pipelines_defaults(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, PLATFORM_CONTAINER);
    fixture_set(&fixture.inputs.description, "Qwen for \"demo\"\nsecond line");
    fixture_set(&fixture.inputs.pipeline_run, "deploy-x7k2p");
    expect_golden(&fixture, "defaults.yaml", true);
    expect_golden(&fixture, "defaults.json", false);
    expect_warnings(&fixture, "");
    assert_null(fixture.document.migration_operations);
    finish(&fixture);
}

static void tag_claim_whole_gpus_serverless(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, BARE_CONTAINER);
    fixture_set(&fixture.model.branch, "");
    fixture_set(&fixture.model.tag, "v1.0");
    fixture_set(&fixture.inputs.pvc_name, "models");
    fixture_set(&fixture.inputs.nvidia_gpu, "2");
    fixture_set(&fixture.inputs.cpu_limit, "");
    fixture_set(&fixture.inputs.memory_limit, "");
    fixture.inputs.hami_given = false;
    fixture.inputs.serverless = true;
    fixture.inputs.min_replicas = 0;
    fixture.inputs.max_replicas = 3;
    fixture.plan.deployment_mode = "Knative";
    fixture_set(&fixture.plan.runtime.protocol, "");
    expect_golden(&fixture, "tag-claim-serverless.json", false);
    finish(&fixture);
}

static void a_storage_uri_without_a_repository(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, BARE_CONTAINER);
    static const size_t unset[] = {
        offsetof(struct model, path),     offsetof(struct model, group),
        offsetof(struct model, subgroup), offsetof(struct model, id),
        offsetof(struct model, branch),   offsetof(struct model, commit)};
    for (size_t i = 0; i < array_length(unset); i++)
        fixture_set((char **)(void *)((char *)&fixture.model + unset[i]), "");
    fixture_set(&fixture.model.name, "llama");
    fixture_set(&fixture.model.storage_uri, "s3://models/llama");
    fixture_set(&fixture.inputs.deployment_strategy, "Recreate");
    fixture.inputs.host_ipc = false;
    fixture.inputs.hami_given = false;
    assert_int_equal(strings_add(&fixture.inputs.limit_names, "huawei.com/Ascend910B3", NULL), 0);
    assert_int_equal(strings_add(&fixture.inputs.limit_values, "1", NULL), 0);
    assert_int_equal(strings_add(&fixture.inputs.env_names, "LEVEL", NULL), 0);
    assert_int_equal(strings_add(&fixture.inputs.env_values, "debug", NULL), 0);
    expect_golden(&fixture, "storage-uri.json", false);
    finish(&fixture);
}

/* --- content hash and provenance --- */

static void the_hash_is_of_everything_but_provenance(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, PLATFORM_CONTAINER);
    make(&fixture);
    char first[65];
    memcpy(first, fixture.document.content_hash, sizeof(first));
    assert_int_equal(strlen(first), 40);
    assert_string_equal(json_text_at(fixture.document.object, "metadata", "annotations",
                                     ANNOTATION_CONTENT_HASH, NULL),
                        first);
    make(&fixture);
    assert_string_equal(fixture.document.content_hash, first);
    fixture_set(&fixture.inputs.pipeline_run, "another-run");
    make(&fixture);
    assert_string_equal(fixture.document.content_hash, first);
    fixture_set(&fixture.inputs.description, "changed");
    make(&fixture);
    assert_string_not_equal(fixture.document.content_hash, first);
    fixture_set(&fixture.inputs.description, "");
    fixture_set(&fixture.model.storage_uri,
                "hf://demo/Qwen2.5-0.5B:1123456789abcdef0123456789abcdef01234567");
    make(&fixture);
    assert_string_not_equal(fixture.document.content_hash, first);
    finish(&fixture);
}

static void an_equal_second_run_changes_nothing(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, PLATFORM_CONTAINER);
    fixture_set(&fixture.inputs.pipeline_run, "run-1");
    make(&fixture);
    fixture.live = json_deep_copy(fixture.document.object);
    fixture_set(&fixture.inputs.pipeline_run, "run-2");
    make(&fixture);
    assert_true(json_equal(fixture.document.object, fixture.live));
    fixture_set(&fixture.inputs.cpu_limit, "8");
    make(&fixture);
    assert_string_equal(json_text_at(fixture.document.object, "metadata", "annotations",
                                     ANNOTATION_PIPELINE_RUN, NULL),
                        "run-2");
    /* a live object without provenance gets none, when nothing else changes */
    json_decref(fixture.live);
    fixture.live = json_deep_copy(fixture.document.object);
    assert_int_equal(json_object_del(json_at(fixture.live, "metadata", "annotations", NULL),
                                     ANNOTATION_PIPELINE_RUN),
                     0);
    make(&fixture);
    assert_true(json_equal(fixture.document.object, fixture.live));
    finish(&fixture);
}

static void a_mode_annotation_that_kserve_renamed_is_migrated(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, BARE_CONTAINER);
    fixture.live = fixture_json("{'metadata': {'annotations': "
                                "{'serving.kserve.io/deploymentMode': 'RawDeployment'}}}");
    make(&fixture);
    cleanup_free char *operations =
        json_canonical_text(fixture.document.migration_operations, NULL);
    assert_string_equal(operations, "[{\"op\":\"replace\",\"path\":\"/metadata/annotations/"
                                    "serving.kserve.io~1deploymentMode\",\"value\":\"Standard\"}]");
    json_decref(fixture.live);
    fixture.live = fixture_json("{'metadata': {'annotations': "
                                "{'serving.kserve.io/deploymentMode': 'Standard'}}}");
    make(&fixture);
    assert_null(fixture.document.migration_operations);
    finish(&fixture);
}

/* --- labels --- */

static void label_text_that_is_illegal_is_mapped_with_a_warning(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, BARE_CONTAINER);
    fixture_set(&fixture.model.subgroup, "amlmodels/nlp");
    fixture_set(&fixture.model.pipeline_tag, "Text Generation");
    make(&fixture);
    const json_t *metadata = json_object_get(fixture.document.object, "metadata");
    assert_string_equal(json_text_at(metadata, "labels", "aml-model-subgroup", NULL),
                        "amlmodels.nlp");
    assert_string_equal(json_text_at(metadata, "labels", "aml-pipeline-tag", NULL),
                        "Text-Generation");
    assert_string_equal(json_text_at(metadata, "annotations", "aml-pipeline-tag", NULL),
                        "Text Generation");
    expect_warnings(
        &fixture,
        "label aml-model-subgroup: \"amlmodels/nlp\" is no label value, \"amlmodels.nlp\" "
        "stands for it\n"
        "label aml-pipeline-tag: \"Text Generation\" is no label value, \"Text-Generation\" "
        "stands for it");
    finish(&fixture);
}

static void annotations_are_bounded(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, BARE_CONTAINER);
    char *large = malloc(300001);
    assert_non_null(large);
    memset(large, 'x', 300000);
    large[300000] = '\0';
    fixture_set(&fixture.inputs.description, large);
    free(large);
    cleanup_error struct error *error = NULL;
    assert_int_equal(render(&fixture.document, &fixture.plan, &fixture.facts, &hasher, &error), -1);
    assert_int_equal(error->kind, ERROR_PARAMETER);
    assert_non_null(strstr(error->message,
                           "more than the 262144 that Kubernetes takes; the largest is "
                           "cpaas.io/description with 300000"));
    finish(&fixture);
}

/* --- environment --- */

static void add_env(struct fixture *fixture, const char *name, const char *value) {
    assert_int_equal(strings_add(&fixture->inputs.env_names, name, NULL), 0);
    assert_int_equal(strings_add(&fixture->inputs.env_values, value, NULL), 0);
}

static void env_replaces_the_runtimes_of_the_same_name(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, "{'name': 'kserve-container', 'env': [{'name': 'A', 'value': '1'}, "
                    "{'name': 'B', 'value': '$(A)'}]}");
    add_env(&fixture, "A", "2");
    add_env(&fixture, "C", "3 \"q\" $(B)");
    make(&fixture);
    expect_part(&fixture, "env",
                "[{'name': 'A', 'value': '2'}, {'name': 'B', 'value': '$(A)'}, "
                "{'name': 'C', 'value': '3 \\\"q\\\" $(B)'}]");
    expect_warnings(&fixture, "");
    finish(&fixture);
}

static void of_duplicates_in_the_runtime_the_last_wins(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, "{'name': 'kserve-container', 'env': [{'name': 'A', 'value': '1'}, "
                    "{'name': 'B', 'value': '$(A)'}, {'name': 'A', 'value': '2'}]}");
    make(&fixture);
    expect_part(&fixture, "env", "[{'name': 'A', 'value': '2'}, {'name': 'B', 'value': '$(A)'}]");
    expect_warnings(&fixture,
                    "runtime aml-vllm-0.9.2 has the environment variable A twice: the last one "
                    "is used");
    finish(&fixture);
}

static void env_over_value_from_is_refused(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, PLATFORM_CONTAINER);
    add_env(&fixture, "POD_IP", "127.0.0.1");
    expect_error(
        &fixture,
        "ENV sets POD_IP, which runtime aml-vllm-0.9.2 takes from elsewhere (valueFrom): KServe "
        "would merge both into one entry that Kubernetes refuses",
        "leave POD_IP out of ENV, or use a runtime without it");
    finish(&fixture);
}

/* --- resources --- */

static void requests_and_limits_are_checked_as_merged(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, "{'name': 'kserve-container', 'resources': {'limits': {'cpu': 2}, "
                    "'requests': {'memory': '32Gi', 'ephemeral-storage': '20Gi'}}}");
    fixture_set(&fixture.inputs.ephemeral_storage_size, "20Gi");
    fixture_set(&fixture.inputs.memory_request, "16Gi");
    fixture_set(&fixture.inputs.cpu_request, "2500m");
    fixture_set(&fixture.inputs.cpu_limit, "");
    expect_error(
        &fixture,
        "CPU_REQUEST is 2500m but runtime aml-vllm-0.9.2 limits cpu to 2: KServe merges them, "
        "and a request must not be larger than its limit",
        "set CPU_LIMIT too, it replaces the runtime's value");
    fixture_set(&fixture.inputs.cpu_limit, "4");
    fixture_set(&fixture.inputs.memory_request, "");
    expect_error(
        &fixture,
        "MEMORY_LIMIT is 16Gi but runtime aml-vllm-0.9.2 requests 32Gi of memory: KServe merges "
        "them, and a request must not be larger than its limit",
        "set MEMORY_REQUEST too, it replaces the runtime's value");
    fixture_set(&fixture.inputs.memory_request, "4Gi");
    fixture_set(&fixture.inputs.ephemeral_storage_size, "10Gi");
    expect_error(
        &fixture,
        "EPHIMERAL_STORAGE_SIZE is 10Gi but runtime aml-vllm-0.9.2 requests 20Gi of "
        "ephemeral-storage: KServe merges them, and a request must not be larger than its limit",
        "raise EPHIMERAL_STORAGE_SIZE");
    fixture_set(&fixture.inputs.ephemeral_storage_size, "20Gi");
    make(&fixture);
    finish(&fixture);
}

static void a_device_is_requested_as_it_is_limited(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, "{'name': 'kserve-container', 'resources': {'limits': {'nvidia.com/gpu': '1'}, "
                    "'requests': {'nvidia.com/gpu': '1'}}}");
    fixture.inputs.hami_given = false;
    fixture_set(&fixture.inputs.nvidia_gpu, "2");
    make(&fixture);
    expect_part(&fixture, "resources",
                "{'limits': {'cpu': '4', 'ephemeral-storage': '10Gi', 'memory': '16Gi', "
                "'nvidia.com/gpu': '2'}, 'requests': {'cpu': '1', 'memory': '4Gi', "
                "'nvidia.com/gpu': '2'}}");
    fixture_set(&fixture.inputs.nvidia_gpu, "1");
    make(&fixture);
    expect_part(&fixture, "resources",
                "{'limits': {'cpu': '4', 'ephemeral-storage': '10Gi', 'memory': '16Gi', "
                "'nvidia.com/gpu': '1'}, 'requests': {'cpu': '1', 'memory': '4Gi'}}");
    fixture_set(&fixture.inputs.nvidia_gpu, "");
    fixture.inputs.hami_given = true;
    make(&fixture);
    expect_warnings(&fixture,
                    "runtime aml-vllm-0.9.2 asks for nvidia.com/gpu itself, beside the HAMi "
                    "resources of the parameters: few clusters have a node with both");
    finish(&fixture);
}

static void nothing_is_sent_for_what_is_empty(void **state) {
    (void)state;
    struct fixture fixture;
    start(&fixture, "{'name': 'kserve-container', 'command': [], 'args': ['a'], 'env': []}");
    static const size_t unset[] = {
        offsetof(struct inputs, cpu_request), offsetof(struct inputs, cpu_limit),
        offsetof(struct inputs, memory_request), offsetof(struct inputs, memory_limit)};
    for (size_t i = 0; i < array_length(unset); i++)
        fixture_set((char **)(void *)((char *)&fixture.inputs + unset[i]), "");
    fixture_set(&fixture.inputs.pvc_name, "models");
    fixture.inputs.hami_given = false;
    make(&fixture);
    static const char *const absent[] = {"resources", "command", "args", "env", "name"};
    for (size_t i = 0; i < array_length(absent); i++)
        assert_null(json_object_get(model_of(&fixture), absent[i]));
    finish(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pipelines_defaults),
        cmocka_unit_test(tag_claim_whole_gpus_serverless),
        cmocka_unit_test(a_storage_uri_without_a_repository),
        cmocka_unit_test(the_hash_is_of_everything_but_provenance),
        cmocka_unit_test(an_equal_second_run_changes_nothing),
        cmocka_unit_test(a_mode_annotation_that_kserve_renamed_is_migrated),
        cmocka_unit_test(label_text_that_is_illegal_is_mapped_with_a_warning),
        cmocka_unit_test(annotations_are_bounded),
        cmocka_unit_test(env_replaces_the_runtimes_of_the_same_name),
        cmocka_unit_test(of_duplicates_in_the_runtime_the_last_wins),
        cmocka_unit_test(env_over_value_from_is_refused),
        cmocka_unit_test(requests_and_limits_are_checked_as_merged),
        cmocka_unit_test(a_device_is_requested_as_it_is_limited),
        cmocka_unit_test(nothing_is_sent_for_what_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
