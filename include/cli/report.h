#pragma once

/* The end of deploy and wait: results and what people read last. */

#include "cli/application.h"
#include "deploy/outcome.h"

/* A --results-dir that is not there is an ERROR_PARAMETER: at the start, not after the rollout. */
int report_check(const struct application *application, struct error **err);

/*
 * Writes the results of OUTCOME to --results-dir (default: Tekton's directory when it exists),
 * shows the success or the evidence, and returns RESULT: 0, or -1 with FAILURE in *err. Results
 * that cannot be written after a success are an ERROR_INTERNAL.
 */
int report(struct application *application, struct outcome *outcome, int result,
           struct error *failure, struct error **err);
