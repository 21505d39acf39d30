#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

/* Knative: the revision that KServe's service made last must be the one that serves everything. */

/* Pods say more than their revision does, as long as they can be read. */
enum { RANK_REVISION = 44, RANK_REVISION_WAITS = 9 };

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

/* The latest revision has all the traffic (a canary: as much as it is to have) and is REVISION. */
static bool traffic_is_ours(const struct rollout *rollout, const char *revision) {
    const struct observed *service = store_service(rollout);
    int64_t percent = json_integer_at(service != NULL ? service->object : NULL, 100, "spec",
                                      "predictor", "canaryTrafficPercent", NULL);
    const json_t *traffic = json_at(predictor_status(rollout), "traffic", NULL);
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(traffic, index, entry) {
        if (json_is_true_at(entry, "latestRevision", NULL) &&
            json_integer_at(entry, 0, "percent", NULL) == percent &&
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

/* ---- a revision that does not come up ---- */

/* The Revision itself, where it may be read. */
static const json_t *revision_object(const struct rollout *rollout, const char *revision) {
    const struct observed_set *set = &rollout->sets[ROLLOUT_REVISION];
    for (size_t i = 0; i < set->count; i++) {
        const json_t *object = set->items[i].object;
        if (object != NULL && text_equal(json_text_at(object, "metadata", "name", NULL), revision))
            return object;
    }
    return NULL;
}

/*
 * The condition that says that our revision failed, or NULL. Without rights on Revisions KServe's
 * copy of Knative's conditions tells it; that is ours when the revision's Deployment is.
 */
static const json_t *failed_condition(const struct rollout *rollout, const char **owner) {
    static const char *const types[] = {"LatestDeploymentReady", "PredictorConfigurationReady"};
    const char *revision = serverless_revision(rollout);
    const json_t *object = revision[0] != '\0' ? revision_object(rollout, revision) : NULL;
    if (object != NULL) {
        const json_t *condition = condition_of(object, "Ready");
        const char *reason = text_or_empty(json_text_at(condition, "reason", NULL));
        bool failed = condition_is(condition, "False") && !text_equal(reason, "Deploying") &&
                      !text_equal(reason, "NoTraffic") && carries_revision(rollout, object);
        *owner = "Revision";
        return failed ? condition : NULL;
    }
    const struct observed *deployment = serverless_deployment(rollout);
    const struct observed *service = store_service(rollout);
    bool ours = deployment != NULL &&
                carries_revision(rollout, json_at(deployment->object, "spec", "template", NULL));
    *owner = "InferenceService";
    for (size_t i = 0; i < array_length(types) && service != NULL && ours; i++) {
        const json_t *condition = condition_of(service->object, types[i]);
        if (condition_is(condition, "False") &&
            text_equal(json_text_at(condition, "reason", NULL), "RevisionFailed"))
            return condition;
    }
    return NULL;
}

/* 'Unable to fetch image "reg/x:1": …' to reg/x:1 */
static char *image_of(const char *message, struct error **err) {
    const char *quote = strchr(message, '"');
    const char *image = quote != NULL ? quote + 1 : "";
    return text_copy_bytes(image, strcspn(image, "\""), err);
}

struct table {
    const struct diagnosis_rule *rules; /* NULL: none */
    size_t count;
};

/* The table for what Knative copies from a container's status. */
static struct table table_of(const char *reason, const char *message) {
    static const struct {
        const char *text;
        bool image;
    } words[] = {
        {"ErrImagePull", true},       {"ImagePullBackOff", true},
        {"InvalidImageName", true},   {"CreateContainerConfigError", false},
        {"RunContainerError", false}, {"CreateContainerError", false},
    };
    bool image = text_contains(message, "Unable to fetch image");
    bool start = false;
    for (size_t i = 0; i < array_length(words); i++) {
        image = image || (words[i].image && text_equal(reason, words[i].text));
        start = start || (!words[i].image && text_equal(reason, words[i].text));
    }
    return image   ? (struct table){diagnose_image, diagnose_image_count}
           : start ? (struct table){diagnose_start, diagnose_start_count}
                   : (struct table){.rules = NULL};
}

static int diagnose_by(struct trouble *trouble, const struct rollout *rollout,
                       const struct table *table, const char *message, struct error **err) {
    cleanup_free char *image = image_of(message, err);
    cleanup_free char *origin =
        text_format(err, "the runtime%s%s", rollout->target.runtime[0] != '\0' ? " " : "",
                    rollout->target.runtime);
    const struct diagnosis_value values[] = {{"image", image},
                                             {"why", message},
                                             {"origin", origin},
                                             {"other", OTHER_RUNTIME},
                                             {"Container", "The model server"},
                                             {"container", "the model server"},
                                             {"limit", rollout->target.memory_limit}};
    return image == NULL || origin == NULL
               ? -1
               : trouble_diagnose(trouble, rollout, table->rules, table->count, message, values,
                                  array_length(values), err);
}

/* It ended without a last word: by its exit code ("ExitCode137"), or for its memory limit. */
static int diagnose_end(struct trouble *trouble, const struct rollout *rollout, const char *reason,
                        struct error **err) {
    static const char exit_code[] = "ExitCode";
    const struct diagnosis_value values[] = {{"Container", "The model server"},
                                             {"container", "the model server"},
                                             {"origin", "the runtime"},
                                             {"limit", rollout->target.memory_limit}};
    if (text_equal(reason, "OOMKilled"))
        return trouble_diagnose(trouble, rollout, diagnose_own, diagnose_own_count,
                                "OOMKilled " MODEL_CONTAINER, values, array_length(values), err);
    cleanup_free char *text = text_format(err, "exit %s; ", reason + sizeof(exit_code) - 1);
    return text == NULL ? -1
                        : trouble_diagnose(trouble, rollout, diagnose_exit, diagnose_exit_count,
                                           text, values, array_length(values), err);
}

static int diagnose_revision(struct trouble *trouble, const struct rollout *rollout,
                             const char *reason, const char *message, struct error **err) {
    static const char container[] = "Container failed with: ";
    bool late = text_equal(reason, "ProgressDeadlineExceeded") ||
                text_contains(message, "Initial scale was never achieved");
    const char *crash = strstr(message, container);
    if (crash != NULL && !late) {
        crash += sizeof(container) - 1;
        bool silent = crash[strspn(crash, " \t\r\n")] == '\0';
        if (text_equal(reason, "OOMKilled") || (silent && text_has_prefix(reason, "ExitCode")))
            return diagnose_end(trouble, rollout, reason, err);
        const char *place = telling_place(crash);
        cleanup_free char *line = place != NULL ? line_at(crash, place, err) : text_copy("", err);
        cleanup_free char *because =
            line != NULL ? text_format(err, "%s%s", line[0] != '\0' ? ": " : "", line) : NULL;
        const struct diagnosis_value values[] = {{"line", line}, {"because", because}};
        return because == NULL ? -1
                               : trouble_diagnose(trouble, rollout, diagnose_server,
                                                  diagnose_server_count, crash, values, 2, err);
    }
    bool refused = text_equal(reason, "FailedCreate") || text_contains(message, "is forbidden: ");
    if (!late && refused)
        return trouble_diagnose_refusal(trouble, rollout, diagnose_admission,
                                        diagnose_admission_count, message, err);
    const struct table table = late ? (struct table){.rules = NULL} : table_of(reason, message);
    if (table.rules != NULL)
        return diagnose_by(trouble, rollout, &table, message, err);
    const struct diagnosis_value values[] = {{"message", message}};
    return trouble_diagnose(trouble, rollout, diagnose_own, diagnose_own_count,
                            late ? "RevisionLate" : "RevisionFailed", values, 1, err);
}

int serverless_judge(struct judgement *judgement, struct error **err) {
    struct rollout *rollout = judgement->rollout;
    const struct observed *deployment = serverless_deployment(rollout);
    bool carried = deployment != NULL &&
                   carries_revision(rollout, json_at(deployment->object, "spec", "template", NULL));
    if (judge_nothing(judgement, carried, err) < 0)
        return -1;
    const char *owner = "";
    const json_t *condition = failed_condition(rollout, &owner);
    if (condition != NULL && !rollout->refused)
        rollout->refused_since_ms = judgement->now_ms;
    rollout->refused = condition != NULL;
    if (condition == NULL)
        return 0;
    const char *reason = text_or_empty(json_text_at(condition, "reason", NULL));
    const char *message = text_or_empty(json_text_at(condition, "message", NULL));
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_REVISION};
    if (diagnose_revision(&trouble, rollout, reason, message, err) < 0 ||
        evidence_add_condition(&trouble.evidence, owner, condition, err) < 0)
        return -1;
    bool waits = text_equal(reason, "Unschedulable") || text_contains(message, "Unschedulable");
    if (trouble.diagnosis.weight == DIAGNOSIS_FINAL) {
        trouble.final = true;
        trouble.failure = FAILURE_TERMINAL;
    } else if (waits) {
        trouble.failure = FAILURE_IMPATIENT;
        trouble.rank = RANK_REVISION_WAITS;
    } else {
        /* Knative tries again for as long as the revision has time */
        trouble.final =
            judgement_lasts(judgement, rollout->refused_since_ms, rollout->patience.refused_ms);
        trouble.rank = trouble.final ? RANK_REVISION : RANK_REVISION_WAITS;
    }
    judgement_consider(judgement, &trouble);
    return 0;
}
