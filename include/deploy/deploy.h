#pragma once

/* The main job: from inputs to a serving revision. */

#include "deploy/observer.h"
#include "deploy/outcome.h"
#include "deploy/prepare.h"
#include "deploy/rollout.h"

struct deploy_options {
    const struct session *session;
    const struct inputs *inputs;
    const struct observer *observer;
    const struct deps *deps;
    int64_t request_timeout_ms;
    int64_t started_ms; /* monotonic; TIMEOUT counts from here */
    int (*record)(void *user, const char *line, struct error **err); /* transcript; or NULL */
    void *record_user;
};

/*
 * resolve -> plan -> render -> apply -> rollout (-> rollback, -> verify). OUTCOME (initialised) is
 * filled as far as the run came, on failure too. 0 when the revision serves; -1 with the error
 * whose kind is the exit code.
 */
int deploy(struct outcome *outcome, const struct deploy_options *options, struct error **err);
