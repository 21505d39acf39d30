/* What GitLab and Git LFS answer about the files of a commit. */

#include "cmocka_all.h"

#include "answer.h"
#include "gitlab_files_internal.h"

#include <string.h>

#define OID "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"

static int taken(int (*take)(struct model_files *, const struct http_response *, struct error **),
                 struct model_files *files, const char *body) {
    struct http_response response = make_answer(200, "", body);
    cleanup_error struct error *error = NULL;
    int result = take(files, &response, &error);
    assert_true((result < 0) == (error != NULL));
    if (error != NULL)
        assert_int_not_equal(error->kind, ERROR_INTERNAL);
    http_response_free(&response);
    return result;
}

static void a_tree(void **state) {
    (void)state;
    cleanup_model_files struct model_files files = {.items = NULL};
    assert_int_equal(
        taken(
            files_take_tree, &files,
            "[{\"id\":\"a1\",\"name\":\"x\",\"type\":\"tree\",\"path\":\"x\",\"mode\":\"040000\"},"
            "{\"id\":\"b1\",\"name\":\"y\",\"type\":\"blob\",\"path\":\"x/y\",\"mode\":\"100644\"},"
            "{\"id\":\"b2\",\"type\":\"commit\",\"path\":\"sub\",\"mode\":\"160000\"},"
            "{\"type\":\"blob\"},7,null,{\"id\":null,\"type\":\"blob\",\"path\":\"z\"},"
            "{\"type\":\"blob\",\"path\":\"x/y\"}]"),
        0);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.items[0].path, "x/y");
    assert_string_equal(files.items[1].path, "z");
    assert_int_equal(files.items[1].size, -1);
    assert_int_equal(taken(files_take_tree, &files, "[]"), 0);
    assert_int_equal(taken(files_take_tree, &files, "{\"message\":\"404 Tree Not Found\"}"), -1);
    assert_int_equal(taken(files_take_tree, &files, "<html>"), -1);
    assert_int_equal(files.count, 2);
}

static bool next(const char *headers, char *token, size_t size) {
    struct http_response response = make_answer(200, headers, "[]");
    bool more = files_next_page(&response, token, size);
    http_response_free(&response);
    return more;
}

static void pages(void **state) {
    (void)state;
    char token[64] = "";
    assert_true(next("Link: <https://g/x?page_token=abc-1%3D&per_page=100>; rel=\"next\", "
                     "<https://g/x?page_token=first>; rel=\"first\"\r\n",
                     token, sizeof(token)));
    assert_string_equal(token, "abc-1%3D");
    assert_true(next("Link: <https://g/x?page_token=first>; rel=\"first\", "
                     "<https://g/x?a=1&page_token=second>; rel=\"next\"\r\n",
                     token, sizeof(token)));
    assert_string_equal(token, "second");
    assert_false(next("", token, sizeof(token)));
    assert_false(
        next("Link: <https://g/x?page_token=first>; rel=\"first\"\r\n", token, sizeof(token)));
    assert_false(next("Link: <https://g/x?per_page=100>; rel=\"next\"\r\n", token, sizeof(token)));
    assert_false(next("Link: rel=\"next\"\r\n", token, sizeof(token)));
    assert_false(next("Link: <https://g/x?page_token=>; rel=\"next\"\r\n", token, sizeof(token)));
    /* nothing but characters of a query may come into our URL */
    assert_false(
        next("Link: <https://g/x?page_token=a#b>; rel=\"next\"\r\n", token, sizeof(token)));
    assert_false(next("Link: <https://g/x?page_token=0123456789012345678901234567890123456789012345"
                      "678901234567890123456789>; rel=\"next\"\r\n",
                      token, sizeof(token)));
}

static void fill(struct model_files *files) {
    assert_non_null(model_files_add(files, "config.json", NULL));
    assert_non_null(model_files_add(files, "model.safetensors", NULL));
    assert_non_null(model_files_add(files, "off.bin", NULL));
}

static void sizes(void **state) {
    (void)state;
    cleanup_model_files struct model_files files = {.items = NULL};
    fill(&files);
    /* BigInt as text (since 15.7) and as a number; an unknown path; a path without a size */
    assert_int_equal(
        taken(
            files_take_sizes, &files,
            "{\"data\":{\"project\":{\"repository\":{\"blobs\":{\"nodes\":["
            "{\"path\":\"config.json\",\"rawSize\":662,\"lfsOid\":null,\"storedExternally\":null},"
            "{\"path\":\"model.safetensors\",\"rawSize\":\"16060556376\",\"lfsOid\":\"" OID
            "\",\"storedExternally\":true},"
            "{\"path\":\"off.bin\",\"rawSize\":\"134\",\"lfsOid\":\"" OID
            "\",\"storedExternally\":false},"
            "{\"path\":\"../../etc/passwd\",\"rawSize\":\"1\"},{\"path\":7},null]}}}}}"),
        0);
    assert_int_equal(files.items[0].size, 662);
    assert_int_equal(files.items[0].object, MODEL_OBJECT_PLAIN);
    assert_int_equal(files.items[1].size, 16060556376);
    assert_int_equal(files.items[1].object, MODEL_OBJECT_UNKNOWN);
    assert_string_equal(files.items[1].oid, OID);
    assert_true(files.items[2].lfs_off);
    assert_int_equal(files.count, 3);

    static const char *const bad[] = {
        "{\"errors\":[{\"message\":\"Query has complexity of 300\"}]}",
        "{\"errors\":[{\"message\":\"Integer out of bounds: 16060556376\"}],\"data\":null}",
        "{\"data\":{\"project\":null}}",
        "{\"data\":{\"project\":{\"repository\":null}}}",
        "{\"data\":{\"project\":{\"repository\":{\"blobs\":null}}}}",
        "{}",
        "[]",
        "",
        "<html><title>Sign in</title>",
    };
    for (size_t i = 0; i < array_length(bad); i++)
        assert_int_equal(taken(files_take_sizes, &files, bad[i]), -1);
    assert_int_equal(
        taken(files_take_sizes, &files,
              "{\"data\":{\"project\":{\"repository\":{\"blobs\":{\"nodes\":[{\"path\":"
              "\"config.json\",\"rawSize\":\"-5\"}]}}}}}"),
        0);
    assert_int_equal(files.items[0].size, -1);
}

static void the_query_stays_below_the_limits(void **state) {
    (void)state;
    cleanup_model_files struct model_files files = {.items = NULL};
    fill(&files);
    const struct model_file *some[] = {&files.items[0], &files.items[1]};
    char path[] = "demo/amlmodels/qwen";
    char commit[] = "0123456789abcdef0123456789abcdef01234567";
    const struct model model = {.path = path, .commit = commit};
    char *body = files_size_query(&model, some, 2, NULL);
    assert_non_null(body);
    json_t *value = json_loads(body, 0, NULL);
    assert_true(json_string_length(json_object_get(value, "query")) < 10000);
    assert_string_equal(json_text_at(value, "variables", "project", NULL), path);
    assert_string_equal(json_text_at(value, "variables", "ref", NULL), commit);
    assert_int_equal(json_array_size(json_at(value, "variables", "paths", NULL)), 2);
    json_decref(value);
    free(body);
}

static void a_batch(void **state) {
    (void)state;
    cleanup_model_files struct model_files files = {.items = NULL};
    fill(&files);
    for (size_t i = 0; i < files.count; i++) {
        memset(files.items[i].oid, 'a' + (int)i, 64);
        files.items[i].object = MODEL_OBJECT_UNKNOWN;
        files.items[i].size = 10;
    }
    char body[2000];
    static const char shape[] =
        "{\"objects\":[{\"oid\":\"%.64s\",\"size\":10,\"actions\":{\"download\":{\"href\":\"https:/"
        "/"
        "x\"}}},{\"oid\":\"%.64s\",\"error\":{\"code\":404,\"message\":\"Object does not exist\"}},"
        "{\"oid\":\"%.64s\",\"error\":{\"code\":422}},{\"oid\":\"zz\"},null,{\"oid\":7}]}";
    snprintf(body, sizeof(body), shape, files.items[0].oid, files.items[1].oid, files.items[2].oid);
    assert_int_equal(taken(files_take_batch, &files, body), 0);
    assert_int_equal(files.items[0].object, MODEL_OBJECT_PRESENT);
    assert_int_equal(files.items[1].object, MODEL_OBJECT_MISSING);
    assert_int_equal(files.items[2].object, MODEL_OBJECT_UNKNOWN);
    /* what was said stays said */
    assert_int_equal(taken(files_take_batch, &files, "{\"objects\":[]}"), 0);
    assert_int_equal(files.items[1].object, MODEL_OBJECT_MISSING);
    assert_int_equal(taken(files_take_batch, &files, "{\"message\":\"LFS is off\"}"), -1);
    assert_int_equal(taken(files_take_batch, &files, "nonsense"), -1);

    const struct model_file *some[] = {&files.items[0]};
    char *asked = files_batch_body(some, 1, NULL);
    assert_non_null(asked);
    assert_non_null(strstr(asked, "\"operation\":\"download\""));
    assert_non_null(strstr(asked, files.items[0].oid));
    free(asked);
}

static void a_pointer_or_a_file(void **state) {
    (void)state;
    struct model_file file = {.size = -1};
    struct http_response pointer = make_answer(
        200, "",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" OID "\nsize 5000000000\n");
    files_take_pointer(&file, &pointer);
    http_response_free(&pointer);
    assert_int_equal(file.size, 5000000000);
    assert_int_equal(file.object, MODEL_OBJECT_UNKNOWN);
    struct model_file plain = {.size = -1};
    struct http_response text = make_answer(200, "", "hello");
    files_take_pointer(&plain, &text);
    http_response_free(&text);
    assert_int_equal(plain.size, 5);
    assert_int_equal(plain.object, MODEL_OBJECT_PLAIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree),  cmocka_unit_test(pages),
        cmocka_unit_test(sizes),   cmocka_unit_test(the_query_stays_below_the_limits),
        cmocka_unit_test(a_batch), cmocka_unit_test(a_pointer_or_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
