/*
 * Resolves a model and checks it as deploy and preflight do, and prints the findings as JSON: the
 * driver of tests/integration/test_model_check.py.
 *
 *   check_tool [NAME=value ...]
 *
 * The parameters that the check looks at, by their names; RUNTIME is a ClusterServingRuntime as
 * JSON; CLAIM_BYTES, CARD_BYTES, REQUEST_TIMEOUT_MS and TIMEOUT_MS are numbers. Exit code: 0, or 10
 * + the error's kind.
 */

#include "base/json.h"
#include "base/text.h"
#include "deploy/cluster_facts.h"
#include "deploy/model_check.h"
#include "deploy/resolve_model.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { FIRST_EXIT_CODE = 10 };

static const char *value_of(char **arguments, const char *name, const char *fallback) {
    size_t length = strlen(name);
    for (char **at = arguments; *at != NULL; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    return fallback;
}

static int64_t number_of(char **arguments, const char *name, int64_t fallback) {
    int64_t value = fallback;
    text_to_integer(value_of(arguments, name, ""), 0, INT64_MAX, &value);
    return value;
}

static void set(char **field, const char *value) {
    free(*field);
    *field = text_copy(value, NULL);
}

static void fill_inputs(struct inputs *inputs, char **arguments) {
    const struct {
        char **field;
        const char *name;
        const char *fallback;
    } rows[] = {
        {&inputs->model_repo, "MODEL_REPO", "qwen"},
        {&inputs->namespace_, "NAMESPACE", "demo-ns"},
        {&inputs->model_git_url, "MODEL_GIT_URL", ""},
        {&inputs->model_dir, "MODEL_DIR", ""},
        {&inputs->storage_uri, "STORAGE_URI", ""},
        {&inputs->pipeline_tag, "PIPELINE_TAG", ""},
        {&inputs->library_name, "LIBRARY_NAME", ""},
        {&inputs->ephemeral_storage_size, "EPHIMERAL_STORAGE_SIZE", "10Gi"},
        {&inputs->pvc_name, "PVC_NAME", ""},
        {&inputs->gpu_count, "NVIDIA_GPUALLOC", "1"},
        {&inputs->gpu_cores, "NVIDIA_GPUCORES", "50"},
        {&inputs->gpu_memory, "NVIDIA_GPUMEM", "4096"},
        {&inputs->nvidia_gpu, "NVIDIA_GPU", ""},
    };
    for (size_t i = 0; i < array_length(rows); i++)
        set(rows[i].field, value_of(arguments, rows[i].name, rows[i].fallback));
    inputs->model_check = MODEL_CHECK_WARN;
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

static json_t *findings(const struct checks *checks) {
    json_t *list = json_array();
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *check = &checks->items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s?}", "group",
                                              check->subject->group, "name", check->subject->name,
                                              "state", check_state_name(check->state), "kind",
                                              (int)check->kind, "message", check->message, "hint",
                                              check->hint));
    }
    return list;
}

static void print(json_t *value) {
    char *text = json_dumps(value, JSON_INDENT(2));
    puts(text != NULL ? text : "{}");
    free(text);
    json_decref(value);
}

static int failed(struct error *error) {
    int code = FIRST_EXIT_CODE + (int)error->kind;
    print(json_pack("{s:s, s:s?}", "message", error->message, "hint", error->hint));
    error_free(error);
    return code;
}

static int read_access(struct gitlab_access *access, char **arguments, const struct deps *deps,
                       struct error **err) {
    const char *file = value_of(arguments, "GITLAB_CA_FILE", "");
    access->base_url = text_copy(value_of(arguments, "GITLAB_BASE_URL", ""), err);
    access->token = text_copy(value_of(arguments, "GITLAB_TOKEN", ""), err);
    access->origin = text_copy("GITLAB_BASE_URL", err);
    if (file[0] == '\0')
        return 0;
    access->ca_pem = file_read_text(deps->files, file, 1024 * 1024, err);
    return access->ca_pem != NULL ? 0 : -1;
}

static int check(char **arguments, const struct deps *deps, struct error **err) {
    cleanup_inputs struct inputs inputs = {0};
    cleanup_cluster_facts struct cluster_facts facts = {0};
    cleanup_http_client struct http_client *http = NULL;
    cleanup_model struct model model = {0};
    cleanup_json json_t *runtime = json_loads(value_of(arguments, "RUNTIME", "{}"), 0, NULL);
    int64_t request_timeout = number_of(arguments, "REQUEST_TIMEOUT_MS", 10000);
    if (inputs_init(&inputs, err) < 0 || read_access(&facts.gitlab, arguments, deps, err) < 0 ||
        http_client_new(&http, deps, "check_tool", err) < 0)
        return -1;
    fill_inputs(&inputs, arguments);
    if (resolve_model(&model, &inputs, &facts.gitlab, http, request_timeout, deps, 0, err) < 0)
        return -1;
    struct http_statistics before;
    http_client_statistics(http, &before);
    int64_t started = clock_now(deps->clock);
    const struct model_check request = {
        .inputs = &inputs,
        .model = &model,
        .gitlab = &facts.gitlab,
        .runtime = runtime,
        .http = http,
        .deps = deps,
        .request_timeout_ms = request_timeout,
        .deadline_ms = number_of(arguments, "TIMEOUT_MS", 0) > 0
                           ? started + number_of(arguments, "TIMEOUT_MS", 0)
                           : 0,
        .card_bytes = number_of(arguments, "CARD_BYTES", -1),
        .volume_bytes = number_of(arguments, "CLAIM_BYTES", -1),
    };
    cleanup_checks struct checks checks = {.items = NULL};
    if (model_check_list(&checks, &request, err) < 0)
        return -1;
    struct http_statistics after;
    http_client_statistics(http, &after);
    print(json_pack(
        "{s:o, s:i, s:i, s:I, s:i}", "findings", findings(&checks), "requests",
        after.requests - before.requests, "rounds", after.background - before.background, "took_ms",
        (json_int_t)(clock_now(deps->clock) - started), "max_rss_kib", (int)peak_memory()));
    return 0;
}

static void print_line(void *user, enum log_level level, const char *line) {
    (void)user;
    fprintf(stderr, "%s: %s\n", log_level_name(level), line);
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
    struct error *error = NULL;
    if (http_library_start(&error) < 0)
        return failed(error);
    int result = check(arguments, &deps, &error);
    http_library_stop();
    return result < 0 ? failed(error) : 0;
}
