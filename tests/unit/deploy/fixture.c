#include "../cmocka_all.h"

#include "fixture.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

void fixture_set(char **field, const char *text) {
    free(*field);
    *field = text_copy(text, NULL);
    assert_non_null(*field);
}

void fixture_inputs(struct inputs *inputs) {
    *inputs = (struct inputs){0};
    assert_int_equal(inputs_init(inputs, NULL), 0);
    fixture_set(&inputs->name, "qwen");
    fixture_set(&inputs->namespace_, "demo");
    fixture_set(&inputs->model_repo, "Qwen2.5-0.5B");
    fixture_set(&inputs->runtime_class, "vllm");
    fixture_set(&inputs->ephemeral_storage_size, "10Gi");
    fixture_set(&inputs->cpu_request, "1");
    fixture_set(&inputs->memory_request, "4Gi");
    fixture_set(&inputs->cpu_limit, "4");
    fixture_set(&inputs->memory_limit, "16Gi");
    fixture_set(&inputs->gpu_count, DEFAULT_GPU_COUNT);
    fixture_set(&inputs->gpu_cores, DEFAULT_GPU_CORES);
    fixture_set(&inputs->gpu_memory, DEFAULT_GPU_MEMORY);
    inputs->update_if_exists = true;
    inputs->min_replicas = 1;
    inputs->max_replicas = 1;
    inputs->host_ipc = true;
    inputs->timeout_ms = 25LL * 60 * 1000;
}

void fixture_model(struct model *model) {
    *model = (struct model){0};
    assert_int_equal(model_init(model, NULL), 0);
    fixture_set(&model->path, "demo/amlmodels/Qwen2.5-0.5B");
    fixture_set(&model->group, "demo");
    fixture_set(&model->subgroup, "amlmodels");
    fixture_set(&model->name, "Qwen2.5-0.5B");
    fixture_set(&model->id, "42");
    fixture_set(&model->branch, "main");
    fixture_set(&model->commit, "0123456789abcdef0123456789abcdef01234567");
    fixture_set(&model->pipeline_tag, "text-generation");
    fixture_set(&model->library_name, "transformers");
    fixture_set(&model->storage_uri,
                "hf://demo/Qwen2.5-0.5B:0123456789abcdef0123456789abcdef01234567");
}

json_t *fixture_json(const char *text) {
    char *copy = text_copy(text, NULL);
    assert_non_null(copy);
    for (char *at = copy; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    json_t *value = NULL;
    cleanup_error struct error *error = NULL;
    if (json_parse(&value, copy, strlen(copy), "the fixture", ERROR_INTERNAL, &error) < 0)
        fail_msg("%s\n%s", copy, error->message);
    free(copy);
    return value;
}

json_t *fixture_runtime(const char *name, const char *container) {
    json_t *runtime = fixture_json("{'metadata': {'labels': {'cpaas.io/runtime-class': 'vllm'}},"
                                   " 'spec': {'supportedModelFormats': [{'name': 'transformers', "
                                   "'version': '1'}], 'protocolVersions': ['v1', 'v2']}}");
    json_t *metadata = json_object_get(runtime, "metadata");
    json_t *spec = json_object_get(runtime, "spec");
    assert_int_equal(json_object_set_new(metadata, "name", json_string(name)), 0);
    json_t *containers = json_array();
    assert_int_equal(json_array_append_new(containers, fixture_json(container)), 0);
    assert_int_equal(json_object_set_new(spec, "containers", containers), 0);
    return runtime;
}
