/*
 * libgit2's smart transport over our HTTP. The reference listing is one GET, read whole; a pack is
 * one POST whose answer is handed on as it comes, so that memory does not grow with it. Source:
 * libgit2 git2/sys/transport.h, src/libgit2/transports/{smart,http}.c; gitprotocol-http.
 */

#include "git_internal.h"

#include "base/text.h"

#if __has_include(<git2/sys/errors.h>) /* libgit2 1.8 moved the setters there */
#include <git2/sys/errors.h>
#endif
#include <git2/sys/transport.h>
#include <string.h>

enum { LONGEST_REQUEST = 1024 * 1024, LONGEST_REFUSAL = 4096 };

struct subtransport {
    git_smart_subtransport parent;
    struct git_session *session;
};

struct pack_stream {
    git_smart_subtransport_stream parent;
    struct git_session *session;
    bool is_listing;
    bool started;
    struct buffer request;  /* what libgit2 has written */
    struct buffer received; /* not yet read by libgit2 */
    char *url;
    struct http_stream *http;
    int status;
    bool ended;
};

static struct pack_stream *own(git_smart_subtransport_stream *stream) {
    return (struct pack_stream *)(void *)stream;
}

/* libgit2 wants a message of its own; the one that counts is in the session. */
static int report(struct git_session *session, struct error *problem) {
    if (session->error == NULL)
        session->error = problem;
    else
        error_free(problem);
    git_error_set_str(GIT_ERROR_NET, "the transfer failed");
    return -1;
}

/* ---- handlers of the HTTP stream ---- */

static void on_status(void *user, int status) {
    struct pack_stream *stream = user;
    stream->status = status;
}

static int on_data(void *user, const char *data, size_t length) {
    struct pack_stream *stream = user;
    if (stream->status != 200) {
        /* The words of a refusal are of no use beyond a glance. */
        return stream->received.length + length > LONGEST_REFUSAL;
    }
    stream->session->received += length;
    if (stream->session->received > GIT_PACK_LIMIT)
        return -1;
    return buffer_append(&stream->received, data, length);
}

static struct error *too_large(void) {
    struct error *problem = NULL;
    error_new(&problem, ERROR_MODEL,
              "the repository's files are larger than 64 MiB without Git LFS");
    error_hint(&problem, "Set PIPELINE_TAG and LIBRARY_NAME: then nothing is fetched.");
    return problem;
}

static void on_end(void *user, enum http_stream_end end, const struct http_response *response,
                   const struct error *error) {
    struct pack_stream *stream = user;
    struct error *problem = NULL;
    stream->ended = true;
    if (stream->session->received > GIT_PACK_LIMIT)
        problem = too_large();
    else if (stream->received.no_memory)
        error_no_memory(&problem);
    else if (stream->status != 0 && stream->status != 200 && response != NULL)
        git_answer_error(&problem, response, stream->session->service,
                         stream->session->authorization != NULL);
    else if (end == HTTP_STREAM_BROKEN && error != NULL) {
        error_new(&problem, error->kind, "%s", error->message);
        if (error->hint != NULL)
            error_hint(&problem, "%s", error->hint);
    }
    if (problem != NULL)
        report(stream->session, problem);
}

/* ---- the stream libgit2 sees ---- */

static int start_listing(struct pack_stream *stream) {
    struct error *problem = NULL;
    if (git_read_advertisement(&stream->received, stream->session, &problem) < 0)
        return report(stream->session, problem);
    stream->ended = true;
    return 0;
}

static int start_pack(struct pack_stream *stream) {
    static const char *const headers[] = {"Accept: application/x-git-upload-pack-result", NULL};
    static const struct http_stream_handlers handlers = {
        .on_status = on_status, .on_data = on_data, .on_end = on_end};
    struct git_session *session = stream->session;
    struct error *problem = NULL;
    stream->url = text_format(&problem, "%s/git-upload-pack", session->service);
    if (stream->url == NULL)
        return report(session, problem);
    struct http_request request = {
        .method = "POST",
        .url = stream->url,
        .headers = headers,
        .authorization = session->authorization,
        .content_type = "application/x-git-upload-pack-request",
        .body = buffer_text(&stream->request),
        .body_length = stream->request.length,
        .trust = &session->trust,
        .body_limit = GIT_PACK_LIMIT,
        .idle_timeout_ms = session->request_timeout_ms,
        .server = "the Git server",
    };
    struct http_stream_handlers ours = handlers;
    ours.user = stream;
    if (http_stream_start(&stream->http, session->http, &request, &ours, &problem) < 0)
        return report(session, problem);
    return 0;
}

/* Waits for bytes, the end, the deadline or the signal. */
static int wait_for_bytes(struct pack_stream *stream) {
    struct git_session *session = stream->session;
    while (stream->received.length == 0 && !stream->ended) {
        struct error *problem = NULL;
        int64_t left = -1;
        if (session->deadline_ms > 0) {
            left = session->deadline_ms - clock_now(session->deps->clock);
            if (left <= 0) {
                error_new(&problem, ERROR_DEADLINE,
                          "TIMEOUT passed while files came from the Git server");
                return report(session, problem);
            }
        }
        int activity = http_wait(session->http, left, &problem);
        if (activity < 0)
            return report(session, problem);
        if (activity == HTTP_WAIT_CANCELED) {
            error_new(&problem, ERROR_CANCELED, "stopped while files came from the Git server");
            return report(session, problem);
        }
    }
    return session->error != NULL ? -1 : 0;
}

static int stream_read(git_smart_subtransport_stream *base, char *data, size_t size,
                       size_t *length) {
    struct pack_stream *stream = own(base);
    if (!stream->started) {
        stream->started = true;
        if ((stream->is_listing ? start_listing(stream) : start_pack(stream)) < 0)
            return -1;
    }
    if (wait_for_bytes(stream) < 0)
        return -1;
    size_t part = stream->received.length < size ? stream->received.length : size;
    if (part > 0)
        memcpy(data, stream->received.data, part);
    buffer_consume(&stream->received, part);
    *length = part;
    return 0;
}

static int stream_write(git_smart_subtransport_stream *base, const char *data, size_t length) {
    struct pack_stream *stream = own(base);
    if (stream->is_listing || stream->started ||
        buffer_append(&stream->request, data, length) < 0) {
        struct error *problem = NULL;
        error_new(&problem, ERROR_INTERNAL, "libgit2 asked for something that cannot be sent");
        return report(stream->session, problem);
    }
    return 0;
}

static void stream_free(git_smart_subtransport_stream *base) {
    struct pack_stream *stream = own(base);
    http_stream_free(stream->http);
    buffer_free(&stream->request);
    buffer_free(&stream->received);
    free(stream->url);
    free(stream);
}

/* ---- the subtransport ---- */

static int action(git_smart_subtransport_stream **out, git_smart_subtransport *base,
                  const char *url, git_smart_service_t service) {
    (void)url; /* the session's: redirects are settled there */
    struct subtransport *transport = (struct subtransport *)(void *)base;
    if (service != GIT_SERVICE_UPLOADPACK_LS && service != GIT_SERVICE_UPLOADPACK) {
        git_error_set_str(GIT_ERROR_NET, "only reading is possible");
        return -1;
    }
    struct pack_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        git_error_set_oom();
        return -1;
    }
    stream->parent = (git_smart_subtransport_stream){
        .subtransport = base,
        .read = stream_read,
        .write = stream_write,
        .free = stream_free,
    };
    stream->session = transport->session;
    stream->is_listing = service == GIT_SERVICE_UPLOADPACK_LS;
    stream->request = BUFFER_INIT(LONGEST_REQUEST);
    stream->received = BUFFER_INIT(GIT_PACK_LIMIT);
    *out = &stream->parent;
    return 0;
}

static int close_connection(git_smart_subtransport *base) {
    (void)base;
    return 0;
}

static void free_subtransport(git_smart_subtransport *base) {
    free((struct subtransport *)(void *)base);
}

static int make_subtransport(git_smart_subtransport **out, git_transport *owner, void *session) {
    (void)owner;
    struct subtransport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL) {
        git_error_set_oom();
        return -1;
    }
    transport->parent = (git_smart_subtransport){
        .action = action,
        .close = close_connection,
        .free = free_subtransport,
    };
    transport->session = session;
    *out = &transport->parent;
    return 0;
}

int git_transport_over_http(git_transport **out, git_remote *owner, void *payload) {
    git_smart_subtransport_definition definition = {
        .callback = make_subtransport,
        .rpc = 1, /* each request is a new stream */
        .param = payload,
    };
    return git_transport_smart(out, owner, &definition);
}
