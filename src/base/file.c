#include "base/file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_descriptor(int *descriptor) {
    if (*descriptor >= 0)
        close(*descriptor);
}

#define cleanup_close cleanup(close_descriptor)

static int fail(struct error **err, const char *what, const char *path) {
    return error_new(err, ERROR_PARAMETER, "cannot %s %s: %s", what, path, strerror(errno));
}

static int system_read(void *user, const char *path, struct buffer *out, struct error **err) {
    (void)user;
    /* duplicated, not opened by its name, which fails for a socket and for another user's pipe */
    cleanup_close int descriptor = strcmp(path, "/dev/stdin") == 0
                                       ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                                       : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail(err, "read", path);
    for (;;) {
        char chunk[4096];
        ssize_t length = read(descriptor, chunk, sizeof(chunk));
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return fail(err, "read", path);
        if (length == 0)
            break;
        int result = buffer_append(out, chunk, (size_t)length);
        if (out->secret)
            memory_wipe(chunk, sizeof(chunk));
        if (out->too_long) /* whoever named the file can name another one */
            return error_new(err, ERROR_PARAMETER, "%s is longer than %zu bytes", path, out->limit);
        if (result < 0)
            return buffer_check(out, path, err);
    }
    /* an empty file is "", not nothing */
    return buffer_append(out, "", 0) < 0 ? buffer_check(out, path, err) : 0;
}

static int write_all(int descriptor, const char *data, size_t length) {
    while (length > 0) {
        ssize_t written = write(descriptor, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        length -= (size_t)written;
    }
    return 0;
}

static int system_write(void *user, const char *path, const char *data, size_t length, mode_t mode,
                        struct error **err) {
    (void)user;
    cleanup_free char *temporary = text_format(err, "%s.XXXXXX", path);
    if (temporary == NULL)
        return -1;
    cleanup_close int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0)
        return fail(err, "write", path);
    bool written = write_all(descriptor, data, length) == 0 && fchmod(descriptor, mode) == 0 &&
                   fsync(descriptor) == 0 && rename(temporary, path) == 0;
    if (!written) {
        fail(err, "write", path);
        unlink(temporary);
        return -1;
    }
    return 0;
}

static bool system_exists(void *user, const char *path) {
    (void)user;
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode) && access(path, R_OK) == 0;
}

static bool system_is_directory(void *user, const char *path) {
    (void)user;
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

const struct file_access file_system = {
    .read = system_read,
    .write = system_write,
    .exists = system_exists,
    .is_directory = system_is_directory,
};

char *file_read_text(const struct file_access *files, const char *path, size_t limit,
                     struct error **err) {
    cleanup_buffer struct buffer content = BUFFER_INIT(limit);
    if (files->read(files->user, path, &content, err) < 0)
        return NULL;
    return buffer_steal(&content, path, err);
}
