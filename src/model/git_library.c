#include "git_internal.h"

#include <stdio.h>

int git_library_start(struct error **err) {
    if (git_libgit2_init() < 0)
        return git_failure(err, ERROR_INTERNAL, NULL, "libgit2 does not start");
    /* Git refuses clones of other users because they could name programs to run. libgit2 runs none,
     * and in a container a mounted clone always has another owner. */
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    return 0;
}

void git_library_stop(void) {
    git_libgit2_shutdown();
}

void git_library_version(char *out, size_t size) {
    int major = 0;
    int minor = 0;
    int revision = 0;
    git_libgit2_version(&major, &minor, &revision);
    snprintf(out, size, "%d.%d.%d", major, minor, revision);
}
