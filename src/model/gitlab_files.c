#include "gitlab_files_internal.h"

#include "base/base64.h"
#include "base/text.h"
#include "model/gguf.h"

#include <string.h>

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
        if (files_fill_round(reading, err) < 0)
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
