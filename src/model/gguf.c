#include "model/gguf.h"

#include "base/memory.h"
#include "base/text.h"

#include <string.h>

enum {
    LONGEST_KEY = 256,
    MOST_NUMBER = 1 << 30, /* of layers, heads, sizes: larger is no model */
    MOST_KEYS = 4096,
};

/* Types of values, ggml docs/gguf.md. */
enum value_type {
    TYPE_UINT8,
    TYPE_INT8,
    TYPE_UINT16,
    TYPE_INT16,
    TYPE_UINT32,
    TYPE_INT32,
    TYPE_FLOAT32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_ARRAY,
    TYPE_UINT64,
    TYPE_INT64,
    TYPE_FLOAT64,
    TYPES,
};

static const unsigned char sizes[TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

struct reader {
    const unsigned char *at;
    size_t left;
    bool ended; /* the next thing is not (wholly) there */
};

/* A little-endian number of WIDTH bytes; 0 at the end. */
static uint64_t number(struct reader *reader, size_t width) {
    uint64_t value = 0;
    if (reader->left < width) {
        reader->ended = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += width;
    reader->left -= width;
    return value;
}

static void skip(struct reader *reader, uint64_t bytes) {
    if (bytes > reader->left) {
        reader->ended = true;
        return;
    }
    reader->at += bytes;
    reader->left -= (size_t)bytes;
}

/* Bytes of a string, and their number; NULL at the end. */
static const char *string(struct reader *reader, uint64_t *length) {
    *length = number(reader, 8);
    const char *text = (const char *)reader->at;
    skip(reader, *length);
    return reader->ended ? NULL : text;
}

/* What is wanted of the metadata; 0: not seen. */
struct found {
    char architecture[64];
    int64_t layers, length, hidden, heads, kv_heads, key, value, vocabulary;
    bool uneven; /* heads differ from layer to layer */
    bool whole;  /* all of it was read, or all before the tokenizer */
};

static bool ends_with(const char *key, const char *suffix) {
    size_t length = strlen(key);
    size_t tail = strlen(suffix);
    return length > tail && strcmp(key + length - tail, suffix) == 0;
}

static int64_t *place_of(struct found *found, const char *key) {
    const struct {
        const char *suffix;
        int64_t *place;
    } rows[] = {
        {".block_count", &found->layers},
        {".context_length", &found->length},
        {".embedding_length", &found->hidden},
        {".attention.head_count", &found->heads},
        {".attention.head_count_kv", &found->kv_heads},
        {".attention.key_length", &found->key},
        {".attention.value_length", &found->value},
        {".vocab_size", &found->vocabulary},
    };
    size_t name = strlen(found->architecture);
    if (name == 0 || strncmp(key, found->architecture, name) != 0 || key[name] != '.')
        return NULL;
    for (size_t i = 0; i < array_length(rows); i++)
        if (ends_with(key, rows[i].suffix) && strlen(rows[i].suffix) == strlen(key) - name)
            return rows[i].place;
    return NULL;
}

static void keep(int64_t *place, uint64_t value) {
    if (place != NULL && value <= MOST_NUMBER)
        *place = (int64_t)value;
}

/* Numbers of an array must all be alike to stand for one. */
static void read_array(struct reader *reader, struct found *found, int64_t *place) {
    uint64_t type = number(reader, 4);
    uint64_t count = number(reader, 8);
    if (type >= TYPES || type == TYPE_ARRAY || reader->ended) {
        reader->ended = true;
        return;
    }
    bool whole = type != TYPE_FLOAT32 && type != TYPE_FLOAT64 && type != TYPE_STRING;
    uint64_t first = 0;
    uint64_t length = 0;
    for (uint64_t i = 0; i < count && !reader->ended; i++) {
        uint64_t value = type == TYPE_STRING ? 0 : number(reader, sizes[type]);
        if (type == TYPE_STRING)
            (void)string(reader, &length);
        first = i == 0 ? value : first;
        found->uneven |= place != NULL && value != first;
    }
    if (whole && count > 0)
        keep(place, first);
}

static void read_value(struct reader *reader, struct found *found, const char *key) {
    uint64_t type = number(reader, 4);
    int64_t *place = place_of(found, key);
    uint64_t length = 0;
    if (type == TYPE_ARRAY) {
        read_array(reader, found, place);
    } else if (type == TYPE_STRING) {
        const char *text = string(reader, &length);
        if (text != NULL && strcmp(key, "general.architecture") == 0 &&
            length < sizeof(found->architecture)) {
            memcpy(found->architecture, text, (size_t)length);
            found->architecture[length] = '\0';
        }
    } else if (type < TYPES) {
        bool whole = type != TYPE_FLOAT32 && type != TYPE_FLOAT64;
        uint64_t value = number(reader, sizes[type]);
        keep(whole ? place : NULL, value);
    } else {
        reader->ended = true;
    }
}

static void read_metadata(struct found *found, struct reader *reader) {
    uint64_t count = number(reader, 8);
    for (uint64_t i = 0; i < count && i < MOST_KEYS && !reader->ended && !found->whole; i++) {
        uint64_t length = 0;
        const char *text = string(reader, &length);
        char key[LONGEST_KEY] = "";
        if (text != NULL && length < sizeof(key)) {
            memcpy(key, text, (size_t)length);
            key[length] = '\0';
        }
        found->whole = text_has_prefix(key, "tokenizer.");
        if (text != NULL && !found->whole)
            read_value(reader, found, key);
    }
    found->whole |= !reader->ended;
}

bool gguf_read(struct architecture *out, const char *data, size_t length) {
    struct reader reader = {.at = (const unsigned char *)data, .left = length};
    if (length < 4 || memcmp(data, "GGUF", 4) != 0)
        return false;
    skip(&reader, 4);
    uint64_t version = number(&reader, 4);
    (void)number(&reader, 8); /* tensors */
    if (version < 2 || version > 3)
        return false;
    struct found found = {.layers = 0};
    read_metadata(&found, &reader);
    int64_t size = found.key > 0 ? found.key : found.heads > 0 ? found.hidden / found.heads : 0;
    bool differ = found.value > 0 && found.value != size;
    if (!found.whole || found.layers == 0 || found.heads == 0 || size == 0 || found.uneven ||
        differ || found.layers > 10000 || found.heads > 100000 || size > 100000)
        return false;
    int64_t kv_heads = found.kv_heads > 0 ? found.kv_heads : found.heads;
    *out = (struct architecture){
        .knows_attention = true,
        .layers = found.layers,
        .heads = found.heads,
        .kv_heads = kv_heads < 100000 ? kv_heads : found.heads,
        .head_size = size,
        .vocabulary = found.vocabulary,
        .longest = found.length,
        .longest_least = found.length,
        .quantized = true,
        .why = "",
    };
    return true;
}
