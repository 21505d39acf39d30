#include "gitlab_internal.h"

#include "base/text.h"
#include "net/url.h"

#include <string.h>

/* GETs: what broke on the way may be asked again. */
static const struct retry_policy read_policy = {
    .attempts = 4,
    .first_ms = 200,
    .longest_ms = 30000,
    .idempotent = true,
};

static const char *const accept_json[] = {"Accept: application/json", NULL};

enum { MOST_AT_ONCE = 4 };

static int check_base(struct gitlab *gitlab, struct error **err) {
    cleanup_url struct url url = {0};
    const char *text = gitlab->options->base_url;
    if (text_is_empty(text))
        return error_new(err, ERROR_PARAMETER, "GITLAB_BASE_URL is not set");
    if (url_parse(&url, text, "GITLAB_BASE_URL", ERROR_PARAMETER, err) < 0)
        return -1;
    gitlab->base = url_base(&url, err);
    return gitlab->base != NULL ? 0 : -1;
}

static int choose_wish(struct gitlab *gitlab, struct error **err) {
    const struct model_request *request = gitlab->request;
    if (model_check_request(request, err) < 0)
        return -1;
    if (!text_is_empty(request->commit)) {
        if (model_check_commit(gitlab->commit, request->commit, err) < 0)
            return -1;
        gitlab->wish = (struct gitlab_wish){GITLAB_COMMIT, gitlab->commit};
    } else if (!text_is_empty(request->tag)) {
        gitlab->wish = (struct gitlab_wish){GITLAB_TAG, request->tag};
    } else if (!text_is_empty(request->branch)) {
        gitlab->wish = (struct gitlab_wish){GITLAB_BRANCH, request->branch};
    } else {
        gitlab->wish = (struct gitlab_wish){GITLAB_DEFAULT, ""};
    }
    return 0;
}

int gitlab_start(struct gitlab *gitlab, struct error **err) {
    const struct gitlab_options *options = gitlab->options;
    if (choose_wish(gitlab, err) < 0 || check_base(gitlab, err) < 0)
        return -1;
    gitlab->trust = (struct http_trust){
        .ca_pem = options->ca_pem,
        .skip_verification = options->skip_verification,
    };
    if (text_is_empty(options->token))
        return 0;
    if (options->token[strcspn(options->token, "\r\n\t ")] != '\0')
        return error_new(err, ERROR_PARAMETER,
                         "the GitLab token has a blank or a line break in it");
    /* Not PRIVATE-TOKEN: libraries keep Authorization from other origins, and nothing else. */
    gitlab->authorization = text_format(err, "Bearer %s", options->token);
    return gitlab->authorization != NULL ? 0 : -1;
}

void gitlab_end(struct gitlab *gitlab) {
    free(gitlab->base);
    gitlab->base = NULL;
    secret_free(gitlab->authorization);
    gitlab->authorization = NULL;
}

char *gitlab_project_url(const struct gitlab *gitlab, const char *key, struct error **err) {
    return text_format(err, "%s/api/v4/projects/%s", gitlab->base, key);
}

/* A list that begins with the name, where a name with a slash cannot be part of the path. */
static char *ref_search_url(const struct gitlab *gitlab, const char *key, enum gitlab_ref kind,
                            const char *name, struct error **err) {
    cleanup_free char *start = text_format(err, "^%s", name);
    return start != NULL
               ? gitlab_list_url(gitlab, key, kind == GITLAB_TAG ? "tags" : "branches", start, err)
               : NULL;
}

char *gitlab_ref_url(const struct gitlab *gitlab, const char *key, enum gitlab_ref kind,
                     const char *name, struct error **err) {
    if (kind == GITLAB_DEFAULT)
        return text_format(err, "%s/api/v4/projects/%s/repository/commits/HEAD?stats=false",
                           gitlab->base, key);
    if (gitlab->slashes_broken && strchr(name, '/') != NULL)
        return ref_search_url(gitlab, key, kind, name, err);
    cleanup_free char *encoded = text_percent_encode(name, err);
    if (encoded == NULL)
        return NULL;
    if (kind == GITLAB_COMMIT)
        return text_format(err, "%s/api/v4/projects/%s/repository/commits/%s?stats=false",
                           gitlab->base, key, encoded);
    return text_format(err, "%s/api/v4/projects/%s/repository/%s/%s", gitlab->base, key,
                       kind == GITLAB_TAG ? "tags" : "branches", encoded);
}

char *gitlab_readme_url(const struct gitlab *gitlab, const char *key, const char *ref,
                        struct error **err) {
    cleanup_free char *encoded = text_percent_encode(ref, err);
    if (encoded == NULL)
        return NULL;
    return text_format(err, "%s/api/v4/projects/%s/repository/files/README.md?ref=%s", gitlab->base,
                       key, encoded);
}

char *gitlab_list_url(const struct gitlab *gitlab, const char *key, const char *list,
                      const char *search, struct error **err) {
    cleanup_free char *encoded = text_percent_encode(search, err);
    if (encoded == NULL)
        return NULL;
    return text_format(err, "%s/api/v4/projects/%s/repository/%s?per_page=100%s%s", gitlab->base,
                       key, list, encoded[0] != '\0' ? "&search=" : "", encoded);
}

char *gitlab_search_url(const struct gitlab *gitlab, const char *text, bool namespaces, int page,
                        struct error **err) {
    cleanup_free char *encoded = text_percent_encode(text, err);
    if (encoded == NULL)
        return NULL;
    return text_format(err, "%s/api/v4/projects?search=%s%s&simple=true&per_page=100&page=%d",
                       gitlab->base, encoded, namespaces ? "&search_namespaces=true" : "", page);
}

static void free_urls(struct gitlab_get *gets, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(gets[i].url);
        gets[i].url = NULL;
    }
}

int gitlab_send(const struct gitlab *gitlab, struct gitlab_get *gets, size_t count,
                struct http_result *results, struct error **err) {
    struct http_request requests[MOST_AT_ONCE] = {{0}};
    int result = count <= MOST_AT_ONCE ? 0 : error_new(err, ERROR_INTERNAL, "too many requests");
    for (size_t i = 0; i < count && result == 0; i++) {
        if (gets[i].url == NULL)
            result = error_no_memory(err);
        requests[i] = (struct http_request){
            .url = gets[i].url,
            .headers = accept_json,
            .authorization = gitlab->authorization,
            .trust = &gitlab->trust,
            .body_limit = gets[i].limit,
            .timeout_ms = gitlab->options->request_timeout_ms,
            .retry = &read_policy,
            .server = "GitLab",
            .want_certificate = gitlab->want_certificate && i == 0,
        };
    }
    if (result == 0)
        result = http_send(gitlab->http, requests, count, results, gitlab->deadline_ms, err);
    free_urls(gets, count);
    return result;
}

int gitlab_take_failure(struct http_result *result, struct error **err) {
    if (!result->too_large)
        return error_take(err, steal_pointer(result->error));
    error_new(err, ERROR_UNREACHABLE, "%s", result->error->message);
    return error_hint(
        err,
        "No answer of GitLab is that large: check GITLAB_BASE_URL (or MODEL_REPO_GIT_BASE in the "
        "ConfigMap aml-image-builder-config).");
}
