#pragma once

/* The file that --record writes, line by line, so that a killed run leaves a usable transcript. */

#include "base/error.h"

#include <stdio.h>

struct record_file {
    FILE *stream; /* NULL: nothing is recorded */
    const char *path;
};

/* Opens PATH for writing ("" leaves STREAM NULL). ERROR_PARAMETER when it cannot be written. */
int record_file_open(struct record_file *out, const char *path, struct error **err);

/* Matches deploy_options.record; USER is the record_file. */
int record_file_line(void *user, const char *line, struct error **err);
void record_file_close(struct record_file *file);

#define cleanup_record_file cleanup(record_file_close)
