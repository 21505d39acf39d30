#pragma once

/*
 * What this project adds to jansson: bounded parsing with errors that name the document, look-up by
 * path, and two texts: canonical (hashing, golden files) and safe for server-side apply.
 */

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

static inline void json_decref_pointer(json_t **value) {
    json_decref(*value);
    *value = NULL;
}

#define cleanup_json cleanup(json_decref_pointer)

/*
 * Parses one JSON value. The last of duplicate keys wins (as Go's encoding/json has it); nesting is
 * bounded by jansson (2048). The error is of KIND and says that WHAT is not JSON and where.
 */
int json_parse(json_t **out, const char *data, size_t length, const char *what,
               enum error_kind kind, struct error **err);

/*
 * Look-up along object keys: json_at(object, "status", "url", NULL). A borrowed reference, or NULL
 * when any step is missing or no object. The list of keys ends with NULL.
 */
json_t *json_at(const json_t *value, ...) __attribute__((sentinel));

/* The string at a path, borrowed, or NULL when it is missing or no string. */
const char *json_text_at(const json_t *value, ...) __attribute__((sentinel));

/* The integer at a path, or FALLBACK when it is missing or no integer. */
json_int_t json_integer_at(const json_t *value, json_int_t fallback, ...) __attribute__((sentinel));

/* True only when the value at the path is the JSON true. */
bool json_is_true_at(const json_t *value, ...) __attribute__((sentinel));

/* Sets KEY of OBJECT to a copy of TEXT; nothing when TEXT is NULL. -1 when out of memory or TEXT is
 * not UTF-8. */
int json_set_text(json_t *object, const char *key, const char *text, struct error **err);

/* Sets KEY of OBJECT and takes over VALUE (also on failure; NULL counts as out of memory). */
int json_set_take(json_t *object, const char *key, json_t *value, struct error **err);

/* The object at KEY, made when it is missing; borrowed; NULL with an error when out of memory. */
json_t *json_object_in(json_t *object, const char *key, struct error **err);

/* Compact text with sorted keys: the same value gives the same bytes. NULL with an error. */
char *json_canonical_text(const json_t *value, struct error **err);

/* Text with an indent of two in the given key order, for people. NULL with an error. */
char *json_pretty_text(const json_t *value, struct error **err);

/*
 * Text that the API server's YAML reader takes for the same value. It parses the body of a
 * server-side apply with go-yaml, which refuses or changes raw DEL, C1 controls, U+2028, U+2029,
 * U+FFFE, U+FFFF, and escaped surrogate pairs: the former leave escaped as \uXXXX, characters above
 * U+FFFF leave raw, '/' is not escaped.
 * Source: Kubernetes "Server-Side Apply" (the body is YAML), go-yaml readerc.go, scannerc.go.
 */
char *json_apply_text(const json_t *value, struct error **err);

/* VALUE for json_object_foreach, which takes no const though it changes nothing. */
static inline json_t *json_iterable(const json_t *value) {
    union {
        const json_t *constant;
        json_t *plain;
    } only_reader = {.constant = value};
    return only_reader.plain;
}

/*
 * Overwrites every string inside VALUE (not the keys), for documents that hold secrets, before the
 * last json_decref. Nothing else may hold a reference into it. NULL is fine.
 */
void json_wipe(json_t *value);

static inline void json_wipe_pointer(json_t **value) {
    json_wipe(*value);
    json_decref(*value);
    *value = NULL;
}

#define cleanup_secret_json cleanup(json_wipe_pointer)
