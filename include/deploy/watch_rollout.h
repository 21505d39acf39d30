#pragma once

/* The loop around the reducer: list + watch, logs on demand, deadline, cancel, recording. */

#include "deploy/observer.h"
#include "deploy/rollout.h"
#include "kube/client.h"

struct rollout_options {
    const struct rollout_target *target;
    const struct rollout_patience *patience; /* NULL: defaults */
    const struct observer *observer;
    int64_t deadline_ms;                                             /* monotonic; 0: none */
    int (*record)(void *user, const char *line, struct error **err); /* transcript lines; or NULL */
    void *record_user;
    bool until_deleted; /* `wait --for=deleted`: deletion is success */
    /* Called on every turn, for what goes on beside (a batch in the background); must not wait. -1
     * ends the watching. NULL: nothing. */
    int (*beside)(void *user, struct error **err);
    void *beside_user;
};

/*
 * Waits until the verdict is READY or FAILED. InferenceService and Deployments must be readable;
 * ReplicaSets, pods, events, logs and Knative revisions are used when the rights are there, and
 * what could not be read is named once. Progress goes to the observer: when it changes, and a
 * heartbeat at most every 30 s. On failure the wanted logs are fetched (at most 8, 150 lines and
 * 128 KiB each, 5 s in all) and the verdict is made again with them.
 *
 * 0 with a READY or FAILED verdict; -1 with ERROR_DEADLINE or ERROR_CANCELED (OUT still holds the
 * last verdict, with the last known cause) or another error when watching became impossible.
 */
int rollout_wait(struct verdict *out, struct kube_client *client,
                 const struct rollout_options *options, const struct deps *deps,
                 struct error **err);
