/* Every allocation of an exchange fails once: no crash, no leak, always an error, results left
 * alone. */

#include "../cmocka_all.h"
#include "../torture.h"
#include "base/deps.h"
#include "net/http.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    pid_t server;
    char ok_url[64];
    char busy_url[64];
    char refused_url[64];
    const struct deps *deps;
};

/* 503 for /busy, else a chunked 200; nothing when the client gave up. */
static void answer(int connection) {
    static const char busy[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n"
                               "Connection: close\r\n\r\n";
    static const char ok[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
    char request[4096];
    ssize_t length = read(connection, request, sizeof(request) - 1);
    request[length > 0 ? length : 0] = '\0';
    const char *text = strstr(request, " /busy ") != NULL ? busy : ok;
    if (length > 0 && write(connection, text, strlen(text)) < 0) {
        /* the client gave up: so be it */
    }
    /* To close with something unread would reset the connection under the answer. */
    shutdown(connection, SHUT_WR);
    while (read(connection, request, sizeof(request)) > 0) {
    }
}

/*
 * A child for each connection: one that failed before it sent anything may stay open for as long as
 * its client likes, and the next one must not wait for it.
 */
static void serve(int listener) {
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            _exit(1);
        if (fork() == 0) {
            close(listener);
            answer(connection);
            _exit(0);
        }
        close(connection);
    }
}

static void drop_line(void *user, enum log_level level, const char *line) {
    (void)user;
    (void)level;
    (void)line;
}

static int start_server(void **state) {
    static struct world world;
    static const struct environment environment = {NULL};
    static const struct log log = {
        .level = LOG_DEBUG, .clock = &clock_system, .sink = {.write = drop_line}};
    static struct deps deps;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 16) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        return -1;
    world.server = fork();
    if (world.server == 0)
        serve(listener);
    close(listener);
    int port = ntohs(address.sin_port);
    snprintf(world.ok_url, sizeof(world.ok_url), "http://127.0.0.1:%d/ok", port);
    snprintf(world.busy_url, sizeof(world.busy_url), "http://127.0.0.1:%d/busy", port);
    snprintf(world.refused_url, sizeof(world.refused_url), "https://127.0.0.1:1/");
    deps = (struct deps){.clock = &clock_system,
                         .files = &file_system,
                         .environment = &environment,
                         .log = &log,
                         .cancel_descriptor = -1};
    world.deps = &deps;
    *state = &world;
    return world.server > 0 ? http_library_start(NULL) : -1;
}

static int stop_server(void **state) {
    const struct world *world = *state;
    kill(world->server, SIGKILL);
    waitpid(world->server, NULL, 0);
    http_library_stop();
    return 0;
}

static int batch(void *user) {
    const struct world *world = user;
    static const struct retry_policy twice = {.attempts = 2, .first_ms = 1, .longest_ms = 10};
    static const struct http_trust trust = {
        .ca_pem = "x", .server_name = "name.example", .proxy = ""};
    static const char *const headers[] = {"Accept: */*", NULL};
    const struct http_request requests[] = {
        {.url = world->ok_url,
         .headers = headers,
         .authorization = "Bearer s3cret",
         .body_limit = 100,
         .retry = &twice},
        {.url = world->busy_url,
         .method = "POST",
         .body = "x",
         .body_length = 1,
         .content_type = "text/plain",
         .body_limit = 100,
         .retry = &twice},
        {.url = world->refused_url, .trust = &trust, .body_limit = 100, .retry = &twice},
    };
    struct http_result results[3] = {0};
    cleanup_error struct error *error = NULL;
    cleanup_http_client struct http_client *client = NULL;
    if (http_client_new(&client, world->deps, "test", &error) < 0) {
        assert_non_null(error);
        assert_null(client);
        return -1;
    }
    if (http_send(client, requests, 3, results, 0, &error) < 0) {
        assert_non_null(error);
        for (size_t i = 0; i < 3; i++)
            assert_true(results[i].error == NULL && results[i].response.status == 0);
        return -1;
    }
    bool complete = results[0].response.status == 200 && results[1].response.status == 503;
    for (size_t i = 0; i < 3; i++) {
        assert_true((results[i].error != NULL) != (results[i].response.status != 0));
        if (i == 0 && results[i].error == NULL)
            assert_string_equal(buffer_text(&results[i].response.body), "helloworld");
        http_result_free(&results[i]);
    }
    return complete ? 0 : -1;
}

struct seen {
    int ends;
    bool complete;
    size_t length;
};

static int count_data(void *user, const char *data, size_t length) {
    struct seen *seen = user;
    (void)data;
    seen->length += length;
    return 0;
}

static void note_end(void *user, enum http_stream_end end, const struct http_response *response,
                     const struct error *error) {
    struct seen *seen = user;
    (void)response;
    seen->ends++;
    seen->complete = end == HTTP_STREAM_COMPLETE;
    assert_true((error != NULL) == (end == HTTP_STREAM_BROKEN));
}

static int stream(void *user) {
    const struct world *world = user;
    const struct http_request request = {.url = world->ok_url, .authorization = "Bearer s3cret"};
    struct seen seen = {0};
    const struct http_stream_handlers handlers = {
        .on_data = count_data, .on_end = note_end, .user = &seen};
    cleanup_error struct error *error = NULL;
    cleanup_http_client struct http_client *client = NULL;
    struct http_stream *started = NULL;
    if (http_client_new(&client, world->deps, "test", &error) < 0 ||
        http_stream_start(&started, client, &request, &handlers, &error) < 0) {
        assert_non_null(error);
        assert_null(started);
        assert_int_equal(seen.ends, 0);
        return -1;
    }
    while (seen.ends == 0)
        if (http_wait(client, 5000, &error) < 0)
            return -1;
    assert_int_equal(seen.ends, 1);
    http_stream_free(started);
    if (!seen.complete)
        return -1;
    assert_int_equal(seen.length, 10);
    return 0;
}

static int background(void *user) {
    const struct world *world = user;
    static const struct retry_policy twice = {.attempts = 2, .first_ms = 1, .longest_ms = 10};
    const struct http_request requests[] = {
        {.url = world->ok_url,
         .authorization = "Bearer s3cret",
         .body_limit = 100,
         .retry = &twice},
        {.url = world->busy_url, .body_limit = 100, .retry = &twice},
    };
    struct http_result results[2] = {0};
    cleanup_error struct error *error = NULL;
    cleanup_http_client struct http_client *client = NULL;
    struct http_batch *started = NULL;
    if (http_client_new(&client, world->deps, "test", &error) < 0 ||
        http_batch_start(&started, client, requests, 2, results, 0, &error) < 0) {
        assert_non_null(error);
        assert_null(started);
        return -1;
    }
    int waited = 0;
    while (waited >= 0 && !http_batch_is_done(started))
        waited = http_wait(client, 5000, &error);
    http_batch_free(started);
    bool complete = results[0].response.status == 200 && results[1].response.status == 503;
    for (size_t i = 0; i < 2; i++) {
        if (waited >= 0)
            assert_true((results[i].error != NULL) != (results[i].response.status != 0));
        http_result_free(&results[i]);
    }
    return complete ? 0 : -1;
}

static void a_background_survives(void **state) {
    torture(background, *state);
}

static void a_batch_survives(void **state) {
    torture(batch, *state);
}

static void a_stream_survives(void **state) {
    torture(stream, *state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_survives),
        cmocka_unit_test(a_background_survives),
        cmocka_unit_test(a_stream_survives),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
