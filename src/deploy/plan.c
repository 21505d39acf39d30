#include "deploy/plan.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

#define ANNOTATION_STOP  "serving.kserve.io/stop"
#define ANNOTATION_PAUSE "serving.kserve.io/disable-auto-update"

void plan_free(struct plan *plan) {
    runtime_choice_free(&plan->runtime);
    strings_free(&plan->notices);
    *plan = (struct plan){0};
}

/* --- may the live object be touched? --- */

static int refuse(const struct inputs *inputs, const char *hint, const char *why,
                  struct error **err) {
    error_new(err, ERROR_CONFLICT, "InferenceService %s/%s %s", inputs->namespace_, inputs->name,
              why);
    return hint != NULL ? error_hint(err, "%s", hint) : -1;
}

static int check_annotations(const struct inputs *inputs, const json_t *live, struct error **err) {
    static const struct {
        const char *annotation;
        const char *meaning;
    } blocks[] = {
        {ANNOTATION_STOP,
         "is stopped (annotation " ANNOTATION_STOP "): KServe keeps no pods of it"},
        {ANNOTATION_PAUSE,
         "is paused (annotation " ANNOTATION_PAUSE "): KServe would never roll the change out"},
    };
    for (size_t i = 0; i < array_length(blocks); i++) {
        const char *value =
            json_text_at(live, "metadata", "annotations", blocks[i].annotation, NULL);
        if (!text_equal_ignoring_case(value, "true"))
            continue;
        cleanup_free char *hint =
            text_format(err, "kubectl annotate inferenceservice -n %s %s %s-", inputs->namespace_,
                        inputs->name, blocks[i].annotation);
        return hint != NULL ? refuse(inputs, hint, blocks[i].meaning, err) : -1;
    }
    return 0;
}

static int check_owner(const struct inputs *inputs, const json_t *live, struct error **err) {
    size_t index = 0;
    const json_t *owner = NULL;
    json_array_foreach(json_at(live, "metadata", "ownerReferences", NULL), index, owner) {
        if (!json_is_true_at(owner, "controller", NULL))
            continue;
        const char *kind = json_text_at(owner, "kind", NULL);
        const char *name = json_text_at(owner, "name", NULL);
        cleanup_free char *why =
            text_format(err, "belongs to the controller %s %s, which would undo a change",
                        kind != NULL ? kind : "?", name != NULL ? name : "?");
        return why != NULL
                   ? refuse(inputs, "change its owner, or choose another INFERENCE_SERVICE_NAME",
                            why, err)
                   : -1;
    }
    return 0;
}

int plan_check_live(const struct inputs *inputs, const json_t *live, struct error **err) {
    if (!inputs->update_if_exists)
        return refuse(inputs, "set UPDATE_IF_EXISTS to true to update it", "exists already", err);
    if (json_at(live, "metadata", "deletionTimestamp", NULL) != NULL)
        return refuse(inputs, "wait until it is gone, then run again", "is being deleted", err);
    if (check_annotations(inputs, live, err) < 0 || check_owner(inputs, live, err) < 0)
        return -1;
    if (!json_is_object(json_at(live, "spec", "predictor", "model", NULL)))
        return refuse(inputs, "delete it, or choose another INFERENCE_SERVICE_NAME",
                      "has another kind of predictor than a model with a serving runtime", err);
    return 0;
}

/* --- deployment mode --- */

static bool means_serverless(const char *mode) {
    return text_equal(mode, "Serverless") || text_equal(mode, "Knative");
}

static bool means_raw(const char *mode) {
    return text_equal(mode, "RawDeployment") || text_equal(mode, "Standard");
}

/* The same word from the program's own memory; NULL when it is none of the four. */
static const char *known_mode(const char *mode) {
    static const char *const modes[] = {"RawDeployment", "Standard", "Serverless", "Knative"};
    for (size_t i = 0; i < array_length(modes); i++)
        if (text_equal(mode, modes[i]))
            return modes[i];
    return NULL;
}

static const char *mode_of_new(const struct inputs *inputs, enum kserve_generation kserve) {
    if (kserve == KSERVE_NEW_MODES)
        return inputs->serverless ? "Knative" : "Standard";
    return inputs->serverless ? "Serverless" : "RawDeployment";
}

static int choose_mode(struct plan *plan, const struct plan_facts *facts, struct error **err) {
    const struct inputs *inputs = plan->inputs;
    const char *live = json_text_at(facts->live, "status", "deploymentMode", NULL);
    if (text_is_empty(live))
        live =
            json_text_at(facts->live, "metadata", "annotations", ANNOTATION_DEPLOYMENT_MODE, NULL);
    if (text_is_empty(live)) {
        plan->deployment_mode = mode_of_new(inputs, facts->kserve);
        if (facts->kserve != KSERVE_UNKNOWN)
            return 0;
        return strings_add_format(
            &plan->notices, err,
            "the version of KServe could not be told: deployment mode %s is used",
            plan->deployment_mode);
    }
    bool same = inputs->serverless ? means_serverless(live) : means_raw(live);
    if (same) {
        plan->deployment_mode = known_mode(live);
        return 0;
    }
    cleanup_free char *why =
        text_format(err,
                    "is deployed in mode %.60s, but ENABLE_SERVERLESS is %s: KServe cannot "
                    "change the mode of an object",
                    live, inputs->serverless ? "true" : "false");
    if (why == NULL)
        return -1;
    bool other = inputs->serverless ? means_raw(live) : means_serverless(live);
    return refuse(inputs,
                  !other ? "delete it first, or choose another INFERENCE_SERVICE_NAME"
                  : inputs->serverless
                      ? "set ENABLE_SERVERLESS to false, or delete the InferenceService first"
                      : "set ENABLE_SERVERLESS to true, or delete the InferenceService first",
                  why, err);
}

int plan_make(struct plan *out, const struct inputs *inputs, const struct model *model,
              const struct plan_facts *facts, struct error **err) {
    cleanup_plan struct plan plan = {
        .action = facts->live != NULL ? PLAN_UPDATE : PLAN_CREATE,
        .inputs = inputs,
        .model = model,
    };
    if (facts->live != NULL && plan_check_live(inputs, facts->live, err) < 0)
        return -1;
    if (choose_mode(&plan, facts, err) < 0)
        return -1;
    if (runtime_choose(&plan.runtime, facts->runtimes, inputs, model->library_name, err) < 0)
        return -1;
    *out = plan;
    plan = (struct plan){0};
    return 0;
}
