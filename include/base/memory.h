#pragma once

/*
 * Ownership helpers. A variable marked with a cleanup attribute frees what it owns at the end of
 * its scope; steal_pointer() hands the value over on success (the pairing bubblewrap and systemd
 * use).
 */

#include <stddef.h>
#include <stdlib.h>

#define cleanup(function) __attribute__((cleanup(function)))

/* Takes the value out of POINTER and leaves NULL there. */
#define steal_pointer(pointer)                                                                     \
    ({                                                                                             \
        __typeof__(pointer) *stolen_from_ = &(pointer);                                            \
        __typeof__(pointer) stolen_ = *stolen_from_;                                               \
        *stolen_from_ = NULL;                                                                      \
        stolen_;                                                                                   \
    })

static inline void free_pointer(void *pointer) {
    free(*(void **)pointer);
}

#define cleanup_free cleanup(free_pointer)

/* Overwrites LENGTH bytes with zeros in a way the compiler keeps. */
void memory_wipe(void *data, size_t length);

/* Wipes and frees a NUL-terminated secret; NULL is fine. */
void secret_free(char *secret);

static inline void secret_free_pointer(char **secret) {
    secret_free(*secret);
    *secret = NULL;
}

#define cleanup_secret cleanup(secret_free_pointer)

/* The number of elements of an array (not of a pointer). */
#define array_length(array) (sizeof(array) / sizeof((array)[0]))
