#include "net/url.h"

#include "base/text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>

enum { URL_LIMIT = 16 * 1024 };

static void free_curl_url(CURLU **url) {
    curl_url_cleanup(*url);
}

static void free_curl_text(char **text) {
    curl_free(*text);
}

/* A heap copy of one part in *OUT; left alone when the URL has no such part. */
static int copy_part(char **out, CURLU *url, CURLUPart part, unsigned flags, struct error **err) {
    cleanup(free_curl_text) char *value = NULL;
    CURLUcode code = curl_url_get(url, part, &value, flags);
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_no_memory(err);
    if (code != CURLUE_OK)
        return 0;
    *out = text_copy(value, err);
    return *out != NULL ? 0 : -1;
}

static bool has_part(CURLU *url, CURLUPart part) {
    cleanup(free_curl_text) char *value = NULL;
    return curl_url_get(url, part, &value, 0) == CURLUE_OK;
}

static void make_lower_case(char *text) {
    for (; text != NULL && *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

static void strip_brackets(char *host) {
    size_t length = host != NULL ? strlen(host) : 0;
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return;
    memmove(host, host + 1, length - 2);
    host[length - 2] = '\0';
}

static void strip_trailing_slashes(char *path) {
    size_t length = path != NULL ? strlen(path) : 0;
    while (length > 0 && path[length - 1] == '/')
        path[--length] = '\0';
}

static int read_parts(struct url *url, CURLU *parsed, struct error **err) {
    if (copy_part(&url->scheme, parsed, CURLUPART_SCHEME, 0, err) < 0 ||
        copy_part(&url->host, parsed, CURLUPART_HOST, 0, err) < 0 ||
        copy_part(&url->port, parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT, err) < 0 ||
        copy_part(&url->path, parsed, CURLUPART_PATH, 0, err) < 0)
        return -1;
    make_lower_case(url->scheme);
    strip_brackets(url->host);
    strip_trailing_slashes(url->path);
    url->has_credentials = has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD);
    url->has_query = has_part(parsed, CURLUPART_QUERY);
    return 0;
}

int url_parse(struct url *out, const char *text, const char *what, enum error_kind kind,
              struct error **err) {
    if (text_is_empty(text))
        return error_new(err, kind, "%s is empty", what);
    if (strlen(text) > URL_LIMIT)
        return error_new(err, kind, "%s is longer than %d bytes", what, URL_LIMIT);

    const char *authority = strstr(text, "://");
    if (authority != NULL && authority[3] == '/') /* libcurl would take a path for the host */
        return error_new(err, kind, "%s names no host", what);

    cleanup(free_curl_url) CURLU *parsed = curl_url();
    if (parsed == NULL)
        return error_no_memory(err);
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, text, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_no_memory(err);
    if (code == CURLUE_UNSUPPORTED_SCHEME)
        return error_new(err, kind, "%s is not an http or https URL", what);
    if (code != CURLUE_OK)
        return error_new(err, kind, "%s is not a valid URL: %s", what, curl_url_strerror(code));

    cleanup_url struct url url = {0};
    if (read_parts(&url, parsed, err) < 0)
        return -1;
    if (!text_equal(url.scheme, "https") && !text_equal(url.scheme, "http"))
        return error_new(err, kind, "%s is not an http or https URL", what);
    if (text_is_empty(url.host) || url.port == NULL || url.path == NULL)
        return error_new(err, kind, "%s names no host", what);
    *out = url;
    memset(&url, 0, sizeof(url));
    return 0;
}

void url_free(struct url *url) {
    if (url == NULL)
        return;
    free(url->scheme);
    free(url->host);
    free(url->port);
    free(url->path);
    memset(url, 0, sizeof(*url));
}

char *url_base(const struct url *url, struct error **err) {
    bool usual = text_equal(url->port, text_equal(url->scheme, "https") ? "443" : "80");
    bool v6 = strchr(url->host, ':') != NULL;
    return text_format(err, "%s://%s%s%s%s%s%s", url->scheme, v6 ? "[" : "", url->host,
                       v6 ? "]" : "", usual ? "" : ":", usual ? "" : url->port, url->path);
}

bool url_same_origin(const struct url *left, const struct url *right) {
    return text_equal(left->scheme, right->scheme) &&
           text_equal_ignoring_case(left->host, right->host) && text_equal(left->port, right->port);
}

void url_hide_secrets(char *text) {
    text[strcspn(text, "?#")] = '\0';
    const char *colon = strchr(text, ':');
    size_t scheme = colon != NULL && strncmp(colon, "://", 3) == 0 ? (size_t)(colon - text) + 1 : 0;
    char *authority = strncmp(text + scheme, "//", 2) == 0 ? text + scheme + 2 : text;
    size_t length = strcspn(authority, "/");
    for (size_t at = length; at > 0; at--) {
        if (authority[at - 1] != '@')
            continue;
        memmove(authority, authority + at, strlen(authority + at) + 1);
        break;
    }
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f)
            *at = '?';
}
