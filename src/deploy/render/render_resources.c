#include "render_parts.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/quantity.h"
#include "deploy/resource_parameter.h"

#include <stdio.h>
#include <string.h>

/* --- ours --- */

/* Sets RESOURCE when TEXT is not empty. */
static int set_amount(json_t *amounts, const char *resource, const char *text, struct error **err) {
    return text[0] != '\0' ? json_set_text(amounts, resource, text, err) : 0;
}

static int fill_limits(json_t *limits, const struct inputs *inputs, struct error **err) {
    const char *storage = inputs->pvc_name[0] == '\0' ? inputs->ephemeral_storage_size : "";
    if (set_amount(limits, "cpu", inputs->cpu_limit, err) < 0 ||
        set_amount(limits, "memory", inputs->memory_limit, err) < 0 ||
        set_amount(limits, "ephemeral-storage", storage, err) < 0 ||
        set_amount(limits, "nvidia.com/gpu", inputs->nvidia_gpu, err) < 0)
        return -1;
    if (inputs->hami_given &&
        (set_amount(limits, "nvidia.com/gpualloc", inputs->gpu_count, err) < 0 ||
         set_amount(limits, "nvidia.com/gpucores", inputs->gpu_cores, err) < 0 ||
         set_amount(limits, "nvidia.com/gpumem", inputs->gpu_memory, err) < 0))
        return -1;
    for (size_t i = 0; i < inputs->limit_names.count; i++)
        if (set_amount(limits, inputs->limit_names.items[i], inputs->limit_values.items[i], err) <
            0)
            return -1;
    return 0;
}

/* --- merged with the runtime's, as KServe merges: a resource of ours replaces the runtime's --- */

struct side {
    const char *resource;
    bool ours;
    bool valid;
    struct quantity value;
    char text[QUANTITY_SIZE];
};

static void read_amount(struct side *side, const json_t *amount) {
    const char *text = json_string_value(amount);
    if (text != NULL)
        snprintf(side->text, sizeof(side->text), "%s", text);
    else if (json_is_integer(amount))
        snprintf(side->text, sizeof(side->text), "%lld", (long long)json_integer_value(amount));
    else if (json_is_real(amount))
        snprintf(side->text, sizeof(side->text), "%.17g", json_real_value(amount));
    else
        return;
    side->valid = quantity_parse(&side->value, side->text);
}

static struct side merged(const json_t *ours, const json_t *runtimes, const char *resource) {
    struct side side = {.resource = resource};
    const json_t *amount = json_object_get(ours, resource);
    side.ours = amount != NULL;
    read_amount(&side, amount != NULL ? amount : json_object_get(runtimes, resource));
    return side;
}

static int refuse(const struct side *request, const struct side *limit, const char *runtime,
                  struct error **err) {
    const struct side *ours = request->ours ? request : limit;
    const struct side *theirs = request->ours ? limit : request;
    const char *parameter = resource_parameter(ours->resource, request->ours);
    cleanup_free char *clash =
        request->ours ? text_format(err, "limits %s to %s", theirs->resource, theirs->text)
                      : text_format(err, "requests %s of %s", theirs->text, theirs->resource);
    if (clash == NULL)
        return -1;
    error_new(
        err, ERROR_PARAMETER,
        "%s is %s but runtime %s %s: KServe merges them, and a request must not be larger than "
        "its limit",
        parameter, ours->text, runtime, clash);
    const char *other = resource_parameter(ours->resource, !request->ours);
    if (strcmp(other, parameter) == 0) /* disk has one for both */
        return error_hint(err, "raise %s", parameter);
    return error_hint(err, "set %s too, it replaces the runtime's value", other);
}

static bool can_be_overcommitted(const char *resource) {
    return strcmp(resource, "cpu") == 0 || strcmp(resource, "memory") == 0 ||
           strcmp(resource, "ephemeral-storage") == 0;
}

/*
 * One resource of the runtime's requests or limits. Devices and huge pages must be requested as
 * they are limited, so a limit of ours takes the runtime's request along. Source: Kubernetes
 * "Device Plugins", pkg/apis/core/validation ValidateResourceRequirements.
 */
static int check_resource(json_t *requests, const json_t *limits, const json_t *runtime_resources,
                          const char *resource, const char *runtime, struct error **err) {
    const json_t *their_requests = json_object_get(runtime_resources, "requests");
    const json_t *their_limits = json_object_get(runtime_resources, "limits");
    struct side request = merged(requests, their_requests, resource);
    struct side limit = merged(limits, their_limits, resource);
    if (!request.valid || !limit.valid || request.ours == limit.ours)
        return 0;
    int order = quantity_compare(&request.value, &limit.value);
    if (can_be_overcommitted(resource))
        return order <= 0 ? 0 : refuse(&request, &limit, runtime, err);
    if (order != 0 && limit.ours)
        return json_set_text(requests, resource, limit.text, err);
    return 0;
}

static int check_against_runtime(json_t *requests, const json_t *limits, const json_t *container,
                                 const char *runtime, struct error **err) {
    const json_t *theirs = json_object_get(container, "resources");
    static const char *const sides[] = {"requests", "limits"};
    for (size_t i = 0; i < array_length(sides); i++) {
        const char *resource = NULL;
        json_t *amount = NULL;
        json_object_foreach((json_t *)json_object_get(theirs, sides[i]), resource, amount) {
            if (check_resource(requests, limits, theirs, resource, runtime, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* A card of NVIDIA's plugin and a share of HAMi's are never on one node. */
static int warn_of_mixed_gpus(const struct plan *plan, const json_t *container,
                              struct strings *warnings, struct error **err) {
    const json_t *theirs = json_at(container, "resources", "limits", NULL);
    if (!plan->inputs->hami_given || json_object_get(theirs, "nvidia.com/gpu") == NULL ||
        strings_contain(&plan->inputs->limit_names, "nvidia.com/gpu"))
        return 0;
    return strings_add_format(
        warnings, err,
        "runtime %s asks for nvidia.com/gpu itself, beside the HAMi resources "
        "of the parameters: few clusters have a node with both",
        plan->runtime.name);
}

static int set_sorted(json_t *resources, const char *key, const json_t *amounts,
                      struct error **err) {
    if (json_object_size(amounts) == 0)
        return 0; /* an empty map would be one more thing to own */
    json_t *sorted = json_sorted(amounts, err);
    return sorted != NULL ? json_set_take(resources, key, sorted, err) : -1;
}

json_t *render_resources(const struct plan *plan, const json_t *container, struct strings *warnings,
                         struct error **err) {
    const struct inputs *inputs = plan->inputs;
    cleanup_json json_t *resources = json_object();
    cleanup_json json_t *requests = json_object();
    cleanup_json json_t *limits = json_object();
    if (resources == NULL || requests == NULL || limits == NULL) {
        error_no_memory(err);
        return NULL;
    }
    if (set_amount(requests, "cpu", inputs->cpu_request, err) < 0 ||
        set_amount(requests, "memory", inputs->memory_request, err) < 0 ||
        fill_limits(limits, inputs, err) < 0)
        return NULL;
    if (check_against_runtime(requests, limits, container, plan->runtime.name, err) < 0 ||
        warn_of_mixed_gpus(plan, container, warnings, err) < 0)
        return NULL;
    if (set_sorted(resources, "limits", limits, err) < 0 ||
        set_sorted(resources, "requests", requests, err) < 0)
        return NULL;
    return steal_pointer(resources);
}
