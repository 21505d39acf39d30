#pragma once

/*
 * Private to watch.c, watch_target.c, watch_events.c and their tests: what one target of a watch
 * does next. Knows no network: it is told what arrived and says what to ask for.
 */

#include "kube/frames.h"
#include "kube/watch.h"

enum watch_phase {
    WATCH_LISTING,
    WATCH_WATCHING,
    WATCH_STOPPED, /* optional and refused */
};

/* What ended a watch from within its stream. */
enum watch_verdict {
    WATCH_NO_VERDICT,
    WATCH_EXPIRED,  /* ERROR event 410: list again */
    WATCH_STATUS,   /* ERROR event with another Status */
    WATCH_NONSENSE, /* no event; the cause says what */
    WATCH_NO_MEMORY,
};

typedef void watch_emit(void *user, size_t target, enum kube_event type, const json_t *object,
                        const char *message);

struct watch_target {
    const struct kube_watch_target *spec; /* borrowed */
    size_t index;
    struct kube_watch_tuning tuning;
    watch_emit *emit;
    void *user;

    enum watch_phase phase;
    char *version;   /* resourceVersion to watch from */
    char *next;      /* `continue` token of the next page, or NULL */
    bool synced;     /* SYNCED was said for this list or start */
    int failures;    /* in a row */
    int refusals;    /* 401s and 403s in a row */
    bool may_list;   /* it was allowed once */
    bool may_watch;  /* the same */
    bool was_away;   /* no connection came about last time: the server may have just started */
    int64_t wake_ms; /* when to connect (monotonic) */

    /* of the connection at hand */
    int status; /* 0: no answer yet */
    int64_t started_ms;
    size_t received; /* events and bookmarks */
    struct kube_frames frames;
    struct buffer body; /* a page of the list, or an error's text */
    enum watch_verdict verdict;
    struct error *cause; /* of WATCH_NONSENSE */
    json_t *said;        /* of WATCH_STATUS */
};

/* EMIT is called from watch_target_status, _data and _end. */
int watch_target_init(struct watch_target *target, const struct kube_watch_target *spec,
                      size_t index, const struct kube_watch_tuning *tuning, watch_emit *emit,
                      void *user, struct error **err);
void watch_target_free(struct watch_target *target);

/* The path and query to ask for now; JITTER 0..999. NULL when out of memory. */
char *watch_target_path(const struct watch_target *target, unsigned jitter, struct error **err);

/* A connection begins. */
void watch_target_started(struct watch_target *target, int64_t now_ms);
/* Its status, then bytes of its body arrived. _data is not 0 when the connection is to be ended. */
void watch_target_status(struct watch_target *target, int status);
int watch_target_data(struct watch_target *target, const char *data, size_t length);

struct watch_end {
    bool broken;
    bool overrun;           /* ended by us, for a backlog: connect again at once, silently */
    const char *cause;      /* why it broke, or NULL */
    int64_t retry_after_ms; /* of the answer's Retry-After, or 0 */
    int64_t now_ms;
    unsigned jitter; /* 0..999 */
};

enum watch_next {
    WATCH_GO_ON,        /* connect at wake_ms, unless stopped */
    WATCH_UNAUTHORIZED, /* the same, and the credential was not accepted */
};

/* It ended. enum watch_next, or -1 with an error when the whole watch is to end. */
int watch_target_end(struct watch_target *target, const struct watch_end *end, struct error **err);

/* Fills in apiVersion and kind where they are missing. */
int watch_name_object(json_t *object, const struct kube_resource *resource, struct error **err);

/* One object of the watch's body (kube_frame_handler). */
int watch_target_frame(void *user, const char *frame, size_t length);

/* A whole page of the list is in BODY: hands its items over. -1 with an error when it is none. */
int watch_target_page(struct watch_target *target, struct error **err);
