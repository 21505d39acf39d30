#include "gitlab_files_internal.h"

#include "base/base64.h"
#include "base/text.h"
#include "model/gguf.h"

#include <string.h>

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

/* The paths that models have without any list; the weights are those of a model in one file. */
static const char *const usual_indices[] = {"model.safetensors.index.json",
                                            "pytorch_model.bin.index.json"};
static const char usual_weights[] = "model.safetensors";

/* ---- failures ---- */

/* A failure as text into the list of what is unknown, once a cause. -1 only without memory. */
static int note_failure(struct gitlab_files *reading, struct error **failure, struct error **err) {
    if (*failure == NULL)
        return 0;
    model_clean_error(failure, reading->gitlab.options->token);
    struct strings *unknown = &reading->files.unknown;
    const char *message = (*failure)->message;
    const char *hint = (*failure)->http_status == 403 ? (*failure)->hint : NULL;
    int result = 0;
    if (!strings_contain(unknown, message))
        result = hint != NULL ? strings_add_format(unknown, err, "%s. %s", message, hint)
                              : strings_add(unknown, message, err);
    error_free(*failure);
    *failure = NULL;
    return result;
}

/* A failure to understand an answer is noted; a lack of memory is one. */
static int settle(struct gitlab_files *reading, int result, struct error *failure,
                  struct error **err) {
    if (result == 0)
        return 0;
    if (failure == NULL || failure->kind == ERROR_INTERNAL)
        return error_take(err, failure);
    return note_failure(reading, &failure, err);
}

/* 1 for an answer that can be read, 0 when there is none and the reason is noted. */
static int has_answer(struct gitlab_files *reading, size_t i, struct error **err) {
    struct http_result *result = &reading->round.results[i];
    struct error *failure = NULL;
    if (result->error != NULL) {
        reading->late |= result->error->kind == ERROR_DEADLINE;
        failure = steal_pointer(result->error);
    } else if (result->response.status == 200) {
        return 1;
    } else {
        gitlab_status_error(&failure, &result->response,
                            files_purpose_text(reading->round.purposes[i]));
    }
    return note_failure(reading, &failure, err);
}

static bool is_absent(const struct http_result *result) {
    return result->error == NULL && result->response.status == 404;
}

/* ---- asking ---- */

static int ask(struct gitlab_files *reading, const struct files_ask *ask, struct error **err) {
    return files_round_ask(&reading->round, &reading->server, ask, err);
}

static int ask_for_tree(struct gitlab_files *reading, bool recursive, struct error **err) {
    const char *token = reading->page_token;
    return ask(reading,
               &(struct files_ask){
                   .purpose = FILES_FOR_TREE,
                   .url = text_format(err,
                                      "%s/api/v4/projects/%s/repository/tree?ref=%s%s&per_page=%d"
                                      "&pagination=keyset%s%s",
                                      reading->gitlab.base, reading->key, reading->model->commit,
                                      recursive ? "&recursive=true" : "", FILES_PAGE,
                                      token[0] != '\0' ? "&page_token=" : "", token),
                   .limit = FILES_TREE_LIMIT},
               err);
}

/* The text of a file as Git has it: of a file in LFS its pointer. */
static int ask_for_text(struct gitlab_files *reading, enum files_purpose purpose, const char *path,
                        size_t limit, struct error **err) {
    cleanup_free char *encoded = text_percent_encode(path, err);
    if (encoded == NULL)
        return -1;
    return ask(reading,
               &(struct files_ask){.purpose = purpose,
                                   .url = text_format(err,
                                                      "%s/api/v4/projects/%s/repository/files/%s/"
                                                      "raw?ref=%s",
                                                      reading->gitlab.base, reading->key, encoded,
                                                      reading->model->commit),
                                   .name = path,
                                   .limit = limit},
               err);
}

static int ask_for_configuration(struct gitlab_files *reading, bool blindly, struct error **err) {
    const struct {
        enum files_purpose purpose;
        const char *path;
        size_t limit;
    } texts[] = {
        {FILES_FOR_CONFIG, "config.json", FILES_CONFIG_LIMIT},
        {FILES_FOR_TOKENIZER, "tokenizer_config.json", FILES_TOKENIZER_LIMIT},
        {FILES_FOR_INDEX, usual_indices[0], FILES_INDEX_LIMIT},
        {FILES_FOR_INDEX, usual_indices[1], FILES_INDEX_LIMIT},
    };
    bool has_index = false;
    for (size_t i = 0; i < array_length(texts); i++) {
        bool index = texts[i].purpose == FILES_FOR_INDEX;
        if (!blindly &&
            (model_files_find(&reading->files, texts[i].path) == NULL || (index && has_index)))
            continue;
        has_index |= index;
        if (ask_for_text(reading, texts[i].purpose, texts[i].path, texts[i].limit, err) < 0)
            return -1;
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

static int ask_for_sizes(struct gitlab_files *reading, struct error **err) {
    size_t count = 0;
    const struct model_file **order = by_weight(&reading->files, &count);
    if (order == NULL)
        return error_no_memory(err);
    if (count > FILES_SIZED)
        count = FILES_SIZED;
    int result = 0;
    for (size_t start = 0; start < count && result == 0; start += FILES_SIZES) {
        size_t some = count - start < FILES_SIZES ? count - start : FILES_SIZES;
        char *body = files_size_query(reading->model, order + start, some, err);
        result = body == NULL ? -1
                              : ask(reading,
                                    &(struct files_ask){.purpose = FILES_FOR_SIZES,
                                                        .url = text_format(err, "%s/api/graphql",
                                                                           reading->gitlab.base),
                                                        .body = body,
                                                        .limit = FILES_ANSWER_LIMIT},
                                    err);
    }
    free(order);
    return result;
}

static int ask_for_pointers(struct gitlab_files *reading, struct error **err) {
    for (size_t i = 0; i < reading->files.count && reading->pointers < FILES_POINTERS &&
                       reading->round.count < FILES_AT_ONCE;
         i++) {
        struct model_file *file = &reading->files.items[i];
        if (file->size >= 0 || file->asked || !model_file_is_weights(file->path))
            continue;
        file->asked = true;
        reading->pointers++;
        if (ask_for_text(reading, FILES_FOR_POINTER, file->path, FILES_POINTER_LIMIT, err) < 0)
            return -1;
    }
    return 0;
}

static int ask_for_some_objects(struct gitlab_files *reading, const struct model_file *const *some,
                                size_t count, struct error **err) {
    char *body = files_batch_body(some, count, err);
    if (body == NULL)
        return -1;
    return ask(reading,
               &(struct files_ask){.purpose = FILES_FOR_OBJECTS,
                                   .url = text_copy(reading->lfs, err),
                                   .body = body,
                                   .limit = FILES_ANSWER_LIMIT},
               err);
}

static int ask_for_objects(struct gitlab_files *reading, struct error **err) {
    const struct model_file *some[FILES_OBJECTS];
    size_t count = 0;
    for (size_t i = 0; i < reading->files.count && reading->objects < FILES_OBJECTS_MOST; i++) {
        if (reading->files.items[i].object != MODEL_OBJECT_UNKNOWN)
            continue;
        some[count++] = &reading->files.items[i];
        reading->objects++;
        if (count < FILES_OBJECTS)
            continue;
        if (ask_for_some_objects(reading, some, count, err) < 0)
            return -1;
        count = 0;
    }
    return count > 0 ? ask_for_some_objects(reading, some, count, err) : 0;
}

/* GitLab's raw endpoint with lfs=true serves the object itself, Range too. */
static int ask_for_beginning(struct gitlab_files *reading, struct error **err) {
    const struct model_file *file = model_files_gguf(&reading->files);
    if (file == NULL || reading->files.config != NULL || reading->gitlab.base == NULL ||
        file->object == MODEL_OBJECT_MISSING)
        return 0;
    cleanup_free char *encoded = text_percent_encode(file->path, err);
    if (encoded == NULL)
        return -1;
    return ask(reading,
               &(struct files_ask){.purpose = FILES_FOR_BEGINNING,
                                   .url = text_format(err,
                                                      "%s/api/v4/projects/%s/repository/files/%s/"
                                                      "raw?ref=%s&lfs=true",
                                                      reading->gitlab.base, reading->key, encoded,
                                                      reading->model->commit),
                                   .limit = GGUF_BEGINNING},
               err);
}

static int ask_elsewhere(struct gitlab_files *reading, struct error **err) {
    if (reading->elsewhere == NULL)
        return 0;
    return ask(reading,
               &(struct files_ask){.purpose = FILES_FOR_ELSEWHERE,
                                   .url = text_copy(reading->elsewhere, err),
                                   .limit = GGUF_BEGINNING},
               err);
}

static int fill_round(struct gitlab_files *reading, struct error **err) {
    switch (reading->phase) {
    case PHASE_TREE:
        return ask_for_tree(reading, true, err);
    case PHASE_TOP:
        return ask_for_tree(reading, false, err);
    case PHASE_SIZES:
        return ask_for_configuration(reading, false, err) < 0 ? -1 : ask_for_sizes(reading, err);
    case PHASE_GUESS:
        return ask_for_configuration(reading, true, err) < 0
                   ? -1
                   : ask_for_text(reading, FILES_FOR_POINTER, usual_weights, FILES_POINTER_LIMIT,
                                  err);
    case PHASE_POINTERS:
        return ask_for_pointers(reading, err);
    case PHASE_OBJECTS:
        return ask_for_objects(reading, err);
    case PHASE_BEGINNING:
        return ask_for_beginning(reading, err);
    case PHASE_ELSEWHERE:
        return ask_elsewhere(reading, err);
    case PHASE_END:
        break;
    }
    return 0;
}

/* ---- taking answers ---- */

static int take_text(char **out, struct http_response *response, struct error **err) {
    char *text = buffer_steal(&response->body, "a text of the model", err);
    if (text == NULL)
        return -1;
    free(*out);
    *out = text;
    return 0;
}

/* Of the index only the names of the shards are kept: it has megabytes of names of tensors. */
static int take_index(struct gitlab_files *reading, size_t i, struct error **err) {
    struct model_files *files = &reading->files;
    const struct buffer *body = &reading->round.results[i].response.body;
    const char *path = reading->round.names[i];
    if (files->index_path != NULL)
        return 0;
    files->index_path = text_copy(path, err);
    if (files->index_path == NULL)
        return -1;
    const char *suffix = text_contains(path, ".safetensors") ? ".safetensors" : ".bin";
    return model_index_shards(&files->shards, buffer_text(body), body->length, suffix, err);
}

static int take_tree(struct gitlab_files *reading, size_t i, struct error **err) {
    const struct http_response *response = &reading->round.results[i].response;
    struct error *failure = NULL;
    int taken = files_take_tree(&reading->files, response, &failure);
    if (taken < 0) {
        reading->files.truncated = true;
        reading->page_token[0] = '\0';
        return settle(reading, taken, failure, err);
    }
    if (!files_next_page(response, reading->page_token, sizeof(reading->page_token)))
        reading->page_token[0] = '\0';
    return 0;
}

/* The file NAME, which is added when only its name was known. */
static struct model_file *file_of(struct gitlab_files *reading, const char *name,
                                  struct error **err) {
    struct model_file *file = model_files_find(&reading->files, name);
    return file != NULL ? file : model_files_add(&reading->files, name, err);
}

static int take_pointer(struct gitlab_files *reading, size_t i, struct error **err) {
    struct model_file *file = file_of(reading, reading->round.names[i], err);
    if (file == NULL)
        return -1;
    files_take_pointer(file, &reading->round.results[i].response);
    return 0;
}

/* What an answer that is no success means, where that is more than "not known". */
static int take_refusal(struct gitlab_files *reading, size_t i, struct error **err) {
    const struct files_round *round = &reading->round;
    enum files_purpose purpose = round->purposes[i];
    if (purpose == FILES_FOR_TREE) {
        reading->files.truncated = true;
        reading->page_token[0] = '\0';
    }
    if (is_absent(&round->results[i]) && reading->files.guessed && purpose != FILES_FOR_OBJECTS) {
        struct model_file *file = model_files_find(&reading->files, round->names[i]);
        if (file != NULL)
            file->absent = true;
        return 0;
    }
    /* larger than any pointer: the file is in Git itself */
    if (purpose == FILES_FOR_POINTER && round->results[i].too_large) {
        struct model_file *file = file_of(reading, round->names[i], err);
        if (file != NULL)
            file->asked = true;
        return file != NULL ? 0 : -1;
    }
    return has_answer(reading, i, err) < 0 ? -1 : 0;
}

/* The bytes, or where they are: never from https to anything else. All else is left unknown. */
static int take_beginning(struct gitlab_files *reading, size_t i, struct error **err) {
    struct http_response *response = &reading->round.results[i].response;
    char location[4096];
    if (response->status == 200 || response->status == 206) {
        reading->files.beginning_length = response->body.length;
        return take_text(&reading->files.beginning, response, err);
    }
    bool sent_on = reading->round.purposes[i] == FILES_FOR_BEGINNING &&
                   (response->status == 302 || response->status == 307) &&
                   http_header(response, "Location", location, sizeof(location));
    bool as_safe = text_has_prefix(reading->gitlab.base, "http://") ||
                   (sent_on && text_has_prefix(location, "https://"));
    if (!sent_on || !as_safe)
        return 0;
    reading->elsewhere = text_copy(location, err);
    return reading->elsewhere != NULL ? 0 : -1;
}

static int take_answer(struct gitlab_files *reading, size_t i, struct error **err) {
    struct http_result *result = &reading->round.results[i];
    enum files_purpose what = reading->round.purposes[i];
    if (what == FILES_FOR_BEGINNING || what == FILES_FOR_ELSEWHERE)
        return result->error != NULL ? 0 : take_beginning(reading, i, err);
    if (result->error != NULL || result->response.status != 200)
        return take_refusal(reading, i, err);
    struct error *failure = NULL;
    int taken = 0;
    switch (reading->round.purposes[i]) {
    case FILES_FOR_TREE:
        return take_tree(reading, i, err);
    case FILES_FOR_CONFIG:
        return take_text(&reading->files.config, &result->response, err);
    case FILES_FOR_TOKENIZER:
        reading->files.tokenizer_limit = model_tokenizer_limit(buffer_text(&result->response.body),
                                                               result->response.body.length);
        return 0;
    case FILES_FOR_INDEX:
        return take_index(reading, i, err);
    case FILES_FOR_POINTER:
        return take_pointer(reading, i, err);
    case FILES_FOR_SIZES:
        taken = files_take_sizes(&reading->files, &result->response, &failure);
        break;
    case FILES_FOR_OBJECTS:
        taken = files_take_batch(&reading->files, &result->response, &failure);
        break;
    case FILES_FOR_BEGINNING:
    case FILES_FOR_ELSEWHERE:
        break;
    }
    return settle(reading, taken, failure, err);
}

/* ---- one phase after the other ---- */

/* Nothing could be listed: the names of an index and of usual files still say much. */
static int begin_guessing(struct gitlab_files *reading) {
    reading->files.guessed = true;
    reading->phase = PHASE_GUESS;
    return 0;
}

static int after_tree(struct gitlab_files *reading) {
    int most = reading->phase == PHASE_TREE ? FILES_PAGES : FILES_TOP_PAGES;
    bool more = reading->page_token[0] != '\0';
    reading->pages++;
    if (more && reading->pages < most)
        return 0;
    if (reading->phase == PHASE_TREE && reading->files.count == 0 && reading->files.truncated)
        return begin_guessing(reading);
    bool too_many = more && reading->phase == PHASE_TREE;
    reading->files.truncated |= more;
    reading->page_token[0] = '\0';
    reading->pages = 0;
    reading->phase = too_many ? PHASE_TOP : PHASE_SIZES;
    return 0;
}

/* The shards that an index names, as files of which nothing is known. */
static int after_guess(struct gitlab_files *reading, struct error **err) {
    for (size_t i = 0; i < reading->files.shards.count; i++)
        if (file_of(reading, reading->files.shards.items[i], err) == NULL)
            return -1;
    reading->phase = PHASE_POINTERS;
    return 0;
}

static enum phase after_objects(enum phase phase) {
    return phase == PHASE_OBJECTS     ? PHASE_BEGINNING
           : phase == PHASE_BEGINNING ? PHASE_ELSEWHERE
                                      : PHASE_END;
}

static int advance(struct gitlab_files *reading, struct error **err) {
    switch (reading->phase) {
    case PHASE_TREE:
    case PHASE_TOP:
        return after_tree(reading);
    case PHASE_SIZES:
        reading->phase = PHASE_POINTERS;
        return 0;
    case PHASE_GUESS:
        return after_guess(reading, err);
    case PHASE_POINTERS: /* until there is none left to ask for */
        return 0;
    case PHASE_OBJECTS:
    case PHASE_BEGINNING:
    case PHASE_ELSEWHERE:
    case PHASE_END:
        reading->phase = after_objects(reading->phase);
        break;
    }
    return 0;
}

static int take_round(struct gitlab_files *reading, struct error **err) {
    for (size_t i = 0; i < reading->round.count; i++)
        if (take_answer(reading, i, err) < 0)
            return -1;
    files_round_clear(&reading->round);
    if (reading->late) {
        reading->phase = PHASE_END;
        return 0;
    }
    return advance(reading, err);
}

int gitlab_files_step(struct gitlab_files *reading, struct error **err) {
    while (reading->phase != PHASE_END) {
        if (reading->round.batch != NULL) {
            if (!http_batch_is_done(reading->round.batch))
                return 0;
            if (take_round(reading, err) < 0)
                return -1;
            continue;
        }
        if (fill_round(reading, err) < 0)
            return -1;
        if (reading->round.count == 0) /* nothing to ask for: on */
            reading->phase =
                reading->phase == PHASE_POINTERS ? PHASE_OBJECTS : after_objects(reading->phase);
        else if (files_round_send(&reading->round, reading->gitlab.http,
                                  reading->gitlab.deadline_ms, err) < 0)
            return -1;
    }
    return 1;
}

/* ---- beginning and end ---- */

static int make_basic(char **out, const struct gitlab_options *options, struct error **err) {
    if (text_is_empty(options->token))
        return 0;
    const char *user = text_is_empty(options->username) ? "oauth2" : options->username;
    cleanup_secret char *plain = text_format(err, "%s:%s", user, options->token);
    if (plain == NULL)
        return -1;
    struct buffer value = BUFFER_INIT(64 * 1024);
    value.secret = true;
    if (buffer_append_text(&value, "Basic ") == 0)
        (void)base64_encode(&value, plain, strlen(plain));
    *out = buffer_steal(&value, "the login for Git LFS", err);
    buffer_free(&value);
    return *out != NULL ? 0 : -1;
}

static int start_with_gitlab(struct gitlab_files *reading, struct error **err) {
    const struct model *model = reading->model;
    if (gitlab_start(&reading->gitlab, err) < 0)
        return -1;
    bool by_id = !text_is_empty(model->id);
    reading->key = by_id ? text_copy(model->id, err) : text_percent_encode(model->path, err);
    reading->lfs =
        text_format(err, "%s/%s.git/info/lfs/objects/batch", reading->gitlab.base, model->path);
    return reading->key != NULL && reading->lfs != NULL ? 0 : -1;
}

/* The files are known already; only Git LFS is asked (git-lfs docs/api/server-discovery.md). */
static int start_with_git(struct gitlab_files *reading, struct error **err) {
    const struct gitlab_options *options = reading->gitlab.options;
    const char *url = reading->model->git_url;
    reading->gitlab.trust = (struct http_trust){.ca_pem = options->ca_pem,
                                                .skip_verification = options->skip_verification};
    reading->server.name = "Git LFS";
    reading->phase = PHASE_OBJECTS;
    reading->lfs = text_format(err, "%s%s/info/lfs/objects/batch", url,
                               text_has_suffix(url, ".git") ? "" : ".git");
    return reading->lfs != NULL ? 0 : -1;
}

int gitlab_files_start(struct gitlab_files **out, struct model *model,
                       const struct gitlab_options *options, struct http_client *http,
                       const struct deps *deps, int64_t deadline_ms, struct error **err) {
    struct gitlab_files *reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        return error_no_memory(err);
    reading->model = model;
    reading->request = (struct model_request){.repository = model->path,
                                              .namespace_ = "",
                                              .branch = "",
                                              .tag = "",
                                              .commit = model->commit,
                                              .pipeline_tag = "",
                                              .library_name = ""};
    reading->gitlab = (struct gitlab){.request = &reading->request,
                                      .options = options,
                                      .http = http,
                                      .deps = deps,
                                      .deadline_ms = deadline_ms};
    reading->server = (struct files_server){.name = "GitLab"};
    bool known = model->files != NULL;
    int result = known ? start_with_git(reading, err) : start_with_gitlab(reading, err);
    if (result == 0)
        result = make_basic(&reading->basic, options, err);
    if (result < 0) {
        gitlab_files_free(reading);
        return -1;
    }
    if (known) {
        reading->files = *model->files;
        free(model->files);
        model->files = NULL;
    }
    reading->server.trust = &reading->gitlab.trust;
    reading->server.authorization = reading->gitlab.authorization;
    reading->server.basic = reading->basic;
    reading->server.timeout_ms = options->request_timeout_ms;
    *out = reading;
    return 0;
}

struct model_files *gitlab_files_result(struct gitlab_files *reading) {
    for (size_t i = 0; i < reading->files.unknown.count; i++)
        text_make_printable(reading->files.unknown.items[i]);
    return &reading->files;
}

void gitlab_files_free(struct gitlab_files *reading) {
    if (reading == NULL)
        return;
    files_round_clear(&reading->round);
    gitlab_end(&reading->gitlab);
    free(reading->key);
    free(reading->lfs);
    free(reading->elsewhere);
    secret_free(reading->basic);
    model_files_free(&reading->files);
    free(reading);
}
