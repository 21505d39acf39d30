#include "cli/preview.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "cli/comments.h"
#include "deploy/prepare_offline.h"

#include <string.h>

enum { LONGEST_RUNTIME_FILE = 4 * 1024 * 1024 };

static char *document_text(const struct application *application,
                           const struct preparation *preparation, struct error **err) {
    const struct settings *settings = &application->invocation->settings;
    const json_t *document = preparation->document.object;
    if (text_equal(settings->output, "json"))
        return json_pretty_text(document, err);
    cleanup_free char *yaml = yaml_from_json(document, err);
    char *commented = NULL;
    if (yaml == NULL || !settings->comments)
        return steal_pointer(yaml);
    return comments_add(&commented, yaml, preparation, err) == 0 ? commented : NULL;
}

static int print_document(struct application *application, const struct preparation *preparation,
                          struct error **err) {
    cleanup_free char *text = document_text(application, preparation, err);
    if (text == NULL)
        return -1;
    bool json = text_equal(application->invocation->settings.output, "json");
    fprintf(application->output, "%s%s", text, json ? "\n" : "");
    return 0;
}

static int check_options(struct application *application, struct error **err) {
    const struct settings *settings = &application->invocation->settings;
    struct problems *problems = &application->invocation->problems;
    if (settings->comments && text_equal(settings->output, "json") &&
        problems_add(problems, err, true, "comments", "leave -o json out",
                     "--comments is for YAML: JSON has no comments") < 0)
        return -1;
    const struct {
        const char *name;
        const char *value;
    } only_offline[] = {{"runtime-file", settings->runtime_file},
                        {"kserve-version", settings->kserve_version}};
    for (size_t i = 0; i < array_length(only_offline) && !settings->offline; i++)
        if (only_offline[i].value[0] != '\0' &&
            problems_add(problems, err, true, only_offline[i].name, "add --offline",
                         "--%s takes the place of the cluster's answer only with --offline",
                         only_offline[i].name) < 0)
            return -1;
    return 0;
}

/* ---- offline ---- */

static const char *runtime_file_name(const char *path) {
    return text_equal(path, "-") ? "standard input" : path;
}

/* Reads --runtime-file; what is wrong with it becomes one problem among the others. */
static int read_runtimes(json_t **out, struct application *application, struct error **err) {
    const char *path = application->invocation->settings.runtime_file;
    struct problems *problems = &application->invocation->problems;
    if (path[0] == '\0')
        return problems_add_missing(
            problems, err, "runtime-file",
            "kubectl get clusterservingruntime NAME -o yaml > FILE makes one",
            "--runtime-file is not set: with --offline no cluster is asked for the runtime");
    cleanup_error struct error *problem = NULL;
    cleanup_free char *text =
        file_read_text(application->deps->files, text_equal(path, "-") ? "/dev/stdin" : path,
                       LONGEST_RUNTIME_FILE, &problem);
    if (text != NULL &&
        offline_runtimes(out, text, strlen(text), runtime_file_name(path), &problem) == 0)
        return 0;
    return problems_add(problems, err, true, "runtime-file", problem->hint, "--runtime-file: %s",
                        problem->message);
}

static int choose_kserve(enum kserve_generation *out, struct application *application,
                         struct error **err) {
    const char *version = application->invocation->settings.kserve_version;
    *out = KSERVE_NEW_MODES;
    if (version[0] == '\0' || offline_kserve(out, version))
        return 0;
    return problems_add(
        &application->invocation->problems, err, true, "kserve-version", NULL,
        "--kserve-version is \"%.40s\": it must be a version such as 0.15 or 0.16.1", version);
}

static int render_offline(struct application *application, struct error **err) {
    struct invocation *invocation = application->invocation;
    struct inputs *inputs = &invocation->inputs;
    enum kserve_generation kserve = KSERVE_UNKNOWN;
    cleanup_json json_t *runtimes = NULL;
    if (inputs_check(inputs, &invocation->problems, err) < 0 ||
        offline_check(inputs, &invocation->problems, err) < 0 ||
        read_runtimes(&runtimes, application, err) < 0 ||
        choose_kserve(&kserve, application, err) < 0 || refuse_problems(application, err) < 0)
        return -1;
    const char *what = runtime_file_name(invocation->settings.runtime_file);
    if (offline_find_runtime(runtimes, inputs, what, err) < 0)
        return -1;
    const struct observer *observer = application->observer;
    if (invocation->settings.kserve_version[0] == '\0')
        observer->notice(
            observer->user,
            "offline: KServe 0.16 or later is assumed; --kserve-version says otherwise");
    else if (!offline_kserve_is_tested(invocation->settings.kserve_version))
        observer->notice(observer->user,
                         "offline: what is rendered is tested with KServe 0.14 to 0.20");
    const struct prepare_context context = {
        .inputs = inputs, .observer = observer, .deps = application->deps};
    cleanup_preparation struct preparation preparation = {0};
    if (prepare_offline(&preparation, &context, runtimes, kserve, err) < 0)
        return -1;
    return print_document(application, &preparation, err);
}

int command_render(struct application *application, struct error **err) {
    if (check_options(application, err) < 0)
        return -1;
    if (application->invocation->settings.offline)
        return render_offline(application, err);
    cleanup_session struct session session = {0};
    if (connect_and_check(&session, application, err) < 0)
        return -1;
    cleanup_preparation struct preparation preparation = {0};
    if (preview_prepare(&preparation, &session, application, err) < 0)
        return -1;
    return print_document(application, &preparation, err);
}
