#pragma once

/*
 * What a GitLab says about itself and about the token it is asked with. Sources: GitLab docs
 * api/metadata.md (15.2), api/version.md (before), api/personal_access_tokens.md ("self", 15.5;
 * also project, group and impersonation tokens).
 */

#include "model/gitlab.h"

struct gitlab_server {
    /* No answer at all, or one that is not GitLab's (HTML, a redirect): then the rest is empty.
     * Owned. */
    struct error *unreachable;
    int64_t certificate_expires_ms; /* see http_response */
    char *version;                  /* "18.5.1-ee"; NULL when VERSION_ERROR says why */
    struct error *version_error;
    bool has_token;            /* what follows was told */
    struct strings scopes;     /* of the token */
    char *token_name;          /* for people; "" */
    char *token_expires;       /* "2026-12-31"; "" never */
    bool token_active;         /* neither revoked nor expired */
    struct error *token_error; /* why it was not told; NULL with has_token or without a token */
};

/*
 * One parallel batch: metadata, version, and with a token "self". On a connection of its own, so
 * that the certificate is seen. Refusals are kept in OUT; -1 only for ERROR_PARAMETER (base URL,
 * token), ERROR_CANCELED, or lack of memory.
 */
int gitlab_read_server(struct gitlab_server *out, const struct gitlab_options *options,
                       struct http_client *http, const struct deps *deps, int64_t deadline_ms,
                       struct error **err);
void gitlab_server_free(struct gitlab_server *server);

#define cleanup_gitlab_server cleanup(gitlab_server_free)
