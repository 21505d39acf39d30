#pragma once

/* What the two readers share: a libyaml parser over bytes, its errors as ours. Private to src/base.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct yaml_source {
    yaml_parser_t parser;
    bool initialized;
    const char *data;
    size_t length;
    size_t line_offset; /* added to the line numbers of errors */
    const char *what;
    enum error_kind kind;
};

/* Prepares SOURCE (whose data, length, line_offset, what and kind are set) for reading events. */
int yaml_source_open(struct yaml_source *source, size_t most_bytes, struct error **err);
void yaml_source_close(struct yaml_source *source);

/* Reads the next event; the caller deletes it (yaml_event_delete). */
int yaml_source_next(struct yaml_source *source, yaml_event_t *event, struct error **err);

/* 1-based line of MARK, with the offset. */
size_t yaml_source_line(const struct yaml_source *source, yaml_mark_t mark);

/* An error of the source's kind: "WHAT, line N: MESSAGE". Always -1. */
int yaml_source_error(const struct yaml_source *source, yaml_mark_t mark, struct error **err,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

#define cleanup_yaml_source cleanup(yaml_source_close)
#define cleanup_yaml_event  cleanup(yaml_event_delete)
