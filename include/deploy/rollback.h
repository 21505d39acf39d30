#pragma once

/* ON_FAILURE=rollback: the spec that was live before this run, applied again. */

#include "deploy/observer.h"
#include "deploy/outcome.h"
#include "deploy/render.h"
#include "deploy/session.h"
#include "kube/apply.h"

struct rollback {
    const struct session *session;
    const struct observer *observer;
    const struct deps *deps;
    const char *name;
    const char *namespace_;
    const json_t
        *before; /* the live object as read before this run's apply; NULL: there was none */
    const json_t *applied; /* as this run's apply was answered */
    bool changed;          /* by this run */
};

/*
 * Applies BEFORE again, if the object still is what this run made of it, and waits until its
 * revision serves, for 10 minutes at most. Each end is told to the observer and kept as
 * OUTCOME->rollback; the run's own failure stays its end, so there is no error here. A signal ends
 * the wait, and what is applied stays.
 */
void rollback_run(struct outcome *outcome, const struct rollback *rollback);

/*
 * The document that brings back BEFORE: its spec, labels and annotations, without what servers
 * write (status, managedFields, kubectl's annotation). The deployment mode stays the one of NOW
 * (the object as just read), since KServe refuses any other. That nobody changes it in between is
 * for the apply to see (kube_apply.exact). Pure.
 */
int rollback_document(json_t **out, const json_t *before, const json_t *now, struct error **err);

/*
 * True when NOW still is what this run applied: same uid, its content hash, same generation. Else
 * somebody else changed it, and it is theirs. Pure.
 */
bool rollback_is_safe(const json_t *now, const json_t *applied);
