#include "kube/resource.h"

#include "base/buffer.h"
#include "base/text.h"

#include <string.h>

enum { LONGEST_PATH = 4096 };

const struct kube_resource kube_inference_services = {
    "serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService", true};
const struct kube_resource kube_cluster_serving_runtimes = {
    "serving.kserve.io", "v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", false};
const struct kube_resource kube_serving_runtimes = {"serving.kserve.io", "v1alpha1",
                                                    "servingruntimes", "ServingRuntime", true};
const struct kube_resource kube_deployments = {"apps", "v1", "deployments", "Deployment", true};
const struct kube_resource kube_replica_sets = {"apps", "v1", "replicasets", "ReplicaSet", true};
const struct kube_resource kube_pods = {"", "v1", "pods", "Pod", true};
const struct kube_resource kube_events = {"", "v1", "events", "Event", true};
const struct kube_resource kube_config_maps = {"", "v1", "configmaps", "ConfigMap", true};
const struct kube_resource kube_secrets = {"", "v1", "secrets", "Secret", true};
const struct kube_resource kube_namespaces = {"", "v1", "namespaces", "Namespace", false};
const struct kube_resource kube_nodes = {"", "v1", "nodes", "Node", false};
const struct kube_resource kube_persistent_volume_claims = {"", "v1", "persistentvolumeclaims",
                                                            "PersistentVolumeClaim", true};
const struct kube_resource kube_resource_quotas = {"", "v1", "resourcequotas", "ResourceQuota",
                                                   true};
const struct kube_resource kube_limit_ranges = {"", "v1", "limitranges", "LimitRange", true};
const struct kube_resource kube_knative_revisions = {"serving.knative.dev", "v1", "revisions",
                                                     "Revision", true};
const struct kube_resource kube_self_subject_access_reviews = {
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false};
const struct kube_resource kube_self_subject_reviews = {
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", false};

const char *kube_service_account_of(const char *username, const char *namespace_) {
    static const char prefix[] = "system:serviceaccount:";
    if (!text_has_prefix(username, prefix) || text_is_empty(namespace_))
        return "";
    const char *rest = username + sizeof(prefix) - 1;
    size_t length = strlen(namespace_);
    return strncmp(rest, namespace_, length) == 0 && rest[length] == ':' ? rest + length + 1 : "";
}

/* An empty segment would turn "get one" into "list all", as client-go's rest/request.go warns. */
static int append_segment(struct buffer *path, const char *segment, struct error **err) {
    if (segment[0] == '\0')
        return error_new(err, ERROR_INTERNAL, "an API path has an empty name or namespace");
    cleanup_free char *encoded = text_percent_encode(segment, err);
    if (encoded == NULL)
        return -1;
    buffer_append_character(path, '/');
    buffer_append_text(path, encoded);
    return 0;
}

char *kube_path(const struct kube_resource *resource, const char *namespace_, const char *name,
                const char *subresource, struct error **err) {
    cleanup_buffer struct buffer path = BUFFER_INIT(LONGEST_PATH);
    if (resource->group[0] == '\0')
        buffer_printf(&path, "/api/%s", resource->version);
    else
        buffer_printf(&path, "/apis/%s/%s", resource->group, resource->version);

    if (resource->namespaced && namespace_ != NULL) {
        buffer_append_text(&path, "/namespaces");
        if (append_segment(&path, namespace_, err) < 0)
            return NULL;
    }
    buffer_printf(&path, "/%s", resource->plural);
    if (name != NULL && append_segment(&path, name, err) < 0)
        return NULL;
    if (name != NULL && subresource != NULL && append_segment(&path, subresource, err) < 0)
        return NULL;
    return buffer_steal(&path, "an API path", err);
}

char *kube_resource_label(const struct kube_resource *resource, struct error **err) {
    return resource->group[0] == '\0'
               ? text_copy(resource->plural, err)
               : text_format(err, "%s.%s", resource->plural, resource->group);
}
