#pragma once

/* Everything from outside that a stage may use. One value, made by main, passed down by const
 * pointer; tests make their own. */

#include "base/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

struct deps {
    const struct clock *clock;
    const struct file_access *files;
    const struct environment *environment;
    const struct process_runner *processes;
    const struct log *log; /* may be NULL */
    /*
     * Becomes (and stays) readable when the run is to stop: SIGTERM, SIGINT. -1: never. Whoever
     * waits polls it too and ends with ERROR_CANCELED.
     */
    int cancel_descriptor;
    const char *service_account_directory; /* /var/run/secrets/kubernetes.io/serviceaccount */
};
