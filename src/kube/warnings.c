#include "client_private.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

enum { MOST_WARNINGS = 32, LONGEST_WARNING = 4 * 1024 };

/*
 * Reads a quoted string at *AT (behind its opening quote) to OUT, backslash escapes resolved, and
 * moves *AT behind the closing quote. False when it does not end.
 */
static bool read_quoted(const char **at, const char *end, struct buffer *out) {
    for (const char *next = *at; next < end; next++) {
        if (*next == '"') {
            *at = next + 1;
            return true;
        }
        if (*next == '\\' && next + 1 < end)
            next++;
        buffer_append_character(out, *next);
    }
    return false;
}

static void skip_blanks(const char **at, const char *end) {
    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
}

static void skip_word(const char **at, const char *end) {
    while (*at < end && **at != ' ')
        (*at)++;
}

/* One `CODE AGENT "TEXT" ["DATE"]` at *AT. False when it is malformed: the rest of the line is
 * lost. */
static bool read_warning(const char **at, const char *end, bool *shown, struct buffer *text) {
    skip_blanks(at, end);
    *shown = end - *at > 4 && strncmp(*at, "299 ", 4) == 0;
    skip_word(at, end);
    skip_blanks(at, end);
    skip_word(at, end); /* the agent */
    skip_blanks(at, end);
    if (*at >= end || **at != '"')
        return false;
    (*at)++;
    if (!read_quoted(at, end, text))
        return false;
    skip_blanks(at, end);
    if (*at < end && **at == '"') {
        struct buffer date = BUFFER_INIT(64);
        (*at)++;
        bool complete = read_quoted(at, end, &date);
        buffer_free(&date);
        if (!complete)
            return false;
        skip_blanks(at, end);
    }
    if (*at < end && **at == ',')
        (*at)++;
    return true;
}

static int read_line(struct strings *out, const char *at, const char *end, struct error **err) {
    while (at < end && out->count < MOST_WARNINGS) {
        cleanup_buffer struct buffer text = BUFFER_INIT(LONGEST_WARNING);
        bool shown = false;
        if (!read_warning(&at, end, &shown, &text) || text.too_long)
            return 0;
        cleanup_free char *line = buffer_steal(&text, "a warning", err);
        if (line == NULL)
            return -1;
        text_make_printable(line);
        if (shown && line[0] != '\0' && !strings_contain(out, line) &&
            strings_add(out, line, err) < 0)
            return -1;
    }
    return 0;
}

int kube_warnings_read(struct strings *out, const struct buffer *headers, struct error **err) {
    static const char name[] = "Warning:";
    const char *at = buffer_text(headers);
    const char *end = at + headers->length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        const char *text_end = line_end > at && line_end[-1] == '\r' ? line_end - 1 : line_end;
        if ((size_t)(text_end - at) > strlen(name) && strncasecmp(at, name, strlen(name)) == 0 &&
            read_line(out, at + strlen(name), text_end, err) < 0)
            return -1;
        at = newline != NULL ? newline + 1 : end;
    }
    return 0;
}
