#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { RANK_ENDED = 52, RANK_SCHEDULING = 35, RANK_DEADLOCK = 40, MOST_ENDED_PODS = 3 };

bool pod_is_new(const struct rollout *rollout, const json_t *pod) {
    return carries_revision(rollout, pod);
}

static const char *waiting_reason(const json_t *status) {
    return text_or_empty(json_text_at(status, "state", "waiting", "reason", NULL));
}

void pod_trouble_key(const json_t *pod, char *key, size_t size) {
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    key[0] = '\0';
    const json_t *scheduled = condition_of(pod, "PodScheduled");
    if (condition_is(scheduled, "False")) {
        (void)snprintf(key, size, "scheduling");
        return;
    }
    for (size_t i = 0; i < array_length(lists); i++) {
        size_t index = 0;
        const json_t *status = NULL;
        json_array_foreach(json_at(pod, "status", lists[i], NULL), index, status) {
            const char *reason = waiting_reason(status);
            bool ordinary = reason[0] == '\0' || text_equal(reason, "ContainerCreating") ||
                            text_equal(reason, "PodInitializing");
            if (ordinary)
                continue;
            /* the two words for one trouble alternate */
            if (text_equal(reason, "ErrImagePull"))
                reason = "ImagePullBackOff";
            (void)snprintf(key, size, "%.32s/%.40s",
                           text_or_empty(json_text_at(status, "name", NULL)), reason);
            return;
        }
    }
}

/* ---- a pod that ended as a whole ---- */

static size_t ended_pods(const struct rollout *rollout) {
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    size_t count = 0;
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        if (pod != NULL && pod_is_new(rollout, pod) &&
            text_equal(json_text_at(pod, "status", "phase", NULL), "Failed"))
            count++;
    }
    return count;
}

static int judge_ended(struct judgement *judgement, const struct observed *pod,
                       struct error **err) {
    const char *reason = text_or_empty(json_text_at(pod->object, "status", "reason", NULL));
    const char *message = text_or_empty(json_text_at(pod->object, "status", "message", NULL));
    const char *name = text_or_empty(json_text_at(pod->object, "metadata", "name", NULL));
    cleanup_free char *text = text_format(err, "%s: %s", reason, message);
    if (text == NULL)
        return -1;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_ENDED};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_ended, diagnose_ended_count, text,
                         NULL, 0, err) < 0 ||
        evidence_add(&trouble.evidence, err, "pod %s ended: %s", name, text) < 0)
        return -1;
    trouble.final = trouble.diagnosis.weight == DIAGNOSIS_FINAL ||
                    ended_pods(judgement->rollout) >= MOST_ENDED_PODS;
    if (trouble.diagnosis.weight == DIAGNOSIS_FINAL)
        trouble.failure = FAILURE_TERMINAL;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* ---- a pod without a node ---- */

/* "Insufficient NAME" to NAME. */
static void short_resource(const char *message, char *out, size_t size) {
    const char *at = message != NULL ? strstr(message, "Insufficient ") : NULL;
    out[0] = '\0';
    if (at == NULL)
        return;
    at += strlen("Insufficient ");
    size_t length = strcspn(at, ",; ");
    while (length > 0 && at[length - 1] == '.')
        length--;
    (void)snprintf(out, size, "%.*s", (int)length, at);
}

/* "0/3 nodes are available" to "None of 3 nodes". */
static void node_count(const char *message, char *out, size_t size) {
    out[0] = '\0';
    if (!text_has_prefix(message, "0/"))
        return;
    size_t digits = strspn(message + 2, "0123456789");
    if (digits == 0 || digits > 6)
        return;
    bool one = digits == 1 && message[2] == '1';
    if (one)
        (void)snprintf(out, size, "The one node");
    else
        (void)snprintf(out, size, "None of %.*s nodes", (int)digits, message + 2);
}

/* An old pod of this service holds RESOURCE, an extended one such as a GPU. */
static const char *holder_of(const struct rollout *rollout, const char *resource) {
    if (strchr(resource, '/') == NULL)
        return NULL;
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        if (pod == NULL || pod_is_new(rollout, pod) || is_being_deleted(pod) ||
            text_is_empty(json_text_at(pod, "spec", "nodeName", NULL)))
            continue;
        size_t index = 0;
        const json_t *container = NULL;
        json_array_foreach(json_at(pod, "spec", "containers", NULL), index, container) {
            if (json_at(container, "resources", "limits", resource, NULL) != NULL)
                return text_or_empty(json_text_at(pod, "metadata", "name", NULL));
        }
    }
    return NULL;
}

static bool autoscaler_at_work(const struct rollout *rollout) {
    static const char *const reasons[] = {"TriggeredScaleUp", NULL};
    return event_of_pods(rollout, reasons) != NULL;
}

static int judge_deadlock(struct judgement *judgement, const struct observed *pod,
                          const char *resource, const char *message, struct error **err) {
    const char *holder = holder_of(judgement->rollout, resource);
    if (holder == NULL)
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT, .rank = RANK_DEADLOCK};
    const struct diagnosis_value values[] = {{"resource", resource}};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_own, diagnose_own_count,
                         "RolloutDeadlock", values, 1, err) < 0 ||
        evidence_add(&trouble.evidence, err, "scheduler (pod %s): %s",
                     text_or_empty(json_text_at(pod->object, "metadata", "name", NULL)),
                     message) < 0 ||
        evidence_add(&trouble.evidence, err, "pod %s of the revision before has %s", holder,
                     resource) < 0)
        return -1;
    trouble.final =
        !autoscaler_at_work(judgement->rollout) &&
        judgement_lasts(judgement, pod->trouble_since_ms, judgement->rollout->patience.deadlock_ms);
    judgement_consider(judgement, &trouble);
    return 0;
}

/* The newest word on why: HAMi's events say more than the pod's condition. */
static const char *scheduler_text(const struct rollout *rollout, const struct observed *pod,
                                  const json_t *condition) {
    static const char *const hami[] = {"FilteringFailed", NULL};
    const char *uid = text_or_empty(json_text_at(pod->object, "metadata", "uid", NULL));
    const struct observed *event = event_about(rollout, uid, hami);
    const char *text = event != NULL ? event_message(event) : NULL;
    if (text_is_empty(text))
        text = json_text_at(condition, "message", NULL);
    return text_or_empty(text);
}

int scheduling_judge(struct judgement *judgement, const struct observed *pod, struct error **err) {
    struct rollout *rollout = judgement->rollout;
    const json_t *condition = condition_of(pod->object, "PodScheduled");
    if (!condition_is(condition, "False"))
        return 0;
    const char *message = scheduler_text(rollout, pod, condition);
    char resource[96];
    char nodes[48];
    short_resource(message, resource, sizeof(resource));
    node_count(message, nodes, sizeof(nodes));
    if (judge_deadlock(judgement, pod, resource, message, err) < 0)
        return -1;
    const struct diagnosis_value values[] = {{"resource", resource}, {"nodes", nodes}};
    bool volume = diagnose_match(diagnose_volume, diagnose_volume_count, message) != NULL;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT,
                                              .rank = RANK_SCHEDULING};
    if (trouble_diagnose(&trouble, rollout, volume ? diagnose_volume : diagnose_scheduling,
                         volume ? diagnose_volume_count : diagnose_scheduling_count, message,
                         values, array_length(values), err) < 0 ||
        evidence_add(&trouble.evidence, err, "scheduler (pod %s): %s",
                     text_or_empty(json_text_at(pod->object, "metadata", "name", NULL)),
                     message) < 0)
        return -1;
    if (trouble.diagnosis.weight == DIAGNOSIS_PERSISTENT &&
        judgement_lasts(judgement, pod->trouble_since_ms, rollout->patience.mount_ms)) {
        trouble.final = true;
        trouble.failure = FAILURE_REPEATED;
    }
    if (rollout->patience.unschedulable_ms > 0 && !autoscaler_at_work(rollout) &&
        judgement_lasts(judgement, pod->trouble_since_ms, rollout->patience.unschedulable_ms))
        trouble.final = true;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* ---- all of them ---- */

static int judge_containers(struct judgement *judgement, const struct observed *pod,
                            const char *list, bool init, struct error **err) {
    size_t index = 0;
    const json_t *status = NULL;
    json_array_foreach(json_at(pod->object, "status", list, NULL), index, status) {
        if (container_judge(judgement, pod, status, init, err) < 0)
            return -1;
    }
    return 0;
}

int pods_judge(struct judgement *judgement, struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    for (size_t i = 0; i < pods->count; i++) {
        const struct observed *pod = &pods->items[i];
        if (pod->object == NULL || !pod_is_new(rollout, pod->object))
            continue;
        if (text_equal(json_text_at(pod->object, "status", "phase", NULL), "Failed")) {
            if (judge_ended(judgement, pod, err) < 0)
                return -1;
            continue;
        }
        if (is_being_deleted(pod->object))
            continue;
        if (scheduling_judge(judgement, pod, err) < 0 ||
            judge_containers(judgement, pod, "initContainerStatuses", true, err) < 0 ||
            judge_containers(judgement, pod, "containerStatuses", false, err) < 0)
            return -1;
    }
    return 0;
}
