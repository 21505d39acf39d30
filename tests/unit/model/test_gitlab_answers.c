/* GitLab's answers: what they mean, and what is taken from them. */

#include "cmocka_all.h"

#include "answer.h"
#include "gitlab_internal.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* ---- what "project by path" was answered with ---- */

static void test_classes(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *headers;
        const char *body;
        enum gitlab_found found;
        const char *id;
    } cases[] = {
        {200, "", "{}", GITLAB_FOUND, ""},
        {404, "", "{\"message\":\"404 Project Not Found\"}", GITLAB_MISSING, ""},
        {404, "", "{\"error\":\"404 Not Found\"}", GITLAB_UNROUTED, ""},
        {404, "", "<html>404</html>", GITLAB_NO_API, ""},
        {404, "", "", GITLAB_NO_API, ""},
        {404, "", "[]", GITLAB_NO_API, ""},
        {401, "", "", GITLAB_DENIED, ""},
        {403, "", "", GITLAB_DENIED, ""},
        {500, "", "", GITLAB_FAILED, ""},
        {301, "Location: https://h/api/v4/projects/42\r\n", "", GITLAB_MOVED, "42"},
        {301, "Location: http://h/gitlab/api/v4/projects/42?x=1\r\n", "", GITLAB_MOVED, "42"},
        {301, "Location: https://h/api/v4/projects/42/repository/files/README.md?ref=HEAD\r\n", "",
         GITLAB_MOVED, "42"},
        {301, "Location: https://h/api/v4/projects/a%2Fb\r\n", "", GITLAB_FAILED, ""},
        {301, "Location: https://h/api/v4/projects/42x\r\n", "", GITLAB_FAILED, ""},
        {301, "Location: https://h/api/v4/projects/1234567890123456789012\r\n", "", GITLAB_FAILED,
         ""},
        {302, "Location: https://h/users/sign_in\r\n", "", GITLAB_FAILED, ""},
        {301, "", "", GITLAB_FAILED, ""},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_answer struct http_response response =
            make_answer(cases[i].status, cases[i].headers, cases[i].body);
        char id[24] = "";
        enum gitlab_found found = gitlab_classify(&response, id);
        if (found != cases[i].found)
            fail_msg("case %zu: %d", i, found);
        assert_string_equal(id, cases[i].id);
    }
}

/* ---- projects ---- */

static void test_project(void **state) {
    (void)state;
    cleanup_answer struct http_response response = make_answer(
        200, "",
        "{\"id\":1001,\"name\":\"My Model\",\"path_with_namespace\":\"demo/amlmodels/qwen\","
        "\"default_branch\":\"main\",\"http_url_to_repo\":\"https://u:p@host/demo/amlmodels/"
        "qwen.git\","
        "\"web_url\":\"https://host/demo/amlmodels/qwen\","
        "\"readme_url\":\"https://host/demo/amlmodels/qwen/-/blob/main/"
        "README.MD\",\"empty_repo\":false,"
        "\"archived\":true,\"marked_for_deletion_on\":\"2026-01-01\"}");
    cleanup_gitlab_project struct gitlab_project project = {0};
    assert_int_equal(gitlab_parse_project(&project, &response, "project x", NULL), 0);
    assert_string_equal(project.id, "1001");
    assert_string_equal(project.path, "demo/amlmodels/qwen");
    assert_string_equal(project.default_branch, "main");
    assert_null(strstr(project.git_url, "u:p"));
    assert_non_null(strstr(project.git_url, "/demo/amlmodels/qwen.git"));
    assert_string_equal(project.readme_name, "README.MD");
    assert_false(project.empty);
    assert_true(project.archived);
    assert_true(project.marked_for_deletion);
}

static void test_project_with_little_in_it(void **state) {
    (void)state;
    cleanup_answer struct http_response response = make_answer(
        200, "",
        "{\"id\":1,\"path_with_namespace\":\"a/b\",\"default_branch\":null,\"readme_url\":null,"
        "\"web_url\":\"javascript:alert(1)\",\"http_url_to_repo\":7}");
    cleanup_gitlab_project struct gitlab_project project = {0};
    assert_int_equal(gitlab_parse_project(&project, &response, "project x", NULL), 0);
    assert_string_equal(project.default_branch, "");
    assert_string_equal(project.web_url, "");
    assert_string_equal(project.git_url, "");
    assert_string_equal(project.readme_name, "");
    assert_false(project.archived);
}

static void test_no_projects(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"id\":\"1\",\"path_with_namespace\":\"a/b\"}",
        "{\"id\":0,\"path_with_namespace\":\"a/b\"}",
        "{\"id\":-1,\"path_with_namespace\":\"a/b\"}",
        "{\"id\":1,\"path_with_namespace\":\"b\"}",
        "{\"id\":1,\"path_with_namespace\":\"a/../b\"}",
        "{\"id\":1,\"path_with_namespace\":\"a/b\\nforged: line\"}",
        "{\"id\":1,\"path_with_namespace\":\"a/b\"",
        "<html><title>Sign in</title></html>",
    };
    for (size_t i = 0; i < array_length(bodies); i++) {
        cleanup_answer struct http_response response = make_answer(200, "", bodies[i]);
        struct gitlab_project project = {0};
        cleanup_error struct error *error = NULL;
        if (gitlab_parse_project(&project, &response, "project x", &error) >= 0)
            fail_msg("accepted %s", bodies[i]);
        assert_int_equal(error->kind, ERROR_UNREACHABLE);
        assert_null(project.id);
    }
}

static void test_sign_in_page_is_named(void **state) {
    (void)state;
    cleanup_answer struct http_response response =
        make_answer(200, "Content-Type: text/html\r\nX-Request-Id: 01H\r\n",
                    "<html><head><title>Sign in</title></head></html>");
    struct gitlab_project project = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(gitlab_parse_project(&project, &response, "project x", &error), -1);
    assert_non_null(strstr(error->message, "an HTML page titled \"Sign in\""));
    assert_non_null(strstr(error->message, "(GitLab request 01H)"));
    assert_non_null(strstr(error->hint, "GITLAB_BASE_URL"));
}

/* ---- refs ---- */

static void expect_ref(const char *body, enum gitlab_ref kind, const char *name,
                       const char *expected) {
    cleanup_answer struct http_response response = make_answer(200, "", body);
    cleanup_free char *commit = NULL;
    cleanup_error struct error *error = NULL;
    if (gitlab_parse_ref(&commit, &response, kind, name, "ref", &error) < 0)
        fail_msg("%s", error->message);
    if (expected == NULL)
        assert_null(commit);
    else
        assert_string_equal(commit, expected);
}

static void test_refs(void **state) {
    (void)state;
    expect_ref("{\"name\":\"main\",\"commit\":{\"id\":\"" COMMIT "\"}}", GITLAB_BRANCH, "main",
               COMMIT);
    /* an annotated tag: target is the tag object */
    expect_ref("{\"name\":\"v1\",\"target\":\"ffffffffffffffffffffffffffffffffffffffff\","
               "\"commit\":{\"id\":\"" COMMIT "\"}}",
               GITLAB_TAG, "v1", COMMIT);
    expect_ref("{\"id\":\"" COMMIT "\"}", GITLAB_COMMIT, COMMIT, COMMIT);
    expect_ref("{\"id\":\"" COMMIT "\"}", GITLAB_DEFAULT, "", COMMIT);
    expect_ref(
        "[{\"name\":\"a/b/c\",\"commit\":{\"id\":\"ffffffffffffffffffffffffffffffffffffffff\"}},"
        "{\"name\":\"a/b\",\"commit\":{\"id\":\"" COMMIT "\"}}]",
        GITLAB_BRANCH, "a/b", COMMIT);
    expect_ref("[{\"name\":\"a/b/c\",\"commit\":{\"id\":\"" COMMIT "\"}}]", GITLAB_BRANCH, "a/b",
               NULL);
    expect_ref("[]", GITLAB_TAG, "v1", NULL);
}

static void test_no_refs(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{}",
        "{\"name\":\"main\",\"commit\":null}",
        "{\"name\":\"main\",\"commit\":{\"id\":\"short\"}}",
        "{\"name\":\"main\",\"commit\":{\"id\":\"0123456789ABCDEF0123456789ABCDEF01234567\"}}",
        "{\"name\":\"main\",\"commit\":{\"id\":\"0123456789abcdef0123456789abcdef0123456\\n\"}}",
        "{\"name\":\"main\",\"commit\":{\"id\":7}}",
        "\"main\"",
        "not JSON",
    };
    for (size_t i = 0; i < array_length(bodies); i++) {
        cleanup_answer struct http_response response = make_answer(200, "", bodies[i]);
        char *commit = NULL;
        cleanup_error struct error *error = NULL;
        if (gitlab_parse_ref(&commit, &response, GITLAB_BRANCH, "main", "ref", &error) >= 0)
            fail_msg("accepted %s", bodies[i]);
        assert_int_equal(error->kind, ERROR_UNREACHABLE);
        assert_null(commit);
    }
}

/* ---- README.md ---- */

#define HELLO_ID "ce013625030ba8dba906f756967f9e9ca394464a" /* of "hello\n" */

static void expect_file(const char *body, const char *content, const char *commit) {
    cleanup_answer struct http_response response = make_answer(200, "", body);
    cleanup_gitlab_file struct gitlab_file file = {0};
    cleanup_error struct error *error = NULL;
    if (gitlab_parse_file(&file, &response, "README.md", &error) < 0)
        fail_msg("%s: %s", body, error->message);
    assert_int_equal(file.content.length, strlen(content));
    assert_string_equal(buffer_text(&file.content), content);
    assert_string_equal(file.commit, commit);
    assert_int_equal(response.body.length, 0);
}

static void test_files(void **state) {
    (void)state;
    expect_file(
        "{\"file_name\":\"README.md\",\"size\":6,\"encoding\":\"base64\",\"content\":\"aGVsbG8K\","
        "\"blob_id\":\"" HELLO_ID "\",\"commit_id\":\"" COMMIT "\"}",
        "hello\n", COMMIT);
    expect_file(" {\n \"commit_id\" : \"" COMMIT
                "\" , \"content\" :\t\"aGVsbG8K\" , \"size\": 6}\n",
                "hello\n", COMMIT);
    /* the value of another key, and a nested key, are called the same */
    expect_file("{\"file_name\":\"content\",\"x\":{\"content\":\"eHg=\"},\"y\":[{\"content\":1}],"
                "\"quote\":\"\\\"content\\\":\\\"\",\"content\":\"aGVsbG8K\"}",
                "hello\n", "");
    /* escapes keep the text from being cut out, but not from being read */
    expect_file("{\"content\":\"aGVs\\u0062G8K\",\"blob_id\":\"" HELLO_ID "\"}", "hello\n", "");
    expect_file(
        "{\"content\":\"\",\"size\":0,\"blob_id\":\"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\"}",
        "", "");
    /* ids of a SHA-256 repository are not checked */
    expect_file("{\"content\":\"aGVsbG8K\",\"blob_id\":"
                "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
                "hello\n", "");
}

static void test_damaged_files(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *words;
    } cases[] = {
        {"{\"content\":\"aGVsbG8K\",\"size\":7}", "size"},
        {"{\"content\":\"aGVsbG8L\",\"size\":6,\"blob_id\":\"" HELLO_ID "\"}", "damaged"},
        {"{\"content\":\"aGVsbG8\",\"size\":6}", "base64"},
        {"{\"content\":\"a*Vs\"}", "base64"},
        {"{\"content\":\"aGVsbG8K\",\"encoding\":\"text\"}", "base64"},
        {"{\"content\":7}", "no file content"},
        {"{\"content\":null}", "no file content"},
        {"{}", "no file content"},
        {"[\"content\",\"aGVsbG8K\"]", "no file"},
        {"{\"content\":\"aGVsbG8K\"", "no JSON"},
        {"{\"content\":\"aGVsbG8K", "no JSON"},
        {"{\"content\":\"a\",\"content\":\"aGVsbG8K\"}", ""},
        {"<html>", "HTML"},
        {"", "no JSON"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_answer struct http_response response = make_answer(200, "", cases[i].body);
        struct gitlab_file file = {0};
        cleanup_error struct error *error = NULL;
        if (gitlab_parse_file(&file, &response, "README.md", &error) >= 0)
            fail_msg("accepted %s", cases[i].body);
        if (error->kind != ERROR_UNREACHABLE || strstr(error->message, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].body, error->message);
        assert_null(file.content.data);
        assert_null(file.commit);
    }
}

static void test_file_over_10_mib(void **state) {
    (void)state;
    cleanup_answer struct http_response response = make_answer(200, "", "{\"content\":\"");
    for (size_t i = 0; i < 14 * 1024; i++) {
        static const char zeros[] =
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (int j = 0; j < 16; j++)
            buffer_append_text(&response.body, zeros);
    }
    buffer_append_text(&response.body, "\"}");
    struct gitlab_file file = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(gitlab_parse_file(&file, &response, "README.md", &error), -1);
    assert_int_equal(error->kind, ERROR_MODEL);
    assert_non_null(strstr(error->message, "10 MiB"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_project),
        cmocka_unit_test(test_project_with_little_in_it),
        cmocka_unit_test(test_no_projects),
        cmocka_unit_test(test_sign_in_page_is_named),
        cmocka_unit_test(test_refs),
        cmocka_unit_test(test_no_refs),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_file_over_10_mib),
    };
    return cmocka_run_group_tests_name("gitlab_answers", tests, NULL, NULL);
}
