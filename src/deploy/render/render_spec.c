#include "render_parts.h"

#include "base/json.h"
#include "base/text.h"

/* Sets KEY to a copy of an array that is not empty; VALUE is borrowed. */
static int set_list(json_t *object, const char *key, const json_t *value, struct error **err) {
    if (json_array_size(value) == 0)
        return 0;
    return json_set_take(object, key, json_deep_copy(value), err);
}

static int fill_model(json_t *model, const struct plan *plan, struct strings *warnings,
                      struct error **err) {
    const json_t *container = runtime_container(plan->runtime.runtime);
    if (container == NULL)
        return error_new(err, ERROR_RUNTIME, "runtime %s has no container " RUNTIME_CONTAINER,
                         plan->runtime.name);
    json_t *format = json_object_in(model, "modelFormat", err);
    if (format == NULL || json_set_text(format, "name", plan->model->library_name, err) < 0)
        return -1;
    if (plan->runtime.protocol[0] != '\0' &&
        json_set_text(model, "protocolVersion", plan->runtime.protocol, err) < 0)
        return -1;
    if (json_set_text(model, "runtime", plan->runtime.name, err) < 0 ||
        json_set_text(model, "storageUri", plan->model->storage_uri, err) < 0)
        return -1;

    cleanup_json json_t *resources = render_resources(plan, container, warnings, err);
    if (resources == NULL)
        return -1;
    if (json_object_size(resources) > 0 && json_object_set(model, "resources", resources) < 0)
        return error_no_memory(err);
    if (set_list(model, "command", json_object_get(container, "command"), err) < 0)
        return -1;
    cleanup_json json_t *env = render_env(plan, container, warnings, err);
    return env != NULL ? set_list(model, "env", env, err) : -1;
}

static int fill_predictor(json_t *predictor, const struct plan *plan, struct error **err) {
    const struct inputs *inputs = plan->inputs;
    if (json_set_take(predictor, "minReplicas", json_integer(inputs->min_replicas), err) < 0 ||
        json_set_take(predictor, "maxReplicas", json_integer(inputs->max_replicas), err) < 0 ||
        json_set_take(predictor, "hostIPC", json_boolean(inputs->host_ipc), err) < 0)
        return -1;
    if (inputs->deployment_strategy[0] == '\0')
        return 0;
    json_t *strategy = json_object_in(predictor, "deploymentStrategy", err);
    return strategy != NULL ? json_set_text(strategy, "type", inputs->deployment_strategy, err)
                            : -1;
}

json_t *render_spec(const struct plan *plan, struct strings *warnings, struct error **err) {
    cleanup_json json_t *spec = json_object();
    if (spec == NULL) {
        error_no_memory(err);
        return NULL;
    }
    json_t *predictor = json_object_in(spec, "predictor", err);
    if (predictor == NULL || fill_predictor(predictor, plan, err) < 0)
        return NULL;
    json_t *model = json_object_in(predictor, "model", err);
    if (model == NULL || fill_model(model, plan, warnings, err) < 0)
        return NULL;
    return steal_pointer(spec);
}
