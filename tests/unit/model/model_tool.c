/*
 * Resolves a model as the program does, and prints what it learned as JSON: the driver of
 * tests/integration/test_gitlab_resolve.py and test_git_resolve.py.
 *
 *   model_tool [NAME=value ...]
 *
 * SOURCE=gitlab (GITLAB_BASE_URL), git (MODEL_GIT_URL), clone (MODEL_DIR) or card (README.md on
 * standard input). The rest: MODEL_REPO NAMESPACE MODEL_REPO_BRANCH MODEL_REPO_TAG
 * MODEL_REPO_COMMIT PIPELINE_TAG LIBRARY_NAME GITLAB_TOKEN GITLAB_USERNAME GITLAB_CA_FILE
 * GITLAB_INSECURE_SKIP_TLS_VERIFY=true REQUEST_TIMEOUT_MS TIMEOUT_MS. Exit code: 0, or 10 + the
 * error's kind; the error is JSON on standard output too.
 */

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "model/card.h"
#include "model/git.h"
#include "model/gitlab.h"
#include "model/uri.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_EXIT_CODE = 10 };

static const char *value_of(char **arguments, const char *name) {
    size_t length = strlen(name);
    for (char **at = arguments; *at != NULL; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    return "";
}

static int64_t number_of(char **arguments, const char *name, int64_t fallback) {
    int64_t value = fallback;
    text_to_integer(value_of(arguments, name), 0, INT64_MAX, &value);
    return value;
}

static struct model_request request_of(char **arguments) {
    return (struct model_request){
        .repository = value_of(arguments, "MODEL_REPO"),
        .namespace_ = value_of(arguments, "NAMESPACE"),
        .branch = value_of(arguments, "MODEL_REPO_BRANCH"),
        .tag = value_of(arguments, "MODEL_REPO_TAG"),
        .commit = value_of(arguments, "MODEL_REPO_COMMIT"),
        .pipeline_tag = value_of(arguments, "PIPELINE_TAG"),
        .library_name = value_of(arguments, "LIBRARY_NAME"),
    };
}

static void print_line(void *user, enum log_level level, const char *line) {
    (void)user;
    fprintf(stderr, "%s: %s\n", log_level_name(level), line);
}

static void print_json(json_t *value) {
    cleanup_free char *text = json_pretty_text(value, NULL);
    puts(text != NULL ? text : "{}");
    json_decref(value);
}

/* Not ru_maxrss: that counts the program which started this one. */
static long peak_memory(void) {
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    long peak = 0;
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (sscanf(line, "VmHWM: %ld", &peak) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return peak;
}

static void add_statistics(json_t *value, const struct http_client *http) {
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    json_object_set_new(value, "max_rss_kib", json_integer(peak_memory()));
    json_object_set_new(value, "cpu_us", json_integer(cpu.tv_sec * 1000000 + cpu.tv_nsec / 1000));
    if (http == NULL)
        return;
    struct http_statistics statistics;
    http_client_statistics(http, &statistics);
    json_object_set_new(value, "requests", json_integer(statistics.requests));
    json_object_set_new(value, "rounds", json_integer(statistics.rounds));
}

static json_t *model_json(const struct model *model) {
    json_t *value = json_object();
    const struct {
        const char *name;
        const char *text;
    } fields[] = {
        {"path", model->path},
        {"group", model->group},
        {"subgroup", model->subgroup},
        {"name", model->name},
        {"id", model->id},
        {"branch", model->branch},
        {"tag", model->tag},
        {"commit", model->commit},
        {"git_url", model->git_url},
        {"web_url", model->web_url},
        {"pipeline_tag", model->pipeline_tag},
        {"library_name", model->library_name},
        {"card_origin", model->card_origin},
        {"storage_uri", model->storage_uri},
    };
    for (size_t i = 0; i < array_length(fields); i++)
        json_object_set_new(value, fields[i].name, json_string(fields[i].text));
    json_t *warnings = json_array();
    for (size_t i = 0; i < model->warnings.count; i++)
        json_array_append_new(warnings, json_string(model->warnings.items[i]));
    json_object_set_new(value, "warnings", warnings);
    return value;
}

static json_t *clone_json(const struct git_clone *clone) {
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:s?}", "remote_url", clone->remote_url,
                     "project_path", clone->project_path, "branch", clone->branch, "commit",
                     clone->commit, "changed_files", clone->changed_files, "untracked_files",
                     clone->untracked_files, "ahead", clone->ahead, "readme", clone->readme);
}

static int print_error(struct error *error, const struct http_client *http) {
    int code = FIRST_EXIT_CODE + (int)error->kind;
    json_t *value = json_pack("{s:i, s:i, s:s, s:s?}", "kind", (int)error->kind, "http_status",
                              error->http_status, "message", error->message, "hint", error->hint);
    if (value == NULL)
        value = json_pack("{s:s}", "message", "an error text is not UTF-8");
    add_statistics(value, http);
    print_json(value);
    error_free(error);
    return code;
}

static int resolve(struct model *model, char **arguments, struct http_client *http,
                   const struct deps *deps, struct error **err) {
    const struct model_request request = request_of(arguments);
    int64_t timeout = number_of(arguments, "TIMEOUT_MS", 0);
    int64_t deadline = timeout > 0 ? clock_now(deps->clock) + timeout : 0;
    int64_t request_timeout = number_of(arguments, "REQUEST_TIMEOUT_MS", 10000);
    bool skip = strcmp(value_of(arguments, "GITLAB_INSECURE_SKIP_TLS_VERIFY"), "true") == 0;
    const char *ca_file = value_of(arguments, "GITLAB_CA_FILE");
    cleanup_free char *ca = NULL;
    if (ca_file[0] != '\0' && (ca = file_read_text(deps->files, ca_file, 1024 * 1024, err)) == NULL)
        return -1;
    if (strcmp(value_of(arguments, "SOURCE"), "git") == 0) {
        const struct git_options options = {
            .url = value_of(arguments, "MODEL_GIT_URL"),
            .username = value_of(arguments, "GITLAB_USERNAME"),
            .token = value_of(arguments, "GITLAB_TOKEN"),
            .ca_pem = ca,
            .skip_verification = skip,
            .request_timeout_ms = request_timeout,
        };
        return git_resolve(model, &request, &options, http, deps, deadline, err);
    }
    const struct gitlab_options options = {
        .base_url = value_of(arguments, "GITLAB_BASE_URL"),
        .username = value_of(arguments, "GITLAB_USERNAME"),
        .token = value_of(arguments, "GITLAB_TOKEN"),
        .ca_pem = ca,
        .skip_verification = skip,
        .request_timeout_ms = request_timeout,
    };
    return gitlab_resolve(model, &request, &options, http, deps, deadline, err);
}

static int run_clone(char **arguments) {
    cleanup_git_clone struct git_clone clone = {0};
    struct error *error = NULL;
    if (git_clone_read(&clone, value_of(arguments, "MODEL_DIR"), &error) < 0)
        return print_error(error, NULL);
    print_json(clone_json(&clone));
    return 0;
}

static int run_resolve(char **arguments, const struct deps *deps) {
    struct error *error = NULL;
    cleanup_http_client struct http_client *http = NULL;
    cleanup_model struct model model = {0};
    if (http_client_new(&http, deps, "model_tool", &error) < 0 ||
        resolve(&model, arguments, http, deps, &error) < 0)
        return print_error(error, http);
    json_t *value = model_json(&model);
    add_statistics(value, http);
    print_json(value);
    return 0;
}

static int run_card(void) {
    cleanup_buffer struct buffer readme = BUFFER_INIT(64 * 1024 * 1024);
    char part[4096];
    for (size_t length; (length = fread(part, 1, sizeof(part), stdin)) > 0;)
        buffer_append(&readme, part, length);
    cleanup_card struct card card = {0};
    struct error *error = NULL;
    if (card_parse(&card, CARD_BOTH, readme.data, readme.length, "README.md", &error) < 0)
        return print_error(error, NULL);
    print_json(json_pack("{s:s, s:s}", "pipeline_tag", card.pipeline_tag, "library_name",
                         card.library_name));
    return 0;
}

int main(int count, char **arguments) {
    (void)count;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    const struct log log = {
        .level = LOG_DEBUG, .clock = &clock_system, .sink = {.write = print_line}};
    const struct environment environment = {(const char *const *)(void *)environ};
    const struct deps deps = {
        .clock = &clock_system,
        .files = &file_system,
        .environment = &environment,
        .processes = &process_system,
        .log = &log,
        .cancel_descriptor = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK),
    };
    const char *source = value_of(arguments, "SOURCE");
    if (strcmp(source, "clone") == 0)
        return run_clone(arguments);
    if (strcmp(source, "card") == 0)
        return run_card();
    struct error *error = NULL;
    if (http_library_start(&error) < 0)
        return print_error(error, NULL);
    int code = run_resolve(arguments, &deps);
    http_library_stop();
    return code;
}
