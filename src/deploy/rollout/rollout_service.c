#include "rollout_private.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

/* Ranks of trouble: what an InferenceService itself tells comes before what its parts tell. */
enum {
    RANK_DELETED = 100,
    RANK_REPLACED = 95,
    RANK_CHANGED = 90,
    RANK_STOPPED = 85,
    RANK_FROZEN = 80,
    RANK_INVALID = 70,
    RANK_RECONCILE = 58,
    RANK_BLOCKED = 20,
    RANK_NOT_READY = 6,
};

/* An object without our mark may have been changed just now, and everything else be of before:
 * KServe acts within a second, an administrator's `kubectl apply` and `wait` are closer together.
 */
enum { SETTLE_MS = 4 * 1000 };

static const json_t *status_of(const struct observed *service) {
    return json_at(service->object, "status", NULL);
}

static bool differs(const json_t *now, const json_t *before) {
    return before == NULL ? json_object_size(now) > 0 : !json_equal(now, before);
}

bool service_status_is_ours(const struct rollout *rollout) {
    const struct observed *service = store_service(rollout);
    if (service == NULL)
        return false;
    const json_t *status = status_of(service);
    const struct rollout_target *target = &rollout->target;
    if (target->changed && target->status_before != NULL)
        return differs(status, target->status_before);
    /* The first generation of an object that was just created has no older status. */
    if (target->changed && json_integer_at(service->object, 1, "metadata", "generation", NULL) <= 1)
        return json_object_size(status) > 0;
    return service->first != NULL && differs(status, json_at(service->first, "status", NULL));
}

static const char *transition_of(const struct observed *service) {
    return text_or_empty(json_text_at(status_of(service), "modelStatus", "transitionStatus", NULL));
}

bool service_is_ready(const struct rollout *rollout) {
    const struct observed *service = store_service(rollout);
    if (service == NULL || !service->listed)
        return false;
    const json_t *object = service->object;
    return condition_is(condition_of(object, "Ready"), "True") &&
           !condition_is(condition_of(object, "PredictorReady"), "False") &&
           !condition_is(condition_of(object, "Stopped"), "True") &&
           !text_equal(transition_of(service), "InvalidSpec");
}

/* KServe 0.17 and later put what the API server refused into a condition. */
static const json_t *reconcile_failure(const struct observed *service) {
    const json_t *condition = condition_of(service->object, "PredictorReady");
    bool failed = condition_is(condition, "False") &&
                  text_equal(json_text_at(condition, "reason", NULL), "ReconcileFailed");
    return failed ? condition : NULL;
}

/* When somebody last wrote what KServe acts on, or the status (OF_STATUS), as managedFields tell;
 * -1: unknown. */
static int64_t last_write_ms(const json_t *object, bool of_status) {
    int64_t last = -1;
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_at(object, "metadata", "managedFields", NULL), index, entry) {
        int64_t at = time_parse_rfc3339(text_or_empty(json_text_at(entry, "time", NULL)));
        bool status = !text_is_empty(json_text_at(entry, "subresource", NULL));
        if (status == of_status && at > last)
            last = at;
    }
    return last;
}

/* KServe was seen to act. */
static bool deployment_has_changed(const struct rollout *rollout) {
    const struct observed *deployment =
        rollout->target.serverless ? serverless_deployment(rollout) : raw_deployment(rollout);
    return deployment != NULL &&
           json_integer_at(deployment->object, 0, "metadata", "generation", NULL) !=
               json_integer_at(deployment->first, 0, "metadata", "generation", NULL);
}

int64_t service_settles_ms(const struct rollout *rollout, int64_t now_ms) {
    const struct observed *service = store_service(rollout);
    if (service == NULL || wanted_hash(rollout)[0] != '\0' ||
        json_integer_at(service->object, 0, "metadata", "generation", NULL) <= 1 ||
        deployment_has_changed(rollout))
        return 0;
    int64_t written = last_write_ms(service->object, false);
    int64_t answered = last_write_ms(service->object, true);
    bool recent = written >= 0 && written > now_ms - SETTLE_MS && written < now_ms + SETTLE_MS;
    if (recent)
        return written + SETTLE_MS;
    /* Our clock may differ from the server's by minutes. By the server's own times KServe has not
     * answered yet: it gets as long from when that was seen. */
    return answered >= 0 && written >= answered ? service->last_ms + SETTLE_MS : 0;
}

static void track(bool is, bool *was, int64_t *since_ms, int64_t at_ms) {
    if (is && !*was)
        *since_ms = at_ms;
    *was = is;
}

void service_track(struct rollout *rollout, int64_t at_ms) {
    const struct observed *service = store_service(rollout);
    const char *transition = service != NULL ? transition_of(service) : "";
    track(text_equal(transition, "InvalidSpec"), &rollout->invalid, &rollout->invalid_since_ms,
          at_ms);
    track(text_equal(transition, "BlockedByFailedLoad"), &rollout->blocked,
          &rollout->blocked_since_ms, at_ms);
    track(service != NULL && reconcile_failure(service) != NULL, &rollout->reconcile_failed,
          &rollout->reconcile_failed_since_ms, at_ms);
    const struct observed *deployment =
        rollout->target.serverless ? serverless_deployment(rollout) : raw_deployment(rollout);
    track(deployment != NULL &&
              carries_revision(rollout, json_at(deployment->object, "spec", "template", NULL)),
          &rollout->carried, &rollout->carried_since_ms, at_ms);
}

/* A finding of ours, told by the row of diagnose_own for REASON. */
static int consider_own(struct judgement *judgement, const char *reason, int rank,
                        const struct diagnosis_value *values, size_t count, const char *evidence,
                        struct error **err) {
    cleanup_trouble struct trouble trouble = {
        .final = true, .failure = FAILURE_TERMINAL, .rank = rank};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_own, diagnose_own_count, reason,
                         values, count, err) < 0)
        return -1;
    if (evidence != NULL && evidence_add(&trouble.evidence, err, "%s", evidence) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* Who wrote last, as managedFields tell; "" when they do not. */
static const char *last_writer(const json_t *object) {
    const char *writer = "";
    const char *newest = "";
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_at(object, "metadata", "managedFields", NULL), index, entry) {
        const char *time = text_or_empty(json_text_at(entry, "time", NULL));
        if (!text_is_empty(json_text_at(entry, "subresource", NULL)) || strcmp(time, newest) < 0)
            continue;
        newest = time;
        writer = text_or_empty(json_text_at(entry, "manager", NULL));
    }
    return writer;
}

static bool differs_in(const json_t *before, const json_t *now, const char *field) {
    const json_t *left = json_object_get(before, field);
    const json_t *right = json_object_get(now, field);
    return left != right && (left == NULL || right == NULL || !json_equal(left, right));
}

/* The first field of the spec that differs between two copies, for the sentence. */
static const char *changed_field(const json_t *before, const json_t *now) {
    static const char *const of_model[] = {"storageUri", "runtime", "resources", "modelFormat",
                                           "protocolVersion"};
    static const char *const of_predictor[] = {"minReplicas", "maxReplicas", "hostIPC",
                                               "deploymentStrategy", "canaryTrafficPercent"};
    const json_t *old = json_at(before, "spec", "predictor", NULL);
    const json_t *new_ = json_at(now, "spec", "predictor", NULL);
    for (size_t i = 0; i < array_length(of_model); i++)
        if (differs_in(json_object_get(old, "model"), json_object_get(new_, "model"), of_model[i]))
            return of_model[i];
    for (size_t i = 0; i < array_length(of_predictor); i++)
        if (differs_in(old, new_, of_predictor[i]))
            return of_predictor[i];
    return "its spec";
}

/* Without a digest of what was applied (a transcript of an older version). */
static const char *changed_value(const struct rollout_target *target, const json_t *object) {
    const json_t *model = json_at(object, "spec", "predictor", "model", NULL);
    const char *uri = json_text_at(model, "storageUri", NULL);
    if (target->storage_uri[0] != '\0' && !text_equal(uri, target->storage_uri))
        return "storageUri";
    const char *runtime = json_text_at(model, "runtime", NULL);
    if (target->runtime[0] != '\0' && runtime != NULL && !text_equal(runtime, target->runtime))
        return "runtime";
    const json_t *limits = json_at(model, "resources", "limits", NULL);
    if (target->limits != NULL && limits != NULL && !json_equal(limits, target->limits))
        return "resources";
    return NULL;
}

/*
 * Somebody else's change that makes our revision never come, or not stay: another content hash, or
 * another spec. metadata.generation grows with each change of the spec, and only then; KServe's
 * controllers never write it.
 */
static const char *foreign_change(const struct rollout *rollout, const struct observed *service) {
    const struct rollout_target *target = &rollout->target;
    const json_t *object = service->object;
    int64_t generation = json_integer_at(object, 0, "metadata", "generation", NULL);
    if (generation < target->generation)
        return NULL;
    if (target->content_hash[0] != '\0' &&
        !text_equal(annotation_of(object, ANNOTATION_CONTENT_HASH), target->content_hash)) {
        /* A copy from before our own apply, or one without any version. */
        int64_t applied = 0;
        bool known = text_to_integer(target->resource_version, 0, INT64_MAX, &applied);
        bool earlier = known && service->version >= 0 && service->version < applied;
        bool removed = annotation_of(object, ANNOTATION_CONTENT_HASH)[0] == '\0';
        return earlier   ? NULL
               : removed ? "the mark of what was deployed is gone"
                         : "another revision was deployed";
    }
    if (target->generation == 0 || generation == target->generation)
        return NULL;
    const char *digest = text_or_empty(json_text_at(object, "specDigest", NULL));
    if (target->spec_digest[0] == '\0' || digest[0] == '\0')
        return changed_value(target, object);
    return text_equal(digest, target->spec_digest) ? NULL : changed_field(service->first, object);
}

static int judge_existence(struct judgement *judgement, const struct observed *service,
                           struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    if (rollout->service_gone)
        return consider_own(judgement, "Deleted", RANK_DELETED, NULL, 0,
                            "the InferenceService is no longer in the cluster", err);
    if (service == NULL)
        return 0;
    const json_t *object = service->object;
    const char *deletion = json_text_at(object, "metadata", "deletionTimestamp", NULL);
    const char *uid = text_or_empty(json_text_at(object, "metadata", "uid", NULL));
    if (rollout->target.uid[0] != '\0' && uid[0] != '\0' && !text_equal(uid, rollout->target.uid)) {
        cleanup_free char *evidence =
            text_format(err, "InferenceService %s has uid %s, ours had %s", rollout->target.name,
                        uid, rollout->target.uid);
        return evidence == NULL
                   ? -1
                   : consider_own(judgement, "Replaced", RANK_REPLACED, NULL, 0, evidence, err);
    }
    if (deletion != NULL) {
        cleanup_free char *evidence = text_format(err, "InferenceService %s: deletionTimestamp %s",
                                                  rollout->target.name, deletion);
        if (evidence == NULL)
            return -1;
        return consider_own(judgement, "BeingDeleted", RANK_DELETED, NULL, 0, evidence, err);
    }
    const char *what = foreign_change(rollout, service);
    if (what == NULL)
        return 0;
    const char *writer = last_writer(object);
    bool same_tool = text_equal(writer, FIELD_MANAGER);
    cleanup_free char *words = text_format(err, " (%s)", same_tool ? "another run" : writer);
    cleanup_free char *evidence = text_format(
        err, "InferenceService %s: generation %lld, ours was %lld%s%s", rollout->target.name,
        (long long)json_integer_at(object, 0, "metadata", "generation", NULL),
        (long long)rollout->target.generation, writer[0] != '\0' ? "; last written by " : "",
        writer);
    if (words == NULL || evidence == NULL)
        return -1;
    const struct diagnosis_value values[] = {{"what", what},
                                             {"writer_words", writer[0] != '\0' ? words : ""}};
    return consider_own(judgement, "ChangedByOther", RANK_CHANGED, values, 2, evidence, err);
}

static int judge_pauses(struct judgement *judgement, const struct observed *service,
                        struct error **err) {
    const json_t *object = service->object;
    if (text_equal(annotation_of(object, "serving.kserve.io/stop"), "true"))
        return consider_own(judgement, "Stopped", RANK_STOPPED, NULL, 0,
                            "annotation serving.kserve.io/stop=true", err);
    bool frozen =
        text_equal(annotation_of(object, "serving.kserve.io/disable-auto-update"), "true");
    const struct observed *deployment = raw_deployment(judgement->rollout);
    bool carried =
        deployment != NULL &&
        carries_revision(judgement->rollout, json_at(deployment->object, "spec", "template", NULL));
    if (frozen && judgement->rollout->target.changed && !carried &&
        service_is_ready(judgement->rollout))
        return consider_own(judgement, "AutoUpdateDisabled", RANK_FROZEN, NULL, 0,
                            "annotation serving.kserve.io/disable-auto-update=true", err);
    return 0;
}

/* It acted on our spec and failed: an event since, although the status reads as it did before. */
static bool controller_complains(const struct rollout *rollout, const struct observed *service) {
    static const char *const reasons[] = {"InternalError", NULL};
    const struct observed *event =
        event_about(rollout, json_text_at(service->object, "metadata", "uid", NULL), reasons);
    return event != NULL && event->live && !text_contains(event_message(event), "modified");
}

static int judge_invalid(struct judgement *judgement, const struct observed *service,
                         struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    if (!rollout->invalid)
        return 0;
    const json_t *info = json_at(status_of(service), "modelStatus", "lastFailureInfo", NULL);
    const char *reason = text_or_empty(json_text_at(info, "reason", NULL));
    const char *message = text_or_empty(json_text_at(info, "message", NULL));
    const json_t *model = json_at(service->object, "spec", "predictor", "model", NULL);
    cleanup_free char *text = text_format(err, "%s: %s", reason, message);
    if (text == NULL)
        return -1;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_TERMINAL, .rank = RANK_INVALID};
    trouble.final =
        service_status_is_ours(rollout) || controller_complains(rollout, service) ||
        judgement_lasts(judgement, rollout->invalid_since_ms, rollout->patience.invalid_grace_ms);
    const struct diagnosis_value values[] = {
        {"message", message},
        {"live_runtime", json_text_at(model, "runtime", NULL)},
        {"format", json_text_at(model, "modelFormat", "name", NULL)},
        {"protocol", json_text_at(model, "protocolVersion", NULL)},
    };
    if (trouble_diagnose(&trouble, rollout, diagnose_spec, diagnose_spec_count, text, values,
                         array_length(values), err) < 0 ||
        evidence_add(&trouble.evidence, err, "modelStatus InvalidSpec (%s): %s", reason, message) <
            0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

static int judge_reconcile(struct judgement *judgement, const struct observed *service,
                           struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const json_t *condition = reconcile_failure(service);
    if (condition == NULL)
        return 0;
    if (!service_status_is_ours(rollout) && rollout->target.changed)
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_TERMINAL, .rank = RANK_RECONCILE};
    if (trouble_diagnose_refusal(&trouble, rollout, diagnose_reconcile, diagnose_reconcile_count,
                                 json_text_at(condition, "message", NULL), err) < 0 ||
        evidence_add_condition(&trouble.evidence, "InferenceService", condition, err) < 0)
        return -1;
    if (trouble.diagnosis.weight >= DIAGNOSIS_DECIDED)
        trouble.final = true;
    if (trouble.diagnosis.weight == DIAGNOSIS_PERSISTENT &&
        judgement_lasts(judgement, rollout->reconcile_failed_since_ms,
                        rollout->patience.refused_ms)) {
        trouble.final = true;
        trouble.failure = FAILURE_REPEATED;
    }
    judgement_consider(judgement, &trouble);
    return 0;
}

/* KServe's own word on the pods: all there is when the pods cannot be read. */
static int judge_blocked(struct judgement *judgement, const struct observed *service,
                         struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    if (!rollout->blocked || !service_status_is_ours(rollout))
        return 0;
    const json_t *info = json_at(status_of(service), "modelStatus", "lastFailureInfo", NULL);
    const char *message = text_or_empty(json_text_at(info, "message", NULL));
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_BLOCKED};
    trouble.final =
        rollout->sets[ROLLOUT_POD].forbidden &&
        judgement_lasts(judgement, rollout->blocked_since_ms, rollout->patience.blocked_ms);
    bool storage = diagnose_match(diagnose_storage, diagnose_storage_count - 1, message) != NULL;
    const char *place = telling_place(message);
    cleanup_free char *line = place != NULL ? line_at(message, place, err) : text_copy("", err);
    cleanup_free char *because =
        line != NULL ? text_format(err, "%s%s", line[0] != '\0' ? ": " : "", line) : NULL;
    if (because == NULL)
        return -1;
    const struct diagnosis_value values[] = {
        {"line", line}, {"because", because}, {"limit", rollout->target.memory_limit}};
    if (trouble_diagnose(&trouble, rollout, storage ? diagnose_storage : diagnose_server,
                         storage ? diagnose_storage_count : diagnose_server_count, message, values,
                         array_length(values), err) < 0)
        return -1;
    if (evidence_add(&trouble.evidence, err, "modelStatus BlockedByFailedLoad (%s): %s",
                     text_or_empty(json_text_at(info, "reason", NULL)), message) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* "IngressReady is False (not created)", of the conditions that Ready is made of. */
static char *missing_conditions(const json_t *object, struct error **err) {
    static const char *const types[] = {"PredictorReady",   "IngressReady",   "RoutesReady",
                                        "TransformerReady", "ExplainerReady", "Ready"};
    for (size_t i = 0; i < array_length(types); i++) {
        const json_t *condition = condition_of(object, types[i]);
        const char *message = json_text_at(condition, "message", NULL);
        const char *reason = json_text_at(condition, "reason", NULL);
        const char *why = !text_is_empty(message) ? message : reason;
        if (condition != NULL && !condition_is(condition, "True"))
            return text_format(err, "%s is %s%s%s%s", types[i],
                               text_or_empty(json_text_at(condition, "status", NULL)),
                               text_is_empty(why) ? "" : " (", text_or_empty(why),
                               text_is_empty(why) ? "" : ")");
    }
    return text_copy("it has not said so yet", err);
}

/* All pods of this revision work, and still the service is not Ready. */
static int judge_not_ready(struct judgement *judgement, const struct observed *service,
                           struct error **err) {
    if (!judgement->rollout->proved || service_is_ready(judgement->rollout))
        return 0;
    cleanup_free char *what = missing_conditions(service->object, err);
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT, .rank = RANK_NOT_READY};
    const struct diagnosis_value values[] = {{"what", what}};
    if (what == NULL || trouble_diagnose(&trouble, judgement->rollout, diagnose_own,
                                         diagnose_own_count, "NotReady", values, 1, err) < 0)
        return -1;
    static const char *const types[] = {"Ready", "PredictorReady", "IngressReady", "RoutesReady"};
    for (size_t i = 0; i < array_length(types); i++)
        if (evidence_add_condition(&trouble.evidence, "InferenceService",
                                   condition_of(service->object, types[i]), err) < 0)
            return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}

int service_judge(struct judgement *judgement, struct error **err) {
    const struct observed *service = store_service(judgement->rollout);
    if (judge_existence(judgement, service, err) < 0)
        return -1;
    if (service == NULL || judgement->rollout->service_gone)
        return 0;
    if (judge_pauses(judgement, service, err) < 0 || judge_invalid(judgement, service, err) < 0 ||
        judge_reconcile(judgement, service, err) < 0 ||
        judge_not_ready(judgement, service, err) < 0)
        return -1;
    return judge_blocked(judgement, service, err);
}
