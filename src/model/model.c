#include "model_internal.h"

#include "base/text.h"
#include "model/files.h"

#include <string.h>

enum { SHORTEST_SECRET = 4 };

static void free_fields(struct model *model) {
    char **const fields[] = {
        &model->path,        &model->group,       &model->subgroup,     &model->name,
        &model->id,          &model->branch,      &model->tag,          &model->commit,
        &model->git_url,     &model->web_url,     &model->pipeline_tag, &model->library_name,
        &model->card_origin, &model->storage_uri,
    };
    for (size_t i = 0; i < array_length(fields); i++) {
        free(*fields[i]);
        *fields[i] = NULL;
    }
}

void model_free(struct model *model) {
    if (model == NULL)
        return;
    free_fields(model);
    strings_free(&model->warnings);
    model_files_free(model->files);
    free(model->files);
    model->files = NULL;
}

int model_set(char **field, const char *text, struct error **err) {
    char *copy = text_copy(text != NULL ? text : "", err);
    if (copy == NULL)
        return -1;
    free(*field);
    *field = copy;
    return 0;
}

int model_init(struct model *model, struct error **err) {
    cleanup_model struct model made = {0};
    char **const fields[] = {
        &made.path,         &made.group,        &made.subgroup,    &made.name,        &made.id,
        &made.branch,       &made.tag,          &made.commit,      &made.git_url,     &made.web_url,
        &made.pipeline_tag, &made.library_name, &made.card_origin, &made.storage_uri,
    };
    for (size_t i = 0; i < array_length(fields); i++)
        if (model_set(fields[i], "", err) < 0)
            return -1;
    *model = made;
    memset(&made, 0, sizeof(made));
    return 0;
}

int model_split_path(struct model *model, const char *path, struct error **err) {
    const char *first = strchr(path, '/');
    const char *last = strrchr(path, '/');
    size_t group_length = first != NULL ? (size_t)(first - path) : 0;
    size_t between = last != first ? (size_t)(last - first - 1) : 0;

    cleanup_free char *whole = text_copy(path, err);
    cleanup_free char *group = text_copy_bytes(path, group_length, err);
    cleanup_free char *subgroup = text_copy_bytes(between > 0 ? first + 1 : "", between, err);
    cleanup_free char *name = text_copy(last != NULL ? last + 1 : path, err);
    if (whole == NULL || group == NULL || subgroup == NULL || name == NULL)
        return -1;
    free(model->path);
    model->path = steal_pointer(whole);
    free(model->group);
    model->group = steal_pointer(group);
    free(model->subgroup);
    model->subgroup = steal_pointer(subgroup);
    free(model->name);
    model->name = steal_pointer(name);
    return 0;
}

int model_complete_path(struct model *model, struct error **err) {
    cleanup_free char *path = text_copy(model->path, err);
    if (path == NULL || model_split_path(model, path, err) < 0)
        return -1;
    char *uri = text_is_empty(model->group)
                    ? text_format(err, "hf://%s:%s", model->name, model->commit)
                    : text_format(err, "hf://%s/%s:%s", model->group, model->name, model->commit);
    if (uri == NULL)
        return -1;
    free(model->storage_uri);
    model->storage_uri = uri;
    return 0;
}

bool model_needs_card(const struct model_request *request) {
    return text_is_empty(request->pipeline_tag) || text_is_empty(request->library_name);
}

const char *model_short_commit(const char *commit, char out[MODEL_SHORT_COMMIT]) {
    size_t length = strnlen(commit, MODEL_SHORT_COMMIT - 1);
    memcpy(out, commit, length);
    out[length] = '\0';
    return out;
}

bool model_is_commit(const char *text) {
    size_t length = text != NULL ? strlen(text) : 0;
    return (length == 40 || length == 64) && text[strspn(text, "0123456789abcdef")] == '\0';
}

int model_check_commit(char out[65], const char *commit, struct error **err) {
    size_t length = strlen(commit);
    bool digits = commit[strspn(commit, "0123456789abcdefABCDEF")] == '\0';
    if (!digits || length < 7 || length > 64) {
        error_new(err, ERROR_PARAMETER,
                  "MODEL_REPO_COMMIT '%.80s' is no commit id: it takes 7 to 64 hex digits", commit);
        return error_hint(err, "For a branch or a tag set MODEL_REPO_BRANCH or MODEL_REPO_TAG.");
    }
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)(commit[i] >= 'A' && commit[i] <= 'F' ? commit[i] - 'A' + 'a' : commit[i]);
    return 0;
}

int model_check_request(const struct model_request *request, struct error **err) {
    const struct {
        const char *name;
        const char *value;
    } refs[] = {
        {"MODEL_REPO_BRANCH", request->branch},
        {"MODEL_REPO_TAG", request->tag},
        {"MODEL_REPO_COMMIT", request->commit},
    };
    const char *given = NULL;
    for (size_t i = 0; i < array_length(refs); i++) {
        if (text_is_empty(refs[i].value))
            continue;
        if (given != NULL)
            return error_new(err, ERROR_PARAMETER, "%s and %s exclude each other: set one of them",
                             given, refs[i].name);
        given = refs[i].name;
        if (!text_is_utf8(refs[i].value, strlen(refs[i].value)))
            return error_new(err, ERROR_PARAMETER, "%s is not UTF-8", refs[i].name);
    }
    return 0;
}

/* Overwrites SECRET in TEXT with asterisks, in place. */
static void redact_text(char *text, const char *secret) {
    size_t length = strlen(secret);
    for (char *at = text != NULL ? strstr(text, secret) : NULL; at != NULL; at = strstr(at, secret))
        memset(at, '*', length);
}

static void clean_text(char *text, const char *secret) {
    if (text == NULL)
        return;
    if (!text_is_empty(secret) && strlen(secret) >= SHORTEST_SECRET && strstr(text, secret) != NULL)
        redact_text(text, secret);
    text_make_printable(text);
}

/* Both write only where something is wrong: the error of exhausted memory is constant. */
void model_clean_error(struct error **err, const char *secret) {
    if (err == NULL || *err == NULL)
        return;
    clean_text((*err)->message, secret);
    clean_text((*err)->hint, secret);
}
