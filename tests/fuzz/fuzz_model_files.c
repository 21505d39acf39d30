/*
 * What a model's repository says of itself, in any bytes: config.json, the index of the weights,
 * the tokenizer's limit, pointers of Git LFS, and the answers of GitLab and Git LFS about files.
 * Nothing is an error but an answer that cannot be read; numbers stay in their bounds.
 */

#include "gitlab_files_internal.h"
#include "model/architecture.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        __builtin_trap();
}

static void read_config(const char *text) {
    struct architecture architecture = {0};
    require(architecture_read(&architecture, text, 4096, NULL) == 0);
    require(architecture.knows_attention == (architecture.why[0] == '\0'));
    require(architecture.longest >= 0 && architecture.longest <= 4096);
    require(architecture.longest_least <= architecture.longest);
    int64_t last = INT64_MAX;
    for (int64_t parallel = 1; parallel <= 16; parallel *= 2) {
        int64_t token = architecture_token_bytes(&architecture, parallel, 2);
        int64_t most = architecture_cache_bytes(&architecture, parallel, 2, 100000, false);
        int64_t least = architecture_cache_bytes(&architecture, parallel, 2, 100000, true);
        require(token >= 0 && token <= last && least >= 0 && least <= most);
        require((token > 0) == architecture.knows_attention);
        last = token;
    }
}

static void read_texts(const char *text, size_t size) {
    cleanup_strings struct strings shards = {.items = NULL};
    require(model_index_shards(&shards, text, size, ".bin", NULL) == 0 && shards.count <= 4096);
    for (size_t i = 0; i < shards.count; i++) {
        size_t length = strlen(shards.items[i]);
        require(length >= 4 && length <= 255);
    }
    int64_t limit = model_tokenizer_limit(text, size);
    require(limit >= 0 && limit <= (int64_t)1 << 40);
    char oid[65] = "";
    int64_t bytes = -1;
    if (model_read_pointer(oid, &bytes, text, size))
        require(strlen(oid) == 64 && bytes >= 0 && size <= 1024);
}

static void fill(struct buffer *out, const char *data, size_t size) {
    *out = (struct buffer)BUFFER_INIT(1 << 20);
    buffer_append(out, data, size);
}

static void read_answers(const char *data, size_t size) {
    cleanup_model_files struct model_files files = {.items = NULL};
    require(model_files_add(&files, "model.bin", NULL) != NULL);
    memset(files.items[0].oid, 'a', 64);
    files.items[0].object = MODEL_OBJECT_UNKNOWN;
    int (*const takes[])(struct model_files *, const struct http_response *,
                         struct error **) = {files_take_tree, files_take_sizes, files_take_batch};
    struct http_response response = {.status = 200};
    fill(&response.body, data, size);
    fill(&response.headers, data, size);
    for (size_t i = 0; i < array_length(takes); i++) {
        cleanup_error struct error *error = NULL;
        require((takes[i](&files, &response, &error) < 0) == (error != NULL));
    }
    char token[512] = "";
    if (files_next_page(&response, token, sizeof(token)))
        require(token[0] != '\0' && token[strcspn(token, " \r\n\"<>#&")] == '\0');
    for (size_t i = 0; i < files.count; i++)
        require(files.items[i].size >= -1 && strlen(files.items[i].oid) % 64 == 0);
    cleanup_model_weights struct model_weights weights = {.format = ""};
    require(model_weights(&weights, &files, NULL) == 0 && weights.bytes >= 0);
    require(model_files_size(&files).bytes >= 0);
    http_response_free(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 64 * 1024)
        return 0;
    char *text = malloc(size + 1);
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    read_config(text);
    read_texts(text, size);
    read_answers(text, size);
    free(text);
    return 0;
}
