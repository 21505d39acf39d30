#pragma once

/*
 * The files of a commit as GitLab has them: names, sizes, whether the objects of Git LFS are there,
 * and the small configuration files that say what the model needs. Sources: GitLab docs
 * api/repositories.md (tree), api/graphql/reference (RepositoryBlob.rawSize, lfsOid),
 * api/repository_files.md (raw); git-lfs docs/api/batch.md; GitLab
 * app/controllers/repositories/lfs_api_controller.rb.
 */

#include "model/files.h"
#include "model/gitlab.h"

/*
 * Reads the files of MODEL (resolved by gitlab_resolve; only path, id and commit are used) in three
 * rounds that depend on each other: the tree; sizes (GraphQL, 50 names a query, in parallel) beside
 * config.json, tokenizer_config.json and the index of the weights; the LFS batch (100 objects a
 * request, in parallel), which says of each object whether the server has it. Where GraphQL is
 * refused or fails, the pointers of the weights are read instead.
 *
 * What cannot be read is no error: it stays unknown and OUT->unknown says why. Errors are
 * ERROR_CANCELED, ERROR_DEADLINE and lack of memory only. Requests carry the token to the base
 * URL's origin only and follow no redirect. Limits: 2,000 files listed (100 a page), sizes of 1,000
 * of them (weights first), 64 pointers, 1,000 LFS objects; 1 MiB of config.json, 4 MiB of
 * tokenizer_config.json, 16 MiB of index; two attempts a request.
 */
int gitlab_read_files(struct model_files *out, const struct model *model,
                      const struct gitlab_options *options, struct http_client *http,
                      const struct deps *deps, int64_t deadline_ms, struct error **err);
