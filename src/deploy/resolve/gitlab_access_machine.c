#include "deploy/cluster_facts.h"

#include "base/text.h"
#include "deploy/git_credential.h"
#include "model/git.h"
#include "net/url.h"

#include <string.h>

/* ---- where ---- */

/* "git@host:path" and "ssh://git@host:22/path" -> "https://host"; NULL for what names no host. */
static char *https_of_ssh(const char *remote, struct error **err) {
    bool ssh = text_has_prefix(remote, "ssh://") || text_has_prefix(remote, "git+ssh://");
    if (!ssh && strstr(remote, "://") != NULL)
        return NULL;
    const char *host = ssh ? strstr(remote, "://") + 3 : remote;
    size_t end = strcspn(host, "/");
    if (!ssh && memchr(host, ':', end) == NULL)
        return NULL; /* a directory */
    const char *at = memchr(host, '@', end);
    end -= at != NULL ? (size_t)(at + 1 - host) : 0;
    host = at != NULL ? at + 1 : host;
    const char *colon = memchr(host, ':', end);
    size_t length = colon != NULL ? (size_t)(colon - host) : end;
    return length > 0 ? text_format(err, "https://%.*s", (int)length, host) : NULL;
}

/* The server of the clone's remote; NULL with an error. */
static char *server_of(const char *remote, const char *directory, struct error **err) {
    cleanup_url struct url url = {0};
    struct error *problem = NULL;
    char *server = NULL;
    if (url_parse(&url, remote, "the clone's remote", ERROR_PARAMETER, NULL) == 0) {
        free(url.path);
        url.path = text_copy("", &problem);
        server = problem == NULL ? url_base(&url, &problem) : NULL;
    } else {
        server = https_of_ssh(remote, &problem);
    }
    if (server != NULL)
        return server;
    if (problem != NULL) {
        error_take(err, problem);
        return NULL;
    }
    error_new(err, ERROR_PARAMETER, "--model-dir %s: its remote %s%s%s names no GitLab server",
              directory, remote[0] != '\0' ? "\"" : "(none)", remote,
              remote[0] != '\0' ? "\"" : "");
    error_hint(err, "set GITLAB_BASE_URL");
    return NULL;
}

static int address_from_clone(struct gitlab_access *access, const char *directory,
                              struct error **err) {
    cleanup_git_clone struct git_clone clone = {0};
    if (git_clone_read(&clone, directory, err) < 0)
        return -1;
    cleanup_free char *server = server_of(clone.remote_url, directory, err);
    cleanup_free char *origin =
        server != NULL ? text_format(err, "the remote of %s", directory) : NULL;
    if (origin == NULL)
        return -1;
    free(access->base_url);
    access->base_url = steal_pointer(server);
    free(access->origin);
    access->origin = steal_pointer(origin);
    return 0;
}

/* ---- who ---- */

static int login_from_machine(struct gitlab_access *access, const char *server,
                              const struct deps *deps, struct error **err) {
    /* GITLAB_BASE_URL may be a host alone, as in the platform's ConfigMap */
    cleanup_free char *url = strstr(server, "://") != NULL ? text_copy(server, err)
                                                           : text_format(err, "https://%s", server);
    cleanup_git_credential struct git_credential found = {.token = NULL};
    if (url == NULL || git_credential_find(&found, url, deps, err) < 0)
        return -1;
    if (found.token[0] == '\0')
        return 0;
    cleanup_free char *origin = text_format(err, "%s, token of %s", access->origin, found.origin);
    if (origin == NULL)
        return -1;
    secret_free(access->token);
    access->token = steal_pointer(found.token);
    free(access->username);
    access->username = steal_pointer(found.username);
    free(access->origin);
    access->origin = steal_pointer(origin);
    return 0;
}

int gitlab_access_from_machine(struct gitlab_access *access, const struct inputs *inputs,
                               const struct deps *deps, struct error **err) {
    bool clone = inputs->model_dir[0] != '\0';
    bool git = inputs->model_git_url[0] != '\0';
    bool by_hand = clone || git || inputs->gitlab_base_url[0] != '\0';
    if (!by_hand || inputs->storage_uri[0] != '\0')
        return 0;
    if (clone && text_is_empty(access->base_url) &&
        address_from_clone(access, inputs->model_dir, err) < 0)
        return -1;
    if (!text_is_empty(access->token))
        return 0;
    const char *server = git ? inputs->model_git_url : access->base_url;
    return login_from_machine(access, server, deps, err);
}
