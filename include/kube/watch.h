#pragma once

/*
 * List + watch of several collections at once, without gaps and without polling.
 * Sources: Kubernetes "API Concepts" (efficient detection of changes), client-go
 * tools/watch/retrywatcher.go, tools/cache/reflector.go.
 */

#include "kube/client.h"

struct kube_watch_target {
    const struct kube_resource *resource;
    const char *namespace_; /* NULL: all */
    const char *selectors;  /* encoded query part: "fieldSelector=metadata.name%3Dqwen"; or NULL */
    const char *start;      /* resourceVersion to watch from without listing first, or NULL: list */
    bool optional;          /* a 401, 403 or 404 of the kind stops this target only */
};

enum kube_event {
    KUBE_EVENT_ADDED,
    KUBE_EVENT_MODIFIED,
    KUBE_EVENT_DELETED,
    /* Those below have no object. */
    KUBE_EVENT_RELISTED,  /* forget everything of this target; a full set follows as ADDED, then
                             SYNCED. Every list begins with it, the first one too */
    KUBE_EVENT_SYNCED,    /* the list (with `start`: the first connection) is complete */
    KUBE_EVENT_FORBIDDEN, /* optional target not readable; message names the right */
    KUBE_EVENT_TROUBLE,   /* connection lost, being restored; message says why */
};

struct kube_watch_event {
    size_t target;
    enum kube_event type;
    const json_t *object; /* borrowed for the call; apiVersion and kind filled in */
    const char *message;  /* borrowed, or NULL */
};

/* Limits that a test or an unusual network may want otherwise; 0: as said. */
struct kube_watch_tuning {
    int64_t idle_ms;     /* a watch without a byte for so long is connected anew: 150 s */
    int timeout_seconds; /* how long the server is asked to keep a watch: 240 s to 300 s */
    int page;            /* most items of one list answer: 100 */
};

struct kube_watches;

/* CLIENT and TARGETS (and their texts) are borrowed; TUNING (may be NULL) is copied. Starts at the
 * first kube_watches_run. */
int kube_watches_new(struct kube_watches **out, struct kube_client *client,
                     const struct kube_watch_target *targets, size_t count,
                     const struct kube_watch_tuning *tuning, struct error **err);
void kube_watches_free(struct kube_watches *watches);

static inline void kube_watches_free_pointer(struct kube_watches **watches) {
    kube_watches_free(*watches);
    *watches = NULL;
}

#define cleanup_kube_watches cleanup(kube_watches_free_pointer)

typedef void kube_watch_handler(void *user, const struct kube_watch_event *event);

/*
 * Runs until at least one event was handed over (HTTP_WAIT_ACTIVITY), TIMEOUT_MS passed (-1: none)
 * or the run is canceled, or a batch of the HTTP client's background ended (net/http.h). All lists
 * go out in parallel; nothing blocks on one of them. HANDLER is called as the bytes arrive, in
 * order per target. It may use CLIENT after this function returned, not within. What arrives while
 * the caller uses CLIENT between two runs waits for the next run: up to 1 MiB a target, beyond that
 * the target is connected anew from the last event that was handed over.
 *
 * Kept inside: resource versions (bookmarks), server-side timeouts of about 4 min, reconnects with
 * backoff (at once after a clean end and after the loss of a connection that worked; 1 s doubling
 * to 30 s with jitter when that fails; Retry-After honoured; connection refused keeps trying), 410
 * as status or event -> relist, 401 -> new credential, idle connection of 150 s -> reconnect,
 * frames split anywhere. Memory: one event (at most 16 MiB) or one page of a list a target.
 *
 * -1: a required target is refused (REFUSED; UNREACHABLE when not logged in), or out of memory.
 */
int kube_watches_run(struct kube_watches *watches, int64_t timeout_ms, kube_watch_handler *handler,
                     void *user, enum http_wait *outcome, struct error **err);
