#include "render_parts.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/names.h"

#include <string.h>

/*
 * The platform's annotations and labels. Runtimes read aml-model-repo (the directory of the model
 * below /mnt/models) and aml-pipeline-tag. Source: Alauda AI documentation, "Create Inference
 * Service using CLI" and "Custom Inference Runtime".
 */

struct entry {
    const char *key;
    const char *value;
    bool optional; /* left out when empty */
};

static json_t *make_annotations(const struct plan *plan, struct error **err) {
    const struct inputs *inputs = plan->inputs;
    const struct model *model = plan->model;
    bool repository = model->path[0] != '\0';
    const struct entry entries[] = {
        {"aml-model-repo", model->name, !repository},
        {"aml-model-repo-branch", model->branch, !repository},
        {"aml-model-repo-id", model->id, true},
        {"aml-model-repo-tag-commit", model->tag[0] != '\0' ? model->tag : model->commit,
         !repository},
        {"aml-pipeline-tag", model->pipeline_tag, false},
        {"cpaas.io/description", inputs->description, false},
        {"serving.knative.dev/progress-deadline", "2400s", false},
        {ANNOTATION_DEPLOYMENT_MODE, plan->deployment_mode, false},
        {"storage-initializer-pvc-name", inputs->pvc_name, true},
    };
    cleanup_json json_t *annotations = json_object();
    if (annotations == NULL) {
        error_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < array_length(entries); i++) {
        if (entries[i].optional && entries[i].value[0] == '\0')
            continue;
        if (json_set_text(annotations, entries[i].key, entries[i].value, err) < 0)
            return NULL;
    }
    return json_sorted(annotations, err);
}

static int add_label(json_t *labels, const struct entry *entry, struct strings *warnings,
                     struct error **err) {
    cleanup_free char *value = label_value_from(entry->value, err);
    if (value == NULL)
        return -1;
    if (strcmp(value, entry->value) != 0 &&
        strings_add_format(warnings, err,
                           "label %s: \"%.200s\" is no label value, \"%s\" stands for it",
                           entry->key, entry->value, value) < 0)
        return -1;
    if (entry->optional && value[0] == '\0')
        return 0;
    return json_set_text(labels, entry->key, value, err);
}

static json_t *make_labels(const struct plan *plan, struct strings *warnings, struct error **err) {
    const struct inputs *inputs = plan->inputs;
    const struct model *model = plan->model;
    bool repository = model->path[0] != '\0';
    cleanup_json json_t *labels = json_object();
    /* unique in the cluster, where the model's group, which others deploy too, would not be */
    cleanup_free char *subdomain = text_format(err, "%s-%s", inputs->name, inputs->namespace_);
    if (labels == NULL || subdomain == NULL) {
        error_no_memory(err);
        return NULL;
    }
    const struct entry entries[] = {
        {"aml-model-group", model->group, !repository},
        {"aml-model-repo", model->name, !repository},
        {"aml-model-subgroup", model->subgroup, !repository},
        {"aml-pipeline-tag", model->pipeline_tag, false},
        {"aml.cpaas.io/runtime-type", plan->runtime.class_, true},
        {"service.subdomain", subdomain, false},
    };
    for (size_t i = 0; i < array_length(entries); i++)
        if (add_label(labels, &entries[i], warnings, err) < 0)
            return NULL;
    return json_sorted(labels, err);
}

json_t *render_metadata(const struct plan *plan, struct strings *warnings, struct error **err) {
    cleanup_json json_t *metadata = json_object();
    if (metadata == NULL) {
        error_no_memory(err);
        return NULL;
    }
    if (json_set_text(metadata, "name", plan->inputs->name, err) < 0 ||
        json_set_text(metadata, "namespace", plan->inputs->namespace_, err) < 0)
        return NULL;
    json_t *labels = make_labels(plan, warnings, err);
    if (labels == NULL || json_set_take(metadata, "labels", labels, err) < 0)
        return NULL;
    json_t *annotations = make_annotations(plan, err);
    if (annotations == NULL || json_set_take(metadata, "annotations", annotations, err) < 0)
        return NULL;
    return steal_pointer(metadata);
}
