/* ResourceQuotas and LimitRanges against a pod. */

#include "../cmocka_all.h"

#include "fixture.h"
#include "preflight_fixture.h"

/* Judges a pod against one quota: HARD and USED are JSON with ' for ". */
static void judge(struct pod_fixture *pod, const char *hard, const char *used, const char *more) {
    pod_clear(pod);
    json_t *quota = json_pack("{s:{s:s}, s:{s:o}, s:{s:o}}", "metadata", "name", "team", "spec",
                              "hard", fixture_json(hard), "status", "used", fixture_json(used));
    json_t *extra = fixture_json(more);
    json_object_update(json_object_get(quota, "spec"), extra);
    json_decref(extra);
    struct reading reading = {.object = json_pack("{s:[o]}", "items", quota)};
    assert_non_null(reading.object);
    assert_int_equal(preflight_check_quotas(&pod->checks, &reading, &pod->plan, NULL), 0);
    json_decref(reading.object);
}

static void quota(struct pod_fixture *pod, const char *hard, const char *used) {
    judge(pod, hard, used, "{}");
}

static void without_quota(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    struct reading none = {.object = fixture_json("{'items': []}")};
    assert_int_equal(preflight_check_quotas(&pod.checks, &none, &pod.plan, NULL), 0);
    assert_found(&pod.checks, CHECK_OK, "no ResourceQuota", NULL);
    json_decref(none.object);

    struct error *error = NULL;
    error_new(&error, ERROR_REFUSED,
              "not allowed: User \"x\" cannot list resourcequotas in namespace demo");
    error_set_answer(&error, 403, "Forbidden");
    pod_clear(&pod);
    struct reading refused = {.error = error};
    assert_int_equal(preflight_check_quotas(&pod.checks, &refused, &pod.plan, NULL), 0);
    assert_found(&pod.checks, CHECK_SKIPPED, "this account cannot list resourcequotas",
                 "rbac --preflight");
    error_free(error);
}

static void room_and_none(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    quota(&pod, "{'requests.cpu': '4', 'pods': '10'}", "{'requests.cpu': '3', 'pods': '9'}");
    assert_found(&pod.checks, CHECK_OK, "1 replica stays within the 1 quota", NULL);
    quota(&pod, "{'requests.cpu': '4'}", "{'requests.cpu': '3001m'}");
    assert_found(&pod.checks, CHECK_FAIL,
                 "ResourceQuota team has 999m of 4 requests.cpu left: 1 needed", "CPU_REQUEST");
    quota(&pod, "{'limits.memory': '8Gi'}", "{}");
    assert_found(&pod.checks, CHECK_FAIL,
                 "ResourceQuota team allows 8 GiB limits.memory in all: 16 GiB needed",
                 "MEMORY_LIMIT");
    quota(&pod, "{'pods': '3'}", "{'pods': '3'}");
    assert_found(&pod.checks, CHECK_FAIL, "has 0 of 3 pods left: 1 needed",
                 "have the quota raised, or end");
    /* plain names are requests */
    quota(&pod, "{'memory': '5Gi', 'ephemeral-storage': '10Gi'}", "{}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    quota(&pod, "{'requests.ephemeral-storage': '9Gi'}", "{}");
    assert_found(&pod.checks, CHECK_FAIL, "10 GiB needed", "EPHIMERAL_STORAGE_SIZE");
}

static void every_replica_counts(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    pod.inputs.min_replicas = 3;
    pod.inputs.max_replicas = 5;
    quota(&pod, "{'limits.cpu': '11'}", "{}");
    assert_found(&pod.checks, CHECK_FAIL, "allows 11 limits.cpu in all: 12 needed for 3 replicas",
                 "CPU_LIMIT");
    quota(&pod, "{'limits.cpu': '19'}", "{}");
    assert_found(&pod.checks, CHECK_WARN, "20 needed for 5 replicas (MAX_REPLICAS)", NULL);
    quota(&pod, "{'limits.cpu': '20'}", "{}");
    assert_found(&pod.checks, CHECK_OK, "3 replicas stay", NULL);
}

static void extended_resources(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    quota(&pod, "{'requests.nvidia.com/gpualloc': '2'}", "{'requests.nvidia.com/gpualloc': '2'}");
    assert_found(&pod.checks, CHECK_FAIL, "has 0 of 2 requests.nvidia.com/gpualloc left: 1 needed",
                 "NVIDIA_GPUALLOC");
    /* HAMi's own: memory of a card times cards */
    quota(&pod, "{'limits.nvidia.com/gpumem': '8191'}", "{'limits.nvidia.com/gpumem': '0'}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    pod_set(&pod, "limits", "nvidia.com/gpualloc", "2");
    quota(&pod, "{'limits.nvidia.com/gpumem': '8191'}", "{}");
    assert_found(&pod.checks, CHECK_FAIL,
                 "allows 8191 limits.nvidia.com/gpumem in all: 8192 needed", "NVIDIA_GPUMEM");
    /* Kubernetes' own form counts it once */
    quota(&pod, "{'requests.nvidia.com/gpumem': '4096'}", "{}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    /* "4k" is what the API server makes of 4000 */
    quota(&pod, "{'requests.nvidia.com/gpumem': '4k'}", "{}");
    assert_found(&pod.checks, CHECK_FAIL,
                 "allows 4000 requests.nvidia.com/gpumem in all: 4096 needed", NULL);
    quota(&pod, "{'requests.huawei.com/Ascend910': '0'}", "{}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
}

static void amounts_that_must_be_given(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    pod_set(&pod, "limits", "cpu", NULL);
    quota(&pod, "{'limits.cpu': '100'}", "{}");
    assert_found(&pod.checks, CHECK_FAIL, "refuses pods that leave limits.cpu open", "CPU_LIMIT");
    /* only cpu and memory are asked for */
    pod_set(&pod, "limits", "ephemeral-storage", NULL);
    quota(&pod, "{'limits.ephemeral-storage': '1Gi'}", "{}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
}

static void an_update_starts_a_pod_beside_the_old_one(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    json_t *live = json_object();
    pod.plan.live = live;
    quota(&pod, "{'requests.cpu': '1'}", "{'requests.cpu': '1'}");
    assert_found(&pod.checks, CHECK_WARN,
                 "has 0 of 1 requests.cpu left: 1 needed for a new pod beside the old one",
                 "Recreate");
    fixture_set(&pod.inputs.deployment_strategy, "Recreate");
    quota(&pod, "{'requests.cpu': '1'}", "{'requests.cpu': '1'}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    quota(&pod, "{'requests.cpu': '500m'}", "{'requests.cpu': '0'}");
    assert_found(&pod.checks, CHECK_FAIL, "in all", NULL);
    /* nothing new is made */
    quota(&pod, "{'count/inferenceservices.serving.kserve.io': '1'}",
          "{'count/inferenceservices.serving.kserve.io': '1'}");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    pod.plan.live = NULL;
    quota(&pod, "{'count/inferenceservices.serving.kserve.io': '1'}",
          "{'count/inferenceservices.serving.kserve.io': '1'}");
    assert_found(&pod.checks, CHECK_FAIL, "count/inferenceservices", "have the quota raised");
    json_decref(live);
}

static void scopes_that_do_not_count_the_pod(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    static const char *const outside[] = {
        "{'scopes': ['Terminating']}", "{'scopes': ['BestEffort']}",
        ("{'scopeSelector': {'matchExpressions': [{'scopeName': 'PriorityClass', 'operator': 'In', "
         "'values': ['high']}]}}")};
    static const char *const inside[] = {
        "{'scopes': ['NotTerminating']}", "{'scopes': ['NotBestEffort']}",
        ("{'scopeSelector': {'matchExpressions': [{'scopeName': 'PriorityClass', 'operator': "
         "'NotIn', 'values': ['high']}]}}")};
    for (size_t i = 0; i < 3; i++) {
        judge(&pod, "{'pods': '0'}", "{}", outside[i]);
        assert_found(&pod.checks, CHECK_OK, NULL, NULL);
        judge(&pod, "{'pods': '0'}", "{}", inside[i]);
        assert_found(&pod.checks, CHECK_FAIL, NULL, NULL);
    }
}

/* ---- LimitRanges ---- */

static json_t *limits(struct pod_fixture *pod, const char *items) {
    pod_clear(pod);
    struct reading reading = {.object =
                                  json_pack("{s:[{s:{s:s}, s:{s:o}}]}", "items", "metadata", "name",
                                            "bounds", "spec", "limits", fixture_json(items))};
    assert_non_null(reading.object);
    json_t *containers = NULL;
    assert_int_equal(preflight_check_limits(&containers, &pod->checks, &reading, &pod->plan, NULL),
                     0);
    json_decref(reading.object);
    return containers;
}

static void bounds(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    const struct {
        const char *items;
        enum check_state state;
        const char *message;
        const char *hint;
    } cases[] = {
        {"[{'type': 'Container', 'max': {'cpu': '4', 'memory': '16Gi'}}]", CHECK_OK, "within",
         NULL},
        {"[{'type': 'Container', 'max': {'memory': '8Gi'}}]", CHECK_FAIL,
         "the memory limit of container kserve-container is 16 GiB, LimitRange bounds wants at "
         "most 8",
         "lower MEMORY_LIMIT to 8 GiB"},
        {"[{'type': 'Container', 'min': {'cpu': '2'}}]", CHECK_FAIL,
         "the cpu request of container kserve-container is 1, LimitRange bounds wants at least 2",
         "raise CPU_REQUEST to 2"},
        {"[{'type': 'Pod', 'max': {'cpu': '3'}}]", CHECK_FAIL, "the cpu limit of the pod is 4",
         "CPU_LIMIT"},
        {"[{'type': 'Container', 'maxLimitRequestRatio': {'cpu': '4'}}]", CHECK_OK, NULL, NULL},
        {"[{'type': 'Container', 'maxLimitRequestRatio': {'cpu': '3.5'}}]", CHECK_FAIL,
         "may be at most 3500m times its request", "CPU_REQUEST or CPU_LIMIT"},
        {"[{'type': 'Container', 'max': {'nvidia.com/gpumem': '4k'}}]", CHECK_FAIL,
         "is 4096, LimitRange bounds wants at most 4000", "NVIDIA_GPUMEM"},
        {"[{'type': 'Container', 'max': {'nvidia.com/gpu': '1'}}]", CHECK_FAIL, "is not given",
         "set NVIDIA_GPU to 1"},
        {"[{'type': 'PersistentVolumeClaim', 'max': {'storage': '1Gi'}}]", CHECK_OK, NULL, NULL},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        json_decref(limits(&pod, cases[i].items));
        assert_found(&pod.checks, cases[i].state, cases[i].message, cases[i].hint);
    }
}

static void defaults_are_filled_in(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    pod_set(&pod, "limits", "cpu", NULL);
    json_t *containers =
        limits(&pod, "[{'type': 'Container', 'default': {'cpu': '2'}, 'max': {'cpu': '2'}}]");
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    struct quantity cpu;
    assert_true(pod_need_sum(&cpu, containers, "limits", "cpu"));
    assert_int_equal(quantity_value(&cpu), 2);
    json_decref(containers);
    assert_false(pod_need_sum(&cpu, pod.containers, "limits", "cpu")); /* the plan's stay */

    json_decref(limits(&pod, "[{'type': 'Container', 'default': {'cpu': '500m'}}]"));
    assert_found(&pod.checks, CHECK_FAIL, "limits cpu to 500m where no limit is given, but 1",
                 "CPU_LIMIT");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_quota),
        cmocka_unit_test(room_and_none),
        cmocka_unit_test(every_replica_counts),
        cmocka_unit_test(extended_resources),
        cmocka_unit_test(amounts_that_must_be_given),
        cmocka_unit_test(an_update_starts_a_pod_beside_the_old_one),
        cmocka_unit_test(scopes_that_do_not_count_the_pod),
        cmocka_unit_test(bounds),
        cmocka_unit_test(defaults_are_filled_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
