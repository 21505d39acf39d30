#include "cli/connect.h"

#include "base/text.h"

#include <string.h>

static const char *or_null(const char *text) {
    return text_is_empty(text) ? NULL : text;
}

int connect_session(struct session *session, struct application *application, struct error **err) {
    const struct settings *settings = &application->invocation->settings;
    struct inputs *inputs = &application->invocation->inputs;
    const struct session_options options = {.kubeconfig = or_null(settings->kubeconfig),
                                            .context = or_null(settings->context),
                                            .request_timeout_ms = settings->request_timeout_ms,
                                            .user_agent = application_user_agent()};
    if (session_open(session, &options, application->deps, err) < 0)
        return -1;
    if (inputs->namespace_[0] != '\0')
        return 0;
    char *name = text_copy(session->namespace_ != NULL ? session->namespace_ : "default", err);
    if (name == NULL)
        return -1;
    free(inputs->namespace_);
    inputs->namespace_ = name;
    return 0;
}

/* The environment is easily forgotten: who is wrong there is told so. */
static void show_problems(const struct application *application) {
    const struct invocation *invocation = application->invocation;
    const struct problems *problems = &invocation->problems;
    for (size_t i = 0; i < problems->count; i++)
        console_problem(application->console, &problems->items[i],
                        invocation_has_from_environment(invocation, problems->items[i].parameter));
}

/*
 * -1 with their number when there are errors among the problems. CONNECTION, or NULL, was shown
 * beside them and counts.
 */
static int end_with_problems(const struct application *application, const struct error *connection,
                             struct error **err) {
    const struct problems *problems = &application->invocation->problems;
    if (problems->errors == 0)
        return 0;
    size_t count = problems->errors + (connection != NULL ? 1 : 0);
    error_new(err, ERROR_PARAMETER, "%zu problem%s with the parameters%s, nothing was changed",
              count, count == 1 ? "" : "s", connection != NULL ? " and the cluster" : "");
    if (application->invocation->command_unknown)
        return error_hint(err, "deploy-inference-service help");
    return error_hint(err, "deploy-inference-service help %s",
                      command_of(application->invocation->command)->name);
}

int refuse_problems(struct application *application, struct error **err) {
    show_problems(application);
    return end_with_problems(application, NULL, err);
}

int check_output(struct application *application, struct error **err) {
    const struct command *command = command_of(application->invocation->command);
    const char *const *formats = command->formats;
    const char *given = application->invocation->settings.output;
    struct strings known = {.items = NULL};
    bool ok = formats == NULL || text_is_empty(given);
    int result = 0;
    for (size_t i = 0; formats != NULL && formats[i] != NULL && result == 0; i++) {
        ok = ok || text_equal(given, formats[i]);
        result = strings_add(&known, formats[i], err);
    }
    cleanup_free char *list = ok || result < 0 ? NULL : strings_join(&known, " or ", err);
    strings_free(&known);
    if (ok || list == NULL)
        return ok ? 0 : -1;
    return problems_add(&application->invocation->problems, err, true, "output", NULL,
                        "-o is \"%s\": %s prints %s", given, command->name, list);
}

int connect_and_check(struct session *session, struct application *application,
                      struct error **err) {
    struct inputs *inputs = &application->invocation->inputs;
    /* a broken kubeconfig must not hide the problems of parameters, nor they it */
    struct problems *problems = &application->invocation->problems;
    cleanup_error struct error *connection = NULL;
    /* but a typo hides both: it may be --kubeconfig that is misspelled */
    int connected =
        problems->skip_missing ? -1 : connect_session(session, application, &connection);
    bool namespace_unknown = connected < 0 && inputs->namespace_[0] == '\0';
    if (namespace_unknown) {
        free(inputs->namespace_);
        inputs->namespace_ = text_copy("default", err);
        if (inputs->namespace_ == NULL)
            return -1;
    }
    if (inputs_check(inputs, problems, err) < 0)
        return -1;
    show_problems(application);
    if (problems->errors == 0)
        return connected < 0 ? error_take(err, steal_pointer(connection)) : 0;
    if (connection != NULL)
        console_error(application->console, connection);
    return end_with_problems(application, connection, err);
}
