#include "cli/check_table.h"
#include "cli/connect.h"
#include "cli/layout.h"
#include "deploy/preflight.h"

#include "base/json.h"
#include "base/text.h"

static int print(struct application *application, const struct checks *checks, struct error **err) {
    const struct settings *settings = &application->invocation->settings;
    if (!text_equal(settings->output, "json"))
        return check_table_print(
            application->output, checks,
            layout_width(application->output, application->deps->environment),
            console_colors(application->output, application->deps->environment, settings), err);
    cleanup_json json_t *document = check_table_json(checks, err);
    cleanup_free char *text = document != NULL ? json_pretty_text(document, err) : NULL;
    if (text == NULL)
        return -1;
    fprintf(application->output, "%s\n", text);
    return 0;
}

/* The exit code is that of the first failure: what a deploy would end with. */
static int conclude(struct application *application, const struct checks *checks,
                    struct error **err) {
    size_t failed = checks_count(checks, CHECK_FAIL);
    fflush(application->output); /* the table comes before what is said about it */
    log_notice(&application->console->log, "%zu ok, %zu warn, %zu fail, %zu skipped%s",
               checks_count(checks, CHECK_OK), checks_count(checks, CHECK_WARN), failed,
               checks_count(checks, CHECK_SKIPPED),
               failed == 0 ? ": nothing was found that would stop a deploy" : "");
    const struct check *first = checks_first_failure(checks);
    if (first == NULL)
        return 0;
    return error_new(err, first->kind, "%zu check%s failed: a deploy would not succeed now", failed,
                     failed == 1 ? "" : "s");
}

static int open_session(struct session *session, struct application *application,
                        struct error **connection, struct error **err) {
    struct inputs *inputs = &application->invocation->inputs;
    int connected = connect_session(session, application, connection);
    if (connected == 0 || inputs->namespace_[0] != '\0')
        return connected;
    free(inputs->namespace_);
    inputs->namespace_ = text_copy("default", err);
    return -1;
}

/* Parsing has found that -o names no format of ours (check_output). */
static bool is_format_refused(const struct problems *problems) {
    for (size_t i = 0; i < problems->count; i++)
        if (problems->items[i].is_error && text_equal(problems->items[i].parameter, "output"))
            return true;
    return false;
}

int command_preflight(struct application *application, struct error **err) {
    struct invocation *invocation = application->invocation;
    struct problems *problems = &invocation->problems;
    cleanup_session struct session session = {0};
    cleanup_error struct error *connection = NULL;
    if (is_format_refused(problems)) /* nothing to print in */
        return refuse_problems(application, err);
    int connected = open_session(&session, application, &connection, err);
    if (invocation->inputs.namespace_ == NULL ||
        inputs_check(&invocation->inputs, problems, err) < 0)
        return -1;
    application->observer->begin(application->observer->user, STAGE_CLUSTER,
                                 "checking cluster, GitLab and model");
    const struct preflight_request request = {
        .inputs = &invocation->inputs,
        .problems = problems,
        .session = connected == 0 ? &session : NULL,
        .connection = connection,
        .deps = application->deps,
        .request_timeout_ms = invocation->settings.request_timeout_ms,
    };
    cleanup_checks struct checks checks = {.count = 0};
    if (preflight(&checks, &request, err) < 0)
        return -1;
    console_clear(application->console);
    if (print(application, &checks, err) < 0)
        return -1;
    return conclude(application, &checks, err);
}
