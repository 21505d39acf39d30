#pragma once

/*
 * Errors are values. A function that can fail returns a negative int and takes `struct error **err`
 * as its last argument; on success it leaves *err alone. The kind decides the exit code and the
 * retry, never the text (the grammar is crun's: message plus wrapping context on the way up).
 */

#include "base/memory.h"

enum error_kind {
    ERROR_INTERNAL,  /* a defect here, out of memory, an impossible answer; exit 1 */
    ERROR_PARAMETER, /* a parameter or local configuration is wrong; exit 2 */
    ERROR_MODEL,     /* project, ref or README of the model cannot be used; exit 3 */
    ERROR_RUNTIME,   /* no usable serving runtime; exit 4 */
    ERROR_REFUSED,   /* the cluster refuses: RBAC, admission, schema; exit 5 */
    ERROR_CONFLICT,  /* exists already, or another field manager or writer is in the way; exit 6 */
    ERROR_ROLLOUT,   /* the rollout failed; exit 7 */
    ERROR_DEADLINE,  /* TIMEOUT passed; exit 8 */
    ERROR_UNREACHABLE, /* a server cannot be reached, trusted or authenticated to; exit 9 */
    ERROR_CANCELED,    /* SIGTERM or SIGINT; exit 143 or 130 */
};

struct error {
    enum error_kind kind;
    int http_status; /* of the answer that caused it, or 0 */
    char *reason;    /* Kubernetes Status.reason of that answer, or NULL; owned */
    char *message;   /* one line, no secrets; owned */
    char *hint;      /* what to do next, or NULL; owned */
};

/*
 * Makes *err an error of KIND. Always returns -1, so that `return error_new(err, ...)` reads well.
 * ERR may be NULL (the caller does not care); when *err is set already the first error is kept.
 */
int error_new(struct error **err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets the hint of *err (replacing an earlier one). Always returns -1. */
int error_hint(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "CONTEXT: " before the message of *err. Always returns -1. */
int error_wrap(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts the text behind the message of *err. Always returns -1. */
int error_append(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the HTTP status and (copied) Kubernetes reason of *err. Always returns -1. */
int error_set_answer(struct error **err, int http_status, const char *reason);

/* Makes *err one of KIND, for a caller who knows better whose fault it is. Lack of memory stays
 * what it is. Always returns -1. */
int error_set_kind(struct error **err, enum error_kind kind);

/* Out of memory: needs no allocation itself. Always returns -1. */
int error_no_memory(struct error **err);

/* Moves FROM into *err when *err is empty, else frees it. Always returns -1. */
int error_take(struct error **err, struct error *from);

/* Frees an error; NULL is fine. */
void error_free(struct error *error);

/* True when ERROR is set and carries this Kubernetes Status.reason. */
int error_has_reason(const struct error *error, const char *reason);

static inline void error_free_pointer(struct error **error) {
    error_free(*error);
    *error = NULL;
}

#define cleanup_error cleanup(error_free_pointer)
