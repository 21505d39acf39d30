#pragma once

/* The parts of the reading of a commit's files: rounds of requests, pure readers of their answers.
 */

#include "gitlab_internal.h"
#include "model/gitlab_files.h"

enum {
    FILES_PAGE = 100, /* rows of the tree in one answer (GitLab's most) */
    FILES_PAGES = 10,
    FILES_TOP_PAGES = 3,
    FILES_SIZES = 50, /* names in one GraphQL query: 250 points of complexity are allowed */
    FILES_SIZED = 400,
    FILES_POINTERS = 64,
    FILES_OBJECTS = 100, /* objects in one LFS batch, as git-lfs sends them */
    FILES_OBJECTS_MOST = FILES_SIZED,
    FILES_AT_ONCE = 16, /* requests of one round */
    FILES_CONFIG_LIMIT = 1024 * 1024,
    FILES_TOKENIZER_LIMIT = 4 * 1024 * 1024,
    FILES_INDEX_LIMIT = 16 * 1024 * 1024,
    FILES_TREE_LIMIT = 1024 * 1024,
    FILES_ANSWER_LIMIT = 1024 * 1024,
    FILES_POINTER_LIMIT = 1024,
};

/* ---- gitlab_files_round.c ---- */

enum files_purpose {
    FILES_FOR_TREE,
    FILES_FOR_CONFIG,
    FILES_FOR_TOKENIZER,
    FILES_FOR_INDEX,
    FILES_FOR_SIZES,
    FILES_FOR_POINTER,
    FILES_FOR_OBJECTS,
    FILES_FOR_BEGINNING, /* the first bytes of an object of Git LFS */
    FILES_FOR_ELSEWHERE, /* the same from an object storage, which has rights of its own */
};

/* Requests that are sent together. */
struct files_round {
    struct http_request requests[FILES_AT_ONCE];
    struct http_result results[FILES_AT_ONCE];
    enum files_purpose purposes[FILES_AT_ONCE];
    char *names[FILES_AT_ONCE]; /* path of the file in question, or NULL; owned */
    char *urls[FILES_AT_ONCE];
    char *bodies[FILES_AT_ONCE];
    size_t count;
    struct http_batch *batch; /* NULL: not sent */
};

/* Where to send, and with which rights. Borrowed. */
struct files_server {
    const struct http_trust *trust;
    const char *authorization; /* for the API; secret; NULL: anonymous */
    const char *basic;         /* for Git LFS; secret; NULL: anonymous */
    int64_t timeout_ms;
    const char *name; /* "GitLab" */
};

struct files_ask {
    enum files_purpose purpose;
    char *url;        /* taken over; NULL is a lack of memory */
    char *body;       /* taken over; NULL: GET */
    const char *name; /* path of the file, or NULL */
    size_t limit;     /* of the answer's body */
};

/* Adds a request; does nothing when the round is full. */
int files_round_ask(struct files_round *round, const struct files_server *server,
                    const struct files_ask *ask, struct error **err);
int files_round_send(struct files_round *round, struct http_client *http, int64_t deadline_ms,
                     struct error **err);

/* Ends it and frees everything. */
void files_round_clear(struct files_round *round);

/* What an answer is about, for people. */
const char *files_purpose_text(enum files_purpose purpose);

/* ---- gitlab_files.c ---- */

/* What is asked for next; each waits for the answers of the one before. */
enum phase {
    PHASE_TREE,      /* all files, a page at a time */
    PHASE_TOP,       /* there are too many: those at the top, where the weights are */
    PHASE_SIZES,     /* sizes, and the texts that say what the model needs */
    PHASE_GUESS,     /* no list may be read: files that models usually have */
    PHASE_POINTERS,  /* sizes that nobody told, from the pointers of the weights */
    PHASE_OBJECTS,   /* does Git LFS have them? */
    PHASE_BEGINNING, /* what a GGUF file says of itself, where no config.json does */
    PHASE_ELSEWHERE, /* the same where GitLab sent us */
    PHASE_END,
};

struct gitlab_files {
    struct gitlab gitlab;
    struct model_request request;
    const struct model *model;
    struct files_server server;
    char *key;   /* of the project in a path */
    char *basic; /* secret: for Git LFS */
    char *lfs;   /* where Git LFS is asked */
    struct model_files files;
    struct files_round round;
    enum phase phase;
    int pages;
    char page_token[512];
    size_t pointers; /* asked for so far */
    size_t objects;
    char *elsewhere; /* a signed URL of an object storage; or NULL */
    bool late;       /* the time is up */
};

/* ---- gitlab_files_ask.c ---- */

/* Adds the requests of the phase; none: there is nothing to ask for. */
int files_fill_round(struct gitlab_files *reading, struct error **err);

/* ---- gitlab_files_answers.c: pure ---- */

/* Adds the files of a page of the tree that are not known yet (folders and submodules are left
 * out). */
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

/* Takes a blob that may be a pointer of Git LFS. */
void files_take_pointer(struct model_file *file, const struct http_response *response);

/* Body of the LFS batch for COUNT files. NULL with an error. */
char *files_batch_body(const struct model_file *const *files, size_t count, struct error **err);

/* Takes which objects are there and which are not. */
int files_take_batch(struct model_files *files, const struct http_response *response,
                     struct error **err);
