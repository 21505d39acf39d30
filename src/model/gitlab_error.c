#include "gitlab_internal.h"

#include "base/text.h"
#include "net/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_TEXT = 300, DEEPEST = 4 };

static bool is_html(const struct http_response *response) {
    char type[64];
    if (http_header(response, "Content-Type", type, sizeof(type)) &&
        strncasecmp(type, "text/html", 9) == 0)
        return true;
    const char *body = buffer_text(&response->body);
    return body[strspn(body, " \t\r\n")] == '<';
}

/* Appends what the JSON says as one line: texts as they are, lists and objects with "; " and ": ".
 */
static void flatten(struct buffer *out, json_t *value, int depth) {
    if (depth > DEEPEST || out->length > LONGEST_TEXT)
        return;
    if (json_is_string(value)) {
        buffer_append_text(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        buffer_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_array(value)) {
        size_t i;
        json_t *item;
        json_array_foreach(value, i, item) {
            if (i > 0)
                buffer_append_text(out, "; ");
            flatten(out, item, depth + 1);
            if (out->length > LONGEST_TEXT)
                break;
        }
    } else if (json_is_object(value)) {
        bool first = true;
        const char *key;
        json_t *item;
        json_object_foreach(value, key, item) {
            buffer_printf(out, "%s%s: ", first ? "" : "; ", key);
            flatten(out, item, depth + 1);
            first = false;
            if (out->length > LONGEST_TEXT)
                break;
        }
    }
}

static void flatten_answer(struct buffer *out, const json_t *answer) {
    const char *description = json_text_at(answer, "error_description", NULL);
    json_t *message = json_at(answer, "message", NULL);
    if (description != NULL)
        buffer_append_text(out, description);
    else if (message != NULL)
        flatten(out, message, 0);
    else
        flatten(out, json_at(answer, "error", NULL), 0);
}

/* The title of an HTML page, or "". */
static void append_title(struct buffer *out, const char *body) {
    const char *start = strcasestr(body, "<title");
    const char *open = start != NULL ? strchr(start, '>') : NULL;
    if (open == NULL) {
        buffer_append_text(out, "an HTML page");
        return;
    }
    open++;
    open += strspn(open, " \t\r\n");
    size_t length = strcspn(open, "<\r\n");
    buffer_printf(out, "an HTML page titled \"%.*s\"", (int)(length < 100 ? length : 100), open);
}

char *gitlab_answer_text(const struct http_response *response, struct error **err) {
    const char *body = buffer_text(&response->body);
    size_t length = response->body.length;
    cleanup_buffer struct buffer out = BUFFER_INIT(GITLAB_REF_LIMIT);
    cleanup_json json_t *answer = body[strspn(body, " \t\r\n")] == '{' && length <= GITLAB_REF_LIMIT
                                      ? json_loadb(body, length, 0, NULL)
                                      : NULL;
    if (answer != NULL)
        flatten_answer(&out, answer);
    else if (is_html(response))
        append_title(&out, body);
    else
        buffer_append(&out, body, length < LONGEST_TEXT ? length : LONGEST_TEXT);
    if (out.no_memory) {
        error_no_memory(err);
        return NULL;
    }
    const char *text = buffer_text(&out);
    char *copy = text_copy_bytes(text, text_utf8_prefix(text, LONGEST_TEXT), err);
    if (copy == NULL)
        return NULL;
    if (!text_is_utf8(copy, strlen(copy)))
        copy[0] = '\0';
    text_make_printable(copy);
    size_t end = strlen(copy);
    while (end > 0 && copy[end - 1] == ' ')
        copy[--end] = '\0';
    return copy;
}

void gitlab_request_id(const struct http_response *response, char *out, size_t size) {
    char id[80];
    out[0] = '\0';
    if (!http_header(response, "X-Request-Id", id, sizeof(id)) || id[0] == '\0')
        return;
    for (const char *at = id; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("-_.:", *at) == NULL)
            return;
    snprintf(out, size, " (GitLab request %s)", id);
}

static int redirect_error(struct error **err, const struct http_response *response,
                          const char *what, const char *request_id) {
    char location[512] = "";
    (void)http_header(response, "Location", location, sizeof(location));
    url_hide_secrets(location);
    error_new(err, ERROR_UNREACHABLE, "%s: GitLab redirects (%d) to %s, which is not followed%s",
              what, response->status, location[0] != '\0' ? location : "nowhere", request_id);
    error_set_answer(err, response->status, NULL);
    return error_hint(
        err, "Give the address that GitLab itself uses (external_url): GITLAB_BASE_URL, or "
             "MODEL_REPO_GIT_SCHEME and MODEL_REPO_GIT_BASE in the ConfigMap "
             "aml-image-builder-config.");
}

static void add_hint(struct error **err, const struct http_response *response, const char *text) {
    char wait[32];
    switch (response->status) {
    case 401:
        error_hint(err,
                   "Check the token: GITLAB_TOKEN, or MODEL_REPO_GIT_TOKEN in the Secret "
                   "aml-image-builder-secret. It may be expired, revoked, or from a GitLab that "
                   "was replaced.");
        return;
    case 403:
        error_hint(err, strstr(text, "higher privileges") != NULL || strstr(text, "scope") != NULL
                            ? "Give the token the scope read_api (or api)."
                            : "The token's user needs at least the role Reporter in the project.");
        return;
    case 404:
        if (!gitlab_is_own_404(response))
            error_hint(
                err,
                "That is not GitLab's API: check GITLAB_BASE_URL (or MODEL_REPO_GIT_BASE in the "
                "ConfigMap aml-image-builder-config), its path too.");
        return;
    case 429:
        if (http_header(response, "Retry-After", wait, sizeof(wait)) && wait[0] != '\0' &&
            wait[strspn(wait, "0123456789")] == '\0')
            error_hint(err, "GitLab limits requests: try again in %s s.", wait);
        else
            error_hint(err, "GitLab limits requests: try again later.");
        return;
    default:
        if (response->status >= 500)
            error_hint(err, "GitLab itself fails: try again, or ask its administrator.");
    }
}

int gitlab_status_error(struct error **err, const struct http_response *response,
                        const char *what) {
    char request_id[128];
    gitlab_request_id(response, request_id, sizeof(request_id));
    if (response->status >= 300 && response->status < 400)
        return redirect_error(err, response, what, request_id);
    cleanup_free char *text = gitlab_answer_text(response, err);
    if (text == NULL)
        return -1;
    char number[8];
    snprintf(number, sizeof(number), "%d", response->status);
    /* GitLab's texts mostly begin with the number already. */
    const char *words = text_has_prefix(text, number) ? text + strlen(number) : text;
    words += strspn(words, " ");
    bool is_model =
        gitlab_is_own_404(response) || response->status == 400 || response->status == 410;
    error_new(err, is_model ? ERROR_MODEL : ERROR_UNREACHABLE, "%s: GitLab answered %d%s%s%s", what,
              response->status, words[0] != '\0' ? " " : "", words, request_id);
    add_hint(err, response, text);
    return error_set_answer(err, response->status, NULL);
}
