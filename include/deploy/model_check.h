#pragma once

/* MODEL_CHECK: before anything is applied, do the model's files exist and fit disk and GPU memory?
 */

#include "deploy/check.h"
#include "deploy/model_fit.h"
#include "deploy/observer.h"
#include "model/model.h"
#include "net/http.h"

struct gitlab_access;

struct model_check {
    const struct inputs *inputs;
    const struct model *model;
    const struct gitlab_access *gitlab;
    const json_t *runtime; /* or NULL */
    struct http_client *http;
    const struct deps *deps;
    int64_t request_timeout_ms;
    int64_t deadline_ms; /* monotonic; 0: none */
    int64_t card_bytes;  /* see fit_request */
    int64_t volume_bytes;
};

/*
 * Reads the files of the model's commit and judges them. Takes 20 s at most, then what was not
 * learnt is unknown. A model that GitLab's API does not show (STORAGE_URI, MODEL_GIT_URL) is
 * unknown as a whole. Errors: ERROR_CANCELED, ERROR_DEADLINE (of DEADLINE_MS), lack of memory.
 */
int model_check_run(struct fit_report *out, const struct model_check *check, struct error **err);

/*
 * The same in a deploy: with MODEL_CHECK=warn sure failures are warnings and doubts notices, with
 * MODEL_CHECK=fail sure failures end the run (ERROR_MODEL for files that are not there,
 * ERROR_PARAMETER for what does not fit). With MODEL_CHECK=off nothing is asked.
 */
int model_check_before_apply(const struct model_check *check, const struct observer *observer,
                             struct error **err);

/* Preflight: adds one finding for each subject to CHECKS, in the group "model". A sure failure
 * fails, a doubt warns, unknown is skipped. Errors as model_check_run. */
int model_check_list(struct checks *checks, const struct model_check *check, struct error **err);
