/* The container that holds a pod's namespaces: waits for its end and takes in orphans. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) {
    (void)number;
    _exit(0);
}

int main(void) {
    const struct sigaction take_in = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    const struct sigaction end = {.sa_handler = leave};
    sigaction(SIGCHLD, &take_in, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    for (;;)
        pause();
}
