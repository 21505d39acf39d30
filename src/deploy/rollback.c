#include "deploy/rollback.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/plan.h"

static int copy_member(json_t *to, const json_t *from, const char *key, struct error **err) {
    json_t *value = json_object_get(from, key);
    if (value == NULL)
        return 0;
    return json_set_take(to, key, json_deep_copy(value), err);
}

/* What KServe checks on every update, whatever the spec says. */
static int keep_mode(json_t *metadata, const json_t *now, struct error **err) {
    const char *mode =
        json_text_at(now, "metadata", "annotations", ANNOTATION_DEPLOYMENT_MODE, NULL);
    json_t *annotations = json_object_get(metadata, "annotations");
    if (mode == NULL)
        return 0;
    if (annotations == NULL)
        annotations = json_object_in(metadata, "annotations", err);
    return annotations == NULL ? -1
                               : json_set_text(annotations, ANNOTATION_DEPLOYMENT_MODE, mode, err);
}

int rollback_document(json_t **out, const json_t *before, const json_t *now, struct error **err) {
    const json_t *old = json_at(before, "metadata", NULL);
    cleanup_json json_t *document = json_object();
    if (document == NULL)
        return error_no_memory(err);
    if (json_set_text(document, "apiVersion", "serving.kserve.io/v1beta1", err) < 0 ||
        json_set_text(document, "kind", "InferenceService", err) < 0)
        return -1;
    json_t *metadata = json_object_in(document, "metadata", err);
    if (metadata == NULL || copy_member(metadata, old, "name", err) < 0 ||
        copy_member(metadata, old, "namespace", err) < 0 ||
        copy_member(metadata, old, "labels", err) < 0 ||
        copy_member(metadata, old, "annotations", err) < 0 ||
        copy_member(document, before, "spec", err) < 0 || keep_mode(metadata, now, err) < 0)
        return -1;
    json_object_del(json_object_get(metadata, "annotations"),
                    "kubectl.kubernetes.io/last-applied-configuration");
    *out = steal_pointer(document);
    return 0;
}

static const char *hash_of(const json_t *object) {
    return json_text_at(object, "metadata", "annotations", ANNOTATION_CONTENT_HASH, NULL);
}

bool rollback_is_safe(const json_t *now, const json_t *applied) {
    bool same_object = text_equal(json_text_at(now, "metadata", "uid", NULL),
                                  json_text_at(applied, "metadata", "uid", NULL));
    bool same_spec = json_integer_at(now, -1, "metadata", "generation", NULL) ==
                     json_integer_at(applied, -2, "metadata", "generation", NULL);
    return same_object && same_spec && hash_of(applied) != NULL &&
           text_equal(hash_of(now), hash_of(applied)) &&
           json_at(now, "metadata", "deletionTimestamp", NULL) == NULL;
}
