#include "git_internal.h"

#include "base/text.h"
#include "net/url.h"

#include <string.h>

static char *trim_path(const char *path, struct error **err) {
    path += strspn(path, "/");
    size_t length = strcspn(path, "?#");
    while (length > 0 && path[length - 1] == '/')
        length--;
    if (length > 4 && strncmp(path + length - 4, ".git", 4) == 0)
        length -= 4;
    return text_copy_bytes(path, length, err);
}

/* "user[:password]@" is dropped for http, and shortened to "user@" for ssh. */
static char *without_password(const char *text, const char *authority, struct error **err) {
    size_t length = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', length);
    if (at == NULL)
        return text_copy(text, err);
    bool http = text_has_prefix(text, "http");
    size_t user = http ? 0 : strcspn(authority, ":@");
    return text_format(err, "%.*s%.*s%s", (int)(authority - text), text, (int)user, authority,
                       http ? at + 1 : at);
}

int git_url_split(char **url, char **path, const char *text, struct error **err) {
    const char *scheme = strstr(text, "://");
    const char *colon = strchr(text, ':');
    const char *slash = strchr(text, '/');
    cleanup_free char *clean = NULL;
    cleanup_free char *trimmed = NULL;
    if (scheme != NULL && !text_has_prefix(text, "file:")) {
        const char *authority = scheme + 3;
        const char *rest = authority + strcspn(authority, "/?#");
        clean = without_password(text, authority, err);
        trimmed = trim_path(rest, err);
    } else if (scheme == NULL && colon != NULL && (slash == NULL || colon < slash)) {
        clean = text_copy(text, err); /* scp-like: git@host:group/repo.git */
        trimmed = trim_path(colon + 1, err);
    } else {
        clean = text_copy("", err);
        trimmed = text_copy("", err);
    }
    if (clean == NULL || trimmed == NULL)
        return -1;
    *url = steal_pointer(clean);
    *path = steal_pointer(trimmed);
    return 0;
}
