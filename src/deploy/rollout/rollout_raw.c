#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum {
    RANK_NOT_REMOVED = 60,
    RANK_REFUSED = 55,
    RANK_NOTHING = 10,
    RANK_PAUSED = 30,
    RANK_FEWER = 7,
    RANK_SLOW = 5,
};

static const json_t *template_of(const struct observed *deployment) {
    return json_at(deployment->object, "spec", "template", NULL);
}

static bool is_of_service(const struct rollout *rollout, const json_t *deployment) {
    if (label_of(deployment, LABEL_REVISION)[0] != '\0')
        return false;
    const struct observed *service = store_service(rollout);
    const char *uid =
        service != NULL ? json_text_at(service->object, "metadata", "uid", NULL) : NULL;
    const json_t *owners = json_at(deployment, "metadata", "ownerReferences", NULL);
    return uid == NULL || json_array_size(owners) == 0 || is_owned_by(deployment, uid);
}

/* KServe <= 0.10 named it NAME-predictor-default, and 0.11-0.15 keep that name for objects that
 * have it. */
static bool is_predictor(const struct rollout *rollout, const json_t *deployment) {
    const char *name = json_text_at(deployment, "metadata", "name", NULL);
    size_t length = strlen(rollout->target.name);
    if (!text_has_prefix(name, rollout->target.name))
        return false;
    return text_equal(name + length, "-predictor") ||
           text_equal(name + length, "-predictor-default");
}

const struct observed *raw_deployment(const struct rollout *rollout) {
    const struct observed_set *set = &rollout->sets[ROLLOUT_DEPLOYMENT];
    const struct observed *found = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct observed *item = &set->items[i];
        if (item->object == NULL || !is_predictor(rollout, item->object) ||
            !is_of_service(rollout, item->object))
            continue;
        if (found == NULL || carries_revision(rollout, template_of(item)))
            found = item;
    }
    return found;
}

int64_t deployment_replicas(const json_t *deployment) {
    return count_of(json_integer_at(deployment, 1, "spec", "replicas", NULL));
}

/* The Deployment's controller has seen the newest template, and its status is about that. */
static bool is_seen(const json_t *deployment) {
    return json_integer_at(deployment, -1, "status", "observedGeneration", NULL) >=
           json_integer_at(deployment, 0, "metadata", "generation", NULL);
}

/* Source: kubectl pkg/polymorphichelpers/rollout_status.go DeploymentStatusViewer. */
bool deployment_is_complete(const json_t *deployment, int64_t least) {
    const json_t *status = json_at(deployment, "status", NULL);
    int64_t wanted = deployment_replicas(deployment);
    int64_t updated = json_integer_at(status, 0, "updatedReplicas", NULL);
    return !is_being_deleted(deployment) && wanted >= least && is_seen(deployment) &&
           updated == wanted && json_integer_at(status, 0, "replicas", NULL) == updated &&
           json_integer_at(status, 0, "availableReplicas", NULL) == updated &&
           json_integer_at(status, 0, "unavailableReplicas", NULL) == 0;
}

/*
 * The Deployment starts with one replica and the HorizontalPodAutoscaler raises it (kserve issue
 * 3768), so "complete at 1/1" is not the end. An external autoscaler or KEDA decides for itself.
 */
static int64_t least_replicas(const struct rollout *rollout) {
    const struct observed *service = store_service(rollout);
    const char *class_ =
        service != NULL ? annotation_of(service->object, "serving.kserve.io/autoscalerClass") : "";
    if (text_equal(class_, "keda"))
        return rollout->target.min_replicas;
    if (text_equal(class_, "external"))
        return 1;
    return rollout->target.min_replicas > 1 ? rollout->target.min_replicas : 1;
}

/* The first extended resource (a GPU above all), disk limit or hostIPC that the Deployment has and
 * our spec has not; NULL when none. */
static const char *left_over(const struct rollout *rollout, const json_t *deployment) {
    const struct rollout_target *target = &rollout->target;
    const json_t *spec = json_at(deployment, "spec", "template", "spec", NULL);
    if (target->changed && target->generation == 1)
        return NULL; /* just created */
    if (target->content_hash[0] != '\0' && !target->host_ipc &&
        json_is_true_at(spec, "hostIPC", NULL))
        return "hostIPC";
    if (target->limits == NULL)
        return NULL;
    json_t *container = named_in(json_at(spec, "containers", NULL), MODEL_CONTAINER);
    json_t *limits = json_at(container, "resources", "limits", NULL);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(limits, name, value) {
        bool matters = strchr(name, '/') != NULL || text_equal(name, "ephemeral-storage");
        if (matters && json_object_get(target->limits, name) == NULL &&
            json_object_get(target->runtime_limits, name) == NULL)
            return name;
    }
    return NULL;
}

/* A Deployment that KServe has not brought to our revision: annotations go to all of them. */
static bool lacks_hash(const struct rollout *rollout, const json_t *deployment) {
    const char *hash = wanted_hash(rollout);
    return hash[0] != '\0' &&
           !text_equal(annotation_of(json_at(deployment, "spec", "template", NULL),
                                     ANNOTATION_CONTENT_HASH),
                       hash);
}

/* Transformer, explainer and worker Deployments of a service: of this revision and complete too. */
static bool others_are_complete(const struct rollout *rollout, const struct observed *predictor) {
    const struct observed_set *set = &rollout->sets[ROLLOUT_DEPLOYMENT];
    for (size_t i = 0; i < set->count; i++) {
        const struct observed *item = &set->items[i];
        if (item == predictor || item->object == NULL || is_predictor(rollout, item->object) ||
            !is_of_service(rollout, item->object))
            continue;
        if (!deployment_is_complete(item->object, 0) ||
            (deployment_replicas(item->object) > 0 && lacks_hash(rollout, item->object)))
            return false;
    }
    return true;
}

bool raw_is_proved(const struct rollout *rollout, int64_t *version) {
    const struct observed *deployment = raw_deployment(rollout);
    if (deployment == NULL || !deployment->listed ||
        !carries_revision(rollout, template_of(deployment)) ||
        !deployment_is_complete(deployment->object, least_replicas(rollout)) ||
        left_over(rollout, deployment->object) != NULL || !others_are_complete(rollout, deployment))
        return false;
    *version = deployment->version;
    return true;
}

static int judge_left_over(struct judgement *judgement, const struct observed *deployment,
                           struct error **err) {
    const char *what = left_over(judgement->rollout, deployment->object);
    if (what == NULL)
        return 0;
    cleanup_trouble struct trouble trouble = {
        .final = true, .failure = FAILURE_TERMINAL, .rank = RANK_NOT_REMOVED};
    const struct diagnosis_value values[] = {
        {"what", what}, {"deployment", json_text_at(deployment->object, "metadata", "name", NULL)}};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_own, diagnose_own_count,
                         "FieldNotRemoved", values, array_length(values), err) < 0 ||
        evidence_add(&trouble.evidence, err, "Deployment %s of this revision still has %s",
                     text_or_empty(values[1].value), what) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* The Deployment shows an old ReplicaSet's failure when the new one has none (deployment_util.go).
 */
static const json_t *replica_failure(const struct rollout *rollout,
                                     const struct observed *deployment,
                                     const struct observed *replica_set) {
    if (replica_set != NULL)
        return condition_of(replica_set->object, "ReplicaFailure");
    if (!is_seen(deployment->object))
        return NULL;
    const json_t *condition = condition_of(deployment->object, "ReplicaFailure");
    bool was_ours = carries_revision(rollout, json_at(deployment->first, "spec", "template", NULL));
    const json_t *before = condition_of(deployment->first, "ReplicaFailure");
    bool is_old =
        !was_ours && before != NULL &&
        text_equal(json_text_at(before, "message", NULL), json_text_at(condition, "message", NULL));
    return is_old ? NULL : condition;
}

static bool has_old_pods(const struct rollout *rollout, const struct observed *deployment) {
    const json_t *status = json_at(deployment->object, "status", NULL);
    if (json_integer_at(status, 0, "replicas", NULL) >
        json_integer_at(status, 0, "updatedReplicas", NULL))
        return true;
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    for (size_t i = 0; i < pods->count; i++)
        if (pods->items[i].object != NULL && !pod_is_new(rollout, pods->items[i].object))
            return true;
    return false;
}

/* The condition keeps the first error while its reason stays; an event has the newest. */
static const char *refusal_text(const struct rollout *rollout, const json_t *condition,
                                const struct observed *replica_set, const struct observed **event) {
    static const char *const reasons[] = {"FailedCreate", NULL};
    *event = replica_set != NULL
                 ? event_about(rollout, json_text_at(replica_set->object, "metadata", "uid", NULL),
                               reasons)
                 : NULL;
    const char *text = *event != NULL ? event_message(*event) : NULL;
    return !text_is_empty(text) ? text : text_or_empty(json_text_at(condition, "message", NULL));
}

static int judge_refusal(struct judgement *judgement, const struct observed *deployment,
                         struct error **err) {
    struct rollout *rollout = judgement->rollout;
    const struct observed *replica_set = newest_replica_set(rollout, deployment);
    const json_t *condition = replica_failure(rollout, deployment, replica_set);
    bool refused = condition_is(condition, "True");
    if (refused && !rollout->refused)
        rollout->refused_since_ms = judgement->now_ms;
    rollout->refused = refused;
    if (!refused)
        return 0;
    const struct observed *event = NULL;
    const char *text = refusal_text(rollout, condition, replica_set, &event);
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_TERMINAL, .rank = RANK_REFUSED};
    if (trouble_diagnose_refusal(&trouble, rollout, diagnose_admission, diagnose_admission_count,
                                 text, err) < 0)
        return -1;
    enum diagnosis_weight weight = trouble.diagnosis.weight;
    /* What an old pod of the service holds of a quota may come free. */
    if (weight == DIAGNOSIS_DECIDED)
        weight = has_old_pods(rollout, deployment) ? DIAGNOSIS_PERSISTENT : DIAGNOSIS_FINAL;
    trouble.final = weight == DIAGNOSIS_FINAL;
    if (weight == DIAGNOSIS_PERSISTENT &&
        judgement_lasts(judgement, rollout->refused_since_ms, rollout->patience.refused_ms)) {
        trouble.final = true;
        trouble.failure = FAILURE_REPEATED;
    }
    if (evidence_add_condition(&trouble.evidence, replica_set != NULL ? "ReplicaSet" : "Deployment",
                               condition, err) < 0)
        return -1;
    if (event != NULL &&
        evidence_add(&trouble.evidence, err, "event FailedCreate: %s", event_message(event)) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

static int consider_waiting(struct judgement *judgement, const char *reason, int rank,
                            const struct observed *deployment, const json_t *condition,
                            struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    char now[24] = "";
    char least[24];
    (void)snprintf(least, sizeof(least), "%lld", (long long)least_replicas(rollout));
    if (deployment != NULL)
        (void)snprintf(now, sizeof(now), "%lld",
                       (long long)deployment_replicas(deployment->object));
    const struct diagnosis_value values[] = {
        {"deployment",
         deployment != NULL ? json_text_at(deployment->object, "metadata", "name", NULL) : NULL},
        {"now", now},
        {"least", least}};
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT, .rank = rank};
    if (trouble_diagnose(&trouble, rollout, diagnose_own, diagnose_own_count, reason, values,
                         array_length(values), err) < 0 ||
        evidence_add_condition(&trouble.evidence, "Deployment", condition, err) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

int judge_nothing(struct judgement *judgement, bool carried, struct error **err) {
    struct rollout *rollout = judgement->rollout;
    bool nothing = !carried && store_is_complete(rollout) && store_service(rollout) != NULL;
    if (nothing && !rollout->nothing)
        rollout->nothing_since_ms = judgement->now_ms;
    rollout->nothing = nothing;
    if (!nothing || !judgement_lasts(judgement, rollout->nothing_since_ms,
                                     rollout->patience.created_nothing_ms))
        return 0;
    const char *reason = rollout->target.serverless ? "NoRevision" : "NothingCreated";
    return consider_waiting(judgement, reason, RANK_NOTHING, NULL, NULL, err);
}

/* The Deployment's controller could not even make the ReplicaSet. */
static int judge_no_replica_set(struct judgement *judgement, const json_t *progressing,
                                struct error **err) {
    const char *message = text_or_empty(json_text_at(progressing, "message", NULL));
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_TERMINAL, .rank = RANK_REFUSED};
    if (trouble_diagnose_refusal(&trouble, judgement->rollout, diagnose_admission,
                                 diagnose_admission_count, message, err) < 0 ||
        evidence_add_condition(&trouble.evidence, "Deployment", progressing, err) < 0)
        return -1;
    trouble.final = trouble.diagnosis.weight >= DIAGNOSIS_DECIDED;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* What keeps a Deployment from being complete without being a failure. */
static int judge_slowness(struct judgement *judgement, const struct observed *deployment,
                          struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const json_t *object = deployment->object;
    int64_t wanted = deployment_replicas(object);
    if (json_is_true_at(object, "spec", "paused", NULL) &&
        consider_waiting(judgement, "DeploymentPaused", RANK_PAUSED, deployment, NULL, err) < 0)
        return -1;
    if (wanted == 0 &&
        consider_waiting(judgement, "ScaledToZero", RANK_FEWER, deployment, NULL, err) < 0)
        return -1;
    if (wanted > 0 && wanted < least_replicas(rollout) && deployment_is_complete(object, 0) &&
        consider_waiting(judgement, "FewerReplicas", RANK_FEWER, deployment, NULL, err) < 0)
        return -1;
    const json_t *progressing = condition_of(object, "Progressing");
    /* the condition is of the template before until the controller has seen the new one */
    if (!condition_is(progressing, "False") || !is_seen(object))
        return 0;
    if (text_equal(json_text_at(progressing, "reason", NULL), "ReplicaSetCreateError"))
        return judge_no_replica_set(judgement, progressing, err);
    /* KServe fixes progressDeadlineSeconds at 600, which a model's download often exceeds: no
     * failure. */
    return consider_waiting(judgement, "ProgressDeadlineExceeded", RANK_SLOW, deployment,
                            progressing, err);
}

int raw_judge(struct judgement *judgement, struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const struct observed *deployment = raw_deployment(rollout);
    bool carried = deployment != NULL && carries_revision(rollout, template_of(deployment));
    if (judge_nothing(judgement, carried, err) < 0)
        return -1;
    if (!carried)
        return 0;
    if (judge_left_over(judgement, deployment, err) < 0 ||
        judge_refusal(judgement, deployment, err) < 0)
        return -1;
    return judge_slowness(judgement, deployment, err);
}
