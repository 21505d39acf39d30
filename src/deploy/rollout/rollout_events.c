#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

enum { RANK_MOUNT = 38, RANK_CONTROLLER = 57, RANK_PROBE = 8 };

const char *event_message(const struct observed *event) {
    return text_or_empty(json_text_at(event->object, "message", NULL));
}

static const char *event_reason(const struct observed *event) {
    return text_or_empty(event->reason);
}

static bool is_among(const char *reason, const char *const *reasons) {
    for (; *reasons != NULL; reasons++)
        if (text_equal(reason, *reasons))
            return true;
    return false;
}

bool event_is_about(const struct observed *event, const char *uid, const char *const *reasons) {
    return event->about != NULL && !text_is_empty(uid) && text_equal(event->about, uid) &&
           is_among(event_reason(event), reasons);
}

/* By resourceVersion, so that the order in which watches of other kinds come in does not matter. */
static bool is_newer(const struct observed *left, const struct observed *right) {
    return left->version >= 0 && right->version >= 0 && left->version != right->version
               ? left->version > right->version
               : left->sequence > right->sequence;
}

const struct observed *event_about(const struct rollout *rollout, const char *uid,
                                   const char *const *reasons) {
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    const struct observed *newest = NULL;
    for (size_t i = 0; i < events->count; i++) {
        const struct observed *event = &events->items[i];
        if (event_is_about(event, uid, reasons) && (newest == NULL || is_newer(event, newest)))
            newest = event;
    }
    return newest;
}

bool is_pulling(const struct rollout *rollout, const struct observed *pod, const char *image) {
    static const char *const reasons[] = {"Pulling", "Failed", "BackOff", NULL};
    const char *uid = json_text_at(pod->object, "metadata", "uid", NULL);
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    const struct observed *newest = pod; /* its status says that the pull before failed */
    for (size_t i = 0; i < events->count; i++) {
        const struct observed *event = &events->items[i];
        if (event_is_about(event, uid, reasons) && text_contains(event_message(event), image) &&
            is_newer(event, newest))
            newest = event;
    }
    return newest != pod && text_equal(event_reason(newest), "Pulling");
}

/* The node got past volumes and network: a container was at least tried. */
static bool has_begun(const json_t *pod) {
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    for (size_t i = 0; i < array_length(lists); i++) {
        size_t index = 0;
        const json_t *status = NULL;
        json_array_foreach(json_at(pod, "status", lists[i], NULL), index, status) {
            const char *waiting =
                text_or_empty(json_text_at(status, "state", "waiting", "reason", NULL));
            bool waits = waiting[0] == '\0' || text_equal(waiting, "ContainerCreating") ||
                         text_equal(waiting, "PodInitializing");
            if (!waits || json_at(status, "state", "running", NULL) != NULL ||
                json_at(status, "state", "terminated", NULL) != NULL ||
                json_integer_at(status, 0, "restartCount", NULL) > 0)
                return true;
        }
    }
    return condition_is(condition_of(pod, "PodReadyToStartContainers"), "True");
}

/* A disk that could not be attached, and was later: what the node does with it then takes time. */
static bool is_attached_since(const struct rollout *rollout, const char *uid,
                              const struct observed *event) {
    static const char *const attached[] = {"SuccessfulAttachVolume", NULL};
    if (!text_equal(event_reason(event), "FailedAttachVolume"))
        return false;
    const struct observed *success = event_about(rollout, uid, attached);
    return success != NULL && is_newer(success, event);
}

/* Why a pod waits for its volumes or network. */
struct mount_trouble {
    const struct observed *event; /* the one that says most; NULL: there is none */
    int64_t since_ms;             /* when the first of them came ... */
    int64_t last_ms;              /* ... and the last */
    bool tells;                   /* the event names a cause */
};

static struct mount_trouble mount_trouble(const struct rollout *rollout, const json_t *pod) {
    static const char *const troubles[] = {"FailedMount", "FailedAttachVolume",
                                           "FailedCreatePodSandBox", NULL};
    static const char *const all[] = {"FailedMount",
                                      "FailedAttachVolume",
                                      "FailedCreatePodSandBox",
                                      "Pulling",
                                      "Pulled",
                                      "Created",
                                      "Started",
                                      NULL};
    const char *uid = text_or_empty(json_text_at(pod, "metadata", "uid", NULL));
    const struct observed *newest = event_about(rollout, uid, all);
    if (newest == NULL || !is_among(event_reason(newest), troubles))
        return (struct mount_trouble){.event = NULL};
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    struct mount_trouble found = {.event = NULL, .since_ms = INT64_MAX};
    for (size_t i = 0; i < events->count; i++) {
        const struct observed *event = &events->items[i];
        if (!event_is_about(event, uid, troubles) || is_attached_since(rollout, uid, event))
            continue;
        if (event->first_ms < found.since_ms)
            found.since_ms = event->first_ms;
        if (event->last_ms > found.last_ms)
            found.last_ms = event->last_ms;
        bool tells =
            diagnose_match(diagnose_mount, diagnose_mount_count - 1, event_message(event)) != NULL;
        bool better =
            found.event == NULL || (tells == found.tells ? is_newer(event, found.event) : tells);
        if (better) {
            found.event = event;
            found.tells = tells;
        }
    }
    return found;
}

/* A pod that waits for a volume or its network shows it only in events. */
static int judge_mount(struct judgement *judgement, const struct observed *pod,
                       struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const struct mount_trouble found = has_begun(pod->object)
                                           ? (struct mount_trouble){.event = NULL}
                                           : mount_trouble(rollout, pod->object);
    const struct observed *event = found.event;
    if (event == NULL)
        return 0;
    const struct diagnosis_value values[] = {{"pvc", claim_of(rollout, pod->object)}};
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_MOUNT};
    if (trouble_diagnose(&trouble, rollout, diagnose_mount, diagnose_mount_count,
                         event_message(event), values, 1, err) < 0 ||
        evidence_add(&trouble.evidence, err, "event %s (pod %s): %s", event_reason(event),
                     text_or_empty(json_text_at(pod->object, "metadata", "name", NULL)),
                     event_message(event)) < 0)
        return -1;
    /* "timed out" said once is often over, while the node works on (cache not filled yet, owner of
     * many files changed) without another event */
    int64_t patience = rollout->patience.mount_ms;
    bool repeated = found.tells || found.last_ms - found.since_ms >= patience / 2;
    trouble.final = repeated && judgement_lasts(judgement, found.since_ms, patience);
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
    const struct diagnosis_value values[] = {{"probe", event_message(event)}};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_own, diagnose_own_count,
                         "ProbeFailing", values, 1, err) < 0 ||
        evidence_add(&trouble.evidence, err, "event Unhealthy (pod %s): %s", name,
                     event_message(event)) < 0 ||
        strings_add_format(&trouble.wanted_logs, err, "%s/" MODEL_CONTAINER "/current", name) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* A right Deployment came after the controller's complaint: that is over. */
static bool is_overcome(const struct rollout *rollout, const struct observed *event) {
    return rollout->proved || (rollout->carried && event->last_ms <= rollout->carried_since_ms);
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
    if (event == NULL || !event->live || is_overcome(rollout, event))
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_TERMINAL, .rank = RANK_CONTROLLER};
    if ((missing
             ? trouble_diagnose(&trouble, rollout, diagnose_own, diagnose_own_count,
                                "KnativeMissing", NULL, 0, err)
             : trouble_diagnose_refusal(&trouble, rollout, diagnose_reconcile,
                                        diagnose_reconcile_count, event_message(event), err)) < 0 ||
        evidence_add(&trouble.evidence, err, "event %s: %s", event_reason(event),
                     event_message(event)) < 0)
        return -1;
    enum diagnosis_weight weight = trouble.diagnosis.weight;
    if (weight == DIAGNOSIS_PASSING)
        return 0;
    int64_t patience = rollout->patience.refused_ms;
    trouble.final = weight >= DIAGNOSIS_DECIDED;
    /* the controller tries again at growing intervals: said once, it may be over */
    bool repeated = event->last_ms - event->first_ms >= patience / 2;
    if (!trouble.final && repeated && judgement_lasts(judgement, event->first_ms, patience)) {
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
            is_being_deleted(pod->object) ||
            condition_is(condition_of(pod->object, "Ready"), "True"))
            continue;
        if (judge_mount(judgement, pod, err) < 0 || judge_probe(judgement, pod, err) < 0)
            return -1;
    }
    return judge_controller(judgement, err);
}
