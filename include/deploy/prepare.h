#pragma once

/* The stages before anything is changed: cluster, model, plan, render. Shared by deploy, render and
 * diff. */

#include "deploy/cluster_facts.h"
#include "deploy/observer.h"
#include "deploy/render.h"

struct preparation {
    struct cluster_facts facts;
    struct model model;
    struct plan_facts plan_facts; /* borrows from facts */
    struct plan plan;             /* borrows from inputs and model */
    struct document document;
};

struct prepare_context {
    const struct session *session;
    const struct inputs *inputs;
    const struct observer *observer;
    const struct deps *deps;
    int64_t request_timeout_ms;
    int64_t deadline_ms; /* monotonic; 0: none */
};

/*
 * Fills OUT (zeroed) in place; it must not be moved afterwards. On failure OUT holds what was
 * learnt so far (for results) and is freed by the caller all the same.
 */
int prepare(struct preparation *out, const struct prepare_context *context, struct error **err);

/* The last two stages alone, plan and render: OUT's facts and model must be filled. */
int prepare_plan(struct preparation *out, const struct prepare_context *context,
                 struct error **err);
void preparation_free(struct preparation *preparation);

#define cleanup_preparation cleanup(preparation_free)

/* Git's blob id as the content hash. */
extern const struct hasher hasher_git;
