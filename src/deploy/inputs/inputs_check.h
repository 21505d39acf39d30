#pragma once

/* The parts of inputs_check. Each adds every problem it finds; -1 only when out of memory. */

#include "deploy/inputs.h"

/* Names of the service, namespace, claim, runtime; replicas; storage; strategy; notes. */
int inputs_check_service(const struct inputs *inputs, struct problems *problems,
                         struct error **err);

/* Where the model comes from: repository, refs, URLs, overrides. Strips refs/heads/ and refs/tags/,
 * and makes a URL of a GITLAB_BASE_URL that is host[:port]. */
int inputs_check_model(struct inputs *inputs, struct problems *problems, struct error **err);

/* CPU, memory, ephemeral storage. Fills in the default size of the latter. */
int inputs_check_quantities(struct inputs *inputs, struct problems *problems, struct error **err);

/* NVIDIA_GPU*, and what of HAMi's defaults yields to it or to RESOURCE_LIMITS (parsed before). */
int inputs_check_gpu(struct inputs *inputs, struct problems *problems, struct error **err);

/* Parses RESOURCE_LIMITS and ENV. */
int inputs_check_limits(struct inputs *inputs, struct problems *problems, struct error **err);
int inputs_check_env(struct inputs *inputs, struct problems *problems, struct error **err);

/* True when an error names PARAMETER: parsing it, or an earlier rule, has refused it. */
bool inputs_is_refused(const struct problems *problems, const char *parameter);

/* Replaces *FIELD by a copy of TEXT. */
int inputs_replace(char **field, const char *text, struct error **err);
