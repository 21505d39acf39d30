/* Requests that go out together; none waits for another. */

#include "gitlab_files_internal.h"

#include "base/text.h"

#include <string.h>

/* What cannot be learnt soon stays unknown: a deploy does not wait long for it. */
static const struct retry_policy two_attempts = {
    .attempts = 2,
    .first_ms = 200,
    .longest_ms = 3000,
    .idempotent = true,
};

/* GGUF_BEGINNING bytes */
static const char *const first_bytes[] = {"Range: bytes=0-65535", NULL};
static const char *const accept_json[] = {"Accept: application/json", NULL};
static const char *const accept_lfs[] = {"Accept: application/vnd.git-lfs+json", NULL};

static struct http_request request_of(const struct files_server *server,
                                      const struct files_ask *ask) {
    bool lfs = ask->purpose == FILES_FOR_OBJECTS;
    bool elsewhere = ask->purpose == FILES_FOR_ELSEWHERE;
    bool bytes = elsewhere || ask->purpose == FILES_FOR_BEGINNING;
    const char *json = lfs ? "application/vnd.git-lfs+json" : "application/json";
    return (struct http_request){
        .method = ask->body != NULL ? "POST" : "GET",
        .url = ask->url,
        .headers = bytes ? first_bytes
                   : lfs ? accept_lfs
                         : accept_json,
        .authorization = elsewhere ? NULL
                         : lfs     ? server->basic
                                   : server->authorization,
        .content_type = ask->body != NULL ? json : NULL,
        .body = ask->body,
        .body_length = ask->body != NULL ? strlen(ask->body) : 0,
        .trust = server->trust,
        .body_limit = ask->limit,
        .timeout_ms = server->timeout_ms,
        .retry = &two_attempts,
        .server = server->name,
    };
}

int files_round_ask(struct files_round *round, const struct files_server *server,
                    const struct files_ask *ask, struct error **err) {
    char *name = ask->url != NULL ? text_copy(ask->name, err) : NULL;
    bool no_memory = ask->url == NULL || (ask->name != NULL && name == NULL);
    if (no_memory || round->count >= FILES_AT_ONCE) {
        free(ask->url);
        free(ask->body);
        free(name);
        return no_memory ? error_no_memory(err) : 0;
    }
    size_t i = round->count++;
    round->purposes[i] = ask->purpose;
    round->names[i] = name;
    round->urls[i] = ask->url;
    round->bodies[i] = ask->body;
    round->requests[i] = request_of(server, ask);
    return 0;
}

int files_round_send(struct files_round *round, struct http_client *http, int64_t deadline_ms,
                     struct error **err) {
    return http_batch_start(&round->batch, http, round->requests, round->count, round->results,
                            deadline_ms, err);
}

void files_round_clear(struct files_round *round) {
    http_batch_free(round->batch);
    for (size_t i = 0; i < round->count; i++) {
        http_result_free(&round->results[i]);
        free(round->names[i]);
        free(round->urls[i]);
        free(round->bodies[i]);
    }
    round->count = 0;
    round->batch = NULL;
}

const char *files_purpose_text(enum files_purpose purpose) {
    static const char *const texts[] = {
        [FILES_FOR_TREE] = "the list of files",
        [FILES_FOR_CONFIG] = "config.json",
        [FILES_FOR_TOKENIZER] = "tokenizer_config.json",
        [FILES_FOR_INDEX] = "the index of weights",
        [FILES_FOR_SIZES] = "the sizes of the files",
        [FILES_FOR_POINTER] = "a pointer of Git LFS",
        [FILES_FOR_OBJECTS] = "the objects of Git LFS",
        [FILES_FOR_BEGINNING] = "the beginning of the weights",
        [FILES_FOR_ELSEWHERE] = "the beginning of the weights",
    };
    return texts[purpose];
}
