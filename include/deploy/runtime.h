#pragma once

/*
 * Choosing a ClusterServingRuntime. Pure. Source of what KServe checks when
 * spec.predictor.model.runtime is set: kserve
 * pkg/controller/v1beta1/inferenceservice/components/predictor.go,
 * pkg/apis/serving/v1alpha1/servingruntime_types.go, utils.MergeRuntimeContainers.
 */

#include "base/strings.h"
#include "deploy/inputs.h"

#include <jansson.h>

#define RUNTIME_CLASS_LABEL       "cpaas.io/runtime-class"
#define RUNTIME_ACCELERATOR_LABEL "cpaas.io/accelerator-type"
/* The container that KServe merges an InferenceService's model into, by name. */
#define RUNTIME_CONTAINER "kserve-container"

struct runtime_choice {
    json_t *runtime; /* the object, owned reference */
    char *name;
    char *class_;   /* label cpaas.io/runtime-class, or RUNTIME_CLASS; "" when neither is there */
    char *protocol; /* protocolVersion to send: "v2" when listed, else the first listed; "" when it
                       lists none */
    struct strings
        warnings; /* several candidates, accelerator type differs from the GPU asked for, ... */
};

void runtime_choice_free(struct runtime_choice *choice);

#define cleanup_runtime_choice cleanup(runtime_choice_free)

/*
 * A runtime fits when it is not disabled, not multi-model, not multi-node (workerSpec), has the
 * container kserve-container, and lists LIBRARY among supportedModelFormats (case-sensitive).
 *
 * By name: the one of CANDIDATES that is so named must fit, and its class must equal RUNTIME_CLASS
 * when both are given. By class: the first by name among those of the class that fit; those that
 * list protocols without v2, or whose accelerator type is not the one that is asked for, come last.
 *
 * LIBRARY "" is not known yet (preflight without a model): formats are not looked at.
 *
 * ERROR_RUNTIME lists each candidate (at most 20) and why it does not fit.
 */
int runtime_choose(struct runtime_choice *out, const json_t *candidates,
                   const struct inputs *inputs, const char *library, struct error **err);

/*
 * KServe prefers a ServingRuntime of the namespace to the ClusterServingRuntime of the same name
 * (pkg/controller/v1beta1/inferenceservice/utils/utils.go GetServingRuntime). CHOICE takes over the
 * spec and the protocol of SHADOW, such a ServingRuntime, with a warning; the class stays.
 * ERROR_RUNTIME when SHADOW does not fit.
 */
int runtime_take_shadow(struct runtime_choice *choice, const json_t *shadow, const char *namespace_,
                        const char *library, struct error **err);

/* The same without looking at what SHADOW is: CHOICE takes over its spec and protocol. For the
 * preflight, whose checks judge it one by one. */
int runtime_merge_shadow(struct runtime_choice *choice, const json_t *shadow, struct error **err);

/* True when the runtime lists FORMAT in supportedModelFormats (case-sensitive, as KServe compares).
 */
bool runtime_supports(const json_t *runtime, const char *format);

/* The container named kserve-container, borrowed; NULL when none. */
json_t *runtime_container(const json_t *runtime);
