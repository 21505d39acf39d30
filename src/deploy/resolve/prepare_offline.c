#include "deploy/prepare_offline.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "deploy/runtime.h"
#include "model/project_path.h"
#include "model/uri.h"

#include <ctype.h>
#include <string.h>

/* Minor versions of KServe 0.x that tests/ runs. */
enum { KSERVE_OLDEST_TESTED = 14, KSERVE_NEWEST_TESTED = 20 };
enum { MOST_LISTED = 1024 };

/* ---- what must be given ---- */

static int check_commit(const struct inputs *inputs, struct problems *problems,
                        struct error **err) {
    size_t length = strlen(inputs->commit);
    if (length == 40 || length == 64 || (length == 0 && problems->skip_missing))
        return 0;
    return problems_add(problems, err, true, "MODEL_REPO_COMMIT",
                        "git ls-remote URL tells the commit of every branch and tag",
                        "%s: with --offline no server can be asked for the commit",
                        length == 0 ? "MODEL_REPO_COMMIT is not set"
                                    : "MODEL_REPO_COMMIT is abbreviated");
}

int offline_check(const struct inputs *inputs, struct problems *problems, struct error **err) {
    if (inputs->storage_uri[0] != '\0')
        return 0; /* asks no server anyway */
    if (check_commit(inputs, problems, err) < 0 ||
        inputs_check_overrides(inputs, problems, "--offline", err) < 0)
        return -1;
    const struct {
        const char *parameter;
        const char *value;
    } refused[] = {{"MODEL_DIR", inputs->model_dir},
                   {"MODEL_REPO_BRANCH", inputs->branch},
                   {"MODEL_REPO_TAG", inputs->tag}};
    for (size_t i = 0; i < array_length(refused); i++)
        if (refused[i].value[0] != '\0' &&
            problems_add(problems, err, true, refused[i].parameter,
                         "leave it out: MODEL_REPO_COMMIT says which commit",
                         "%s is set: with --offline no server can be asked about it",
                         refused[i].parameter) < 0)
            return -1;
    bool unnamed = inputs->model_repo[0] == '\0' && inputs->model_git_url[0] != '\0';
    return unnamed ? problems_add(problems, err, true, "MODEL_GIT_URL",
                                  "set MODEL_REPO=NAMESPACE/NAME in its place",
                                  "MODEL_GIT_URL does not go with --offline: no repository is read")
                   : 0;
}

/* ---- runtimes ---- */

static bool is_runtime(const json_t *object) {
    const char *kind = json_text_at(object, "kind", NULL);
    return (text_equal(kind, "ClusterServingRuntime") || text_equal(kind, "ServingRuntime")) &&
           json_text_at(object, "metadata", "name", NULL) != NULL;
}

/* JSON is YAML but for escaped surrogate pairs, so what begins like JSON is read as JSON first. */
static int parse_document(json_t **out, const char *text, size_t length, const char *what,
                          struct error **err) {
    bool json = text[strspn(text, " \t\r\n")] == '{';
    if (json && json_parse(out, text, length, what, ERROR_PARAMETER, NULL) == 0)
        return 0;
    return yaml_to_json(out, text, length, what, ERROR_PARAMETER, err);
}

int offline_runtimes(json_t **out, const char *text, size_t length, const char *what,
                     struct error **err) {
    cleanup_json json_t *document = NULL;
    if (parse_document(&document, text, length, what, err) < 0)
        return -1;
    json_t *items = json_object_get(document, "items");
    cleanup_json json_t *runtimes =
        json_is_array(items) ? json_incref(items) : json_pack("[O]", document);
    if (runtimes == NULL)
        return error_no_memory(err);
    size_t i;
    const json_t *runtime;
    json_array_foreach(runtimes, i, runtime) {
        if (!is_runtime(runtime)) {
            error_new(err, ERROR_PARAMETER, "%s holds no ClusterServingRuntime", what);
            return error_hint(err, "kubectl get clusterservingruntime NAME -o yaml prints one");
        }
    }
    *out = steal_pointer(runtimes);
    return 0;
}

static bool is_wanted(const json_t *runtime, const struct inputs *inputs) {
    if (inputs->runtime_name[0] != '\0')
        return text_equal(json_text_at(runtime, "metadata", "name", NULL), inputs->runtime_name);
    return text_equal(json_text_at(runtime, "metadata", "labels", RUNTIME_CLASS_LABEL, NULL),
                      inputs->runtime_class);
}

int offline_find_runtime(const json_t *runtimes, const struct inputs *inputs, const char *what,
                         struct error **err) {
    cleanup_buffer struct buffer names = BUFFER_INIT(MOST_LISTED);
    size_t i;
    const json_t *runtime;
    json_array_foreach(runtimes, i, runtime) {
        if (is_wanted(runtime, inputs))
            return 0;
        const char *class_ = json_text_at(runtime, "metadata", "labels", RUNTIME_CLASS_LABEL, NULL);
        bool by_class = inputs->runtime_name[0] == '\0' && !text_is_empty(class_);
        cleanup_free char *item = text_format(
            err, "%s%s%s%s%s", i > 0 ? ", " : "", json_text_at(runtime, "metadata", "name", NULL),
            by_class ? " (class " : "", by_class ? class_ : "", by_class ? ")" : "");
        if (item == NULL)
            return -1;
        if (buffer_append(&names, item, strlen(item)) < 0)
            break; /* a long list is shown as far as it fits */
    }
    if (names.no_memory)
        return error_no_memory(err);
    const char *held = names.length > 0 ? buffer_text(&names) : "no runtime";
    if (inputs->runtime_name[0] != '\0')
        return error_new(err, ERROR_RUNTIME, "%s holds %s, not %s (RUNTIME_NAME)", what, held,
                         inputs->runtime_name);
    return error_new(err, ERROR_RUNTIME, "%s holds %s, none of class %s (RUNTIME_CLASS, label %s)",
                     what, held, inputs->runtime_class, RUNTIME_CLASS_LABEL);
}

/* ---- KServe ---- */

static bool parse_version(int64_t numbers[2], const char *version) {
    const char *at = version + (version[0] == 'v');
    for (size_t i = 0; i < 2; i++) {
        char digits[8] = "";
        size_t length = strspn(at, "0123456789");
        if (length == 0 || length >= sizeof(digits))
            return false;
        memcpy(digits, at, length);
        if (!text_to_integer(digits, 0, 9999999, &numbers[i]))
            return false;
        at += length;
        if (i == 0 && *at++ != '.')
            return false;
    }
    return *at == '\0' || *at == '.' || *at == '-';
}

bool offline_kserve_is_tested(const char *version) {
    int64_t numbers[2] = {0, 0};
    return parse_version(numbers, version) && numbers[0] == 0 &&
           numbers[1] >= KSERVE_OLDEST_TESTED && numbers[1] <= KSERVE_NEWEST_TESTED;
}

bool offline_kserve(enum kserve_generation *out, const char *version) {
    int64_t numbers[2] = {0, 0};
    if (!parse_version(numbers, version))
        return false;
    bool legacy = numbers[0] == 0 && numbers[1] <= 15;
    *out = legacy ? KSERVE_LEGACY_MODES : KSERVE_NEW_MODES;
    return true;
}

/* ---- the model ---- */

static int take_repository(struct model *model, const struct inputs *inputs, struct error **err) {
    cleanup_strings struct strings paths = {.items = NULL};
    if (project_path_candidates(&paths, inputs->model_repo, inputs->namespace_, err) < 0 ||
        model_init(model, err) < 0 || model_set(&model->path, paths.items[0], err) < 0 ||
        model_set(&model->commit, inputs->commit, err) < 0)
        return -1;
    for (char *at = model->commit; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    if (model_complete_path(model, err) < 0 ||
        model_set(&model->pipeline_tag, inputs->pipeline_tag, err) < 0 ||
        model_set(&model->library_name, inputs->library_name, err) < 0 ||
        model_set(&model->card_origin, "PIPELINE_TAG and LIBRARY_NAME", err) < 0)
        return -1;
    return strings_add_format(&model->warnings, err,
                              "offline: nobody looked whether %s has this commit; its id in "
                              "GitLab, a live object and the "
                              "rules of the cluster are not known",
                              model->path);
}

static int take_model(struct model *out, const struct inputs *inputs, struct error **err) {
    if (inputs->storage_uri[0] != '\0') {
        const struct model_request request = {.repository = inputs->model_repo,
                                              .namespace_ = inputs->namespace_,
                                              .branch = "",
                                              .tag = "",
                                              .commit = "",
                                              .pipeline_tag = inputs->pipeline_tag,
                                              .library_name = inputs->library_name};
        return uri_resolve(out, &request, inputs->storage_uri, err);
    }
    cleanup_model struct model model = {0};
    if (take_repository(&model, inputs, err) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}

int prepare_offline(struct preparation *out, const struct prepare_context *context,
                    json_t *runtimes, enum kserve_generation kserve, struct error **err) {
    const struct observer *observer = context->observer;
    if (take_model(&out->model, context->inputs, err) < 0)
        return -1;
    for (size_t i = 0; i < out->model.warnings.count; i++)
        observer->notice(observer->user, out->model.warnings.items[i]);
    out->facts.kserve = kserve;
    out->facts.runtimes = json_incref(runtimes);
    return prepare_plan(out, context, err);
}
