#pragma once

/*
 * What one pod of the InferenceService will ask of the cluster. Pure. Sources: kserve
 * pkg/utils MergeRuntimeContainers (resources merge key by key), Kubernetes
 * pkg/apis/core/v1/defaults.go (a request that is missing is its limit).
 */

#include "base/error.h"
#include "deploy/quantity.h"

#include <jansson.h>

/*
 * *OUT is an array of {"name", "requests": {resource: text}, "limits": {resource: text}}: the
 * containers of the pod that SERVICE (an InferenceService as the API server has it, or as rendered)
 * makes with RUNTIME (a ClusterServingRuntime). Amounts that are no quantities are left out. KServe
 * and admission may add containers of their own: they are not known here.
 */
int pod_need_containers(json_t **out, const json_t *service, const json_t *runtime,
                        struct error **err);

/* The sum of RESOURCE over the containers' SIDE ("requests" or "limits"). False when none has it.
 */
bool pod_need_sum(struct quantity *out, const json_t *containers, const char *side,
                  const char *resource);

/* The parameter that sets RESOURCE: "MEMORY_LIMIT" for memory and "limits". Never NULL. */
const char *pod_need_parameter(const char *resource, const char *side);

/* For people: "16 GiB" for memory and storage, "1500m" or "4" for cpu, else a whole number. Returns
 * OUT. */
const char *pod_need_text(char out[QUANTITY_SIZE], const char *resource,
                          const struct quantity *amount);

/* The amount in VALUE (text or number of a JSON resource list). False when it is no quantity. */
bool pod_need_amount(struct quantity *out, const json_t *value);
