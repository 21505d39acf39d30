/* The files of a commit: pointers of Git LFS, the index of the weights, which files are loaded. */

#include "cmocka_all.h"

#include "base/text.h"
#include "model/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OID "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"

static bool read_pointer(const char *text, int64_t *size) {
    char oid[65] = "";
    bool is = model_read_pointer(oid, size, text, strlen(text));
    if (is)
        assert_string_equal(oid, OID);
    return is;
}

static void pointers(void **state) {
    (void)state;
    int64_t size = -1;
    assert_true(read_pointer(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "\nsize 12345\n", &size));
    assert_int_equal(size, 12345);
    assert_true(read_pointer("version https://git-lfs.github.com/spec/v1\next-0-foo sha256:" OID
                             "\noid sha256:" OID "\nsize 9223372036854775807\n",
                             &size));
    assert_int_equal(size, INT64_MAX);
    assert_true(
        read_pointer("version http://git-media.io/v/2\noid sha256:" OID "\nsize 0\n", &size));
    assert_true(read_pointer(
        "version https://hawser.github.com/spec/v1\noid sha256:" OID "\nsize 1", &size));

    static const char *const others[] = {
        "",
        "hello\n",
        "version https://git-lfs.github.com/spec/v1\n",
        "version https://git-lfs.github.com/spec/v9\noid sha256:" OID "\nsize 1\n",
        "oid sha256:" OID "\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "\n",
        "version https://git-lfs.github.com/spec/v1\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "\nsize -1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "\nsize 1.5\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID
        "\nsize 99999999999999999999\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "0\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:XX7a214614ab2935c943f9e0ff69d22eadb"
        "b8f32b1258daaa5e2ca24d17e2393\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid md5:" OID "\nsize 1\n",
    };
    for (size_t i = 0; i < array_length(others); i++)
        if (read_pointer(others[i], &size))
            fail_msg("%zu was taken for a pointer", i);
    char oid[65];
    static const char zero[] =
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "\nsize 1\n\0";
    assert_false(model_read_pointer(oid, &size, zero, sizeof(zero)));
    char large[2000];
    memset(large, '\n', sizeof(large));
    memcpy(large, zero, strlen(zero));
    assert_false(model_read_pointer(oid, &size, large, sizeof(large)));
}

static void take(struct strings *shards, const char *text, const char *suffix) {
    assert_int_equal(model_index_shards(shards, text, strlen(text), suffix, NULL), 0);
}

static void an_index(void **state) {
    (void)state;
    cleanup_strings struct strings shards = {.items = NULL};
    take(&shards,
         "{\"metadata\":{\"total_size\":1,\"note\":\"see README\"},\"weight_map\" : {\"a\" : "
         "\"model-1.safetensors\",\n\"model-9.safetensors\": \"model-2.safetensors\", "
         "\"b\":\"model-1.safetensors\",\"c\\\"d\":\"model-3.safetensors\"}}",
         ".safetensors");
    assert_int_equal(shards.count, 3); /* a tensor's name is no file */
    assert_string_equal(shards.items[0], "model-1.safetensors");
    assert_string_equal(shards.items[1], "model-2.safetensors");
    assert_string_equal(shards.items[2], "model-3.safetensors");
    take(&shards, "{\"weight_map\":{\"a\":\"pytorch_model-1.bin\"}}", ".safetensors");
    assert_int_equal(shards.count, 3);
    take(&shards, "", ".bin");
    take(&shards, "{\"weight_map\":{\"a\":\"open.bin", ".bin");
    take(&shards, "not JSON at all \"", ".bin");
    take(&shards, "{\"a\":\"\\", ".bin");
    assert_int_equal(shards.count, 3);
}

static void an_index_of_any_size_has_a_bound(void **state) {
    (void)state;
    size_t room = 5000 * 64;
    char *text = calloc(1, room);
    assert_non_null(text);
    size_t length = 0;
    for (int i = 0; i < 5000; i++)
        length += (size_t)snprintf(text + length, room - length, "\"t%d\":\"f-%d.bin\",", i, i);
    cleanup_strings struct strings shards = {.items = NULL};
    assert_int_equal(model_index_shards(&shards, text, length, ".bin", NULL), 0);
    assert_int_equal(shards.count, 4096);
    free(text);
}

/* Each shard named twice, in an order that no guess fits: the first mention counts. */
static void shards_in_any_order(void **state) {
    (void)state;
    enum { COUNT = 4095, STEP = 1021 }; /* no common divisor: all are met */
    size_t room = (size_t)COUNT * 2 * 32;
    char *text = calloc(1, room);
    assert_non_null(text);
    size_t length = 0;
    for (int i = 0; i < COUNT * 2; i++)
        length += (size_t)snprintf(text + length, room - length, "\"t%d\":\"f-%d.bin\",", i,
                                   i * STEP % COUNT);
    cleanup_strings struct strings shards = {.items = NULL};
    assert_int_equal(model_index_shards(&shards, text, length, ".bin", NULL), 0);
    assert_int_equal(model_index_shards(&shards, text, length, ".bin", NULL), 0);
    assert_int_equal(shards.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "f-%d.bin", i * STEP % COUNT);
        assert_string_equal(shards.items[i], name);
    }
    free(text);
}

static int64_t limit_in(const char *text) {
    return model_tokenizer_limit(text, strlen(text));
}

static void the_limit_of_a_tokenizer(void **state) {
    (void)state;
    assert_int_equal(limit_in("{\"model_max_length\": 131072, \"x\": 1}"), 131072);
    assert_int_equal(limit_in("{\"model_max_length\":32768}"), 32768);
    assert_int_equal(limit_in("{\"chat_template\": \"\\\"model_max_length\\\": 5\"}"), 0);
    /* transformers writes int(1e30) for "no limit" */
    assert_int_equal(limit_in("{\"model_max_length\": 1000000000000000019884624838656}"), 0);
    assert_int_equal(limit_in("{\"model_max_length\": 1e30}"), 0);
    assert_int_equal(limit_in("{\"model_max_length\": null}"), 0);
    assert_int_equal(limit_in("{\"model_max_length\""), 0);
    assert_int_equal(limit_in("{}"), 0);
    assert_int_equal(model_tokenizer_limit(NULL, 0), 0);
}

/* ---- which files are loaded ---- */

static struct model_file *add(struct model_files *files, const char *path, int64_t size) {
    struct model_file *file = model_files_add(files, path, NULL);
    assert_non_null(file);
    file->size = size;
    return file;
}

static void weights_by_suffix(void **state) {
    (void)state;
    static const struct {
        const char *paths[8];
        const char *format;
        size_t files; /* each of 10 bytes */
        bool ambiguous;
    } rows[] = {
        {{"model.safetensors", "pytorch_model.bin", "config.json"}, "safetensors", 1, false},
        {{"sub/model.safetensors", "pytorch_model.bin", "training_args.bin"}, "bin", 1, false},
        {{"adapter_model.safetensors", "model.pt", "optimizer.pt"}, "pt", 1, false},
        {{"consolidated.safetensors", "model-1.safetensors", "model-2.safetensors"},
         "safetensors",
         2,
         false},
        {{"consolidated.00.safetensors", "params.json"}, "safetensors", 1, false},
        {{"qwen-q4.gguf", "mmproj-f16.gguf"}, "gguf", 1, false},
        {{"qwen-q4.gguf", "qwen-q8.gguf"}, "gguf", 2, true},
        {{"q-00001-of-00002.gguf", "q-00002-of-00002.gguf"}, "gguf", 2, false},
        {{"q-00001-of-00002.gguf", "q-00002-of-00002.gguf", "q8.gguf"}, "gguf", 3, true},
        {{"README.md", "model.onnx"}, "", 0, false},
    };
    for (size_t i = 0; i < array_length(rows); i++) {
        cleanup_model_files struct model_files files = {.items = NULL};
        for (size_t k = 0; rows[i].paths[k] != NULL; k++)
            add(&files, rows[i].paths[k], 10);
        cleanup_model_weights struct model_weights weights = {.format = ""};
        assert_int_equal(model_weights(&weights, &files, NULL), 0);
        assert_string_equal(weights.format, rows[i].format);
        assert_int_equal(weights.files, rows[i].files);
        assert_int_equal(weights.bytes, 10 * (int64_t)rows[i].files);
        assert_int_equal(weights.ambiguous, rows[i].ambiguous);
    }
}

static void weights_by_index(void **state) {
    (void)state;
    cleanup_model_files struct model_files files = {.items = NULL};
    add(&files, "model-1.safetensors", 10);
    add(&files, "model-2.safetensors", -1);
    add(&files, "extra.safetensors", 1000);
    add(&files, "model-4.safetensors", -1)->absent = true;
    files.index_path = text_copy("model.safetensors.index.json", NULL);
    take(&files.shards,
         "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\","
         "\"c\":\"model-3.safetensors\",\"d\":\"model-4.safetensors\"}}",
         ".safetensors");
    struct model_weights weights = {.format = ""};
    assert_int_equal(model_weights(&weights, &files, NULL), 0);
    assert_string_equal(weights.format, "safetensors");
    assert_int_equal(weights.bytes, 10);
    assert_int_equal(weights.unknown, 1);
    assert_int_equal(weights.absent.count, 2);
    assert_string_equal(weights.absent.items[0], "model-3.safetensors");
    assert_string_equal(weights.absent.items[1], "model-4.safetensors");
    model_weights_free(&weights);
    /* a list that was cut off proves nothing */
    files.truncated = true;
    assert_int_equal(model_weights(&weights, &files, NULL), 0);
    assert_int_equal(weights.absent.count, 1);
    assert_string_equal(weights.absent.items[0], "model-4.safetensors");
    assert_int_equal(weights.unknown, 2);
    model_weights_free(&weights);
}

static void sums(void **state) {
    (void)state;
    cleanup_model_files struct model_files files = {.items = NULL};
    add(&files, "README.md", 5);
    add(&files, "tokenizer.json", -1);
    add(&files, "a.bin", -1);
    add(&files, "b.bin", 100)->object = MODEL_OBJECT_MISSING;
    add(&files, "gone.bin", 7)->absent = true;
    struct model_size size = model_files_size(&files);
    assert_int_equal(size.bytes, 105);
    assert_int_equal(size.lfs_bytes, 100);
    assert_int_equal(size.unknown, 1);
    assert_int_equal(size.others, 1);
    add(&files, "huge.bin", INT64_MAX);
    assert_int_equal(model_files_size(&files).bytes, INT64_MAX);
    assert_non_null(model_files_find(&files, "a.bin"));
    assert_null(model_files_find(&files, "c.bin"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers),
        cmocka_unit_test(an_index),
        cmocka_unit_test(an_index_of_any_size_has_a_bound),
        cmocka_unit_test(shards_in_any_order),
        cmocka_unit_test(the_limit_of_a_tokenizer),
        cmocka_unit_test(weights_by_suffix),
        cmocka_unit_test(weights_by_index),
        cmocka_unit_test(sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
