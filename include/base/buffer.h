#pragma once

/*
 * A growing byte buffer with a compulsory ceiling (after curl's dynbuf) and a sticky failure, so
 * that a chain of appends is checked once, at the end (after libgit2's git_str).
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;      /* NUL-terminated once something was appended; NULL before */
    size_t length;   /* without the NUL */
    size_t capacity; /* allocated bytes */
    size_t limit;    /* most bytes it may ever hold */
    bool no_memory;  /* an allocation failed */
    bool too_long;   /* an append would have passed the limit */
    bool secret;     /* wiped on growth and on free */
};

#define BUFFER_INIT(most_bytes) ((struct buffer){.limit = (most_bytes)})

/* Appends LENGTH bytes. 0, or -1 when the buffer has failed (now or before). */
int buffer_append(struct buffer *buffer, const void *data, size_t length);
int buffer_append_text(struct buffer *buffer, const char *text);
int buffer_append_character(struct buffer *buffer, char character);
int buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets the content (wiped when secret) and the failure; keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Drops the first LENGTH bytes. */
void buffer_consume(struct buffer *buffer, size_t length);

/* 0 when every append worked, else -1 and an internal error that names WHAT. */
int buffer_check(const struct buffer *buffer, const char *what, struct error **err);

/* The content as a NUL-terminated string, never NULL ("" when empty). Owned by the buffer. */
const char *buffer_text(const struct buffer *buffer);

/*
 * Hands the content over as a NUL-terminated heap string, never NULL on success; the buffer is
 * empty afterwards. NULL with an error when an append failed.
 */
char *buffer_steal(struct buffer *buffer, const char *what, struct error **err);

/* Frees the content (wiped when secret); the buffer can be used again. */
void buffer_free(struct buffer *buffer);

#define cleanup_buffer cleanup(buffer_free)
