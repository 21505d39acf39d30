#pragma once

/*
 * Log lines for people (text) or machines (one JSON object a line). The sink is given from outside;
 * nothing below src/cli prints by itself. Never pass a secret.
 */

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LOG_ERROR,
    LOG_WARNING,
    LOG_NOTICE, /* what an ordinary run shows: stages, progress, notices */
    LOG_DEBUG,  /* requests, retries, decisions */
};

struct log_sink {
    /* LINE is one whole line without the newline, safe to print (no control characters). */
    void (*write)(void *user, enum log_level level, const char *line);
    void *user;
};

struct log {
    enum log_level level; /* more detailed lines are dropped */
    bool json;
    const struct clock *clock;
    struct log_sink sink;
};

/* LOG may be NULL: nothing is logged. */
void log_write(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(log, ...)   log_write((log), LOG_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_write((log), LOG_WARNING, __VA_ARGS__)
#define log_notice(log, ...)  log_write((log), LOG_NOTICE, __VA_ARGS__)
#define log_debug(log, ...)   log_write((log), LOG_DEBUG, __VA_ARGS__)

/* "error", "warning", "notice", "debug". */
const char *log_level_name(enum log_level level);
