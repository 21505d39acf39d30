#pragma once

/* Waiting for an InferenceService that somebody else applied. */

#include "deploy/observer.h"
#include "deploy/outcome.h"
#include "deploy/rollout.h"
#include "deploy/session.h"

enum wait_for { WAIT_FOR_READY, WAIT_FOR_DELETED, WAIT_FOR_FAILED };

struct wait_options {
    const struct session *session;
    const char *name;
    const char *namespace_;
    enum wait_for wait_for;
    const struct inputs *inputs; /* for VERIFY_*, checked; WAIT_FOR_READY only */
    const struct observer *observer;
    const struct deps *deps;
    int64_t deadline_ms; /* monotonic */
    int (*record)(void *user, const char *line, struct error **err);
    void *record_user;
};

/*
 * Reads the object, makes a rollout target of what it asks for now, and follows it. A missing
 * object is ERROR_REFUSED with reason NotFound (for WAIT_FOR_DELETED: success). 0 when the state
 * waited for is reached; for WAIT_FOR_READY a failed rollout is ERROR_ROLLOUT, for WAIT_FOR_FAILED
 * a ready one is. After READY the service itself is asked when VERIFY_ENDPOINT says so.
 */
int wait_for_service(struct outcome *outcome, const struct wait_options *options,
                     struct error **err);

/* The target that a live object asks for. Borrows from LIVE. Pure. */
struct rollout_target wait_target(const json_t *live, const char *name, const char *namespace_);

/* Fills OUTCOME from a verdict (URLs, class, reason, cause, hint, evidence). */
int outcome_take_verdict(struct outcome *outcome, const struct verdict *verdict,
                         struct error **err);
