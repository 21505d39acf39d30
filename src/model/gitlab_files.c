#include "gitlab_files_internal.h"

#include "base/base64.h"
#include "base/text.h"

#include <string.h>

/* What cannot be learnt soon stays unknown: a deploy does not wait long for it. */
static const struct retry_policy two_attempts = {
    .attempts = 2,
    .first_ms = 200,
    .longest_ms = 3000,
    .idempotent = true,
};

static const char *const accept_json[] = {"Accept: application/json", NULL};
static const char *const accept_lfs[] = {"Accept: application/vnd.git-lfs+json", NULL};

enum purpose { CONFIG, TOKENIZER, INDEX, SIZES, POINTER, OBJECTS };

/* The requests of one round. */
struct round {
    struct http_request requests[FILES_AT_ONCE];
    struct http_result results[FILES_AT_ONCE];
    enum purpose purposes[FILES_AT_ONCE];
    struct model_file *pointers[FILES_AT_ONCE]; /* for POINTER */
    char *urls[FILES_AT_ONCE];
    char *bodies[FILES_AT_ONCE];
    size_t count;
};

struct reader {
    struct gitlab gitlab;
    struct model_request request;
    const struct model *model;
    struct model_files *files;
    char *key;   /* of the project in a path */
    char *basic; /* secret: for Git LFS */
};

static void reader_free(struct reader *reader) {
    gitlab_end(&reader->gitlab);
    free(reader->key);
    secret_free(reader->basic);
}

static void round_free(struct round *round) {
    for (size_t i = 0; i < round->count; i++) {
        http_result_free(&round->results[i]);
        free(round->urls[i]);
        free(round->bodies[i]);
    }
    *round = (struct round){.count = 0};
}

/* ---- sending ---- */

/* Takes over URL and BODY (NULL: GET); a NULL URL is a lack of memory. Nothing when it is full. */
static int ask(struct round *round, const struct reader *reader, enum purpose purpose, char *url,
               char *body, size_t limit, struct error **err) {
    if (url == NULL || round->count >= FILES_AT_ONCE) {
        free(url);
        free(body);
        return url == NULL ? error_no_memory(err) : 0;
    }
    size_t i = round->count++;
    bool lfs = purpose == OBJECTS;
    round->purposes[i] = purpose;
    round->urls[i] = url;
    round->bodies[i] = body;
    round->requests[i] = (struct http_request){
        .method = body != NULL ? "POST" : "GET",
        .url = url,
        .headers = lfs ? accept_lfs : accept_json,
        .authorization = lfs ? reader->basic : reader->gitlab.authorization,
        .content_type = body == NULL ? NULL
                        : lfs        ? "application/vnd.git-lfs+json"
                                     : "application/json",
        .body = body,
        .body_length = body != NULL ? strlen(body) : 0,
        .trust = &reader->gitlab.trust,
        .body_limit = limit,
        .timeout_ms = reader->gitlab.options->request_timeout_ms,
        .retry = &two_attempts,
        .server = "GitLab",
    };
    return 0;
}

static int send_round(struct round *round, const struct reader *reader, struct error **err) {
    if (round->count == 0)
        return 0;
    if (http_send(reader->gitlab.http, round->requests, round->count, round->results,
                  reader->gitlab.deadline_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < round->count; i++) {
        struct error *error = round->results[i].error;
        if (error != NULL && (error->kind == ERROR_CANCELED || error->kind == ERROR_DEADLINE))
            return error_take(err, steal_pointer(round->results[i].error));
    }
    return 0;
}

/* The answer's own failure as text into OUT->unknown, once a cause. -1 only without memory. */
static int note_failure(struct model_files *files, const struct error *failure,
                        struct error **err) {
    if (failure == NULL || strings_contain(&files->unknown, failure->message))
        return 0;
    return strings_add(&files->unknown, failure->message, err);
}

/* True for an answer that can be read; else the reason is noted. */
static bool is_good(struct model_files *files, const struct http_result *result, const char *what,
                    int *status, struct error **err) {
    *status = 0;
    if (result->error != NULL) {
        *status = note_failure(files, result->error, err);
        return false;
    }
    if (result->response.status == 200)
        return true;
    struct error *failure = NULL;
    gitlab_status_error(&failure, &result->response, what);
    *status = note_failure(files, failure, err);
    error_free(failure);
    return false;
}

/* A failure to understand an answer is noted; a lack of memory is one. */
static int settle(struct model_files *files, int result, struct error *failure,
                  struct error **err) {
    if (result == 0)
        return 0;
    if (failure == NULL || failure->kind == ERROR_INTERNAL)
        return error_take(err, failure);
    int noted = note_failure(files, failure, err);
    error_free(failure);
    return noted;
}

/* ---- the tree ---- */

static char *tree_url(const struct reader *reader, const char *page_token, struct error **err) {
    return text_format(err,
                       "%s/api/v4/projects/%s/repository/tree?ref=%s&recursive=true&per_page=%d"
                       "&pagination=keyset%s%s",
                       reader->gitlab.base, reader->key, reader->model->commit, FILES_PAGE,
                       page_token[0] != '\0' ? "&page_token=" : "", page_token);
}

/* 1: the tree is known (at least in part), 0: it is not and the reason is noted. */
static int read_tree(struct reader *reader, struct error **err) {
    char token[512] = "";
    for (int page = 0; page < FILES_PAGES; page++) {
        struct round round = {.count = 0};
        int status =
            ask(&round, reader, CONFIG, tree_url(reader, token, err), NULL, FILES_TREE_LIMIT, err);
        if (status == 0)
            status = send_round(&round, reader, err);
        bool good = status == 0 &&
                    is_good(reader->files, &round.results[0], "the list of files", &status, err);
        bool more = false;
        if (good) {
            struct error *failure = NULL;
            int taken = files_take_tree(reader->files, &round.results[0].response, &failure);
            good = taken == 0;
            status = settle(reader->files, taken, failure, err);
            more = good && files_next_page(&round.results[0].response, token, sizeof(token));
        }
        round_free(&round);
        if (status < 0)
            return -1;
        if (!good) {
            reader->files->truncated = true;
            return page > 0 ? 1 : 0;
        }
        if (!more)
            return 1;
    }
    reader->files->truncated = true;
    return 1;
}

/* ---- sizes and configuration ---- */

static char *raw_url(const struct reader *reader, const char *path, struct error **err) {
    cleanup_free char *encoded = text_percent_encode(path, err);
    return encoded != NULL
               ? text_format(err, "%s/api/v4/projects/%s/repository/files/%s/raw?ref=%s",
                             reader->gitlab.base, reader->key, encoded, reader->model->commit)
               : NULL;
}

static int ask_for_file(struct round *round, const struct reader *reader, enum purpose purpose,
                        const char *path, size_t limit, struct error **err) {
    if (model_files_find(reader->files, path) == NULL)
        return 0;
    return ask(round, reader, purpose, raw_url(reader, path, err), NULL, limit, err);
}

static int ask_for_index(struct round *round, struct reader *reader, struct error **err) {
    static const char *const names[] = {"model.safetensors.index.json",
                                        "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < array_length(names); i++) {
        if (model_files_find(reader->files, names[i]) == NULL)
            continue;
        reader->files->index_path = text_copy(names[i], err);
        if (reader->files->index_path == NULL)
            return -1;
        return ask_for_file(round, reader, INDEX, names[i], FILES_INDEX_LIMIT, err);
    }
    return 0;
}

/* Files in the order in which their sizes matter: weights first. Owned array of COUNT pointers. */
static const struct model_file **by_weight(const struct model_files *files, size_t *count) {
    const struct model_file **order = calloc(files->count + 1, sizeof(*order));
    size_t filled = 0;
    for (int pass = 0; pass < 2 && order != NULL; pass++)
        for (size_t i = 0; i < files->count; i++)
            if (model_file_is_weights(files->items[i].path) == (pass == 0))
                order[filled++] = &files->items[i];
    *count = filled;
    return order;
}

static int ask_for_sizes(struct round *round, const struct reader *reader, struct error **err) {
    size_t count = 0;
    const struct model_file **order = by_weight(reader->files, &count);
    if (order == NULL)
        return error_no_memory(err);
    if (count > FILES_SIZED)
        count = FILES_SIZED;
    int result = 0;
    for (size_t start = 0; start < count && result == 0; start += FILES_SIZES) {
        size_t some = count - start < FILES_SIZES ? count - start : FILES_SIZES;
        char *body = files_size_query(reader->model, order + start, some, err);
        if (body == NULL)
            result = -1;
        else
            result =
                ask(round, reader, SIZES, text_format(err, "%s/api/graphql", reader->gitlab.base),
                    body, FILES_ANSWER_LIMIT, err);
    }
    free(order);
    return result;
}

static int take_text(char **out, struct http_response *response, struct error **err) {
    /* libcurl's answer may hold any byte; JSON may not hold NUL */
    char *text = text_copy_bytes(buffer_text(&response->body), response->body.length, err);
    if (text == NULL)
        return -1;
    free(*out);
    *out = text;
    return 0;
}

static int take_answer(struct reader *reader, struct round *round, size_t i, bool *no_sizes,
                       struct error **err) {
    struct model_files *files = reader->files;
    struct http_response *response = &round->results[i].response;
    static const char *const names[] = {
        [CONFIG] = "config.json",           [TOKENIZER] = "tokenizer_config.json",
        [INDEX] = "the index of weights",   [SIZES] = "the sizes of the files",
        [POINTER] = "a pointer of Git LFS", [OBJECTS] = "the objects of Git LFS",
    };
    int status = 0;
    if (!is_good(files, &round->results[i], names[round->purposes[i]], &status, err)) {
        *no_sizes |= round->purposes[i] == SIZES;
        return status;
    }
    struct error *failure = NULL;
    int result = 0;
    switch (round->purposes[i]) {
    case CONFIG:
        return take_text(&files->config, response, err);
    case TOKENIZER:
        return take_text(&files->tokenizer_config, response, err);
    case INDEX:
        files->index_length = response->body.length;
        return take_text(&files->index, response, err);
    case SIZES:
        result = files_take_sizes(files, response, &failure);
        *no_sizes |= result < 0;
        break;
    case OBJECTS:
        result = files_take_batch(files, response, &failure);
        break;
    case POINTER:
        break;
    }
    return settle(files, result, failure, err);
}

static int send_and_take(struct reader *reader, struct round *round, bool *no_sizes,
                         struct error **err) {
    int result = send_round(round, reader, err);
    for (size_t i = 0; i < round->count && result == 0; i++)
        result = take_answer(reader, round, i, no_sizes, err);
    return result;
}

/* ---- pointers, where GraphQL does not tell ---- */

static void take_pointer(struct model_file *file, const struct http_result *result) {
    int64_t size = 0;
    char oid[65];
    if (result->error != NULL || result->response.status != 200)
        return;
    const struct buffer *body = &result->response.body;
    if (model_read_pointer(oid, &size, buffer_text(body), body->length)) {
        memcpy(file->oid, oid, sizeof(oid));
        file->object = MODEL_OBJECT_UNKNOWN;
        file->size = size;
    } else {
        file->size = (int64_t)body->length;
    }
}

static int read_some_pointers(struct reader *reader, size_t *at, size_t *asked,
                              struct error **err) {
    struct round round = {.count = 0};
    int result = 0;
    for (; *at < reader->files->count && round.count < FILES_AT_ONCE && *asked < FILES_POINTERS &&
           result == 0;
         (*at)++) {
        struct model_file *file = &reader->files->items[*at];
        if (file->size >= 0 || !model_file_is_weights(file->path) || file->blob[0] == '\0')
            continue;
        round.pointers[round.count] = file;
        char *url = text_format(err, "%s/api/v4/projects/%s/repository/blobs/%s/raw",
                                reader->gitlab.base, reader->key, file->blob);
        result = ask(&round, reader, POINTER, url, NULL, FILES_POINTER_LIMIT, err);
        (*asked)++;
    }
    if (result == 0)
        result = send_round(&round, reader, err);
    for (size_t i = 0; i < round.count && result == 0; i++)
        take_pointer(round.pointers[i], &round.results[i]);
    round_free(&round);
    return result;
}

static int read_pointers(struct reader *reader, struct error **err) {
    size_t at = 0;
    size_t asked = 0;
    while (at < reader->files->count && asked < FILES_POINTERS)
        if (read_some_pointers(reader, &at, &asked, err) < 0)
            return -1;
    return 0;
}

/* ---- Git LFS ---- */

static int set_basic(struct reader *reader, struct error **err) {
    const struct gitlab_options *options = reader->gitlab.options;
    if (text_is_empty(options->token))
        return 0;
    const char *user = text_is_empty(options->username) ? "oauth2" : options->username;
    cleanup_secret char *plain = text_format(err, "%s:%s", user, options->token);
    if (plain == NULL)
        return -1;
    struct buffer value = BUFFER_INIT(16 * 1024);
    value.secret = true;
    if (buffer_append_text(&value, "Basic ") == 0)
        (void)base64_encode(&value, plain, strlen(plain));
    reader->basic = buffer_steal(&value, "the login for Git LFS", err);
    buffer_free(&value);
    return reader->basic != NULL ? 0 : -1;
}

static int ask_for_objects(struct round *round, const struct reader *reader, struct error **err) {
    const struct model_file *some[FILES_OBJECTS];
    size_t count = 0;
    size_t all = 0;
    for (size_t i = 0; i <= reader->files->count; i++) {
        bool end = i == reader->files->count || all == FILES_OBJECTS_MOST;
        if (!end && reader->files->items[i].object == MODEL_OBJECT_UNKNOWN) {
            some[count++] = &reader->files->items[i];
            all++;
        }
        if (count == FILES_OBJECTS || (end && count > 0)) {
            char *body = files_batch_body(some, count, err);
            if (body == NULL)
                return -1;
            char *url = text_format(err, "%s/%s.git/info/lfs/objects/batch", reader->gitlab.base,
                                    reader->model->path);
            if (ask(round, reader, OBJECTS, url, body, FILES_ANSWER_LIMIT, err) < 0)
                return -1;
            count = 0;
        }
        if (end)
            break;
    }
    return 0;
}

static int read_objects(struct reader *reader, struct error **err) {
    struct round round = {.count = 0};
    bool unused = false;
    int result = set_basic(reader, err);
    if (result == 0)
        result = ask_for_objects(&round, reader, err);
    if (result == 0)
        result = send_and_take(reader, &round, &unused, err);
    round_free(&round);
    return result;
}

/* ---- all of it ---- */

static int read_sizes_and_configuration(struct reader *reader, struct error **err) {
    struct round round = {.count = 0};
    bool no_sizes = false;
    int result = ask_for_file(&round, reader, CONFIG, "config.json", FILES_CONFIG_LIMIT, err);
    if (result == 0)
        result = ask_for_file(&round, reader, TOKENIZER, "tokenizer_config.json",
                              FILES_TOKENIZER_LIMIT, err);
    if (result == 0)
        result = ask_for_index(&round, reader, err);
    if (result == 0)
        result = ask_for_sizes(&round, reader, err);
    if (result == 0)
        result = send_and_take(reader, &round, &no_sizes, err);
    round_free(&round);
    if (result == 0 && no_sizes)
        result = read_pointers(reader, err);
    return result;
}

static int read_all(struct reader *reader, struct error **err) {
    if (gitlab_start(&reader->gitlab, err) < 0)
        return -1;
    bool by_id = !text_is_empty(reader->model->id);
    reader->key =
        by_id ? text_copy(reader->model->id, err) : text_percent_encode(reader->model->path, err);
    if (reader->key == NULL)
        return -1;
    int known = read_tree(reader, err);
    if (known <= 0)
        return known;
    if (read_sizes_and_configuration(reader, err) < 0)
        return -1;
    return read_objects(reader, err);
}

int gitlab_read_files(struct model_files *out, const struct model *model,
                      const struct gitlab_options *options, struct http_client *http,
                      const struct deps *deps, int64_t deadline_ms, struct error **err) {
    cleanup_model_files struct model_files files = {.items = NULL};
    struct reader reader = {.model = model, .files = &files};
    reader.request = (struct model_request){.repository = model->path,
                                            .namespace_ = "",
                                            .branch = "",
                                            .tag = "",
                                            .commit = model->commit,
                                            .pipeline_tag = "",
                                            .library_name = ""};
    reader.gitlab = (struct gitlab){.request = &reader.request,
                                    .options = options,
                                    .http = http,
                                    .deps = deps,
                                    .deadline_ms = deadline_ms};
    int result = read_all(&reader, err);
    reader_free(&reader);
    if (result < 0) {
        model_clean_error(err, options->token);
        return -1;
    }
    for (size_t i = 0; i < files.unknown.count; i++)
        text_make_printable(files.unknown.items[i]);
    *out = files;
    files = (struct model_files){.items = NULL};
    return 0;
}
