#include "deploy/pod_need.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "deploy/resource_parameter.h"
#include "deploy/runtime.h"

#include <stdio.h>
#include <string.h>

static const char *const sides[] = {"requests", "limits"};

bool pod_need_amount(struct quantity *out, const json_t *value) {
    char text[QUANTITY_SIZE];
    if (json_is_string(value))
        return quantity_parse(out, json_string_value(value));
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof(text), "%.17g", json_real_value(value));
    else
        return false;
    return quantity_parse(out, text);
}

/* Sets RESOURCE of AMOUNTS to VALUE when it is a quantity. */
static int take_amount(json_t *amounts, const char *resource, json_t *value, struct error **err) {
    struct quantity ignored;
    if (!pod_need_amount(&ignored, value))
        return 0;
    return json_object_set(amounts, resource, value) == 0 ? 0 : error_no_memory(err);
}

static int merge_side(json_t *out, const json_t *resources, const char *side, struct error **err) {
    const char *resource = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(resources, side), resource, value) {
        if (take_amount(json_object_get(out, side), resource, value, err) < 0)
            return -1;
    }
    return 0;
}

/* Kubernetes' own default, before any admission: what is only limited is requested as much. */
static int default_requests(json_t *container, struct error **err) {
    json_t *requests = json_object_get(container, "requests");
    const char *resource = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(container, "limits"), resource, value) {
        if (json_object_get(requests, resource) == NULL &&
            json_object_set(requests, resource, value) < 0)
            return error_no_memory(err);
    }
    return 0;
}

static int add_container(json_t *list, const json_t *container, const json_t *ours,
                         struct error **err) {
    const char *name = json_text_at(container, "name", NULL);
    cleanup_json json_t *out =
        json_pack("{s:s, s:{}, s:{}}", "name", name != NULL ? name : "?", "requests", "limits");
    if (out == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < array_length(sides); i++)
        if (merge_side(out, json_object_get(container, "resources"), sides[i], err) < 0 ||
            (ours != NULL && merge_side(out, ours, sides[i], err) < 0))
            return -1;
    if (default_requests(out, err) < 0)
        return -1;
    return json_array_append(list, out) == 0 ? 0 : error_no_memory(err);
}

int pod_need_containers(json_t **out, const json_t *service, const json_t *runtime,
                        struct error **err) {
    cleanup_json json_t *list = json_array();
    if (list == NULL)
        return error_no_memory(err);
    const json_t *ours = json_at(service, "spec", "predictor", "model", "resources", NULL);
    size_t index = 0;
    const json_t *container = NULL;
    json_array_foreach(json_at(runtime, "spec", "containers", NULL), index, container) {
        bool served = text_equal(json_text_at(container, "name", NULL), RUNTIME_CONTAINER);
        if (add_container(list, container, served ? ours : NULL, err) < 0)
            return -1;
    }
    *out = steal_pointer(list);
    return 0;
}

bool pod_need_sum(struct quantity *out, const json_t *containers, const char *side,
                  const char *resource) {
    struct quantity sum = {0};
    bool found = false;
    size_t index = 0;
    const json_t *container = NULL;
    json_array_foreach(containers, index, container) {
        struct quantity amount;
        if (!pod_need_amount(&amount, json_at(container, side, resource, NULL)))
            continue;
        sum.billionths += amount.billionths;
        found = true;
    }
    if (found)
        *out = sum;
    return found;
}

const char *pod_need_parameter(const char *resource, const char *side) {
    return resource_parameter(resource, strcmp(side, "limits") != 0);
}

static bool is_bytes(const char *resource) {
    return strcmp(resource, "memory") == 0 || strcmp(resource, "ephemeral-storage") == 0 ||
           strncmp(resource, "hugepages-", strlen("hugepages-")) == 0;
}

const char *pod_need_text(char out[QUANTITY_SIZE], const char *resource,
                          const struct quantity *amount) {
    if (is_bytes(resource))
        return quantity_format_bytes(out, quantity_value(amount));
    if (quantity_is_integer(amount)) {
        snprintf(out, QUANTITY_SIZE, "%lld", (long long)quantity_value(amount));
        return out;
    }
    const struct quantity thousand = {amount->billionths * 1000};
    snprintf(out, QUANTITY_SIZE, "%lldm", (long long)quantity_value(&thousand));
    return out;
}
