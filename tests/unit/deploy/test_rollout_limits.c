/*
 * The reducer at its limits: no more is kept than it says, however much it is told; and each
 * allocation that fails ends in an error and nothing else.
 */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/rollout.h"
#include "fixture.h"
#include "rollout_private.h"
#include "sparse.h"
#include "torture.h"
#include "transcript_files.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HASH "aaaa"

/* ---- much ---- */

/* Fewer objects under an emulator, but still more than are kept. */
static int step(void) {
    return sparse_step() > 1 ? 3 : 1;
}

static struct rollout *new_rollout(void) {
    const struct rollout_target target = {.name = "qwen",
                                          .namespace_ = "demo",
                                          .uid = "u1",
                                          .content_hash = HASH,
                                          .min_replicas = 1,
                                          .generation = 1};
    struct rollout *rollout = NULL;
    assert_int_equal(rollout_new(&rollout, &target, NULL, NULL), 0);
    return rollout;
}

static void see(struct rollout *rollout, enum rollout_object kind, enum rollout_change change,
                json_t *object) {
    const struct rollout_event event = {
        .at_ms = 1000000, .kind = kind, .change = change, .object = object};
    assert_int_equal(rollout_observe(rollout, &event, NULL), 0);
    json_decref(object);
}

static json_t *pod(int number, int version, const char *hash, const char *status) {
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "{'metadata':{'name':'qwen-predictor-%d','namespace':'demo','uid':'p%d',"
                   "'resourceVersion':'%d','annotations':{'deploy-inference-service.cpaas.io/"
                   "content-hash':'%s'}},'spec':{'nodeName':'n','containers':[{'name':"
                   "'kserve-container','image':'reg/x:1'}]},'status':{'phase':'Pending',%s}}",
                   number, number, version, hash, status);
    return fixture_json(text);
}

static json_t *event(int number, int about, int version) {
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "{'metadata':{'name':'e%d','namespace':'demo','uid':'e%d','resourceVersion':"
                   "'%d'},'involvedObject':{'kind':'Pod','name':'qwen-predictor-%d','uid':'p%d'},"
                   "'type':'%s','reason':'Unhealthy','message':'Readiness probe failed'}",
                   number, number, version, about, about, number % 2 == 0 ? "Normal" : "Warning");
    return fixture_json(text);
}

static int64_t milliseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void thousands_of_pods_and_events_stay_bounded(void **state) {
    (void)state;
    struct rollout *rollout = new_rollout();
    see(rollout, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_ADDED,
        fixture_json("{'metadata':{'name':'qwen','namespace':'demo','uid':'u1','generation':1,"
                     "'resourceVersion':'1','annotations':{'deploy-inference-service.cpaas.io/"
                     "content-hash':'" HASH "'}},'spec':{'predictor':{}},'status':{}}"));
    see(rollout, ROLLOUT_POD, ROLLOUT_ADDED,
        pod(7, 5, HASH,
            "'containerStatuses':[{'name':'kserve-container','restartCount':9,'state':{'waiting':"
            "{'reason':'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':139}}}]"));
    for (int i = 1000; i < 3000; i += step())
        see(rollout, ROLLOUT_POD, ROLLOUT_ADDED,
            pod(i, i, i % 2 == 0 ? "old" : HASH,
                "'conditions':[{'type':'Ready','status':'True'}]"));
    for (int i = 0; i < 5000; i += step())
        see(rollout, ROLLOUT_EVENT, ROLLOUT_ADDED, event(i, 1000 + i % 2000, 10000 + i));
    for (int i = 0; i < 50; i++)
        see(rollout, ROLLOUT_EVENT, ROLLOUT_MODIFIED, event(4999, 1500, 20000 + i));
    assert_int_equal(rollout->sets[ROLLOUT_POD].count, MOST_PODS);
    assert_int_equal(rollout->sets[ROLLOUT_EVENT].count, MOST_EVENTS);
    for (int kind = ROLLOUT_INFERENCE_SERVICE; kind <= ROLLOUT_EVENT; kind++)
        see(rollout, (enum rollout_object)kind, ROLLOUT_SYNCED, NULL);
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    int64_t start = milliseconds();
    int rounds = 0;
    for (unsigned i = 0; i < 100; i += sparse_step(), rounds++)
        assert_int_equal(rollout_judge(&verdict, rollout, 2000000, NULL), 0);
    print_message("one judgement of %d pods and %d events: %.2f ms of CPU\n", MOST_PODS,
                  MOST_EVENTS, (double)(milliseconds() - start) / rounds);
    verdict_free(&verdict);
    rollout_free(rollout);
}

static void the_pod_in_trouble_is_kept_among_thousands(void **state) {
    (void)state;
    struct rollout *rollout = new_rollout();
    see(rollout, ROLLOUT_POD, ROLLOUT_ADDED,
        pod(7, 5, HASH,
            "'containerStatuses':[{'name':'kserve-container','restartCount':9,'state':{'waiting':"
            "{'reason':'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':139}}}]"));
    for (int i = 1000; i < 3000; i += step())
        see(rollout, ROLLOUT_POD, ROLLOUT_ADDED,
            pod(i, i, HASH, "'conditions':[{'type':'Ready','status':'True'}]"));
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    assert_int_equal(rollout_judge(&verdict, rollout, 2000000, NULL), 0);
    assert_int_equal(verdict.state, ROLLOUT_FAILED);
    assert_string_equal(verdict.reason, "SegmentationFault");
    verdict_free(&verdict);
    rollout_free(rollout);
}

static void deleted_objects_leave_no_memory_behind(void **state) {
    (void)state;
    struct rollout *rollout = new_rollout();
    for (int i = 0; i < 3000; i += step()) {
        see(rollout, ROLLOUT_POD, ROLLOUT_ADDED, pod(i, 2 * i + 1, HASH, "'conditions':[]"));
        see(rollout, ROLLOUT_POD, ROLLOUT_DELETED, pod(i, 2 * i + 2, HASH, "'conditions':[]"));
    }
    assert_true(rollout->sets[ROLLOUT_POD].count <= MOST_PODS);
    rollout_free(rollout);
}

static void a_huge_log_keeps_its_end(void **state) {
    (void)state;
    struct rollout *rollout = new_rollout();
    size_t size = (size_t)4 * 1024 * 1024;
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++) /* two bytes each: the cut must not split one */
        text[i] = i % 2 == 0 ? '\xc3' : '\xa9';
    memcpy(text + size - 6, "\nlast\n", 6);
    text[size] = '\0';
    see(rollout, ROLLOUT_LOG, ROLLOUT_ADDED,
        json_pack("{s:s, s:s, s:s}", "pod", "p", "container", "kserve-container", "text", text));
    const char *kept = log_text(rollout, "p", "kserve-container", false);
    assert_non_null(kept);
    assert_true(strlen(kept) <= MOST_LOG_BYTES);
    assert_true(text_has_suffix(kept, "\nlast\n"));
    free(text);
    rollout_free(rollout);
}

/* ---- little ---- */

struct scenario {
    const char *file;
    const char *text;
    size_t length;
};

static int replay_once(void *user) {
    const struct scenario *scenario = user;
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    struct error *error = NULL;
    int64_t decided_ms = 0;
    int result = transcript_replay(&verdict, scenario->text, scenario->length, &decided_ms, &error);
    torture_pause();
    if (result < 0 && error == NULL)
        fail_msg("%s: a failure without an error", scenario->file);
    if (result == 0 && verdict.state == ROLLOUT_UNKNOWN)
        fail_msg("%s: no verdict", scenario->file);
    error_free(error);
    verdict_free(&verdict);
    torture_continue();
    return result;
}

static void torture_file(const char *file, const char *text, size_t length) {
    static const char *const chosen[] = {
        "image-not-found-seen-late.jsonl", "missing-key.jsonl",
        "gpu-deadlock-by-hami.jsonl",      "pod-security-host-ipc.jsonl",
        "serverless-scaled-to-zero.jsonl", "foreign-spec-change.jsonl"};
    for (size_t i = 0; i < array_length(chosen); i++) {
        struct scenario scenario = {.file = file, .text = text, .length = length};
        if (text_equal(file, chosen[i]))
            torture(replay_once, &scenario);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    (void)transcript_files(torture_file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_pods_and_events_stay_bounded),
        cmocka_unit_test(the_pod_in_trouble_is_kept_among_thousands),
        cmocka_unit_test(deleted_objects_leave_no_memory_behind),
        cmocka_unit_test(a_huge_log_keeps_its_end),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
