#include "deploy/observer.h"

const char *stage_name(enum stage stage) {
    static const char *const names[] = {
        [STAGE_INPUTS] = "inputs",   [STAGE_SESSION] = "session", [STAGE_CLUSTER] = "cluster",
        [STAGE_MODEL] = "model",     [STAGE_PLAN] = "plan",       [STAGE_APPLY] = "apply",
        [STAGE_ROLLOUT] = "rollout", [STAGE_VERIFY] = "verify",   [STAGE_REPORT] = "report",
    };
    return names[stage];
}
