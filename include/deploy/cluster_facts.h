#pragma once

/* The first conversation: everything the cluster knows that a deploy needs, in one parallel batch.
 */

#include "deploy/inputs.h"
#include "deploy/plan.h"
#include "deploy/session.h"

struct gitlab_access {
    char *base_url; /* "" when not configured */
    char *username; /* of the token, for Git's own protocol; NULL when none was given */
    char *token;    /* secret; "" */
    char *ca_pem;   /* or NULL */
    char *origin;   /* for people: "ConfigMap demo/aml-image-builder-config" or "GITLAB_BASE_URL" */
};

struct cluster_facts {
    json_t *live;                /* the InferenceService, or NULL */
    char *list_resource_version; /* of the list that showed it (absent) */
    enum kserve_generation kserve;
    json_t *runtimes;          /* array of candidates */
    bool runtimes_are_partial; /* many candidates: containers were left out; see
                                  cluster_complete_runtime */
    json_t *shadows; /* ServingRuntimes of the namespace, as far as rights allow; or NULL */
    struct gitlab_access gitlab;
    int64_t claim_bytes;     /* capacity of PVC_NAME; -1: unknown */
    char *claim_problem;     /* why it is, or NULL */
    struct strings warnings; /* Warning headers of the API server */
};

void cluster_facts_free(struct cluster_facts *facts);

#define cleanup_cluster_facts cleanup(cluster_facts_free)

/*
 * One batch: InferenceService (list by name), runtime by name or class, KServe probe, the
 * namespace's own runtimes (no right to read them is no error), and, unless
 * the inputs give them or no GitLab is needed, ConfigMap aml-image-builder-config and Secret
 * aml-image-builder-secret; with PVC_NAME and a model check the claim, which may be refused. All
 * that failed for want of rights is named together. Errors: ERROR_REFUSED (rights, KServe not
 * installed), ERROR_RUNTIME (no such runtime), ERROR_MODEL (GitLab not configured),
 * ERROR_UNREACHABLE.
 */
int cluster_facts_read(struct cluster_facts *out, const struct session *session,
                       const struct inputs *inputs, const struct deps *deps, int64_t deadline_ms,
                       struct error **err);

/* What a survey did not learn, and why; NULL where it did. Owned. */
struct cluster_gaps {
    struct error *live;    /* the InferenceService; KServe may be missing */
    struct error *runtime; /* the candidates */
    struct error *gitlab;  /* where GitLab is, and its token */
};

void cluster_gaps_free(struct cluster_gaps *gaps);

#define cleanup_cluster_gaps cleanup(cluster_gaps_free)

/*
 * The same batch for preflight: what fails does not hide the rest. -1 only when the batch could not
 * be sent.
 */
int cluster_facts_survey(struct cluster_facts *out, struct cluster_gaps *gaps,
                         const struct session *session, const struct inputs *inputs,
                         const struct deps *deps, int64_t deadline_ms, struct error **err);

/* Fetches the chosen runtime whole when the candidates were partial; replaces choice->runtime. */
int cluster_complete_runtime(struct runtime_choice *choice, const struct cluster_facts *facts,
                             const struct session *session, int64_t deadline_ms,
                             struct error **err);

/* Takes over the fields of the namespace's own runtime of that name, if FACTS has one
 * (runtime_take_shadow). */
int cluster_take_shadow(struct runtime_choice *choice, const struct cluster_facts *facts,
                        const struct inputs *inputs, const char *library, struct error **err);

/*
 * Local use (deploy/git_credential.h): what neither parameters nor the cluster gave. With MODEL_DIR
 * the address is that of the clone's remote; with MODEL_DIR, MODEL_GIT_URL or GITLAB_BASE_URL the
 * token is the machine's login for that server, if it has one. Never asked in other cases. Errors:
 * ERROR_PARAMETER (MODEL_DIR is no clone).
 */
int gitlab_access_from_machine(struct gitlab_access *access, const struct inputs *inputs,
                               const struct deps *deps, struct error **err);

/* Reads data of ConfigMap and Secret into ACCESS where the inputs have not set it. Pure; fuzzed. */
int gitlab_access_from_cluster(struct gitlab_access *access, const json_t *config_map,
                               const json_t *secret, const char *namespace_, struct error **err);
