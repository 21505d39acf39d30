#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Shared and never freed: an error that must exist when nothing can be allocated. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
static const struct error no_memory = {
    .kind = ERROR_INTERNAL,
    .message = (char *)"out of memory",
};
#pragma GCC diagnostic pop

static int is_static(const struct error *error) {
    return error == &no_memory;
}

int error_no_memory(struct error **err) {
    if (err != NULL && *err == NULL) {
        union {
            const struct error *constant;
            struct error *plain;
        } only_reader = {.constant = &no_memory};
        *err = only_reader.plain;
    }
    return -1;
}

int error_new(struct error **err, enum error_kind kind, const char *format, ...) {
    if (err == NULL || *err != NULL)
        return -1;

    struct error *error = calloc(1, sizeof(*error));
    if (error == NULL)
        return error_no_memory(err);
    error->kind = kind;

    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&error->message, format, arguments);
    va_end(arguments);
    if (length < 0) {
        free(error);
        return error_no_memory(err);
    }
    *err = error;
    return -1;
}

int error_hint(struct error **err, const char *format, ...) {
    if (err == NULL || *err == NULL || is_static(*err))
        return -1;

    char *hint = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&hint, format, arguments);
    va_end(arguments);
    if (length < 0)
        return -1;
    free((*err)->hint);
    (*err)->hint = hint;
    return -1;
}

/* "FORMATTED: MESSAGE", or "MESSAGEFORMATTED". Without memory the message stays as it is. */
__attribute__((format(printf, 3, 0))) static void extend(struct error **err, bool before,
                                                         const char *format, va_list arguments) {
    if (err == NULL || *err == NULL || is_static(*err))
        return;

    char *more = NULL;
    if (vasprintf(&more, format, arguments) < 0)
        return;
    char *message = NULL;
    int length = before ? asprintf(&message, "%s: %s", more, (*err)->message)
                        : asprintf(&message, "%s%s", (*err)->message, more);
    free(more);
    if (length < 0)
        return;
    free((*err)->message);
    (*err)->message = message;
}

int error_wrap(struct error **err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    extend(err, true, format, arguments);
    va_end(arguments);
    return -1;
}

int error_append(struct error **err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    extend(err, false, format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_answer(struct error **err, int http_status, const char *reason) {
    if (err == NULL || *err == NULL || is_static(*err))
        return -1;
    (*err)->http_status = http_status;
    char *copy = reason != NULL && reason[0] != '\0' ? strdup(reason) : NULL;
    free((*err)->reason);
    (*err)->reason = copy;
    return -1;
}

int error_set_kind(struct error **err, enum error_kind kind) {
    if (err != NULL && *err != NULL && !is_static(*err))
        (*err)->kind = kind;
    return -1;
}

int error_take(struct error **err, struct error *from) {
    if (err != NULL && *err == NULL)
        *err = from;
    else
        error_free(from);
    return -1;
}

void error_free(struct error *error) {
    if (error == NULL || is_static(error))
        return;
    free(error->reason);
    free(error->message);
    free(error->hint);
    free(error);
}

int error_has_reason(const struct error *error, const char *reason) {
    return error != NULL && error->reason != NULL && strcmp(error->reason, reason) == 0;
}
