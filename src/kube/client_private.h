#pragma once

/* Private to client.c and warnings.c. */

#include "kube/client.h"
#include "kube/credential.h"

struct kube_client {
    const struct kube_config *config;
    struct http_client *http;
    const struct deps *deps;
    struct kube_credential *credential;
    struct strings common_headers; /* User-Agent, Impersonate-* */
    const char **json_headers; /* for http_request.headers; lines of common_headers and Accept */
    const char **text_headers;
    int64_t timeout_ms;
};

/*
 * Adds the texts of all `Warning: 299 AGENT "TEXT"` header lines to OUT, each once, at most 32.
 * Malformed ones are skipped. Source: apimachinery pkg/util/net/http.go ParseWarningHeaders.
 */
int kube_warnings_read(struct strings *out, const struct buffer *headers, struct error **err);
