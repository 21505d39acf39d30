#include "deploy/deploy.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/model_check.h"
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
    /* how long the end waits for a model check that is still under way */
    CHECK_GRACE_MS = 1000,
};

struct run {
    const struct deploy_options *options;
    struct outcome *outcome;
    struct verify_identity identity;
    struct preparation preparation;
    struct kube_applied applied;
    struct verdict verdict;
    struct model_check_run *check; /* NULL: MODEL_CHECK=off, or it is over */
    bool check_shown;
    int64_t deadline_ms;
};

static void run_free(struct run *run) {
    model_check_free(run->check);
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

/* ---- the model check, beside the rest ---- */

static int start_check(struct run *run, struct error **err) {
    const struct deploy_options *options = run->options;
    struct preparation *preparation = &run->preparation;
    if (options->inputs->model_check == MODEL_CHECK_OFF)
        return 0;
    const struct model_check check = {
        .inputs = options->inputs,
        .model = &preparation->model,
        .gitlab = &preparation->facts.gitlab,
        .runtime = preparation->plan.runtime.runtime,
        .http = options->session->http,
        .deps = options->deps,
        .request_timeout_ms = options->request_timeout_ms,
        .deadline_ms = run->deadline_ms,
        .card_bytes = -1,
        .volume_bytes = preparation->facts.claim_bytes,
        .volume_problem = preparation->facts.claim_problem,
    };
    return model_check_start(&run->check, &check, err);
}

/* Nothing that goes wrong with the check may end a run that does not ask for it. */
static void give_up_check(struct run *run, struct error *failure) {
    log_debug(run->options->deps->log, "the model check ended: %s",
              failure != NULL ? failure->message : "");
    error_free(failure);
    model_check_free(run->check);
    run->check = NULL;
}

/* Shows what was found as soon as it is. For rollout_options.beside. */
static int watch_check(void *user, struct error **err) {
    (void)err;
    struct run *run = user;
    if (run->check == NULL || run->check_shown)
        return 0;
    struct error *failure = NULL;
    int step = model_check_step(run->check, &failure);
    if (step == 1) {
        run->check_shown = true;
        step = model_check_show(model_check_report(run->check), run->options->observer, &failure);
    }
    if (step < 0)
        give_up_check(run, failure);
    return 0;
}

/* The rollout is over: what is known soon is still shown. */
static void end_check(struct run *run) {
    struct error *failure = NULL;
    if (run->check == NULL || run->check_shown)
        return;
    int64_t left = run->deadline_ms - REPORT_RESERVE_MS - clock_now(run->options->deps->clock);
    int64_t grace = left < 0 ? 0 : left < CHECK_GRACE_MS ? left : CHECK_GRACE_MS;
    if (model_check_wait(run->check, grace, &failure) < 0)
        give_up_check(run, failure);
    else
        (void)watch_check(run, NULL);
}

/* MODEL_CHECK=fail: before anything is applied. */
static int pass_check(struct run *run, struct error **err) {
    if (run->options->inputs->model_check != MODEL_CHECK_FAIL)
        return 0;
    if (start_check(run, err) < 0)
        return -1;
    if (model_check_wait(run->check, INT32_MAX, err) < 0)
        return -1;
    run->check_shown = true;
    return model_check_decide(model_check_report(run->check), run->options->observer, err);
}

/* The hint of a rollout that failed or is late, with what the check knows about it. Always -1. */
static int hint_at_failure(struct run *run, const char *hint, struct error **err) {
    cleanup_free char *found =
        run->check != NULL
            ? model_check_explain(model_check_report(run->check), run->verdict.reason)
            : NULL;
    bool has_hint = !text_is_empty(hint);
    if (found == NULL)
        return has_hint ? error_hint(err, "%s", hint) : -1;
    cleanup_free char *both =
        text_format(NULL, "%s%s%s", has_hint ? hint : "", has_hint ? " " : "", found);
    if (both == NULL || outcome_set(&run->outcome->hint, both, NULL) < 0)
        return -1;
    return error_hint(err, "%s", both);
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

/* KServe 0.14 leaves fields that are no longer asked for on the Deployment; 0.16 never does. */
static bool may_leave_fields(const struct run *run) {
    return run->preparation.facts.kserve != KSERVE_NEW_MODES;
}

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
        .limits = may_leave_fields(run) ? json_at(run->preparation.document.object, "spec",
                                                  "predictor", "model", "resources", "limits", NULL)
                                        : NULL,
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
        .beside = watch_check,
        .beside_user = run,
    };
    struct error *failure = NULL;
    int result =
        rollout_wait(&run->verdict, options->session->kube, &wait, options->deps, &failure);
    /* a service that is ready is asked first */
    bool ready = run->verdict.state == ROLLOUT_READY;
    if (!ready && (failure == NULL || failure->kind != ERROR_CANCELED))
        end_check(run);
    if (outcome_take_verdict(run->outcome, &run->verdict, err) < 0) {
        error_free(failure);
        return -1;
    }
    if (result < 0) {
        bool late = failure != NULL && failure->kind == ERROR_DEADLINE;
        cleanup_free char *hint = late ? text_copy(failure->hint, NULL) : NULL;
        error_take(err, failure);
        return late ? hint_at_failure(run, hint, err) : -1;
    }
    if (run->verdict.state != ROLLOUT_READY) {
        error_new(err, ERROR_ROLLOUT, "the rollout of %s/%s failed: %s",
                  options->inputs->namespace_, options->inputs->name, run->verdict.cause);
        return hint_at_failure(run, run->verdict.hint, err);
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
    if (pass_check(run, err) < 0 || apply_document(run, err) < 0)
        return -1;
    /* else only then, so that it takes nothing from the way to the apply */
    struct error *failure = NULL;
    if (run->check == NULL && start_check(run, &failure) < 0)
        give_up_check(run, steal_pointer(failure));
    int result = wait_for_rollout(run, &failure);
    bool waited = result == 0;
    if (waited)
        result = verify(run, &failure);
    if (result == 0) {
        end_check(run);
        return 0;
    }
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
