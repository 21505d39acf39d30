#pragma once

/* The recorded rollouts in tests/unit/deploy/transcripts. */

#include <jansson.h>
#include <stddef.h>

/* Hands over the files (or only the one that the environment variable TRANSCRIPT names), sorted by
 * name. How many there were. */
size_t transcript_files(void (*take)(const char *file, const char *text, size_t length));

/* The object of the line that holds "expect"; a new reference, or NULL. */
json_t *transcript_expectation(const char *text, size_t length);
