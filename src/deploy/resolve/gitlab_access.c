#include "deploy/cluster_facts.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { LONGEST_TOKEN = 4096 };

#define CONFIG_MAP_NAME "aml-image-builder-config"
#define SECRET_NAME     "aml-image-builder-secret"

/* A text of the ConfigMap without blanks around it, which `kubectl create --from-file` leaves at
 * the end; "" for none. */
static char *trimmed(const json_t *config_map, const char *key, struct error **err) {
    static const char blanks[] = " \t\r\n";
    const char *text = json_text_at(config_map, "data", key, NULL);
    text = text != NULL ? text + strspn(text, blanks) : "";
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]) != NULL)
        length--;
    return text_copy_bytes(text, length, err);
}

/* MODEL_REPO_GIT_BASE is host[:port], but installations with a whole URL there exist. */
static char *base_url(const char *base, const char *scheme, struct error **err) {
    bool whole = text_has_prefix(base, "https://") || text_has_prefix(base, "http://");
    char *url = whole ? text_copy(base, err)
                      : text_format(err, "%s://%s", text_is_empty(scheme) ? "https" : scheme, base);
    for (size_t length = url != NULL ? strlen(url) : 0; length > 0 && url[length - 1] == '/';)
        url[--length] = '\0';
    return url;
}

static int read_config_map(struct gitlab_access *access, const json_t *config_map,
                           const char *namespace_, struct error **err) {
    cleanup_free char *base = trimmed(config_map, "MODEL_REPO_GIT_BASE", err);
    cleanup_free char *scheme = trimmed(config_map, "MODEL_REPO_GIT_SCHEME", err);
    if (base == NULL || scheme == NULL)
        return -1;
    if (base[0] == '\0') {
        error_new(err, ERROR_MODEL,
                  "ConfigMap %s/" CONFIG_MAP_NAME
                  " has no MODEL_REPO_GIT_BASE: GitLab's address is not known",
                  namespace_);
        return error_hint(err,
                          "set GITLAB_BASE_URL, or let the platform manage the namespace %s again",
                          namespace_);
    }
    char *url = base_url(base, scheme, err);
    char *origin = text_format(err, "ConfigMap %s/" CONFIG_MAP_NAME, namespace_);
    if (url == NULL || origin == NULL) {
        free(url);
        free(origin);
        return -1;
    }
    free(access->base_url);
    free(access->origin);
    access->base_url = url;
    access->origin = origin;
    const char *ca = json_text_at(config_map, "data", "MODEL_REPO_GIT_CA", NULL);
    if (!text_is_empty(ca) && access->ca_pem == NULL) {
        access->ca_pem = text_copy(ca, err);
        return access->ca_pem != NULL ? 0 : -1;
    }
    return 0;
}

static int read_secret(struct gitlab_access *access, const json_t *secret, const char *namespace_,
                       struct error **err) {
    const char *encoded = json_text_at(secret, "data", "MODEL_REPO_GIT_TOKEN", NULL);
    if (text_is_empty(encoded)) {
        error_new(err, ERROR_MODEL,
                  "Secret %s/" SECRET_NAME
                  " has no MODEL_REPO_GIT_TOKEN: there is no token for GitLab",
                  namespace_);
        return error_hint(err,
                          "set GITLAB_TOKEN or GITLAB_TOKEN_FILE, or let the platform manage "
                          "the namespace %s again",
                          namespace_);
    }
    struct buffer token = BUFFER_INIT(LONGEST_TOKEN);
    token.secret = true;
    /* only deploy tokens need theirs; a name that cannot be read is as good as none */
    const char *user = json_text_at(secret, "data", "MODEL_REPO_GIT_USER", NULL);
    cleanup_buffer struct buffer name = BUFFER_INIT(LONGEST_TOKEN);
    if (!text_is_empty(user) &&
        base64_decode(&name, user, strlen(user), "MODEL_REPO_GIT_USER", ERROR_MODEL, NULL) == 0) {
        free(access->username);
        access->username = text_copy(buffer_text(&name), err);
        if (access->username == NULL)
            return -1;
        access->username[strcspn(access->username, "\r\n")] = '\0';
    }
    int result = base64_decode(&token, encoded, strlen(encoded),
                               "MODEL_REPO_GIT_TOKEN of Secret " SECRET_NAME, ERROR_MODEL, err);
    if (result == 0) {
        /* a token that was written with `echo` ends with a line break */
        while (token.length > 0 && strchr(" \r\n\t", token.data[token.length - 1]) != NULL)
            token.data[--token.length] = '\0';
        secret_free(access->token);
        access->token = buffer_steal(&token, "the token", err);
        result = access->token != NULL ? 0 : -1;
    }
    buffer_free(&token);
    return result;
}

int gitlab_access_from_cluster(struct gitlab_access *access, const json_t *config_map,
                               const json_t *secret, const char *namespace_, struct error **err) {
    if (config_map != NULL && text_is_empty(access->base_url) &&
        read_config_map(access, config_map, namespace_, err) < 0)
        return -1;
    if (secret != NULL && text_is_empty(access->token))
        return read_secret(access, secret, namespace_, err);
    return 0;
}
