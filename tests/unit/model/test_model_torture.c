/* Every allocation of the pure parts fails once: an error comes back, nothing leaks, results stay
 * as they were. */

#include "cmocka_all.h"

#include "answer.h"
#include "base/text.h"
#include "gitlab_files_internal.h"
#include "model/project_path.h"
#include "model/uri.h"
#include "torture.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static int parse_card(void *user) {
    (void)user;
    static const char readme[] = "---\nx: &a transformers\npipeline_tag: "
                                 "\"text-generation\"\nlibrary_name: *a\n---\n# text\n";
    cleanup_card struct card card = {0};
    cleanup_error struct error *error = NULL;
    int result = card_parse(&card, CARD_BOTH, readme, strlen(readme), "README.md", &error);
    if (result < 0) {
        assert_non_null(error);
        assert_null(card.pipeline_tag);
        assert_null(card.library_name);
        return -1;
    }
    assert_string_equal(card.library_name, "transformers");
    return 0;
}

static int find_candidates(void *user) {
    (void)user;
    cleanup_strings struct strings found = {0};
    cleanup_error struct error *error = NULL;
    if (project_path_candidates(&found, "team/qwen.git", "demo", &error) < 0) {
        assert_non_null(error);
        assert_int_equal(found.count, 0);
        return -1;
    }
    assert_int_equal(found.count, 2);
    return 0;
}

static int resolve_uri(void *user) {
    (void)user;
    const struct model_request request = {
        .pipeline_tag = "text-generation", .library_name = "transformers", .repository = "a/b"};
    cleanup_model struct model model = {0};
    cleanup_error struct error *error = NULL;
    if (uri_resolve(&model, &request, "oci://registry/models/qwen:1.0?x", &error) < 0) {
        assert_non_null(error);
        assert_null(model.path);
        return -1;
    }
    assert_string_equal(model.path, "a/b");
    return 0;
}

static int complete_model(void *user) {
    (void)user;
    const struct model_request request = {.pipeline_tag = "", .library_name = "x"};
    static const char readme[] = "---\npipeline_tag: a\n---\n";
    cleanup_model struct model model = {0};
    cleanup_error struct error *error = NULL;
    bool done = model_init(&model, &error) == 0 &&
                model_set(&model.path, "demo/amlmodels/qwen", &error) == 0 &&
                model_set(&model.commit, COMMIT, &error) == 0 &&
                model_take_card(&model, &request, readme, strlen(readme), &error) == 0 &&
                model_complete_path(&model, &error) == 0;
    if (!done) {
        assert_non_null(error);
        return -1;
    }
    assert_string_equal(model.storage_uri, "hf://demo/qwen:" COMMIT);
    return 0;
}

/* An answer whose buffers are filled while nothing fails. */
static struct http_response calm_answer(int status, const char *headers, const char *body) {
    torture_pause();
    struct http_response response = make_answer(status, headers, body);
    torture_continue();
    return response;
}

static int read_project(void *user) {
    (void)user;
    cleanup_answer struct http_response response = calm_answer(
        200, "",
        "{\"id\":1,\"path_with_namespace\":\"a/b\",\"default_branch\":\"main\","
        "\"web_url\":\"https://h/a/b\",\"readme_url\":\"https://h/a/b/-/blob/main/README.md\"}");
    cleanup_gitlab_project struct gitlab_project project = {0};
    cleanup_error struct error *error = NULL;
    if (gitlab_parse_project(&project, &response, "project", &error) < 0) {
        assert_non_null(error);
        assert_null(project.id);
        return -1;
    }
    return 0;
}

static int read_file(void *user) {
    (void)user;
    cleanup_answer struct http_response response =
        calm_answer(200, "",
                    "{\"content\":\"aGVsbG8K\",\"size\":6,\"blob_id\":"
                    "\"ce013625030ba8dba906f756967f9e9ca394464a\",\"commit_id\":\"" COMMIT "\"}");
    cleanup_gitlab_file struct gitlab_file file = {0};
    cleanup_error struct error *error = NULL;
    if (gitlab_parse_file(&file, &response, "README.md", &error) < 0) {
        assert_non_null(error);
        assert_null(file.commit);
        return -1;
    }
    return 0;
}

/* An error is made all the same; the scenario counts as done when it has the words. */
static int make_error(void *user) {
    (void)user;
    cleanup_answer struct http_response response =
        calm_answer(403, "X-Request-Id: 01H\r\n", "{\"message\":{\"a\":[\"b\",1]}}");
    cleanup_error struct error *error = NULL;
    assert_int_equal(gitlab_status_error(&error, &response, "project"), -1);
    assert_non_null(error);
    return error->hint != NULL && strstr(error->message, "a: b; 1 (GitLab request 01H)") != NULL
               ? 0
               : -1;
}

static void run(void **state) {
    (void)state;
    torture(parse_card, NULL);
    torture(find_candidates, NULL);
    torture(resolve_uri, NULL);
    torture(complete_model, NULL);
    torture(read_project, NULL);
    torture(read_file, NULL);
    torture(make_error, NULL);
}

static int read_files(void *user) {
    (void)user;
    static const char index[] = "{\"weight_map\":{\"a\":\"m-1.bin\",\"b\":\"m-2.bin\"}}";
    struct http_response tree = calm_answer(200, "",
                                            "[{\"type\":\"blob\",\"path\":\"m-1.bin\"},"
                                            "{\"type\":\"blob\",\"path\":\"README.md\"}]");
    struct http_response sizes = calm_answer(
        200, "",
        "{\"data\":{\"project\":{\"repository\":{\"blobs\":{\"nodes\":[{\"path\":\"m-1.bin\","
        "\"rawSize\":\"7\"}]}}}}}");
    cleanup_model_files struct model_files files = {.items = NULL};
    cleanup_model_weights struct model_weights weights = {.format = ""};
    cleanup_error struct error *error = NULL;
    bool done = files_take_tree(&files, &tree, &error) == 0 &&
                files_take_sizes(&files, &sizes, &error) == 0 &&
                model_index_shards(&files.shards, index, strlen(index), ".bin", &error) == 0;
    if (done)
        files.index_path = text_copy("pytorch_model.bin.index.json", &error);
    done = done && files.index_path != NULL && model_weights(&weights, &files, &error) == 0;
    http_response_free(&tree);
    http_response_free(&sizes);
    if (!done) {
        assert_non_null(error);
        return -1;
    }
    assert_int_equal(weights.bytes, 7);
    assert_int_equal(weights.absent.count, 1);
    return 0;
}

static int ask_for_files(void *user) {
    (void)user;
    struct model_file file = {.path = (char[]){"m-1.bin"}, .size = 7};
    memset(file.oid, 'a', 64);
    const struct model_file *some[] = {&file};
    const struct model model = {.path = (char[]){"demo/amlmodels/qwen"},
                                .commit = (char[]){COMMIT}};
    cleanup_error struct error *error = NULL;
    cleanup_free char *query = files_size_query(&model, some, 1, &error);
    cleanup_free char *batch = query != NULL ? files_batch_body(some, 1, &error) : NULL;
    if (batch == NULL) {
        assert_non_null(error);
        return -1;
    }
    return 0;
}

static void files_survive(void **state) {
    (void)state;
    torture(read_files, NULL);
    torture(ask_for_files, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(run), cmocka_unit_test(files_survive)};
    return cmocka_run_group_tests_name("model_torture", tests, NULL, NULL);
}
