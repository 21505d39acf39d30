#include "git_internal.h"

#include "base/text.h"
#include "net/url.h"

#include <string.h>

static const char ending[] = "/info/refs";
static const char query[] = "?service=git-upload-pack";
static const char content_type[] = "application/x-git-upload-pack-advertisement";

static const struct retry_policy read_policy = {
    .attempts = 4,
    .first_ms = 200,
    .longest_ms = 30000,
    .idempotent = true,
};

/* Where a redirect leads, without "/info/refs?..."; NULL (no error) when that is not part of it. */
static char *redirect_target(const struct http_response *response, const char *from,
                             struct error **err) {
    char location[2048];
    if (!http_header(response, "Location", location, sizeof(location)))
        return NULL;
    location[strcspn(location, "?#")] = '\0';
    if (!text_has_suffix(location, ending))
        return NULL;
    location[strlen(location) - strlen(ending)] = '\0';
    if (location[0] != '/')
        return text_copy(location, err);
    cleanup_url struct url base = {0};
    if (url_parse(&base, from, "the Git server's address", ERROR_UNREACHABLE, err) < 0)
        return NULL;
    bool literal = strchr(base.host, ':') != NULL;
    return text_format(err, "%s://%s%s%s:%s%s", base.scheme, literal ? "[" : "", base.host,
                       literal ? "]" : "", base.port, location);
}

/* Follows one redirect: 1 followed, 0 it must not be, -1 error. Another origin never gets the
 * token. */
static int follow(struct git_session *session, const struct http_response *response,
                  struct error **err) {
    cleanup_error struct error *problem = NULL;
    cleanup_free char *target = redirect_target(response, session->service, &problem);
    if (problem != NULL)
        return error_take(err, steal_pointer(problem));
    cleanup_url struct url from = {0};
    cleanup_url struct url to = {0};
    cleanup_error struct error *invalid = NULL;
    if (target == NULL || url_parse(&to, target, "the redirect", ERROR_UNREACHABLE, &invalid) < 0)
        return 0;
    if (url_parse(&from, session->service, "the Git server's address", ERROR_INTERNAL, err) < 0)
        return -1;
    if (to.has_credentials ||
        (strcmp(from.scheme, "https") == 0 && strcmp(to.scheme, "https") != 0))
        return 0;
    if (!url_same_origin(&from, &to)) {
        log_debug(session->deps->log, "the Git server redirects to %s: going on without the token",
                  to.host);
        secret_free(session->authorization);
        session->authorization = NULL;
    }
    free(session->service);
    session->service = steal_pointer(target);
    return 1;
}

static int ask(struct http_result *result, const struct git_session *session, struct error **err) {
    static const char *const headers[] = {"Accept: */*", NULL};
    cleanup_free char *url = text_format(err, "%s%s%s", session->service, ending, query);
    if (url == NULL)
        return -1;
    struct http_request request = {
        .url = url,
        .headers = headers,
        .authorization = session->authorization,
        .trust = &session->trust,
        .body_limit = GIT_REFS_LIMIT,
        .timeout_ms = session->request_timeout_ms,
        .retry = &read_policy,
        .server = "the Git server",
    };
    if (http_send(session->http, &request, 1, result, session->deadline_ms, err) < 0)
        return -1;
    if (result->too_large)
        return error_new(err, ERROR_UNREACHABLE, "%s", result->error->message);
    return result->error == NULL ? 0 : error_take(err, steal_pointer(result->error));
}

static bool is_advertisement(const struct http_response *response) {
    char type[128];
    if (response->status != 200 || !http_header(response, "Content-Type", type, sizeof(type)))
        return false;
    type[strcspn(type, "; \t")] = '\0';
    return text_equal_ignoring_case(type, content_type);
}

int git_read_advertisement(struct buffer *body, struct git_session *session, struct error **err) {
    bool with_token = session->authorization != NULL;
    free(session->service);
    session->service = text_copy(session->url, err);
    if (session->service == NULL)
        return -1;
    for (int redirects = 0;; redirects++) {
        cleanup(http_result_free) struct http_result result = {0};
        if (ask(&result, session, err) < 0)
            return -1;
        if (is_advertisement(&result.response)) {
            buffer_free(body);
            *body = result.response.body;
            result.response.body = (struct buffer){0};
            return 0;
        }
        bool redirected = result.response.status >= 301 && result.response.status <= 308;
        int followed = redirected && redirects < GIT_MOST_REDIRECTS
                           ? follow(session, &result.response, err)
                           : 0;
        if (followed < 0)
            return -1;
        if (followed == 0)
            return git_answer_error(err, &result.response, session->service, with_token);
    }
}
