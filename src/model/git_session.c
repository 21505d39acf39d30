#include "git_internal.h"

#include "base/base64.h"
#include "base/text.h"
#include "net/url.h"

#include <string.h>

enum { LONGEST_TOKEN = 16384, LONGEST_VALUE = 32768 };

static int check_url(struct git_session *session, const char *text, struct error **err) {
    cleanup_url struct url url = {0};
    if (text_is_empty(text))
        return error_new(err, ERROR_PARAMETER, "MODEL_GIT_URL is not set");
    if (url_parse(&url, text, "MODEL_GIT_URL", ERROR_PARAMETER, err) < 0)
        return -1;
    if (url.has_credentials) {
        error_new(err, ERROR_PARAMETER, "MODEL_GIT_URL has a user name or password in it");
        return error_hint(err, "Leave it out and give the token as GITLAB_TOKEN.");
    }
    if (url.has_query)
        return error_new(err, ERROR_PARAMETER, "MODEL_GIT_URL has a query ('?') in it");
    session->url = url_base(&url, err);
    return session->url != NULL ? 0 : -1;
}

/* Sent with the first request: servers answer an anonymous one with "not there" as often as with
 * 401. */
static int make_authorization(struct git_session *session, const struct git_options *options,
                              struct error **err) {
    if (text_is_empty(options->token))
        return 0;
    const char *user = text_is_empty(options->username) ? "oauth2" : options->username;
    cleanup_buffer struct buffer plain = BUFFER_INIT(LONGEST_TOKEN);
    plain.secret = true;
    cleanup_buffer struct buffer value = BUFFER_INIT(LONGEST_VALUE);
    value.secret = true;
    buffer_append_text(&plain, user);
    buffer_append_character(&plain, ':');
    buffer_append_text(&plain, options->token);
    if (buffer_check(&plain, "the token", err) < 0)
        return -1;
    buffer_append_text(&value, "Basic ");
    base64_encode(&value, plain.data, plain.length);
    session->authorization = buffer_steal(&value, "the token", err);
    return session->authorization != NULL ? 0 : -1;
}

int git_session_start(struct git_session *session, const struct git_options *options,
                      struct error **err) {
    session->request_timeout_ms = options->request_timeout_ms;
    session->trust = (struct http_trust){
        .ca_pem = options->ca_pem,
        .skip_verification = options->skip_verification,
    };
    if (check_url(session, options->url, err) < 0)
        return -1;
    return make_authorization(session, options, err);
}

void git_session_end(struct git_session *session) {
    secret_free(session->authorization);
    free(session->url);
    free(session->service);
    error_free(session->error);
    *session = (struct git_session){0};
}
