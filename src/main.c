/*
 * Process-wide matters and nothing else: environment, signals, library start, core dumps, exit
 * code.
 */

#include "base/deps.h"
#include "base/text.h"
#include "cli/application.h"
#include "cli/connect.h"
#include "cli/help.h"
#include "cli/layout.h"
#include "net/http.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_INTERNAL = 1 };

static int exit_code_of(const struct error *error, int cancel_descriptor) {
    static const int codes[] = {
        [ERROR_INTERNAL] = EXIT_INTERNAL,
        [ERROR_PARAMETER] = EXIT_PARAMETERS,
        [ERROR_MODEL] = 3,
        [ERROR_RUNTIME] = 4,
        [ERROR_REFUSED] = 5,
        [ERROR_CONFLICT] = 6,
        [ERROR_ROLLOUT] = 7,
        [ERROR_DEADLINE] = 8,
        [ERROR_UNREACHABLE] = 9,
    };
    if (error == NULL)
        return EXIT_INTERNAL;
    if (error->kind != ERROR_CANCELED)
        return codes[error->kind];
    struct signalfd_siginfo signal = {0};
    bool interrupted = read(cancel_descriptor, &signal, sizeof(signal)) == sizeof(signal) &&
                       signal.ssi_signo == SIGINT;
    return 128 + (interrupted ? SIGINT : SIGTERM);
}

/* Memory holds a token and keys: no core file, and no other process of the user reads it. */
static void refuse_core_dumps(void) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/*
 * A standard descriptor that the caller closed must not become that of a connection or a result, or
 * messages would be written into it. What stands there instead fails as a closed one does.
 */
static void open_standard_descriptors(void) {
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) {
        if (fcntl(descriptor, F_GETFD) != -1 || errno != EBADF)
            continue;
        /* the lowest free number is this one: those below are open */
        int flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (open("/dev/null", flags) != descriptor)
            return;
    }
}

/* Writes out what is buffered. 0, or -1 with errno: the disk is full, the reader went away. */
static int finish_output(void) {
    bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;
    return failed ? -1 : 0;
}

/* As every tool in a pipe whose reader has seen enough: quietly, by the signal itself. */
static void end_by_broken_pipe(void) {
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

/* SIGTERM and SIGINT become readable on a descriptor that the event loop waits for. */
static int open_cancel_descriptor(void) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_command(struct application *application, struct error **err) {
    const struct command *command = command_of(application->invocation->command);
    bool network = (command->needs & NEEDS_NETWORK) != 0;
    if (network && http_library_start(err) < 0)
        return -1;
    int result = command->run(application, err);
    if (network)
        http_library_stop();
    return result;
}

static void show_help(const struct application *application) {
    const struct invocation *invocation = application->invocation;
    size_t width = layout_width(application->output, application->deps->environment);
    if (invocation->command_given)
        help_command(application->output, command_of(invocation->command), width);
    else
        help_general(application->output, width);
}

/* The token was copied; nothing that reads our environment later needs to find it there. */
static void wipe_secrets_of_environment(void) {
    for (char **at = environ; *at != NULL; at++)
        if (text_has_prefix(*at, "GITLAB_TOKEN="))
            memory_wipe(*at + strlen("GITLAB_TOKEN="), strlen(*at) - strlen("GITLAB_TOKEN="));
}

/* Parses, shows what is wrong, runs. The exit code, or -1 with an error. */
static int parse_and_run(struct application *application, int argc, const char *const *argv,
                         struct error **err) {
    const struct deps *deps = application->deps;
    struct invocation *invocation = application->invocation;
    if (arguments_parse(invocation, argc, argv, deps->environment, err) < 0)
        return -1;
    wipe_secrets_of_environment();
    console_init(application->console, stderr, deps->clock, deps->environment,
                 &invocation->settings);
    if (invocation->settings.version)
        return command_version(application, err);
    if (invocation->settings.help) {
        show_help(application);
        return 0;
    }
    if (check_output(application, err) < 0)
        return -1;
    /* commands that deploy add what their own checks find, for one report */
    bool reported_later = (invocation->command & (COMMANDS_CLUSTER | COMMAND_RBAC)) != 0 &&
                          !invocation->command_unknown;
    if (!reported_later && refuse_problems(application, err) < 0)
        return -1;
    return run_command(application, err);
}

int main(int argc, char **argv) {
    open_standard_descriptors();
    refuse_core_dumps();
    setvbuf(stderr, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);

    const char *const *variables;
    memcpy(&variables, &environ, sizeof(variables));
    const char *const *arguments;
    memcpy(&arguments, &argv, sizeof(arguments));
    const struct environment environment = {.variables = variables};
    struct console console;
    console_init(&console, stderr, &clock_system, &environment, NULL);
    const struct deps deps = {
        .clock = &clock_system,
        .files = &file_system,
        .environment = &environment,
        .processes = &process_system,
        .log = &console.log,
        .cancel_descriptor = open_cancel_descriptor(),
        .service_account_directory = "/var/run/secrets/kubernetes.io/serviceaccount",
    };
    struct invocation invocation = {.command = COMMAND_DEPLOY};
    const struct observer observer = console_observer(&console);
    struct application application = {.invocation = &invocation,
                                      .deps = &deps,
                                      .console = &console,
                                      .observer = &observer,
                                      .output = stdout,
                                      .started_ms = clock_now(&clock_system)};
    struct error *error = NULL;
    int code = parse_and_run(&application, argc, arguments, &error);
    errno = 0;
    bool unwritten = finish_output() < 0;
    bool reader_left = unwritten && errno == EPIPE;
    if (code >= 0 && unwritten && !reader_left) {
        error_new(&error, ERROR_INTERNAL, "cannot write standard output: %s",
                  errno != 0 ? strerror(errno) : "an earlier write failed");
        code = -1;
    }
    if (code < 0) {
        console_error(&console, error);
        code = exit_code_of(error, deps.cancel_descriptor);
    }
    error_free(error);
    invocation_free(&invocation);
    if (reader_left)
        end_by_broken_pipe();
    return code;
}
