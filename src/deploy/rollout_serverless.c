#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

/* Knative: the revision that KServe's service made last must be the one that serves everything. */

enum { RANK_REVISION = 56 };

static const json_t *predictor_status(const struct rollout *rollout) {
    const struct observed *service = store_service(rollout);
    return service != NULL ? json_at(service->object, "status", "components", "predictor", NULL)
                           : NULL;
}

const char *serverless_revision(const struct rollout *rollout) {
    return text_or_empty(json_text_at(predictor_status(rollout), "latestCreatedRevision", NULL));
}

const struct observed *serverless_deployment(const struct rollout *rollout) {
    const struct observed_set *set = &rollout->sets[ROLLOUT_DEPLOYMENT];
    const char *revision = serverless_revision(rollout);
    for (size_t i = 0; i < set->count; i++) {
        const struct observed *item = &set->items[i];
        if (item->object != NULL && revision[0] != '\0' &&
            text_equal(label_of(item->object, LABEL_REVISION), revision))
            return item;
    }
    return NULL;
}

/* All traffic goes to the latest revision, and that is REVISION. */
static bool traffic_is_ours(const struct rollout *rollout, const char *revision) {
    const json_t *traffic = json_at(predictor_status(rollout), "traffic", NULL);
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(traffic, index, entry) {
        if (json_is_true_at(entry, "latestRevision", NULL) &&
            json_integer_at(entry, 0, "percent", NULL) == 100 &&
            text_equal(json_text_at(entry, "revisionName", NULL), revision))
            return true;
    }
    return false;
}

/* Scaled to zero is fine where the minimum allows it. */
static bool replicas_suffice(const struct rollout *rollout, const json_t *deployment) {
    int64_t least = rollout->target.min_replicas;
    if (deployment_replicas(deployment) == 0)
        return least == 0;
    return deployment_is_complete(deployment, least);
}

bool serverless_is_proved(const struct rollout *rollout, int64_t *version) {
    const char *revision = serverless_revision(rollout);
    const char *ready =
        text_or_empty(json_text_at(predictor_status(rollout), "latestReadyRevision", NULL));
    const struct observed *deployment = serverless_deployment(rollout);
    const struct observed *service = store_service(rollout);
    if (deployment == NULL || !deployment->listed || service == NULL ||
        !text_equal(revision, ready) ||
        !carries_revision(rollout, json_at(deployment->object, "spec", "template", NULL)) ||
        !traffic_is_ours(rollout, revision) || !replicas_suffice(rollout, deployment->object))
        return false;
    static const char *const conditions[] = {"PredictorReady", "RoutesReady",
                                             "LatestDeploymentReady"};
    for (size_t i = 0; i < array_length(conditions); i++) {
        const json_t *condition = condition_of(service->object, conditions[i]);
        if (condition != NULL && !condition_is(condition, "True"))
            return false;
    }
    *version = deployment->version;
    return true;
}

int serverless_judge(struct judgement *judgement, struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const struct observed_set *set = &rollout->sets[ROLLOUT_REVISION];
    const char *revision = serverless_revision(rollout);
    for (size_t i = 0; i < set->count; i++) {
        const json_t *object = set->items[i].object;
        if (object == NULL || revision[0] == '\0' ||
            !text_equal(json_text_at(object, "metadata", "name", NULL), revision) ||
            !carries_revision(rollout, object))
            continue;
        const json_t *condition = condition_of(object, "Ready");
        const char *reason = text_or_empty(json_text_at(condition, "reason", NULL));
        bool failed = condition_is(condition, "False") && !text_equal(reason, "Deploying") &&
                      !text_equal(reason, "NoTraffic");
        if (!failed)
            continue;
        const struct diagnosis_value values[] = {
            {"message", json_text_at(condition, "message", NULL)}};
        cleanup_trouble struct trouble trouble = {
            .final = true, .failure = FAILURE_TERMINAL, .rank = RANK_REVISION};
        if (trouble_diagnose(&trouble, rollout, diagnose_own, diagnose_own_count, "RevisionFailed",
                             values, 1, err) < 0 ||
            evidence_add_condition(&trouble.evidence, "Revision", condition, err) < 0)
            return -1;
        judgement_consider(judgement, &trouble);
    }
    return 0;
}
