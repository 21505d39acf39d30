#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>

static const struct observed *deployment_of(const struct rollout *rollout) {
    const struct observed *deployment =
        rollout->target.serverless ? serverless_deployment(rollout) : raw_deployment(rollout);
    bool ours = deployment != NULL &&
                carries_revision(rollout, json_at(deployment->object, "spec", "template", NULL));
    return ours ? deployment : NULL;
}

/* The replicas of this revision and of those before, as the Deployment counts them. */
void count_replicas(struct verdict *out, const struct rollout *rollout) {
    const struct observed *deployment = deployment_of(rollout);
    out->replicas_new = out->replicas_ready = out->replicas_old = 0;
    if (deployment == NULL)
        return;
    const json_t *status = json_at(deployment->object, "status", NULL);
    int64_t all = count_of(json_integer_at(status, 0, "replicas", NULL));
    int64_t updated = count_of(json_integer_at(status, 0, "updatedReplicas", NULL));
    int64_t available = count_of(json_integer_at(status, 0, "availableReplicas", NULL));
    bool stale = json_integer_at(status, -1, "observedGeneration", NULL) <
                 json_integer_at(deployment->object, 0, "metadata", "generation", NULL);
    if (stale) /* the counts are those of the template before */
        return;
    out->replicas_new = updated;
    out->replicas_old = all - updated;
    /* the old ones go only as new ones come, so they count as available first */
    int64_t ready = available - out->replicas_old;
    out->replicas_ready = ready < 0 ? 0 : ready < updated ? ready : updated;
}

/* It has been started at least once, whatever became of it. */
static bool has_started(const json_t *status) {
    return json_at(status, "state", "running", NULL) != NULL ||
           json_at(status, "state", "terminated", NULL) != NULL ||
           json_integer_at(status, 0, "restartCount", NULL) > 0;
}

static bool is_running(const json_t *status) {
    return json_at(status, "state", "running", NULL) != NULL;
}

/* How far a pod is. */
static enum rollout_phase phase_of(const json_t *pod) {
    if (condition_is(condition_of(pod, "Ready"), "True"))
        return PHASE_SERVING;
    if (text_is_empty(json_text_at(pod, "spec", "nodeName", NULL)))
        return PHASE_SCHEDULING;
    size_t index = 0;
    const json_t *status = NULL;
    json_array_foreach(json_at(pod, "status", "initContainerStatuses", NULL), index, status) {
        if (is_running(status))
            return PHASE_DOWNLOADING;
    }
    json_array_foreach(json_at(pod, "status", "containerStatuses", NULL), index, status) {
        if (has_started(status))
            return PHASE_LOADING;
    }
    return PHASE_PULLING;
}

/* The pod of this revision that is least far: the one everything waits for. */
static const json_t *slowest_pod(const struct rollout *rollout, enum rollout_phase *phase) {
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    const json_t *slowest = NULL;
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        if (pod == NULL || !pod_is_new(rollout, pod) || is_being_deleted(pod) ||
            text_equal(json_text_at(pod, "status", "phase", NULL), "Failed"))
            continue;
        enum rollout_phase now = phase_of(pod);
        if (slowest != NULL && now >= *phase)
            continue;
        slowest = pod;
        *phase = now;
    }
    return slowest;
}

static enum rollout_phase phase_without_pods(const struct rollout *rollout,
                                             const struct verdict *verdict) {
    if (deployment_of(rollout) == NULL)
        return PHASE_ACCEPTED;
    if (!rollout->sets[ROLLOUT_POD].forbidden)
        return PHASE_CREATING;
    bool all = verdict->replicas_new > 0 && verdict->replicas_ready == verdict->replicas_new;
    return all ? PHASE_SERVING : PHASE_LOADING;
}

/* What the last phase still waits for. */
static const char *serving_text(const struct rollout *rollout, const struct verdict *verdict) {
    if (verdict->replicas_old > 0)
        return "waiting for the old replicas to go";
    if (rollout->proved)
        return "waiting for KServe to call the service ready";
    return "waiting for all replicas";
}

static char *describe(const struct rollout *rollout, const struct verdict *verdict,
                      enum rollout_phase phase, const json_t *pod, struct error **err) {
    static const char *const texts[] = {
        [PHASE_ACCEPTED] = "waiting for KServe's controller",
        [PHASE_CREATING] = "waiting for pods",
        [PHASE_SCHEDULING] = "waiting for a node",
        [PHASE_PULLING] = "pulling images",
        [PHASE_DOWNLOADING] = "downloading the model",
        [PHASE_LOADING] = "loading the model",
        [PHASE_SERVING] = "",
    };
    const char *text = phase == PHASE_SERVING ? serving_text(rollout, verdict) : texts[phase];
    if (pod == NULL && phase == PHASE_LOADING) /* pods cannot be read: any phase of theirs */
        text = "waiting for the new pods";
    const char *name = json_text_at(pod, "metadata", "name", NULL);
    char old[48] = "";
    if (verdict->replicas_old > 0)
        (void)snprintf(old, sizeof(old), ", %lld old", (long long)verdict->replicas_old);
    cleanup_free char *replicas =
        verdict->replicas_new + verdict->replicas_old > 0
            ? text_format(err, "; %lld of %lld new replicas ready%s",
                          (long long)verdict->replicas_ready, (long long)verdict->replicas_new, old)
            : text_copy("", err);
    if (replicas == NULL)
        return NULL;
    bool shows_pod = name != NULL && phase != PHASE_SERVING;
    return text_format(err, "%s%s%s%s%s", text, shows_pod ? " (pod " : "", shows_pod ? name : "",
                       shows_pod ? ")" : "", replicas);
}

/* What the container that everything waits for writes; for when the deadline comes first. */
static int tell_logs(struct verdict *out, const struct rollout *rollout, enum rollout_phase phase,
                     const json_t *pod, struct error **err) {
    const char *container = phase == PHASE_DOWNLOADING ? STORAGE_CONTAINER
                            : phase == PHASE_LOADING   ? MODEL_CONTAINER
                                                       : NULL;
    if (pod == NULL || container == NULL || out->state == ROLLOUT_READY)
        return 0;
    const char *name = text_or_empty(json_text_at(pod, "metadata", "name", NULL));
    const char *log = log_text(rollout, name, container, false);
    if (log != NULL)
        return log_evidence(&out->evidence, container, log, NULL, err);
    cleanup_free char *wanted = text_format(err, "%s/%s/current", name, container);
    if (wanted == NULL)
        return -1;
    return strings_contain(&out->wanted_logs, wanted) ? 0
                                                      : strings_add(&out->wanted_logs, wanted, err);
}

int progress_describe(struct verdict *out, struct rollout *rollout, int64_t now_ms,
                      struct error **err) {
    count_replicas(out, rollout);
    enum rollout_phase phase = PHASE_ACCEPTED;
    const json_t *pod = slowest_pod(rollout, &phase);
    if (pod == NULL)
        phase = phase_without_pods(rollout, out);
    if (!rollout->phase_known || phase != rollout->phase) {
        rollout->phase_known = true;
        rollout->phase = phase;
        rollout->phase_since_ms = now_ms;
    }
    out->phase = phase;
    out->phase_since_ms = rollout->phase_since_ms;
    out->detail = describe(rollout, out, phase, pod, err);
    return out->detail != NULL ? tell_logs(out, rollout, phase, pod, err) : -1;
}
