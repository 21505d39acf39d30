#include "model/gitlab_server.h"

#include "base/text.h"
#include "gitlab_internal.h"

enum question { METADATA, VERSION, SELF, QUESTIONS };

void gitlab_server_free(struct gitlab_server *server) {
    error_free(server->unreachable);
    error_free(server->version_error);
    error_free(server->token_error);
    free(server->version);
    free(server->token_name);
    free(server->token_expires);
    strings_free(&server->scopes);
    *server = (struct gitlab_server){0};
}

static int send(struct http_result *results, const struct gitlab *gitlab, struct error **err) {
    struct gitlab_get gets[QUESTIONS] = {
        {text_format(err, "%s/api/v4/metadata", gitlab->base), GITLAB_REF_LIMIT},
        {text_format(err, "%s/api/v4/version", gitlab->base), GITLAB_REF_LIMIT},
        {text_format(err, "%s/api/v4/personal_access_tokens/self", gitlab->base), GITLAB_REF_LIMIT},
    };
    return gitlab_send(gitlab, gets, QUESTIONS, results, err);
}

/* ---- version ---- */

/* The first of the two that tells wins; older and newer versions have only one of them. */
static int read_version(struct gitlab_server *out, struct http_result *results,
                        struct error **err) {
    for (size_t i = METADATA; i <= VERSION; i++) {
        cleanup_json json_t *value = NULL;
        cleanup_error struct error *problem = NULL;
        if (results[i].error != NULL || results[i].response.status != 200 ||
            gitlab_parse_json(&value, &results[i].response, "the version", &problem) < 0)
            continue;
        const char *version = json_text_at(value, "version", NULL);
        if (text_is_empty(version))
            continue;
        out->version = text_copy(version, err);
        return out->version != NULL ? 0 : -1;
    }
    struct http_result *last = &results[VERSION];
    if (last->error != NULL)
        out->version_error = steal_pointer(last->error);
    else
        (void)gitlab_status_error(&out->version_error, &last->response, "the version");
    return out->version_error != NULL ? 0 : error_no_memory(err);
}

/* ---- token ---- */

static int fill_token(struct gitlab_server *out, const json_t *value, struct error **err) {
    const char *name = json_text_at(value, "name", NULL);
    const char *expires = json_text_at(value, "expires_at", NULL);
    out->token_name = text_copy(name != NULL ? name : "", err);
    out->token_expires = text_copy(expires != NULL ? expires : "", err);
    out->token_active =
        json_is_true_at(value, "active", NULL) && !json_is_true_at(value, "revoked", NULL);
    if (out->token_name == NULL || out->token_expires == NULL)
        return -1;
    size_t index = 0;
    const json_t *scope = NULL;
    json_array_foreach(json_at(value, "scopes", NULL), index, scope) {
        const char *text = json_string_value(scope);
        if (text != NULL && strings_add(&out->scopes, text, err) < 0)
            return -1;
    }
    out->has_token = true;
    return 0;
}

static int read_token(struct gitlab_server *out, struct http_result *result, struct error **err) {
    cleanup_json json_t *value = NULL;
    if (result->error != NULL)
        out->token_error = steal_pointer(result->error);
    else if (result->response.status != 200)
        (void)gitlab_status_error(&out->token_error, &result->response, "the token");
    else if (gitlab_parse_json(&value, &result->response, "the token", &out->token_error) == 0)
        return fill_token(out, value, err);
    return out->token_error != NULL ? 0 : error_no_memory(err);
}

/* ---- all of it ---- */

/* Not GitLab: no answer, a redirect, a page. */
static bool is_no_answer(struct gitlab_server *out, struct http_result *result) {
    if (result->error != NULL) {
        out->unreachable = steal_pointer(result->error);
        return true;
    }
    int status = result->response.status;
    bool redirect = status >= 300 && status < 400;
    if (!redirect && status < 500)
        return false;
    (void)gitlab_status_error(&out->unreachable, &result->response, "GitLab's API");
    return out->unreachable != NULL;
}

static int read_answers(struct gitlab_server *out, struct http_result *results, bool with_token,
                        struct error **err) {
    struct error *first = results[METADATA].error;
    if (first != NULL && first->kind == ERROR_CANCELED)
        return error_take(err, steal_pointer(results[METADATA].error));
    if (is_no_answer(out, &results[METADATA]))
        return 0;
    out->certificate_expires_ms = results[METADATA].response.certificate_expires_ms;
    if (read_version(out, results, err) < 0)
        return -1;
    return with_token ? read_token(out, &results[SELF], err) : 0;
}

int gitlab_read_server(struct gitlab_server *out, const struct gitlab_options *options,
                       struct http_client *http, const struct deps *deps, int64_t deadline_ms,
                       struct error **err) {
    static const struct model_request nothing = {.repository = ""};
    cleanup_gitlab struct gitlab gitlab = {.request = &nothing,
                                           .options = options,
                                           .http = http,
                                           .deps = deps,
                                           .deadline_ms = deadline_ms,
                                           .want_certificate = true};
    cleanup_gitlab_server struct gitlab_server server = {0};
    struct http_result results[QUESTIONS] = {{.error = NULL}};
    int result = gitlab_start(&gitlab, err);
    if (result == 0)
        result = send(results, &gitlab, err);
    if (result == 0)
        result = read_answers(&server, results, gitlab.authorization != NULL, err);
    for (size_t i = 0; i < QUESTIONS; i++)
        http_result_free(&results[i]);
    if (result < 0)
        return -1;
    *out = server;
    server = (struct gitlab_server){0};
    return 0;
}
