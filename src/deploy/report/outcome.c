#include "deploy/outcome.h"

#include "base/text.h"

#include <stddef.h>

static const size_t text_offsets[] = {
    offsetof(struct outcome, name),           offsetof(struct outcome, namespace_),
    offsetof(struct outcome, in_cluster_url), offsetof(struct outcome, out_cluster_url),
    offsetof(struct outcome, project),        offsetof(struct outcome, ref),
    offsetof(struct outcome, commit),         offsetof(struct outcome, git_url),
    offsetof(struct outcome, storage_uri),    offsetof(struct outcome, runtime),
    offsetof(struct outcome, failure_class),  offsetof(struct outcome, reason),
    offsetof(struct outcome, cause),          offsetof(struct outcome, hint),
    offsetof(struct outcome, rollback),
};

static char **text_at(struct outcome *outcome, size_t index) {
    return (char **)(void *)((char *)outcome + text_offsets[index]);
}

int outcome_init(struct outcome *outcome, struct error **err) {
    outcome->state = OUTCOME_FAILED;
    for (size_t i = 0; i < array_length(text_offsets); i++) {
        *text_at(outcome, i) = text_copy("", err);
        if (*text_at(outcome, i) == NULL)
            return -1;
    }
    return 0;
}

void outcome_free(struct outcome *outcome) {
    for (size_t i = 0; i < array_length(text_offsets); i++)
        free(*text_at(outcome, i));
    strings_free(&outcome->evidence);
    *outcome = (struct outcome){.state = OUTCOME_FAILED};
}

int outcome_set(char **field, const char *text, struct error **err) {
    char *copy = text_copy(text != NULL ? text : "", err);
    if (copy == NULL)
        return -1;
    free(*field);
    *field = copy;
    return 0;
}

/* The stable word for an error that ended a run before or around the rollout. */
static const char *reason_of(const struct error *error) {
    switch (error->kind) {
    case ERROR_PARAMETER:
        return "InvalidParameters";
    case ERROR_MODEL:
        return "ModelUnavailable";
    case ERROR_RUNTIME:
        return "RuntimeUnavailable";
    case ERROR_REFUSED:
        return "RefusedByCluster";
    case ERROR_CONFLICT:
        return "Conflict";
    case ERROR_ROLLOUT:
        return "RolloutFailed";
    case ERROR_DEADLINE:
        return "DeadlineExceeded";
    case ERROR_UNREACHABLE:
        return "Unreachable";
    case ERROR_CANCELED:
        return "Canceled";
    case ERROR_INTERNAL:
        break;
    }
    return "InternalError";
}

int outcome_set_error(struct outcome *outcome, const struct error *error, struct error **err) {
    outcome->state = error->kind == ERROR_DEADLINE   ? OUTCOME_TIMEOUT
                     : error->kind == ERROR_CANCELED ? OUTCOME_CANCELED
                                                     : OUTCOME_FAILED;
    if (outcome->reason[0] == '\0' && outcome_set(&outcome->reason, reason_of(error), err) < 0)
        return -1;
    if (outcome->cause[0] == '\0' && outcome_set(&outcome->cause, error->message, err) < 0)
        return -1;
    if (outcome->hint[0] == '\0' && outcome_set(&outcome->hint, error->hint, err) < 0)
        return -1;
    return 0;
}

const char *outcome_state_name(enum outcome_state state) {
    static const char *const names[] = {"ready", "failed", "timeout", "canceled"};
    return names[state];
}
