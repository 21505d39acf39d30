#pragma once

/* The environment as a value: captured once by main, given to whoever may look. */

#include <stddef.h>

struct environment {
    const char *const
        *variables; /* NULL-terminated "NAME=value", as execve(2) has it; may be NULL */
};

/* The value of NAME, or NULL. */
const char *environment_get(const struct environment *environment, const char *name);
