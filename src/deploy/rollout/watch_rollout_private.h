#pragma once

/* Private to watch_rollout*.c: the loop's state. */

#include "deploy/watch_rollout.h"
#include "kube/watch.h"

enum { ROLLOUT_SOURCES = 6 };

struct rollout_watcher {
    struct kube_client *client;
    const struct rollout_options *options;
    const struct deps *deps;
    struct rollout *rollout;
    struct kube_watches *watches;
    struct kube_watch_target targets[ROLLOUT_SOURCES];
    enum rollout_object kinds[ROLLOUT_SOURCES];
    size_t count;
    char *by_name;
    char *by_label;
    char *shown; /* the progress that was told last */
    int64_t shown_ms;
    int64_t started_ms;       /* monotonic */
    unsigned listed;          /* a bit for each target whose first list is there, or is refused */
    int64_t confirm_after_ms; /* monotonic: no confirming read before */
    struct error *failure;    /* of a handler, which cannot return one */
    struct strings missing;   /* rights for diagnosis that are missing */
    char *grant;              /* the command that grants them, or NULL */
};

int rollout_watcher_record(struct rollout_watcher *watcher, const struct rollout_event *event);

/* Records and observes. -1 with the error in watcher->failure. */
int rollout_watcher_take(struct rollout_watcher *watcher, const struct rollout_event *event);

/* Notes that VERB on RESOURCE is missing for diagnosis; MESSAGE is the API server's. */
void rollout_watcher_note_missing(struct rollout_watcher *watcher, const char *verb,
                                  const char *resource, const char *message);

/*
 * Fetches the logs that OUT wants (at most 8, 150 lines and 128 KiB each, 5 s in all) and judges
 * again with them. What cannot be had is left out: the verdict stands without.
 */
void rollout_watcher_fetch_logs(struct rollout_watcher *watcher, struct verdict *out);
