#pragma once

/* The parts of the GitLab source: requests, answers, fall-backs. */

#include "model/gitlab.h"
#include "model_internal.h"

#include "base/json.h"

enum {
    GITLAB_PROJECT_LIMIT = 2 * 1024 * 1024,
    GITLAB_REF_LIMIT = 1024 * 1024,
    GITLAB_LIST_LIMIT = 4 * 1024 * 1024,
    GITLAB_README_LIMIT = 16 * 1024 * 1024,
};

enum gitlab_ref { GITLAB_DEFAULT, GITLAB_BRANCH, GITLAB_TAG, GITLAB_COMMIT };

/* Which ref is wanted. NAME is borrowed; "" for the default branch. */
struct gitlab_wish {
    enum gitlab_ref kind;
    const char *name;
};

/* One resolution: everything borrowed but the three texts. */
struct gitlab {
    const struct model_request *request;
    const struct gitlab_options *options;
    struct http_client *http;
    const struct deps *deps;
    int64_t deadline_ms;
    struct gitlab_wish wish;
    char commit[65]; /* wish.name for MODEL_REPO_COMMIT, in lower case */
    struct http_trust trust;
    char *base;            /* GITLAB_BASE_URL without what a URL needs not */
    char *authorization;   /* secret; NULL: anonymous */
    bool want_certificate; /* of the first request of a batch, see http_request */
    bool slashes_broken;   /* something between decodes %2F: only numeric ids work */
};

/* A project as its JSON has it. Text is owned, "" when missing. */
struct gitlab_project {
    char *id;
    char *path;
    char *default_branch;
    char *git_url;
    char *web_url;
    char *readme_name; /* file name of readme_url */
    bool empty;
    bool archived;
    bool marked_for_deletion;
    enum model_lfs lfs;
};

/* README.md as the files endpoint has it. */
struct gitlab_file {
    struct buffer content;
    char *commit; /* that the ref meant; "" when missing */
};

/* What an answer to "project by path" means. */
enum gitlab_found {
    GITLAB_FOUND,
    GITLAB_MISSING,  /* GitLab knows no such project, or the token may not see it */
    GITLAB_UNROUTED, /* GitLab saw another path than was sent: %2F was decoded on the way, or the
                        base is wrong */
    GITLAB_MOVED,    /* a redirect that names the project's id */
    GITLAB_DENIED,   /* 401 or 403 */
    GITLAB_NO_API,   /* a 404 that is not GitLab's */
    GITLAB_FAILED,   /* anything else */
};

/* ---- gitlab_answers.c: pure ---- */

/* MOVED_ID gets the number for GITLAB_MOVED (at most 20 digits). */
enum gitlab_found gitlab_classify(const struct http_response *response, char moved_id[24]);

/* True for a 404 that one of GitLab's endpoints gave, about what was asked for. */
bool gitlab_is_own_404(const struct http_response *response);

int gitlab_parse_project(struct gitlab_project *out, const struct http_response *response,
                         const char *what, struct error **err);
void gitlab_project_free(struct gitlab_project *project);

/* The commit id in a branch, tag or commit object, or of the element called NAME in a list of them.
 * *OUT is NULL when a list has no such element. */
int gitlab_parse_ref(char **out, const struct http_response *response, enum gitlab_ref kind,
                     const char *name, const char *what, struct error **err);

/*
 * Decodes the file and checks it against its size and blob id. The base64 text is cut out of the
 * body before the rest is parsed, so that a large README is not copied over and over; the body is
 * emptied.
 */
int gitlab_parse_file(struct gitlab_file *out, struct http_response *response, const char *what,
                      struct error **err);
void gitlab_file_free(struct gitlab_file *file);

#define cleanup_gitlab_project cleanup(gitlab_project_free)
#define cleanup_gitlab_file    cleanup(gitlab_file_free)

/* Parses a body that must be JSON; an HTML page or anything else is ERROR_UNREACHABLE. */
int gitlab_parse_json(json_t **out, const struct http_response *response, const char *what,
                      struct error **err);

/* ---- gitlab_error.c: pure ---- */

/* GitLab's own words in an answer that is no success, one printable line; "" when there are none.
 * NULL with an error. */
char *gitlab_answer_text(const struct http_response *response, struct error **err);

/* " (GitLab request 01H...)" or "". */
void gitlab_request_id(const struct http_response *response, char *out, size_t size);

/* ---- gitlab_requests.c ---- */

int gitlab_start(struct gitlab *gitlab, struct error **err);
void gitlab_end(struct gitlab *gitlab);

#define cleanup_gitlab cleanup(gitlab_end)

struct gitlab_get {
    char *url; /* owned */
    size_t limit;
};

/* URLs. KEY is a project as it stands in a path: encoded path or number. NULL with an error. */
char *gitlab_project_url(const struct gitlab *gitlab, const char *key, struct error **err);
char *gitlab_ref_url(const struct gitlab *gitlab, const char *key, enum gitlab_ref kind,
                     const char *name, struct error **err);
char *gitlab_readme_url(const struct gitlab *gitlab, const char *key, const char *ref,
                        struct error **err);
char *gitlab_list_url(const struct gitlab *gitlab, const char *key, const char *list,
                      const char *search, struct error **err);
char *gitlab_search_url(const struct gitlab *gitlab, const char *text, bool namespaces, int page,
                        struct error **err);

/* Sends a batch and frees the URLs. Failures of single requests are in RESULTS. */
int gitlab_send(const struct gitlab *gitlab, struct gitlab_get *gets, size_t count,
                struct http_result *results, struct error **err);

/* Moves the error of a request that got no usable answer to *ERR. Always -1. */
int gitlab_take_failure(struct http_result *result, struct error **err);

/* ---- gitlab_find.c ---- */

/* The answers of one batch about one project. */
struct gitlab_lookup {
    char *key;
    struct http_result project;
    struct http_result ref;    /* only when has_ref */
    struct http_result readme; /* only when has_readme */
    bool has_ref;
    bool has_readme;
};

void gitlab_lookup_free(struct gitlab_lookup *lookup);

#define cleanup_gitlab_lookup cleanup(gitlab_lookup_free)

/*
 * Finds the first candidate that exists. PROJECT is filled when GitLab's API told about it; the
 * lookup has the other answers of the same batch. On failure *USE_GIT says whether Git's own
 * protocol may still work.
 */
int gitlab_find_project(struct gitlab *gitlab, const struct strings *candidates,
                        struct gitlab_lookup *lookup, struct gitlab_project *project,
                        struct strings *warnings, bool *use_git, struct error **err);

/* ---- gitlab_suggest.c ---- */

/* Makes the error of a branch or tag that is not there; asks once for names that are. Always -1. */
int gitlab_ref_missing(const struct gitlab *gitlab, const char *key, const char *path,
                       struct error **err);

/* Makes the error of projects that are not there; asks once for ones that are called alike. Always
 * -1. */
int gitlab_project_missing(const struct gitlab *gitlab, const struct strings *candidates,
                           struct error **err);

/* ---- gitlab_fallback.c ---- */

/*
 * Resolves by Git's smart HTTP what the API refused with REASON: refs from Git, README.md from the
 * files endpoint (which takes a read_repository token) or else from Git. On failure *ERR is REASON.
 */
int gitlab_resolve_by_git(struct model *out, struct gitlab *gitlab,
                          const struct strings *candidates, struct error *reason,
                          struct error **err);

/* ---- gitlab_card.c ---- */

/*
 * The file in an answer to gitlab_readme_url. PLACE names the commit or branch for messages.
 * README_NAME
 * ("" unknown) is how the project's README is called on its default branch.
 */
int gitlab_take_file(struct gitlab_file *out, struct http_result *result, const char *path,
                     const char *place, const char *readme_name, struct error **err);

/* Asks for README.md at model->commit and takes the card. */
int gitlab_read_card(struct model *model, const struct gitlab *gitlab, const char *key,
                     const char *readme_name, struct error **err);
