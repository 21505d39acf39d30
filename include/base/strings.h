#pragma once

/* A growing list of owned strings. */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct strings {
    char **items; /* COUNT strings; no NULL terminator */
    size_t count;
};

/* Appends a copy. */
int strings_add(struct strings *strings, const char *text, struct error **err);
int strings_add_format(struct strings *strings, struct error **err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool strings_contain(const struct strings *strings, const char *text);

/* The items with SEPARATOR between them, owned by the caller; NULL with an error. */
char *strings_join(const struct strings *strings, const char *separator, struct error **err);
void strings_free(struct strings *strings);

#define cleanup_strings cleanup(strings_free)
