#pragma once

/* Files that are only in the test. */

#include "base/deps.h"

struct memory_file {
    const char *path;
    const char *text;
};

/* Ends with {NULL, NULL}. What it returns borrows FILES. */
struct file_access memory_files(const struct memory_file *files);
