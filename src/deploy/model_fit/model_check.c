#include "deploy/model_check.h"

#include "base/text.h"
#include "deploy/cluster_facts.h"
#include "model/gitlab_files.h"

enum { LONGEST_CHECK_MS = 20 * 1000 };

struct model_check_run {
    struct model_check check;
    struct gitlab_options options;
    struct gitlab_files *reading; /* NULL: there is nothing to read */
    const char *why_not;          /* a constant: why there is not */
    struct fit_report report;
    bool has_report;
};

/* Why the files cannot be asked for, or NULL. */
static const char *not_readable(const struct model_check *check) {
    if (check->inputs->storage_uri[0] != '\0')
        return "STORAGE_URI is deployed as it is, its files are not looked at";
    if (check->model->files != NULL)
        return NULL;
    if (check->inputs->model_git_url[0] != '\0')
        return "with MODEL_GIT_URL they are listed when README.md is read, and PIPELINE_TAG with "
               "LIBRARY_NAME makes that needless";
    if (text_is_empty(check->gitlab->base_url) || text_is_empty(check->model->commit))
        return "no GitLab was asked";
    return NULL;
}

static int64_t deadline_of(const struct model_check *check) {
    int64_t soon = clock_now(check->deps->clock) + LONGEST_CHECK_MS;
    return check->deadline_ms > 0 && check->deadline_ms < soon ? check->deadline_ms : soon;
}

int model_check_start(struct model_check_run **out, const struct model_check *check,
                      struct error **err) {
    struct model_check_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return error_no_memory(err);
    run->check = *check;
    run->why_not = not_readable(check);
    run->options = (struct gitlab_options){
        .base_url = check->gitlab->base_url,
        .username = check->gitlab->username,
        .token = check->gitlab->token,
        .ca_pem = check->gitlab->ca_pem,
        .skip_verification = check->inputs->gitlab_skip_verification,
        .request_timeout_ms = check->request_timeout_ms,
    };
    if (run->why_not == NULL &&
        gitlab_files_start(&run->reading, check->model, &run->options, check->http, check->deps,
                           deadline_of(check), err) < 0) {
        free(run);
        return -1;
    }
    *out = run;
    return 0;
}

static int judge(struct model_check_run *run, const struct model_files *files, struct error **err) {
    const struct fit_request request = {.files = files,
                                        .inputs = run->check.inputs,
                                        .runtime = run->check.runtime,
                                        .card_bytes = run->check.card_bytes,
                                        .volume_bytes = run->check.volume_bytes,
                                        .volume_problem = run->check.volume_problem};
    if (model_fit(&run->report, &request, err) < 0)
        return -1;
    run->has_report = true;
    /* connections and texts are not needed any longer */
    gitlab_files_free(run->reading);
    run->reading = NULL;
    return 1;
}

int model_check_step(struct model_check_run *run, struct error **err) {
    if (run->has_report)
        return 1;
    if (run->reading == NULL) {
        cleanup_model_files struct model_files none = {.items = NULL};
        return strings_add(&none.unknown, run->why_not, err) < 0 ? -1 : judge(run, &none, err);
    }
    int step = gitlab_files_step(run->reading, err);
    return step == 1 ? judge(run, gitlab_files_result(run->reading), err) : step;
}

int model_check_wait(struct model_check_run *run, int64_t most_ms, struct error **err) {
    const struct clock *clock = run->check.deps->clock;
    int64_t end = clock_now(clock) + most_ms;
    for (;;) {
        int step = model_check_step(run, err);
        int64_t left = end - clock_now(clock);
        if (step != 0 || left <= 0)
            return step;
        int waited = http_wait(run->check.http, left, err);
        if (waited == HTTP_WAIT_CANCELED)
            return error_new(err, ERROR_CANCELED, "canceled while the model was checked");
        if (waited < 0)
            return -1;
    }
}

const struct fit_report *model_check_report(const struct model_check_run *run) {
    return run->has_report ? &run->report : NULL;
}

void model_check_free(struct model_check_run *run) {
    if (run == NULL)
        return;
    gitlab_files_free(run->reading);
    fit_report_free(&run->report);
    free(run);
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

int model_check_show(const struct fit_report *report, const struct observer *observer,
                     struct error **err) {
    for (size_t i = 0; i < report->count; i++)
        if (show(&report->items[i], observer, err) < 0)
            return -1;
    return 0;
}

static int refuse(const struct fit_finding *finding, struct error **err) {
    error_new(err, finding->kind, "model check: %s", finding->message);
    return error_hint(err, "%s%sor set MODEL_CHECK=warn to deploy all the same",
                      finding->hint != NULL ? finding->hint : "",
                      finding->hint != NULL ? "; " : "");
}

int model_check_decide(const struct fit_report *report, const struct observer *observer,
                       struct error **err) {
    const struct fit_finding *first = NULL;
    for (size_t i = 0; i < report->count; i++) {
        bool ends = first == NULL && report->items[i].verdict == FIT_FAILS;
        if (ends)
            first = &report->items[i];
        else if (show(&report->items[i], observer, err) < 0)
            return -1;
    }
    return first != NULL ? refuse(first, err) : 0;
}

/* ---- after a failure ---- */

/* What a rollout that failed for this reason depended on; FIT_SUBJECTS: nothing of this. */
static enum fit_subject subject_of(const char *reason) {
    static const struct {
        const char *reason;
        enum fit_subject subject;
    } rows[] = {
        {"EphemeralStorageExceeded", FIT_DISK},
        {"StorageFull", FIT_DISK},
        {"NodeDiskPressure", FIT_DISK},
        {"InsufficientDisk", FIT_DISK},
        {"LfsObjectMissing", FIT_FILES},
        {"ModelFilesMissing", FIT_FILES},
        {"ModelNotFound", FIT_FILES},
        {"ModelDownloadFailed", FIT_FILES},
        {"CudaOutOfMemory", FIT_WEIGHTS},
        {"GpuMemoryTooSmall", FIT_WEIGHTS},
        {"ContextTooLong", FIT_CONTEXT},
        {"GpuMemoryInUse", FIT_WEIGHTS},
        {"TensorParallelMismatch", FIT_PARALLEL},
    };
    for (size_t i = 0; i < array_length(rows); i++)
        if (text_equal(rows[i].reason, reason))
            return rows[i].subject;
    return FIT_SUBJECTS;
}

static const struct fit_finding *find(const struct fit_report *report, enum fit_subject subject) {
    for (size_t i = 0; i < report->count; i++) {
        const struct fit_finding *finding = &report->items[i];
        if (finding->subject == subject &&
            (finding->verdict == FIT_FAILS || finding->verdict == FIT_TIGHT))
            return finding;
    }
    return NULL;
}

/* A crash of the server that nobody could read has its cause where the model surely does not fit.
 */
static const struct fit_finding *find_failure(const struct fit_report *report) {
    for (size_t i = 0; i < report->count; i++)
        if (report->items[i].verdict == FIT_FAILS)
            return &report->items[i];
    return NULL;
}

char *model_check_explain(const struct fit_report *report, const char *reason) {
    if (report == NULL)
        return NULL;
    enum fit_subject subject = subject_of(reason);
    const struct fit_finding *finding = subject != FIT_SUBJECTS ? find(report, subject) : NULL;
    /* memory for weights and for the cache is one memory */
    if (finding == NULL && (subject == FIT_WEIGHTS || subject == FIT_CONTEXT))
        finding = find(report, subject == FIT_WEIGHTS ? FIT_CONTEXT : FIT_WEIGHTS);
    if (finding == NULL && text_equal(reason, "CrashLoopBackOff"))
        finding = find_failure(report);
    if (finding == NULL)
        return NULL;
    return text_format(NULL, "The model check found: %s%s%s.", finding->message,
                       finding->hint != NULL ? "; " : "",
                       finding->hint != NULL ? finding->hint : "");
}

/* ---- preflight ---- */

static const struct check_subject subjects[FIT_SUBJECTS] = {
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

static int list_report(struct checks *checks, const struct fit_report *report, struct error **err) {
    for (size_t i = 0; i < report->count; i++) {
        const struct fit_finding *finding = &report->items[i];
        if (checks_add(checks, err, &subjects[finding->subject], states[finding->verdict], "%s",
                       finding->message) < 0)
            return -1;
        if (finding->hint != NULL && checks_hint(checks, err, "%s", finding->hint) < 0)
            return -1;
    }
    return 0;
}

int model_check_list(struct checks *checks, const struct model_check *check, struct error **err) {
    struct model_check_run *run = NULL;
    if (check->inputs->model_check == MODEL_CHECK_OFF)
        return checks_add(checks, err, &subjects[FIT_FILES], CHECK_SKIPPED,
                          "files and fit not checked: MODEL_CHECK=off");
    if (model_check_start(&run, check, err) < 0)
        return -1;
    /* the reading ends by itself, at its deadline */
    int waited = model_check_wait(run, INT32_MAX, err);
    int result = waited == 1 ? list_report(checks, &run->report, err) : -1;
    model_check_free(run);
    return result;
}
