#include "deploy/model_check.h"

#include "base/text.h"
#include "deploy/cluster_facts.h"
#include "model/gitlab_files.h"

enum { LONGEST_CHECK_MS = 20 * 1000 };

/* Why the files cannot be asked for, or NULL. */
static const char *not_readable(const struct model_check *check) {
    if (check->inputs->storage_uri[0] != '\0')
        return "with STORAGE_URI the model's files are not looked at";
    if (check->inputs->model_git_url[0] != '\0')
        return "with MODEL_GIT_URL the model's files are not looked at";
    if (text_is_empty(check->gitlab->base_url) || text_is_empty(check->model->commit))
        return "no GitLab was asked";
    return NULL;
}

static int read_files(struct model_files *files, const struct model_check *check,
                      struct error **err) {
    const struct gitlab_options options = {
        .base_url = check->gitlab->base_url,
        .token = check->gitlab->token,
        .ca_pem = check->gitlab->ca_pem,
        .skip_verification = check->inputs->gitlab_skip_verification,
        .request_timeout_ms = check->request_timeout_ms,
    };
    int64_t soon = clock_now(check->deps->clock) + LONGEST_CHECK_MS;
    bool own = check->deadline_ms == 0 || soon < check->deadline_ms;
    struct error *failure = NULL;
    int result = gitlab_read_files(files, check->model, &options, check->http, check->deps,
                                   own ? soon : check->deadline_ms, &failure);
    if (result == 0)
        return 0;
    bool only_ours = own && failure != NULL && failure->kind == ERROR_DEADLINE;
    if (!only_ours)
        return error_take(err, failure);
    error_free(failure);
    return strings_add_format(&files->unknown, err, "GitLab did not answer within %d s",
                              LONGEST_CHECK_MS / 1000);
}

int model_check_run(struct fit_report *out, const struct model_check *check, struct error **err) {
    cleanup_model_files struct model_files files = {.items = NULL};
    const char *why = not_readable(check);
    int result =
        why != NULL ? strings_add(&files.unknown, why, err) : read_files(&files, check, err);
    if (result < 0)
        return -1;
    const struct fit_request request = {.files = &files,
                                        .inputs = check->inputs,
                                        .runtime = check->runtime,
                                        .card_bytes = check->card_bytes,
                                        .volume_bytes = check->volume_bytes};
    return model_fit(out, &request, err);
}

/* ---- in a deploy ---- */

static int show(const struct fit_finding *finding, const struct observer *observer,
                struct error **err) {
    bool fails = finding->verdict == FIT_FAILS;
    if (!fails && finding->verdict != FIT_TIGHT)
        return 0;
    cleanup_free char *text =
        text_format(err, "model check: %s%s%s", finding->message, finding->hint != NULL ? "; " : "",
                    finding->hint != NULL ? finding->hint : "");
    if (text == NULL)
        return -1;
    if (fails)
        observer->warning(observer->user, text);
    else
        observer->notice(observer->user, text);
    return 0;
}

static int refuse(const struct fit_finding *finding, struct error **err) {
    error_new(err, finding->kind, "model check: %s", finding->message);
    return error_hint(err, "%s%sor set MODEL_CHECK=warn to deploy all the same",
                      finding->hint != NULL ? finding->hint : "",
                      finding->hint != NULL ? "; " : "");
}

int model_check_before_apply(const struct model_check *check, const struct observer *observer,
                             struct error **err) {
    if (check->inputs->model_check == MODEL_CHECK_OFF || not_readable(check) != NULL)
        return 0;
    cleanup_fit_report struct fit_report report = {.count = 0};
    if (model_check_run(&report, check, err) < 0)
        return -1;
    const struct fit_finding *first = NULL;
    for (size_t i = 0; i < report.count; i++) {
        bool fails = report.items[i].verdict == FIT_FAILS;
        bool ends = fails && check->inputs->model_check == MODEL_CHECK_FAIL;
        if (ends && first == NULL) {
            first = &report.items[i];
            continue;
        }
        if (show(&report.items[i], observer, err) < 0)
            return -1;
    }
    return first != NULL ? refuse(first, err) : 0;
}

/* ---- in preflight ---- */

int model_check_list(struct checks *checks, const struct model_check *check, struct error **err) {
    static const struct check_subject subjects[] = {
        [FIT_FILES] = {"model", "files", ERROR_MODEL},
        [FIT_DISK] = {"model", "disk", ERROR_PARAMETER},
        [FIT_PARALLEL] = {"model", "parallel", ERROR_PARAMETER},
        [FIT_WEIGHTS] = {"model", "weights", ERROR_PARAMETER},
        [FIT_CONTEXT] = {"model", "context", ERROR_PARAMETER},
    };
    static const enum check_state states[] = {
        [FIT_UNKNOWN] = CHECK_SKIPPED,
        [FIT_FITS] = CHECK_OK,
        [FIT_TIGHT] = CHECK_WARN,
        [FIT_FAILS] = CHECK_FAIL,
    };
    cleanup_fit_report struct fit_report report = {.count = 0};
    if (model_check_run(&report, check, err) < 0)
        return -1;
    for (size_t i = 0; i < report.count; i++) {
        const struct fit_finding *finding = &report.items[i];
        if (checks_add(checks, err, &subjects[finding->subject], states[finding->verdict], "%s",
                       finding->message) < 0 ||
            (finding->hint != NULL && checks_hint(checks, err, "%s", finding->hint) < 0))
            return -1;
    }
    return 0;
}
