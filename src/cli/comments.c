#include "cli/comments.h"

#include "base/buffer.h"
#include "base/text.h"

#include <string.h>

enum { LONGEST_YAML = 64 * 1024 * 1024, DEEPEST = 16 };

/* Fields by their keys, joined with '|'; "%s" is filled by `fill`. */
enum fill { FILL_NOTHING, FILL_CARD, FILL_PATH, FILL_RUNTIME, FILL_SOURCE, FILL_CHOICE };

struct comment {
    const char *path;
    const char *text;
    enum fill fill;
};

#define ANNOTATION "metadata|annotations|"
#define LABEL      "metadata|labels|"
#define MODEL      "spec|predictor|model|"
#define LIMIT      MODEL "resources|limits|"
#define REQUEST    MODEL "resources|requests|"

static const struct comment comments[] = {
    {"metadata|name", "INFERENCE_SERVICE_NAME", FILL_NOTHING},
    {"metadata|namespace", "NAMESPACE, else the namespace of the kubeconfig's context",
     FILL_NOTHING},
    {LABEL "aml-model-group", "first part of the repository's path, %s", FILL_PATH},
    {LABEL "aml-model-subgroup", "the path between group and name, / written as .", FILL_NOTHING},
    {LABEL "aml-pipeline-tag", "from %s", FILL_CARD},
    {LABEL "aml.cpaas.io/runtime-type", "class of runtime %s", FILL_RUNTIME},
    {LABEL "service.subdomain", "INFERENCE_SERVICE_NAME-NAMESPACE", FILL_NOTHING},
    {ANNOTATION "aml-model-repo", "last part of the repository's path, %s; runtimes read it",
     FILL_PATH},
    {ANNOTATION "aml-model-repo-branch", "MODEL_REPO_BRANCH, else the default branch",
     FILL_NOTHING},
    {ANNOTATION "aml-model-repo-id", "number of the project in GitLab", FILL_NOTHING},
    {ANNOTATION "aml-model-repo-tag-commit", "MODEL_REPO_TAG, else the commit", FILL_NOTHING},
    {ANNOTATION "aml-pipeline-tag", "from %s", FILL_CARD},
    {ANNOTATION "cpaas.io/description", "INFERENCE_SERVICE_DESCRIPTION", FILL_NOTHING},
    {ANNOTATION ANNOTATION_CONTENT_HASH,
     "of all that matters: pods of this revision are told by it", FILL_NOTHING},
    {ANNOTATION ANNOTATION_COMMIT, "the commit that is deployed", FILL_NOTHING},
    {ANNOTATION ANNOTATION_PIPELINE_RUN, "PIPELINE_RUN", FILL_NOTHING},
    {ANNOTATION ANNOTATION_DEPLOYMENT_MODE,
     "ENABLE_SERVERLESS, in the word that this version of KServe has for it", FILL_NOTHING},
    {ANNOTATION "storage-initializer-pvc-name", "PVC_NAME", FILL_NOTHING},
    {"spec|predictor|minReplicas", "MIN_REPLICAS", FILL_NOTHING},
    {"spec|predictor|maxReplicas", "MAX_REPLICAS", FILL_NOTHING},
    {"spec|predictor|hostIPC", "HOST_IPC", FILL_NOTHING},
    {"spec|predictor|deploymentStrategy", "DEPLOYMENT_STRATEGY", FILL_NOTHING},
    {MODEL "modelFormat", "library, from %s", FILL_CARD},
    {MODEL "protocolVersion", "v2 when runtime %s lists it, else its first", FILL_RUNTIME},
    {MODEL "runtime", "%s", FILL_CHOICE},
    {MODEL "storageUri", "%s", FILL_SOURCE},
    {MODEL "command", "of runtime %s, untouched; KServe appends the runtime's args", FILL_RUNTIME},
    {MODEL "env", "of runtime %s, untouched, with those of ENV", FILL_RUNTIME},
    {REQUEST "cpu", "CPU_REQUEST", FILL_NOTHING},
    {REQUEST "memory", "MEMORY_REQUEST", FILL_NOTHING},
    {LIMIT "cpu", "CPU_LIMIT", FILL_NOTHING},
    {LIMIT "memory", "MEMORY_LIMIT", FILL_NOTHING},
    {LIMIT "ephemeral-storage", "EPHIMERAL_STORAGE_SIZE; left out with PVC_NAME", FILL_NOTHING},
    {LIMIT "nvidia.com/gpualloc", "NVIDIA_GPUALLOC", FILL_NOTHING},
    {LIMIT "nvidia.com/gpucores", "NVIDIA_GPUCORES", FILL_NOTHING},
    {LIMIT "nvidia.com/gpumem", "NVIDIA_GPUMEM", FILL_NOTHING},
    {LIMIT "nvidia.com/gpu", "NVIDIA_GPU, or RESOURCE_LIMITS", FILL_NOTHING},
};

/* ---- what a comment says ---- */

static void put_source(struct buffer *out, const struct model *model) {
    if (model->commit[0] == '\0' || model->path[0] == '\0') {
        buffer_append_text(out, "STORAGE_URI");
        return;
    }
    buffer_printf(out, "first and last part of %s, at its commit", model->path);
    if (model->tag[0] != '\0')
        buffer_printf(out, " of tag %s", model->tag);
    else if (model->branch[0] != '\0')
        buffer_printf(out, " of branch %s", model->branch);
}

static void put_choice(struct buffer *out, const struct plan *plan) {
    if (plan->inputs->runtime_name[0] != '\0')
        buffer_append_text(out, "RUNTIME_NAME");
    else
        buffer_printf(out, "the first by name of class %s (RUNTIME_CLASS) that fits %s",
                      plan->inputs->runtime_class, plan->model->library_name);
}

static void put_comment(struct buffer *out, const struct comment *comment,
                        const struct preparation *preparation) {
    const char *mark = strstr(comment->text, "%s");
    if (mark == NULL) {
        buffer_append_text(out, comment->text);
        return;
    }
    buffer_append(out, comment->text, (size_t)(mark - comment->text));
    switch (comment->fill) {
    case FILL_CARD:
        buffer_append_text(out, preparation->model.card_origin);
        break;
    case FILL_PATH:
        buffer_append_text(out, preparation->model.path);
        break;
    case FILL_RUNTIME:
        buffer_append_text(out, preparation->plan.runtime.name);
        break;
    case FILL_SOURCE:
        put_source(out, &preparation->model);
        break;
    case FILL_CHOICE:
        put_choice(out, &preparation->plan);
        break;
    case FILL_NOTHING:
        break;
    }
    buffer_append_text(out, mark + 2);
}

/* ---- which line it stands above ---- */

/* The keys on the way to the line, by their indent of two. */
struct place {
    const char *keys[DEEPEST];
    size_t lengths[DEEPEST];
    size_t literal; /* lines that are indented deeper belong to a block of text */
    bool in_literal;
};

static bool is_at(const struct place *place, size_t depth, const char *path) {
    for (size_t i = 0; i <= depth; i++) {
        size_t length = place->lengths[i];
        if (strncmp(path, place->keys[i], length) != 0 || path[length] != (i < depth ? '|' : '\0'))
            return false;
        path += length + 1;
    }
    return true;
}

static bool starts_literal(const char *line, size_t length) {
    static const char *const starts[] = {" |", " |-", " |+"};
    for (size_t i = 0; i < array_length(starts); i++) {
        size_t size = strlen(starts[i]);
        if (length >= size && strncmp(line + length - size, starts[i], size) == 0)
            return true;
    }
    return false;
}

/* The comment for LINE, or NULL. */
static const struct comment *comment_of(struct place *place, const char *line, size_t length) {
    size_t indent = strspn(line, " ");
    bool inside = place->in_literal && (indent >= length || indent > place->literal);
    if (inside || indent >= length)
        return NULL;
    place->in_literal = starts_literal(line, length);
    place->literal = indent;
    size_t depth = indent / 2;
    size_t key = strcspn(line + indent, ":\n");
    if (depth >= DEEPEST || line[indent] == '-' || indent + key >= length)
        return NULL;
    place->keys[depth] = line + indent;
    place->lengths[depth] = key;
    for (size_t i = 0; i < array_length(comments); i++)
        if (is_at(place, depth, comments[i].path))
            return &comments[i];
    return NULL;
}

int comments_add(char **out, const char *yaml, const struct preparation *preparation,
                 struct error **err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(LONGEST_YAML);
    struct place place = {.literal = 0};
    /* a list above the first key leaves holes that nothing matches */
    for (size_t i = 0; i < DEEPEST; i++)
        place.keys[i] = "";
    for (const char *line = yaml; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        const struct comment *comment = comment_of(&place, line, length);
        if (comment != NULL) {
            cleanup_buffer struct buffer said = BUFFER_INIT(LONGEST_YAML);
            put_comment(&said, comment, preparation);
            cleanup_free char *printable = text_copy(buffer_text(&said), err);
            if (printable == NULL)
                return -1;
            buffer_printf(&text, "%.*s# %s\n", (int)strspn(line, " "), line,
                          text_make_printable(printable));
        }
        length += line[length] == '\n';
        buffer_append(&text, line, length);
        line += length;
    }
    char *stolen = buffer_steal(&text, "the YAML text", err);
    if (stolen == NULL)
        return -1;
    *out = stolen;
    return 0;
}
