#pragma once

/*
 * MODEL_CHECK and preflight's group "model": do the files of the commit exist on the server, and do
 * they fit disk and GPU memory? Runs beside the deploy, in the background of its HTTP client.
 */

#include "deploy/check.h"
#include "deploy/model_fit.h"
#include "deploy/observer.h"
#include "model/model.h"
#include "net/http.h"

struct gitlab_access;

/* What is checked, and with what. All borrowed, and to live as long as the check. */
struct model_check {
    const struct inputs *inputs;
    struct model *model; /* resolved; its list of files, where it has one, is taken */
    const struct gitlab_access *gitlab;
    const json_t *runtime; /* ClusterServingRuntime, or NULL */
    struct http_client *http;
    const struct deps *deps;
    int64_t request_timeout_ms;
    int64_t deadline_ms;        /* monotonic; 0: none */
    int64_t card_bytes;         /* see fit_request; -1 */
    int64_t volume_bytes;       /* see fit_request; -1 */
    const char *volume_problem; /* see fit_request; or NULL */
};

struct model_check_run;

/*
 * Begins. From then on it takes 20 s at most (model/gitlab_files.h says how many requests); what
 * was not learnt is unknown. With STORAGE_URI, and where the source lists no files, all is unknown
 * and says why. -1 only without memory.
 */
int model_check_start(struct model_check_run **out, const struct model_check *check,
                      struct error **err);

/* 1: the report is there; 0: call again when the HTTP client had something to do; -1: no memory.
 * Never waits. */
int model_check_step(struct model_check_run *run, struct error **err);

/* Steps until the report is there (1) or MOST_MS have passed (0). -1 with ERROR_CANCELED or no
 * memory. */
int model_check_wait(struct model_check_run *run, int64_t most_ms, struct error **err);

/* NULL before it is there. */
const struct fit_report *model_check_report(const struct model_check_run *run);

/* Must come before the HTTP client's end. NULL is fine. */
void model_check_free(struct model_check_run *run);

/* Sure failures as warnings, doubts as notices; what is unknown is not shown. */
int model_check_show(const struct fit_report *report, const struct observer *observer,
                     struct error **err);

/*
 * MODEL_CHECK=fail: doubts as notices, then the first sure failure as the error that ends the run:
 * ERROR_MODEL (exit code 3) for files that are not there, ERROR_PARAMETER (exit code 2) for a model
 * that does not fit what the parameters ask for. 0 when there is none.
 */
int model_check_decide(const struct fit_report *report, const struct observer *observer,
                       struct error **err);

/*
 * What the report says about the failure of a rollout with this REASON (verdict.reason), as a
 * sentence for its hint; NULL when it has nothing to say, also without memory. Owned.
 */
char *model_check_explain(const struct fit_report *report, const char *reason);

/*
 * Preflight: waits for the report and adds one finding for each subject to CHECKS, in the group
 * "model". A sure failure fails, a doubt warns, unknown is skipped. -1 with ERROR_CANCELED,
 * ERROR_DEADLINE (of the check's deadline), or no memory.
 */
int model_check_list(struct checks *checks, const struct model_check *check, struct error **err);
