/* Streams: answers that are handed over as they come, while batches run. */

#include "base/text.h"
#include "http_internal.h"

#include <string.h>

struct http_stream {
    struct http_stream *next;
    struct http_client *client;
    struct http_request request;
    struct http_stream_handlers handlers;
    struct http_transfer *transfer;
    bool ended; /* on_end was called */
};

int http_stream_start(struct http_stream **out, struct http_client *client,
                      const struct http_request *request,
                      const struct http_stream_handlers *handlers, struct error **err) {
    struct http_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return error_no_memory(err);
    stream->client = client;
    stream->request = *request;
    stream->handlers = *handlers;
    if (http_transfer_new(&stream->transfer, client, &stream->request, &stream->handlers, err) <
            0 ||
        http_transfer_start(stream->transfer, err) < 0) {
        http_transfer_free(stream->transfer);
        free(stream);
        return -1;
    }
    stream->next = client->streams;
    client->streams = stream;
    *out = stream;
    return 0;
}

void http_stream_free(struct http_stream *stream) {
    if (stream == NULL)
        return;
    struct http_stream **link = &stream->client->streams;
    while (*link != NULL && *link != stream)
        link = &(*link)->next;
    if (*link == stream)
        *link = stream->next;
    http_transfer_free(stream->transfer);
    free(stream);
}

/* Milliseconds until the stream counts as idle for too long; -1: never. */
static int64_t idle_left(const struct http_stream *stream) {
    if (stream->ended || stream->request.idle_timeout_ms <= 0)
        return -1;
    int64_t left = stream->transfer->last_activity_ms + stream->request.idle_timeout_ms -
                   clock_now(stream->client->deps->clock);
    return left > 0 ? left : 0;
}

static void end_stream(struct http_stream *stream, const struct error *error) {
    stream->ended = true;
    stream->client->handler_calls++;
    http_transfer_stop(stream->transfer);
    const struct http_stream_handlers *handlers = &stream->handlers;
    if (handlers->on_end != NULL)
        handlers->on_end(handlers->user, error == NULL ? HTTP_STREAM_COMPLETE : HTTP_STREAM_BROKEN,
                         &stream->transfer->response, error);
}

static void log_end(const struct http_stream *stream, const char *outcome) {
    const struct log *log = stream->client->deps->log;
    if (log == NULL || log->level < LOG_DEBUG)
        return;
    cleanup_free char *url = http_display_url(stream->request.url, NULL);
    log_debug(log, "%s %s: stream ended with status %d after %llu bytes: %s",
              http_method(&stream->request), url != NULL ? url : "",
              stream->transfer->response.status, (unsigned long long)stream->transfer->received,
              outcome);
}

static void end_idle(struct http_stream *stream) {
    cleanup_error struct error *error = NULL;
    char limit[DURATION_SIZE];
    cleanup_free char *host = http_display_host(stream->request.url, &error);
    if (host != NULL)
        error_new(&error, ERROR_UNREACHABLE, "%s (%s): no byte came for %s",
                  stream->request.server != NULL ? stream->request.server : "the server", host,
                  duration_format(limit, stream->request.idle_timeout_ms));
    log_end(stream, error->message);
    end_stream(stream, error);
}

static void end_finished(struct http_stream *stream) {
    if (stream->transfer->code == CURLE_OK) {
        log_end(stream, "complete");
        end_stream(stream, NULL);
        return;
    }
    cleanup_error struct error *error = NULL;
    (void)http_transfer_error(stream->transfer, &error);
    log_end(stream, error->message);
    end_stream(stream, error);
}

void http_streams_settle(struct http_client *client) {
    for (struct http_stream *stream = client->streams; stream != NULL; stream = stream->next) {
        if (stream->ended)
            continue;
        if (stream->transfer->finished)
            end_finished(stream);
        else if (idle_left(stream) == 0)
            end_idle(stream);
    }
}

int64_t http_streams_wait(const struct http_client *client, int64_t wait_ms) {
    int64_t wait = wait_ms;
    for (const struct http_stream *stream = client->streams; stream != NULL;
         stream = stream->next) {
        int64_t left = idle_left(stream);
        if (left >= 0 && (wait < 0 || left < wait))
            wait = left;
    }
    return wait;
}
