#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

const char *text_or_empty(const char *text) {
    return text != NULL ? text : "";
}

const json_t *condition_of(const json_t *object, const char *type) {
    const json_t *conditions = json_at(object, "status", "conditions", NULL);
    size_t index = 0;
    const json_t *condition = NULL;
    json_array_foreach(conditions, index, condition) {
        if (text_equal(json_text_at(condition, "type", NULL), type))
            return condition;
    }
    return NULL;
}

bool condition_is(const json_t *condition, const char *status) {
    return text_equal(json_text_at(condition, "status", NULL), status);
}

const char *annotation_of(const json_t *metadata_owner, const char *name) {
    return text_or_empty(json_text_at(metadata_owner, "metadata", "annotations", name, NULL));
}

const char *label_of(const json_t *metadata_owner, const char *name) {
    return text_or_empty(json_text_at(metadata_owner, "metadata", "labels", name, NULL));
}

json_t *named_in(const json_t *array, const char *name) {
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(array, index, item) {
        if (text_equal(json_text_at(item, "name", NULL), name))
            return item;
    }
    return NULL;
}

int64_t count_of(json_int_t number) {
    enum { MOST = 1000000000 };
    return number < 0 ? 0 : number > MOST ? MOST : number;
}

bool is_owned_by(const json_t *object, const char *uid) {
    const json_t *owners = json_at(object, "metadata", "ownerReferences", NULL);
    size_t index = 0;
    const json_t *owner = NULL;
    json_array_foreach(owners, index, owner) {
        if (text_equal(json_text_at(owner, "uid", NULL), uid))
            return true;
    }
    return false;
}

bool is_being_deleted(const json_t *object) {
    return json_text_at(object, "metadata", "deletionTimestamp", NULL) != NULL;
}

const char *claim_of(const struct rollout *rollout, const json_t *pod) {
    if (rollout->target.pvc_name[0] != '\0')
        return rollout->target.pvc_name;
    size_t index = 0;
    const json_t *volume = NULL;
    json_array_foreach(json_at(pod, "spec", "volumes", NULL), index, volume) {
        const char *name = json_text_at(volume, "persistentVolumeClaim", "claimName", NULL);
        if (!text_is_empty(name))
            return name;
    }
    return "";
}

/* Who waits without having applied (`wait`) takes what the live object carries. */
const char *wanted_hash(const struct rollout *rollout) {
    if (rollout->target.content_hash[0] != '\0')
        return rollout->target.content_hash;
    const struct observed *service = store_service(rollout);
    return service != NULL ? annotation_of(service->object, ANNOTATION_CONTENT_HASH) : "";
}

const char *wanted_storage_uri(const struct rollout *rollout) {
    if (rollout->target.storage_uri[0] != '\0')
        return rollout->target.storage_uri;
    const struct observed *service = store_service(rollout);
    return service != NULL ? text_or_empty(json_text_at(service->object, "spec", "predictor",
                                                        "model", "storageUri", NULL))
                           : "";
}

bool carries_revision(const struct rollout *rollout, const json_t *template_) {
    const char *hash = wanted_hash(rollout);
    if (hash[0] != '\0' && !text_equal(annotation_of(template_, ANNOTATION_CONTENT_HASH), hash))
        return false;
    const char *uri = wanted_storage_uri(rollout);
    const char *source = annotation_of(template_, ANNOTATION_SOURCE_URI);
    return uri[0] == '\0' || source[0] == '\0' || text_equal(source, uri);
}
