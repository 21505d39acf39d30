#include "render_parts.h"

#include "base/json.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

/* Source: apimachinery pkg/api/validation/objectmeta.go TotalAnnotationSizeLimitB. */
enum { MOST_ANNOTATION_BYTES = 256 * 1024 };

void document_free(struct document *document) {
    json_decref(document->object);
    json_decref(document->migration_operations);
    strings_free(&document->warnings);
    *document = (struct document){0};
}

static int compare_keys(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

json_t *json_sorted(const json_t *object, struct error **err) {
    size_t count = json_object_size(object);
    cleanup_json json_t *sorted = json_object();
    cleanup_free const char **keys = calloc(count + 1, sizeof(*keys));
    if (sorted == NULL || keys == NULL) {
        error_no_memory(err);
        return NULL;
    }
    size_t filled = 0;
    const char *key = NULL;
    json_t *member = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, member) keys[filled++] = key;
    qsort(keys, filled, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < filled; i++)
        if (json_object_set(sorted, keys[i], json_object_get(object, keys[i])) < 0) {
            error_no_memory(err);
            return NULL;
        }
    return steal_pointer(sorted);
}

/* --- content hash and provenance --- */

static int hash_object(struct document *document, const struct hasher *hasher, struct error **err) {
    cleanup_free char *text = json_canonical_text(document->object, err);
    if (text == NULL)
        return -1;
    return hasher->hash(hasher->user, document->content_hash, text, strlen(text), err);
}

static int add_provenance(json_t *annotations, const struct plan *plan, const json_t *live,
                          const char *hash, struct error **err) {
    const json_t *before = json_at(live, "metadata", "annotations", NULL);
    bool same = text_equal(json_text_at(before, ANNOTATION_CONTENT_HASH, NULL), hash);
    const struct {
        const char *annotation;
        const char *value;
    } provenance[] = {{ANNOTATION_PIPELINE_RUN, plan->inputs->pipeline_run},
                      {ANNOTATION_COMMIT, plan->model->commit}};
    for (size_t i = 0; i < array_length(provenance); i++) {
        const char *kept = json_text_at(before, provenance[i].annotation, NULL);
        const char *value = same ? kept : provenance[i].value;
        if (!text_is_empty(value) &&
            json_set_text(annotations, provenance[i].annotation, value, err) < 0)
            return -1;
    }
    return json_set_text(annotations, ANNOTATION_CONTENT_HASH, hash, err);
}

static int check_annotation_size(const json_t *annotations, struct error **err) {
    size_t bytes = 0;
    size_t most = 0;
    const char *largest = "";
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)annotations, key, value) {
        size_t length = json_string_length(value);
        bytes += strlen(key) + length;
        if (length > most) {
            most = length;
            largest = key;
        }
    }
    if (bytes <= MOST_ANNOTATION_BYTES)
        return 0;
    return error_new(err, ERROR_PARAMETER,
                     "the annotations have %zu bytes, more than the %d that Kubernetes takes; the "
                     "largest is %s with %zu",
                     bytes, MOST_ANNOTATION_BYTES, largest, most);
}

static int finish_annotations(struct document *document, const struct plan *plan,
                              const json_t *live, struct error **err) {
    json_t *metadata = json_object_get(document->object, "metadata");
    json_t *annotations = json_object_get(metadata, "annotations");
    if (add_provenance(annotations, plan, live, document->content_hash, err) < 0 ||
        check_annotation_size(annotations, err) < 0)
        return -1;
    json_t *sorted = json_sorted(annotations, err);
    return sorted != NULL ? json_set_take(metadata, "annotations", sorted, err) : -1;
}

/* --- migration --- */

/*
 * KServe 0.16 refuses every update, that of managedFields too, of an object whose annotation says
 * RawDeployment while its status says Standard (issues 4798, 5885): both change in one patch.
 */
static int make_migration(struct document *document, const struct plan *plan, const json_t *live,
                          struct error **err) {
    const char *mode =
        json_text_at(live, "metadata", "annotations", ANNOTATION_DEPLOYMENT_MODE, NULL);
    if (mode == NULL || strcmp(mode, plan->deployment_mode) == 0)
        return 0;
    document->migration_operations = json_pack(
        "[{s:s, s:s, s:s}]", "op", "replace", "path",
        "/metadata/annotations/serving.kserve.io~1deploymentMode", "value", plan->deployment_mode);
    return document->migration_operations != NULL ? 0 : error_no_memory(err);
}

static int make_object(struct document *document, const struct plan *plan, struct error **err) {
    document->object = json_object();
    if (document->object == NULL)
        return error_no_memory(err);
    if (json_set_text(document->object, "apiVersion", "serving.kserve.io/v1beta1", err) < 0 ||
        json_set_text(document->object, "kind", "InferenceService", err) < 0)
        return -1;
    json_t *metadata = render_metadata(plan, &document->warnings, err);
    if (metadata == NULL || json_set_take(document->object, "metadata", metadata, err) < 0)
        return -1;
    json_t *spec = render_spec(plan, &document->warnings, err);
    return spec != NULL ? json_set_take(document->object, "spec", spec, err) : -1;
}

int render(struct document *out, const struct plan *plan, const struct plan_facts *facts,
           const struct hasher *hasher, struct error **err) {
    cleanup_document struct document document = {0};
    if (make_object(&document, plan, err) < 0 || hash_object(&document, hasher, err) < 0)
        return -1;
    if (finish_annotations(&document, plan, facts->live, err) < 0 ||
        make_migration(&document, plan, facts->live, err) < 0)
        return -1;
    *out = document;
    document = (struct document){0};
    return 0;
}
