/* The beginning of GGUF files. */

#include "cmocka_all.h"

#include "model/gguf.h"

#include <stdlib.h>
#include <string.h>

struct file {
    char data[8192];
    size_t length;
};

static void put(struct file *file, const void *bytes, size_t length) {
    assert_true(file->length + length <= sizeof(file->data));
    memcpy(file->data + file->length, bytes, length);
    file->length += length;
}

static void put_number(struct file *file, uint64_t value, size_t width) {
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    put(file, bytes, width);
}

static void put_string(struct file *file, const char *text) {
    put_number(file, strlen(text), 8);
    put(file, text, strlen(text));
}

static void put_key(struct file *file, const char *key, unsigned type) {
    put_string(file, key);
    put_number(file, type, 4);
}

static void begin(struct file *file, unsigned version, uint64_t keys) {
    *file = (struct file){.length = 0};
    put(file, "GGUF", 4);
    put_number(file, version, 4);
    put_number(file, 339, 8);
    put_number(file, keys, 8);
}

/* Qwen2.5-7B as llama.cpp converts it. */
static void qwen(struct file *file, unsigned version) {
    begin(file, version, 11);
    put_key(file, "general.architecture", 8);
    put_string(file, "qwen2");
    put_key(file, "general.alignment", 4);
    put_number(file, 32, 4);
    put_key(file, "general.tags", 9);
    put_number(file, 8, 4);
    put_number(file, 2, 8);
    put_string(file, "chat");
    put_string(file, "text-generation");
    put_key(file, "qwen2.block_count", 4);
    put_number(file, 28, 4);
    put_key(file, "qwen2.context_length", 4);
    put_number(file, 32768, 4);
    put_key(file, "qwen2.embedding_length", 4);
    put_number(file, 3584, 4);
    put_key(file, "qwen2.attention.head_count", 4);
    put_number(file, 28, 4);
    put_key(file, "qwen2.attention.head_count_kv", 10);
    put_number(file, 4, 8);
    put_key(file, "qwen2.rope.freq_base", 6);
    put_number(file, 0x49742400, 4);
    put_key(file, "other.block_count", 4);
    put_number(file, 5, 4);
    put_key(file, "tokenizer.ggml.tokens", 9);
    put_number(file, 8, 4);
    put_number(file, 152064, 8);
    put_string(file, "!");
}

static void a_file_that_is_cut_in_the_tokens(void **state) {
    (void)state;
    for (unsigned version = 2; version <= 3; version++) {
        struct file file;
        struct architecture architecture = {0};
        qwen(&file, version);
        assert_true(gguf_read(&architecture, file.data, file.length));
        assert_true(architecture.knows_attention);
        assert_int_equal(architecture.longest, 32768);
        assert_int_equal(architecture.heads, 28);
        assert_int_equal(architecture_token_bytes(&architecture, 1, 2), 57344);
    }
}

static void every_other_length_is_safe(void **state) {
    (void)state;
    struct file file;
    qwen(&file, 3);
    bool seen = false;
    for (size_t length = 0; length <= file.length; length++) {
        char *exact = malloc(length > 0 ? length : 1);
        assert_non_null(exact);
        memcpy(exact, file.data, length);
        struct architecture architecture = {.layers = 77};
        bool is = gguf_read(&architecture, exact, length);
        assert_true(is || architecture.layers == 77);
        assert_true(is || !seen); /* more bytes never tell less */
        seen = is;
        free(exact);
    }
    assert_true(seen);
}

static void what_is_no_such_file(void **state) {
    (void)state;
    struct architecture architecture = {0};
    struct file file;
    qwen(&file, 1);
    assert_false(gguf_read(&architecture, file.data, file.length));
    qwen(&file, 4);
    assert_false(gguf_read(&architecture, file.data, file.length));
    assert_false(gguf_read(&architecture, "GGML", 4));
    assert_false(gguf_read(&architecture, NULL, 0));
    begin(&file, 3, UINT64_MAX);
    put_number(&file, UINT64_MAX, 8); /* a key without end */
    assert_false(gguf_read(&architecture, file.data, file.length));
    begin(&file, 3, 1);
    put_key(&file, "a", 9);
    put_number(&file, 9, 4); /* arrays in arrays */
    put_number(&file, UINT64_MAX, 8);
    assert_false(gguf_read(&architecture, file.data, file.length));
}

static void heads_that_differ_are_unknown(void **state) {
    (void)state;
    for (unsigned last = 8; last <= 9; last++) {
        struct file file;
        struct architecture architecture = {0};
        begin(&file, 3, 5);
        put_key(&file, "general.architecture", 8);
        put_string(&file, "x");
        put_key(&file, "x.block_count", 4);
        put_number(&file, 2, 4);
        put_key(&file, "x.embedding_length", 4);
        put_number(&file, 1024, 4);
        put_key(&file, "x.attention.head_count", 4);
        put_number(&file, 8, 4);
        put_key(&file, "x.attention.head_count_kv", 9);
        put_number(&file, 4, 4);
        put_number(&file, 2, 8);
        put_number(&file, 8, 4);
        put_number(&file, last, 4);
        assert_int_equal(gguf_read(&architecture, file.data, file.length), last == 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_cut_in_the_tokens),
        cmocka_unit_test(every_other_length_is_safe),
        cmocka_unit_test(what_is_no_such_file),
        cmocka_unit_test(heads_that_differ_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
