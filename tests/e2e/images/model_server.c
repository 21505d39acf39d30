/*
 * A model server that loads nothing and speaks the Open Inference Protocol (v2) over HTTP on port
 * 8080: health, metadata, and an inference that gives its inputs back. From the model's directory
 * it reads `revision`, which becomes the model's version, and `behaviour`: "load SECONDS" before it
 * is ready, "wait" until it is told to load (by the protocol's model repository extension), "crash"
 * instead of serving, "grow" until there is no memory.
 *
 *   model_server [--model-name=NAME]
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

enum { PORT = 8080, LARGEST_REQUEST = 1 << 16, WAIT = 1 << 24 };

struct model {
    const char *name;
    char version[80];
    time_t ready_at;
};

struct answer {
    const char *status;
    char body[LARGEST_REQUEST + 512];
};

static void leave(int number) {
    (void)number;
    _exit(0);
}

/* The first line of a file of the model; "" without such a file. */
static void read_line(const char *name, char *text, size_t size) {
    char path[128];
    snprintf(path, sizeof(path), "/mnt/models/%s", name);
    text[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    size_t length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
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

/* As a model that is larger than the container may be. */
static void grow(void) {
    enum { STEP = 16 << 20, PAGE = 4096 };
    for (volatile char *memory; (memory = malloc(STEP)) != NULL;)
        for (int i = 0; i < STEP; i += PAGE)
            memory[i] = 1;
}

/* A request with its body, as far as it fits; its length, 0 when the peer is silent or gone. */
static size_t read_request(int peer, char *request, size_t size) {
    size_t used = 0;
    const char *body = NULL;
    size_t wanted = size - 1;
    while (used < wanted) {
        ssize_t count = read(peer, request + used, wanted - used);
        if (count <= 0)
            break;
        used += (size_t)count;
        request[used] = '\0';
        if (body == NULL && (body = strstr(request, "\r\n\r\n")) != NULL) {
            body += 4;
            const char *header = strcasestr(request, "\r\nContent-Length:");
            size_t length = header != NULL && header < body ? strtoul(header + 17, NULL, 10) : 0;
            if (length < wanted - (size_t)(body - request))
                wanted = (size_t)(body - request) + length;
        }
    }
    request[used] = '\0';
    return used;
}

/* The inputs as outputs: what lies between the brackets of "inputs": [ ... ]. */
static void infer(const struct model *model, const char *request, struct answer *answer) {
    const char *body = strstr(request, "\r\n\r\n");
    const char *inputs = body != NULL ? strstr(body, "\"inputs\"") : NULL;
    const char *start = inputs != NULL ? strchr(inputs, '[') : NULL;
    const char *end = start != NULL ? strrchr(start, ']') : NULL;
    if (end == NULL) {
        answer->status = "400 Bad Request";
        snprintf(answer->body, sizeof(answer->body), "{\"error\":\"no inputs\"}");
        return;
    }
    snprintf(answer->body, sizeof(answer->body),
             "{\"model_name\":\"%s\",\"model_version\":\"%s\",\"outputs\":%.*s}", model->name,
             model->version, (int)(end - start + 1), start);
}

static void respond(struct model *model, const char *request, struct answer *answer) {
    char method[8], path[256], of_model[192], ready_path[200], infer_path[200], load_path[200];
    bool ready = time(NULL) >= model->ready_at;
    answer->status = "200 OK";
    snprintf(of_model, sizeof(of_model), "/v2/models/%s", model->name);
    snprintf(ready_path, sizeof(ready_path), "%s/ready", of_model);
    snprintf(infer_path, sizeof(infer_path), "%s/infer", of_model);
    snprintf(load_path, sizeof(load_path), "/v2/repository/models/%s/load", model->name);
    if (sscanf(request, "%7s %255s", method, path) != 2)
        path[0] = '\0';
    if (strcmp(path, "/v2/health/live") == 0) {
        snprintf(answer->body, sizeof(answer->body), "{\"live\":true}");
    } else if (strcmp(path, "/v2") == 0) {
        snprintf(answer->body, sizeof(answer->body),
                 "{\"name\":\"model_server\",\"version\":\"1\",\"extensions\":[]}");
    } else if (strcmp(path, load_path) == 0 && strcmp(method, "POST") == 0) {
        model->ready_at = 0;
        snprintf(answer->body, sizeof(answer->body), "{}");
    } else if (!ready) {
        answer->status = "503 Service Unavailable";
        snprintf(answer->body, sizeof(answer->body), "{\"ready\":false}");
    } else if (strcmp(path, "/v2/health/ready") == 0) {
        snprintf(answer->body, sizeof(answer->body), "{\"ready\":true}");
    } else if (strcmp(path, ready_path) == 0) {
        snprintf(answer->body, sizeof(answer->body), "{\"name\":\"%s\",\"ready\":true}",
                 model->name);
    } else if (strcmp(path, of_model) == 0) {
        snprintf(answer->body, sizeof(answer->body),
                 "{\"name\":\"%s\",\"versions\":[\"%s\"],\"platform\":\"none\",\"inputs\":[],"
                 "\"outputs\":[]}",
                 model->name, model->version);
    } else if (strcmp(path, infer_path) == 0 && strcmp(method, "POST") == 0) {
        infer(model, request, answer);
    } else {
        answer->status = "404 Not Found";
        snprintf(answer->body, sizeof(answer->body), "{\"error\":\"not found\"}");
    }
}

static void serve(struct model *model) {
    static char request[LARGEST_REQUEST];
    static struct answer answer;
    int server = listen_on(PORT);
    for (;;) {
        int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0)
            continue;
        const struct timeval patience = {.tv_sec = 2};
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (read_request(peer, request, sizeof(request)) > 0) {
            respond(model, request, &answer);
            dprintf(peer,
                    "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                    "Connection: close\r\n\r\n%s",
                    answer.status, strlen(answer.body), answer.body);
        }
        close(peer);
    }
}

int main(int argc, char **argv) {
    signal(SIGTERM, leave);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct model model = {.name = "model"};
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--model-name=", 13) == 0)
            model.name = argv[i] + 13;
    char behaviour[256];
    read_line("behaviour", behaviour, sizeof(behaviour));
    read_line("revision", model.version, sizeof(model.version));
    if (strncmp(behaviour, "crash", 5) == 0) {
        fprintf(stderr, "cannot load the model: config.json has no architectures\n");
        return 3;
    }
    if (strncmp(behaviour, "grow", 4) == 0)
        grow();
    int seconds = 1;
    sscanf(behaviour, "load %d", &seconds);
    if (strncmp(behaviour, "wait", 4) == 0)
        seconds = WAIT;
    printf("loading %s at %s for %d s\n", model.name, model.version, seconds);
    model.ready_at = time(NULL) + seconds;
    serve(&model);
}
