#include "base/process.h"

#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct pipes {
    int input[2];  /* parent writes [1] */
    int output[2]; /* parent reads [0] */
};

static void close_end(int *end) {
    if (*end >= 0)
        close(*end);
    *end = -1;
}

static void pipes_close(struct pipes *pipes) {
    close_end(&pipes->input[0]);
    close_end(&pipes->input[1]);
    close_end(&pipes->output[0]);
    close_end(&pipes->output[1]);
}

/* Our environment followed by the additions (later entries win in no libc: so drop what is added).
 */
static char **merged_environment(const char *const *added, struct error **err) {
    size_t ours = 0;
    size_t theirs = 0;
    while (environ != NULL && environ[ours] != NULL)
        ours++;
    while (added != NULL && added[theirs] != NULL)
        theirs++;
    char **merged = calloc(ours + theirs + 1, sizeof(*merged));
    if (merged == NULL) {
        error_no_memory(err);
        return NULL;
    }
    size_t count = 0;
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t j = 0; j < theirs && !replaced; j++) {
            size_t name = strcspn(added[j], "=") + 1;
            replaced = strncmp(environ[i], added[j], name) == 0;
        }
        if (!replaced)
            merged[count++] = environ[i];
    }
    for (size_t j = 0; j < theirs; j++)
        memcpy(&merged[count++], &added[j], sizeof(*merged));
    return merged;
}

static int start(pid_t *pid, const struct process_request *request, struct pipes *pipes,
                 struct error **err) {
    cleanup_free char **environment = merged_environment(request->environment, err);
    if (environment == NULL)
        return -1;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return error_no_memory(err);
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return error_no_memory(err);
    }
    sigset_t none;
    sigemptyset(&none);
    /* whatever this program ignores, others expect to be told */
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    if (request->input != NULL)
        posix_spawn_file_actions_adddup2(&actions, pipes->input[0], STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipes->output[1], STDOUT_FILENO);
    if (request->quiet)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);

    char *const *arguments;
    memcpy(&arguments, &request->arguments, sizeof(arguments));
    int failure = posix_spawnp(pid, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0)
        return error_new(err, ERROR_PARAMETER, "cannot start %s: %s", arguments[0],
                         strerror(failure));
    return 0;
}

static int too_slow(const struct process_request *request, struct error **err) {
    return error_new(err, ERROR_PARAMETER, "%s did not end within %lld ms", request->arguments[0],
                     (long long)request->timeout_ms);
}

static int canceled(const struct process_request *request, struct error **err) {
    return error_new(err, ERROR_CANCELED, "canceled while %s was running", request->arguments[0]);
}

/* Feeds the input and collects the output until both ends are done. */
static int exchange(const struct process_request *request, struct pipes *pipes, int64_t deadline,
                    struct buffer *output, struct error **err) {
    const char *input = request->input;
    size_t left = input != NULL ? strlen(input) : 0;
    if (left == 0)
        close_end(&pipes->input[1]);
    while (pipes->output[0] >= 0) {
        struct pollfd ends[3] = {{.fd = pipes->output[0], .events = POLLIN},
                                 {.fd = pipes->input[1], .events = POLLOUT},
                                 {.fd = request->cancel_descriptor, .events = POLLIN}};
        int64_t wait = deadline - clock_now(&clock_system);
        int ready = wait > 0 ? poll(ends, 3, (int)wait) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return too_slow(request, err);
        if ((ends[2].revents & POLLIN) != 0)
            return canceled(request, err);
        if (ends[1].revents != 0) {
            ssize_t written = write(pipes->input[1], input, left);
            if (written > 0) {
                input += written;
                left -= (size_t)written;
            }
            if (left == 0 || (written < 0 && errno != EAGAIN && errno != EINTR))
                close_end(&pipes->input[1]);
        }
        if (ends[0].revents != 0) {
            char chunk[4096];
            ssize_t length = read(pipes->output[0], chunk, sizeof(chunk));
            if (length > 0)
                buffer_append(output, chunk, (size_t)length);
            else if (length == 0 || errno != EINTR)
                close_end(&pipes->output[0]);
            memory_wipe(chunk, sizeof(chunk));
        }
        if (output->too_long || output->no_memory)
            return buffer_check(output, "the program's output", err);
    }
    return 0;
}

/* A program may close its output long before it ends. */
static int await(pid_t pid, const struct process_request *request, int64_t deadline, int *status,
                 struct error **err) {
    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return 0;
        if (clock_now(&clock_system) >= deadline)
            return too_slow(request, err);
        struct pollfd cancel = {.fd = request->cancel_descriptor, .events = POLLIN};
        if (poll(&cancel, 1, 5) > 0 && (cancel.revents & POLLIN) != 0)
            return canceled(request, err);
    }
}

static int system_run(void *user, const struct process_request *request,
                      struct process_result *result, struct error **err) {
    (void)user;
    struct pipes pipes = {{-1, -1}, {-1, -1}};
    if (pipe2(pipes.output, O_CLOEXEC) < 0 || pipe2(pipes.input, O_CLOEXEC) < 0) {
        pipes_close(&pipes);
        return error_new(err, ERROR_INTERNAL, "cannot make a pipe: %s", strerror(errno));
    }
    fcntl(pipes.input[1], F_SETFL, O_NONBLOCK);
    pid_t pid = -1;
    int outcome = start(&pid, request, &pipes, err);
    if (outcome == 0) {
        close_end(&pipes.input[0]);
        close_end(&pipes.output[1]);
        int64_t deadline = clock_now(&clock_system) + request->timeout_ms;
        int status = 0;
        outcome = exchange(request, &pipes, deadline, &result->output, err);
        if (outcome == 0)
            outcome = await(pid, request, deadline, &status, err);
        if (outcome < 0) {
            kill(-pid, SIGKILL);
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
        }
        result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    pipes_close(&pipes);
    return outcome;
}

const struct process_runner process_system = {.run = system_run};
