#include "deploy/runtime.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { LONGEST_REASONS = 16 * 1024, MOST_REASONS = 20, MOST_FORMATS = 20 };

static const char list_hint[] =
    "kubectl get clusterservingruntimes -L " RUNTIME_CLASS_LABEL " shows what there is";

void runtime_choice_free(struct runtime_choice *choice) {
    json_decref(choice->runtime);
    free(choice->name);
    free(choice->class_);
    free(choice->protocol);
    strings_free(&choice->warnings);
    *choice = (struct runtime_choice){0};
}

/* --- reading a runtime --- */

static const char *name_of(const json_t *runtime) {
    const char *name = json_text_at(runtime, "metadata", "name", NULL);
    return name != NULL ? name : "";
}

static const char *label_of(const json_t *runtime, const char *label) {
    const char *value = json_text_at(runtime, "metadata", "labels", label, NULL);
    return value != NULL ? value : "";
}

bool runtime_supports(const json_t *runtime, const char *format) {
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(
        json_at(runtime, "spec", "supportedModelFormats", NULL), index,
        entry) if (text_equal(json_text_at(entry, "name", NULL), format)) return true;
    return false;
}

json_t *runtime_container(const json_t *runtime) {
    size_t index = 0;
    json_t *container = NULL;
    json_array_foreach(json_at(runtime, "spec", "containers", NULL), index,
                       container) if (text_equal(json_text_at(container, "name", NULL),
                                                 RUNTIME_CONTAINER)) return container;
    return NULL;
}

/* The protocol to send; "" when the runtime lists none, which KServe takes as any. */
static const char *protocol_of(const json_t *runtime) {
    const char *first = "";
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_at(runtime, "spec", "protocolVersions", NULL), index, entry) {
        const char *protocol = json_string_value(entry);
        if (text_equal(protocol, "v2"))
            return protocol;
        if (first[0] == '\0' && protocol != NULL)
            first = protocol;
    }
    return first;
}

static bool speaks_v2(const json_t *runtime) {
    const char *protocol = protocol_of(runtime);
    return protocol[0] == '\0' || strcmp(protocol, "v2") == 0;
}

/* --- accelerators --- */

static bool asks_for(const struct inputs *inputs, const char *domain) {
    for (size_t i = 0; i < inputs->limit_names.count; i++)
        if (text_has_prefix(inputs->limit_names.items[i], domain))
            return true;
    return false;
}

/* "nvidia", "ascend", "other", or "" when no accelerator is asked for. */
static const char *accelerator_asked(const struct inputs *inputs) {
    if (inputs->hami_given || inputs->nvidia_gpu[0] != '\0' || asks_for(inputs, "nvidia.com/"))
        return "nvidia";
    return asks_for(inputs, "huawei.com/") ? "ascend" : "";
}

/* Only the kinds that are known for sure are told apart. */
static bool accelerator_differs(const json_t *runtime, const char *asked) {
    const char *label = label_of(runtime, RUNTIME_ACCELERATOR_LABEL);
    bool for_nvidia = strcmp(label, "nvidia") == 0;
    bool for_ascend = strcmp(label, "ascend") == 0 || strcmp(label, "npu") == 0;
    if (!for_nvidia && !for_ascend)
        return false;
    return strcmp(asked, for_nvidia ? "nvidia" : "ascend") != 0;
}

/* --- does it fit? --- */

static void list_formats(struct buffer *out, const json_t *runtime) {
    const json_t *formats = json_at(runtime, "spec", "supportedModelFormats", NULL);
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(formats, index, entry) {
        const char *name = json_text_at(entry, "name", NULL);
        if (index == MOST_FORMATS) {
            buffer_append_text(out, ", ...");
            break;
        }
        buffer_printf(out, "%s%.63s", index > 0 ? ", " : "", name != NULL ? name : "?");
    }
    if (json_array_size(formats) == 0)
        buffer_append_text(out, "no model format");
}

/* Appends why RUNTIME does not fit; nothing when it does. */
static void explain(struct buffer *out, const json_t *runtime, const char *library) {
    const json_t *spec = json_at(runtime, "spec", NULL);
    if (json_is_true(json_object_get(spec, "disabled")))
        buffer_append_text(out, "is disabled");
    else if (json_is_true(json_object_get(spec, "multiModel")))
        buffer_append_text(out, "is a multi-model runtime (ModelMesh)");
    else if (json_is_object(json_object_get(spec, "workerSpec")))
        buffer_append_text(out, "is a multi-node runtime (workerSpec)");
    else if (runtime_container(runtime) == NULL)
        buffer_append_text(out, "has no container " RUNTIME_CONTAINER ", which KServe needs");
    else if (library[0] != '\0' && !runtime_supports(runtime, library)) {
        buffer_append_text(out, "supports ");
        list_formats(out, runtime);
        buffer_printf(out, ", not \"%.100s\"", library);
    }
}

/* --- filling the choice --- */

static int warn(struct runtime_choice *choice, const struct inputs *inputs, struct error **err) {
    const char *asked = accelerator_asked(inputs);
    if (accelerator_differs(choice->runtime, asked) &&
        strings_add_format(&choice->warnings, err,
                           "runtime %s is for %s accelerators (label " RUNTIME_ACCELERATOR_LABEL
                           "), but %s is asked for",
                           choice->name, label_of(choice->runtime, RUNTIME_ACCELERATOR_LABEL),
                           asked[0] == '\0'               ? "none"
                           : strcmp(asked, "nvidia") == 0 ? "an NVIDIA GPU"
                                                          : "an Ascend NPU") < 0)
        return -1;
    if (speaks_v2(choice->runtime))
        return 0;
    return strings_add_format(&choice->warnings, err,
                              "runtime %s does not list protocol v2: %s is used", choice->name,
                              choice->protocol);
}

static int fill(struct runtime_choice *out, json_t *runtime, const struct inputs *inputs,
                struct error **err) {
    cleanup_runtime_choice struct runtime_choice choice = {.runtime = json_incref(runtime)};
    const char *class_ = label_of(runtime, RUNTIME_CLASS_LABEL);
    choice.name = text_copy(name_of(runtime), err);
    choice.class_ = text_copy(class_[0] != '\0' ? class_ : inputs->runtime_class, err);
    choice.protocol = text_copy(protocol_of(runtime), err);
    if (choice.name == NULL || choice.class_ == NULL || choice.protocol == NULL)
        return -1;
    if (warn(&choice, inputs, err) < 0)
        return -1;
    *out = choice;
    choice = (struct runtime_choice){0};
    return 0;
}

int runtime_merge_shadow(struct runtime_choice *choice, const json_t *shadow, struct error **err) {
    json_t *merged =
        json_pack("{s:O*, s:O*}", "metadata", json_at(choice->runtime, "metadata", NULL), "spec",
                  json_at(shadow, "spec", NULL));
    char *protocol = text_copy(protocol_of(shadow), err);
    if (merged == NULL || protocol == NULL) {
        json_decref(merged);
        free(protocol);
        return error_no_memory(err);
    }
    json_decref(choice->runtime);
    choice->runtime = merged;
    free(choice->protocol);
    choice->protocol = protocol;
    return 0;
}

int runtime_take_shadow(struct runtime_choice *choice, const json_t *shadow, const char *namespace_,
                        const char *library, struct error **err) {
    cleanup_buffer struct buffer why = BUFFER_INIT(LONGEST_REASONS);
    explain(&why, shadow, library);
    if (why.length > 0) {
        error_new(err, ERROR_RUNTIME,
                  "KServe uses the ServingRuntime %s of namespace %s in place of the "
                  "ClusterServingRuntime, but it %s",
                  choice->name, namespace_, buffer_text(&why));
        return error_hint(err, "rename or delete it, or choose another RUNTIME_NAME");
    }
    if (runtime_merge_shadow(choice, shadow, err) < 0)
        return -1;
    return strings_add_format(&choice->warnings, err,
                              "KServe uses the ServingRuntime %s of namespace %s in place of the "
                              "ClusterServingRuntime: its command and environment are taken",
                              choice->name, namespace_);
}

/* --- by name --- */

static int not_found(const json_t *candidates, const char *name, struct error **err) {
    const char *nearest = NULL;
    size_t index = 0;
    const json_t *runtime = NULL;
    json_array_foreach(candidates, index, runtime) {
        const char *candidate = name_of(runtime);
        const char *const pair[] = {candidate, nearest};
        nearest = text_nearest(name, pair, nearest != NULL ? 2 : 1);
    }
    error_new(err, ERROR_RUNTIME, "there is no ClusterServingRuntime %s (RUNTIME_NAME)", name);
    return nearest != NULL ? error_hint(err, "did you mean %s?", nearest)
                           : error_hint(err, "%s", list_hint);
}

static int choose_by_name(struct runtime_choice *out, const json_t *candidates,
                          const struct inputs *inputs, const char *library, struct error **err) {
    json_t *found = NULL;
    size_t index = 0;
    json_t *runtime = NULL;
    json_array_foreach(candidates, index,
                       runtime) if (strcmp(name_of(runtime), inputs->runtime_name) == 0) found =
        runtime;
    if (found == NULL)
        return not_found(candidates, inputs->runtime_name, err);

    const char *class_ = label_of(found, RUNTIME_CLASS_LABEL);
    if (inputs->runtime_class[0] != '\0' && strcmp(class_, inputs->runtime_class) != 0) {
        error_new(err, ERROR_RUNTIME, "runtime %s has %s%s, but RUNTIME_CLASS is %s",
                  inputs->runtime_name, class_[0] != '\0' ? "class " : "no class label", class_,
                  inputs->runtime_class);
        return error_hint(err, "change RUNTIME_CLASS, or empty it: RUNTIME_NAME is enough");
    }
    cleanup_buffer struct buffer reason = BUFFER_INIT(LONGEST_REASONS);
    explain(&reason, found, library);
    if (reason.length == 0 && buffer_check(&reason, "a reason", err) == 0)
        return fill(out, found, inputs, err);
    if (reason.no_memory)
        return error_no_memory(err);
    error_new(err, ERROR_RUNTIME, "runtime %s cannot serve the model: it %s", inputs->runtime_name,
              buffer_text(&reason));
    return error_hint(err, "choose another RUNTIME_NAME or a RUNTIME_CLASS; the model's format is "
                           "library_name of its README or LIBRARY_NAME");
}

/* --- by class --- */

/* True when LEFT is to be preferred to RIGHT. */
static bool is_better(const json_t *left, const json_t *right, const char *asked) {
    if (speaks_v2(left) != speaks_v2(right))
        return speaks_v2(left);
    bool left_differs = accelerator_differs(left, asked);
    if (left_differs != accelerator_differs(right, asked))
        return !left_differs;
    return strcmp(name_of(left), name_of(right)) < 0;
}

struct search {
    json_t *best;
    size_t fitting;
    size_t refused;
    struct buffer reasons; /* of those that do not fit */
};

static void search_free(struct search *search) {
    buffer_free(&search->reasons);
}

static int consider(struct search *search, json_t *runtime, const struct inputs *inputs,
                    const char *library, struct error **err) {
    cleanup_buffer struct buffer reason = BUFFER_INIT(LONGEST_REASONS);
    explain(&reason, runtime, library);
    if (reason.no_memory)
        return error_no_memory(err);
    if (reason.length > 0) {
        if (search->refused++ < MOST_REASONS)
            buffer_printf(&search->reasons, "%s%s %s", search->reasons.length > 0 ? "; " : "",
                          name_of(runtime), buffer_text(&reason));
        return 0;
    }
    search->fitting++;
    if (search->best == NULL || is_better(runtime, search->best, accelerator_asked(inputs)))
        search->best = runtime;
    return 0;
}

static int none_fits(const struct search *search, const struct inputs *inputs, struct error **err) {
    if (search->refused == 0) {
        error_new(err, ERROR_RUNTIME,
                  "there is no ClusterServingRuntime of class %s (label " RUNTIME_CLASS_LABEL ")",
                  inputs->runtime_class);
        return error_hint(err, "%s", list_hint);
    }
    error_new(err, ERROR_RUNTIME, "no runtime of class %s fits: %s%s", inputs->runtime_class,
              buffer_text(&search->reasons), search->refused > MOST_REASONS ? "; and more" : "");
    return error_hint(err,
                      "choose another RUNTIME_CLASS, or have a runtime installed that lists the "
                      "model's format (library_name of its README, or LIBRARY_NAME)");
}

static int choose_by_class(struct runtime_choice *out, const json_t *candidates,
                           const struct inputs *inputs, const char *library, struct error **err) {
    cleanup(search_free) struct search search = {.reasons = BUFFER_INIT(256 * 1024)};
    size_t index = 0;
    json_t *runtime = NULL;
    json_array_foreach(candidates, index, runtime) {
        if (strcmp(label_of(runtime, RUNTIME_CLASS_LABEL), inputs->runtime_class) != 0)
            continue;
        if (consider(&search, runtime, inputs, library, err) < 0)
            return -1;
    }
    if (search.reasons.no_memory)
        return error_no_memory(err);
    if (search.best == NULL)
        return none_fits(&search, inputs, err);
    if (fill(out, search.best, inputs, err) < 0)
        return -1;
    if (search.fitting == 1)
        return 0;
    int result = strings_add_format(
        &out->warnings, err, "%zu runtimes of class %s fit: %s is taken; RUNTIME_NAME chooses",
        search.fitting, inputs->runtime_class, out->name);
    if (result < 0)
        runtime_choice_free(out);
    return result;
}

int runtime_choose(struct runtime_choice *out, const json_t *candidates,
                   const struct inputs *inputs, const char *library, struct error **err) {
    if (inputs->runtime_name[0] != '\0')
        return choose_by_name(out, candidates, inputs, library, err);
    return choose_by_class(out, candidates, inputs, library, err);
}
