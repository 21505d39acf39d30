/*
 * The reducer: ready only for this revision, failures by class, and the same verdict whatever the
 * order in which events of different kinds arrive.
 */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/rollout.h"
#include "fixture.h"
#include "redact.h"
#include "sparse.h"

#include <stdio.h>
#include <string.h>

#define HASH "aaaa"
#define URI  "hf://demo/qwen:1111111111111111111111111111111111111111"

struct world {
    struct rollout *rollout;
    struct verdict verdict;
    int64_t now;
    int version;
};

static struct rollout_target target(void) {
    return (struct rollout_target){.name = "qwen",
                                   .namespace_ = "demo",
                                   .uid = "u1",
                                   .resource_version = "10",
                                   .content_hash = HASH,
                                   .storage_uri = URI,
                                   .min_replicas = 1,
                                   .generation = 2,
                                   .changed = true,
                                   .runtime = "vllm",
                                   .ephemeral_storage_size = "10Gi",
                                   .memory_limit = "16Gi",
                                   .gpu_memory = "4096",
                                   .pvc_name = "",
                                   .host_ipc = true};
}

static void open_world_with(struct world *world, const struct rollout_target *wanted) {
    *world = (struct world){.now = 1000000, .version = 10};
    assert_int_equal(rollout_new(&world->rollout, wanted, NULL, NULL), 0);
}

static void open_world(struct world *world) {
    const struct rollout_target wanted = target();
    open_world_with(world, &wanted);
}

static void close_world(struct world *world) {
    verdict_free(&world->verdict);
    rollout_free(world->rollout);
}

static void judge(struct world *world) {
    assert_int_equal(rollout_judge(&world->verdict, world->rollout, world->now, NULL), 0);
}

static void see(struct world *world, enum rollout_object kind, enum rollout_change change,
                json_t *object) {
    const struct rollout_event event = {
        .at_ms = world->now, .kind = kind, .change = change, .object = object};
    assert_int_equal(rollout_observe(world->rollout, &event, NULL), 0);
    json_decref(object);
    judge(world);
}

static void sync(struct world *world) {
    for (int kind = ROLLOUT_INFERENCE_SERVICE; kind <= ROLLOUT_EVENT; kind++)
        see(world, (enum rollout_object)kind, ROLLOUT_SYNCED, NULL);
}

static json_t *service(struct world *world, const char *hash, const char *ready,
                       const char *extra) {
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "{'metadata':{'name':'qwen','namespace':'demo','uid':'u1','generation':2,'"
                   "resourceVersion':'%d',"
                   "'annotations':{'deploy-inference-service.cpaas.io/content-hash':'%s'}},"
                   "'spec':{'predictor':{'model':{'storageUri':'" URI "','runtime':'vllm'}}},"
                   "'status':{'url':'http://out','address':{'url':'http://in'},"
                   "'conditions':[{'type':'Ready','status':'%s'}]%s}}",
                   ++world->version, hash, ready, extra);
    return fixture_json(text);
}

static json_t *deployment(struct world *world, const char *hash, int replicas, int updated,
                          int available) {
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "{'metadata':{'name':'qwen-predictor','namespace':'demo','uid':'d1','generation'"
                   ":3,'resourceVersion':'%d',"
                   "'labels':{'serving.kserve.io/"
                   "inferenceservice':'qwen'},'ownerReferences':[{'uid':'u1','kind':'"
                   "InferenceService','name':'qwen'}]},"
                   "'spec':{'replicas':%d,'template':{'metadata':{'annotations':{'deploy-inference-"
                   "service.cpaas.io/content-hash':'%s',"
                   "'internal.serving.kserve.io/storage-initializer-sourceuri':'" URI
                   "'}},'spec':{'containers':[{'name':'kserve-container'}]}}},"
                   "'status':{'observedGeneration':3,'replicas':%d,'updatedReplicas':%d,'"
                   "availableReplicas':%d}}",
                   ++world->version, replicas, hash, updated > replicas ? updated : replicas,
                   updated, available);
    return fixture_json(text);
}

static json_t *pod(struct world *world, const char *name, const char *hash, const char *status) {
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "{'metadata':{'name':'%s','namespace':'demo','uid':'%s','resourceVersion':'%d',"
                   "'labels':{'serving.kserve.io/inferenceservice':'qwen'},"
                   "'annotations':{'deploy-inference-service.cpaas.io/content-hash':'%s'}},"
                   "'spec':{'nodeName':'n1','containers':[{'name':'kserve-container','image':'reg/"
                   "x:1','resources':{'limits':{'memory':'16Gi','nvidia.com/gpu':'1'}}}]},"
                   "'status':{'phase':'Pending',%s}}",
                   name, name, ++world->version, hash, status);
    return fixture_json(text);
}

/* ---- ready means this revision ---- */

static void stale_ready_of_the_old_revision_never_counts(void **state) {
    (void)state;
    struct world world;
    open_world(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "True", ""));
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, deployment(&world, "old", 1, 1, 1));
    sync(&world);
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    /* the new template, old pods still available */
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_MODIFIED, deployment(&world, HASH, 1, 0, 1));
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_MODIFIED, deployment(&world, HASH, 1, 1, 1));
    /* complete, but Ready was written before that: it must be read again */
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    assert_true(world.verdict.wants_confirmation);
    json_t *same = service(&world, HASH, "True", "");
    json_object_set_new(json_object_get(same, "metadata"), "resourceVersion", json_string("11"));
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_CONFIRMED, same);
    assert_int_equal(world.verdict.state, ROLLOUT_READY);
    assert_string_equal(world.verdict.url, "http://out");
    close_world(&world);
}

static void ready_written_after_the_deployment_is_complete_counts_at_once(void **state) {
    (void)state;
    struct world world;
    open_world(&world);
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, deployment(&world, HASH, 1, 1, 1));
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "True", ""));
    assert_int_not_equal(world.verdict.state, ROLLOUT_READY);
    sync(&world);
    assert_int_equal(world.verdict.state, ROLLOUT_READY);
    close_world(&world);
}

static void fewer_than_min_replicas_is_not_ready(void **state) {
    (void)state;
    struct world world;
    struct rollout_target wanted = target();
    wanted.min_replicas = 3;
    open_world_with(&world, &wanted);
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, deployment(&world, HASH, 1, 1, 1));
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "True", ""));
    sync(&world);
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_MODIFIED, deployment(&world, HASH, 3, 3, 3));
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_MODIFIED, service(&world, HASH, "True", ""));
    assert_int_equal(world.verdict.state, ROLLOUT_READY);
    close_world(&world);
}

/* ---- failures ---- */

#define INVALID                                                                                    \
    ",'modelStatus':{'transitionStatus':'InvalidSpec','lastFailureInfo':{'reason':'"               \
    "RuntimeNotRecognized','message':'no runtime'}}"

static void expect_failure(struct world *world, const char *reason, enum failure_class failure,
                           const char *hint) {
    assert_int_equal(world->verdict.state, ROLLOUT_FAILED);
    assert_string_equal(world->verdict.reason, reason);
    assert_int_equal(world->verdict.failure, failure);
    assert_true(text_contains(world->verdict.hint, hint));
    assert_true(world->verdict.cause[0] != '\0');
}

static void invalid_spec_behind_an_old_ready_fails(void **state) {
    (void)state;
    struct world world;
    open_world(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "True", ""));
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, deployment(&world, "old", 1, 1, 1));
    sync(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_MODIFIED,
        service(&world, HASH, "True", INVALID));
    expect_failure(&world, "InvalidSpec", FAILURE_TERMINAL, "RUNTIME_NAME");
    close_world(&world);
}

static void a_deleted_service_fails(void **state) {
    (void)state;
    struct world world;
    open_world(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "False", ""));
    sync(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_DELETED, service(&world, HASH, "False", ""));
    expect_failure(&world, "Deleted", FAILURE_TERMINAL, "again");
    close_world(&world);
}

static void somebody_elses_change_fails(void **state) {
    (void)state;
    struct world world;
    open_world(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "False", ""));
    sync(&world);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_MODIFIED,
        service(&world, "theirs", "False", ""));
    expect_failure(&world, "ChangedByOther", FAILURE_TERMINAL, "again");
    close_world(&world);
}

/* What a pod's status says, and what must be made of it. */
struct cause {
    const char *name;
    const char *status;
    enum rollout_state state;
    const char *reason;
    const char *hint;
};

static const struct cause causes[] = {
    {"crash loop",
     "'containerStatuses':[{'name':'kserve-container','restartCount':2,'state':{'waiting':{'reason'"
     ":'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':1,'reason':'Error'}}}]",
     ROLLOUT_FAILED, "CrashLoopBackOff", "log"},
    {"first crash",
     "'containerStatuses':[{'name':'kserve-container','restartCount':0,'state':{'terminated':{'"
     "exitCode':1,'reason':'Error'}}}]",
     ROLLOUT_PROGRESSING, "CrashLoopBackOff", "log"},
    {"out of memory",
     "'containerStatuses':[{'name':'kserve-container','restartCount':1,'state':{'waiting':{'reason'"
     ":'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':137,'reason':'OOMKilled'}}}]",
     ROLLOUT_FAILED, "OOMKilled", "MEMORY_LIMIT"},
    {"segmentation fault",
     "'containerStatuses':[{'name':'kserve-container','restartCount':3,'state':{'waiting':{'reason'"
     ":'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':139,'reason':'Error'}}}]",
     ROLLOUT_FAILED, "SegmentationFault", "RUNTIME_NAME"},
    {"command not found",
     "'containerStatuses':[{'name':'kserve-container','restartCount':1,'state':{'waiting':{'reason'"
     ":'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':127,'reason':'Error'}}}]",
     ROLLOUT_FAILED, "CommandNotFound", "command"},
    {"CUDA out of memory",
     "'containerStatuses':[{'name':'kserve-container','restartCount':3,'state':{'waiting':{'reason'"
     ":'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':1,'reason':'Error','message':'"
     "torch.OutOfMemoryError: CUDA out of memory.'}}}]",
     ROLLOUT_FAILED, "CudaOutOfMemory", "NVIDIA_GPUMEM"},
    {"download fails",
     "'initContainerStatuses':[{'name':'storage-initializer','restartCount':3,'state':{'waiting':{'"
     "reason':'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':1,'reason':'Error','"
     "message':'OSError: [Errno 28] No space left on device'}}}]",
     ROLLOUT_FAILED, "StorageFull", "EPHIMERAL_STORAGE_SIZE"},
    {"image not found, first sight",
     "'containerStatuses':[{'name':'kserve-container','restartCount':0,'state':{'waiting':{'reason'"
     ":'ErrImagePull','message':'manifest for reg/x:1 not found'}}}]",
     ROLLOUT_PROGRESSING, "ImageNotFound", "push"},
    {"image not found, again",
     "'containerStatuses':[{'name':'kserve-container','restartCount':0,'state':{'waiting':{'reason'"
     ":'ImagePullBackOff','message':'Back-off: reg/x:1: not found'}}}]",
     ROLLOUT_FAILED, "ImageNotFound", "push"},
    {"invalid image name",
     "'containerStatuses':[{'name':'kserve-container','restartCount':0,'state':{'waiting':{'reason'"
     ":'InvalidImageName','message':'bad'}}}]",
     ROLLOUT_FAILED, "InvalidImageName", "image"},
    {"missing key",
     "'containerStatuses':[{'name':'kserve-container','restartCount':0,'state':{'waiting':{'reason'"
     ":'CreateContainerConfigError','message':'couldn\\u0027t find key token in Secret "
     "demo/hub'}}}]",
     ROLLOUT_FAILED, "MissingConfigKey", "key"},
    {"unschedulable waits",
     "'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'0/"
     "3 nodes are available: 3 Insufficient nvidia.com/gpu.'}]",
     ROLLOUT_PROGRESSING, "InsufficientGpu", "NVIDIA_GPU"},
    {"HAMi not active",
     "'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'0/"
     "3 nodes are available: 3 Insufficient nvidia.com/gpumem.'}]",
     ROLLOUT_PROGRESSING, "HamiNotActive", "HAMi"},
    {"evicted for disk",
     "'phase':'Failed','reason':'Evicted','message':'Pod ephemeral local storage usage exceeds the "
     "total limit of containers 10Gi.'",
     ROLLOUT_FAILED, "EphemeralStorageExceeded", "EPHIMERAL_STORAGE_SIZE"},
};

static void open_rollout(struct world *world) {
    open_world(world);
    see(world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(world, HASH, "False", ""));
    see(world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, deployment(world, HASH, 1, 1, 0));
    sync(world);
}

static void causes_are_told_by_class_and_parameter(void **state) {
    (void)state;
    for (size_t i = 0; i < array_length(causes); i++) {
        struct world world;
        open_rollout(&world);
        see(&world, ROLLOUT_POD, ROLLOUT_ADDED, pod(&world, "p1", HASH, causes[i].status));
        if (world.verdict.state != causes[i].state ||
            !text_equal(world.verdict.reason, causes[i].reason) ||
            !text_contains(world.verdict.hint, causes[i].hint) || world.verdict.evidence.count == 0)
            fail_msg("%s: state %d, reason %s, hint %s", causes[i].name, (int)world.verdict.state,
                     world.verdict.reason, world.verdict.hint);
        close_world(&world);
    }
}

static void a_crash_of_an_old_pod_never_fails_us(void **state) {
    (void)state;
    struct world world;
    open_rollout(&world);
    see(&world, ROLLOUT_POD, ROLLOUT_ADDED, pod(&world, "old", "old", causes[0].status));
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    close_world(&world);
}

static void image_pull_back_off_must_last(void **state) {
    (void)state;
    struct world world;
    open_rollout(&world);
    see(&world, ROLLOUT_POD, ROLLOUT_ADDED,
        pod(&world, "p1", HASH,
            "'containerStatuses':[{'name':'kserve-container','restartCount':0,'state':{'waiting':{'"
            "reason':'ImagePullBackOff','message':'dial tcp: i/o timeout'}}}]"));
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    assert_int_equal(world.verdict.judge_again_ms, world.now + 60000);
    world.now += 60000;
    judge(&world);
    expect_failure(&world, "ImagePullUnreachable", FAILURE_REPEATED, "network");
    close_world(&world);
}

static void a_gpu_that_the_old_pod_holds_is_a_deadlock(void **state) {
    (void)state;
    struct world world;
    open_rollout(&world);
    see(&world, ROLLOUT_POD, ROLLOUT_ADDED,
        pod(&world, "old", "old", "'conditions':[{'type':'Ready','status':'True'}]"));
    json_t *waiting =
        pod(&world, "new", HASH,
            "'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','"
            "message':'0/1 nodes are available: 1 Insufficient nvidia.com/gpu.'}]");
    json_object_del(json_object_get(waiting, "spec"), "nodeName");
    see(&world, ROLLOUT_POD, ROLLOUT_ADDED, waiting);
    assert_int_equal(world.verdict.state, ROLLOUT_PROGRESSING);
    world.now += 60000;
    judge(&world);
    expect_failure(&world, "RolloutDeadlock", FAILURE_IMPATIENT, "DEPLOYMENT_STRATEGY=Recreate");
    close_world(&world);
}

static void pod_security_names_host_ipc(void **state) {
    (void)state;
    struct world world;
    open_rollout(&world);
    json_t *refused = deployment(&world, HASH, 1, 0, 0);
    json_object_set_new(
        json_object_get(refused, "status"), "conditions",
        fixture_json("[{'type':'ReplicaFailure','status':'True','reason':'FailedCreate','message':'"
                     "pods \\\"x\\\" is forbidden: violates PodSecurity \\\"baseline:latest\\\": "
                     "host namespaces (hostIPC=true)'}]"));
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_MODIFIED, refused);
    expect_failure(&world, "PodSecurityHostIpc", FAILURE_TERMINAL, "HOST_IPC=false");
    close_world(&world);
}

/* Its limits come from a runtime that could not be read: nothing is left over on a create. */
static void limits_of_a_new_service_are_nobodys_left_overs(void **state) {
    (void)state;
    struct world world;
    struct rollout_target wanted = target();
    json_t *limits = fixture_json("{'cpu':'4'}");
    wanted.limits = limits;
    wanted.generation = 1;
    wanted.changed = true;
    open_world_with(&world, &wanted);
    json_t *object = deployment(&world, HASH, 1, 1, 1);
    json_t *container =
        json_array_get(json_at(object, "spec", "template", "spec", "containers", NULL), 0);
    json_object_set_new(container, "resources", fixture_json("{'limits':{'nvidia.com/gpu':'1'}}"));
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, object);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "True", ""));
    sync(&world);
    judge(&world);
    assert_int_not_equal(world.verdict.state, ROLLOUT_FAILED);
    close_world(&world);
    json_decref(limits);
}

static void a_resource_that_stays_on_the_deployment_is_a_failure(void **state) {
    (void)state;
    struct world world;
    struct rollout_target wanted = target();
    json_t *limits = fixture_json("{'nvidia.com/gpu':'1'}");
    wanted.limits = limits;
    open_world_with(&world, &wanted);
    json_t *object = deployment(&world, HASH, 1, 1, 1);
    json_t *container =
        json_array_get(json_at(object, "spec", "template", "spec", "containers", NULL), 0);
    json_object_set_new(
        container, "resources",
        fixture_json("{'limits':{'nvidia.com/gpu':'1','nvidia.com/gpualloc':'1'}}"));
    see(&world, ROLLOUT_DEPLOYMENT, ROLLOUT_ADDED, object);
    see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, service(&world, HASH, "True", ""));
    sync(&world);
    expect_failure(&world, "FieldNotRemoved", FAILURE_TERMINAL, "Delete");
    close_world(&world);
    json_decref(limits);
}

/* ---- transcripts ---- */

static void a_transcript_judges_as_the_run_did_and_holds_no_secret(void **state) {
    (void)state;
    const struct rollout_target wanted = target();
    struct world world = {.now = 1000, .version = 10};
    char text[16384] = "";
    char *header = transcript_header(&wanted, NULL, NULL);
    strncat(text, header, sizeof(text) - strlen(text) - 1);
    strncat(text, "\n", 2);
    free(header);
    json_t *objects[] = {
        service(&world, HASH, "False", ""), deployment(&world, HASH, 1, 1, 0),
        pod(&world, "p1", HASH,
            "'containerStatuses':[{'name':'kserve-container','restartCount':5,'state':{'waiting':{'"
            "reason':'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':1,'message':'login "
            "with hf_abcdefghijklmnop failed'}}}]")};
    const enum rollout_object kinds[] = {ROLLOUT_INFERENCE_SERVICE, ROLLOUT_DEPLOYMENT,
                                         ROLLOUT_POD};
    json_object_set_new(
        json_object_get(objects[2], "spec"), "containers",
        fixture_json("[{'name':'kserve-container','env':[{'name':'TOKEN','value':'s3cret'}]}]"));
    for (size_t i = 0; i < array_length(objects); i++) {
        const struct rollout_event event = {.at_ms = 1000 + (int64_t)i,
                                            .kind = kinds[i],
                                            .change = ROLLOUT_ADDED,
                                            .object = objects[i]};
        char *line = transcript_line(&event, NULL);
        strncat(text, line, sizeof(text) - strlen(text) - 1);
        strncat(text, "\n", 2);
        free(line);
        json_decref(objects[i]);
    }
    assert_false(text_contains(text, "s3cret"));
    assert_false(text_contains(text, "hf_abcdefghijklmnop"));
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    int64_t decided = 0;
    assert_int_equal(transcript_replay(&verdict, text, strlen(text), &decided, NULL), 0);
    assert_int_equal(verdict.state, ROLLOUT_FAILED);
    assert_int_equal(decided, 1002);
    verdict_free(&verdict);
}

static void a_malformed_transcript_names_its_line(void **state) {
    (void)state;
    const char text[] = "{\"transcript\":1,\"target\":{\"name\":\"x\"}}\nnonsense\n";
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    struct error *error = NULL;
    int64_t decided = 0;
    assert_int_equal(transcript_replay(&verdict, text, strlen(text), &decided, &error), -1);
    assert_int_equal(error->kind, ERROR_PARAMETER);
    assert_true(text_contains(error->message, "line 2"));
    error_free(error);
    verdict_free(&verdict);
}

/* ---- secrets ---- */

static void secrets_are_taken_out_and_sentences_left_alone(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *wanted;
    } texts[] = {
        {"password=hunter2 and more", "password=[redacted] and more"},
        {"HF_TOKEN: hf_abcdefghijkl", "HF_TOKEN: [redacted]"},
        {"token: s3cr3tv4lue", "token: [redacted]"},
        {"Authorization: Bearer abcdef123456", "Authorization: Bearer [redacted]"},
        {"clone https://oauth2:glpat-abcdefghijkl@host/x.git",
         "clone https://[redacted]@host/x.git"},
        {"{\"secret\":\"abc\"}", "{\"secret\":\"[redacted]\"}"},
        {"password=p@ss!w0rd$x rest", "password=[redacted] rest"},
        {"https://s3/k?X-Amz-Security-Token=FwoG%2Fab%2BSECRET&x=1",
         "https://s3/k?X-Amz-Security-Token=[redacted]&x=1"},
        {"db password: \"ab#cd\"", "db password: \"[redacted]\""},
        {"Authorization: Token 0123456789abcdef", "Authorization: Token [redacted]"},
        {"GET https://r/token: 401 Unauthorized", "GET https://r/token: 401 Unauthorized"},
        {"may require authorization: server message", "may require authorization: server message"},
        {"anonymous token: unexpected status", "anonymous token: unexpected status"},
        {"secret \"hub\" not found", "secret \"hub\" not found"},
    };
    for (size_t i = 0; i < array_length(texts); i++) {
        char *text = redact_text(texts[i].text, NULL);
        assert_string_equal(text, texts[i].wanted);
        free(text);
    }
}

/* ---- any order ---- */

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16;
}

/*
 * Two histories, of the service and of its Deployment, are merged in random order with duplicates
 * and relists. READY may come only when the newest copies of both allow it, and must come at the
 * end.
 */
static void random_orders_never_show_ready_too_early(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 1200; seed += sparse_step()) {
        unsigned random = seed;
        struct world world;
        open_world(&world);
        json_t *services[] = {service(&world, HASH, "True", ""),
                              service(&world, HASH, "Unknown", "")};
        json_t *deployments[] = {
            deployment(&world, "old", 1, 1, 1), deployment(&world, HASH, 1, 0, 1),
            deployment(&world, HASH, 1, 1, 0), deployment(&world, HASH, 1, 1, 1)};
        json_t *last = service(&world, HASH, "True", "");
        size_t s = 0;
        size_t d = 0;
        /* a complete list without the service would mean that it is gone */
        see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED, json_incref(services[0]));
        sync(&world);
        while (s < 2 || d < 4) {
            bool of_service = d >= 4 || (s < 2 && next_random(&random) % 2 == 0);
            json_t *object = of_service ? services[s] : deployments[d];
            enum rollout_object kind = of_service ? ROLLOUT_INFERENCE_SERVICE : ROLLOUT_DEPLOYMENT;
            if (next_random(&random) % 4 == 0) {
                see(&world, kind, ROLLOUT_RELISTED, NULL);
                see(&world, kind, ROLLOUT_ADDED, json_incref(object));
                see(&world, kind, ROLLOUT_SYNCED, NULL);
            } else {
                see(&world, kind, ROLLOUT_MODIFIED, json_incref(object));
            }
            if (next_random(&random) % 3 == 0)
                see(&world, kind, ROLLOUT_MODIFIED, json_incref(object));
            s += of_service ? 1 : 0;
            d += of_service ? 0 : 1;
            /* the last copy of the service is not there yet: Ready can only be the old one */
            assert_int_not_equal(world.verdict.state, ROLLOUT_READY);
            assert_int_not_equal(world.verdict.state, ROLLOUT_FAILED);
        }
        see(&world, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_MODIFIED, last);
        assert_int_equal(world.verdict.state, ROLLOUT_READY);
        for (size_t i = 0; i < 2; i++)
            json_decref(services[i]);
        for (size_t i = 0; i < 4; i++)
            json_decref(deployments[i]);
        close_world(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_ready_of_the_old_revision_never_counts),
        cmocka_unit_test(ready_written_after_the_deployment_is_complete_counts_at_once),
        cmocka_unit_test(fewer_than_min_replicas_is_not_ready),
        cmocka_unit_test(invalid_spec_behind_an_old_ready_fails),
        cmocka_unit_test(a_deleted_service_fails),
        cmocka_unit_test(somebody_elses_change_fails),
        cmocka_unit_test(causes_are_told_by_class_and_parameter),
        cmocka_unit_test(a_crash_of_an_old_pod_never_fails_us),
        cmocka_unit_test(image_pull_back_off_must_last),
        cmocka_unit_test(a_gpu_that_the_old_pod_holds_is_a_deadlock),
        cmocka_unit_test(pod_security_names_host_ipc),
        cmocka_unit_test(a_resource_that_stays_on_the_deployment_is_a_failure),
        cmocka_unit_test(limits_of_a_new_service_are_nobodys_left_overs),
        cmocka_unit_test(a_transcript_judges_as_the_run_did_and_holds_no_secret),
        cmocka_unit_test(a_malformed_transcript_names_its_line),
        cmocka_unit_test(secrets_are_taken_out_and_sentences_left_alone),
        cmocka_unit_test(random_orders_never_show_ready_too_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
