#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/*
 * Only what the judgement reads is kept, so that memory stays flat and a transcript holds no values
 * of env, no command lines and no annotations of others. "x[]" goes into each element of an array.
 */
static const char *const common_paths[] = {
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.generation",
    "metadata.resourceVersion",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.ownerReferences[].kind",
    "metadata.ownerReferences[].name",
    "metadata.ownerReferences[].uid",
    NULL,
};

static const char *const service_paths[] = {
    "metadata.managedFields[].manager",
    "metadata.managedFields[].operation",
    "metadata.managedFields[].subresource",
    "metadata.managedFields[].time",
    "spec.predictor.minReplicas",
    "spec.predictor.maxReplicas",
    "spec.predictor.canaryTrafficPercent",
    "spec.predictor.hostIPC",
    "spec.predictor.deploymentStrategy",
    "spec.predictor.model.modelFormat",
    "spec.predictor.model.protocolVersion",
    "spec.predictor.model.resources",
    "spec.predictor.model.runtime",
    "spec.predictor.model.storageUri",
    "status",
    NULL,
};

static const char *const deployment_paths[] = {
    "spec.paused",
    "spec.progressDeadlineSeconds",
    "spec.replicas",
    "spec.strategy",
    "spec.template.metadata",
    "spec.template.spec.hostIPC",
    "spec.template.spec.containers[].name",
    "spec.template.spec.containers[].image",
    "spec.template.spec.containers[].resources",
    "status",
    NULL,
};

static const char *const replica_set_paths[] = {
    "spec.replicas",
    "status",
    NULL,
};

static const char *const pod_paths[] = {
    "spec.nodeName",
    "spec.schedulerName",
    "spec.containers[].name",
    "spec.containers[].image",
    "spec.containers[].resources",
    "spec.initContainers[].name",
    "spec.initContainers[].image",
    "spec.initContainers[].resources",
    "spec.initContainers[].restartPolicy",
    "spec.volumes[].persistentVolumeClaim.claimName",
    "status.phase",
    "status.reason",
    "status.message",
    "status.startTime",
    "status.conditions",
    "status.containerStatuses",
    "status.initContainerStatuses",
    NULL,
};

static const char *const event_paths[] = {
    "involvedObject",   "reason",
    "message",          "type",
    "source.component", "count",
    "firstTimestamp",   "lastTimestamp",
    "eventTime",        "reportingComponent",
    "series",           NULL,
};

static const char *const revision_paths[] = {"spec.containers[].image", "status", NULL};

static const char *const *const paths_of[ROLLOUT_LOG] = {
    [ROLLOUT_INFERENCE_SERVICE] = service_paths,
    [ROLLOUT_DEPLOYMENT] = deployment_paths,
    [ROLLOUT_REPLICA_SET] = replica_set_paths,
    [ROLLOUT_POD] = pod_paths,
    [ROLLOUT_EVENT] = event_paths,
    [ROLLOUT_REVISION] = revision_paths,
};

static const char *const kept_annotations[] = {
    ANNOTATION_CONTENT_HASH,
    ANNOTATION_SOURCE_URI,
    "autoscaling.knative.dev/min-scale",
    "deployment.kubernetes.io/revision",
    "serving.kserve.io/autoscalerClass",
    "serving.kserve.io/deploymentMode",
    "serving.kserve.io/disable-auto-update",
    "serving.kserve.io/stop",
    "storage-initializer-pvc-name",
};

static const char *const kept_labels[] = {
    LABEL_SERVICE, LABEL_REVISION, "component", "pod-template-hash", "kueue.x-k8s.io/queue-name",
};

static int copy_path(json_t *to, const json_t *from, const char *path, struct error **err);

static int copy_elements(json_t *to, const char *key, const json_t *from, const char *rest,
                         struct error **err) {
    json_t *array = json_object_get(to, key);
    if (array == NULL) {
        array = json_array();
        if (json_set_take(to, key, array, err) < 0)
            return -1;
    }
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(from, index, item) {
        if (json_array_size(array) <= index && json_array_append_new(array, json_object()) < 0)
            return error_no_memory(err);
        if (copy_path(json_array_get(array, index), item, rest, err) < 0)
            return -1;
    }
    return 0;
}

static int copy_path(json_t *to, const json_t *from, const char *path, struct error **err) {
    char key[64];
    size_t length = strcspn(path, ".");
    const char *rest = path[length] == '.' ? path + length + 1 : NULL;
    bool elements = length > 2 && memcmp(path + length - 2, "[]", 2) == 0;
    if (elements)
        length -= 2;
    if (length >= sizeof(key))
        return error_new(err, ERROR_INTERNAL, "a pruning path is too long");
    memcpy(key, path, length);
    key[length] = '\0';
    json_t *value = json_object_get(from, key);
    if (value == NULL)
        return 0;
    if (rest == NULL)
        return json_object_set(to, key, value) == 0 ? 0 : error_no_memory(err);
    if (elements)
        return json_is_array(value) ? copy_elements(to, key, value, rest, err) : 0;
    if (!json_is_object(value))
        return 0;
    json_t *inner = json_object_in(to, key, err);
    return inner != NULL ? copy_path(inner, value, rest, err) : -1;
}

static int copy_paths(json_t *to, const json_t *from, const char *const *paths,
                      struct error **err) {
    for (; *paths != NULL; paths++)
        if (copy_path(to, from, *paths, err) < 0)
            return -1;
    return 0;
}

static int copy_kept(json_t *to, const char *map, const json_t *from, const char *const *names,
                     size_t count, struct error **err) {
    json_t *kept = NULL;
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_at(from, map, names[i], NULL);
        if (value == NULL)
            continue;
        if (kept == NULL)
            kept = json_object_in(to, map, err);
        if (kept == NULL)
            return -1;
        if (json_object_set(kept, names[i], value) < 0)
            return error_no_memory(err);
    }
    return 0;
}

static int copy_metadata(json_t *to, const json_t *from, struct error **err) {
    if (copy_kept(to, "annotations", from, kept_annotations, array_length(kept_annotations), err) <
        0)
        return -1;
    return copy_kept(to, "labels", from, kept_labels, array_length(kept_labels), err);
}

/* spec.template.metadata was shared whole: take only what is kept of it. */
static int prune_template(json_t *pruned, struct error **err) {
    json_t *template_ = json_at(pruned, "spec", "template", NULL);
    const json_t *metadata = json_object_get(template_, "metadata");
    if (metadata == NULL)
        return 0;
    cleanup_json json_t *kept = json_object();
    if (kept == NULL)
        return error_no_memory(err);
    if (copy_metadata(kept, metadata, err) < 0)
        return -1;
    return json_set_take(template_, "metadata", steal_pointer(kept), err);
}

int spec_digest(char out[DIGEST_SIZE], const json_t *spec, struct error **err) {
    cleanup_free char *text = json_canonical_text(spec, err);
    if (text == NULL)
        return -1;
    uint32_t hash = 2166136261U;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        hash = (hash ^ *at) * 16777619U;
    (void)snprintf(out, DIGEST_SIZE, "%08x", hash);
    return 0;
}

/* What was pruned before, such as a transcript's, has its digest already. */
static int add_digest(json_t *pruned, const json_t *object, struct error **err) {
    char digest[DIGEST_SIZE] = "";
    const char *known = json_text_at(object, "specDigest", NULL);
    const json_t *spec = json_object_get(object, "spec");
    if (known == NULL && !json_is_object(spec))
        return 0;
    if (known == NULL && spec_digest(digest, spec, err) < 0)
        return -1;
    return json_set_text(pruned, "specDigest", known != NULL ? known : digest, err);
}

int prune_object(json_t **out, enum rollout_object kind, const json_t *object, struct error **err) {
    cleanup_json json_t *pruned = json_object();
    if (pruned == NULL)
        return error_no_memory(err);
    if (copy_paths(pruned, object, common_paths, err) < 0 ||
        copy_paths(pruned, object, paths_of[kind], err) < 0)
        return -1;
    const json_t *metadata = json_object_get(object, "metadata");
    if (json_is_object(metadata)) {
        json_t *kept = json_object_in(pruned, "metadata", err);
        if (kept == NULL || copy_metadata(kept, metadata, err) < 0)
            return -1;
    }
    if (kind == ROLLOUT_INFERENCE_SERVICE && add_digest(pruned, object, err) < 0)
        return -1;
    if (kind == ROLLOUT_DEPLOYMENT && prune_template(pruned, err) < 0)
        return -1;
    *out = steal_pointer(pruned);
    return 0;
}
