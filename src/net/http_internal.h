#pragma once

/* What the files of this folder share; nothing outside includes it. */

#include "net/http.h"

#include <curl/curl.h>

enum {
    HTTP_HEADERS_LIMIT = 64 * 1024, /* all header lines of one answer */
    HTTP_NOTE_LIMIT = 2 * 1024,     /* why earlier attempts failed */
    HTTP_DEFAULT_TIMEOUT_MS = 30 * 1000,
    HTTP_CONNECT_TIMEOUT_MS = 15 * 1000, /* DNS, TCP, proxy and TLS together */
    HTTP_RECEIVE_BUFFER = 16 * 1024,     /* a connection's; also the size of a TLS record */
    HTTP_IDLE_CONNECTIONS = 16,
    HTTP_TCP_IDLE_S = 30,
    HTTP_TCP_PROBE_S = 10,
    HTTP_TCP_USER_TIMEOUT_MS = 60 * 1000,
};

/* The system's roots together with one CA of a caller; kept, because several requests use it. */
struct http_bundle {
    struct http_bundle *next;
    char *ca_pem;
    char *merged;
};

struct http_client {
    const struct deps *deps;
    CURLM *multi;
    CURLSH *share; /* TLS sessions: libcurl before 8.12 keeps them per easy handle otherwise */
    char *user_agent;
    char *system_roots; /* read when first needed */
    struct http_bundle *bundles;
    struct http_stream *streams;
    struct http_batch *batches; /* in the background */
    struct http_statistics statistics;
    unsigned long handler_calls;
};

/* One attempt at one request. */
struct http_transfer {
    struct http_client *client;
    const struct http_request *request;
    const struct http_stream_handlers *handlers; /* NULL: the body is collected */
    CURL *easy;
    struct curl_slist *headers;    /* holds the Authorization value: wiped */
    struct curl_slist *connect_to; /* where a request with another server name really goes */
    struct http_response response;
    char error_text[CURL_ERROR_SIZE];
    int64_t last_activity_ms;
    uint64_t received; /* bytes of the body */
    bool headers_done; /* the final answer's header is complete */
    bool headers_too_large;
    bool body_too_large;
    bool no_memory;
    bool stopped;        /* a handler refused the data */
    bool begun;          /* the request was about to be sent, once */
    bool resend_refused; /* libcurl wanted to send it again */
    bool added;
    bool finished;
    CURLcode code;
};

/* What is known about a failed exchange. */
struct http_failure {
    CURLcode code;
    const char *server; /* as http_request names it, or NULL */
    const char *host;   /* "host" or "host:port" */
    const char *name;   /* that the certificate had to carry */
    const char *text;   /* libcurl's own words, may hold control characters */
    long os_errno;      /* or 0 */
    long proxy_status;  /* of a refused CONNECT, or 0 */
    bool sent;          /* the request was (at least partly) sent */
    int status;         /* of the answer that had begun, or 0 */
    uint64_t received;  /* bytes of its body */
    int64_t timeout_ms; /* of the attempt; 0: none */
    bool headers_too_large;
    bool body_too_large;
    size_t body_limit;
    bool no_memory;
    bool stopped;
    bool own_ca; /* the caller gave the CA certificates */
};

/* Sets *err to one sentence about FAILURE, with a hint where one helps; says how it may be retried
 * (RETRY_UNTRUSTED: not at all). */
enum retry_failure http_failure_error(const struct http_failure *failure, struct error **err);

/* "host", "host:port" or "[v6]:port" of URL for people; never credentials. NULL with an error. */
char *http_display_host(const char *url, struct error **err);

/* "https://host/path" without credentials and query, for the log. NULL with an error. */
char *http_display_url(const char *url, struct error **err);

const char *http_method(const struct http_request *request);

/* Makes a transfer; it runs once it is added to the client's loop. */
int http_transfer_new(struct http_transfer **out, struct http_client *client,
                      const struct http_request *request,
                      const struct http_stream_handlers *handlers, struct error **err);
int http_transfer_start(struct http_transfer *transfer, struct error **err);
/* Takes it out of the loop (an unfinished one loses its connection). */
void http_transfer_stop(struct http_transfer *transfer);
void http_transfer_free(struct http_transfer *transfer);

static inline void http_transfer_free_pointer(struct http_transfer **transfer) {
    http_transfer_free(*transfer);
    *transfer = NULL;
}

#define cleanup_http_transfer cleanup(http_transfer_free_pointer)

/* When the first of the certificates that EASY's server showed ends, ms since 1970; 0: not told. */
int64_t http_certificate_expiry(CURL *easy);

/* "Expire date:Nov  5 22:15:26 2027 GMT" (OpenSSL) or "Expire Date:2027-11-05 22:15:26 GMT" (the
 * others) to ms since 1970; 0 for any other line. Pure. */
int64_t http_certificate_end(const char *line);

/* The error of a finished transfer whose code is not CURLE_OK. */
enum retry_failure http_transfer_error(const struct http_transfer *transfer, struct error **err);

/* Sets certificates, names and proxy; see struct http_trust. */
int http_trust_apply(struct http_transfer *transfer, struct error **err);

/* -1 with an error (out of memory when it is that) unless CODE is CURLE_OK. */
int http_check_option(CURLcode code, struct error **err);

/* One turn of the loop: waits at most WAIT_MS (-1: no limit) for the network or the cancel
 * descriptor, then lets every transfer and stream go on. */
int http_loop_turn(struct http_client *client, int64_t wait_ms, struct error **err);

/* True when the run is to stop. */
bool http_is_canceled(const struct http_client *client);

/* Starts what is due in the batches of the background. Milliseconds until the next thing is to be
 * done for them, at most WAIT_MS (-1: no limit). */
int64_t http_batches_wait(struct http_client *client, int64_t wait_ms);

/* Takes the answers that came for them, or ends them at their deadlines. */
void http_batches_settle(struct http_client *client);

/* Ends streams that are finished or idle for too long; on_end runs here. */
void http_streams_settle(struct http_client *client);

/* Milliseconds until the next stream is idle for too long, at most WAIT_MS (-1: no limit). */
int64_t http_streams_wait(const struct http_client *client, int64_t wait_ms);
