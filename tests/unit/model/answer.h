#pragma once

/* HTTP answers made by hand. */

#include "net/http.h"

#include <string.h>

static inline struct http_response make_answer(int status, const char *headers, const char *body) {
    struct http_response response = {
        .status = status,
        .body = BUFFER_INIT(64 * 1024 * 1024),
        .headers = BUFFER_INIT(64 * 1024),
    };
    buffer_append_text(&response.headers, headers);
    buffer_append_text(&response.body, body);
    return response;
}

#define cleanup_answer cleanup(http_response_free)
