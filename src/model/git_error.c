#include "git_internal.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

int git_failure(struct error **err, enum error_kind kind, struct git_session *session,
                const char *what) {
    if (session != NULL && session->error != NULL)
        return error_take(err, steal_pointer(session->error));
    const git_error *last = git_error_last();
    if (last != NULL && last->klass == GIT_ERROR_NOMEMORY)
        return error_no_memory(err);
    const char *words = last != NULL && last->message != NULL ? last->message : "unknown cause";
    error_new(err, kind, "%s: %.300s", what, words);
    if (err != NULL && *err != NULL)
        text_make_printable((*err)->message);
    return -1;
}

static int add_hint(struct error **err, int status, bool with_token) {
    if (status == 401 || status == 403)
        return error_hint(
            err, with_token ? "Check the token (GITLAB_TOKEN): it needs the right to read the "
                              "repository."
                            : "The repository is not public: set GITLAB_TOKEN.");
    if (status == 404)
        return error_hint(
            err, with_token ? "Check MODEL_GIT_URL, and that the token may read the repository."
                            : "Check MODEL_GIT_URL; for a private repository set GITLAB_TOKEN.");
    return -1;
}

int git_answer_error(struct error **err, const struct http_response *response, const char *url,
                     bool with_token) {
    int status = response->status;
    if (status == 200)
        error_new(err, ERROR_UNREACHABLE, "%s answers, but not as a Git server does", url);
    else if (status >= 300 && status < 400)
        error_new(err, ERROR_UNREACHABLE, "%s redirects (%d) to where Git may not follow", url,
                  status);
    else
        error_new(err, status == 404 ? ERROR_MODEL : ERROR_UNREACHABLE,
                  "the Git server answered %d for %s", status, url);
    add_hint(err, status, with_token);
    return error_set_answer(err, status, NULL);
}
