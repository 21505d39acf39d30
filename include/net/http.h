#pragma once

/*
 * HTTP over one event loop (libcurl multi): batches of requests in parallel, and streams that go on
 * while batches run. The only layer that sees libcurl.
 *
 * Rules that hold for every exchange: redirects are never followed (the answer is handed up); the
 * Authorization value goes to the URL it was given with and nowhere else; certificates are verified
 * unless the trust says otherwise by name; bodies have a ceiling; TLS is at least 1.2; nothing asks
 * for compression (the API server's compressed watch streams break libcurl, curl issue 22156).
 */

#include "base/buffer.h"
#include "base/deps.h"
#include "net/retry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whom to trust and how to show who we are. All pointers are borrowed for the exchange. */
struct http_trust {
    const char *ca_pem;     /* PEM bundle that replaces the system's roots; NULL: system roots */
    bool add_system_roots;  /* use CA_PEM in addition to the system's roots */
    bool skip_verification; /* accept any certificate: only by the user's explicit switch */
    /*
     * SNI and verified name when it differs from the URL's host (kubeconfig's tls-server-name); the
     * Host header stays the URL's. NO_PROXY of the environment is then matched against this name.
     */
    const char *server_name;
    /* The Host header is the server name too, with http:// as well: for an ingress that routes by
     * it (gRPC's ssl_target_name_override does the same). */
    bool server_name_is_host;
    const char *client_certificate_pem;
    const char *client_key_pem; /* secret; libcurl keeps a copy for the connection */
    /*
     * http://, https:// or socks5:// URL, used whatever NO_PROXY says; NULL: environment
     * (HTTPS_PROXY, NO_PROXY with CIDR ranges); "": none. A TLS proxy is verified with the system's
     * roots.
     */
    const char *proxy;
};

struct http_request {
    const char *method; /* "GET", "POST", "PATCH", "DELETE"; NULL: GET */
    const char *url;
    const char *const *headers; /* NULL-terminated "Name: value" lines; may be NULL; no secrets */
    /* Value of Authorization ("Bearer ..."), secret; NULL: none. Our copy is wiped after the
     * attempt. */
    const char *authorization;
    const char *content_type; /* of the body */
    const char *body;         /* NULL: none */
    size_t body_length;
    const struct http_trust *trust; /* NULL: system roots, no client certificate */
    size_t body_limit; /* most bytes of the answer's body, longer is an error; not for streams */
    /* One attempt, connect to last byte; 0: 30 s; streams: none. Connecting alone (DNS, TCP, proxy,
     * TLS) never takes longer than 15 s. */
    int64_t timeout_ms;
    int64_t idle_timeout_ms; /* streams: no byte for so long ends it as broken; 0: never */
    /* NULL: retry_default. GET and HEAD count as idempotent whatever it says (RFC 9110 9.2.2). */
    const struct retry_policy *retry;
    const char *server;    /* how messages name the peer: "GitLab", "the Kubernetes API server" */
    bool want_certificate; /* a connection of its own, whose certificates' end is told */
};

struct http_response {
    int status;         /* 100..599 */
    struct buffer body; /* wiped when freed: it may be a Secret */
    /* Raw header lines of the final answer, at most 64 KiB; see http_header. */
    struct buffer headers;
    int attempts;
    char *retry_note; /* why earlier attempts failed, or NULL; owned */
    /* With want_certificate: when the first of the server's certificates ends, ms since 1970; 0
     * without TLS, or when the TLS library does not tell. */
    int64_t certificate_expires_ms;
};

/* One request of a batch: either ERROR is set (no usable answer), or RESPONSE holds the answer
 * whatever its status. */
struct http_result {
    struct http_response response;
    /* ERROR_UNREACHABLE, ERROR_DEADLINE, ERROR_CANCELED; ERROR_INTERNAL (also for an answer that is
     * too large); ERROR_PARAMETER (a credential or TLS name that cannot be sent). Owned. */
    struct error *error;
    bool too_large; /* ERROR is set because the body passed body_limit */
};

/* Once per process, before any other call here; not thread-safe (libcurl's global state). */
int http_library_start(struct error **err);
void http_library_stop(void);

enum { HTTP_LIBRARY_SIZE = 128 };
/* "libcurl 8.14.1 (mbedTLS/3.6.4)". Needs no start. */
void http_library_version(char *out, size_t size);

/* error->reason of an exchange that ended because the peer's certificate was refused, so that
 * callers can name the parameter that helps. */
#define HTTP_REASON_UNTRUSTED "Untrusted"
/* The same when the TLS layer ended it for another reason that does not pass by itself: no common
 * version, or the peer wants a client certificate, or another one. */
#define HTTP_REASON_HANDSHAKE "HandshakeFailed"

struct http_client;

/* What the process did so far; for `--log-level debug`, tests and benchmarks. */
struct http_statistics {
    int requests;
    int connections;
    int retries;
    int rounds;     /* batches that had to wait for the network one after the other */
    int background; /* batches of http_batch_start that are done */
};

/* DEPS is borrowed for the client's life. User agent: "deploy-inference-service/VERSION". */
int http_client_new(struct http_client **out, const struct deps *deps, const char *user_agent,
                    struct error **err);
void http_client_free(struct http_client *client);
void http_client_statistics(const struct http_client *client, struct http_statistics *out);

static inline void http_client_free_pointer(struct http_client **client) {
    http_client_free(*client);
    *client = NULL;
}

#define cleanup_http_client cleanup(http_client_free_pointer)

/*
 * Performs COUNT requests in parallel and waits for all of them, each with its own retries. Streams
 * of the same client go on meanwhile. DEADLINE_MS is on the monotonic clock (0: none): what is
 * unfinished then gets ERROR_DEADLINE; when deps->cancel_descriptor becomes readable,
 * ERROR_CANCELED. A retry whose pause (Retry-After) would end after the deadline is not waited for:
 * the answer that asked for it is the result. A request on a kept connection that the server had
 * closed meanwhile is sent again on a new one by libcurl; that is no attempt of its own. RESULTS
 * (COUNT zeroed elements) are filled in order. Returns -1 only when the batch could not be run at
 * all (out of memory); individual failures are in the results.
 */
int http_send(struct http_client *client, const struct http_request *requests, size_t count,
              struct http_result *results, int64_t deadline_ms, struct error **err);

/* ---- batches in the background ---- */

struct http_batch;

/*
 * Starts what http_send does without waiting for it: the requests go on while other calls of this
 * client wait for theirs (http_send, http_wait; the latter returns HTTP_WAIT_ACTIVITY when a batch
 * is done). REQUESTS (with all they point to) and RESULTS must live until http_batch_free, which
 * must come before the client's end. Canceling does not end a batch: whoever waits sees it.
 */
int http_batch_start(struct http_batch **out, struct http_client *client,
                     const struct http_request *requests, size_t count, struct http_result *results,
                     int64_t deadline_ms, struct error **err);

/* True when every result is there (each an answer or an error). */
bool http_batch_is_done(const struct http_batch *batch);

/* Gives up what is unfinished; the results that are there stay the caller's. NULL is fine. */
void http_batch_free(struct http_batch *batch);

void http_response_free(struct http_response *response);
void http_result_free(struct http_result *result);

/* The value of the first header with this name (any case), copied to VALUE; false when absent or
 * longer than SIZE. */
bool http_header(const struct http_response *response, const char *name, char *value, size_t size);

/* ---- streams ---- */

struct http_stream;

enum http_stream_end {
    HTTP_STREAM_COMPLETE, /* the server ended the answer properly */
    HTTP_STREAM_BROKEN,   /* reset, cut off, idle for too long, or never connected; error is set */
};

struct http_stream_handlers {
    /* The answer's status arrived (before any data). */
    void (*on_status)(void *user, int status);
    /* Bytes of the body. Non-zero return ends the stream as broken. */
    int (*on_data)(void *user, const char *data, size_t length);
    /* Last call. ERROR is borrowed, NULL when complete. RESPONSE has status and headers. */
    void (*on_end)(void *user, enum http_stream_end end, const struct http_response *response,
                   const struct error *error);
    void *user;
};

/* Starts a request whose body is handed over as it comes. No retry here. REQUEST's pointers must
 * live until on_end or http_stream_free. Handlers run inside http_send and http_wait; they must not
 * call back into the client (queue what they learn). */
int http_stream_start(struct http_stream **out, struct http_client *client,
                      const struct http_request *request,
                      const struct http_stream_handlers *handlers, struct error **err);

/* Ends and frees a stream (no further handler call); NULL is fine. */
void http_stream_free(struct http_stream *stream);

enum http_wait {
    HTTP_WAIT_ACTIVITY, /* some handler ran */
    HTTP_WAIT_TIMEOUT,  /* nothing happened in the time */
    HTTP_WAIT_CANCELED, /* deps->cancel_descriptor is readable */
};

/* Runs the loop until a handler ran, TIMEOUT_MS passed (-1: no limit), or the run is canceled.
 * Negative with an error when the loop itself failed. */
int http_wait(struct http_client *client, int64_t timeout_ms, struct error **err);
