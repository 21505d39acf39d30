#include "watch_target.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum {
    LONGEST_EVENT = 16 * 1024 * 1024, /* as client-go: apimachinery runtime/serializer/streaming */
    LONGEST_PAGE = 32 * 1024 * 1024,
    LONGEST_REFUSAL = 64 * 1024,
    DEFAULT_PAGE = 100,
    DEFAULT_TIMEOUT_S = 240,
    TIMEOUT_SPREAD_S = 60,
    FIRST_BACKOFF_MS = 1000,
    LONGEST_BACKOFF_MS = 30 * 1000,
    MOST_REFUSALS = 5,
    SHORT_LIFE_MS = 1000, /* a watch that ends sooner without an event counts as failed */
};

int watch_target_init(struct watch_target *target, const struct kube_watch_target *spec,
                      size_t index, const struct kube_watch_tuning *tuning, watch_emit *emit,
                      void *user, struct error **err) {
    *target = (struct watch_target){.spec = spec,
                                    .index = index,
                                    .tuning = *tuning,
                                    .emit = emit,
                                    .user = user,
                                    .phase = WATCH_LISTING,
                                    .body = BUFFER_INIT(LONGEST_PAGE)};
    kube_frames_init(&target->frames, LONGEST_EVENT);
    if (text_is_empty(spec->start))
        return 0;
    target->phase = WATCH_WATCHING;
    target->version = text_copy(spec->start, err);
    return target->version != NULL ? 0 : -1;
}

void watch_target_free(struct watch_target *target) {
    free(target->version);
    free(target->next);
    kube_frames_free(&target->frames);
    buffer_free(&target->body);
    error_free(target->cause);
    json_decref(target->said);
}

char *watch_target_path(const struct watch_target *target, unsigned jitter, struct error **err) {
    const struct kube_watch_target *spec = target->spec;
    cleanup_free char *path = kube_path(spec->resource, spec->namespace_, NULL, NULL, err);
    if (path == NULL)
        return NULL;
    bool watching = target->phase == WATCH_WATCHING;
    const char *position = watching ? target->version : target->next;
    cleanup_free char *encoded = position != NULL ? text_percent_encode(position, err) : NULL;
    if (position != NULL && encoded == NULL)
        return NULL;

    bool selected = !text_is_empty(spec->selectors);
    const char *selectors = selected ? spec->selectors : "";
    const char *separator = selected ? "&" : "";
    if (!watching)
        return text_format(err, "%s?limit=%d%s%s%s%s", path,
                           target->tuning.page > 0 ? target->tuning.page : DEFAULT_PAGE,
                           encoded != NULL ? "&continue=" : "", encoded != NULL ? encoded : "",
                           separator, selectors);
    int timeout = target->tuning.timeout_seconds > 0
                      ? target->tuning.timeout_seconds
                      : DEFAULT_TIMEOUT_S + (int)(jitter % TIMEOUT_SPREAD_S);
    return text_format(
        err, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s%s%s", path,
        timeout, encoded, separator, selectors);
}

/* ---- a connection ---- */

void watch_target_started(struct watch_target *target, int64_t now_ms) {
    target->status = 0;
    target->started_ms = now_ms;
    target->received = 0;
    kube_frames_reset(&target->frames);
    buffer_free(&target->body);
    target->body.limit = LONGEST_PAGE;
    target->verdict = WATCH_NO_VERDICT;
    error_free(steal_pointer(target->cause));
    json_decref(steal_pointer(target->said));
}

void watch_target_status(struct watch_target *target, int status) {
    target->status = status;
    if (status != 200) {
        target->body.limit = LONGEST_REFUSAL;
        return;
    }
    target->may_list = true;
    target->may_watch = target->may_watch || target->phase == WATCH_WATCHING;
    target->refusals = 0;
    target->was_away = false;
    if (target->phase == WATCH_WATCHING && !target->synced) {
        target->synced = true;
        target->emit(target->user, target->index, KUBE_EVENT_SYNCED, NULL, NULL);
    }
}

/* The beginning of a refusal is enough. */
static int keep_refusal(struct watch_target *target, const char *data, size_t length) {
    size_t room = target->body.limit - target->body.length;
    return buffer_append(&target->body, data, length < room ? length : room);
}

int watch_target_data(struct watch_target *target, const char *data, size_t length) {
    if (target->verdict != WATCH_NO_VERDICT)
        return -1;
    if (target->status != 200)
        return keep_refusal(target, data, length);
    if (target->phase == WATCH_LISTING)
        return buffer_append(&target->body, data, length);
    if (kube_frames_feed(&target->frames, data, length, watch_target_frame, target,
                         &target->cause) == 0)
        return 0;
    if (target->verdict == WATCH_NO_VERDICT) /* the splitting itself failed */
        target->verdict = target->cause != NULL && target->cause->kind == ERROR_UNREACHABLE
                              ? WATCH_NONSENSE
                              : WATCH_NO_MEMORY;
    return -1;
}

/* ---- its end ---- */

static void relist(struct watch_target *target) {
    target->phase = WATCH_LISTING;
    free(steal_pointer(target->next));
    free(steal_pointer(target->version));
}

/* Connect again after a pause that grows with the failures in a row; the first one is FIRST_MS. */
static void back_off(struct watch_target *target, const struct watch_end *end, int64_t first_ms) {
    int64_t pause = first_ms;
    if (target->failures > 0 || first_ms > 0) {
        int doublings = target->failures < 5 ? target->failures : 5;
        pause = (int64_t)FIRST_BACKOFF_MS << doublings;
        if (pause > LONGEST_BACKOFF_MS)
            pause = LONGEST_BACKOFF_MS;
        pause = pause * 3 / 4 + pause / 2 * end->jitter / 1000; /* 0.75 to 1.25 of it */
    }
    if (pause < end->retry_after_ms)
        pause = end->retry_after_ms < LONGEST_BACKOFF_MS ? end->retry_after_ms : LONGEST_BACKOFF_MS;
    target->failures++;
    target->wake_ms = end->now_ms + pause;
}

static void say_trouble(struct watch_target *target, const char *message) {
    target->emit(target->user, target->index, KUBE_EVENT_TROUBLE, NULL,
                 message != NULL ? message : "the connection to the Kubernetes API server broke");
}

static struct kube_request asked(const struct watch_target *target) {
    return (struct kube_request){
        .verb = target->phase == WATCH_WATCHING ? "watch" : "list",
        .resource = target->spec->resource,
        .namespace_ = target->spec->namespace_,
    };
}

/* The HTTP status of the answer, or the code in the ERROR event. */
static int refusal_code(const struct watch_target *target) {
    if (target->said != NULL)
        return (int)json_integer_at(target->said, 500, "code", NULL);
    return target->status;
}

static void refusal(const struct watch_target *target, struct error **err) {
    struct kube_request request = asked(target);
    if (target->said != NULL)
        (void)kube_status_object_error(err, refusal_code(target), target->said, &request);
    else
        (void)kube_status_error(err, target->status, buffer_text(&target->body),
                                target->body.length, &request);
    if (*err == NULL)
        error_no_memory(err);
}

/* Stops an optional target; the whole watch otherwise. */
static int refuse(struct watch_target *target, struct error **err) {
    cleanup_error struct error *error = NULL;
    refusal(target, &error);
    if (!target->spec->optional)
        return error_take(err, steal_pointer(error));
    target->phase = WATCH_STOPPED;
    target->emit(target->user, target->index, KUBE_EVENT_FORBIDDEN, NULL, error->message);
    return 0;
}

/*
 * 401, 403, 404 and the like. The first 401 may mean an expired token. An API server that has just
 * started refuses what it allowed before until its caches are filled, so where it once worked, or
 * where no connection came about before, it is tried again.
 */
static int end_denied(struct watch_target *target, const struct watch_end *end, int code,
                      struct error **err) {
    bool first = code == 401 && target->refusals == 0;
    bool proven = target->phase == WATCH_WATCHING ? target->may_watch : target->may_list;
    bool transient = (proven || target->was_away) && target->refusals < MOST_REFUSALS;
    if (!first && !transient)
        return refuse(target, err);
    if (!first) {
        cleanup_error struct error *error = NULL;
        refusal(target, &error);
        say_trouble(target, error->message);
    }
    back_off(target, end, first ? 0 : FIRST_BACKOFF_MS);
    target->refusals++;
    return code == 401 ? WATCH_UNAUTHORIZED : WATCH_GO_ON;
}

/* The server said no, or not now. */
static int end_refused(struct watch_target *target, struct watch_end *end, struct error **err) {
    int code = refusal_code(target);
    if (code == 410) {
        relist(target);
        back_off(target, end, 0);
        return WATCH_GO_ON;
    }
    if (code >= 400 && code < 500 && code != 408 && code != 429)
        return end_denied(target, end, code, err);

    json_int_t seconds = json_integer_at(target->said, 0, "details", "retryAfterSeconds", NULL);
    if (seconds > 0 && seconds <= LONGEST_BACKOFF_MS / 1000)
        end->retry_after_ms = seconds * 1000;
    cleanup_error struct error *error = NULL;
    refusal(target, &error);
    say_trouble(target, error->message);
    back_off(target, end, FIRST_BACKOFF_MS);
    return WATCH_GO_ON;
}

static int end_of_page(struct watch_target *target, const struct watch_end *end,
                       struct error **err) {
    cleanup_error struct error *problem = NULL;
    if (watch_target_page(target, &problem) < 0) {
        if (problem->kind != ERROR_UNREACHABLE)
            return error_take(err, steal_pointer(problem));
        relist(target);
        say_trouble(target, problem->message);
        back_off(target, end, FIRST_BACKOFF_MS);
        return WATCH_GO_ON;
    }
    target->wake_ms = end->now_ms;
    return WATCH_GO_ON;
}

/* True when the watch did something for us, or at least lived for a while. */
static bool has_worked(const struct watch_target *target, const struct watch_end *end) {
    return target->phase == WATCH_WATCHING && target->status == 200 &&
           (target->received > 0 || end->now_ms - target->started_ms >= SHORT_LIFE_MS);
}

/* A watch ended: cleanly (its time was up, the server stops), or not. */
static void end_watch(struct watch_target *target, const struct watch_end *end) {
    target->wake_ms = end->now_ms;
    if (end->broken)
        say_trouble(target, end->cause);
    if (!has_worked(target, end))
        back_off(target, end, FIRST_BACKOFF_MS);
}

int watch_target_end(struct watch_target *target, const struct watch_end *given,
                     struct error **err) {
    struct watch_end end = *given;
    if (target->body.no_memory || target->verdict == WATCH_NO_MEMORY)
        return error_no_memory(err);
    if (has_worked(target, &end))
        target->failures = 0;
    if (target->verdict == WATCH_EXPIRED) {
        relist(target);
        back_off(target, &end, 0);
        return WATCH_GO_ON;
    }
    if (target->verdict == WATCH_NONSENSE) {
        say_trouble(target, target->cause->message);
        back_off(target, &end, FIRST_BACKOFF_MS);
        return WATCH_GO_ON;
    }
    bool answered = target->status != 0 && target->status != 200;
    if (target->verdict == WATCH_STATUS || answered)
        return end_refused(target, &end, err);
    if (end.overrun) {
        target->wake_ms = end.now_ms;
        return WATCH_GO_ON;
    }
    if (target->status == 200 && target->phase == WATCH_WATCHING) {
        end_watch(target, &end);
        return WATCH_GO_ON;
    }
    if (target->status == 200 && !end.broken)
        return end_of_page(target, &end, err);
    /* never connected, or a list that broke off */
    target->was_away = target->status == 0;
    say_trouble(target, target->body.too_long ? "a page of the list is too long" : end.cause);
    back_off(target, &end, FIRST_BACKOFF_MS);
    return WATCH_GO_ON;
}
