#include "deploy/resolve_model.h"

#include "base/text.h"
#include "model/git.h"
#include "model/gitlab.h"
#include "model/uri.h"
#include "net/url.h"

#include <string.h>

/* Everything a source is asked with. */
struct question {
    const struct inputs *inputs;
    const struct gitlab_access *access;
    struct http_client *http;
    int64_t request_timeout_ms;
    const struct deps *deps;
    int64_t deadline_ms;
};

/* MODEL_REPO_COMMIT says what is deployed, a branch or tag beside it where the commit came from: a
 * Git event knows both. STORAGE_URI leaves nothing to ask a repository for. */
static struct model_request request_of(const struct inputs *inputs) {
    bool uri = inputs->storage_uri[0] != '\0';
    bool named = uri || inputs->commit[0] != '\0';
    return (struct model_request){.repository = inputs->model_repo,
                                  .namespace_ = inputs->namespace_,
                                  .branch = named ? "" : inputs->branch,
                                  .tag = named ? "" : inputs->tag,
                                  .commit = uri ? "" : inputs->commit,
                                  .pipeline_tag = inputs->pipeline_tag,
                                  .library_name = inputs->library_name,
                                  .list_files = inputs->model_check != MODEL_CHECK_OFF};
}

/* Which parameter helps against a certificate that was refused. */
static int explain_certificate(struct error **err) {
    if (err != NULL && error_has_reason(*err, HTTP_REASON_UNTRUSTED))
        error_hint(err, "give the CA certificates of GitLab's issuer in GITLAB_CA_FILE, or as "
                        "MODEL_REPO_GIT_CA in ConfigMap aml-image-builder-config; "
                        "GITLAB_INSECURE_SKIP_TLS_VERIFY=true would skip the check and expose the "
                        "token");
    return -1;
}

/* ---- GitLab ---- */

/* GitLab hides what one may not see behind a 404: without a token that is the likely cause. */
static int explain_anonymous(const struct gitlab_access *access, struct error **err) {
    int status = err != NULL && *err != NULL ? (*err)->http_status : 0;
    if (text_is_empty(access->token) && (status == 401 || status == 403 || status == 404))
        error_hint(err,
                   "GitLab was asked without a token: set GITLAB_TOKEN or GITLAB_TOKEN_FILE, or "
                   "let git know the login (git credential, ~/.netrc)");
    return -1;
}

/* Whoever reads "connection refused" wants to know where that address came from. */
static void explain_unreachable(const struct gitlab_access *access, struct error **err) {
    bool silent = err != NULL && *err != NULL && (*err)->kind == ERROR_UNREACHABLE &&
                  (*err)->http_status == 0 && (*err)->hint == NULL;
    cleanup_free char *address = silent ? text_copy(access->base_url, NULL) : NULL;
    if (address == NULL)
        return;
    url_hide_secrets(address);
    error_hint(err,
               "the address %s comes from %s; check that GitLab runs there, and that firewalls and "
               "proxies (HTTPS_PROXY, NO_PROXY) let it be reached from here",
               address, text_is_empty(access->origin) ? "the parameters" : access->origin);
}

static int ask_gitlab(struct model *out, const struct question *question,
                      const struct model_request *request, struct error **err) {
    const struct gitlab_access *access = question->access;
    const struct gitlab_options gitlab = {.base_url = access->base_url,
                                          .username = access->username,
                                          .token = access->token,
                                          .ca_pem = access->ca_pem,
                                          .skip_verification =
                                              question->inputs->gitlab_skip_verification,
                                          .request_timeout_ms = question->request_timeout_ms};
    if (gitlab_resolve(out, request, &gitlab, question->http, question->deps, question->deadline_ms,
                       err) < 0) {
        explain_unreachable(access, err);
        return explain_anonymous(access, err);
    }
    return 0;
}

/* ---- a clone ---- */

/* The project's path behind GitLab's own: a GitLab below a path has it in front of every project's.
 */
static const char *path_below(const char *base_url, const char *project_path) {
    const char *authority = strstr(base_url, "://");
    const char *below = strchr(authority != NULL ? authority + 3 : base_url, '/');
    if (below == NULL || below[1] == '\0')
        return project_path;
    size_t length = strlen(below + 1);
    bool inside = strncmp(project_path, below + 1, length) == 0 && project_path[length] == '/';
    return inside ? project_path + length + 1 : project_path;
}

/* "2 commits are not pushed, 1 file is not committed"; "" when all is. NULL with an error. */
static char *left_behind(const struct git_clone *clone, struct error **err) {
    cleanup_strings struct strings parts = {.items = NULL};
    int changed = clone->changed_files;
    int untracked = clone->untracked_files;
    if (clone->ahead > 0 && strings_add_format(&parts, err, "%d commit%s not pushed", clone->ahead,
                                               clone->ahead == 1 ? " is" : "s are") < 0)
        return NULL;
    if (changed > 0 && strings_add_format(&parts, err, "%d file%s not committed", changed,
                                          changed == 1 ? " is" : "s are") < 0)
        return NULL;
    if (untracked > 0 && strings_add_format(&parts, err, "%d file%s not tracked", untracked,
                                            untracked == 1 ? " is" : "s are") < 0)
        return NULL;
    return strings_join(&parts, ", ", err);
}

/* The server's "no such commit" means here that it was not pushed. */
static int explain_unpushed(const struct question *question, const struct git_clone *clone,
                            const char *left, struct error **err) {
    const char *directory = question->inputs->model_dir;
    bool anonymous = text_is_empty(question->access->token);
    if (err == NULL || *err == NULL || (*err)->kind != ERROR_MODEL || clone->ahead == 0 ||
        anonymous)
        return error_wrap(err, "--model-dir %s", directory);
    error_wrap(err, "--model-dir %s is at commit %.12s%s%s%s%s", directory, clone->commit,
               clone->branch[0] != '\0' ? " of branch " : "", clone->branch,
               left[0] != '\0' ? "; " : ", which the remote was never seen to have", left);
    return error_hint(err, "push it first: git -C %s push", directory);
}

static int resolve_clone(struct model *out, const struct question *question, struct error **err) {
    const struct inputs *inputs = question->inputs;
    cleanup_git_clone struct git_clone clone = {0};
    if (git_clone_read(&clone, inputs->model_dir, err) < 0)
        return -1;
    struct model_request request = request_of(inputs);
    request.commit = clone.commit;
    if (request.repository[0] == '\0')
        request.repository = path_below(question->access->base_url, clone.project_path);
    if (request.repository[0] == '\0') {
        error_new(err, ERROR_PARAMETER,
                  "--model-dir %s: the clone has no remote, so its project "
                  "is not known",
                  inputs->model_dir);
        return error_hint(err, "set MODEL_REPO, or add the remote: git remote add origin URL");
    }
    cleanup_free char *left = left_behind(&clone, err);
    if (left == NULL)
        return -1;
    cleanup_model struct model model = {0};
    if (ask_gitlab(&model, question, &request, err) < 0)
        return explain_unpushed(question, &clone, left, err);
    /* the branch's name is the server's only when the remote has all of the branch */
    if (clone.ahead == 0 && model_set(&model.branch, clone.branch, err) < 0)
        return -1;
    if (left[0] != '\0' &&
        strings_add_format(&model.warnings, err, "--model-dir %s: %s; commit %.12s is deployed",
                           inputs->model_dir, left, clone.commit) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}

/* ---- all of them ---- */

static int resolve(struct model *out, const struct question *question, struct error **err) {
    const struct inputs *inputs = question->inputs;
    const struct gitlab_access *access = question->access;
    const struct model_request request = request_of(inputs);
    if (inputs->storage_uri[0] != '\0')
        return uri_resolve(out, &request, inputs->storage_uri, err);

    if (inputs->model_git_url[0] != '\0') {
        const struct git_options git = {.url = inputs->model_git_url,
                                        .username = access->username,
                                        .token = access->token,
                                        .ca_pem = access->ca_pem,
                                        .skip_verification = inputs->gitlab_skip_verification,
                                        .request_timeout_ms = question->request_timeout_ms};
        return git_resolve(out, &request, &git, question->http, question->deps,
                           question->deadline_ms, err);
    }
    return inputs->model_dir[0] != '\0' ? resolve_clone(out, question, err)
                                        : ask_gitlab(out, question, &request, err);
}

/* The branch or tag that was given beside a commit; whether it has moved on is not looked at. */
static int note_ref(struct model *model, const struct inputs *inputs, struct error **err) {
    if (inputs->commit[0] == '\0' || inputs->storage_uri[0] != '\0')
        return 0;
    if (inputs->branch[0] != '\0' && model_set(&model->branch, inputs->branch, err) < 0)
        return -1;
    return inputs->tag[0] != '\0' ? model_set(&model->tag, inputs->tag, err) : 0;
}

int resolve_model(struct model *out, const struct inputs *inputs,
                  const struct gitlab_access *access, struct http_client *http,
                  int64_t request_timeout_ms, const struct deps *deps, int64_t deadline_ms,
                  struct error **err) {
    const struct question question = {.inputs = inputs,
                                      .access = access,
                                      .http = http,
                                      .request_timeout_ms = request_timeout_ms,
                                      .deps = deps,
                                      .deadline_ms = deadline_ms};
    cleanup_model struct model model = {0};
    if (resolve(&model, &question, err) < 0)
        return explain_certificate(err);
    if (note_ref(&model, inputs, err) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}
