#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

/* What containers wrote: the last lines as evidence, and the one line that tells why. */

enum { LAST_LINES = 4, LONGEST_LINE = 500 };

static bool is_log_of(const json_t *log, const char *pod, const char *container) {
    return log != NULL && text_equal(json_text_at(log, "pod", NULL), pod) &&
           text_equal(json_text_at(log, "container", NULL), container) &&
           !text_is_empty(json_text_at(log, "text", NULL));
}

const char *log_text(const struct rollout *rollout, const char *pod, const char *container,
                     bool previous) {
    const struct observed_set *logs = &rollout->sets[ROLLOUT_LOG];
    const char *other = NULL;
    for (size_t i = 0; i < logs->count; i++) {
        const json_t *log = logs->items[i].object;
        if (!is_log_of(log, pod, container))
            continue;
        other = json_text_at(log, "text", NULL);
        if (json_is_true_at(log, "previous", NULL) == previous)
            return other;
    }
    return other;
}

/* The start of the last COUNT lines of TEXT that hold anything. */
static const char *tail_of(const char *text, int count) {
    const char *end = text + strlen(text);
    while (end > text && strchr(" \r\n\t", end[-1]) != NULL)
        end--;
    const char *at = end;
    while (at > text && count > 0)
        if (*--at == '\n' && --count == 0)
            return at + 1;
    return at;
}

static int add_line(struct strings *evidence, const char *container, const char *line,
                    size_t length, struct error **err) {
    if (length == 0)
        return 0;
    size_t most = length < LONGEST_LINE ? length : text_utf8_prefix(line, LONGEST_LINE);
    return evidence_add(evidence, err, "log %s: %.*s", container, (int)most, line);
}

int log_evidence(struct strings *evidence, const char *container, const char *text,
                 const char *telling, struct error **err) {
    const char *tail = tail_of(text, LAST_LINES);
    if (telling != NULL && telling >= text && telling < tail) {
        const char *start = telling;
        while (start > text && start[-1] != '\n')
            start--;
        if (add_line(evidence, container, start, strcspn(start, "\r\n"), err) < 0)
            return -1;
    }
    for (const char *at = tail; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        size_t shown = length > 0 && at[length - 1] == '\r' ? length - 1 : length;
        if (add_line(evidence, container, at, shown, err) < 0)
            return -1;
        at += length + (at[length] == '\n' ? 1 : 0);
    }
    return 0;
}

/* ---- the telling line ---- */

/* These only point at what was said before. */
static bool only_points(const char *line, size_t length) {
    static const char *const pointers[] = {"See root cause above", "Engine core initialization",
                                           "Traceback (most recent", "destroy_process_group"};
    for (size_t i = 0; i < array_length(pointers); i++)
        if (memmem(line, length, pointers[i], strlen(pointers[i])) != NULL)
            return true;
    return false;
}

static bool tells_trouble(const char *line, size_t length) {
    static const char *const words[] = {"Error", "ERROR",  "error:", "Exception",
                                        "FATAL", "fatal:", "panic:", "Fatal"};
    for (size_t i = 0; i < array_length(words); i++)
        if (memmem(line, length, words[i], strlen(words[i])) != NULL)
            return !only_points(line, length);
    return false;
}

const char *telling_place(const char *text) {
    const char *found = NULL;
    const char *last = NULL;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        if (strspn(at, " \t\r") < length)
            last = at;
        if (tells_trouble(at, length))
            found = at;
        at += length + (at[length] == '\n' ? 1 : 0);
    }
    return found != NULL ? found : last;
}

/* Where an exception's name begins in the line: what stands before is time, level and file. */
static const char *exception_of(const char *line, size_t length) {
    static const char *const ends[] = {"Error: ", "Exception: "};
    for (size_t i = 0; i < array_length(ends); i++) {
        const char *place = memmem(line, length, ends[i], strlen(ends[i]));
        if (place == NULL)
            continue;
        while (place > line && strchr(" \t]", place[-1]) == NULL)
            place--;
        return place;
    }
    return line;
}

char *line_at(const char *text, const char *place, struct error **err) {
    const char *start = place;
    while (start > text && start[-1] != '\n')
        start--;
    size_t length = strcspn(start, "\r\n");
    const char *from = exception_of(start, length);
    if (from > place)
        from = start;
    from += strspn(from, " \t");
    return text_copy_bytes(from, from < start + length ? (size_t)(start + length - from) : 0, err);
}
