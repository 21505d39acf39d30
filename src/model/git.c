#include "git_internal.h"

#include "base/text.h"
#include "model/files.h"
#include "model/project_path.h"

#include <string.h>

/*
 * The path that labels and storage URI carry: MODEL_REPO when it is a full path, the URL's path
 * when MODEL_REPO is not set or just its last part, else the path MODEL_REPO stands for on GitLab.
 */
static int choose_path(char **out, const struct model_request *request, const char *url,
                       struct error **err) {
    cleanup_free char *clean = NULL;
    cleanup_free char *path = NULL;
    if (git_url_split(&clean, &path, url, err) < 0)
        return -1;
    const char *slash = strrchr(path, '/');
    const char *last = slash != NULL ? slash + 1 : path;
    const char *given = text_is_empty(request->repository) ? last : request->repository;
    if (strchr(given, '/') == NULL && slash != NULL && text_equal(given, last)) {
        *out = steal_pointer(path);
        return 0;
    }
    cleanup_strings struct strings candidates = {0};
    if (project_path_candidates(&candidates, given, request->namespace_, err) < 0)
        return -1;
    *out = text_copy(candidates.items[candidates.count - 1], err);
    return *out != NULL ? 0 : -1;
}

int git_fill_model(struct model *model, const struct git_target *target, const char *path,
                   const char *url, struct error **err) {
    size_t length = strlen(url);
    if (text_has_suffix(url, ".git"))
        length -= 4;
    cleanup_free char *web_url = text_copy_bytes(url, length, err);
    if (web_url == NULL || model_init(model, err) < 0)
        return -1;
    if (model_set(&model->path, path, err) < 0 ||
        model_set(&model->branch, target->branch, err) < 0 ||
        model_set(&model->tag, target->tag, err) < 0 ||
        model_set(&model->commit, target->commit, err) < 0 ||
        model_set(&model->git_url, url, err) < 0 || model_set(&model->web_url, web_url, err) < 0)
        return -1;
    return model_complete_path(model, err);
}

/* What the session listed becomes the model's. */
static int keep_files(struct model *model, struct model_files *files, struct error **err) {
    if (files->count == 0)
        return 0;
    model->files = malloc(sizeof(*model->files));
    if (model->files == NULL)
        return error_no_memory(err);
    *model->files = *files;
    *files = (struct model_files){.items = NULL};
    return 0;
}

static int resolve(struct model *out, const struct model_request *request,
                   struct git_session *session, struct error **err) {
    cleanup_free char *path = NULL;
    if (choose_path(&path, request, session->url, err) < 0)
        return -1;
    /* A commit that no reference points to is only known to exist once it was fetched. */
    bool wants_card = model_needs_card(request);
    cleanup_git_target struct git_target target = {0};
    cleanup_buffer struct buffer readme = BUFFER_INIT(GIT_README_LIMIT);
    cleanup_model_files struct model_files files = {.items = NULL};
    session->files = request->list_files ? &files : NULL;
    if (git_fetch_target(&target, wants_card ? &readme : NULL, session, request, err) < 0)
        return -1;
    cleanup_model struct model model = {0};
    if (git_fill_model(&model, &target, path, session->url, err) < 0 ||
        keep_files(&model, &files, err) < 0)
        return -1;
    int taken = wants_card ? model_take_card(&model, request, readme.data, readme.length, err)
                           : model_take_overrides(&model, request, err);
    if (taken < 0)
        return -1;
    if (!wants_card && !target.is_tip &&
        strings_add_format(
            &model.warnings, err,
            "no branch or tag of %s points to the commit %.12s: it is taken on trust", session->url,
            target.commit) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}

int git_resolve(struct model *out, const struct model_request *request,
                const struct git_options *options, struct http_client *http,
                const struct deps *deps, int64_t deadline_ms, struct error **err) {
    cleanup_git_session struct git_session session = {
        .http = http,
        .deps = deps,
        .deadline_ms = deadline_ms,
    };
    int result = -1;
    if (model_check_request(request, err) == 0 && git_session_start(&session, options, err) == 0 &&
        git_library_start(err) == 0) {
        result = resolve(out, request, &session, err);
        git_library_stop();
    }
    if (result < 0)
        model_clean_error(err, options->token);
    return result;
}
