#pragma once

/* Private to apply.c, apply_conflict.c and their tests: what a refused write means. Pure. */

#include "kube/apply.h"

enum apply_refusal {
    APPLY_REFUSED,        /* final: the caller hears what the server said */
    APPLY_FIELD_CONFLICT, /* 409: another manager owns a field that we change */
    APPLY_STALE,          /* 409: somebody wrote, or created the object, since we read */
    APPLY_GONE,           /* 409: the object that we know by uid is gone */
    APPLY_RECREATED,      /* 409 or 422: an object of that name with another uid is there */
    APPLY_WEBHOOK_DOWN,   /* 5xx: an admission webhook did not answer; worth another try */
    APPLY_BUSY,           /* 429: not done; worth another try */
    APPLY_UNCERTAIN,      /* broken connection, 502, 503, 504: it may or may not have been done */
};

/*
 * STATUS is the answer's Status object or NULL. The four 409s differ only in causes and text:
 * apimachinery managedfields/internal/conflict.go, apiserver registry/generic/registry/store.go,
 * endpoints/handlers/patch.go.
 */
enum apply_refusal apply_refusal_of(const struct error *error, int http_status,
                                    const json_t *status);

/*
 * True when every conflict of STATUS is with a manager whose claims are a deploy's and no person's:
 * OURS itself, and kubectl's writers of whole manifests (apply, create, replace; before-first-apply
 * when LIVE has the last-applied annotation). Point changes (kubectl edit, patch, scale, a user
 * interface) are decisions that somebody took.
 */
bool apply_conflict_may_force(const json_t *status, const json_t *live, const char *ours);

/*
 * True when every other conflict is about a value that LIVE has already, but for zero values which
 * a webhook's Go types added to it ("divisor": "0" in a resourceFieldRef): the owner's decision is
 * ours, and nothing of it is lost by forcing.
 */
bool apply_conflict_takes_nothing(const json_t *status, const json_t *document, const json_t *live,
                                  const char *ours);

/* Makes the ERROR_CONFLICT that names managers and their fields, and the way out. Returns -1. */
int apply_conflict_error(struct error **err, const json_t *status, const struct kube_apply *apply);

/* True when LIVE holds everything that DOCUMENT says (server-filled fields may come on top). */
bool apply_is_in(const json_t *document, const json_t *live);

/* As apply_is_in without annotations, which webhooks rewrite. */
bool apply_is_mostly_in(const json_t *document, const json_t *live);

/* True when BEFORE and AFTER differ in what people write: not status, managedFields, versions. */
bool apply_has_changed(const json_t *before, const json_t *after);
