#include "git_internal.h"

#include "base/text.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *git_directory_make(const struct deps *deps, struct error **err) {
    const char *parents[] = {environment_get(deps->environment, "TMPDIR"), "/dev/shm", "/tmp"};
    for (size_t i = 0; i < array_length(parents); i++) {
        if (text_is_empty(parents[i]) || parents[i][0] != '/')
            continue;
        cleanup_free char *path =
            text_format(err, "%s/deploy-inference-service-XXXXXX", parents[i]);
        if (path == NULL)
            return NULL;
        if (mkdtemp(path) != NULL)
            return steal_pointer(path);
    }
    error_new(err, ERROR_PARAMETER, "no directory for temporary files can be written: %s",
              strerror(errno));
    error_hint(
        err,
        "Set TMPDIR to one that can, or PIPELINE_TAG and LIBRARY_NAME: then no file is fetched.");
    return NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

void git_directory_remove(char *path) {
    if (path != NULL)
        nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(path);
}
