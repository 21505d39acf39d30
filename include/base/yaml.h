#pragma once

/*
 * Bridges to libyaml. Hostile input is expected: size, depth, number of nodes and alias expansion
 * are bounded, duplicate keys are refused with a line number.
 */

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Parses one YAML document (the first of the stream) to JSON. Plain scalars follow the YAML 1.2
 * core schema (null, true, false, numbers; "yes" and "012" stay text), quoted and block scalars are
 * text. Mapping keys must be scalars; merge keys (<<) are ordinary keys; aliases are expanded
 * within the budget. An empty stream gives the JSON null. The error is of KIND and names WHAT and
 * the line. Limits: 4 MiB, depth 64, 100,000 nodes after expansion.
 */
int yaml_to_json(json_t **out, const char *data, size_t length, const char *what,
                 enum error_kind kind, struct error **err);

enum yaml_scalar {
    YAML_SCALAR_MISSING,  /* the key is not there */
    YAML_SCALAR_TEXT,     /* a scalar with text: plain (as written), quoted, or block */
    YAML_SCALAR_NULL,     /* key without a value, or plain ~ / null */
    YAML_SCALAR_SEQUENCE, /* a list */
    YAML_SCALAR_MAPPING,  /* a mapping */
};

struct yaml_field {
    const char *key;       /* in: the top-level key that is wanted */
    enum yaml_scalar kind; /* out */
    char *text;            /* out: for YAML_SCALAR_TEXT, owned (yaml_fields_free) */
    size_t line;           /* out: 1-based line of the value in DATA */
};

/*
 * Reads single top-level keys of a YAML mapping from its event stream, without building a tree;
 * values of other keys are skipped whatever they are. A wanted key that stands twice is an error;
 * an alias as wanted value is resolved when its anchor is a scalar seen before. A document that is
 * no mapping is an error; an empty one has no fields. LINE_OFFSET is added to line numbers in
 * errors and fields. Limits: 1 MiB, depth 64, 200,000 events.
 */
int yaml_read_fields(struct yaml_field *fields, size_t count, const char *data, size_t length,
                     size_t line_offset, const char *what, enum error_kind kind,
                     struct error **err);

/* Frees the texts. */
void yaml_fields_free(struct yaml_field *fields, size_t count);

/*
 * Writes JSON as a YAML document in block style with the given key order: strings plain where every
 * YAML 1.1 and 1.2 reader takes them for the same string, quoted otherwise, multi-line ones as
 * block literals where that is exact. Ends with a newline. NULL with an error.
 */
char *yaml_from_json(const json_t *value, struct error **err);
