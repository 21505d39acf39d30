#include "deploy/watch_rollout.h"

#include "base/json.h"
#include "base/text.h"
#include "kube/watch.h"
#include "watch_rollout_private.h"

#include <string.h>

enum {
    HEARTBEAT_MS = 30 * 1000,
    CONFIRM_MS = 10 * 1000,
    LEAST_TOLD_MS = 1000,
    FIRST_WORD_MS = 5000
};

static const struct {
    const struct kube_resource *resource;
    enum rollout_object kind;
    bool optional;
    bool by_name;         /* selected by name, not by label */
    bool whole_namespace; /* events: what they are about is looked at here */
    bool serverless;      /* only then */
} sources[ROLLOUT_SOURCES] = {
    {&kube_inference_services, ROLLOUT_INFERENCE_SERVICE, false, true, false, false},
    {&kube_deployments, ROLLOUT_DEPLOYMENT, false, false, false, false},
    {&kube_replica_sets, ROLLOUT_REPLICA_SET, true, false, false, false},
    {&kube_pods, ROLLOUT_POD, true, false, false, false},
    {&kube_events, ROLLOUT_EVENT, true, false, true, false},
    {&kube_knative_revisions, ROLLOUT_REVISION, true, false, false, true},
};

int rollout_watcher_record(struct rollout_watcher *watcher, const struct rollout_event *event) {
    if (watcher->options->record == NULL)
        return 0;
    cleanup_free char *line = transcript_line(event, &watcher->failure);
    if (line == NULL)
        return -1;
    return watcher->options->record(watcher->options->record_user, line, &watcher->failure);
}

int rollout_watcher_take(struct rollout_watcher *watcher, const struct rollout_event *event) {
    if (watcher->failure != NULL)
        return -1;
    if (rollout_watcher_record(watcher, event) < 0)
        return -1;
    return rollout_observe(watcher->rollout, event, &watcher->failure);
}

/* ---- rights that are missing ---- */

/* The service account of 'User "system:serviceaccount:NAMESPACE:NAME" cannot …', or "". */
static char *account_of(const char *message, struct error **err) {
    static const char prefix[] = "\"system:serviceaccount:";
    const char *at = message != NULL ? strstr(message, prefix) : NULL;
    const char *name = at != NULL ? strchr(at + sizeof(prefix) - 1, ':') : NULL;
    return name != NULL ? text_copy_bytes(name + 1, strcspn(name + 1, "\""), err)
                        : text_copy("", err);
}

void rollout_watcher_note_missing(struct rollout_watcher *watcher, const char *verb,
                                  const char *resource, const char *message) {
    cleanup_free char *right = text_format(NULL, "%s %s", verb, resource);
    cleanup_free char *account = account_of(message, NULL);
    if (right == NULL || account == NULL || strings_contain(&watcher->missing, right))
        return;
    (void)strings_add(&watcher->missing, right, NULL);
    free(watcher->grant);
    watcher->grant = text_format(
        NULL, "deploy-inference-service rbac --diagnostics -n %s%s%s | kubectl apply -f -",
        watcher->options->target->namespace_, account[0] != '\0' ? " --service-account " : "",
        account);
}

/* One line of evidence, since only a run that fails needs them: what was not allowed, and what
 * grants it. */
static void tell_missing(const struct rollout_watcher *watcher, struct verdict *out) {
    cleanup_free char *rights = strings_join(&watcher->missing, ", ", NULL);
    if (watcher->missing.count == 0 || rights == NULL || watcher->grant == NULL)
        return;
    (void)strings_add_format(&out->evidence, NULL,
                             "not allowed in namespace %s: %s; more would be known with these "
                             "rights, which this grants: %s",
                             watcher->options->target->namespace_, rights, watcher->grant);
}

/* "cannot watch events in …" names the verb. Kinds that the cluster does not have say nothing. */
static void note_forbidden(struct rollout_watcher *watcher, const struct kube_watch_event *event) {
    const char *cannot = event->message != NULL ? strstr(event->message, " cannot ") : NULL;
    if (cannot == NULL)
        return;
    bool watch = text_has_prefix(cannot + strlen(" cannot "), "watch");
    rollout_watcher_note_missing(watcher, watch ? "watch" : "list",
                                 watcher->targets[event->target].resource->plural, event->message);
}

static void on_event(void *user, const struct kube_watch_event *event) {
    static const enum rollout_change changes[] = {
        [KUBE_EVENT_ADDED] = ROLLOUT_ADDED,     [KUBE_EVENT_MODIFIED] = ROLLOUT_MODIFIED,
        [KUBE_EVENT_DELETED] = ROLLOUT_DELETED, [KUBE_EVENT_RELISTED] = ROLLOUT_RELISTED,
        [KUBE_EVENT_SYNCED] = ROLLOUT_SYNCED,   [KUBE_EVENT_FORBIDDEN] = ROLLOUT_FORBIDDEN,
        [KUBE_EVENT_TROUBLE] = ROLLOUT_SYNCED,
    };
    struct rollout_watcher *watcher = user;
    if (event->type == KUBE_EVENT_TROUBLE) {
        log_debug(watcher->deps->log, "%s",
                  event->message != NULL ? event->message : "connection lost");
        return;
    }
    if (event->type == KUBE_EVENT_FORBIDDEN)
        note_forbidden(watcher, event);
    if (event->type == KUBE_EVENT_FORBIDDEN || event->type == KUBE_EVENT_SYNCED)
        watcher->listed |= 1U << event->target;
    const struct rollout_event seen = {.at_ms = clock_wall(watcher->deps->clock),
                                       .kind = watcher->kinds[event->target],
                                       .change = changes[event->type],
                                       .object = event->object,
                                       .text = event->message};
    (void)rollout_watcher_take(watcher, &seen);
}

/* ---- setting up ---- */

static int add_targets(struct rollout_watcher *watcher, struct error **err) {
    const struct rollout_target *target = watcher->options->target;
    watcher->by_name = text_format(err, "fieldSelector=metadata.name%%3D%s", target->name);
    watcher->by_label =
        text_format(err, "labelSelector=serving.kserve.io%%2Finferenceservice%%3D%s", target->name);
    if (watcher->by_name == NULL || watcher->by_label == NULL)
        return -1;
    for (size_t i = 0; i < ROLLOUT_SOURCES; i++) {
        if (sources[i].serverless && !target->serverless)
            continue;
        /* events of before our apply are of no use, and a namespace may hold thousands */
        bool from_apply = sources[i].whole_namespace && target->changed &&
                          !text_is_empty(target->resource_version);
        watcher->kinds[watcher->count] = sources[i].kind;
        watcher->targets[watcher->count++] = (struct kube_watch_target){
            .resource = sources[i].resource,
            .namespace_ = target->namespace_,
            .selectors = sources[i].by_name           ? watcher->by_name
                         : sources[i].whole_namespace ? NULL
                                                      : watcher->by_label,
            .start = from_apply ? target->resource_version : NULL,
            .optional = sources[i].optional,
        };
    }
    return 0;
}

static int start(struct rollout_watcher *watcher, struct error **err) {
    const struct rollout_options *options = watcher->options;
    if (add_targets(watcher, err) < 0 ||
        rollout_new(&watcher->rollout, options->target, options->patience, err) < 0)
        return -1;
    if (options->record != NULL) {
        cleanup_free char *header = transcript_header(options->target, options->patience, err);
        if (header == NULL || options->record(options->record_user, header, err) < 0)
            return -1;
    }
    return kube_watches_new(&watcher->watches, watcher->client, watcher->targets, watcher->count,
                            NULL, err);
}

static void stop(struct rollout_watcher *watcher) {
    kube_watches_free(watcher->watches);
    rollout_free(watcher->rollout);
    free(watcher->by_name);
    free(watcher->by_label);
    free(watcher->shown);
    free(watcher->grant);
    strings_free(&watcher->missing);
    error_free(watcher->failure);
}

/* ---- judging ---- */

static int judge(struct rollout_watcher *watcher, struct verdict *out, struct error **err) {
    return rollout_judge(out, watcher->rollout, clock_wall(watcher->deps->clock), err);
}

/* A read of Ready that begins after the Deployment was seen complete. */
static int confirm(struct rollout_watcher *watcher, struct error **err) {
    const struct rollout_target *target = watcher->options->target;
    const struct kube_request request = {.verb = "get",
                                         .resource = &kube_inference_services,
                                         .namespace_ = target->namespace_,
                                         .name = target->name};
    cleanup_json json_t *object = NULL;
    cleanup_error struct error *failure = NULL;
    int64_t deadline = clock_now(watcher->deps->clock) + CONFIRM_MS;
    if (kube_call(&object, watcher->client, &request, deadline, &failure) < 0) {
        if (failure != NULL && failure->kind == ERROR_CANCELED)
            return error_take(err, steal_pointer(failure));
        /* deleted, or the API server is away: the watch tells */
        watcher->confirm_after_ms = clock_now(watcher->deps->clock) + 1000;
        return 0;
    }
    const struct rollout_event event = {.at_ms = clock_wall(watcher->deps->clock),
                                        .kind = ROLLOUT_INFERENCE_SERVICE,
                                        .change = ROLLOUT_CONFIRMED,
                                        .object = object};
    return rollout_watcher_take(watcher, &event) < 0
               ? error_take(err, steal_pointer(watcher->failure))
               : 0;
}

static int judge_with_confirmation(struct rollout_watcher *watcher, struct verdict *out,
                                   struct error **err) {
    if (judge(watcher, out, err) < 0)
        return -1;
    if (!out->wants_confirmation || clock_now(watcher->deps->clock) < watcher->confirm_after_ms)
        return 0;
    if (confirm(watcher, err) < 0)
        return -1;
    return judge(watcher, out, err);
}

/*
 * How long the first word still waits for the first lists: with half of them it would be about a
 * state that never was ("no Deployment yet").
 */
static int64_t silence_left(const struct rollout_watcher *watcher) {
    bool all_listed = watcher->listed == (1U << watcher->count) - 1;
    return all_listed ? 0 : watcher->started_ms + FIRST_WORD_MS - clock_now(watcher->deps->clock);
}

/* When it changes; else a heartbeat that says for how long. */
static void show_progress(struct rollout_watcher *watcher, const struct verdict *verdict) {
    const struct observer *observer = watcher->options->observer;
    int64_t now = clock_now(watcher->deps->clock);
    if (silence_left(watcher) > 0)
        return;
    bool trouble = !text_is_empty(verdict->cause);
    cleanup_free char *text = trouble ? text_format(NULL, "%s: %s", verdict->detail, verdict->cause)
                                      : text_copy(verdict->detail, NULL);
    bool same = text != NULL && text_equal(text, watcher->shown);
    if (text == NULL || (same && now - watcher->shown_ms < HEARTBEAT_MS))
        return;
    int64_t in_phase = clock_wall(watcher->deps->clock) - verdict->phase_since_ms;
    char took[DURATION_SIZE];
    cleanup_free char *line =
        in_phase >= LEAST_TOLD_MS
            ? text_format(NULL, "%s%s%s in this phase%s%s", verdict->detail,
                          verdict->replicas_new > 0 ? ", " : "; ", duration_format(took, in_phase),
                          trouble ? ": " : "", trouble ? verdict->cause : "")
            : text_copy(text, NULL);
    if (line == NULL)
        return;
    observer->progress(observer->user, STAGE_ROLLOUT, line);
    free(watcher->shown);
    watcher->shown = steal_pointer(text);
    watcher->shown_ms = now;
}

/* How long nothing needs to be done: to the deadline, the next judgement, the heartbeat. */
static int64_t wait_time(const struct rollout_watcher *watcher, const struct verdict *verdict) {
    int64_t now = clock_now(watcher->deps->clock);
    int64_t wait = HEARTBEAT_MS;
    if (watcher->options->deadline_ms > 0 && watcher->options->deadline_ms - now < wait)
        wait = watcher->options->deadline_ms - now;
    if (verdict->judge_again_ms > 0) {
        int64_t again = verdict->judge_again_ms - clock_wall(watcher->deps->clock) + 1;
        if (again < wait)
            wait = again;
    }
    if (verdict->wants_confirmation && watcher->confirm_after_ms - now < wait)
        wait = watcher->confirm_after_ms - now;
    int64_t silence = silence_left(watcher);
    if (silence > 0 && silence < wait)
        wait = silence;
    return wait > 0 ? wait : 0;
}

/* Deletion is what is waited for: it is done when the object is gone, not when it began. */
static bool is_reached(const struct rollout_watcher *watcher, struct verdict *verdict) {
    if (!watcher->options->until_deleted)
        return verdict->state == ROLLOUT_READY || verdict->state == ROLLOUT_FAILED;
    if (verdict->gone)
        verdict->state = ROLLOUT_READY;
    return verdict->gone;
}

static int late(const struct rollout_watcher *watcher, const struct verdict *verdict,
                struct error **err) {
    const struct rollout_target *target = watcher->options->target;
    error_new(err, ERROR_DEADLINE, "%s/%s is not ready after the time that TIMEOUT gives: %s%s%s",
              target->namespace_, target->name,
              text_is_empty(verdict->detail) ? "nothing was seen of it" : verdict->detail,
              text_is_empty(verdict->cause) ? "" : ". ",
              text_is_empty(verdict->cause) ? "" : verdict->cause);
    if (!text_is_empty(verdict->hint))
        return error_hint(err, "%s", verdict->hint);
    if (watcher->grant != NULL)
        return error_hint(
            err, "raise TIMEOUT, or run again to go on waiting for the same revision; with "
                 "the rights named above the run would tell more");
    return error_hint(err, "raise TIMEOUT, or run again to go on waiting for the same revision");
}

static int run(struct rollout_watcher *watcher, struct verdict *out, struct error **err) {
    const struct rollout_options *options = watcher->options;
    for (;;) {
        enum http_wait outcome = HTTP_WAIT_TIMEOUT;
        if (options->beside != NULL && options->beside(options->beside_user, err) < 0)
            return -1;
        int64_t wait = out->detail != NULL ? wait_time(watcher, out) : 0;
        if (kube_watches_run(watcher->watches, wait, on_event, watcher, &outcome, err) < 0)
            return -1;
        if (watcher->failure != NULL)
            return error_take(err, steal_pointer(watcher->failure));
        if (outcome == HTTP_WAIT_CANCELED)
            return error_new(err, ERROR_CANCELED, "canceled while the rollout was awaited%s%s",
                             text_is_empty(out->detail) ? "" : ": ",
                             text_is_empty(out->detail) ? "" : out->detail);
        if (judge_with_confirmation(watcher, out, err) < 0)
            return -1;
        if (is_reached(watcher, out))
            return 0;
        show_progress(watcher, out);
        int64_t deadline = watcher->options->deadline_ms;
        if (deadline > 0 && clock_now(watcher->deps->clock) >= deadline)
            return late(watcher, out, err);
    }
}

/* A verdict may come by the time alone, so a record needs to say how long it went on. */
static void record_end(struct rollout_watcher *watcher) {
    const struct rollout_event end = {
        .at_ms = clock_wall(watcher->deps->clock), .kind = ROLLOUT_LOG, .change = ROLLOUT_SYNCED};
    if (watcher->rollout != NULL && watcher->failure == NULL)
        (void)rollout_watcher_record(watcher, &end);
}

int rollout_wait(struct verdict *out, struct kube_client *client,
                 const struct rollout_options *options, const struct deps *deps,
                 struct error **err) {
    struct rollout_watcher watcher = {
        .client = client, .options = options, .deps = deps, .started_ms = clock_now(deps->clock)};
    int result = start(&watcher, err);
    if (result == 0)
        result = run(&watcher, out, err);
    record_end(&watcher);
    bool unexplained = out->state != ROLLOUT_READY && out->wanted_logs.count > 0;
    bool canceled = result < 0 && err != NULL && *err != NULL && (*err)->kind == ERROR_CANCELED;
    if (unexplained && !canceled)
        rollout_watcher_fetch_logs(&watcher, out);
    if (out->state != ROLLOUT_READY && !canceled)
        tell_missing(&watcher, out);
    stop(&watcher);
    return result;
}
