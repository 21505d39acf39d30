/*
 * A program for tests/integration/test_net.py: runs what a JSON script on standard input says
 * through src/net and prints what happened as JSON lines.
 *
 *   http_tool [--cancel-descriptor N] [--debug] < script
 *
 * {"streams": [REQUEST...], "background": [REQUEST...], "batches": [[REQUEST...]...],
 *  "deadline_ms": N, "background_ms": N, "wait_ms": N, "pause_ms": N}
 * Streams and the batch in the background (with a deadline of its own) start first, batches follow
 * one after the other (with a pause between them), then the loop runs until every stream and the
 * background have ended or wait_ms has passed. Results of the background are of batch -1.
 */

#include "base/deps.h"
#include "base/json.h"
#include "base/text.h"
#include "net/http.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_REQUESTS = 64, MOST_HEADERS = 16 };

struct parsed_request {
    struct http_request request;
    struct http_trust trust;
    struct retry_policy retry;
    const char *headers[MOST_HEADERS + 1];
};

struct stream_state {
    int index;
    bool ended;
    bool stop; /* refuse the data */
};

static void print_event(json_t *event) {
    char *text = json_dumps(event, JSON_COMPACT);
    if (text != NULL)
        puts(text);
    fflush(stdout);
    free(text);
    json_decref(event);
}

static json_t *bytes(const char *data, size_t length) {
    json_t *text = json_stringn(data, length);
    return text != NULL ? text : json_string("(not UTF-8)");
}

static json_t *error_json(const struct error *error) {
    if (error == NULL)
        return json_null();
    return json_pack("{s:i,s:s,s:s?,s:s?}", "kind", (int)error->kind, "message", error->message,
                     "hint", error->hint, "reason", error->reason);
}

static void print_log(void *user, enum log_level level, const char *line) {
    (void)user;
    print_event(
        json_pack("{s:s,s:s,s:s}", "event", "log", "level", log_level_name(level), "line", line));
}

static void parse_request(struct parsed_request *out, const json_t *json) {
    memset(out, 0, sizeof(*out));
    size_t count = 0;
    const json_t *header = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(json, "headers"), i, header) {
        if (count < MOST_HEADERS)
            out->headers[count++] = json_string_value(header);
    }
    out->trust = (struct http_trust){
        .ca_pem = json_text_at(json, "ca", NULL),
        .add_system_roots = json_is_true_at(json, "add_system_roots", NULL),
        .skip_verification = json_is_true_at(json, "skip_verification", NULL),
        .server_name = json_text_at(json, "server_name", NULL),
        .client_certificate_pem = json_text_at(json, "certificate", NULL),
        .client_key_pem = json_text_at(json, "key", NULL),
        .proxy = json_text_at(json, "proxy", NULL),
    };
    const char *body = json_text_at(json, "body", NULL);
    out->retry = (struct retry_policy){
        .attempts = (int)json_integer_at(json, 1, "attempts", NULL),
        .first_ms = json_integer_at(json, 50, "first_ms", NULL),
        .longest_ms = json_integer_at(json, 5000, "longest_ms", NULL),
        .idempotent = json_is_true_at(json, "idempotent", NULL),
    };
    out->request = (struct http_request){
        .method = json_text_at(json, "method", NULL),
        .url = json_text_at(json, "url", NULL),
        .headers = count > 0 ? out->headers : NULL,
        .authorization = json_text_at(json, "authorization", NULL),
        .content_type = json_text_at(json, "content_type", NULL),
        .body = body,
        .body_length = body != NULL ? strlen(body) : 0,
        .trust = &out->trust,
        .body_limit = (size_t)json_integer_at(json, 1 << 20, "body_limit", NULL),
        .timeout_ms = json_integer_at(json, 0, "timeout_ms", NULL),
        .idle_timeout_ms = json_integer_at(json, 0, "idle_timeout_ms", NULL),
        .retry = &out->retry,
        .server = json_text_at(json, "server", NULL),
    };
}

static void print_result(int batch, size_t index, const struct http_result *result, int64_t took) {
    const struct http_response *response = &result->response;
    char location[256];
    bool moved = http_header(response, "location", location, sizeof(location));
    print_event(json_pack("{s:s,s:i,s:i,s:i,s:o,s:o,s:i,s:s?,s:o,s:b,s:I,s:s?}", "event", "result",
                          "batch", batch, "index", (int)index, "status", response->status, "body",
                          bytes(buffer_text(&response->body), response->body.length), "headers",
                          bytes(buffer_text(&response->headers), response->headers.length),
                          "attempts", response->attempts, "retry_note", response->retry_note,
                          "error", error_json(result->error), "too_large", result->too_large,
                          "took_ms", (json_int_t)took, "location", moved ? location : NULL));
}

static int run_batch(struct http_client *client, const struct deps *deps, int number,
                     const json_t *list, int64_t deadline, struct error **err) {
    struct parsed_request parsed[MOST_REQUESTS];
    struct http_request requests[MOST_REQUESTS];
    struct http_result results[MOST_REQUESTS];
    size_t count = json_array_size(list);
    if (count > MOST_REQUESTS)
        return error_new(err, ERROR_PARAMETER, "too many requests");
    memset(results, 0, sizeof(results));
    for (size_t i = 0; i < count; i++) {
        parse_request(&parsed[i], json_array_get(list, i));
        requests[i] = parsed[i].request;
    }
    int64_t start = clock_now(deps->clock);
    int64_t until = deadline > 0 ? start + deadline : 0;
    if (http_send(client, requests, count, results, until, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        print_result(number, i, &results[i], clock_now(deps->clock) - start);
        http_result_free(&results[i]);
    }
    return 0;
}

static void on_status(void *user, int status) {
    const struct stream_state *state = user;
    print_event(json_pack("{s:s,s:i,s:i}", "event", "stream_status", "stream", state->index,
                          "status", status));
}

static int on_data(void *user, const char *data, size_t length) {
    const struct stream_state *state = user;
    print_event(json_pack("{s:s,s:i,s:o}", "event", "stream_data", "stream", state->index, "data",
                          bytes(data, length)));
    return state->stop ? -1 : 0;
}

static void on_end(void *user, enum http_stream_end end, const struct http_response *response,
                   const struct error *error) {
    struct stream_state *state = user;
    state->ended = true;
    print_event(json_pack("{s:s,s:i,s:b,s:i,s:o,s:o}", "event", "stream_end", "stream",
                          state->index, "complete", end == HTTP_STREAM_COMPLETE, "status",
                          response->status, "headers",
                          bytes(buffer_text(&response->headers), response->headers.length), "error",
                          error_json(error)));
}

/* The batch in the background; http_batch_free must come before the client's end. */
struct background {
    struct parsed_request parsed[MOST_REQUESTS];
    struct http_request requests[MOST_REQUESTS];
    struct http_result results[MOST_REQUESTS];
    struct http_batch *batch;
    size_t count;
    int64_t started_ms;
    bool shown;
};

static int start_background(struct background *background, struct http_client *client,
                            const struct deps *deps, const json_t *script, struct error **err) {
    const json_t *list = json_object_get(script, "background");
    int64_t most = json_integer_at(script, 0, "background_ms", NULL);
    background->count = json_array_size(list);
    background->started_ms = clock_now(deps->clock);
    if (background->count == 0 || background->count > MOST_REQUESTS)
        return 0;
    for (size_t i = 0; i < background->count; i++) {
        parse_request(&background->parsed[i], json_array_get(list, i));
        background->requests[i] = background->parsed[i].request;
    }
    return http_batch_start(&background->batch, client, background->requests, background->count,
                            background->results, most > 0 ? background->started_ms + most : 0, err);
}

static void show_background(struct background *background, const struct deps *deps) {
    if (background->batch == NULL || background->shown || !http_batch_is_done(background->batch))
        return;
    background->shown = true;
    for (size_t i = 0; i < background->count; i++)
        print_result(-1, i, &background->results[i],
                     clock_now(deps->clock) - background->started_ms);
}

static void end_background(struct background *background) {
    http_batch_free(background->batch);
    for (size_t i = 0; i < background->count && i < MOST_REQUESTS; i++)
        http_result_free(&background->results[i]);
}

static bool all_ended(const struct stream_state *states, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!states[i].ended)
            return false;
    return true;
}

static int wait_for_streams(struct http_client *client, const struct deps *deps,
                            const struct stream_state *states, size_t count,
                            struct background *background, int64_t wait_ms, struct error **err) {
    int64_t end = clock_now(deps->clock) + wait_ms;
    for (;;) {
        show_background(background, deps);
        if (all_ended(states, count) && (background->batch == NULL || background->shown))
            break;
        int64_t left = end - clock_now(deps->clock);
        int what = left > 0 ? http_wait(client, left, err) : HTTP_WAIT_TIMEOUT;
        if (what < 0)
            return -1;
        if (what == HTTP_WAIT_ACTIVITY)
            continue;
        print_event(json_pack("{s:s,s:s}", "event", "wait", "result",
                              what == HTTP_WAIT_CANCELED ? "canceled" : "timeout"));
        return 0;
    }
    return 0;
}

/* Peak resident memory; getrusage would count what the parent had before exec. */
static json_int_t peak_kb(void) {
    cleanup_free char *status = file_read_text(&file_system, "/proc/self/status", 64 * 1024, NULL);
    const char *line = status != NULL ? strstr(status, "VmHWM:") : NULL;
    long kb = 0;
    return line != NULL && sscanf(line, "VmHWM: %ld kB", &kb) == 1 ? kb : 0;
}

static void print_statistics(const struct http_client *client) {
    struct http_statistics statistics;
    struct rusage usage;
    http_client_statistics(client, &statistics);
    getrusage(RUSAGE_SELF, &usage);
    json_int_t cpu = (json_int_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    print_event(json_pack("{s:s,s:i,s:i,s:i,s:i,s:I,s:I}", "event", "statistics", "requests",
                          statistics.requests, "connections", statistics.connections, "retries",
                          statistics.retries, "rounds", statistics.rounds, "cpu_us", cpu, "peak_kb",
                          peak_kb()));
}

static int run_script(struct http_client *client, const json_t *script, const struct deps *deps,
                      struct background *background, struct error **err) {
    struct parsed_request parsed[MOST_REQUESTS];
    struct stream_state states[MOST_REQUESTS];
    struct http_stream *streams[MOST_REQUESTS];
    const json_t *list = json_object_get(script, "streams");
    size_t count = json_array_size(list);
    if (count > MOST_REQUESTS)
        return error_new(err, ERROR_PARAMETER, "too many streams");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        parse_request(&parsed[i], item);
        states[i] =
            (struct stream_state){.index = (int)i, .stop = json_is_true_at(item, "stop", NULL)};
        struct http_stream_handlers handlers = {on_status, on_data, on_end, &states[i]};
        if (http_stream_start(&streams[i], client, &parsed[i].request, &handlers, err) < 0)
            return -1;
    }
    if (start_background(background, client, deps, script, err) < 0)
        return -1;
    size_t number = 0;
    const json_t *batch = NULL;
    json_int_t pause = json_integer_at(script, 0, "pause_ms", NULL);
    json_array_foreach(json_object_get(script, "batches"), number, batch) {
        const struct timespec time = {.tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000};
        if (number > 0)
            nanosleep(&time, NULL);
        if (run_batch(client, deps, (int)number, batch,
                      json_integer_at(script, 0, "deadline_ms", NULL), err) < 0)
            return -1;
        show_background(background, deps);
    }
    if (wait_for_streams(client, deps, states, count, background,
                         json_integer_at(script, 0, "wait_ms", NULL), err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        http_stream_free(streams[i]);
    print_statistics(client);
    return 0;
}

int main(int argc, char **argv) {
    int64_t descriptor = -1;
    bool debug = false;
    for (int i = 1; i < argc; i++) {
        if (text_equal(argv[i], "--debug"))
            debug = true;
        else if (text_equal(argv[i], "--cancel-descriptor") && i + 1 < argc)
            text_to_integer(argv[++i], 0, 1024, &descriptor);
    }
    const struct environment environment = {(const char *const *)environ};
    const struct log log = {
        .level = debug ? LOG_DEBUG : LOG_NOTICE, .clock = &clock_system, .sink = {print_log, NULL}};
    const struct deps deps = {.clock = &clock_system,
                              .files = &file_system,
                              .environment = &environment,
                              .log = &log,
                              .cancel_descriptor = (int)descriptor};
    cleanup_error struct error *error = NULL;
    if (http_library_start(&error) < 0)
        return 2;
    json_error_t place;
    cleanup_json json_t *script = json_loadf(stdin, 0, &place);
    static struct background background;
    struct http_client *client = NULL;
    int result = script == NULL
                     ? error_new(&error, ERROR_PARAMETER, "the script is not JSON: %s", place.text)
                     : http_client_new(&client, &deps, "http-tool/1", &error);
    if (result == 0)
        result = run_script(client, script, &deps, &background, &error);
    end_background(&background);
    http_client_free(client);
    if (result < 0)
        print_event(json_pack("{s:s,s:o}", "event", "failed", "error", error_json(error)));
    http_library_stop();
    return result < 0;
}
