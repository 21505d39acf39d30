#pragma once

/* The parts of gitlab_read_files. */

#include "gitlab_internal.h"
#include "model/gitlab_files.h"

enum {
    FILES_PAGE = 100, /* rows of the tree in one answer (GitLab's most) */
    FILES_PAGES = 20,
    FILES_SIZES = 50, /* names in one GraphQL query: 250 points of complexity are allowed */
    FILES_SIZED = 1000,
    FILES_POINTERS = 64,
    FILES_OBJECTS = 100, /* objects in one LFS batch, as git-lfs sends them */
    FILES_OBJECTS_MOST = 1000,
    FILES_AT_ONCE = 24, /* requests of one round */
    FILES_CONFIG_LIMIT = 1024 * 1024,
    FILES_TOKENIZER_LIMIT = 4 * 1024 * 1024,
    FILES_INDEX_LIMIT = 16 * 1024 * 1024,
    FILES_TREE_LIMIT = 1024 * 1024,
    FILES_ANSWER_LIMIT = 1024 * 1024,
    FILES_POINTER_LIMIT = 1024,
};

/* ---- gitlab_files_answers.c: pure ---- */

/* Adds the files of a page of the tree (folders and submodules are left out). */
int files_take_tree(struct model_files *files, const struct http_response *response,
                    struct error **err);

/* "page_token" of the next page in a Link header; false when this is the last. */
bool files_next_page(const struct http_response *response, char *token, size_t size);

/* Body of the GraphQL query for the sizes of COUNT files. NULL with an error. */
char *files_size_query(const struct model *model, const struct model_file *const *files,
                       size_t count, struct error **err);

/* Takes sizes and LFS ids; ERROR_MODEL or ERROR_UNREACHABLE when the answer has none. */
int files_take_sizes(struct model_files *files, const struct http_response *response,
                     struct error **err);

/* Body of the LFS batch for COUNT files. NULL with an error. */
char *files_batch_body(const struct model_file *const *files, size_t count, struct error **err);

/* Takes which objects are there and which are not. */
int files_take_batch(struct model_files *files, const struct http_response *response,
                     struct error **err);
