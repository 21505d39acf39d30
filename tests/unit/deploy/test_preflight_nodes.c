/* Nodes, namespace, volume: could the pod ever run there? */

#include "../cmocka_all.h"

#include "deploy/hami.h"
#include "fixture.h"
#include "preflight_fixture.h"

#define READY "'conditions': [{'type': 'Ready', 'status': 'True'}]"

/* A node that would hold the default pod. */
#define HAMI_NODE                                                                                  \
    "{'metadata': {'name': 'gpu-1', 'labels': {'zone': 'a'}, 'annotations': {"                     \
    "   'hami.io/node-nvidia-register': 'GPU-a,10,24576,100,NVIDIA-A10,0,true:',"                  \
    "   'hami.io/node-handshake': 'Reported 2026-01-31 08:04:00'}},"                               \
    " 'spec': {}, 'status': {'allocatable': {'cpu': '8', 'memory': '32Gi', 'pods': '110',"         \
    "   'ephemeral-storage': '100Gi', 'nvidia.com/gpualloc': '10'}, " READY "}}"

static void nodes(struct pod_fixture *pod, json_t *items) {
    pod_clear(pod);
    assert_non_null(items);
    json_t *pruned = json_array();
    size_t index = 0;
    json_t *node = NULL;
    json_array_foreach(items, index, node)
        json_array_append_new(pruned, preflight_prune_node(node));
    json_decref(items);
    struct reading reading = {.object = json_pack("{s:o}", "items", pruned)};
    assert_int_equal(preflight_check_nodes(&pod->checks, &reading, &pod->plan, NULL), 0);
    json_decref(reading.object);
}

/* The node above with KEY (a path of three) replaced by VALUE, JSON with ' for ". */
static json_t *node_with(const char *first, const char *second, const char *third,
                         const char *value) {
    json_t *node = fixture_json(HAMI_NODE);
    json_t *parent = json_object_get(node, first);
    if (third != NULL)
        parent = json_object_get(parent, second);
    json_t *wrapped = fixture_json(value);
    json_object_set(parent, third != NULL ? third : second, json_object_get(wrapped, "v"));
    json_decref(wrapped);
    return node;
}

static void one_node(struct pod_fixture *pod, json_t *node) {
    nodes(pod, json_pack("[o]", node));
}

static void a_node_fits(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    one_node(&pod, fixture_json(HAMI_NODE));
    assert_found(&pod.checks, CHECK_OK, "1 of 1 node could hold the pod", NULL);
    pod.inputs.min_replicas = 8; /* by cpu */
    one_node(&pod, fixture_json(HAMI_NODE));
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    pod.inputs.min_replicas = 9;
    one_node(&pod, fixture_json(HAMI_NODE));
    assert_found(&pod.checks, CHECK_FAIL, NULL, "they hold 8 replicas: lower MIN_REPLICAS (9)");
    nodes(&pod, json_array());
    assert_found(&pod.checks, CHECK_WARN, "no node now", NULL);
}

static void each_obstacle(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    const struct {
        const char *path[3];
        const char *value;
        const char *message;
        const char *hint;
    } cases[] = {
        {{"spec", "unschedulable"}, "{'v': true}", "cordoned (gpu-1)", "kubectl uncordon gpu-1"},
        {{"status", "conditions"},
         "{'v': [{'type': 'Ready', 'status': 'Unknown'}]}",
         "not ready (gpu-1)",
         "kubectl describe node gpu-1"},
        {{"spec", "taints"},
         "{'v': [{'key': 'gpu', 'value': 'yes', 'effect': 'NoSchedule'}]}",
         "taint gpu=yes:NoSchedule, which the runtime does not tolerate (gpu-1)",
         "toleration"},
        {{"status", "allocatable", "memory"},
         "{'v': '2Gi'}",
         "less than 4 GiB memory (gpu-1: 2 GiB",
         "lower MEMORY_REQUEST"},
        {{"status", "allocatable", "ephemeral-storage"},
         "{'v': '9Gi'}",
         "less than 10 GiB ephemeral-storage",
         "EPHIMERAL_STORAGE_SIZE"},
        {{"status", "allocatable", "nvidia.com/gpualloc"},
         "{'v': '0'}",
         "no nvidia.com/gpualloc (gpu-1)",
         "no node offers any device"},
        {{"metadata", "annotations", HAMI_ANNOTATION_REGISTER},
         "{'v': 'GPU-a,10,24576,100,NVIDIA-A10,0,false:'}",
         "too few healthy cards",
         "NVIDIA_GPUMEM"},
        {{"metadata", "annotations", HAMI_ANNOTATION_REGISTER},
         "{'v': 'GPU-a,10,4000,100,T4,0,true:GPU-b,10,4000,100,T4,0,true:'}",
         "gpu-1: 0 of 2 cards, the largest 4000 MiB",
         "NVIDIA_GPUMEM"},
        {{"metadata", "annotations", HAMI_ANNOTATION_HANDSHAKE},
         "{'v': 'Requesting_2026-01-31 07:00:00'}",
         "does not answer (gpu-1: Requesting_2026-01-31 07:00:00)",
         "device plugin"},
        {{"metadata", "annotations", HAMI_ANNOTATION_CORDON},
         "{'v': 'GPU-a'}",
         "0 of 1 cards",
         NULL},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        const char *const *path = cases[i].path;
        one_node(&pod, node_with(path[0], path[1], path[2], cases[i].value));
        assert_found(&pod.checks, CHECK_FAIL,
                     "0 of 1 node could ever hold the pod: ", cases[i].hint);
        assert_found(&pod.checks, CHECK_FAIL, cases[i].message, NULL);
    }
}

/* HAMi's shares of the device plugin's own resource, on a node that only has the plugin. */
static void without_hami(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    one_node(&pod, node_with("metadata", "annotations", NULL, "{'v': {}}"));
    assert_found(&pod.checks, CHECK_OK, NULL, NULL); /* it lists HAMi's count */
    static const char *const sides[] = {"requests", "limits"};
    for (size_t i = 0; i < 2; i++) {
        pod_set(&pod, sides[i], "nvidia.com/gpualloc", NULL);
        pod_set(&pod, sides[i], "nvidia.com/gpu", "1");
    }
    json_t *node = node_with("status", "allocatable", NULL,
                             "{'v': {'cpu': '8', 'memory': '32Gi', 'nvidia.com/gpu': '2'}}");
    json_object_del(json_object_get(node, "metadata"), "annotations");
    one_node(&pod, node);
    assert_found(&pod.checks, CHECK_FAIL, "no cards registered by HAMi", "NVIDIA_GPU");
}

static void nodes_of_a_kind_are_told_together(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    json_t *items = json_array();
    static const char *const names[] = {"cpu-1", "cpu-2", "cpu-3", "cpu-4", "cpu-5"};
    for (size_t i = 0; i < array_length(names); i++)
        json_array_append_new(items, json_pack("{s:{s:s}, s:{}, s:{s:{s:s}}}", "metadata", "name",
                                               names[i], "spec", "status", "allocatable",
                                               "nvidia.com/gpu", "2"));
    json_array_append_new(items, node_with("spec", "unschedulable", NULL, "{'v': true}"));
    nodes(&pod, items);
    assert_found(&pod.checks, CHECK_FAIL,
                 "0 of 6 nodes could ever hold the pod: no nvidia.com/gpualloc (cpu-1, cpu-2, "
                 "cpu-3, 2 more); cordoned (gpu-1)",
                 "kubectl uncordon gpu-1"); /* the nearest to holding it */
}

static void another_device_is_there(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    json_t *node = node_with("status", "allocatable", NULL,
                             "{'v': {'cpu': '8', 'memory': '32Gi', 'nvidia.com/gpu': '2'}}");
    one_node(&pod, node);
    assert_found(&pod.checks, CHECK_FAIL, "no nvidia.com/gpualloc",
                 "the nodes offer nvidia.com/gpu: use NVIDIA_GPU");
}

static void an_autoscaler_may_bring_one(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    json_t *node = node_with("status", "allocatable", "memory", "{'v': '1Gi'}");
    json_object_set_new(json_object_get(json_object_get(node, "metadata"), "labels"),
                        "karpenter.sh/nodepool", json_string("default"));
    one_node(&pod, node);
    assert_found(&pod.checks, CHECK_WARN, "an autoscaler may bring one", NULL);
}

static void the_runtime_chooses_nodes(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    static const char taint[] = "{'v': [{'key': 'gpu', 'value': 'yes', 'effect': 'NoSchedule'}]}";
    static const char *const tolerating[] = {
        "{'spec': {'tolerations': [{'operator': 'Exists'}]}}",
        "{'spec': {'tolerations': [{'key': 'gpu', 'operator': 'Exists'}]}}",
        "{'spec': {'tolerations': [{'key': 'gpu', 'value': 'yes', 'effect': 'NoSchedule'}]}}",
    };
    for (size_t i = 0; i < array_length(tolerating); i++) {
        pod_set_runtime(&pod, tolerating[i]);
        one_node(&pod, node_with("spec", "taints", NULL, taint));
        assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    }
    pod_set_runtime(&pod, "{'spec': {'tolerations': [{'key': 'gpu', 'value': 'no'}]}}");
    one_node(&pod, node_with("spec", "taints", NULL, taint));
    assert_found(&pod.checks, CHECK_FAIL, "taint", NULL);
    pod_set_runtime(&pod, "{'spec': {'nodeSelector': {'zone': 'a'}}}");
    one_node(&pod, fixture_json(HAMI_NODE));
    assert_found(&pod.checks, CHECK_OK, NULL, NULL);
    pod_set_runtime(&pod, "{'spec': {'nodeSelector': {'zone': 'b'}}}");
    one_node(&pod, fixture_json(HAMI_NODE));
    assert_found(&pod.checks, CHECK_FAIL, "nodeSelector", "RUNTIME_NAME");
}

static void affinity(void **state) {
    (void)state;
    static const struct {
        const char *terms;
        bool wanted;
    } cases[] = {
        {"[]", false},
        {"[{}]", false},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'In', 'values': ['a', 'b']}]}]", true},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'In', 'values': ['b']}]}]", false},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'NotIn', 'values': ['b']}]}]", true},
        {"[{'matchExpressions': [{'key': 'gone', 'operator': 'NotIn', 'values': ['b']}]}]", true},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'Exists'}]}]", true},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'DoesNotExist'}]}]", false},
        {"[{'matchExpressions': [{'key': 'cards', 'operator': 'Gt', 'values': ['3']}]}]", true},
        {"[{'matchExpressions': [{'key': 'cards', 'operator': 'Lt', 'values': ['4']}]}]", false},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'Gt', 'values': ['3']}]}]", false},
        {"[{'matchExpressions': [{'key': 'zone', 'operator': 'Exists'},"
         " {'key': 'gone', 'operator': 'Exists'}]}]",
         false}, /* all of a term */
        {"[{'matchExpressions': [{'key': 'gone', 'operator': 'Exists'}]},"
         " {'matchExpressions': [{'key': 'zone', 'operator': 'Exists'}]}]",
         true}, /* any of the terms */
        {"[{'matchFields': [{'key': 'metadata.name', 'operator': 'In', 'values': ['gpu-1']}]}]",
         true},
    };
    json_t *node =
        fixture_json("{'metadata': {'name': 'gpu-1', 'labels': {'zone': 'a', 'cards': '4'}}}");
    assert_true(preflight_node_is_wanted(node, NULL));
    for (size_t i = 0; i < array_length(cases); i++) {
        json_t *runtime = json_pack("{s:{s:{s:{s:{s:o}}}}}", "spec", "affinity", "nodeAffinity",
                                    "requiredDuringSchedulingIgnoredDuringExecution",
                                    "nodeSelectorTerms", fixture_json(cases[i].terms));
        if (preflight_node_is_wanted(node, runtime) != cases[i].wanted)
            fail_msg("%s", cases[i].terms);
        json_decref(runtime);
    }
    json_decref(node);
}

static void memory_of_a_card(void **state) {
    (void)state;
    struct reading reading = {.object = json_pack("{s:[o]}", "items", fixture_json(HAMI_NODE))};
    int64_t bytes = 0;
    assert_int_equal(preflight_card_bytes(&bytes, &reading, NULL), 0);
    assert_int_equal(bytes, 24576LL * 1024 * 1024);
    json_decref(reading.object);
    reading.object = fixture_json("{'items': [{'metadata': {'labels': {'nvidia.com/gpu.memory': "
                                  "'81559'}}}, {'metadata': {}}]}");
    assert_int_equal(preflight_card_bytes(&bytes, &reading, NULL), 0);
    assert_int_equal(bytes, 81559LL * 1024 * 1024);
    json_decref(reading.object);
    reading.object = NULL;
    assert_int_equal(preflight_card_bytes(&bytes, &reading, NULL), 0);
    assert_int_equal(bytes, -1);
}

/* ---- the namespace ---- */

static void namespace_(struct pod_fixture *pod, const char *json) {
    pod_clear(pod);
    struct reading reading = {.object = fixture_json(json)};
    assert_int_equal(preflight_check_namespace(&pod->checks, &reading, &pod->plan, NULL), 0);
    json_decref(reading.object);
}

#define LEVEL(mode, level)                                                                         \
    "{'metadata': {'labels': {'pod-security.kubernetes.io/" mode "': '" level "'}}}"

static void pod_security(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    namespace_(&pod, "{'metadata': {}}");
    assert_found(&pod.checks, CHECK_OK, "\"privileged\" allows the pod, hostIPC too", NULL);
    namespace_(&pod, LEVEL("enforce", "baseline"));
    assert_found(&pod.checks, CHECK_FAIL, "enforces Pod Security level \"baseline\"",
                 "HOST_IPC=false");
    namespace_(&pod, LEVEL("warn", "baseline"));
    assert_found(&pod.checks, CHECK_WARN, "forbids hostIPC", "HOST_IPC=false");
    /* an unknown level is the strictest */
    namespace_(&pod, LEVEL("enforce", "basline"));
    assert_among(&pod.checks, CHECK_FAIL, "\"restricted\"", NULL);
    pod.inputs.host_ipc = false;
    namespace_(&pod, LEVEL("enforce", "baseline"));
    assert_found(&pod.checks, CHECK_OK, "\"baseline\" allows the pod", NULL);
    namespace_(&pod, LEVEL("enforce", "restricted"));
    assert_found(&pod.checks, CHECK_WARN, "container kserve-container", "securityContext");
    pod_set_runtime(&pod,
                    "{'spec': {'containers': [{'name': 'kserve-container', 'securityContext': {"
                    "'runAsNonRoot': true, 'allowPrivilegeEscalation': false, 'capabilities': "
                    "{'drop': ['ALL']}, 'seccompProfile': {'type': 'RuntimeDefault'}}}]}}");
    namespace_(&pod, LEVEL("enforce", "restricted"));
    assert_found(&pod.checks, CHECK_OK, "\"restricted\" allows the pod", NULL);
    pod_set_runtime(&pod, "{'spec': {'containers': [], 'volumes': [{'name': 'shm', 'hostPath': "
                          "{'path': '/dev/shm'}}]}}");
    namespace_(&pod, LEVEL("enforce", "baseline"));
    assert_found(&pod.checks, CHECK_FAIL, "hostPath volume shm", "RUNTIME_NAME");
    namespace_(&pod, "{'metadata': {}, 'status': {'phase': 'Terminating'}}");
    assert_found(&pod.checks, CHECK_FAIL, "is being deleted", NULL);
}

/* ---- the volume ---- */

static void volume(struct pod_fixture *pod, const char *claim, const char *storage_class) {
    pod_clear(pod);
    struct cluster_readings readings = {.reviews = NULL};
    readings.claim.object = fixture_json(claim);
    readings.storage_class.object = storage_class != NULL ? fixture_json(storage_class) : NULL;
    assert_int_equal(preflight_check_volume(&pod->checks, &readings, &pod->plan, NULL), 0);
    json_decref(readings.claim.object);
    json_decref(readings.storage_class.object);
}

#define BOUND(mode) "{'status': {'phase': 'Bound', 'accessModes': ['" mode "']}}"
#define PENDING     "{'spec': {'storageClassName': 'fast'}, 'status': {'phase': 'Pending'}}"

static void volumes(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    volume(&pod, "{}", NULL);
    assert_int_equal(pod.checks.count, 0); /* no PVC_NAME, no finding */
    fixture_set(&pod.inputs.pvc_name, "models");
    volume(&pod, BOUND("ReadWriteOnce"), NULL);
    assert_found(&pod.checks, CHECK_OK, "models is bound (ReadWriteOnce)", NULL);
    volume(&pod, PENDING, "{'volumeBindingMode': 'WaitForFirstConsumer'}");
    assert_found(&pod.checks, CHECK_OK, "when the first pod uses it", NULL);
    volume(&pod, PENDING, "{'volumeBindingMode': 'Immediate'}");
    assert_found(&pod.checks, CHECK_FAIL, "is not bound", "kubectl describe pvc");
    volume(&pod, PENDING, NULL);
    assert_found(&pod.checks, CHECK_WARN, "is not known", NULL);
    volume(&pod, "{'status': {'phase': 'Lost'}}", NULL);
    assert_found(&pod.checks, CHECK_FAIL, "Lost", NULL);
    volume(&pod, "{'metadata': {'deletionTimestamp': 'x'}, 'status': {'phase': 'Bound'}}", NULL);
    assert_found(&pod.checks, CHECK_FAIL, "is being deleted", "PVC_NAME");
    pod.inputs.max_replicas = 2;
    volume(&pod, BOUND("ReadWriteOnce"), NULL);
    assert_found(&pod.checks, CHECK_WARN, "other nodes", "ReadWriteMany");
    volume(&pod, BOUND("ReadWriteMany"), NULL);
    assert_found(&pod.checks, CHECK_OK, "all nodes", NULL);
    volume(&pod, BOUND("ReadWriteOncePod"), NULL);
    assert_found(&pod.checks, CHECK_WARN, "one pod only", "MAX_REPLICAS=1");
    pod.inputs.min_replicas = 2;
    volume(&pod, BOUND("ReadWriteOncePod"), NULL);
    assert_found(&pod.checks, CHECK_FAIL, "one pod only", "MIN_REPLICAS=1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_fits),
        cmocka_unit_test(each_obstacle),
        cmocka_unit_test(without_hami),
        cmocka_unit_test(nodes_of_a_kind_are_told_together),
        cmocka_unit_test(another_device_is_there),
        cmocka_unit_test(an_autoscaler_may_bring_one),
        cmocka_unit_test(the_runtime_chooses_nodes),
        cmocka_unit_test(affinity),
        cmocka_unit_test(memory_of_a_card),
        cmocka_unit_test(pod_security),
        cmocka_unit_test(volumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
