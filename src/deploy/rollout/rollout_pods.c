#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum {
    RANK_ENDED = 52,
    RANK_ENDED_IN_PASSING = 3,
    MOST_ENDED_PODS = 3,
    BURST_MS = 5 * 1000,
    LISTING_MS = 30 * 1000
};

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

static bool has_failed(const json_t *pod) {
    return text_equal(json_text_at(pod, "status", "phase", NULL), "Failed");
}

/*
 * It lay there when we came, and nothing was changed: the cluster keeps such pods for weeks. Until
 * the list of pods is complete, what comes in the first seconds is of that list.
 */
static bool ended_long_ago(const struct rollout *rollout, const struct observed *pod) {
    bool listed =
        rollout->sets[ROLLOUT_POD].ever_synced || pod->first_ms - rollout->started_ms < LISTING_MS;
    return !rollout->target.changed && !pod->live && listed && has_failed(pod->first);
}

/*
 * So many ended that it is no mishap: more than the service has replicas, since one node may end
 * them all at once, and not all within seconds, as happens when a device plugin starts anew.
 */
static bool keep_ending(struct judgement *judgement) {
    const struct rollout *rollout = judgement->rollout;
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    const struct observed *deployment =
        rollout->target.serverless ? serverless_deployment(rollout) : raw_deployment(rollout);
    int64_t replicas = deployment != NULL ? deployment_replicas(deployment->object) : 1;
    int64_t count = 0;
    int64_t since_ms = INT64_MAX;
    for (size_t i = 0; i < pods->count; i++) {
        const struct observed *pod = &pods->items[i];
        if (pod->object == NULL || !pod_is_new(rollout, pod->object) || !has_failed(pod->object) ||
            ended_long_ago(rollout, pod))
            continue;
        count++;
        since_ms = pod->first_ms < since_ms ? pod->first_ms : since_ms;
    }
    return count >= MOST_ENDED_PODS && count > replicas &&
           judgement_lasts(judgement, since_ms, BURST_MS);
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
    const struct diagnosis_value values[] = {{"message", message}};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_ended, diagnose_ended_count, text,
                         values, 1, err) < 0 ||
        evidence_add(&trouble.evidence, err, "pod %s ended: %s", name, text) < 0)
        return -1;
    enum diagnosis_weight weight = trouble.diagnosis.weight;
    trouble.final =
        weight == DIAGNOSIS_FINAL || (weight == DIAGNOSIS_PERSISTENT && keep_ending(judgement));
    if (weight == DIAGNOSIS_PASSING)
        trouble.rank = RANK_ENDED_IN_PASSING; /* what ails the pod after it says more */
    if (weight == DIAGNOSIS_FINAL)
        trouble.failure = FAILURE_TERMINAL;
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
        if (has_failed(pod->object)) {
            if (!ended_long_ago(rollout, pod) && judge_ended(judgement, pod, err) < 0)
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
