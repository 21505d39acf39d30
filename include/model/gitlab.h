#pragma once

/*
 * A model from GitLab's REST API v4. Sources: GitLab docs api/projects.md, api/branches.md,
 * api/tags.md, api/repository_files.md, api/rest/_index.md, api/rest/authentication.md,
 * security/rate_limits.md.
 */

#include "model/model.h"

struct gitlab_options {
    const char *base_url; /* "https://gitlab.example.com[/path]" */
    const char *username; /* for Git's own protocol; NULL or "": "oauth2" (only deploy tokens need
                             theirs) */
    const char *token;    /* secret; NULL or "": anonymous */
    const char *ca_pem;   /* PEM, in place of the system's roots; NULL: system roots */
    bool skip_verification;
    int64_t request_timeout_ms;
};

/*
 * Resolves project, ref and card. One parallel batch: project by its encoded path, the ref by its
 * typed endpoint (branches/, tags/, commits/), README.md at that ref. A further batch only when the
 * first candidate path is not there, or README and ref disagree about the commit (a tag and a
 * branch of one name: README.md is read again at the commit). With neither branch, tag nor commit
 * the default branch is taken: README.md at HEAD names its commit. With both overrides
 * (PIPELINE_TAG, LIBRARY_NAME) no README is read. README.md is checked against its size and blob
 * id.
 *
 * Fallbacks: a 404 of GitLab's router ({"error":"404 Not Found"}: a proxy decoded %2F) -> search by
 * full path, then everything by numeric id and refs with a slash from the lists; a moved project
 * (301) -> the id in Location, on our own base URL only, with a warning; 401 or 403 for the project
 * (a read_repository token, a deploy token) or an API that is not there -> Git smart HTTP
 * (model/git.h), whose failure is not reported: the API's is. model->id is then "".
 *
 * Errors: ERROR_PARAMETER (base URL, MODEL_REPO, commit), ERROR_MODEL for a project, ref, README or
 * key that is not there (naming which; names that do exist are asked for once, for the hint),
 * ERROR_UNREACHABLE for 401, 403, 429 after retries, 5xx, redirects, TLS, DNS, HTML instead of
 * JSON, truncated bodies; ERROR_DEADLINE, ERROR_CANCELED. Messages carry GitLab's x-request-id when
 * there was one, and never the token. Limits: 2 MiB of project, 4 MiB of list, 16 MiB of README
 * JSON (10 MiB of file).
 */
int gitlab_resolve(struct model *out, const struct model_request *request,
                   const struct gitlab_options *options, struct http_client *http,
                   const struct deps *deps, int64_t deadline_ms, struct error **err);

/*
 * Makes the error of a GitLab answer that is no success: message as string, array or object, or
 * error_description, or error; an HTML page by its title. WHAT names what was asked ("project
 * demo/amlmodels/qwen"). 400, 410 and a 404 of one of GitLab's endpoints are ERROR_MODEL,
 * everything else (redirects too) ERROR_UNREACHABLE; the status is set. Pure.
 */
int gitlab_status_error(struct error **err, const struct http_response *response, const char *what);
