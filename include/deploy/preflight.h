#pragma once

/*
 * Every check that can be made before anything is touched: parameters, cluster, rights, GitLab,
 * model, runtime, the live object and what the API server says to the new one (a dry run, webhooks
 * included), Pod Security, quotas, limits, nodes, volume. Nothing is changed on any server: the
 * only writes are access reviews and dry runs, which are not stored.
 */

#include "deploy/check.h"
#include "deploy/inputs.h"
#include "deploy/session.h"

struct preflight_request {
    const struct inputs *inputs;     /* after inputs_check */
    const struct problems *problems; /* what it found */
    const struct session *session;   /* NULL: there is none, CONNECTION says why */
    const struct error *connection;  /* or NULL */
    const struct deps *deps;
    int64_t request_timeout_ms;
    int64_t deadline_ms; /* monotonic; 0: none */
};

/*
 * Appends the findings to OUT in the order in which a deploy would stumble over them, so that the
 * first failure is the one it would end with. What cannot be read is skipped and names the right
 * that is missing. With wrong parameters the checks that depend on them are skipped. A bounded
 * number of dependent round trips: five to Kubernetes (one more for each 50 nodes), those of
 * resolve_model and the model check, and one to GitLab.
 *
 * -1 only for ERROR_CANCELED, ERROR_DEADLINE of DEADLINE_MS, or lack of memory.
 */
int preflight(struct checks *out, const struct preflight_request *request, struct error **err);
