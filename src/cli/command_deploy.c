#include "cli/connect.h"

#include "cli/record_file.h"
#include "cli/report.h"
#include "deploy/deploy.h"

static int run_deploy(struct application *application, struct outcome *outcome,
                      struct error **err) {
    struct invocation *invocation = application->invocation;
    cleanup_session struct session session = {0};
    if (connect_and_check(&session, application, err) < 0)
        return -1;
    cleanup_record_file struct record_file record = {.stream = NULL};
    if (record_file_open(&record, invocation->settings.record, err) < 0)
        return -1;
    const struct deploy_options options = {
        .session = &session,
        .inputs = &invocation->inputs,
        .observer = application->observer,
        .deps = application->deps,
        .request_timeout_ms = invocation->settings.request_timeout_ms,
        .started_ms = application->started_ms,
        .record = record.stream != NULL ? record_file_line : NULL,
        .record_user = &record,
    };
    return deploy(outcome, &options, err);
}

/* Results are written whatever happened: an error before the first request is an outcome too. */
int command_deploy(struct application *application, struct error **err) {
    cleanup_outcome struct outcome outcome = {.state = OUTCOME_FAILED};
    if (report_check(application, err) < 0 || outcome_init(&outcome, err) < 0)
        return -1;
    struct error *failure = NULL;
    int result = run_deploy(application, &outcome, &failure);
    return report(application, &outcome, result, failure, err);
}
