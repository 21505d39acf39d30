#pragma once

/* What is to be done, decided from parameters and facts. Pure. */

#include "deploy/inputs.h"
#include "deploy/runtime.h"
#include "kube/kserve.h"
#include "model/model.h"

#define ANNOTATION_DEPLOYMENT_MODE "serving.kserve.io/deploymentMode"

enum plan_action { PLAN_CREATE, PLAN_UPDATE };

/* What the cluster said. Borrowed. */
struct plan_facts {
    const json_t *live; /* the InferenceService as it is, or NULL */
    enum kserve_generation kserve;
    const json_t *runtimes; /* candidates (array) */
};

struct plan {
    enum plan_action action;
    const struct inputs *inputs; /* borrowed */
    const struct model *model;   /* borrowed */
    struct runtime_choice runtime;
    const char
        *deployment_mode; /* exact annotation value: RawDeployment, Standard, Serverless, Knative */
    struct strings notices;
};

/*
 * Chooses runtime and deployment-mode name. A new object gets the names of KServe 0.16 and later
 * (Standard, Knative) where that was found, else those of before, which only 0.16 stumbles over,
 * and which the next run puts right. An existing one keeps the very word of status.deploymentMode
 * (else of its annotation): KServe compares words, and refuses another. Source: kserve
 * pkg/apis/serving/v1beta1/inference_service_validation.go, issues 4798, 5885.
 *
 * ERROR_CONFLICT when the object exists and UPDATE_IF_EXISTS is not true, is being deleted, is
 * stopped or paused (serving.kserve.io/stop, serving.kserve.io/disable-auto-update), belongs to
 * another controller, has no `model` predictor, or has the other deployment mode. ERROR_RUNTIME as
 * runtime_choose.
 */
int plan_make(struct plan *out, const struct inputs *inputs, const struct model *model,
              const struct plan_facts *facts, struct error **err);
void plan_free(struct plan *plan);

/* The part of plan_make that asks whether LIVE may be touched: every ERROR_CONFLICT but that of the
 * mode. */
int plan_check_live(const struct inputs *inputs, const json_t *live, struct error **err);

#define cleanup_plan cleanup(plan_free)
