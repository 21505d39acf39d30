#include "cli/preview.h"

#include "base/text.h"
#include "base/yaml.h"
#include "cli/object_difference.h"
#include "cli/unified_diff.h"
#include "kube/apply.h"

#include <string.h>

#define COLOR_BOLD  "\033[1m"
#define COLOR_RED   "\033[31m"
#define COLOR_GREEN "\033[32m"
#define COLOR_CYAN  "\033[36m"
#define COLOR_RESET "\033[0m"

enum { MOST_READS = 5 };

/* The two sides without noise. */
struct sides {
    json_t *before; /* NULL: there is no live object */
    json_t *after;
};

static void sides_free(struct sides *sides) {
    json_decref(sides->before);
    json_decref(sides->after);
}

/* ---- output ---- */

static const char *color_of(const char *line, bool header) {
    if (header)
        return COLOR_BOLD;
    switch (line[0]) {
    case '-':
        return COLOR_RED;
    case '+':
        return COLOR_GREEN;
    case '@':
        return COLOR_CYAN;
    default:
        return "";
    }
}

static void put_colored(FILE *output, const char *text) {
    size_t number = 0;
    for (const char *at = text; *at != '\0'; at += *at == '\n', number++) {
        size_t length = strcspn(at, "\n");
        const char *color = color_of(at, number < 2);
        fprintf(output, "%s%.*s%s\n", color, (int)length, at, color[0] != '\0' ? COLOR_RESET : "");
        at += length;
    }
}

static char *yaml_or_nothing(const json_t *object, struct error **err) {
    return object != NULL ? yaml_from_json(object, err) : text_copy("", err);
}

static int print_text(const struct application *application, const struct sides *sides,
                      struct error **err) {
    const struct inputs *inputs = &application->invocation->inputs;
    cleanup_free char *before = yaml_or_nothing(sides->before, err);
    cleanup_free char *after = yaml_or_nothing(sides->after, err);
    cleanup_free char *before_name =
        text_format(err, "%s/%s %s", inputs->namespace_, inputs->name,
                    sides->before != NULL ? "(live)" : "(does not exist)");
    cleanup_free char *after_name =
        text_format(err, "%s/%s (after deploy)", inputs->namespace_, inputs->name);
    if (before == NULL || after == NULL || before_name == NULL || after_name == NULL)
        return -1;
    const struct unified_diff_names names = {.before = before_name, .after = after_name};
    cleanup_free char *text = NULL;
    if (unified_diff(&text, before, after, &names, err) < 0)
        return -1;
    if (console_colors(application->output, application->deps->environment,
                       &application->invocation->settings))
        put_colored(application->output, text);
    else
        fputs(text, application->output);
    return 0;
}

static int print_json(const struct application *application, const json_t *changes,
                      struct error **err) {
    cleanup_json json_t *document =
        json_pack("{s:b, s:O}", "changed", json_array_size(changes) > 0, "changes", changes);
    cleanup_free char *text = document != NULL ? json_pretty_text(document, err) : NULL;
    if (text == NULL)
        return document == NULL ? error_no_memory(err) : -1;
    fprintf(application->output, "%s\n", text);
    return 0;
}

static int print_difference(const struct application *application, const struct sides *sides,
                            struct error **err) {
    cleanup_json json_t *changes = NULL;
    if (object_changes(&changes, sides->before, sides->after, err) < 0)
        return -1;
    bool json = text_equal(application->invocation->settings.output, "json");
    if ((json ? print_json(application, changes, err) : print_text(application, sides, err)) < 0)
        return -1;
    size_t count = json_array_size(changes);
    const struct log *log = &application->console->log;
    if (count == 0)
        log_notice(log, "deploy would change nothing");
    else if (sides->before == NULL)
        log_notice(log, "deploy would create the InferenceService");
    else
        log_notice(log, "deploy would change %zu value%s", count, count == 1 ? "" : "s");
    return count > 0 ? EXIT_DIFFERENT : 0;
}

/* ---- the dry run ---- */

/* Controllers write into a new object at once: what they add must not look like our doing. */
static bool is_of_one_version(const json_t *live, const json_t *applied) {
    return live == NULL || text_equal(json_text_at(live, "metadata", "resourceVersion", NULL),
                                      json_text_at(applied, "metadata", "resourceVersion", NULL));
}

static int read_live(json_t **out, const struct application *application,
                     const struct session *session, struct error **err) {
    const struct inputs *inputs = &application->invocation->inputs;
    const struct kube_request request = {.verb = "get",
                                         .resource = &kube_inference_services,
                                         .namespace_ = inputs->namespace_,
                                         .name = inputs->name};
    json_t *live = NULL;
    if (kube_call(&live, session->kube, &request, 0, err) < 0)
        return -1;
    json_decref(*out);
    *out = live;
    return 0;
}

static int apply_dry(struct kube_applied *out, const struct application *application,
                     const struct session *session, const struct preparation *preparation,
                     const json_t *live, struct error **err) {
    const struct inputs *inputs = &application->invocation->inputs;
    const struct kube_apply apply = {
        .resource = &kube_inference_services,
        .namespace_ = inputs->namespace_,
        .name = inputs->name,
        .document = preparation->document.object,
        .live = live,
        .list_resource_version = preparation->facts.list_resource_version,
        .manager = FIELD_MANAGER,
        .dry_run = true,
        .migration_operations = preparation->document.migration_operations,
    };
    return kube_apply(out, session->kube, &apply, 0, err);
}

/*
 * The server answers a dry run over what it has now, and keeps its resourceVersion: when that is
 * not the one of *LIVE, *LIVE is read again.
 */
static int apply_over_live(struct kube_applied *out, json_t **live,
                           const struct application *application, const struct session *session,
                           const struct preparation *preparation, struct error **err) {
    for (int attempt = 1;; attempt++) {
        if (apply_dry(out, application, session, preparation, *live, err) < 0)
            return -1;
        if (is_of_one_version(*live, out->object) || attempt == MOST_READS)
            return 0;
        kube_applied_free(out);
        if (read_live(live, application, session, err) < 0)
            return -1;
    }
}

static int dry_run(struct sides *out, const struct application *application,
                   const struct session *session, const struct preparation *preparation,
                   struct error **err) {
    const struct observer *observer = application->observer;
    observer->begin(observer->user, STAGE_APPLY, "dry run");
    cleanup_json json_t *live = json_incref(preparation->facts.live);
    struct kube_applied applied = {.object = NULL};
    int result = apply_over_live(&applied, &live, application, session, preparation, err);
    if (result == 0) {
        for (size_t i = 0; i < applied.warnings.count; i++)
            observer->warning(observer->user, applied.warnings.items[i]);
        observer->end(observer->user, STAGE_APPLY, "dry run; the cluster accepts it");
        out->after = object_without_noise(applied.object, err);
        result = out->after != NULL ? 0 : -1;
    }
    if (result == 0 && live != NULL) {
        out->before = object_without_noise(live, err);
        result = out->before != NULL ? 0 : -1;
    }
    kube_applied_free(&applied);
    return result;
}

int command_diff(struct application *application, struct error **err) {
    cleanup_session struct session session = {0};
    if (connect_and_check(&session, application, err) < 0)
        return -1;
    cleanup_preparation struct preparation preparation = {0};
    if (preview_prepare(&preparation, &session, application, err) < 0)
        return -1;
    cleanup(sides_free) struct sides sides = {.before = NULL};
    if (dry_run(&sides, application, &session, &preparation, err) < 0)
        return -1;
    return print_difference(application, &sides, err);
}
