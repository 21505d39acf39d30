#include "render_parts.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

/* The position of NAME in ENV, or its size. */
static size_t find(const json_t *env, const char *name) {
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(env, index,
                       entry) if (text_equal(json_text_at(entry, "name", NULL), name)) break;
    return index;
}

/*
 * Duplicates are legal in a container, where the last one counts, but not in an InferenceService,
 * whose env is a map by name. The first place is kept: what refers to $(NAME) stands behind it.
 */
static int copy_runtime_env(json_t *env, const struct plan *plan, const json_t *container,
                            struct strings *warnings, struct error **err) {
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_object_get(container, "env"), index, entry) {
        const char *name = json_text_at(entry, "name", NULL);
        size_t at = name != NULL ? find(env, name) : json_array_size(env);
        json_t *copy = json_deep_copy(entry);
        if (copy == NULL)
            return error_no_memory(err);
        bool twice = at < json_array_size(env);
        if ((twice ? json_array_set_new(env, at, copy) : json_array_append_new(env, copy)) < 0)
            return error_no_memory(err);
        if (twice &&
            strings_add_format(warnings, err,
                               "runtime %s has the environment variable %s twice: the last "
                               "one is used",
                               plan->runtime.name, name) < 0)
            return -1;
    }
    return 0;
}

static int set_variable(json_t *env, const struct plan *plan, const char *name, const char *value,
                        struct error **err) {
    size_t at = find(env, name);
    if (json_object_get(json_array_get(env, at), "valueFrom") != NULL) {
        error_new(
            err, ERROR_PARAMETER,
            "ENV sets %s, which runtime %s takes from elsewhere (valueFrom): KServe would merge "
            "both into one entry that Kubernetes refuses",
            name, plan->runtime.name);
        return error_hint(err, "leave %s out of ENV, or use a runtime without it", name);
    }
    cleanup_json json_t *entry = json_object();
    if (entry == NULL)
        return error_no_memory(err);
    if (json_set_text(entry, "name", name, err) < 0 ||
        json_set_text(entry, "value", value, err) < 0)
        return -1;
    int result =
        at < json_array_size(env) ? json_array_set(env, at, entry) : json_array_append(env, entry);
    return result == 0 ? 0 : error_no_memory(err);
}

json_t *render_env(const struct plan *plan, const json_t *container, struct strings *warnings,
                   struct error **err) {
    const struct inputs *inputs = plan->inputs;
    cleanup_json json_t *env = json_array();
    if (env == NULL) {
        error_no_memory(err);
        return NULL;
    }
    if (copy_runtime_env(env, plan, container, warnings, err) < 0)
        return NULL;
    for (size_t i = 0; i < inputs->env_names.count; i++)
        if (set_variable(env, plan, inputs->env_names.items[i], inputs->env_values.items[i], err) <
            0)
            return NULL;
    return steal_pointer(env);
}
