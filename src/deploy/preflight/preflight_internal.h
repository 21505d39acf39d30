#pragma once

/*
 * The parts of preflight: what was read (preflight_read.c, the only one that talks to servers), and
 * the checks, which are pure: inputs and facts in, findings out.
 */

#include "deploy/check.h"
#include "deploy/inputs.h"
#include "deploy/plan.h"
#include "deploy/pod_need.h"
#include "deploy/rights.h"
#include "deploy/runtime.h"
#include "model/gitlab_server.h"

#include <jansson.h>

/* One read: OBJECT, or why there is none (an error, or nothing at all when it was not asked for).
 */
struct reading {
    json_t *object;
    struct error *error;
};

/* One right that the cluster was asked about. */
struct right_review {
    size_t right;   /* index into rights[] */
    char *resource; /* "pods/log" */
    char *verb;
    bool answered;
    bool allowed;
    struct error *error; /* why there is no answer; or NULL */
};

struct cluster_readings {
    struct reading version;       /* /version */
    struct reading groups;        /* /apis */
    struct reading namespace_;    /* the Namespace */
    struct reading quotas;        /* ResourceQuotaList */
    struct reading limits;        /* LimitRangeList */
    struct reading nodes;         /* {"items": [...]}, pruned */
    struct reading claim;         /* PVC_NAME */
    struct reading storage_class; /* of a claim that is not bound */
    struct reading shadow;        /* ServingRuntime that is named like the chosen one */
    struct reading account;       /* SelfSubjectReview, when it lacks rights */
    struct right_review *reviews;
    size_t review_count;
};

/* What the pod of a deploy will be, once parameters, model and runtime are known. */
struct pod_plan {
    const struct inputs *inputs;
    const json_t *containers; /* pod_need_containers; NULL: not known */
    const json_t *runtime;    /* ClusterServingRuntime; NULL: not known */
    const json_t *live;       /* the InferenceService as it is, or NULL */
    int64_t now_ms;           /* wall clock */
};

/* ---- preflight_cluster.c ---- */

int preflight_check_cluster(struct checks *checks, const struct cluster_readings *readings,
                            const struct inputs *inputs, enum kserve_generation kserve,
                            struct error **err);
/* False when the API groups say that KServe is not there, or too old; true when they are not known.
 */
bool preflight_has_kserve(const struct cluster_readings *readings);

/* ---- preflight_rights.c ---- */

/* Is the right used at all with these inputs? */
bool preflight_needs_right(const struct right *right, const char *verb,
                           const struct inputs *inputs);

int preflight_check_rights(struct checks *checks, const struct cluster_readings *readings,
                           const struct inputs *inputs, struct error **err);

/* ---- preflight_namespace.c ---- */

int preflight_check_namespace(struct checks *checks, const struct reading *namespace_,
                              const struct pod_plan *plan, struct error **err);

/* ---- preflight_quota.c ---- */

int preflight_check_quotas(struct checks *checks, const struct reading *quotas,
                           const struct pod_plan *plan, struct error **err);

/* ---- preflight_limits.c ---- */

/*
 * Also fills in what a LimitRange gives to containers that name no amount: *CONTAINERS (a new
 * reference) is what pods will have in the end; a copy of the plan's when nothing changes.
 */
int preflight_check_limits(json_t **containers, struct checks *checks, const struct reading *limits,
                           const struct pod_plan *plan, struct error **err);

/* ---- preflight_affinity.c ---- */

/* The runtime's nodeSelector and required node affinity match NODE. RUNTIME may be NULL. */
bool preflight_node_is_wanted(const json_t *node, const json_t *runtime);

/* ---- preflight_nodes.c ---- */

int preflight_check_nodes(struct checks *checks, const struct reading *nodes,
                          const struct pod_plan *plan, struct error **err);
/* Bytes of the largest GPU among NODES, as HAMi or NVIDIA's feature discovery tell; -1: unknown. */
int preflight_card_bytes(int64_t *out, const struct reading *nodes, struct error **err);
/* What the checks need of a Node; a new reference, NULL without memory. */
json_t *preflight_prune_node(const json_t *node);

/* ---- preflight_volume.c ---- */

int preflight_check_volume(struct checks *checks, const struct cluster_readings *readings,
                           const struct pod_plan *plan, struct error **err);

/* ---- preflight_runtime.c ---- */

/* CHOICE may be NULL; PROBLEM says then why, or is NULL: not looked at. LIBRARY "": not known. */
/* A ServingRuntime of the namespace, since the cluster has none of that name. */
bool preflight_runtime_is_of_namespace(const struct runtime_choice *choice);
int preflight_check_runtime(struct checks *checks, const struct runtime_choice *choice,
                            const struct error *problem, const char *library, struct error **err);
/* A ServingRuntime in the namespace hides the ClusterServingRuntime of the same name. */
int preflight_check_shadow(struct checks *checks, const struct reading *shadow,
                           const struct runtime_choice *choice, const char *library,
                           const struct inputs *inputs, struct error **err);

/* ---- preflight_gitlab.c ---- */

/* Whether the model could be resolved by GitLab's API settles what its scopes are good for. */
enum preflight_model {
    PREFLIGHT_MODEL_UNKNOWN,
    PREFLIGHT_MODEL_BY_API,
    PREFLIGHT_MODEL_BY_GIT,
    PREFLIGHT_MODEL_FAILED
};

struct gitlab_facts {
    const struct gitlab_server *server;
    const char *base_url;
    bool has_token;
    bool skip_verification;
    enum preflight_model model;
    int64_t now_ms; /* wall clock */
};

int preflight_check_gitlab(struct checks *checks, const struct gitlab_facts *facts,
                           struct error **err);
int preflight_check_lfs(struct checks *checks, enum model_lfs lfs, const char *project,
                        struct error **err);

/* ---- preflight_text.c ---- */

/*
 * Adds "skipped" for a read that failed: the missing right by name, or what went wrong. WHAT is
 * what cannot be said now: "quotas".
 */
int preflight_skip(struct checks *checks, const struct check_subject *subject,
                   const struct error *error, const char *what, struct error **err);
