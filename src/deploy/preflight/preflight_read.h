#pragma once

/* What preflight asks of the cluster beyond what a deploy asks. */

#include "deploy/session.h"
#include "preflight_internal.h"

struct preflight_reader {
    const struct session *session;
    const struct inputs *inputs;
    int64_t deadline_ms;
};

/*
 * One parallel batch (version, API groups, namespace, quotas, limits, the first page of nodes, the
 * claim), the rest of the nodes, and the reviews of rights, twelve at a time. What fails is kept
 * with its reason. -1 for lack of memory, ERROR_CANCELED, or a credential that cannot be had.
 */
int preflight_read_cluster(struct cluster_readings *out, const struct preflight_reader *reader,
                           struct error **err);

/* No answer at all, or none to this login: asking on would only take time. */
bool preflight_is_silent(const struct cluster_readings *readings);

/* The ServingRuntime of the namespace that is named RUNTIME and would hide the cluster's. */
int preflight_read_shadow(struct cluster_readings *out, const struct preflight_reader *reader,
                          const char *runtime, struct error **err);

/* What only the answers before tell to ask for: the storage class of a claim that is not bound. */
int preflight_read_more(struct cluster_readings *out, const struct preflight_reader *reader,
                        struct error **err);

void cluster_readings_free(struct cluster_readings *readings);

#define cleanup_cluster_readings cleanup(cluster_readings_free)
