#include "gitlab_internal.h"

#include "base/text.h"
#include "model/project_path.h"

#include <string.h>

/* ---- the commit ---- */

static int no_commit_yet(const char *path, struct error **err) {
    error_new(err, ERROR_MODEL, "project %s is empty: it has no commit yet", path);
    return error_hint(err, "Push the model's files first.");
}

static int may_not_read(const char *path, struct error **err) {
    error_new(err, ERROR_UNREACHABLE,
              "project %s: the token may see it, but not read its repository", path);
    return error_hint(
        err, "The token's user needs at least the role Reporter, and the repository must be "
             "switched on in the project's settings.");
}

/* What GitLab says when the ref is not there, as far as it is not about the ref itself. */
static int refuse_ref(const struct gitlab *gitlab, const struct gitlab_lookup *lookup,
                      const struct gitlab_project *project, const struct http_response *response,
                      struct error **err) {
    const struct gitlab_wish *wish = &gitlab->wish;
    if (response->status == 404 && project->empty)
        return no_commit_yet(project->path, err);
    cleanup_free char *text = gitlab_answer_text(response, err);
    if (text == NULL)
        return -1;
    if (response->status == 404 && strstr(text, "Repository") != NULL)
        return may_not_read(project->path, err);
    if (wish->kind == GITLAB_COMMIT && response->status == 404) {
        error_new(err, ERROR_MODEL, "project %s has no commit %s", project->path, wish->name);
        error_set_answer(err, 404, NULL);
        return error_hint(err, "Check MODEL_REPO_COMMIT, and that the commit was pushed.");
    }
    bool unknown =
        response->status == 404 && (strstr(text, "Branch") != NULL || strstr(text, "Tag") != NULL);
    if (unknown)
        return gitlab_ref_missing(gitlab, lookup->key, project->path, err);
    cleanup_free char *what = text_format(err, "%s '%s' of project %s",
                                          wish->kind == GITLAB_COMMIT ? "commit"
                                          : wish->kind == GITLAB_TAG  ? "tag"
                                                                      : "branch",
                                          wish->name, project->path);
    return what != NULL ? gitlab_status_error(err, response, what) : -1;
}

/* Asks for a ref alone and puts the answer into the lookup. */
static int ask_ref(struct gitlab_lookup *lookup, const struct gitlab *gitlab, enum gitlab_ref kind,
                   const char *name, struct error **err) {
    struct gitlab_get get = {gitlab_ref_url(gitlab, lookup->key, kind, name, err),
                             GITLAB_LIST_LIMIT};
    http_result_free(&lookup->ref);
    lookup->ref = (struct http_result){0};
    lookup->has_ref = true;
    return gitlab_send(gitlab, &get, 1, &lookup->ref, err);
}

static int take_ref(char **commit, const struct gitlab_lookup *lookup, enum gitlab_ref kind,
                    const char *name, const char *path, struct error **err) {
    cleanup_free char *what = text_format(err, "the ref %s of project %s", name, path);
    if (what == NULL)
        return -1;
    return gitlab_parse_ref(commit, &lookup->ref.response, kind, name, what, err);
}

static bool is_unrouted(const struct http_result *result) {
    char unused[24];
    return result->error == NULL && gitlab_classify(&result->response, unused) == GITLAB_UNROUTED;
}

/* The commit of the branch, tag or commit that was asked for. */
static int settle_wish(struct model *model, struct gitlab *gitlab, struct gitlab_lookup *lookup,
                       const struct gitlab_project *project, struct error **err) {
    const struct gitlab_wish *wish = &gitlab->wish;
    if (is_unrouted(&lookup->ref) && strchr(wish->name, '/') != NULL && !gitlab->slashes_broken) {
        gitlab->slashes_broken = true;
        if (ask_ref(lookup, gitlab, wish->kind, wish->name, err) < 0)
            return -1;
    }
    if (lookup->ref.error != NULL)
        return gitlab_take_failure(&lookup->ref, err);
    if (lookup->ref.response.status != 200)
        return refuse_ref(gitlab, lookup, project, &lookup->ref.response, err);

    cleanup_free char *commit = NULL;
    if (take_ref(&commit, lookup, wish->kind, wish->name, project->path, err) < 0)
        return -1;
    if (commit == NULL)
        return gitlab_ref_missing(gitlab, lookup->key, project->path, err);
    if (wish->kind == GITLAB_COMMIT && !text_has_prefix(commit, wish->name)) {
        error_new(err, ERROR_MODEL,
                  "project %s has no commit %s (it is the name of a branch or tag "
                  "there, at %.12s)",
                  project->path, wish->name, commit);
        return error_hint(err, "MODEL_REPO_COMMIT takes a commit id; set MODEL_REPO_BRANCH or "
                               "MODEL_REPO_TAG instead.");
    }
    free(model->commit);
    model->commit = steal_pointer(commit);
    return 0;
}

/* The head of the default branch by its name, where HEAD was not understood or no README was read.
 */
static int settle_default_by_name(struct model *model, const struct gitlab *gitlab,
                                  struct gitlab_lookup *lookup,
                                  const struct gitlab_project *project, struct error **err) {
    if (project->empty)
        return no_commit_yet(project->path, err);
    if (project->default_branch[0] == '\0')
        return may_not_read(project->path, err);
    if (ask_ref(lookup, gitlab, GITLAB_BRANCH, project->default_branch, err) < 0)
        return -1;
    if (lookup->ref.error != NULL)
        return gitlab_take_failure(&lookup->ref, err);
    if (lookup->ref.response.status == 404)
        return no_commit_yet(project->path, err);
    if (lookup->ref.response.status != 200) {
        cleanup_free char *what =
            text_format(err, "branch '%s' of project %s", project->default_branch, project->path);
        return what != NULL ? gitlab_status_error(err, &lookup->ref.response, what) : -1;
    }
    cleanup_free char *commit = NULL;
    if (take_ref(&commit, lookup, GITLAB_BRANCH, project->default_branch, project->path, err) < 0)
        return -1;
    if (commit == NULL)
        return no_commit_yet(project->path, err);
    free(model->commit);
    model->commit = steal_pointer(commit);
    return 0;
}

/* ---- the card ---- */

/* True when the answer at the ref cannot be the last word: the name may have meant another commit.
 */
static bool worth_asking_again(const struct gitlab *gitlab, const struct http_result *readme) {
    int status = readme->error == NULL ? readme->response.status : 0;
    bool same_question = gitlab->wish.kind == GITLAB_COMMIT && model_is_commit(gitlab->wish.name);
    return !same_question && (status == 404 || status == 400);
}

static int settle_card(struct model *model, const struct gitlab *gitlab,
                       struct gitlab_lookup *lookup, const struct gitlab_project *project,
                       struct error **err) {
    if (!lookup->has_readme)
        return model_take_overrides(model, gitlab->request, err);
    if (worth_asking_again(gitlab, &lookup->readme))
        return gitlab_read_card(model, gitlab, lookup->key, project->readme_name, err);
    char place[MODEL_SHORT_COMMIT];
    cleanup_gitlab_file struct gitlab_file file = {0};
    if (gitlab_take_file(&file, &lookup->readme, model->path,
                         model_short_commit(model->commit, place), project->readme_name, err) < 0)
        return -1;
    if (strcmp(file.commit, model->commit) != 0) {
        log_debug(gitlab->deps->log, "README.md came from %.12s, not %s: asking again", file.commit,
                  place);
        gitlab_file_free(&file);
        return gitlab_read_card(model, gitlab, lookup->key, project->readme_name, err);
    }
    return model_take_card(model, gitlab->request, file.content.data, file.content.length, err);
}

/*
 * The default branch with a README to read: one answer tells commit and card. A README that is
 * missing settles nothing about the commit, but the error needs none.
 */
static int settle_default_with_card(struct model *model, const struct gitlab *gitlab,
                                    struct gitlab_lookup *lookup,
                                    const struct gitlab_project *project, struct error **err) {
    const char *branch = project->default_branch[0] != '\0' ? project->default_branch : "HEAD";
    cleanup_gitlab_file struct gitlab_file file = {0};
    cleanup_error struct error *problem = NULL;
    int taken = gitlab_take_file(&file, &lookup->readme, project->path, branch,
                                 project->readme_name, &problem);
    if (taken == 0 && file.commit[0] != '\0') {
        if (model_set(&model->commit, file.commit, err) < 0)
            return -1;
        return model_take_card(model, gitlab->request, file.content.data, file.content.length, err);
    }
    bool unknown_ref = taken < 0 && problem->kind == ERROR_MODEL && problem->http_status == 404;
    bool no_file = unknown_ref && text_contains(problem->message, "has no README.md");
    if (taken < 0 && (!unknown_ref || no_file))
        return error_take(err, steal_pointer(problem));
    if (settle_default_by_name(model, gitlab, lookup, project, err) < 0)
        return -1;
    return gitlab_read_card(model, gitlab, lookup->key, project->readme_name, err);
}

/* ---- all of it ---- */

static int take_project(struct model *model, const struct gitlab *gitlab,
                        const struct gitlab_project *project, struct error **err) {
    const struct gitlab_wish *wish = &gitlab->wish;
    model->lfs = project->lfs;
    const char *branch = wish->kind == GITLAB_DEFAULT  ? project->default_branch
                         : wish->kind == GITLAB_BRANCH ? wish->name
                                                       : "";
    if (model_set(&model->path, project->path, err) < 0 ||
        model_set(&model->id, project->id, err) < 0 || model_set(&model->branch, branch, err) < 0 ||
        model_set(&model->tag, wish->kind == GITLAB_TAG ? wish->name : "", err) < 0 ||
        model_set(&model->git_url, project->git_url, err) < 0)
        return -1;
    return model_set(&model->web_url, project->web_url, err);
}

static int settle(struct model *model, struct gitlab *gitlab, struct gitlab_lookup *lookup,
                  const struct gitlab_project *project, struct error **err) {
    if (take_project(model, gitlab, project, err) < 0)
        return -1;
    if (gitlab->wish.kind == GITLAB_DEFAULT && lookup->has_readme)
        return settle_default_with_card(model, gitlab, lookup, project, err);
    bool no_head = gitlab->wish.kind == GITLAB_DEFAULT && lookup->ref.error == NULL &&
                   lookup->ref.response.status == 404;
    int found = no_head ? settle_default_by_name(model, gitlab, lookup, project, err)
                        : settle_wish(model, gitlab, lookup, project, err);
    return found == 0 ? settle_card(model, gitlab, lookup, project, err) : -1;
}

static int resolve(struct model *out, struct gitlab *gitlab, struct error **err) {
    cleanup_strings struct strings candidates = {0};
    cleanup_model struct model model = {0};
    if (gitlab_start(gitlab, err) < 0 ||
        project_path_candidates(&candidates, gitlab->request->repository,
                                gitlab->request->namespace_, err) < 0 ||
        model_init(&model, err) < 0)
        return -1;

    cleanup_gitlab_lookup struct gitlab_lookup lookup = {0};
    cleanup_gitlab_project struct gitlab_project project = {0};
    struct error *problem = NULL;
    bool use_git = false;
    if (gitlab_find_project(gitlab, &candidates, &lookup, &project, &model.warnings, &use_git,
                            &problem) < 0)
        return use_git ? gitlab_resolve_by_git(out, gitlab, &candidates, problem, err)
                       : error_take(err, problem);
    if (settle(&model, gitlab, &lookup, &project, err) < 0 || model_complete_path(&model, err) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}

int gitlab_resolve(struct model *out, const struct model_request *request,
                   const struct gitlab_options *options, struct http_client *http,
                   const struct deps *deps, int64_t deadline_ms, struct error **err) {
    cleanup_gitlab struct gitlab gitlab = {
        .request = request,
        .options = options,
        .http = http,
        .deps = deps,
        .deadline_ms = deadline_ms,
    };
    if (resolve(out, &gitlab, err) == 0)
        return 0;
    model_clean_error(err, options->token);
    return -1;
}
