#include "base/text.h"

#include "base/buffer.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_NAME = 128, LONGEST_ENCODED = 64 * 1024 };

char *text_copy_bytes(const char *text, size_t length, struct error **err) {
    char *copy = malloc(length + 1);
    if (copy == NULL) {
        error_no_memory(err);
        return NULL;
    }
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *text_copy(const char *text, struct error **err) {
    return text != NULL ? text_copy_bytes(text, strlen(text), err) : NULL;
}

char *text_format(struct error **err, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        error_no_memory(err);
        return NULL;
    }
    return text;
}

bool text_is_empty(const char *text) {
    return text == NULL || text[0] == '\0';
}

bool text_equal(const char *left, const char *right) {
    if (left == NULL || right == NULL)
        return left == right;
    return strcmp(left, right) == 0;
}

bool text_equal_ignoring_case(const char *left, const char *right) {
    if (left == NULL || right == NULL)
        return left == right;
    return strcasecmp(left, right) == 0;
}

bool text_has_prefix(const char *text, const char *prefix) {
    return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_has_suffix(const char *text, const char *suffix) {
    if (text == NULL)
        return false;
    size_t length = strlen(text);
    size_t tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

bool text_contains(const char *haystack, const char *needle) {
    return haystack != NULL && strstr(haystack, needle) != NULL;
}

bool text_to_integer(const char *text, int64_t least, int64_t most, int64_t *out) {
    if (text_is_empty(text))
        return false;
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return false;
    errno = 0;
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most)
        return false;
    *out = value;
    return true;
}

/* Levenshtein distance with letters compared without case; names only, so the rows are fixed. */
static size_t edit_distance(const char *left, const char *right) {
    size_t columns = strlen(right);
    size_t row[LONGEST_NAME + 1];
    if (columns > LONGEST_NAME)
        return SIZE_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; left[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t above = row[j];
            int same = tolower((unsigned char)left[i - 1]) == tolower((unsigned char)right[j - 1]);
            size_t best = diagonal + (same ? 0 : 1);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[columns];
}

const char *text_nearest(const char *text, const char *const *candidates, size_t count) {
    if (text_is_empty(text) || strlen(text) > LONGEST_NAME)
        return NULL;
    const char *nearest = NULL;
    size_t best = strlen(text) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(text, candidates[i]);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

char *text_percent_encode(const char *text, struct error **err) {
    static const char hex[] = "0123456789ABCDEF";
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_ENCODED);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        int unreserved = (*at < 0x80 && isalnum(*at)) || strchr("-._~", *at) != NULL;
        if (unreserved) {
            buffer_append_character(&out, (char)*at);
        } else {
            const char escaped[3] = {'%', hex[*at >> 4], hex[*at & 15]};
            buffer_append(&out, escaped, sizeof(escaped));
        }
    }
    return buffer_steal(&out, "an encoded name", err);
}

size_t text_utf8_prefix(const char *text, size_t length) {
    size_t end = strnlen(text, length);
    if (text[end] == '\0' || end == 0)
        return end;
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return end;
}

enum { LONGEST_SEQUENCE = 4 };

/* Length of the well-formed UTF-8 sequence at TEXT, or 0. */
static size_t utf8_sequence(const unsigned char *text, size_t left) {
    unsigned char first = text[0];
    if (first < 0x80)
        return first != 0;
    size_t length = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (length == 0 || first > 0xf4 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool surrogate = first == 0xed && text[1] >= 0xa0;
    bool too_large = first == 0xf4 && text[1] >= 0x90;
    return overlong || surrogate || too_large ? 0 : length;
}

bool text_is_utf8(const char *text, size_t length) {
    const unsigned char *at = (const unsigned char *)text;
    for (size_t done = 0; done < length;) {
        size_t sequence = utf8_sequence(at + done, length - done);
        if (sequence == 0)
            return false;
        done += sequence;
    }
    return true;
}

char *text_make_printable(char *text) {
    unsigned char *at = (unsigned char *)text;
    while (at != NULL && *at != '\0') {
        size_t length = utf8_sequence(at, LONGEST_SEQUENCE); /* the NUL ends it earlier */
        bool second_controls = length == 2 && at[0] == 0xc2 && at[1] <= 0x9f;
        if (length == 0)
            *at = '?';
        else if (second_controls || *at < 0x20 || *at == 0x7f)
            memset(at, ' ', length);
        at += length > 0 ? length : 1;
    }
    return text;
}
