/* What GitLab's refusals become. */

#include "cmocka_all.h"

#include "answer.h"
#include "gitlab_internal.h"

static const char json_header[] = "Content-Type: application/json\r\n";

struct error_case {
    const char *name;
    int status;
    const char *headers;
    const char *body;
    enum error_kind kind;
    const char *message;
    const char *hint; /* part of it, or NULL */
};

static const struct error_case cases[] = {
    {"unknown token", 401, json_header, "{\"message\":\"401 Unauthorized\"}", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 401 Unauthorized", "Check the token"},
    {"expired token", 401, json_header,
     "{\"error\":\"invalid_token\",\"error_description\":\"Token is expired. You can either do "
     "re-authorization or token refresh.\"}",
     ERROR_UNREACHABLE,
     "project a/b: GitLab answered 401 Token is expired. You can either do re-authorization or "
     "token "
     "refresh.",
     "Check the token"},
    {"missing scope", 403, json_header,
     "{\"error\":\"insufficient_scope\",\"error_description\":\"The request requires higher "
     "privileges "
     "than provided by the access token.\",\"scope\":\"api\"}",
     ERROR_UNREACHABLE,
     "project a/b: GitLab answered 403 The request requires higher privileges than provided by the "
     "access token.",
     "read_api"},
    {"missing role", 403, json_header, "{\"message\":\"403 Forbidden\"}", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 403 Forbidden", "Reporter"},
    {"missing project", 404, json_header, "{\"message\":\"404 Project Not Found\"}", ERROR_MODEL,
     "project a/b: GitLab answered 404 Project Not Found", NULL},
    {"router", 404, json_header, "{\"error\":\"404 Not Found\"}", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 404 Not Found", "GITLAB_BASE_URL"},
    {"bad name", 400, json_header, "{\"message\":\"The branch refname is invalid\"}", ERROR_MODEL,
     "project a/b: GitLab answered 400 The branch refname is invalid", NULL},
    {"object", 400, json_header, "{\"message\":{\"path\":[\"is too long\",\"is taken\"],\"id\":7}}",
     ERROR_MODEL, "project a/b: GitLab answered 400 path: is too long; is taken; id: 7", NULL},
    {"list", 400, json_header, "{\"message\":[\"one\",\"two\"]}", ERROR_MODEL,
     "project a/b: GitLab answered 400 one; two", NULL},
    {"application limiter", 429, "Retry-After: 600\r\n",
     "{\"message\":{\"error\":\"This endpoint has been requested too many times. Try again "
     "later.\"}}",
     ERROR_UNREACHABLE,
     "project a/b: GitLab answered 429 error: This endpoint has been requested too many times. Try "
     "again "
     "later.",
     "in 600 s"},
    {"user limit", 429, "Content-Type: text/plain\r\n", "Retry later\n", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 429 Retry later", "try again later"},
    {"Retry-After that is no number", 429, "Retry-After: soon\r\n", "", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 429", "try again later"},
    {"server error", 500, json_header, "{\"message\":\"500 Internal Server Error\"}",
     ERROR_UNREACHABLE, "project a/b: GitLab answered 500 Internal Server Error", "administrator"},
    {"HTML", 502, "Content-Type: text/html; charset=utf-8\r\n",
     "<!DOCTYPE html>\n<html><head><title>GitLab is not responding (502)</title></head></html>",
     ERROR_UNREACHABLE,
     "project a/b: GitLab answered 502 an HTML page titled \"GitLab is not responding (502)\"",
     "administrator"},
    {"HTML without a title", 503, "", "<html>busy</html>", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 503 an HTML page", NULL},
    {"empty", 503, "", "", ERROR_UNREACHABLE, "project a/b: GitLab answered 503", NULL},
    {"not UTF-8", 500, "", "\xff\xfe", ERROR_UNREACHABLE, "project a/b: GitLab answered 500", NULL},
    {"control characters", 500, "", "a\x1b[31mb\nc", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 500 a [31mb c", NULL},
    {"JSON of another kind", 500, json_header, "[1,2]", ERROR_UNREACHABLE,
     "project a/b: GitLab answered 500 [1,2]", NULL},
    {"request id", 404, "X-Request-Id: 01HXYZ-7\r\n", "{\"message\":\"404 Not Found\"}",
     ERROR_MODEL, "project a/b: GitLab answered 404 Not Found (GitLab request 01HXYZ-7)", NULL},
    {"forged request id", 404, "X-Request-Id: a) forged\r\n", "{\"message\":\"404 Not Found\"}",
     ERROR_MODEL, "project a/b: GitLab answered 404 Not Found", NULL},
    {"redirect", 301, "Location: https://user:pw@other.example.com/api/v4/x?private_token=1\r\n",
     "", ERROR_UNREACHABLE,
     "project a/b: GitLab redirects (301) to https://other.example.com/api/v4/x, which is not "
     "followed",
     "GITLAB_BASE_URL"},
    {"redirect to nowhere", 302, "", "", ERROR_UNREACHABLE,
     "project a/b: GitLab redirects (302) to nowhere, which is not followed", NULL},
};

static void test_messages(void **state) {
    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_answer struct http_response response =
            make_answer(cases[i].status, cases[i].headers, cases[i].body);
        cleanup_error struct error *error = NULL;
        assert_int_equal(gitlab_status_error(&error, &response, "project a/b"), -1);
        if (strcmp(error->message, cases[i].message) != 0)
            fail_msg("%s: %s", cases[i].name, error->message);
        if (error->kind != cases[i].kind || error->http_status != cases[i].status)
            fail_msg("%s: kind %d, status %d", cases[i].name, error->kind, error->http_status);
        if (cases[i].hint != NULL &&
            (error->hint == NULL || strstr(error->hint, cases[i].hint) == NULL))
            fail_msg("%s: hint %s", cases[i].name, error->hint);
    }
}

static void test_long_texts_are_cut(void **state) {
    (void)state;
    cleanup_answer struct http_response response = make_answer(500, "", "");
    for (int i = 0; i < 10000; i++)
        buffer_append_text(&response.body, "wort \xc3\xbc ");
    cleanup_error struct error *error = NULL;
    gitlab_status_error(&error, &response, "x");
    assert_true(strlen(error->message) < 400);
}

static void test_secrets_are_taken_out(void **state) {
    (void)state;
    struct error *error = NULL;
    error_new(&error, ERROR_UNREACHABLE, "you sent glpat-1234, glpat-1234!");
    error_hint(&error, "drop glpat-1234");
    model_clean_error(&error, "glpat-1234");
    assert_string_equal(error->message, "you sent **********, **********!");
    assert_string_equal(error->hint, "drop **********");
    model_clean_error(&error, "");
    model_clean_error(&error, NULL);
    error_free(error);
    error = NULL;
    model_clean_error(&error, "glpat-1234");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_secrets_are_taken_out),
    };
    return cmocka_run_group_tests_name("gitlab_error", tests, NULL, NULL);
}
