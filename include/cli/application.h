#pragma once

/* What a command works with. */

#include "cli/arguments.h"
#include "cli/console.h"
#include "deploy/session.h"

struct application {
    struct invocation *invocation;
    const struct deps *deps;
    struct console *console; /* standard error: progress, notices, errors */
    const struct observer *observer;
    FILE *output;       /* standard output */
    int64_t started_ms; /* monotonic */
};

/* "deploy-inference-service/0.1.0 (linux/amd64)"; a constant. */
const char *application_user_agent(void);
