#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

enum { RANK_MOUNT = 38, RANK_CONTROLLER = 57, RANK_PROBE = 8 };

const char *event_message(const struct observed *event) {
    return text_or_empty(json_text_at(event->object, "message", NULL));
}

static const char *event_reason(const struct observed *event) {
    return text_or_empty(json_text_at(event->object, "reason", NULL));
}

static bool is_among(const char *reason, const char *const *reasons) {
    for (; *reasons != NULL; reasons++)
        if (text_equal(reason, *reasons))
            return true;
    return false;
}

const struct observed *event_about(const struct rollout *rollout, const char *uid,
                                   const char *const *reasons) {
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    const struct observed *newest = NULL;
    for (size_t i = 0; i < events->count; i++) {
        const struct observed *event = &events->items[i];
        if (event->object == NULL || !is_among(event_reason(event), reasons) ||
            text_is_empty(uid) ||
            !text_equal(json_text_at(event->object, "involvedObject", "uid", NULL), uid))
            continue;
        if (newest == NULL || event->sequence > newest->sequence)
            newest = event;
    }
    return newest;
}

const struct observed *event_of_pods(const struct rollout *rollout, const char *const *reasons) {
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        const struct observed *event =
            pod != NULL && pod_is_new(rollout, pod)
                ? event_about(rollout, json_text_at(pod, "metadata", "uid", NULL), reasons)
                : NULL;
        if (event != NULL)
            return event;
    }
    return NULL;
}

/* A pod that waits for a volume or its network shows it only in events. */
static int judge_mount(struct judgement *judgement, const struct observed *pod,
                       struct error **err) {
    static const char *const reasons[] = {"FailedMount", "FailedAttachVolume",
                                          "FailedCreatePodSandBox", NULL};
    const struct rollout *rollout = judgement->rollout;
    const struct observed *event =
        event_about(rollout, json_text_at(pod->object, "metadata", "uid", NULL), reasons);
    bool started = json_array_size(json_at(pod->object, "status", "containerStatuses", NULL)) > 0 &&
                   text_equal(json_text_at(pod->object, "status", "phase", NULL), "Running");
    if (event == NULL || started)
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_MOUNT};
    if (trouble_diagnose(&trouble, rollout, diagnose_mount, diagnose_mount_count,
                         event_message(event), NULL, 0, err) < 0 ||
        evidence_add(&trouble.evidence, err, "event %s (pod %s): %s", event_reason(event),
                     text_or_empty(json_text_at(pod->object, "metadata", "name", NULL)),
                     event_message(event)) < 0)
        return -1;
    trouble.final = judgement_lasts(judgement, event->first_ms, rollout->patience.mount_ms);
    judgement_consider(judgement, &trouble);
    return 0;
}

/* Why a running server is not ready: told at the deadline, never a failure by itself. */
static int judge_probe(struct judgement *judgement, const struct observed *pod,
                       struct error **err) {
    static const char *const reasons[] = {"Unhealthy", NULL};
    const struct observed *event = event_about(
        judgement->rollout, json_text_at(pod->object, "metadata", "uid", NULL), reasons);
    if (event == NULL || condition_is(condition_of(pod->object, "Ready"), "True"))
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT, .rank = RANK_PROBE};
    const char *name = text_or_empty(json_text_at(pod->object, "metadata", "name", NULL));
    const struct diagnosis_value values[] = {{"text", event_message(event)}};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_own, diagnose_own_count,
                         "ProbeFailing", NULL, 0, err) < 0)
        return -1;
    free(trouble.diagnosis.cause);
    trouble.diagnosis.cause =
        diagnose_expand("The model server runs but is not ready yet: {text}.", values, 1, err);
    if (trouble.diagnosis.cause == NULL ||
        evidence_add(&trouble.evidence, err, "event Unhealthy (pod %s): %s", name,
                     event_message(event)) < 0 ||
        strings_add_format(&trouble.wanted_logs, err, "%s/" MODEL_CONTAINER "/current", name) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* KServe up to 0.16 tells what it could not do only in events of the InferenceService. */
static int judge_controller(struct judgement *judgement, struct error **err) {
    static const char *const reasons[] = {"InternalError", "UpdateFailed", "ReconcileError", NULL};
    static const char *const knative[] = {"ServerlessModeRejected", NULL};
    const struct rollout *rollout = judgement->rollout;
    const struct observed *service = store_service(rollout);
    if (service == NULL)
        return 0;
    const char *uid = json_text_at(service->object, "metadata", "uid", NULL);
    const struct observed *event = event_about(rollout, uid, knative);
    bool missing = event != NULL && event->live;
    if (!missing)
        event = event_about(rollout, uid, reasons);
    if (event == NULL || !event->live || rollout->proved)
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_TERMINAL, .rank = RANK_CONTROLLER};
    if (trouble_diagnose(&trouble, rollout, missing ? diagnose_own : diagnose_reconcile,
                         missing ? diagnose_own_count : diagnose_reconcile_count,
                         missing ? "KnativeMissing" : event_message(event), NULL, 0, err) < 0 ||
        evidence_add(&trouble.evidence, err, "event %s: %s", event_reason(event),
                     event_message(event)) < 0)
        return -1;
    enum diagnosis_weight weight = trouble.diagnosis.weight;
    if (weight == DIAGNOSIS_PASSING)
        return 0;
    trouble.final = weight >= DIAGNOSIS_DECIDED;
    if (!trouble.final &&
        judgement_lasts(judgement, event->first_ms, rollout->patience.refused_ms)) {
        trouble.final = true;
        trouble.failure = FAILURE_REPEATED;
    }
    judgement_consider(judgement, &trouble);
    return 0;
}

int events_judge(struct judgement *judgement, struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    for (size_t i = 0; i < pods->count; i++) {
        const struct observed *pod = &pods->items[i];
        if (pod->object == NULL || !pod_is_new(rollout, pod->object) ||
            is_being_deleted(pod->object))
            continue;
        if (judge_mount(judgement, pod, err) < 0 || judge_probe(judgement, pod, err) < 0)
            return -1;
    }
    return judge_controller(judgement, err);
}
