#include "kube/watch.h"

#include "base/text.h"
#include "watch_target.h"

#include <sys/random.h>

enum {
    IDLE_MS = 150 * 1000, /* bookmarks come about every minute (apiserver storage/cacher) */
    LIST_TIMEOUT_MS = 30 * 1000,
    LONGEST_BACKLOG = 1024 * 1024,
    HEADER_VALUE_SIZE = 64,
    LONGEST_RETRY_AFTER_S = 3600,
};

/* A target and its connection. */
struct link {
    struct kube_watches *watches;
    struct watch_target target;
    struct kube_stream_request *request;
    struct http_stream *stream; /* NULL: none is open */
    /* what arrived while nobody ran kube_watches_run */
    int early_status;
    struct buffer backlog;
    /* how the stream ended */
    bool ended;
    bool broken;
    bool overrun;
    char *cause; /* or NULL */
    int64_t retry_after_ms;
};

struct kube_watches {
    struct kube_client *client;
    struct kube_watch_tuning tuning;
    struct link *links;
    size_t count;
    kube_watch_handler *handler; /* NULL outside kube_watches_run */
    void *user;
    uint64_t delivered;
};

static int64_t now(const struct kube_watches *watches) {
    return clock_now(kube_client_deps(watches->client)->clock);
}

static unsigned random_jitter(void) {
    unsigned value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        return 500;
    return value % 1000;
}

static void emit(void *user, size_t target, enum kube_event type, const json_t *object,
                 const char *message) {
    struct kube_watches *watches = user;
    const struct kube_watch_event event = {
        .target = target, .type = type, .object = object, .message = message};
    watches->delivered++;
    watches->handler(watches->user, &event);
}

/* ---- making ---- */

int kube_watches_new(struct kube_watches **out, struct kube_client *client,
                     const struct kube_watch_target *targets, size_t count,
                     const struct kube_watch_tuning *tuning, struct error **err) {
    cleanup_kube_watches struct kube_watches *watches = calloc(1, sizeof(*watches));
    if (watches == NULL)
        return error_no_memory(err);
    watches->client = client;
    if (tuning != NULL)
        watches->tuning = *tuning;
    watches->links = calloc(count > 0 ? count : 1, sizeof(*watches->links));
    if (watches->links == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct link *link = &watches->links[i];
        link->watches = watches;
        link->backlog = BUFFER_INIT(LONGEST_BACKLOG);
        watches->count = i + 1;
        if (watch_target_init(&link->target, &targets[i], i, &watches->tuning, emit, watches, err) <
            0)
            return -1;
    }
    *out = steal_pointer(watches);
    return 0;
}

static void close_link(struct link *link) {
    http_stream_free(steal_pointer(link->stream));
    kube_stream_request_free(steal_pointer(link->request));
    buffer_free(&link->backlog);
    free(steal_pointer(link->cause));
    link->early_status = 0;
    link->ended = false;
    link->broken = false;
    link->overrun = false;
    link->retry_after_ms = 0;
}

void kube_watches_free(struct kube_watches *watches) {
    if (watches == NULL)
        return;
    for (size_t i = 0; i < watches->count; i++) {
        close_link(&watches->links[i]);
        watch_target_free(&watches->links[i].target);
    }
    free(watches->links);
    free(watches);
}

/* ---- what the stream says ---- */

static void on_status(void *user, int status) {
    struct link *link = user;
    if (link->watches->handler != NULL)
        watch_target_status(&link->target, status);
    else
        link->early_status = status;
}

static int on_data(void *user, const char *data, size_t length) {
    struct link *link = user;
    if (link->watches->handler != NULL)
        return watch_target_data(&link->target, data, length);
    if (buffer_append(&link->backlog, data, length) == 0)
        return 0;
    link->overrun = true;
    return -1;
}

static void on_end(void *user, enum http_stream_end end, const struct http_response *response,
                   const struct error *error) {
    struct link *link = user;
    link->ended = true;
    link->broken = end == HTTP_STREAM_BROKEN;
    /* without memory for the words there are none */
    link->cause = error != NULL ? text_copy(error->message, NULL) : NULL;
    char value[HEADER_VALUE_SIZE];
    int64_t seconds = 0;
    if (response != NULL && http_header(response, "Retry-After", value, sizeof(value)) &&
        text_to_integer(value, 0, LONGEST_RETRY_AFTER_S, &seconds))
        link->retry_after_ms = seconds * 1000;
}

/* ---- what follows ---- */

/* Hands over what arrived between two runs. */
static void replay(struct link *link) {
    if (link->early_status != 0)
        watch_target_status(&link->target, link->early_status);
    link->early_status = 0;
    if (link->backlog.length == 0)
        return;
    int result = watch_target_data(&link->target, link->backlog.data, link->backlog.length);
    buffer_free(&link->backlog);
    if (result == 0 || link->ended)
        return;
    /* the target has seen enough of this connection */
    link->ended = true;
    link->broken = true;
}

static int settle(struct link *link, struct error **err) {
    replay(link);
    if (!link->ended)
        return 0;
    const struct watch_end end = {
        .broken = link->broken,
        .overrun = link->overrun,
        .cause = link->cause,
        .retry_after_ms = link->retry_after_ms,
        .now_ms = now(link->watches),
        .jitter = random_jitter(),
    };
    int next = watch_target_end(&link->target, &end, err);
    close_link(link);
    if (next == WATCH_UNAUTHORIZED)
        (void)kube_client_reject_credential(link->watches->client);
    return next < 0 ? -1 : 0;
}

static bool is_due(const struct link *link) {
    return link->stream == NULL && link->target.phase != WATCH_STOPPED &&
           link->target.wake_ms <= now(link->watches);
}

static int connect_link(struct link *link, struct error **err) {
    struct kube_watches *watches = link->watches;
    cleanup_free char *path = watch_target_path(&link->target, random_jitter(), err);
    if (path == NULL || kube_stream_request_new(&link->request, watches->client, path, err) < 0)
        return -1;
    bool watching = link->target.phase == WATCH_WATCHING;
    int64_t idle = watches->tuning.idle_ms > 0 ? watches->tuning.idle_ms : IDLE_MS;
    link->request->http.idle_timeout_ms = watching ? idle : LIST_TIMEOUT_MS;
    const struct http_stream_handlers handlers = {
        .on_status = on_status, .on_data = on_data, .on_end = on_end, .user = link};
    watch_target_started(&link->target, now(watches));
    return http_stream_start(&link->stream, kube_client_http(watches->client), &link->request->http,
                             &handlers, err);
}

/*
 * No credential at the moment (its file is being replaced, a plugin fails) is trouble like a lost
 * connection when the target has worked before.
 */
static int start(struct link *link, struct error **err) {
    cleanup_error struct error *problem = NULL;
    if (connect_link(link, &problem) == 0)
        return 0;
    close_link(link);
    if (problem->kind != ERROR_UNREACHABLE || !link->target.may_list)
        return error_take(err, steal_pointer(problem));
    const struct watch_end end = {.broken = true,
                                  .cause = problem->message,
                                  .now_ms = now(link->watches),
                                  .jitter = random_jitter()};
    watch_target_started(&link->target, end.now_ms);
    return watch_target_end(&link->target, &end, err) < 0 ? -1 : 0;
}

/* All ends first, so that a refused credential is replaced once for all. */
static int advance(struct kube_watches *watches, struct error **err) {
    for (size_t i = 0; i < watches->count; i++)
        if (settle(&watches->links[i], err) < 0)
            return -1;
    for (size_t i = 0; i < watches->count; i++)
        if (is_due(&watches->links[i]) && start(&watches->links[i], err) < 0)
            return -1;
    return 0;
}

/* Milliseconds until a link is to be connected or DEADLINE_MS (-1: none); -1: neither. */
static int64_t time_to_wait(const struct kube_watches *watches, int64_t deadline_ms) {
    int64_t wake = deadline_ms;
    for (size_t i = 0; i < watches->count; i++) {
        const struct link *link = &watches->links[i];
        if (link->stream != NULL || link->target.phase == WATCH_STOPPED)
            continue;
        if (wake < 0 || link->target.wake_ms < wake)
            wake = link->target.wake_ms;
    }
    if (wake < 0)
        return -1;
    int64_t left = wake - now(watches);
    return left > 0 ? left : 0;
}

/* Batches of the background that have ended: somebody waits for them outside. */
static int background(const struct kube_watches *watches) {
    struct http_statistics statistics;
    http_client_statistics(kube_client_http(watches->client), &statistics);
    return statistics.background;
}

static int run_until(struct kube_watches *watches, int64_t deadline_ms, enum http_wait *outcome,
                     struct error **err) {
    uint64_t before = watches->delivered;
    int done = background(watches);
    for (;;) {
        if (advance(watches, err) < 0)
            return -1;
        if (watches->delivered != before || background(watches) != done) {
            *outcome = HTTP_WAIT_ACTIVITY;
            return 0;
        }
        if (deadline_ms >= 0 && now(watches) >= deadline_ms) {
            *outcome = HTTP_WAIT_TIMEOUT;
            return 0;
        }
        int waited =
            http_wait(kube_client_http(watches->client), time_to_wait(watches, deadline_ms), err);
        if (waited < 0)
            return -1;
        if (waited == HTTP_WAIT_CANCELED) {
            *outcome = HTTP_WAIT_CANCELED;
            return 0;
        }
    }
}

int kube_watches_run(struct kube_watches *watches, int64_t timeout_ms, kube_watch_handler *handler,
                     void *user, enum http_wait *outcome, struct error **err) {
    watches->handler = handler;
    watches->user = user;
    int64_t deadline = timeout_ms >= 0 ? now(watches) + timeout_ms : -1;
    int result = run_until(watches, deadline, outcome, err);
    watches->handler = NULL;
    watches->user = NULL;
    return result;
}
