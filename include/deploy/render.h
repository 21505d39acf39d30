#pragma once

/* plan -> the InferenceService document. Pure, canonical: the same plan gives the same bytes. */

#include "deploy/plan.h"

#define FIELD_MANAGER           "deploy-inference-service"
#define ANNOTATION_PREFIX       "deploy-inference-service.cpaas.io/"
#define ANNOTATION_CONTENT_HASH ANNOTATION_PREFIX "content-hash"
#define ANNOTATION_PIPELINE_RUN ANNOTATION_PREFIX "pipeline-run"
#define ANNOTATION_COMMIT       ANNOTATION_PREFIX "model-commit"

/* The hash of bytes as lower-case hex (main gives Git's blob id, see model/git.h). */
struct hasher {
    int (*hash)(void *user, char out[65], const void *data, size_t length, struct error **err);
    void *user;
};

struct document {
    json_t *object;               /* the whole InferenceService to apply; owned */
    char content_hash[65];        /* of everything but itself and provenance; stands in
                                     ANNOTATION_CONTENT_HASH */
    json_t *migration_operations; /* see kube_apply.migration_operations; or NULL */
    struct strings warnings; /* labels that had to be mapped, env duplicates, mixed GPU resources */
};

/*
 * Renders. Of the runtime's container (which must be whole) `command` and `env` are passed on as
 * JSON, untouched but for duplicates in env, where the last value stands at the first one's place;
 * `args` never, since KServe appends them. ENV replaces entries of the same name. model.name is
 * never sent: KServe 0.16 and later refuse it. Annotations, labels and resources are sorted by key.
 *
 * KServe copies annotations to the pods, so provenance (pipeline run, commit) is no part of the
 * hash and is taken over from the live object when its hash is the same: a second equal run changes
 * nothing.
 *
 * ERROR_PARAMETER: a request that is larger than its limit once merged with the runtime's resources
 * (naming both), ENV over a runtime's valueFrom (KServe before 0.20 merges them into an entry with
 * both, which Deployments refuse; source: utils.MergeRuntimeContainers), more than 256 KiB of
 * annotations.
 */
int render(struct document *out, const struct plan *plan, const struct plan_facts *facts,
           const struct hasher *hasher, struct error **err);
void document_free(struct document *document);

#define cleanup_document cleanup(document_free)
