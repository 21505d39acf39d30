#include "credential_private.h"

#include "base/base64.h"
#include "base/text.h"

#include <string.h>

enum {
    TOKEN_LIMIT = 64 * 1024,
    TOKEN_AGE_MS = 50 * 1000, /* client-go: 60 s period less 10 s leeway */
    EXPIRY_LEEWAY_MS = 10 * 1000,
};

struct kube_credential {
    const struct kube_config *config;
    const struct deps *deps;
    char *file_token; /* secret: the last good content of the token file */
    int64_t read_ms;  /* monotonic, when it was read */
    bool stale;       /* the server refused it: read again now */
    struct exec_answer answer;
    bool has_answer;
    char *authorization; /* secret: what was handed out last */
};

int kube_credential_new(struct kube_credential **out, const struct kube_config *config,
                        const struct deps *deps, struct error **err) {
    struct kube_credential *credential = calloc(1, sizeof(*credential));
    if (credential == NULL)
        return error_no_memory(err);
    credential->config = config;
    credential->deps = deps;
    *out = credential;
    return 0;
}

void kube_credential_free(struct kube_credential *credential) {
    if (credential == NULL)
        return;
    secret_free(credential->file_token);
    secret_free(credential->authorization);
    exec_answer_free(&credential->answer);
    free(credential);
}

/* ---- token file ---- */

static int read_token(char **out, const struct kube_credential *credential, struct error **err) {
    const struct file_access *files = credential->deps->files;
    const char *path = credential->config->user.token_file;
    struct buffer content = BUFFER_INIT(TOKEN_LIMIT);
    content.secret = true;
    int result = files->read(files->user, path, &content, err);
    if (result == 0) {
        size_t start = strspn(buffer_text(&content), " \t\r\n");
        buffer_consume(&content, start);
        while (content.length > 0 && strchr(" \t\r\n", content.data[content.length - 1]) != NULL)
            content.data[--content.length] = '\0';
        if (content.length == 0)
            result = error_new(err, ERROR_UNREACHABLE, "the token file %s is empty", path);
    }
    if (result == 0) {
        *out = buffer_steal(&content, path, err);
        result = *out != NULL ? 0 : -1;
    }
    buffer_free(&content);
    return result;
}

/* A read that fails keeps the last good token: kubelet replaces the file, it does not take it away.
 */
static int refresh_file_token(struct kube_credential *credential, struct error **err) {
    int64_t now = clock_now(credential->deps->clock);
    bool fresh = credential->file_token != NULL && !credential->stale &&
                 now - credential->read_ms < TOKEN_AGE_MS;
    if (fresh)
        return 0;
    struct error *failure = NULL;
    char *token = NULL;
    if (read_token(&token, credential, &failure) == 0) {
        secret_free(credential->file_token);
        credential->file_token = token;
        credential->read_ms = now;
        credential->stale = false;
        return 0;
    }
    bool fallback = credential->file_token != NULL || credential->config->user.token != NULL;
    if (fallback) {
        log_debug(credential->deps->log, "%s; the token of before is kept",
                  failure != NULL ? failure->message : "the token file cannot be read");
        error_free(failure);
        credential->read_ms = now;
        credential->stale = false;
        return 0;
    }
    error_set_kind(&failure, ERROR_UNREACHABLE);
    return error_take(err, failure);
}

/* ---- exec plugin ---- */

static int refresh_answer(struct kube_credential *credential, struct error **err) {
    int64_t now = clock_wall(credential->deps->clock);
    int64_t expires = credential->answer.expires_wall_ms;
    if (credential->has_answer && (expires < 0 || now + EXPIRY_LEEWAY_MS < expires))
        return 0;
    struct exec_answer answer = {.expires_wall_ms = -1};
    if (exec_run(&answer, credential->config, credential->deps, err) < 0)
        return -1;
    exec_answer_free(&credential->answer);
    credential->answer = answer;
    credential->has_answer = true;
    return 0;
}

/* ---- what is sent ---- */

static int set_bearer(struct kube_credential *credential, const char *token, struct error **err) {
    secret_free(credential->authorization);
    credential->authorization = text_format(err, "Bearer %s", token);
    return credential->authorization != NULL ? 0 : -1;
}

static int set_basic(struct kube_credential *credential, struct error **err) {
    const struct kube_user *user = &credential->config->user;
    char *pair =
        text_format(err, "%s:%s", user->username, user->password != NULL ? user->password : "");
    if (pair == NULL)
        return -1;
    struct buffer value = BUFFER_INIT(TOKEN_LIMIT);
    value.secret = true;
    buffer_append_text(&value, "Basic ");
    base64_encode(&value, pair, strlen(pair));
    secret_free(pair);
    secret_free(credential->authorization);
    credential->authorization = buffer_steal(&value, "the login", err);
    buffer_free(&value);
    return credential->authorization != NULL ? 0 : -1;
}

/* Fills authorization from whichever source the user entry has. */
static int choose(struct kube_credential *credential, struct error **err) {
    const struct kube_user *user = &credential->config->user;
    if (!text_is_empty(user->token_file)) {
        if (refresh_file_token(credential, err) < 0)
            return -1;
        return set_bearer(
            credential, credential->file_token != NULL ? credential->file_token : user->token, err);
    }
    if (!text_is_empty(user->token))
        return set_bearer(credential, user->token, err);
    if (!text_is_empty(user->username))
        return set_basic(credential, err);
    if (user->exec == NULL || user->client_certificate_pem != NULL)
        return 0;
    if (refresh_answer(credential, err) < 0)
        return -1;
    secret_free(steal_pointer(credential->authorization));
    return credential->answer.token != NULL ? set_bearer(credential, credential->answer.token, err)
                                            : 0;
}

int kube_credential_get(struct kube_credential *credential, struct kube_login *out,
                        struct error **err) {
    *out = (struct kube_login){.authorization = NULL};
    const struct kube_config *config = credential->config;
    if (!text_has_prefix(config->server, "https://"))
        return 0;
    if (choose(credential, err) < 0)
        return -1;
    bool by_plugin = credential->has_answer && credential->answer.client_key_pem != NULL;
    out->authorization = credential->authorization;
    out->client_certificate_pem =
        by_plugin ? credential->answer.client_certificate_pem : config->user.client_certificate_pem;
    out->client_key_pem =
        by_plugin ? credential->answer.client_key_pem : config->user.client_key_pem;
    return 0;
}

bool kube_credential_reject(struct kube_credential *credential) {
    const struct kube_user *user = &credential->config->user;
    if (!text_is_empty(user->token_file)) {
        credential->stale = true;
        return true;
    }
    if (!credential->has_answer)
        return false;
    exec_answer_free(&credential->answer);
    credential->has_answer = false;
    return true;
}
