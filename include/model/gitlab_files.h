#pragma once

/*
 * The files of a commit as the server has them: names, sizes, whether the objects of Git LFS are
 * there, and the small configuration files that say what the model needs. Sources: GitLab docs
 * api/repositories.md (tree), api/graphql/reference (RepositoryBlob.rawSize, lfsOid),
 * api/repository_files.md (raw); git-lfs docs/api/batch.md and docs/api/server-discovery.md; GitLab
 * app/controllers/repositories/lfs_api_controller.rb.
 *
 * It runs in the background of an HTTP client, step by step, so that a deploy need not wait for it.
 */

#include "model/files.h"
#include "model/gitlab.h"

struct gitlab_files;

/*
 * Begins to read the files of MODEL (resolved; its path, id, commit and git_url are used and, like
 * OPTIONS, must live until the end; OPTIONS->base_url may be "" when MODEL->files is set). Rounds
 * that depend on each other: the tree; sizes (GraphQL, 50 names a query, in parallel) beside
 * config.json, tokenizer_config.json and the index of the weights; the LFS batch (100 objects a
 * request, in parallel), which says of each object whether the server has it. Where GraphQL is
 * refused or fails, the pointers of the weights are read instead. Where even the tree is refused (a
 * token with read_repository alone), the index and the usual names say which weights there are.
 * Of a GGUF model without config.json the first 64 KiB are read, from an object storage too when
 * GitLab names one (without the token).
 *
 * MODEL->files, when a Git server's commit was read already, is taken over: then only Git LFS is
 * asked, at MODEL->git_url.
 *
 * What cannot be read is no error: it stays unknown, and model_files.unknown says why. Requests
 * carry the token to one origin only and follow no redirect but that one. Limits: 1,300 files (10
 * pages of the tree; when there are more, 3 pages of its top, where weights are), sizes and objects
 * of 400 of them (weights first), 64 pointers; so at most 13 requests for names, 8 for sizes, 5 for
 * texts, 64 for pointers 4 to Git LFS and 2 for a GGUF file (96 in all), 16 at once, however large
 * the repository is; for most models it is 5 or 6 in three rounds. 1 MiB of config.json, 4 MiB of
 * tokenizer_config.json, 16 MiB of index (freed at once), 1 MiB of every other answer; two attempts
 * a request. At DEADLINE_MS (monotonic) the rest stays unknown.
 */
int gitlab_files_start(struct gitlab_files **out, struct model *model,
                       const struct gitlab_options *options, struct http_client *http,
                       const struct deps *deps, int64_t deadline_ms, struct error **err);

/*
 * Takes the answers that came and asks on. 1: all is read; 0: answers are awaited, call again when
 * the client's loop had something to do (http_wait); -1: without memory. Never waits itself.
 */
int gitlab_files_step(struct gitlab_files *reading, struct error **err);

/* What was read so far; borrowed. */
struct model_files *gitlab_files_result(struct gitlab_files *reading);

/* Gives up what is under way. Must come before the HTTP client's end. NULL is fine. */
void gitlab_files_free(struct gitlab_files *reading);

static inline void gitlab_files_free_pointer(struct gitlab_files **reading) {
    gitlab_files_free(*reading);
    *reading = NULL;
}

#define cleanup_gitlab_files cleanup(gitlab_files_free_pointer)
