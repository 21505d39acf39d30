#pragma once

/* Why a cluster does not know InferenceServices. */

#include "deploy/session.h"

/*
 * A request for InferenceServices was answered with FAILURE, 404 or 403 (RBAC speaks before the
 * path is looked at). Asks the API server which groups it has (/apis/GROUP, which every account may
 * read), one batch. 0 and nothing when it has serving.kserve.io, or does not say; -1 with
 * ERROR_REFUSED when it has not: KFServing of before 0.8 (serving.kubeflow.org alone; facts of
 * KServe's history: ClusterServingRuntime came with 0.8), or no KServe at all.
 */
int kserve_explain_absence(const struct error *failure, const struct session *session,
                           const char *namespace_, int64_t deadline_ms, struct error **err);
