#pragma once

/* The parts of the Git source. Only the files of this folder whose names begin with git_ see
 * libgit2's header. */

#include "model/git.h"
#include "model_internal.h"

#include <git2.h>

enum {
    GIT_REFS_LIMIT = 16 * 1024 * 1024,
    GIT_PACK_LIMIT = 64 * 1024 * 1024,
    GIT_README_LIMIT = 10 * 1024 * 1024,
    GIT_MOST_REDIRECTS = 3,
};

/* A conversation with one server. Borrowed but for the texts. */
struct git_session {
    struct http_client *http;
    const struct deps *deps;
    int64_t deadline_ms;
    int64_t request_timeout_ms;
    struct http_trust trust;
    char *authorization; /* secret; NULL: anonymous, or the server has sent us to another origin */
    char *url;           /* as given, without credentials */
    char *service;       /* what answered info/refs, without that: where the pack is asked for */
    uint64_t received;   /* bytes of packs */
    struct error *error; /* what went wrong inside a callback of libgit2 */
    struct model_files *files; /* gets the files of the commit that is fetched; NULL: not wanted */
};

int git_session_start(struct git_session *session, const struct git_options *options,
                      struct error **err);
void git_session_end(struct git_session *session);

#define cleanup_git_session cleanup(git_session_end)

/* ---- git_error.c ---- */

/* Makes the error of a failed libgit2 call: SESSION's own when a callback failed (SESSION may be
 * NULL), else libgit2's words behind WHAT. Always -1. */
int git_failure(struct error **err, enum error_kind kind, struct git_session *session,
                const char *what);

/* Makes the error of a Git server's HTTP answer. Always -1. */
int git_answer_error(struct error **err, const struct http_response *response, const char *url,
                     bool with_token);

/* ---- git_transport.c ---- */

/* For git_remote_callbacks.transport; the payload is the session. Nothing is registered globally.
 */
int git_transport_over_http(git_transport **out, git_remote *owner, void *payload);

/* ---- git_advertisement.c ---- */

/* GETs info/refs, following redirects as git_resolve says; sets session->service. BODY gets the
 * answer. */
int git_read_advertisement(struct buffer *body, struct git_session *session, struct error **err);

/* ---- git_refs.c ---- */

/* A ref of the server. */
struct git_target {
    char *ref;    /* full name for the fetch, or a whole commit id */
    char *branch; /* of the default branch or the one asked for; else "" */
    char *tag;    /* the one asked for; else "" */
    char *commit; /* 40 digits */
    bool is_tip;  /* some ref points to it */
};

void git_target_free(struct git_target *target);

#define cleanup_git_target cleanup(git_target_free)

/* Finds what REQUEST asks for among the refs of a connected remote. NAME is the server's name for
 * messages. */
int git_find_target(struct git_target *out, git_remote *remote, const struct model_request *request,
                    const char *name, struct error **err);

/* ---- git_fetch.c ---- */

/*
 * Connects, finds the target and, when README is not NULL, fetches its commit and reads README.md.
 * *README gets the bytes.
 */
int git_fetch_target(struct git_target *target, struct buffer *readme, struct git_session *session,
                     const struct model_request *request, struct error **err);

/* Appends README.md at the commit. ERROR_MODEL when it is not there. */
int git_read_readme(struct buffer *out, git_repository *repository, const git_oid *commit,
                    const char *name, struct error **err);

/* ---- git_files.c ---- */

/*
 * Adds the files at COMMIT, with sizes (of pointers of Git LFS: the object's), config.json and the
 * index of the weights. At most 5,000 files; what cannot be read is left out. -1 only without
 * memory.
 */
int git_list_files(struct model_files *out, git_repository *repository, const git_oid *commit,
                   struct error **err);

/* ---- git_directory.c ---- */

/* A new private directory: below $TMPDIR, /dev/shm or /tmp, whichever works first. NULL with an
 * error. */
char *git_directory_make(const struct deps *deps, struct error **err);

/* Removes it with everything in it, and frees PATH. */
void git_directory_remove(char *path);

/* ---- git_url.c ---- */

/* From any form Git knows (https, ssh, scp-like "git@host:path") to the URL without password and
 * the path without slashes at its ends and ".git". Both owned; "" when TEXT is a local path. */
int git_url_split(char **url, char **path, const char *text, struct error **err);

/* ---- git.c ---- */

/* An empty model filled from a target: path, ref, commit, URLs, storage URI; id stays "". */
int git_fill_model(struct model *model, const struct git_target *target, const char *path,
                   const char *url, struct error **err);
