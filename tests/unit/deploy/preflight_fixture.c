#include "preflight_fixture.h"

#include "base/json.h"
#include "base/text.h"
#include "fixture.h"

void pod_fixture_init(struct pod_fixture *pod) {
    *pod = (struct pod_fixture){0};
    fixture_inputs(&pod->inputs);
    pod->containers =
        fixture_json("[{'name': 'kserve-container',"
                     "  'requests': {'cpu': '1', 'memory': '4Gi', 'ephemeral-storage': '10Gi',"
                     "    'nvidia.com/gpualloc': '1', 'nvidia.com/gpucores': '50',"
                     "    'nvidia.com/gpumem': '4096'},"
                     "  'limits': {'cpu': '4', 'memory': '16Gi', 'ephemeral-storage': '10Gi',"
                     "    'nvidia.com/gpualloc': '1', 'nvidia.com/gpucores': '50',"
                     "    'nvidia.com/gpumem': '4096'}}]");
    pod->runtime = fixture_runtime("vllm", "{'name': 'kserve-container', 'image': 'vllm:1'}");
    pod->plan = (struct pod_plan){.inputs = &pod->inputs,
                                  .containers = pod->containers,
                                  .runtime = pod->runtime,
                                  .now_ms = 1769846700000}; /* 2026-01-31 08:05:00 UTC */
}

void pod_fixture_free(struct pod_fixture *pod) {
    inputs_free(&pod->inputs);
    json_decref(pod->containers);
    json_decref(pod->runtime);
    checks_free(&pod->checks);
}

void pod_set(struct pod_fixture *pod, const char *side, const char *resource, const char *amount) {
    json_t *amounts = json_object_get(json_array_get(pod->containers, 0), side);
    if (amount == NULL)
        json_object_del(amounts, resource);
    else
        json_object_set_new(amounts, resource, json_string(amount));
}

void pod_set_runtime(struct pod_fixture *pod, const char *json) {
    json_decref(pod->runtime);
    pod->runtime = fixture_json(json);
    pod->plan.runtime = pod->runtime;
}

void pod_clear(struct pod_fixture *pod) {
    checks_free(&pod->checks);
}

static bool is_found(const struct check *check, enum check_state state, const char *message,
                     const char *hint) {
    return check->state == state && (message == NULL || text_contains(check->message, message)) &&
           (hint == NULL || text_contains(check->hint, hint));
}

static void show(const struct checks *checks) {
    for (size_t i = 0; i < checks->count; i++)
        print_message("  %s: %s (%s)\n", check_state_name(checks->items[i].state),
                      checks->items[i].message,
                      checks->items[i].hint != NULL ? checks->items[i].hint : "no hint");
}

void assert_found(const struct checks *checks, enum check_state state, const char *message,
                  const char *hint) {
    if (checks->count != 1 || !is_found(&checks->items[0], state, message, hint)) {
        print_message("not \"%s: %s\" alone:\n", check_state_name(state), message);
        show(checks);
        fail();
    }
}

void assert_among(const struct checks *checks, enum check_state state, const char *message,
                  const char *hint) {
    for (size_t i = 0; i < checks->count; i++)
        if (is_found(&checks->items[i], state, message, hint))
            return;
    print_message("no \"%s: %s\" among:\n", check_state_name(state), message);
    show(checks);
    fail();
}
