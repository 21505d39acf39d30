#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"name", offsetof(struct rollout_target, name)},
    {"namespace", offsetof(struct rollout_target, namespace_)},
    {"uid", offsetof(struct rollout_target, uid)},
    {"resourceVersion", offsetof(struct rollout_target, resource_version)},
    {"contentHash", offsetof(struct rollout_target, content_hash)},
    {"storageUri", offsetof(struct rollout_target, storage_uri)},
    {"runtime", offsetof(struct rollout_target, runtime)},
    {"ephemeralStorageSize", offsetof(struct rollout_target, ephemeral_storage_size)},
    {"memoryLimit", offsetof(struct rollout_target, memory_limit)},
    {"gpuMemory", offsetof(struct rollout_target, gpu_memory)},
    {"pvcName", offsetof(struct rollout_target, pvc_name)},
    {"specDigest", offsetof(struct rollout_target, spec_digest)},
};

static const struct {
    const char *name;
    size_t offset;
} values[] = {
    {"limits", offsetof(struct rollout_target, limits)},
    {"runtimeLimits", offsetof(struct rollout_target, runtime_limits)},
    {"statusBefore", offsetof(struct rollout_target, status_before)},
};

/* Those that are neither text nor object. */
static const char *const others[] = {"minReplicas", "serverless", "generation", "changed",
                                     "hostIPC"};

const char *json_unknown_key(json_t *json, const char *const *names, size_t count) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(json, key, value) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = text_equal(names[i], key);
        if (!known)
            return key;
    }
    return NULL;
}

const char *target_unknown_key(json_t *json, const char **meant) {
    const char *names[array_length(texts) + array_length(values) + array_length(others)];
    size_t count = 0;
    for (size_t i = 0; i < array_length(texts); i++)
        names[count++] = texts[i].name;
    for (size_t i = 0; i < array_length(values); i++)
        names[count++] = values[i].name;
    for (size_t i = 0; i < array_length(others); i++)
        names[count++] = others[i];
    const char *key = json_unknown_key(json, names, count);
    *meant = key != NULL ? text_nearest(key, names, count) : NULL;
    return key;
}

int target_to_json(json_t **out, const struct rollout_target *target, struct error **err) {
    cleanup_json json_t *json = json_object();
    if (json == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < array_length(texts); i++) {
        const char *text =
            *(const char *const *)(const void *)((const char *)target + texts[i].offset);
        if (!text_is_empty(text) && json_set_text(json, texts[i].name, text, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < array_length(values); i++) {
        const json_t *value =
            *(const json_t *const *)(const void *)((const char *)target + values[i].offset);
        if (value != NULL && json_set_take(json, values[i].name, json_deep_copy(value), err) < 0)
            return -1;
    }
    if (json_set_take(json, "minReplicas", json_integer(target->min_replicas), err) < 0 ||
        json_set_take(json, "serverless", json_boolean(target->serverless), err) < 0 ||
        json_set_take(json, "generation", json_integer(target->generation), err) < 0 ||
        json_set_take(json, "changed", json_boolean(target->changed), err) < 0 ||
        json_set_take(json, "hostIPC", json_boolean(target->host_ipc), err) < 0)
        return -1;
    char digest[DIGEST_SIZE];
    if (target->spec != NULL && (spec_digest(digest, target->spec, err) < 0 ||
                                 json_set_text(json, "specDigest", digest, err) < 0))
        return -1;
    *out = steal_pointer(json);
    return 0;
}

void target_from_json(struct rollout_target *target, const json_t *json) {
    *target = (struct rollout_target){
        .min_replicas = json_integer_at(json, 1, "minReplicas", NULL),
        .serverless = json_is_true_at(json, "serverless", NULL),
        .generation = json_integer_at(json, 0, "generation", NULL),
        .changed = json_is_true_at(json, "changed", NULL),
        .host_ipc = json_is_true_at(json, "hostIPC", NULL),
    };
    for (size_t i = 0; i < array_length(texts); i++)
        *(const char **)(void *)((char *)target + texts[i].offset) =
            text_or_empty(json_text_at(json, texts[i].name, NULL));
    for (size_t i = 0; i < array_length(values); i++) {
        const json_t *value = json_at(json, values[i].name, NULL);
        *(const json_t **)(void *)((char *)target + values[i].offset) =
            json_is_object(value) ? value : NULL;
    }
}
