#include "model/files.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_POINTER = 1024 };

static const int64_t LONGEST_LENGTH = (int64_t)1 << 40;

struct model_file *model_files_add(struct model_files *files, const char *path,
                                   struct error **err) {
    /* room grows by doubling: the counts 0, 1, 2, 4, 8, ... are full */
    if ((files->count & (files->count - 1)) == 0) {
        size_t room = files->count > 0 ? files->count * 2 : 1;
        struct model_file *items = realloc(files->items, room * sizeof(*items));
        if (items == NULL) {
            error_no_memory(err);
            return NULL;
        }
        files->items = items;
    }
    char *copy = text_copy(path, err);
    if (copy == NULL)
        return NULL;
    files->items[files->count] =
        (struct model_file){.path = copy, .size = -1, .object = MODEL_OBJECT_PLAIN};
    return &files->items[files->count++];
}

struct model_file *model_files_find(const struct model_files *files, const char *path) {
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i].path, path) == 0)
            return &files->items[i];
    return NULL;
}

void model_files_free(struct model_files *files) {
    if (files == NULL)
        return;
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
    free(files->config);
    free(files->index_path);
    free(files->beginning);
    strings_free(&files->shards);
    strings_free(&files->unknown);
    *files = (struct model_files){.items = NULL};
}

bool model_file_is_weights(const char *path) {
    static const char *const suffixes[] = {".safetensors", ".bin",  ".pt",      ".pth", ".gguf",
                                           ".onnx",        ".data", ".msgpack", ".h5"};
    for (size_t i = 0; i < array_length(suffixes); i++)
        if (text_has_suffix(path, suffixes[i]))
            return true;
    return false;
}

/* ---- pointers ---- */

static bool is_version(const char *line) {
    return strcmp(line, "version https://git-lfs.github.com/spec/v1") == 0 ||
           strcmp(line, "version http://git-media.io/v/2") == 0 ||
           strcmp(line, "version https://hawser.github.com/spec/v1") == 0;
}

static bool is_oid(const char *text) {
    return strlen(text) == 64 && text[strspn(text, "0123456789abcdef")] == '\0';
}

bool model_read_pointer(char oid[65], int64_t *size, const char *text, size_t length) {
    char copy[LONGEST_POINTER + 1];
    if (length == 0 || length > LONGEST_POINTER || memchr(text, '\0', length) != NULL)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    bool version = false;
    const char *found = NULL;
    int64_t bytes = -1;
    char *rest = copy;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (is_version(line))
            version = true;
        else if (text_has_prefix(line, "oid sha256:"))
            found = line + strlen("oid sha256:");
        else if (text_has_prefix(line, "size ") &&
                 !text_to_integer(line + strlen("size "), 0, INT64_MAX, &bytes))
            return false;
    }
    if (!version || found == NULL || bytes < 0 || !is_oid(found))
        return false;
    memcpy(oid, found, 65);
    *size = bytes;
    return true;
}

/* Sizes come from peers: they do not run over. */
static int64_t add(int64_t left, int64_t right) {
    return right > INT64_MAX - left ? INT64_MAX : left + right;
}

struct model_size model_files_size(const struct model_files *files) {
    struct model_size sum = {0};
    for (size_t i = 0; i < files->count; i++) {
        const struct model_file *file = &files->items[i];
        bool in_lfs = file->object != MODEL_OBJECT_PLAIN;
        if (file->absent)
            continue;
        if (file->size < 0)
            *(model_file_is_weights(file->path) ? &sum.unknown : &sum.others) += 1;
        else
            sum.bytes = add(sum.bytes, file->size);
        if (file->size > 0 && in_lfs)
            sum.lfs_bytes = add(sum.lfs_bytes, file->size);
    }
    return sum;
}

/* ---- what vLLM loads ---- */

static bool is_at_top(const char *path) {
    return strchr(path, '/') == NULL;
}

/* vllm weight_utils.py filter_files_not_needed_for_inference, and adapters. */
static bool is_no_model(const char *path) {
    static const char *const others[] = {"training_args.bin", "optimizer.bin", "optimizer.pt",
                                         "scheduler.pt", "scaler.pt"};
    for (size_t i = 0; i < array_length(others); i++)
        if (strcmp(path, others[i]) == 0)
            return true;
    return text_has_prefix(path, "adapter_");
}

static void count_file(struct model_weights *weights, const struct model_file *file) {
    weights->files++;
    if (file->size < 0 || file->size > INT64_MAX - weights->bytes)
        weights->unknown++;
    else
        weights->bytes += file->size;
}

/* "…-00001-of-00003.gguf" */
static bool is_part(const char *path) {
    size_t length = strlen(path);
    const char *tail = length > 20 ? path + length - 20 : "";
    return text_has_prefix(tail, "-") && strncmp(tail + 6, "-of-", 4) == 0 &&
           strspn(tail + 1, "0123456789") == 5 && strspn(tail + 10, "0123456789") == 5;
}

/* One GGUF file, or the parts of one; multimodal projectors ("mmproj") stand beside a model. */
static void count_gguf(struct model_weights *weights, const struct model_files *files) {
    size_t whole = 0;
    size_t parts = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct model_file *file = &files->items[i];
        if (!text_has_suffix(file->path, ".gguf") || !is_at_top(file->path) ||
            text_contains(file->path, "mmproj"))
            continue;
        whole += is_part(file->path) ? 0 : 1;
        parts += is_part(file->path) ? 1 : 0;
        count_file(weights, file);
    }
    if (weights->files > 0)
        weights->format = "gguf";
    weights->ambiguous = whole > 1 || (whole > 0 && parts > 0);
}

const struct model_file *model_files_gguf(const struct model_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        const struct model_file *file = &files->items[i];
        bool first = !is_part(file->path) || text_contains(file->path, "-00001-of-");
        if (text_has_suffix(file->path, ".gguf") && is_at_top(file->path) && first &&
            !text_contains(file->path, "mmproj"))
            return file;
    }
    return NULL;
}

/* Mistral's own copy of the weights beside the usual one is not loaded as well. */
static bool is_second_copy(const struct model_files *files, const char *path) {
    if (!text_has_prefix(path, "consolidated"))
        return false;
    for (size_t i = 0; i < files->count; i++)
        if (text_has_prefix(files->items[i].path, "model") &&
            text_has_suffix(files->items[i].path, ".safetensors"))
            return true;
    return false;
}

static void count_suffix(struct model_weights *weights, const struct model_files *files,
                         const char *suffix) {
    for (size_t i = 0; i < files->count; i++) {
        const struct model_file *file = &files->items[i];
        if (is_at_top(file->path) && text_has_suffix(file->path, suffix) &&
            !is_no_model(file->path) && !is_second_copy(files, file->path))
            count_file(weights, file);
    }
    if (weights->files > 0)
        weights->format = suffix + 1;
}

/* ---- the index ---- */

/*
 * The next string of a JSON text that is a value (no colon follows), with LENGTH; NULL at the end.
 * The index of a large model has megabytes of keys: no tree is built of it.
 */
static const char *next_value(const char **at, const char *end, size_t *length) {
    while (*at < end) {
        const char *start = memchr(*at, '"', (size_t)(end - *at));
        if (start == NULL)
            break;
        const char *close = start + 1;
        while (close < end && *close != '"')
            close += *close == '\\' ? 2 : 1;
        if (close >= end)
            break;
        const char *behind = close + 1;
        while (behind < end && isspace((unsigned char)*behind))
            behind++;
        *at = close + 1;
        if (behind < end && *behind == ':')
            continue;
        *length = (size_t)(close - start - 1);
        return start + 1;
    }
    *at = end;
    return NULL;
}

enum { MOST_SHARDS = 4096 };

/* The names so far in order: an index of 16 MiB names a shard for each of its tensors. */
struct known_shards {
    const char *names[MOST_SHARDS]; /* borrowed */
    size_t count;
    const char *last; /* tensors of one shard mostly stand together */
};

/* Where NAME is, or would be, and whether it is there. */
static size_t place_of(const struct known_shards *known, const char *name, bool *found) {
    size_t low = 0;
    size_t high = known->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(known->names[middle], name);
        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

static bool is_known(struct known_shards *known, const char *name) {
    if (text_equal(known->last, name))
        return true;
    bool found = false;
    size_t place = place_of(known, name, &found);
    if (found)
        known->last = known->names[place];
    return found;
}

/* NAME is not known yet, and there is room. */
static void remember(struct known_shards *known, const char *name) {
    bool found = false;
    size_t place = place_of(known, name, &found);
    memmove(&known->names[place + 1], &known->names[place],
            (known->count - place) * sizeof(known->names[0]));
    known->names[place] = name;
    known->count++;
    known->last = name;
}

int model_index_shards(struct strings *shards, const char *text, size_t length, const char *suffix,
                       struct error **err) {
    enum { LONGEST_NAME = 255 };
    struct known_shards known;
    known.count = 0;
    known.last = NULL;
    for (size_t i = 0; i < shards->count && known.count < MOST_SHARDS; i++)
        if (!is_known(&known, shards->items[i]))
            remember(&known, shards->items[i]);
    const char *at = text;
    const char *end = text + length;
    size_t count = 0;
    for (const char *value = next_value(&at, end, &count); value != NULL;
         value = next_value(&at, end, &count)) {
        char name[LONGEST_NAME + 1];
        if (count > LONGEST_NAME || known.count >= MOST_SHARDS ||
            memchr(value, '\0', count) != NULL)
            continue;
        memcpy(name, value, count);
        name[count] = '\0';
        if (!text_has_suffix(name, suffix) || is_known(&known, name))
            continue;
        if (strings_add(shards, name, err) < 0)
            return -1;
        remember(&known, shards->items[shards->count - 1]);
    }
    return 0;
}

static int count_index(struct model_weights *weights, const struct model_files *files,
                       struct error **err) {
    for (size_t i = 0; i < files->shards.count; i++) {
        const char *name = files->shards.items[i];
        const struct model_file *file = model_files_find(files, name);
        bool absent = file != NULL ? file->absent : !files->truncated;
        if (absent && strings_add(&weights->absent, name, err) < 0)
            return -1;
        if (!absent && file != NULL)
            count_file(weights, file);
        weights->unknown += !absent && file == NULL ? 1 : 0;
    }
    if (files->shards.count > 0)
        weights->format = text_contains(files->index_path, ".safetensors") ? "safetensors" : "bin";
    return 0;
}

/* ---- the tokenizer's limit ---- */

int64_t model_tokenizer_limit(const char *text, size_t length) {
    static const char key[] = "\"model_max_length\"";
    const char *at = memmem(text, length, key, strlen(key));
    if (at == NULL)
        return 0;
    const char *end = text + length;
    at += strlen(key);
    while (at < end && (isspace((unsigned char)*at) || *at == ':'))
        at++;
    int64_t value = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (*at - '0');
        if (value > LONGEST_LENGTH)
            return 0;
    }
    /* 1e30 and 1.5 are no lengths */
    return at < end && (*at == '.' || *at == 'e' || *at == 'E') ? 0 : value;
}

/* ---- all of it ---- */

int model_weights(struct model_weights *out, const struct model_files *files, struct error **err) {
    cleanup_model_weights struct model_weights weights = {.format = ""};
    if (count_index(&weights, files, err) < 0)
        return -1;
    static const char *const suffixes[] = {".safetensors", ".bin", ".pt"};
    for (size_t i = 0; i < array_length(suffixes) && weights.format[0] == '\0'; i++)
        count_suffix(&weights, files, suffixes[i]);
    if (weights.format[0] == '\0')
        count_gguf(&weights, files);
    *out = weights;
    weights = (struct model_weights){.format = ""};
    return 0;
}

void model_weights_free(struct model_weights *weights) {
    if (weights == NULL)
        return;
    strings_free(&weights->absent);
    *weights = (struct model_weights){.format = ""};
}
