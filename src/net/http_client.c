#include "base/text.h"
#include "http_internal.h"

#include <limits.h>
#include <poll.h>
#include <string.h>

static int set_up_share(struct http_client *client, struct error **err) {
    client->share = curl_share_init();
    if (client->share == NULL)
        return error_no_memory(err);
    CURLSHcode code = curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (code == CURLSHE_NOMEM)
        return error_no_memory(err);
    if (code != CURLSHE_OK && code != CURLSHE_NOT_BUILT_IN)
        return error_new(err, ERROR_INTERNAL, "libcurl: %s", curl_share_strerror(code));
    return 0;
}

static int set_up_loop(struct http_client *client, struct error **err) {
    client->multi = curl_multi_init();
    if (client->multi == NULL)
        return error_no_memory(err);
    CURLMcode code =
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_IDLE_CONNECTIONS);
    if (code != CURLM_OK)
        return error_new(err, ERROR_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
    return 0;
}

int http_client_new(struct http_client **out, const struct deps *deps, const char *user_agent,
                    struct error **err) {
    cleanup_http_client struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return error_no_memory(err);
    client->deps = deps;
    client->user_agent = text_copy(user_agent, err);
    if (client->user_agent == NULL && user_agent != NULL)
        return -1;
    if (set_up_share(client, err) < 0 || set_up_loop(client, err) < 0)
        return -1;
    *out = steal_pointer(client);
    return 0;
}

void http_client_free(struct http_client *client) {
    if (client == NULL)
        return;
    while (client->streams != NULL)
        http_stream_free(client->streams);
    if (client->multi != NULL)
        curl_multi_cleanup(client->multi);
    if (client->share != NULL)
        curl_share_cleanup(client->share);
    while (client->bundles != NULL) {
        struct http_bundle *bundle = client->bundles;
        client->bundles = bundle->next;
        free(bundle->ca_pem);
        free(bundle->merged);
        free(bundle);
    }
    free(client->system_roots);
    free(client->user_agent);
    free(client);
}

void http_client_statistics(const struct http_client *client, struct http_statistics *out) {
    *out = client->statistics;
}

bool http_is_canceled(const struct http_client *client) {
    struct pollfd descriptor = {.fd = client->deps->cancel_descriptor, .events = POLLIN};
    return descriptor.fd >= 0 && poll(&descriptor, 1, 0) > 0;
}

static int check_multi(CURLMcode code, struct error **err) {
    if (code == CURLM_OK)
        return 0;
    if (code == CURLM_OUT_OF_MEMORY)
        return error_no_memory(err);
    return error_new(err, ERROR_INTERNAL, "the event loop failed: %s", curl_multi_strerror(code));
}

static void collect_finished(struct http_client *client) {
    int left = 0;
    for (CURLMsg *message = curl_multi_info_read(client->multi, &left); message != NULL;
         message = curl_multi_info_read(client->multi, &left)) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *user = NULL;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user) != CURLE_OK)
            continue;
        struct http_transfer *transfer = (struct http_transfer *)(void *)user;
        transfer->finished = true;
        transfer->code = message->data.result;
        /* libcurl takes a connection that ends inside the header for the end of an empty answer. */
        if (transfer->code == CURLE_OK && !transfer->headers_done)
            transfer->code = CURLE_PARTIAL_FILE;
    }
}

int http_loop_turn(struct http_client *client, int64_t wait_ms, struct error **err) {
    int64_t wait = http_batches_wait(client, http_streams_wait(client, wait_ms));
    if (wait < 0 || wait > INT_MAX)
        wait = INT_MAX;
    struct curl_waitfd cancel = {.fd = client->deps->cancel_descriptor, .events = CURL_WAIT_POLLIN};
    unsigned extra = cancel.fd >= 0 ? 1 : 0;
    if (check_multi(curl_multi_poll(client->multi, &cancel, extra, (int)wait, NULL), err) < 0)
        return -1;
    int running = 0;
    if (check_multi(curl_multi_perform(client->multi, &running), err) < 0)
        return -1;
    collect_finished(client);
    http_batches_settle(client);
    http_streams_settle(client);
    return 0;
}

int http_wait(struct http_client *client, int64_t timeout_ms, struct error **err) {
    const struct clock *clock = client->deps->clock;
    int64_t end = timeout_ms < 0 ? INT64_MAX : clock_now(clock) + timeout_ms;
    unsigned long before = client->handler_calls;
    for (;;) {
        if (http_is_canceled(client))
            return HTTP_WAIT_CANCELED;
        int64_t left = end == INT64_MAX ? -1 : end - clock_now(clock);
        bool last = end != INT64_MAX && left <= 0;
        if (http_loop_turn(client, last ? 0 : left, err) < 0)
            return -1;
        if (client->handler_calls != before)
            return HTTP_WAIT_ACTIVITY;
        if (last)
            return HTTP_WAIT_TIMEOUT;
    }
}
