#include "cli/record_file.h"

#include <errno.h>
#include <string.h>

int record_file_open(struct record_file *out, const char *path, struct error **err) {
    if (path[0] == '\0')
        return 0;
    out->stream = fopen(path, "we");
    out->path = path;
    if (out->stream == NULL)
        return error_new(err, ERROR_PARAMETER, "cannot write --record %s: %s", path,
                         strerror(errno));
    return 0;
}

int record_file_line(void *user, const char *line, struct error **err) {
    struct record_file *file = user;
    if (fputs(line, file->stream) < 0 || fputc('\n', file->stream) < 0 || fflush(file->stream) != 0)
        return error_new(err, ERROR_PARAMETER, "cannot write --record %s: %s", file->path,
                         strerror(errno));
    return 0;
}

void record_file_close(struct record_file *file) {
    if (file->stream != NULL)
        fclose(file->stream);
    file->stream = NULL;
}
