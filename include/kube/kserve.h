#pragma once

/* What the installed KServe is, told apart with no more rights than a deploy has. */

#include "kube/client.h"

enum kserve_generation {
    KSERVE_UNKNOWN,
    KSERVE_LEGACY_MODES, /* <= 0.15: annotation values RawDeployment, Serverless */
    KSERVE_NEW_MODES,    /* >= 0.16: Standard, Knative */
};

/*
 * The request that tells: a dry-run create of an InferenceService with predictor.model.name set,
 * which the webhook of 0.16 and later refuses ("the 'name' field is not allowed", kserve PR 4535)
 * and earlier ones accept. Nothing is stored. BODY is owned by the caller. Goes into the first
 * parallel batch.
 */
int kserve_probe_request(struct kube_request *out, char **body, const char *namespace_,
                         struct error **err);

/* Reads the answer. A kind that is not served at all (404) is ERROR_REFUSED "KServe is not
 * installed"; anything unclear is KSERVE_UNKNOWN without an error. Pure. */
int kserve_probe_read(enum kserve_generation *out, const struct kube_answer *answer,
                      struct error **err);
