/*
 * From an answer of the API server to an error. Sources: apimachinery pkg/apis/meta/v1/types.go
 * (Status), pkg/api/errors/errors.go (NewGenericServerResponse), client-go rest/request.go.
 */
#include "status_text.h"

#include "base/json.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MOST_CAUSES = 10, LONGEST_QUOTE = 200 };

char *status_operation(const struct kube_request *request, struct error **err) {
    if (request->resource == NULL)
        return text_format(err, "%s %s", request->verb, request->path);
    cleanup_free char *label = kube_resource_label(request->resource, err);
    if (label == NULL)
        return NULL;
    bool named = !text_is_empty(request->name);
    bool inside = request->resource->namespaced && !text_is_empty(request->namespace_);
    bool part = !text_is_empty(request->subresource);
    return text_format(err, "%s %s%s%s%s%s%s%s%s", request->verb, label, part ? "/" : "",
                       part ? request->subresource : "", named ? " \"" : "",
                       named ? request->name : "", named ? "\"" : "",
                       inside ? " in namespace " : "", inside ? request->namespace_ : "");
}

char *status_clean(const char *text, size_t length, struct error **err) {
    size_t kept = length;
    if (length > STATUS_LONGEST_TEXT) {
        kept = STATUS_LONGEST_TEXT;
        while (kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
            kept--;
    }
    char *copy = text_copy_bytes(text, kept, err);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < kept; i++)
        if (copy[i] == '\0')
            copy[i] = ' ';
    while (kept > 0 && isspace((unsigned char)copy[kept - 1]))
        copy[--kept] = '\0';
    return text_make_printable(copy);
}

static const char *reason_of_code(int http_status, const struct kube_request *request) {
    switch (http_status) {
    case 400:
        return "BadRequest";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "NotFound";
    case 405:
        return "MethodNotAllowed";
    case 406:
        return "NotAcceptable";
    case 409:
        return text_equal(request->verb, "create") ? "AlreadyExists" : "Conflict";
    case 410:
        return "Expired";
    case 413:
        return "RequestEntityTooLarge";
    case 415:
        return "UnsupportedMediaType";
    case 422:
        return "Invalid";
    case 429:
        return "TooManyRequests";
    case 503:
        return "ServiceUnavailable";
    case 504:
        return "Timeout";
    default:
        return http_status >= 500 ? "InternalError" : "Unknown";
    }
}

/* "FIELD: MESSAGE; FIELD: MESSAGE" of every cause; "" when there is none. */
static char *causes_text(const json_t *status, struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(4 * STATUS_LONGEST_TEXT);
    json_t *causes = json_at(status, "details", "causes", NULL);
    size_t shown = 0;
    size_t i;
    json_t *cause;
    json_array_foreach(causes, i, cause) {
        const char *message = json_text_at(cause, "message", NULL);
        const char *field = json_text_at(cause, "field", NULL);
        if (message == NULL && field == NULL)
            continue;
        if (shown == MOST_CAUSES) {
            buffer_printf(&out, "; and %zu more", json_array_size(causes) - i);
            break;
        }
        size_t room = text_utf8_prefix(message != NULL ? message : "", STATUS_LONGEST_TEXT / 4);
        buffer_printf(&out, "%s%s%s%.*s", shown > 0 ? "; " : "", field != NULL ? field : "",
                      field != NULL && message != NULL ? ": " : "", (int)room,
                      message != NULL ? message : "");
        shown++;
    }
    return buffer_steal(&out, "the causes of an API error", err);
}

static int not_found(struct error **err, const char *operation, const json_t *status,
                     const char *reason, const struct kube_request *request) {
    const char *name = json_text_at(status, "details", "name", NULL);
    const char *kind = json_text_at(status, "details", "kind", NULL);
    bool asked_namespace =
        request->resource != NULL && text_equal(request->resource->plural, "namespaces");
    if (!text_is_empty(name) && text_equal(kind, "namespaces") && !asked_namespace) {
        error_new(err, ERROR_REFUSED, "cannot %s: namespace %s does not exist", operation, name);
        return error_set_answer(err, 404, reason);
    }
    if (!text_is_empty(name)) {
        error_new(err, ERROR_REFUSED, "cannot %s: it does not exist", operation);
        return error_set_answer(err, 404, reason);
    }
    const struct kube_resource *resource = request->resource;
    if (resource == NULL) {
        error_new(err, ERROR_REFUSED, "cannot %s: the cluster does not serve this path", operation);
        return error_set_answer(err, 404, KUBE_NOT_SERVED);
    }
    error_new(err, ERROR_REFUSED, "cannot %s: the cluster does not serve %s/%s %s", operation,
              resource->group[0] != '\0' ? resource->group : "core", resource->version,
              resource->plural);
    if (text_equal(resource->group, kube_inference_services.group))
        error_hint(err, "KServe is not installed in this cluster, or not in a version that serves "
                        "this kind");
    return error_set_answer(err, 404, KUBE_NOT_SERVED);
}

static int unauthorized(struct error **err, const char *operation, const char *message,
                        const char *reason) {
    bool says_more = !text_is_empty(message) && !text_equal(message, "Unauthorized");
    error_new(err, ERROR_UNREACHABLE,
              "cannot %s: not logged in: the Kubernetes API server does not accept the "
              "credential%s%s",
              operation, says_more ? ": " : "", says_more ? message : "");
    return error_set_answer(err, 401, reason);
}

static enum error_kind kind_of_code(int http_status) {
    if (http_status == 409)
        return ERROR_CONFLICT;
    if (http_status == 401 || http_status == 407 || http_status == 429 || http_status >= 500 ||
        http_status < 400)
        return ERROR_UNREACHABLE;
    return ERROR_REFUSED;
}

/* Server-side apply answers 500 for a field that the schema does not know (kubernetes#139253). */
static bool is_schema_error(const char *message) {
    return text_contains(message, "field not declared in schema") ||
           text_contains(message, "failed to create typed patch object");
}

/* What "is forbidden: " and `is invalid: ` introduce says it all; the operation is named already.
 */
static const char *without_subject(const char *message) {
    static const char *const markers[] = {" is forbidden: ", " is invalid: "};
    for (size_t i = 0; i < array_length(markers); i++) {
        const char *found = strstr(message, markers[i]);
        if (found != NULL && found[strlen(markers[i])] != '\0')
            return found + strlen(markers[i]);
    }
    return message;
}

static int by_code(struct error **err, int http_status, const char *operation, const json_t *status,
                   const char *message, const char *reason) {
    cleanup_free char *causes = causes_text(status, err);
    if (causes == NULL)
        return -1;
    text_make_printable(causes);
    if (http_status >= 500 && is_schema_error(message)) {
        error_new(err, ERROR_REFUSED, "cannot %s: the cluster's schema refuses it: %s", operation,
                  message);
        return error_set_answer(err, http_status, reason);
    }
    if (http_status == 409 && text_equal(reason, "AlreadyExists")) {
        error_new(err, ERROR_CONFLICT, "cannot %s: it exists already", operation);
        return error_set_answer(err, http_status, reason);
    }
    if (http_status == 429 || http_status >= 500 || http_status < 400) {
        error_new(err, ERROR_UNREACHABLE,
                  "cannot %s: the Kubernetes API server answered HTTP %d %s%s%s", operation,
                  http_status, reason, message[0] != '\0' ? ": " : "", message);
        return error_set_answer(err, http_status, reason);
    }
    const char *text = without_subject(message);
    if (http_status == 422 && causes[0] != '\0')
        text = causes;
    error_new(err, kind_of_code(http_status), "cannot %s: %s: %s", operation,
              http_status == 409 ? "conflict" : "refused", text[0] != '\0' ? text : reason);
    return error_set_answer(err, http_status, reason);
}

int kube_status_object_error(struct error **err, int http_status, const json_t *status,
                             const struct kube_request *request) {
    if (err == NULL || *err != NULL)
        return -1;
    cleanup_free char *operation = status_operation(request, err);
    if (operation == NULL)
        return -1;
    const char *raw = json_text_at(status, "message", NULL);
    cleanup_free char *message =
        status_clean(raw != NULL ? raw : "", raw != NULL ? strlen(raw) : 0, err);
    if (message == NULL)
        return -1;
    int code = http_status;
    if (code < 400)
        code = (int)json_integer_at(status, 500, "code", NULL);
    const char *reason = json_text_at(status, "reason", NULL);
    if (text_is_empty(reason))
        reason = reason_of_code(code, request);

    if (code == 401)
        return unauthorized(err, operation, message, reason);
    if (status_refusal(err, operation, status, message, request))
        return error_set_answer(err, code, reason);
    if (code == 404)
        return not_found(err, operation, status, reason, request);
    return by_code(err, code, operation, status, message, reason);
}

/* The text of an HTML page's <title>, cleaned; NULL when there is none or memory is short. */
static char *page_title(const char *body, size_t length) {
    static const char opening[] = "<title";
    for (size_t i = 0; i + sizeof(opening) < length; i++) {
        if (strncasecmp(body + i, opening, strlen(opening)) != 0)
            continue;
        const char *start = memchr(body + i, '>', length - i);
        if (start == NULL)
            return NULL;
        start++;
        size_t left = length - (size_t)(start - body);
        const char *end = memchr(start, '<', left);
        size_t size = end != NULL ? (size_t)(end - start) : left;
        return status_clean(start, size < LONGEST_QUOTE ? size : LONGEST_QUOTE, NULL);
    }
    return NULL;
}

static int page_error(struct error **err, int http_status, const char *operation, const char *body,
                      size_t length) {
    cleanup_free char *title = page_title(body, length);
    bool titled = !text_is_empty(title);
    error_new(err, ERROR_UNREACHABLE,
              "cannot %s: a web page answered instead of the Kubernetes API server (HTTP %d%s%s%s)",
              operation, http_status, titled ? ", \"" : "", titled ? title : "",
              titled ? "\"" : "");
    error_hint(err, "a proxy, gateway or login page stands in between: check the cluster's server "
                    "URL, proxy-url, HTTPS_PROXY and NO_PROXY");
    return error_set_answer(err, http_status, "");
}

static int redirect_error(struct error **err, int http_status, const char *operation) {
    error_new(err, ERROR_UNREACHABLE,
              "cannot %s: the server answered with a redirect (HTTP %d), which the Kubernetes API "
              "never does",
              operation, http_status);
    error_hint(err, "a proxy, gateway or login page stands in between: check the cluster's server "
                    "URL (also https instead of http)");
    return error_set_answer(err, http_status, "");
}

/* A body that is no Status: built from the code, as client-go does it. */
static int text_error(struct error **err, int http_status, const char *body, size_t length,
                      const struct kube_request *request) {
    cleanup_free char *operation = status_operation(request, err);
    if (operation == NULL)
        return -1;
    if (http_status >= 300 && http_status < 400)
        return redirect_error(err, http_status, operation);
    size_t blank = 0;
    while (blank < length && isspace((unsigned char)body[blank]))
        blank++;
    if (blank < length && body[blank] == '<')
        return page_error(err, http_status, operation, body, length);

    size_t kept = length < LONGEST_QUOTE ? length : LONGEST_QUOTE;
    while (kept > 0 && kept < length && ((unsigned char)body[kept] & 0xc0) == 0x80)
        kept--;
    cleanup_free char *quote = status_clean(body, kept, err);
    if (quote == NULL)
        return -1;
    const char *reason = reason_of_code(http_status, request);
    if (http_status < 300) {
        error_new(err, ERROR_UNREACHABLE, "cannot %s: the answer is not JSON: \"%s\"", operation,
                  quote);
        return error_set_answer(err, http_status, reason);
    }
    if (http_status == 401)
        return unauthorized(err, operation, quote, reason);
    if (http_status == 404)
        return not_found(err, operation, NULL, reason, request);
    return by_code(err, http_status, operation, NULL, quote, reason);
}

int kube_status_error(struct error **err, int http_status, const char *body, size_t length,
                      const struct kube_request *request) {
    if (err == NULL || *err != NULL)
        return -1;
    cleanup_json json_t *status = json_loadb(body != NULL ? body : "", length, 0, NULL);
    if (text_equal(json_text_at(status, "kind", NULL), "Status"))
        return kube_status_object_error(err, http_status, status, request);
    return text_error(err, http_status, body != NULL ? body : "", length, request);
}

bool kube_status_is_webhook_down(const json_t *status) {
    return text_contains(json_text_at(status, "message", NULL), "failed calling webhook");
}
