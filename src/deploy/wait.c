#include "deploy/wait.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/kserve_absence.h"
#include "deploy/patience.h"
#include "deploy/render.h"
#include "deploy/verify.h"
#include "deploy/watch_rollout.h"

int outcome_take_verdict(struct outcome *outcome, const struct verdict *verdict,
                         struct error **err) {
    if (!text_is_empty(verdict->address) &&
        outcome_set(&outcome->in_cluster_url, verdict->address, err) < 0)
        return -1;
    if (outcome_set(&outcome->out_cluster_url, verdict->url, err) < 0)
        return -1;
    if (verdict->state == ROLLOUT_READY)
        return 0;
    if (verdict->failure != FAILURE_NONE &&
        outcome_set(&outcome->failure_class, failure_class_name(verdict->failure), err) < 0)
        return -1;
    if (outcome_set(&outcome->reason, verdict->reason, err) < 0 ||
        outcome_set(&outcome->cause, verdict->cause, err) < 0 ||
        outcome_set(&outcome->hint, verdict->hint, err) < 0)
        return -1;
    for (size_t i = 0; i < verdict->evidence.count; i++)
        if (strings_add(&outcome->evidence, verdict->evidence.items[i], err) < 0)
            return -1;
    return 0;
}

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

struct rollout_target wait_target(const json_t *live, const char *name, const char *namespace_) {
    const json_t *predictor = json_at(live, "spec", "predictor", NULL);
    const json_t *annotations = json_at(live, "metadata", "annotations", NULL);
    const json_t *limits = json_at(predictor, "model", "resources", "limits", NULL);
    const char *mode = json_text_at(annotations, "serving.kserve.io/deploymentMode", NULL);
    const char *actual = json_text_at(live, "status", "deploymentMode", NULL);
    const char *effective = actual != NULL ? actual : or_empty(mode);
    return (struct rollout_target){
        .name = name,
        .namespace_ = namespace_,
        .uid = or_empty(json_text_at(live, "metadata", "uid", NULL)),
        .content_hash = or_empty(json_text_at(annotations, ANNOTATION_CONTENT_HASH, NULL)),
        .storage_uri = or_empty(json_text_at(predictor, "model", "storageUri", NULL)),
        .min_replicas = json_integer_at(predictor, 1, "minReplicas", NULL),
        .serverless = text_equal(effective, "Serverless") || text_equal(effective, "Knative"),
        .generation = json_integer_at(live, 0, "metadata", "generation", NULL),
        .changed = false,
        .runtime = or_empty(json_text_at(predictor, "model", "runtime", NULL)),
        .ephemeral_storage_size = or_empty(json_text_at(limits, "ephemeral-storage", NULL)),
        .memory_limit = or_empty(json_text_at(limits, "memory", NULL)),
        .gpu_memory = or_empty(json_text_at(limits, "nvidia.com/gpumem", NULL)),
        .pvc_name = or_empty(json_text_at(annotations, "storage-initializer-pvc-name", NULL)),
        .host_ipc = json_is_true_at(predictor, "hostIPC", NULL),
        .spec = json_at(live, "spec", NULL),
    };
}

static int note_live(struct outcome *outcome, const json_t *live,
                     const struct rollout_target *target, struct error **err) {
    const char *commit = json_text_at(live, "metadata", "annotations", ANNOTATION_COMMIT, NULL);
    const char *project = json_text_at(live, "metadata", "annotations", "aml-model-repo", NULL);
    cleanup_free char *in_cluster = text_format(err, "http://%s-predictor.%s.svc.cluster.local",
                                                target->name, target->namespace_);
    if (in_cluster == NULL || outcome_set(&outcome->in_cluster_url, in_cluster, err) < 0 ||
        outcome_set(&outcome->commit, commit, err) < 0 ||
        outcome_set(&outcome->project, project, err) < 0 ||
        outcome_set(&outcome->storage_uri, target->storage_uri, err) < 0 ||
        outcome_set(&outcome->runtime, target->runtime, err) < 0)
        return -1;
    return 0;
}

static void tell_reached(const struct wait_options *options) {
    static const char *const reached[] = {"is ready", "is deleted", "has failed"};
    options->observer->end(options->observer->user, STAGE_ROLLOUT, reached[options->wait_for]);
}

static int verify(struct outcome *outcome, const struct wait_options *options, const json_t *live,
                  const struct verify_identity *identity, struct error **err) {
    const char *protocol =
        json_text_at(live, "spec", "predictor", "model", "protocolVersion", NULL);
    const struct verify_stage stage = {
        .inputs = options->inputs,
        .identity = identity,
        .protocol = or_empty(protocol),
        .http = options->session->http,
        .observer = options->observer,
        .deps = options->deps,
        .deadline_ms = options->deadline_ms,
    };
    return verify_outcome(outcome, &stage, err);
}

static int follow(struct outcome *outcome, const struct wait_options *options, const json_t *live,
                  const struct verify_identity *identity, struct error **err) {
    const struct rollout_target target = wait_target(live, options->name, options->namespace_);
    if (note_live(outcome, live, &target, err) < 0)
        return -1;
    struct rollout_patience patience;
    if (patience_of(&patience, options->inputs, err) < 0)
        return -1;
    const struct rollout_options rollout = {.target = &target,
                                            .patience = &patience,
                                            .observer = options->observer,
                                            .deadline_ms = options->deadline_ms,
                                            .record = options->record,
                                            .record_user = options->record_user,
                                            .until_deleted = options->wait_for == WAIT_FOR_DELETED};
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    struct error *failure = NULL;
    int result = rollout_wait(&verdict, options->session->kube, &rollout, options->deps, &failure);
    if (outcome_take_verdict(outcome, &verdict, err) < 0) {
        error_free(failure);
        verdict_free(&verdict);
        return -1;
    }
    bool ready = verdict.state == ROLLOUT_READY;
    bool wanted = options->wait_for == WAIT_FOR_FAILED ? !ready : ready;
    if (result < 0)
        result = error_take(err, failure);
    else if (!wanted && ready)
        result = error_new(err, ERROR_ROLLOUT, "%s/%s did not fail: it is ready",
                           options->namespace_, options->name);
    else if (!wanted) {
        result = error_new(err, ERROR_ROLLOUT, "the rollout of %s/%s failed: %s",
                           options->namespace_, options->name, verdict.cause);
        if (!text_is_empty(verdict.hint))
            error_hint(err, "%s", verdict.hint);
    } else {
        tell_reached(options);
    }
    if (result == 0 && options->wait_for == WAIT_FOR_READY)
        result = verify(outcome, options, live, identity, err);
    verdict_free(&verdict);
    return result;
}

/* Takes MISSING: the object, or KServe itself, is not there, or may not be read. */
static int refuse_missing(const struct wait_options *options, struct error *missing,
                          struct error **err) {
    if (kserve_explain_absence(missing, options->session, options->namespace_, options->deadline_ms,
                               err) < 0) {
        error_free(missing);
        return -1;
    }
    if (error_has_reason(missing, "NotFound"))
        error_hint(&missing, "kubectl get inferenceservices -n %s lists those that there are",
                   options->namespace_);
    return error_take(err, missing);
}

int wait_for_service(struct outcome *outcome, const struct wait_options *options,
                     struct error **err) {
    const struct observer *observer = options->observer;
    if (outcome_set(&outcome->name, options->name, err) < 0 ||
        outcome_set(&outcome->namespace_, options->namespace_, err) < 0)
        return -1;
    observer->begin(observer->user, STAGE_ROLLOUT, "reading the InferenceService");
    const struct kube_request request = {.verb = "get",
                                         .resource = &kube_inference_services,
                                         .namespace_ = options->namespace_,
                                         .name = options->name};
    cleanup_json json_t *live = NULL;
    struct error *missing = NULL;
    int result = kube_call(&live, options->session->kube, &request, options->deadline_ms, &missing);
    bool gone = result < 0 && error_has_reason(missing, "NotFound");
    if (gone && options->wait_for == WAIT_FOR_DELETED) {
        error_free(missing);
        tell_reached(options);
        result = 0;
    } else if (result < 0) {
        return refuse_missing(options, missing, err);
    } else {
        struct verify_identity identity = {.ca_pem = NULL};
        result = verify_identity_read(&identity, options->inputs, options->deps, err);
        if (result == 0)
            result = follow(outcome, options, live, &identity, err);
        verify_identity_free(&identity);
    }
    return result;
}
