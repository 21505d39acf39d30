#pragma once

/* Kinds by API path. */

#include "base/error.h"

#include <stdbool.h>

struct kube_resource {
    const char *group; /* "" = core */
    const char *version;
    const char *plural;
    const char *kind;
    bool namespaced;
};

extern const struct kube_resource kube_inference_services;       /* serving.kserve.io/v1beta1 */
extern const struct kube_resource kube_cluster_serving_runtimes; /* serving.kserve.io/v1alpha1 */
extern const struct kube_resource kube_serving_runtimes;         /* serving.kserve.io/v1alpha1 */
extern const struct kube_resource kube_deployments;              /* apps/v1 */
extern const struct kube_resource kube_replica_sets;             /* apps/v1 */
extern const struct kube_resource kube_pods;
extern const struct kube_resource kube_events;
extern const struct kube_resource kube_config_maps;
extern const struct kube_resource kube_secrets;
extern const struct kube_resource kube_namespaces;
extern const struct kube_resource kube_nodes;
extern const struct kube_resource kube_persistent_volume_claims;
extern const struct kube_resource kube_resource_quotas;
extern const struct kube_resource kube_limit_ranges;
extern const struct kube_resource kube_knative_revisions;           /* serving.knative.dev/v1 */
extern const struct kube_resource kube_self_subject_access_reviews; /* authorization.k8s.io/v1 */
extern const struct kube_resource kube_self_subject_reviews;        /* authentication.k8s.io/v1 */

/* The ServiceAccount of NAMESPACE that USERNAME ("system:serviceaccount:NAMESPACE:NAME") stands
 * for, inside USERNAME; "" for anybody else. USERNAME may be NULL. */
const char *kube_service_account_of(const char *username, const char *namespace_);

/*
 * "/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUBRESOURCE", percent-encoded. NAMESPACE is
 * ignored for cluster-scoped kinds; NULL means all namespaces. NAME and SUBRESOURCE may be NULL (a
 * SUBRESOURCE without a NAME is ignored). NULL with an error when out of memory, when one of them
 * is empty, or when the path passes 4096 bytes.
 */
char *kube_path(const struct kube_resource *resource, const char *namespace_, const char *name,
                const char *subresource, struct error **err);

/* "inferenceservices.serving.kserve.io", "pods": as RBAC texts name a resource. NULL with an error.
 */
char *kube_resource_label(const struct kube_resource *resource, struct error **err);
