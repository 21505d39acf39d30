#pragma once

/* Files, through a seam that tests replace. */

#include "base/buffer.h"

#include <stdbool.h>
#include <sys/types.h>

struct file_access {
    /* Appends the whole file to OUT (whose limit is the ceiling). The error names the path. */
    int (*read)(void *user, const char *path, struct buffer *out, struct error **err);
    /*
     * Replaces the file atomically: a temporary file in the same directory, fsync, rename. Readers
     * see the old bytes or the new ones. Leaves no temporary file behind on failure.
     */
    int (*write)(void *user, const char *path, const char *data, size_t length, mode_t mode,
                 struct error **err);
    /* True when PATH is a regular file (or a link to one) that can be read. */
    bool (*exists)(void *user, const char *path);
    /* True when PATH is a directory. */
    bool (*is_directory)(void *user, const char *path);
    void *user;
};

/*
 * The system's files. Reading refuses directories; regular files and pipes are read, and
 * "/dev/stdin" is standard input from where it stands.
 */
extern const struct file_access file_system;

/* Reads a file into a NUL-terminated heap string of at most LIMIT bytes; NULL with an error. */
char *file_read_text(const struct file_access *files, const char *path, size_t limit,
                     struct error **err);
