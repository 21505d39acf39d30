#pragma once

/* Small helpers for NUL-terminated text. */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A heap copy, or NULL with an error. TEXT NULL gives NULL without an error. */
char *text_copy(const char *text, struct error **err);
char *text_copy_bytes(const char *text, size_t length, struct error **err);

/* Formatted heap text, or NULL with an error. */
char *text_format(struct error **err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* True for NULL and for "". */
bool text_is_empty(const char *text);

/* Equality; NULL equals only NULL. */
bool text_equal(const char *left, const char *right);
bool text_equal_ignoring_case(const char *left, const char *right);
bool text_has_prefix(const char *text, const char *prefix);
bool text_has_suffix(const char *text, const char *suffix);

/* True when HAYSTACK contains NEEDLE; false for NULL. */
bool text_contains(const char *haystack, const char *needle);

/* Whole decimal number in [LEAST, MOST], no sign but '-', no blanks. False otherwise. */
bool text_to_integer(const char *text, int64_t least, int64_t most, int64_t *out);

/*
 * Makes TEXT fit for one log line and for JSON, in place: control characters (C0, DEL, and C1 as
 * UTF-8) become spaces, so that a peer cannot move a terminal's cursor or forge lines; bytes that
 * are no UTF-8 (a proxy's Latin-1 page) become question marks. Writes nothing where nothing is
 * wrong. Returns TEXT.
 */
char *text_make_printable(char *text);

/* The candidate nearest to TEXT by edit distance (at most 1/3 of its length + 1), or NULL. */
const char *text_nearest(const char *text, const char *const *candidates, size_t count);

/* Percent-encodes everything but RFC 3986 unreserved characters ("/" too). */
char *text_percent_encode(const char *text, struct error **err);

/* Number of bytes of the longest prefix of TEXT of at most LENGTH bytes that ends between UTF-8
 * characters. */
size_t text_utf8_prefix(const char *text, size_t length);

/* True when the bytes are well-formed UTF-8 without NUL (RFC 3629). */
bool text_is_utf8(const char *text, size_t length);
