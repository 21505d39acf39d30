/*
 * Runs a program and writes what it and everything below it cost, as one line of JSON.
 *
 *     account FILE PROGRAM ARGUMENT...
 *
 * SIGTERM ends PROGRAM at once (SIGKILL); what it had started may finish and still counts, because
 * orphans come to this process. Started from here and not from Python, because a process inherits
 * the peak memory of the one that it was forked from.
 */

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child;

static void end_child(int signal) {
    (void)signal;
    if (child > 0)
        kill((pid_t)child, SIGKILL);
}

static int64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int64_t microseconds(struct timeval time) {
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    FILE *out = fopen(argv[1], "we");
    if (out == NULL)
        return 2;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    const struct sigaction action = {.sa_handler = end_child, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    int64_t started = now_us();
    pid_t pid = fork();
    if (pid < 0)
        return 2;
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    child = pid;
    int64_t ended = 0;
    int status = 0;
    for (;;) {
        int one = 0;
        pid_t gone = wait(&one);
        if (gone < 0)
            break;
        if (gone == pid) {
            child = 0;
            status = one;
            ended = now_us();
        }
    }
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    fprintf(out,
            "{\"started_us\": %lld, \"ended_us\": %lld, \"user_us\": %lld, \"system_us\": %lld, "
            "\"peak_kib\": %ld, \"page_faults\": %ld, \"exit_code\": %d}\n",
            (long long)started, (long long)ended, (long long)microseconds(usage.ru_utime),
            (long long)microseconds(usage.ru_stime), usage.ru_maxrss,
            usage.ru_minflt + usage.ru_majflt,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(out) == 0 ? 0 : 2;
}
