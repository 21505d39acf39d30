#include "model/project_path.h"

#include "base/text.h"

#include <string.h>

enum { LONGEST_PATH = 1024 };

/* Never part of a GitLab path, and able to change the meaning of a URL: RFC 3986's delimiters,
 * blanks. */
static const char impossible[] = " %?#\\:\"<>|*";

static int refuse(struct error **err, const char *repository, const char *rule) {
    error_new(err, ERROR_PARAMETER, "MODEL_REPO '%.200s' %s", repository, rule);
    if (err != NULL && *err != NULL)
        text_make_printable((*err)->message);
    return error_hint(err, "MODEL_REPO is 'repo', 'group/repo' or a full path such as "
                           "'group/amlmodels/repo'.");
}

/* The path without slashes at its ends and without ".git"; NULL with an error. */
static char *trim(const char *repository, struct error **err) {
    const char *start = repository + strspn(repository, "/");
    size_t length = strlen(start);
    while (length > 0 && start[length - 1] == '/')
        length--;
    if (length > 4 && strncmp(start + length - 4, ".git", 4) == 0)
        length -= 4;
    while (length > 0 && start[length - 1] == '/')
        length--;
    return text_copy_bytes(start, length, err);
}

static int check_part(const char *part, size_t length, const char *repository, struct error **err) {
    if (length == 0)
        return refuse(err, repository, "has an empty part");
    if ((length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
        return refuse(err, repository, "has a part that is '.' or '..'");
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)part[i];
        if (byte < 0x20 || byte == 0x7f || strchr(impossible, byte) != NULL)
            return refuse(err, repository,
                          "has a character that no repository path has (blank, control, or one "
                          "of % ? # \\ : \" < > | *)");
    }
    return 0;
}

/* Checks every part and counts them. */
static int check_parts(const char *path, const char *repository, size_t *count,
                       struct error **err) {
    if (strlen(path) > LONGEST_PATH)
        return refuse(err, repository, "is longer than 1024 characters");
    if (!text_is_utf8(path, strlen(path)))
        return refuse(err, "", "is not UTF-8");
    size_t parts = 0;
    for (const char *at = path;; at++) {
        size_t length = strcspn(at, "/");
        if (check_part(at, length, repository, err) < 0)
            return -1;
        parts++;
        at += length;
        if (*at == '\0')
            break;
    }
    *count = parts;
    return 0;
}

bool project_path_is_valid(const char *path) {
    size_t parts = 0;
    return !text_is_empty(path) && check_parts(path, path, &parts, NULL) == 0 && parts >= 2;
}

int project_path_candidates(struct strings *out, const char *repository, const char *namespace_,
                            struct error **err) {
    if (text_is_empty(repository))
        return error_new(err, ERROR_PARAMETER, "MODEL_REPO is not set");
    cleanup_free char *path = trim(repository, err);
    if (path == NULL)
        return -1;
    size_t parts = 0;
    if (check_parts(path, repository, &parts, err) < 0)
        return -1;

    cleanup_strings struct strings found = {0};
    if (parts == 1) {
        size_t namespace_parts = 0;
        if (text_is_empty(namespace_))
            return refuse(err, repository, "names no group, and NAMESPACE is not set");
        if (check_parts(namespace_, namespace_, &namespace_parts, err) < 0)
            return -1;
        if (strings_add_format(&found, err, "%s/amlmodels/%s", namespace_, path) < 0)
            return -1;
    } else if (parts == 2) {
        const char *slash = strchr(path, '/');
        if (strings_add_format(&found, err, "%.*s/amlmodels%s", (int)(slash - path), path, slash) <
            0)
            return -1;
        if (strings_add(&found, path, err) < 0)
            return -1;
    } else if (strings_add(&found, path, err) < 0) {
        return -1;
    }
    *out = found;
    found = (struct strings){0};
    return 0;
}
