#pragma once

/* Starting another program (a kubeconfig's exec plugin, `git credential`), without a shell. */

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct process_request {
    const char *const *arguments; /* NULL-terminated; [0] is looked up in PATH when it has no '/' */
    const char *const *environment; /* NULL-terminated "NAME=value" added to our own environment */
    const char *input;              /* fed to standard input; NULL: /dev/null */
    int64_t timeout_ms;             /* the program is killed after that */
    int cancel_descriptor;          /* and when this becomes readable (deps.h); -1: never */
    bool quiet;                     /* its standard error goes to /dev/null, not to ours */
};

struct process_result {
    struct buffer output; /* its standard output; set .limit (and .secret) before the call */
    int exit_code;        /* or 128 + signal */
};

struct process_runner {
    /* Runs and waits. Standard error is ours unless quiet. Fails when the program cannot be
     * started, runs too long or prints too much (ERROR_CANCELED when canceled meanwhile); a
     * non-zero exit code is no failure. */
    int (*run)(void *user, const struct process_request *request, struct process_result *result,
               struct error **err);
    void *user;
};

/* posix_spawn, in its own process group, killed as a group. */
extern const struct process_runner process_system;
