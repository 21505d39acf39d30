/*
 * A program for tests/integration/test_apply.py and test_watch.py: does what a JSON script on
 * standard input says through src/kube, against the cluster of a kubeconfig, and prints JSON lines.
 *
 *   kube_tool KUBECONFIG < script
 *
 * {"apply": {"resource": "GROUP/VERSION/PLURAL/KIND", "namespace", "name", "document", "manager",
 *   "create_only", "dry_run", "migration_operations", "live" (none: it is read first),
 *   "absent": true (taken for absent, without a look), "deadline_ms" (from then on), "gate" (a
 *   descriptor: between read and apply a byte from it, or its end, is waited for)}}
 * {"watch": {"targets": [{"resource", "namespace", "selectors", "start", "optional"}...],
 * "idle_ms", "timeout_seconds", "page", "run_ms" (each run), "pause_ms" (between two runs, with the
 * loop going)}} A watch ends by SIGTERM or an error.
 */

#include "base/deps.h"
#include "base/json.h"
#include "base/text.h"
#include "kube/apply.h"
#include "kube/watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { MOST_TARGETS = 16 };

static void print_line(json_t *event) {
    char *text = json_dumps(event, JSON_COMPACT);
    if (text != NULL)
        puts(text);
    fflush(stdout);
    free(text);
    json_decref(event);
}

static void print_error(const struct error *error) {
    print_line(json_pack("{s:{s:i,s:i,s:s?,s:s,s:s?}}", "error", "kind", (int)error->kind,
                         "http_status", error->http_status, "reason", error->reason, "message",
                         error->message, "hint", error->hint));
}

static void print_log(void *user, enum log_level level, const char *line) {
    (void)user;
    print_line(json_pack("{s:s,s:s}", "log", line, "level", log_level_name(level)));
}

/* "GROUP/VERSION/PLURAL/KIND", split in place. */
static struct kube_resource *read_resource(const char *text) {
    struct named {
        struct kube_resource resource;
        char text[256];
    } *named = calloc(1, sizeof(*named));
    snprintf(named->text, sizeof(named->text), "%s", text);
    const char *parts[4] = {named->text, "", "", ""};
    char *at = named->text;
    for (int i = 1; i < 4 && (at = strchr(at, '/')) != NULL; i++) {
        *at++ = '\0';
        parts[i] = at;
    }
    named->resource = (struct kube_resource){parts[0], parts[1], parts[2], parts[3], true};
    return &named->resource;
}

/* ---- apply ---- */

/* Holds until the test has done what is to happen meanwhile. */
static int wait_at_gate(const json_t *script, struct error **err) {
    json_int_t gate = json_integer_at(script, -1, "gate", NULL);
    char byte = 0;
    if (gate >= 0 && read((int)gate, &byte, 1) < 0)
        return error_new(err, ERROR_INTERNAL, "the gate cannot be read");
    return 0;
}

/* What deploy does before: one list that shows the object, or since when it is absent. */
static int read_first(struct kube_apply *apply, json_t **live, char **version,
                      struct kube_client *client, struct error **err) {
    cleanup_free char *selector =
        text_format(err, "fieldSelector=metadata.name%%3D%s", apply->name);
    cleanup_json json_t *list = NULL;
    if (kube_list(&list, client, apply->resource, apply->namespace_, selector, 0, err) < 0)
        return -1;
    *live = json_incref(json_array_get(json_object_get(list, "items"), 0));
    *version = text_copy(json_text_at(list, "metadata", "resourceVersion", NULL), err);
    apply->live = *live;
    apply->list_resource_version = *live == NULL ? *version : NULL;
    return 0;
}

static json_t *texts(const struct strings *strings) {
    json_t *array = json_array();
    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(array, json_string(strings->items[i]));
    return array;
}

static int run_apply(const json_t *script, struct kube_client *client, const struct deps *deps,
                     struct error **err) {
    cleanup_json json_t *live = NULL;
    cleanup_free char *version = NULL;
    cleanup_free struct kube_resource *resource =
        read_resource(json_text_at(script, "resource", NULL));
    struct kube_apply apply = {
        .resource = resource,
        .namespace_ = json_text_at(script, "namespace", NULL),
        .name = json_text_at(script, "name", NULL),
        .document = json_object_get(script, "document"),
        .live = json_object_get(script, "live"),
        .manager = json_text_at(script, "manager", NULL),
        .create_only = json_is_true_at(script, "create_only", NULL),
        .dry_run = json_is_true_at(script, "dry_run", NULL),
        .migration_operations = json_object_get(script, "migration_operations"),
    };
    bool absent = json_is_true_at(script, "absent", NULL);
    if (apply.live == NULL && !absent && read_first(&apply, &live, &version, client, err) < 0)
        return -1;
    print_line(json_pack("{s:b}", "read", 1));
    if (wait_at_gate(script, err) < 0)
        return -1;

    json_int_t time = json_integer_at(script, 0, "deadline_ms", NULL);
    int64_t deadline = time > 0 ? clock_now(deps->clock) + time : 0;
    struct kube_applied applied = {0};
    if (kube_apply(&applied, client, &apply, deadline, err) < 0)
        return -1;
    print_line(json_pack("{s:O,s:b,s:b,s:b,s:o}", "object", applied.object, "created",
                         applied.created, "changed", applied.changed, "migrated", applied.migrated,
                         "warnings", texts(&applied.warnings)));
    kube_applied_free(&applied);
    return 0;
}

/* ---- watch ---- */

static const char *const event_names[] = {"ADDED",  "MODIFIED",  "DELETED", "RELISTED",
                                          "SYNCED", "FORBIDDEN", "TROUBLE"};

static void on_event(void *user, const struct kube_watch_event *event) {
    const struct deps *deps = user;
    print_line(json_pack("{s:i,s:s,s:s?,s:s?,s:s?,s:s?,s:s?,s:I}", "target", (int)event->target,
                         "type", event_names[event->type], "message", event->message, "kind",
                         json_text_at(event->object, "kind", NULL), "name",
                         json_text_at(event->object, "metadata", "name", NULL), "uid",
                         json_text_at(event->object, "metadata", "uid", NULL), "version",
                         json_text_at(event->object, "metadata", "resourceVersion", NULL),
                         "wall_ms", (json_int_t)clock_wall(deps->clock)));
}

/* The caller at work between two runs: the loop goes on, events pile up. */
static int stay_away(struct kube_client *client, const struct deps *deps, int64_t pause,
                     struct error **err) {
    int64_t wake = clock_now(deps->clock) + pause;
    for (int64_t left = pause; left > 0; left = wake - clock_now(deps->clock)) {
        int waited = http_wait(kube_client_http(client), left, err);
        if (waited < 0 || waited == HTTP_WAIT_CANCELED)
            return waited;
    }
    return 0;
}

static int run_watch(const json_t *script, struct kube_client *client, const struct deps *deps,
                     struct error **err) {
    struct kube_watch_target targets[MOST_TARGETS];
    const json_t *list = json_object_get(script, "targets");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < MOST_TARGETS; i++) {
        const json_t *target = json_array_get(list, i);
        targets[i] = (struct kube_watch_target){
            .resource = read_resource(json_text_at(target, "resource", NULL)),
            .namespace_ = json_text_at(target, "namespace", NULL),
            .selectors = json_text_at(target, "selectors", NULL),
            .start = json_text_at(target, "start", NULL),
            .optional = json_is_true_at(target, "optional", NULL),
        };
    }
    const struct kube_watch_tuning tuning = {
        .idle_ms = json_integer_at(script, 0, "idle_ms", NULL),
        .timeout_seconds = (int)json_integer_at(script, 0, "timeout_seconds", NULL),
        .page = (int)json_integer_at(script, 0, "page", NULL),
    };
    cleanup_kube_watches struct kube_watches *watches = NULL;
    int result = kube_watches_new(&watches, client, targets, count, &tuning, err);
    enum http_wait outcome = HTTP_WAIT_TIMEOUT;
    union {
        const struct deps *constant;
        void *plain;
    } user = {.constant = deps};
    while (result == 0 && outcome != HTTP_WAIT_CANCELED) {
        result = kube_watches_run(watches, json_integer_at(script, -1, "run_ms", NULL), on_event,
                                  user.plain, &outcome, err);
        if (result == 0 && outcome == HTTP_WAIT_TIMEOUT)
            print_line(json_pack("{s:b}", "timeout", 1));
        json_int_t pause = json_integer_at(script, 0, "pause_ms", NULL);
        if (result == 0 && outcome == HTTP_WAIT_ACTIVITY)
            result = stay_away(client, deps, pause, err) < 0 ? -1 : 0;
    }
    for (size_t i = 0; i < count && i < MOST_TARGETS; i++) {
        union {
            const struct kube_resource *constant;
            void *plain;
        } made = {.constant = targets[i].resource};
        free(made.plain);
    }
    return result;
}

/* ---- the rest ---- */

/* Not ru_maxrss: that one is inherited from whoever started us. */
static json_int_t peak_kb(void) {
    cleanup_free char *status = file_read_text(&file_system, "/proc/self/status", 64 * 1024, NULL);
    const char *line = status != NULL ? strstr(status, "VmHWM:") : NULL;
    long kb = 0;
    return line != NULL && sscanf(line, "VmHWM: %ld kB", &kb) == 1 ? kb : 0;
}

static void print_statistics(const struct http_client *http) {
    struct http_statistics statistics;
    struct rusage usage;
    http_client_statistics(http, &statistics);
    getrusage(RUSAGE_SELF, &usage);
    json_int_t cpu = (json_int_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    print_line(json_pack("{s:{s:i,s:i,s:i,s:I,s:I}}", "statistics", "requests", statistics.requests,
                         "connections", statistics.connections, "rounds", statistics.rounds,
                         "cpu_us", cpu, "peak_kb", peak_kb()));
}

static int run_script(const json_t *script, const char *kubeconfig, const struct deps *deps,
                      struct error **err) {
    cleanup_kube_config struct kube_config *config = NULL;
    cleanup_http_client struct http_client *http = NULL;
    cleanup_kube_client struct kube_client *client = NULL;
    const struct kube_config_options options = {.kubeconfig = kubeconfig};
    if (kube_config_load(&config, &options, deps, err) < 0 ||
        http_client_new(&http, deps, "kube-tool/1", err) < 0 ||
        kube_client_new(&client, config, http, deps, NULL, err) < 0)
        return -1;
    const json_t *apply = json_object_get(script, "apply");
    const json_t *watch = json_object_get(script, "watch");
    int result =
        apply != NULL ? run_apply(apply, client, deps, err) : run_watch(watch, client, deps, err);
    print_statistics(http);
    return result;
}

static int open_cancel_descriptor(void) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    const struct environment environment = {(const char *const *)environ};
    const struct log log = {.level = LOG_DEBUG, .clock = &clock_system, .sink = {print_log, NULL}};
    const struct deps deps = {.clock = &clock_system,
                              .files = &file_system,
                              .environment = &environment,
                              .processes = &process_system,
                              .log = &log,
                              .cancel_descriptor = open_cancel_descriptor(),
                              .service_account_directory =
                                  "/var/run/secrets/kubernetes.io/serviceaccount"};
    cleanup_error struct error *error = NULL;
    if (http_library_start(&error) < 0)
        return 2;
    json_error_t place;
    cleanup_json json_t *script = json_loadf(stdin, 0, &place);
    int result = script != NULL
                     ? run_script(script, argv[1], &deps, &error)
                     : error_new(&error, ERROR_PARAMETER, "the script is not JSON: %s", place.text);
    if (result < 0)
        print_error(error);
    http_library_stop();
    close(deps.cancel_descriptor);
    return result < 0;
}
