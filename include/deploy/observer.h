#pragma once

/* How a run tells people what it does. Implemented by src/cli (terminal, log); silent in tests. */

#include <stdint.h>

enum stage {
    STAGE_INPUTS,
    STAGE_SESSION,
    STAGE_CLUSTER,
    STAGE_MODEL,
    STAGE_PLAN,
    STAGE_APPLY,
    STAGE_ROLLOUT,
    STAGE_VERIFY,
    STAGE_REPORT
};

struct observer {
    /* A stage begins; WHAT is short: "reading the cluster". */
    void (*begin)(void *user, enum stage stage, const char *what);
    /* It ended well; FOUND says what it found: "KServe >= 0.16, runtime aml-vllm-0.9.2". */
    void (*end)(void *user, enum stage stage, const char *found);
    /* Something changed inside a stage (shown as a living line on a terminal). */
    void (*progress)(void *user, enum stage stage, const char *text);
    void (*notice)(void *user, const char *text);
    void (*warning)(void *user, const char *text);
    void *user;
};

const char *stage_name(enum stage stage);
