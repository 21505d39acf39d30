#include "deploy/deploy.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/patience.h"
#include "deploy/rollback.h"
#include "deploy/verify.h"
#include "deploy/wait.h"
#include "deploy/watch_rollout.h"
#include "kube/apply.h"

#include <string.h>

enum {
    /* what is kept of the deadline for diagnosis, results and the exit */
    REPORT_RESERVE_MS = 500,
};

struct run {
    const struct deploy_options *options;
    struct outcome *outcome;
    struct verify_identity identity;
    struct preparation preparation;
    struct kube_applied applied;
    struct verdict verdict;
    int64_t deadline_ms;
};

static void run_free(struct run *run) {
    verdict_free(&run->verdict);
    kube_applied_free(&run->applied);
    preparation_free(&run->preparation);
    verify_identity_free(&run->identity);
}

/* ---- what the outcome learns on the way ---- */

static int note_preparation(struct run *run, struct error **err) {
    struct outcome *outcome = run->outcome;
    const struct model *model = &run->preparation.model;
    cleanup_free char *ref = !text_is_empty(model->tag) ? text_format(err, "tag %s", model->tag)
                             : !text_is_empty(model->branch)
                                 ? text_format(err, "branch %s", model->branch)
                                 : text_copy("", err);
    if (ref == NULL)
        return -1;
    const char *storage_uri = !text_is_empty(model->storage_uri) ? model->storage_uri : "";
    if (outcome_set(&outcome->ref, ref, err) < 0 ||
        outcome_set(&outcome->project, text_is_empty(model->path) ? storage_uri : model->path,
                    err) < 0 ||
        outcome_set(&outcome->commit, model->commit, err) < 0 ||
        outcome_set(&outcome->git_url, model->git_url, err) < 0 ||
        outcome_set(&outcome->storage_uri, storage_uri, err) < 0 ||
        outcome_set(&outcome->runtime, run->preparation.plan.runtime.name, err) < 0)
        return -1;
    return 0;
}

/* ---- apply ---- */

static int apply_document(struct run *run, struct error **err) {
    const struct deploy_options *options = run->options;
    const struct observer *observer = options->observer;
    const struct cluster_facts *facts = &run->preparation.facts;
    const struct document *document = &run->preparation.document;
    observer->begin(observer->user, STAGE_APPLY, "applying");
    const struct kube_apply apply = {
        .resource = &kube_inference_services,
        .namespace_ = options->inputs->namespace_,
        .name = options->inputs->name,
        .document = document->object,
        .live = facts->live,
        .list_resource_version = facts->list_resource_version,
        .manager = FIELD_MANAGER,
        .create_only = !options->inputs->update_if_exists,
        .migration_operations = document->migration_operations,
    };
    if (kube_apply(&run->applied, options->session->kube, &apply, run->deadline_ms, err) < 0)
        return -1;
    run->outcome->applied = true;
    run->outcome->changed = run->applied.created || run->applied.changed;
    for (size_t i = 0; i < run->applied.warnings.count; i++)
        observer->warning(observer->user, run->applied.warnings.items[i]);
    cleanup_free char *found =
        text_format(err, "%s%s, content %.12s",
                    run->applied.created   ? "created"
                    : run->applied.changed ? "updated"
                                           : "unchanged",
                    run->applied.migrated ? " (fields of kubectl apply taken over)" : "",
                    document->content_hash);
    if (found == NULL)
        return -1;
    observer->end(observer->user, STAGE_APPLY, found);
    return 0;
}

/* ---- rollout ---- */

static struct rollout_target target_of(const struct run *run) {
    const struct inputs *inputs = run->options->inputs;
    const json_t *object = run->applied.object;
    return (struct rollout_target){
        .name = inputs->name,
        .namespace_ = inputs->namespace_,
        .uid = json_text_at(object, "metadata", "uid", NULL),
        .resource_version = json_text_at(object, "metadata", "resourceVersion", NULL),
        .content_hash = run->preparation.document.content_hash,
        .storage_uri = json_text_at(run->preparation.document.object, "spec", "predictor", "model",
                                    "storageUri", NULL),
        .min_replicas = inputs->min_replicas,
        .serverless = inputs->serverless,
        .generation = json_integer_at(object, 0, "metadata", "generation", NULL),
        .changed = run->outcome->changed,
        .runtime = run->preparation.plan.runtime.name,
        .ephemeral_storage_size = inputs->ephemeral_storage_size,
        .memory_limit = inputs->memory_limit,
        .gpu_memory = inputs->gpu_memory,
        .pvc_name = inputs->pvc_name,
        .host_ipc = inputs->host_ipc,
        .limits = json_at(run->preparation.document.object, "spec", "predictor", "model",
                          "resources", "limits", NULL),
        .runtime_limits = json_at(runtime_container(run->preparation.plan.runtime.runtime),
                                  "resources", "limits", NULL),
        .spec = json_at(object, "spec", NULL),
        .status_before = json_at(object, "status", NULL),
    };
}

static int wait_for_rollout(struct run *run, struct error **err) {
    const struct deploy_options *options = run->options;
    const struct observer *observer = options->observer;
    observer->begin(observer->user, STAGE_ROLLOUT, "waiting for this revision to serve");
    const struct rollout_target target = target_of(run);
    struct rollout_patience patience;
    if (patience_of(&patience, options->inputs, err) < 0)
        return -1;
    const struct rollout_options wait = {
        .target = &target,
        .patience = &patience,
        .observer = observer,
        .deadline_ms = run->deadline_ms - REPORT_RESERVE_MS,
        .record = options->record,
        .record_user = options->record_user,
    };
    struct error *failure = NULL;
    int result =
        rollout_wait(&run->verdict, options->session->kube, &wait, options->deps, &failure);
    if (outcome_take_verdict(run->outcome, &run->verdict, err) < 0) {
        error_free(failure);
        return -1;
    }
    if (result < 0)
        return error_take(err, failure);
    if (run->verdict.state != ROLLOUT_READY) {
        error_new(err, ERROR_ROLLOUT, "the rollout of %s/%s failed: %s",
                  options->inputs->namespace_, options->inputs->name, run->verdict.cause);
        return text_is_empty(run->verdict.hint) ? -1 : error_hint(err, "%s", run->verdict.hint);
    }
    cleanup_free char *found =
        text_format(err, "ready: %lld of %lld replicas of this revision serve",
                    (long long)run->verdict.replicas_ready, (long long)run->verdict.replicas_new);
    if (found == NULL)
        return -1;
    observer->end(observer->user, STAGE_ROLLOUT, found);
    return 0;
}

/* ---- rollback ---- */

/* A rollout that failed or took too long; not one that was canceled, or could not be watched. */
static void roll_back(struct run *run, const struct error *failure) {
    bool failed =
        failure != NULL && (failure->kind == ERROR_ROLLOUT || failure->kind == ERROR_DEADLINE);
    if (!failed || run->options->inputs->on_failure != ON_FAILURE_ROLLBACK)
        return;
    const struct rollback rollback = {
        .session = run->options->session,
        .observer = run->options->observer,
        .deps = run->options->deps,
        .name = run->options->inputs->name,
        .namespace_ = run->options->inputs->namespace_,
        .before = run->preparation.facts.live,
        .applied = run->applied.object,
        .changed = run->outcome->changed,
    };
    rollback_run(run->outcome, &rollback);
}

/* ---- verify ---- */

static int verify(struct run *run, struct error **err) {
    const struct deploy_options *options = run->options;
    const struct verify_stage stage = {
        .inputs = options->inputs,
        .identity = &run->identity,
        .protocol = run->preparation.plan.runtime.protocol,
        .http = options->session->http,
        .observer = options->observer,
        .deps = options->deps,
        .deadline_ms = run->deadline_ms - REPORT_RESERVE_MS,
    };
    return verify_outcome(run->outcome, &stage, err);
}

/* ---- the run ---- */

static int start_outcome(struct run *run, struct error **err) {
    const struct inputs *inputs = run->options->inputs;
    cleanup_free char *in_cluster = text_format(err, "http://%s-predictor.%s.svc.cluster.local",
                                                inputs->name, inputs->namespace_);
    if (in_cluster == NULL || outcome_set(&run->outcome->name, inputs->name, err) < 0 ||
        outcome_set(&run->outcome->namespace_, inputs->namespace_, err) < 0 ||
        outcome_set(&run->outcome->in_cluster_url, in_cluster, err) < 0)
        return -1;
    return 0;
}

static int run_stages(struct run *run, struct error **err) {
    const struct deploy_options *options = run->options;
    if (start_outcome(run, err) < 0 ||
        verify_identity_read(&run->identity, options->inputs, options->deps, err) < 0)
        return -1;
    const struct prepare_context context = {.session = options->session,
                                            .inputs = options->inputs,
                                            .observer = options->observer,
                                            .deps = options->deps,
                                            .request_timeout_ms = options->request_timeout_ms,
                                            .deadline_ms = run->deadline_ms};
    int prepared = prepare(&run->preparation, &context, err);
    if (note_preparation(run, err) < 0 || prepared < 0)
        return -1;
    if (apply_document(run, err) < 0)
        return -1;
    struct error *failure = NULL;
    int result = wait_for_rollout(run, &failure);
    bool waited = result == 0;
    if (waited)
        result = verify(run, &failure);
    if (result == 0)
        return 0;
    /* a service that cannot be asked (a certificate) says nothing against the revision */
    bool unasked = waited && failure != NULL && failure->kind != ERROR_DEADLINE;
    if (!unasked)
        roll_back(run, failure);
    return error_take(err, failure);
}

int deploy(struct outcome *outcome, const struct deploy_options *options, struct error **err) {
    struct run run = {.options = options,
                      .outcome = outcome,
                      .deadline_ms = options->started_ms + options->inputs->timeout_ms};
    struct error *failure = NULL;
    int result = run_stages(&run, &failure);
    outcome->took_ms = clock_now(options->deps->clock) - options->started_ms;
    if (result == 0)
        outcome->state = OUTCOME_READY;
    else if (failure != NULL)
        outcome_set_error(outcome, failure, NULL);
    run_free(&run);
    return result < 0 ? error_take(err, failure) : 0;
}
