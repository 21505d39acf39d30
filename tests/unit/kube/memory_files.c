#include "memory_files.h"

#include "base/text.h"

#include <string.h>

static const struct memory_file *find(void *user, const char *path) {
    for (const struct memory_file *file = user; file->path != NULL; file++)
        if (strcmp(file->path, path) == 0)
            return file;
    return NULL;
}

static int read_file(void *user, const char *path, struct buffer *out, struct error **err) {
    const struct memory_file *file = find(user, path);
    if (file == NULL)
        return error_new(err, ERROR_PARAMETER, "cannot read %s: No such file or directory", path);
    buffer_append_text(out, file->text);
    return buffer_check(out, path, err);
}

static bool exists(void *user, const char *path) {
    return find(user, path) != NULL;
}

static bool is_directory(void *user, const char *path) {
    (void)user;
    return text_has_suffix(path, "/");
}

struct file_access memory_files(const struct memory_file *files) {
    union {
        const struct memory_file *constant;
        void *plain;
    } only_reader = {.constant = files};
    return (struct file_access){.read = read_file,
                                .exists = exists,
                                .is_directory = is_directory,
                                .user = only_reader.plain};
}
