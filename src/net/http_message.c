/* The parts of a message: freeing, header look-up, names for people. */

#include "base/text.h"
#include "http_internal.h"
#include "net/url.h"

#include <string.h>
#include <strings.h>

void http_response_free(struct http_response *response) {
    if (response == NULL)
        return;
    buffer_free(&response->body);
    buffer_free(&response->headers);
    free(response->retry_note);
    memset(response, 0, sizeof(*response));
}

void http_result_free(struct http_result *result) {
    if (result == NULL)
        return;
    http_response_free(&result->response);
    error_free(result->error);
    memset(result, 0, sizeof(*result));
}

bool http_header(const struct http_response *response, const char *name, char *value, size_t size) {
    size_t name_length = strlen(name);
    const char *line = buffer_text(&response->headers);
    while (*line != '\0') {
        size_t length = strcspn(line, "\r\n");
        if (length > name_length && line[name_length] == ':' &&
            strncasecmp(line, name, name_length) == 0) {
            const char *start = line + name_length + 1;
            const char *end = line + length;
            start += strspn(start, " \t");
            while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            if (start > end)
                start = end;
            size_t value_length = (size_t)(end - start);
            if (value_length >= size)
                return false;
            memcpy(value, start, value_length);
            value[value_length] = '\0';
            return true;
        }
        line += length;
        line += strspn(line, "\r\n");
    }
    return false;
}

const char *http_method(const struct http_request *request) {
    return request->method != NULL ? request->method : "GET";
}

char *http_display_host(const char *text, struct error **err) {
    cleanup_url struct url url = {0};
    cleanup_error struct error *invalid = NULL;
    if (url_parse(&url, text, "the URL", ERROR_INTERNAL, &invalid) < 0)
        return text_copy("an invalid URL", err);
    bool usual = text_equal(url.port, text_equal(url.scheme, "https") ? "443" : "80");
    bool v6 = strchr(url.host, ':') != NULL;
    return text_format(err, "%s%s%s%s%s", v6 ? "[" : "", url.host, v6 ? "]" : "", usual ? "" : ":",
                       usual ? "" : url.port);
}

char *http_display_url(const char *text, struct error **err) {
    cleanup_url struct url url = {0};
    cleanup_error struct error *invalid = NULL;
    if (url_parse(&url, text, "the URL", ERROR_INTERNAL, &invalid) < 0)
        return text_copy("an invalid URL", err);
    return url_base(&url, err);
}
