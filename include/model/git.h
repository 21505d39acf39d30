#pragma once

/*
 * Git without a git program: refs and README of any server through libgit2 over our own HTTP, a
 * local clone, and object ids. Sources: libgit2 git2/sys/transport.h; Git "HTTP transfer protocols"
 * (gitprotocol-http).
 */

#include "model/model.h"

enum { GIT_OBJECT_ID_SIZE = 65 };

/*
 * Starts and ends libgit2. Counted: calls nest. git_resolve, git_clone_read and gitlab_resolve's
 * fall-back do it themselves, so only a program that calls them often gains by holding it open.
 */
int git_library_start(struct error **err);
void git_library_stop(void);

/* "1.9.1". Needs no start. */
void git_library_version(char *out, size_t size);

/* Git's blob id (SHA-1, 40 hex digits and NUL) of the bytes: what `git hash-object` prints. Needs
 * no start of the library, cannot fail. */
void git_hash_blob(char out[GIT_OBJECT_ID_SIZE], const void *data, size_t length);

struct git_options {
    const char
        *url; /* https://host/path[.git]; http only when the caller allowed it by giving it */
    const char *username; /* NULL or "": "oauth2" (GitLab and GitHub ignore it beside a token) */
    const char *token;    /* secret; NULL or "": anonymous */
    const char *ca_pem;   /* PEM in place of the system's roots; NULL: system roots */
    bool skip_verification;
    int64_t request_timeout_ms;
};

/*
 * Resolves a ref of URL by the refs the server advertises (typed: refs/heads/, refs/tags/ peeled;
 * HEAD's symref for the default branch) and reads README.md at the commit by a fetch of that one
 * commit: shallow where libgit2 knows it (>= 1.7), with its history otherwise. The pack goes to a
 * temporary directory, in memory
 * (/dev/shm) where there is one, and is removed. With both overrides nothing is fetched. A commit
 * that no ref points to needs a server that allows it (uploadpack.allowReachableSHA1InWant, as
 * GitLab, GitHub and Gitea do), and the error says so; an abbreviated commit must be the tip of a
 * ref.
 *
 * With request->list_files the files of the commit that is fetched are listed in model->files;
 * where nothing is fetched it stays NULL.
 *
 * request->repository may be "": the path is then the URL's path. model->id is "".
 * The token goes to the URL's origin only; the first answer may redirect (never from https to
 * http), to another origin without the token. Errors: ERROR_PARAMETER (URL, commit), ERROR_MODEL
 * (ref, README, key), ERROR_UNREACHABLE (401, 403, TLS, DNS, no Git server), ERROR_DEADLINE,
 * ERROR_CANCELED. Limits: 16 MiB of refs, 64 MiB of objects, 10 MiB of README.
 */
int git_resolve(struct model *out, const struct model_request *request,
                const struct git_options *options, struct http_client *http,
                const struct deps *deps, int64_t deadline_ms, struct error **err);

/* What a local clone says (--model-dir). Text is owned and never NULL but README. */
struct git_clone {
    char *remote_url;   /* of the branch's remote, else origin, else the only one; without
                           credentials; "" when none */
    char *project_path; /* path of that URL without ".git"; scp-like "git@host:path" too; "" when
                           there is none */
    char *branch;       /* "" when HEAD is detached */
    char *commit;       /* HEAD */
    int changed_files;  /* modified, staged or deleted against HEAD */
    int untracked_files;
    int ahead;    /* commits of HEAD that the remote-tracking branch lacks; -1: unknown */
    char *readme; /* README.md at HEAD, or NULL */
    size_t readme_length;
};

/*
 * Reads the clone that DIRECTORY is in. Changes nothing. ERROR_PARAMETER when it is no clone, has
 * no commit, or is bare. Files are compared by size, time and content as `git status` does;
 * submodules and LFS filters are not looked into.
 */
int git_clone_read(struct git_clone *out, const char *directory, struct error **err);
void git_clone_free(struct git_clone *clone);

#define cleanup_git_clone cleanup(git_clone_free)
