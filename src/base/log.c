#include "base/log.h"

#include "base/memory.h"
#include "base/text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *log_level_name(enum log_level level) {
    static const char *const names[] = {"error", "warning", "notice", "debug"};
    return names[level];
}

static void write_json(const struct log *log, enum log_level level, const char *message) {
    char time[TIME_RFC3339_SIZE];
    time_format_rfc3339(time, clock_wall(log->clock));
    json_t *line = json_pack("{s:s, s:s, s:s}", "time", time, "level", log_level_name(level),
                             "message", message);
    cleanup_free char *text =
        line != NULL ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(line);
    if (text != NULL)
        log->sink.write(log->sink.user, level, text);
}

void log_write(const struct log *log, enum log_level level, const char *format, ...) {
    if (log == NULL || level > log->level || log->sink.write == NULL)
        return;
    char *message = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    text_make_printable(message);
    if (log->json)
        write_json(log, level, message);
    else
        log->sink.write(log->sink.user, level, message);
    free(message);
}
