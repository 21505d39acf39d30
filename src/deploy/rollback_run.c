#include "base/json.h"
#include "base/text.h"
#include "deploy/rollback.h"
#include "deploy/wait.h"
#include "deploy/watch_rollout.h"

enum { ROLLBACK_WAIT_MS = 10 * 60 * 1000, MOST_CHANGES = 10, CHANGE_PAUSE_MS = 200 };

enum step { STEP_APPLIED, STEP_CHANGED_MEANWHILE, STEP_NOT_OURS, STEP_GONE, STEP_FAILED };

static int read_live(json_t **out, const struct rollback *rollback, int64_t deadline_ms,
                     struct error **err) {
    const struct kube_request request = {.verb = "get",
                                         .resource = &kube_inference_services,
                                         .namespace_ = rollback->namespace_,
                                         .name = rollback->name};
    return kube_call(out, rollback->session->kube, &request, deadline_ms, err);
}

/* Reads, looks whose it is, and applies over just that. */
static enum step try_to_apply(json_t **applied, const struct rollback *rollback,
                              int64_t deadline_ms, struct error **err) {
    cleanup_json json_t *live = NULL;
    cleanup_json json_t *document = NULL;
    struct error *failure = NULL;
    if (read_live(&live, rollback, deadline_ms, &failure) < 0) {
        bool gone = error_has_reason(failure, "NotFound");
        error_take(err, failure);
        return gone ? STEP_GONE : STEP_FAILED;
    }
    if (!rollback_is_safe(live, rollback->applied))
        return STEP_NOT_OURS;
    if (rollback_document(&document, rollback->before, live, err) < 0)
        return STEP_FAILED;
    const struct kube_apply apply = {.resource = &kube_inference_services,
                                     .namespace_ = rollback->namespace_,
                                     .name = rollback->name,
                                     .document = document,
                                     .live = live,
                                     .exact = true,
                                     .manager = FIELD_MANAGER};
    struct kube_applied back = {.object = NULL};
    if (kube_apply(&back, rollback->session->kube, &apply, deadline_ms, &failure) < 0) {
        bool changed = failure != NULL && failure->kind == ERROR_CONFLICT;
        error_take(err, failure);
        return changed ? STEP_CHANGED_MEANWHILE : STEP_FAILED;
    }
    *applied = json_incref(back.object);
    kube_applied_free(&back);
    return STEP_APPLIED;
}

/* A controller that writes the status meanwhile is no reason to give up; somebody's change is. */
static enum step apply_before(json_t **applied, const struct rollback *rollback,
                              int64_t deadline_ms, struct error **err) {
    enum step step = STEP_FAILED;
    for (int i = 0; i < MOST_CHANGES; i++) {
        if (err != NULL) {
            error_free(*err);
            *err = NULL;
        }
        step = try_to_apply(applied, rollback, deadline_ms, err);
        if (step != STEP_CHANGED_MEANWHILE)
            break;
        cleanup_error struct error *unrested = NULL;
        (void)http_wait(rollback->session->http, CHANGE_PAUSE_MS, &unrested);
    }
    return step;
}

static int wait_until_serving(const struct rollback *rollback, const json_t *applied,
                              int64_t deadline_ms, struct error **err) {
    struct rollout_target target = wait_target(applied, rollback->name, rollback->namespace_);
    const char *version = json_text_at(applied, "metadata", "resourceVersion", NULL);
    target.resource_version = version != NULL ? version : "";
    target.changed = true;
    target.status_before = json_at(applied, "status", NULL);
    const struct rollout_options wait = {
        .target = &target,
        .observer = rollback->observer,
        .deadline_ms = deadline_ms,
    };
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    int result = rollout_wait(&verdict, rollback->session->kube, &wait, rollback->deps, err);
    if (result == 0 && verdict.state != ROLLOUT_READY)
        result = error_new(err, ERROR_ROLLOUT, "%s", verdict.cause);
    verdict_free(&verdict);
    return result;
}

static void tell(struct outcome *outcome, const struct rollback *rollback, bool good,
                 const char *text) {
    const struct observer *observer = rollback->observer;
    if (text == NULL)
        return;
    (good ? observer->notice : observer->warning)(observer->user, text);
    (void)outcome_set(&outcome->rollback, text, NULL);
}

static void tell_error(struct outcome *outcome, const struct rollback *rollback, const char *what,
                       const struct error *failure) {
    cleanup_free char *text =
        text_format(NULL, "%s: %s", what, failure != NULL ? failure->message : "unknown error");
    tell(outcome, rollback, false, text);
}

static void finish(struct outcome *outcome, const struct rollback *rollback, const json_t *applied,
                   int64_t deadline_ms) {
    cleanup_error struct error *failure = NULL;
    const struct observer *observer = rollback->observer;
    outcome->rolled_back = true;
    observer->notice(observer->user, "rollback: the spec of before is applied again");
    if (wait_until_serving(rollback, applied, deadline_ms, &failure) == 0)
        tell(outcome, rollback, true, "rolled back: the revision of before serves");
    else if (failure != NULL && failure->kind == ERROR_CANCELED)
        tell(
            outcome, rollback, false,
            "rolled back, and not waited for: the spec of before is applied, the run was canceled");
    else
        tell_error(outcome, rollback,
                   "rolled back, but the revision of before does not serve again", failure);
}

void rollback_run(struct outcome *outcome, const struct rollback *rollback) {
    if (rollback->before == NULL || !rollback->changed) {
        tell(outcome, rollback, true,
             rollback->before == NULL ? "nothing to roll back to: this run created the service"
                                      : "nothing to roll back: this run changed nothing");
        return;
    }
    int64_t deadline_ms = clock_now(rollback->deps->clock) + ROLLBACK_WAIT_MS;
    cleanup_error struct error *failure = NULL;
    cleanup_json json_t *applied = NULL;
    switch (apply_before(&applied, rollback, deadline_ms, &failure)) {
    case STEP_APPLIED:
        finish(outcome, rollback, applied, deadline_ms);
        break;
    case STEP_NOT_OURS:
        tell(outcome, rollback, false,
             "not rolled back: somebody else changed the InferenceService meanwhile");
        break;
    case STEP_GONE:
        tell(outcome, rollback, false, "not rolled back: the InferenceService is gone");
        break;
    case STEP_CHANGED_MEANWHILE:
    case STEP_FAILED:
        tell_error(outcome, rollback, "not rolled back", failure);
        break;
    }
}
