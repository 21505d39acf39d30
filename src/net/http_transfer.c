/* One attempt at one request: the options of its easy handle and what comes back. */

#include "base/text.h"
#include "http_internal.h"
#include "net/url.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { METHOD_LIMIT = 16 };

int http_check_option(CURLcode code, struct error **err) {
    if (code == CURLE_OK)
        return 0;
    if (code == CURLE_OUT_OF_MEMORY)
        return error_no_memory(err);
    return error_new(err, ERROR_INTERNAL, "libcurl refuses an option: %s",
                     curl_easy_strerror(code));
}

/* ---- what libcurl calls ---- */

/*
 * A peer that vanished without a word must not hang a watch: unacknowledged data and keepalive
 * probes give up after a minute. Failure is harmless (RFC 5482 calls the option advisory).
 */
static int tune_socket(void *user, curl_socket_t descriptor, curlsocktype purpose) {
    (void)user;
    (void)purpose;
    unsigned timeout = HTTP_TCP_USER_TIMEOUT_MS;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
    return CURL_SOCKOPT_OK;
}

static bool is_status_line(const char *line, size_t length) {
    return length >= 5 && memcmp(line, "HTTP/", 5) == 0;
}

/* "HTTP/1.1 204 No Content" to 204; 0 when it is no such line. */
static int parse_status(const char *line, size_t length) {
    const char *space = memchr(line, ' ', length);
    if (space == NULL || (size_t)(line + length - space) < 4)
        return 0;
    int status = 0;
    for (int i = 1; i <= 3; i++) {
        if (space[i] < '0' || space[i] > '9')
            return 0;
        status = status * 10 + (space[i] - '0');
    }
    return status;
}

static int end_of_headers(struct http_transfer *transfer) {
    if (transfer->response.status < 200) { /* RFC 9110 15.2: interim, the answer follows */
        buffer_clear(&transfer->response.headers);
        return 0;
    }
    transfer->headers_done = true;
    const struct http_stream_handlers *handlers = transfer->handlers;
    if (handlers != NULL && handlers->on_status != NULL) {
        transfer->client->handler_calls++;
        handlers->on_status(handlers->user, transfer->response.status);
    }
    return 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
    struct http_transfer *transfer = user;
    size_t length = size * count;
    transfer->last_activity_ms = clock_now(transfer->client->deps->clock);
    if (transfer->headers_done) /* trailers of a chunked body */
        return length;
    if (is_status_line(data, length)) {
        transfer->response.status = parse_status(data, length);
        buffer_clear(&transfer->response.headers);
        return length;
    }
    if (length == 0 || data[0] == '\r' || data[0] == '\n')
        return end_of_headers(transfer) == 0 ? length : 0;
    if (buffer_append(&transfer->response.headers, data, length) == 0)
        return length;
    transfer->headers_too_large = transfer->response.headers.too_long;
    transfer->no_memory = transfer->response.headers.no_memory;
    return 0;
}

/* One allocation instead of several when the server says how much will come. */
static void reserve_body(struct http_transfer *transfer) {
    struct buffer *body = &transfer->response.body;
    curl_off_t announced = -1;
    if (body->data != NULL || curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                                                &announced) != CURLE_OK)
        return;
    if (announced <= 0 || (uint64_t)announced > body->limit)
        return;
    size_t capacity = (size_t)announced + 1;
    body->data = malloc(capacity);
    if (body->data == NULL)
        return; /* the append that follows says so */
    body->data[0] = '\0';
    body->capacity = capacity;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    struct http_transfer *transfer = user;
    size_t length = size * count;
    transfer->last_activity_ms = clock_now(transfer->client->deps->clock);
    transfer->received += length;
    reserve_body(transfer);
    if (buffer_append(&transfer->response.body, data, length) == 0)
        return length;
    transfer->body_too_large = transfer->response.body.too_long;
    transfer->no_memory = transfer->response.body.no_memory;
    return length + 1; /* anything but LENGTH ends the transfer */
}

static size_t on_stream_body(char *data, size_t size, size_t count, void *user) {
    struct http_transfer *transfer = user;
    size_t length = size * count;
    transfer->last_activity_ms = clock_now(transfer->client->deps->clock);
    transfer->received += length;
    const struct http_stream_handlers *handlers = transfer->handlers;
    if (handlers->on_data == NULL)
        return length;
    transfer->client->handler_calls++;
    transfer->stopped = handlers->on_data(handlers->user, data, length) != 0;
    return transfer->stopped ? length + 1 : length;
}

/*
 * libcurl sends a request again by itself when a kept connection dies before any byte of the answer
 * came. For a write that may have been done, that is the caller's decision (RFC 9110 9.2.2).
 */
static int before_request(void *user, char *peer_address, char *own_address, int peer_port,
                          int own_port) {
    struct http_transfer *transfer = user;
    (void)peer_address;
    (void)own_address;
    (void)peer_port;
    (void)own_port;
    const struct retry_policy *policy = transfer->request->retry;
    const char *method = http_method(transfer->request);
    bool repeatable = (policy != NULL && policy->idempotent) || text_equal(method, "GET") ||
                      text_equal(method, "HEAD");
    if (transfer->begun && !repeatable) {
        transfer->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->begun = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- options ---- */

/* Keeps the loop of options below readable: the first failure stays. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, option, value);                                          \
    } while (0)

static int set_basics(struct http_transfer *transfer, struct error **err) {
    CURL *easy = transfer->easy;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_ERRORBUFFER, transfer->error_text);
    SET(CURLOPT_PRIVATE, (char *)transfer);
    SET(CURLOPT_SHARE, transfer->client->share);
    SET(CURLOPT_URL, transfer->request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* ending a request does not wait for its DNS look-up */
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* none of ours to a CONNECT proxy */
    SET(CURLOPT_BUFFERSIZE, (long)HTTP_RECEIVE_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)HTTP_RECEIVE_BUFFER);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)HTTP_TCP_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, (long)HTTP_TCP_PROBE_S);
    SET(CURLOPT_SOCKOPTFUNCTION, tune_socket);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, transfer->handlers != NULL ? on_stream_body : on_body);
    SET(CURLOPT_WRITEDATA, transfer);
    if (transfer->client->user_agent != NULL)
        SET(CURLOPT_USERAGENT, transfer->client->user_agent);
    if (transfer->request->want_certificate) { /* shown in a full handshake only */
        SET(CURLOPT_CERTINFO, 1L);
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    }
    return http_check_option(code, err);
}

static int64_t attempt_timeout(const struct http_transfer *transfer) {
    if (transfer->request->timeout_ms > 0)
        return transfer->request->timeout_ms;
    return transfer->handlers != NULL ? 0 : HTTP_DEFAULT_TIMEOUT_MS;
}

static int set_timeouts(struct http_transfer *transfer, struct error **err) {
    CURL *easy = transfer->easy;
    CURLcode code = CURLE_OK;
    int64_t timeout = attempt_timeout(transfer);
    if (timeout > LONG_MAX)
        timeout = LONG_MAX;
    SET(CURLOPT_TIMEOUT_MS, (long)timeout);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    return http_check_option(code, err);
}

static int set_method(struct http_transfer *transfer, struct error **err) {
    const struct http_request *request = transfer->request;
    const char *method = http_method(request);
    if (strlen(method) > METHOD_LIMIT ||
        method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0')
        return error_new(err, ERROR_INTERNAL, "the HTTP method is not valid");
    CURL *easy = transfer->easy;
    CURLcode code = CURLE_OK;
    bool has_body = request->body != NULL || text_equal(method, "POST");
    if (has_body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE,
            request->body != NULL ? (curl_off_t)request->body_length : 0);
        SET(CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
    } else if (text_equal(method, "HEAD")) {
        SET(CURLOPT_NOBODY, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
    return http_check_option(code, err);
}

static int add_header(struct http_transfer *transfer, const char *line, struct error **err) {
    if (strpbrk(line, "\r\n") != NULL)
        return error_new(err, ERROR_INTERNAL, "a header of the request holds a line break");
    struct curl_slist *list = curl_slist_append(transfer->headers, line);
    if (list == NULL)
        return error_no_memory(err);
    transfer->headers = list;
    return 0;
}

static int add_named_header(struct http_transfer *transfer, const char *name, const char *value,
                            struct error **err) {
    char *line = text_format(err, "%s: %s", name, value);
    if (line == NULL)
        return -1;
    int result = add_header(transfer, line, err);
    secret_free(line);
    return result;
}

static int set_headers(struct http_transfer *transfer, struct error **err) {
    const struct http_request *request = transfer->request;
    for (const char *const *line = request->headers; line != NULL && *line != NULL; line++)
        if (add_header(transfer, *line, err) < 0)
            return -1;
    if (add_header(transfer, "Expect:", err) < 0)
        return -1;
    /* without a type libcurl would call a body a form */
    if (request->content_type != NULL
            ? add_named_header(transfer, "Content-Type", request->content_type, err) < 0
            : request->body == NULL && add_header(transfer, "Content-Type:", err) < 0)
        return -1;
    if (request->authorization != NULL) {
        if (strpbrk(request->authorization, "\r\n") != NULL)
            return error_new(err, ERROR_PARAMETER, "the credential for %s holds a line break",
                             request->server != NULL ? request->server : "the server");
        if (add_named_header(transfer, "Authorization", request->authorization, err) < 0)
            return -1;
    }
    return 0;
}

static void wipe_list(struct curl_slist *list) {
    for (struct curl_slist *item = list; item != NULL; item = item->next)
        memory_wipe(item->data, strlen(item->data));
    curl_slist_free_all(list);
}

int http_transfer_new(struct http_transfer **out, struct http_client *client,
                      const struct http_request *request,
                      const struct http_stream_handlers *handlers, struct error **err) {
    cleanup_http_transfer struct http_transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL)
        return error_no_memory(err);
    transfer->client = client;
    transfer->request = request;
    transfer->handlers = handlers;
    transfer->response.headers = BUFFER_INIT(HTTP_HEADERS_LIMIT);
    transfer->response.body = BUFFER_INIT(request->body_limit);
    transfer->response.body.secret = true; /* a Secret object, for one */
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        return error_no_memory(err);
    if (set_basics(transfer, err) < 0 || set_timeouts(transfer, err) < 0 ||
        set_method(transfer, err) < 0 || set_headers(transfer, err) < 0 ||
        http_trust_apply(transfer, err) < 0)
        return -1;
    CURLcode code = curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (http_check_option(code, err) < 0)
        return -1;
    *out = steal_pointer(transfer);
    return 0;
}

int http_transfer_start(struct http_transfer *transfer, struct error **err) {
    transfer->last_activity_ms = clock_now(transfer->client->deps->clock);
    CURLMcode code = curl_multi_add_handle(transfer->client->multi, transfer->easy);
    if (code == CURLM_OUT_OF_MEMORY)
        return error_no_memory(err);
    if (code != CURLM_OK)
        return error_new(err, ERROR_INTERNAL, "a request cannot start: %s",
                         curl_multi_strerror(code));
    transfer->added = true;
    transfer->client->statistics.requests++;
    return 0;
}

void http_transfer_stop(struct http_transfer *transfer) {
    if (!transfer->added)
        return;
    long connections = 0;
    if (curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connections) == CURLE_OK)
        transfer->client->statistics.connections += (int)connections;
    curl_multi_remove_handle(transfer->client->multi, transfer->easy);
    transfer->added = false;
}

void http_transfer_free(struct http_transfer *transfer) {
    if (transfer == NULL)
        return;
    http_transfer_stop(transfer);
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    wipe_list(transfer->headers);
    curl_slist_free_all(transfer->connect_to);
    http_response_free(&transfer->response);
    free(transfer);
}

enum retry_failure http_transfer_error(const struct http_transfer *transfer, struct error **err) {
    const struct http_request *request = transfer->request;
    const struct http_trust *trust = request->trust;
    cleanup_free char *host = http_display_host(request->url, err);
    if (host == NULL)
        return RETRY_UNTRUSTED;
    cleanup_url struct url url = {0};
    cleanup_error struct error *invalid = NULL; /* cannot be: it was parsed before */
    (void)url_parse(&url, request->url, "the URL", ERROR_INTERNAL, &invalid);
    bool renamed = trust != NULL && !text_is_empty(trust->server_name);
    struct http_failure failure = {
        .code = transfer->resend_refused ? CURLE_GOT_NOTHING : transfer->code,
        .server = request->server,
        .host = host,
        .name = renamed ? trust->server_name : url.host,
        .text = transfer->error_text,
        .status = transfer->response.status,
        .received = transfer->received,
        .timeout_ms = attempt_timeout(transfer),
        .headers_too_large = transfer->headers_too_large,
        .body_too_large = transfer->body_too_large,
        .body_limit = request->body_limit,
        .no_memory = transfer->no_memory,
        .stopped = transfer->stopped,
        .own_ca = trust != NULL && trust->ca_pem != NULL,
    };
    curl_off_t sent_us = 0;
    if (curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us) == CURLE_OK)
        failure.sent = sent_us > 0 || transfer->resend_refused;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &failure.os_errno);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &failure.proxy_status);
    return http_failure_error(&failure, err);
}
