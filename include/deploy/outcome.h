#pragma once

/* What a run came to: what results, summary and exit code are made of. */

#include "base/error.h"
#include "base/strings.h"

#include <stdbool.h>
#include <stdint.h>

enum outcome_state { OUTCOME_READY, OUTCOME_FAILED, OUTCOME_TIMEOUT, OUTCOME_CANCELED };

/* All text owned, "" = unknown. */
struct outcome {
    enum outcome_state state;
    char *name;
    char *namespace_;
    char *in_cluster_url;
    char *out_cluster_url;
    char *project; /* model repository path */
    char *ref;     /* "branch main", "tag v1", "commit" */
    char *commit;
    char *git_url;
    char *storage_uri;
    char *runtime;
    char *failure_class; /* terminal, repeated, impatient; "" when the failure was before the
                            rollout */
    char *reason;        /* CamelCase */
    char *cause;         /* one sentence */
    char *hint;
    struct strings evidence;
    bool applied;     /* the InferenceService was written (and is left as it is) */
    bool changed;     /* ... and differs from before */
    bool rolled_back; /* the spec of before is applied again */
    char *rollback;   /* what became of ON_FAILURE=rollback, one sentence; "" when not asked for */
    int64_t took_ms;
};

int outcome_init(struct outcome *outcome, struct error **err);
void outcome_free(struct outcome *outcome);
int outcome_set(char **field, const char *text, struct error **err);

/* Fills state, reason, cause and hint from an error that ended the run. */
int outcome_set_error(struct outcome *outcome, const struct error *error, struct error **err);

/* "ready", "failed", "timeout", "canceled". */
const char *outcome_state_name(enum outcome_state state);

#define cleanup_outcome cleanup(outcome_free)
