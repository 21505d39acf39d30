/*
 * A storage initializer: fetches the files of hf://GROUP/REPO:COMMIT from the Git server at
 * $GIT_SERVER (ADDRESS:PORT, plain HTTP, GitLab's REST API v4) into a directory. README.md must be
 * there; config.json and behaviour may be. The commit is noted in a file `revision` beside them.
 *
 *   storage_initializer hf://GROUP/REPO:COMMIT DIRECTORY
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGEST_ANSWER = 1 << 20 };

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "storage initializer: %s: %s\n", what, detail);
    exit(1);
}

static int connect_to(const char *server) {
    char host[64];
    int port = 0;
    if (sscanf(server, "%63[0-9.]:%d", host, &port) != 2)
        fail("GIT_SERVER is not ADDRESS:PORT", server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 ||
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) < 0)
        fail(server, strerror(errno));
    return descriptor;
}

/* The status code; the body is BODY, of *LENGTH bytes. */
static int get(const char *server, const char *target, char *answer, char **body, size_t *length) {
    int descriptor = connect_to(server);
    dprintf(descriptor, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, server);
    size_t used = 0;
    ssize_t count;
    while (used < LARGEST_ANSWER - 1 &&
           (count = read(descriptor, answer + used, LARGEST_ANSWER - 1 - used)) > 0)
        used += (size_t)count;
    close(descriptor);
    answer[used] = '\0';
    int status = 0;
    char *end = strstr(answer, "\r\n\r\n");
    if (sscanf(answer, "HTTP/1.%*c %d", &status) != 1 || end == NULL)
        fail(target, "no HTTP answer");
    *body = end + 4;
    *length = used - (size_t)(*body - answer);
    return status;
}

static void save(const char *directory, const char *name, const char *body, size_t length) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(body, 1, length, file) != length || fclose(file) != 0)
        fail(path, strerror(errno));
}

int main(int argc, char **argv) {
    static char answer[LARGEST_ANSWER];
    const char *server = getenv("GIT_SERVER");
    char group[128], repository[128], commit[80];
    if (argc != 3 || server == NULL ||
        sscanf(argv[1], "hf://%127[^/]/%127[^:]:%79s", group, repository, commit) != 3)
        fail("usage", "storage_initializer hf://GROUP/REPO:COMMIT DIRECTORY, with GIT_SERVER");
    const char *const names[] = {"README.md", "config.json", "behaviour"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char target[1024];
        char *body;
        size_t length;
        snprintf(target, sizeof(target),
                 "/api/v4/projects/%s%%2Famlmodels%%2F%s/repository/files/%s/raw?ref=%s", group,
                 repository, names[i], commit);
        int status = get(server, target, answer, &body, &length);
        if (status == 404 && i > 0)
            continue;
        if (status != 200) {
            answer[12] = '\0';
            fail(names[i], answer);
        }
        save(argv[2], names[i], body, length);
        printf("fetched %s, %zu bytes, at %s\n", names[i], length, commit);
    }
    save(argv[2], "revision", commit, strlen(commit));
    return 0;
}
