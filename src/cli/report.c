#include "cli/report.h"

#include "base/text.h"
#include "deploy/results.h"

#include <string.h>

/* Where results go: --results-dir, else Tekton's directory when we run in a step on a cluster. */
static const char *results_directory(const struct application *application) {
    const char *given = application->invocation->settings.results_dir;
    if (text_equal(given, "none"))
        return NULL;
    if (given[0] != '\0')
        return given;
    /* a replay in a step says nothing of what that step does */
    if (application->invocation->settings.replay[0] != '\0')
        return NULL;
    const struct file_access *files = application->deps->files;
    return files->is_directory(files->user, "/tekton/results") ? "/tekton/results" : NULL;
}

/*
 * Without the last part of PATH when that is a result's name: Tekton tells the step of a StepAction
 * only the path of each result, $(step.results.NAME.path), not the directory (docs/stepactions.md).
 */
static size_t directory_length(const char *path) {
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; slash != NULL && i < RESULTS_COUNT; i++)
        if (text_equal(slash + 1, results_names[i]))
            return (size_t)(slash - path);
    return strlen(path);
}

/* *OUT is the directory for results, owned; NULL when there are none to write. */
static int find_directory(char **out, const struct application *application, struct error **err) {
    const char *given = results_directory(application);
    *out = given != NULL ? text_format(err, "%.*s", (int)directory_length(given), given) : NULL;
    return given == NULL || *out != NULL ? 0 : -1;
}

int report_check(const struct application *application, struct error **err) {
    cleanup_free char *directory = NULL;
    if (find_directory(&directory, application, err) < 0)
        return -1;
    const struct file_access *files = application->deps->files;
    if (directory == NULL || files->is_directory(files->user, directory))
        return 0;
    error_new(err, ERROR_PARAMETER, "--results-dir %s is no directory", directory);
    return error_hint(err, "make it first, or --results-dir none writes no results");
}

static int write_results(struct application *application, const struct outcome *outcome,
                         struct error **err) {
    cleanup_free char *directory = NULL;
    if (find_directory(&directory, application, err) < 0)
        return -1;
    if (directory == NULL)
        return 0;
    cleanup_results struct results results = {0};
    if (results_render(&results, outcome, err) < 0)
        return -1;
    return results_write(&results, directory, application->deps, err);
}

static void show_success(struct application *application, const struct outcome *outcome) {
    const struct log *log = &application->console->log;
    char took[DURATION_SIZE];
    log_notice(log, "%s/%s serves %s%s%.12s after %s", outcome->namespace_, outcome->name,
               outcome->project, outcome->commit[0] != '\0' ? " at " : "", outcome->commit,
               duration_format(took, outcome->took_ms));
    log_notice(log, "in the cluster: %s", outcome->in_cluster_url);
    if (outcome->out_cluster_url[0] != '\0')
        log_notice(log, "from outside:   %s", outcome->out_cluster_url);
}

static void show_replay(struct application *application, const struct outcome *outcome) {
    const struct log *log = &application->console->log;
    const char *wanted = application->invocation->settings.wait_for;
    if (text_equal(wanted, "failed"))
        log_notice(log, "the recorded rollout has failed: %s", outcome->cause);
    else
        log_notice(log, "the recorded %s",
                   text_equal(wanted, "deleted") ? "service is deleted" : "rollout is ready");
}

static void show_evidence(struct application *application, const struct outcome *outcome) {
    for (size_t i = 0; i < outcome->evidence.count; i++)
        log_notice(&application->console->log, "  %s", outcome->evidence.items[i]);
    bool left = outcome->applied && !outcome->rolled_back;
    if (left)
        log_notice(&application->console->log,
                   "the InferenceService stays as applied; run again to go on waiting for it");
}

int report(struct application *application, struct outcome *outcome, int result,
           struct error *failure, struct error **err) {
    if (result < 0 && failure != NULL)
        outcome_set_error(outcome, failure, NULL);
    else if (result == 0)
        outcome->state = OUTCOME_READY;
    struct error *unwritten = NULL;
    int written = write_results(application, outcome, &unwritten);
    if (result < 0) {
        /* the run's own failure is the more important one to end with */
        console_error(application->console, unwritten);
        error_free(unwritten);
        show_evidence(application, outcome);
        return error_take(err, failure);
    }
    if (written < 0) {
        error_set_kind(&unwritten, ERROR_INTERNAL);
        error_wrap(&unwritten, "the service is ready, but its results could not be written");
        return error_take(err, unwritten);
    }
    const struct invocation *invocation = application->invocation;
    bool other_wish = invocation->command == COMMAND_WAIT &&
                      (!text_equal(invocation->settings.wait_for, "ready") ||
                       invocation->settings.replay[0] != '\0');
    if (!other_wish)
        show_success(application, outcome);
    else if (invocation->settings.replay[0] != '\0')
        show_replay(application, outcome);
    return 0;
}
