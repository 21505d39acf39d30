/*
 * A model server that loads nothing and answers the readiness part of the Open Inference Protocol
 * (v2) on port 8080. The file `behaviour` beside the model says how: "load SECONDS" before it is
 * ready, "crash" instead of serving.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 8080 };

static void leave(int number) {
    (void)number;
    _exit(0);
}

/* What the model's author wrote for this server; "" without such a file. */
static void read_behaviour(char *text, size_t size) {
    text[0] = '\0';
    FILE *file = fopen("/mnt/models/behaviour", "re");
    if (file == NULL)
        return;
    size_t length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    fclose(file);
}

static int listen_on(int port) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((unsigned short)port)};
    if (descriptor < 0 ||
        bind(descriptor, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(descriptor, 16) < 0) {
        fprintf(stderr, "cannot listen on port %d: %s\n", port, strerror(errno));
        exit(1);
    }
    return descriptor;
}

static void answer(int peer, bool ready) {
    char request[2048];
    ssize_t length = read(peer, request, sizeof(request) - 1);
    if (length <= 0)
        return;
    request[length] = '\0';
    bool known = strncmp(request, "GET /v2", 7) == 0 || strncmp(request, "GET /health", 11) == 0;
    const char *status = !known ? "404 Not Found" : ready ? "200 OK" : "503 Service Unavailable";
    const char *body = ready ? "{\"ready\":true}" : "{\"ready\":false}";
    dprintf(peer,
            "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: "
            "close\r\n\r\n%s",
            status, strlen(body), body);
}

int main(void) {
    signal(SIGTERM, leave);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    char behaviour[256];
    read_behaviour(behaviour, sizeof(behaviour));
    if (strncmp(behaviour, "crash", 5) == 0) {
        fprintf(stderr, "cannot load the model: config.json has no architectures\n");
        return 3;
    }
    int seconds = 1;
    sscanf(behaviour, "load %d", &seconds);
    printf("loading for %d s\n", seconds);
    const time_t ready_at = time(NULL) + seconds;
    int server = listen_on(PORT);
    for (;;) {
        int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0)
            continue;
        const struct timeval patience = {.tv_sec = 2};
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        answer(peer, time(NULL) >= ready_at);
        close(peer);
    }
}
