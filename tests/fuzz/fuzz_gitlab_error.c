/*
 * Answers of a server that claims to be GitLab. Input: a byte for the status, header lines up to a
 * NUL, the body. Whatever it is, messages stay one printable line and results are whole or not
 * there.
 */

#include "gitlab_internal.h"

#include "base/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct error *error) {
    if (error == NULL || !text_is_utf8(error->message, strlen(error->message)))
        __builtin_trap();
    for (const char *at = error->message; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            __builtin_trap();
}

static void fill(struct http_response *response, int status, const char *headers,
                 size_t headers_length, const char *body, size_t length) {
    *response = (struct http_response){
        .status = status,
        .body = BUFFER_INIT(1024 * 1024),
        .headers = BUFFER_INIT(64 * 1024),
    };
    buffer_append(&response->headers, headers, headers_length);
    buffer_append(&response->body, body, length);
}

static void read_answers(struct http_response *response) {
    cleanup_error struct error *no_project = NULL;
    cleanup_gitlab_project struct gitlab_project project = {0};
    if (gitlab_parse_project(&project, response, "project", &no_project) < 0)
        check_error(no_project);
    cleanup_error struct error *no_ref = NULL;
    cleanup_free char *commit = NULL;
    if (gitlab_parse_ref(&commit, response, GITLAB_BRANCH, "main", "branch", &no_ref) < 0)
        check_error(no_ref);
    else if (commit != NULL && !model_is_commit(commit))
        __builtin_trap();
    cleanup_error struct error *no_file = NULL;
    cleanup_gitlab_file struct gitlab_file file = {0};
    if (gitlab_parse_file(&file, response, "README.md", &no_file) < 0)
        check_error(no_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    static const int statuses[] = {200, 301, 302, 400, 401, 403, 404, 429, 500, 502};
    const char *headers = (const char *)data + 1;
    const char *end = memchr(headers, '\0', size - 1);
    size_t headers_length = end != NULL ? (size_t)(end - headers) : 0;
    const char *body = end != NULL ? end + 1 : headers;
    size_t length = size - (size_t)(body - (const char *)data);

    struct http_response response;
    fill(&response, statuses[data[0] % array_length(statuses)], headers, headers_length, body,
         length);
    cleanup_error struct error *error = NULL;
    if (gitlab_status_error(&error, &response, "project a/b") >= 0)
        __builtin_trap();
    check_error(error);
    char id[24];
    (void)gitlab_classify(&response, id);
    read_answers(&response);
    http_response_free(&response);
    return 0;
}
