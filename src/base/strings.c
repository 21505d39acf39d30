#include "base/strings.h"

#include "base/buffer.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_JOINED = 1024 * 1024 };

static int add_owned(struct strings *strings, char *text, struct error **err) {
    char **items = realloc(strings->items, (strings->count + 1) * sizeof(*items));
    if (items == NULL) {
        free(text);
        return error_no_memory(err);
    }
    strings->items = items;
    strings->items[strings->count++] = text;
    return 0;
}

int strings_add(struct strings *strings, const char *text, struct error **err) {
    char *copy = strdup(text);
    return copy != NULL ? add_owned(strings, copy, err) : error_no_memory(err);
}

int strings_add_format(struct strings *strings, struct error **err, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length >= 0 ? add_owned(strings, text, err) : error_no_memory(err);
}

bool strings_contain(const struct strings *strings, const char *text) {
    for (size_t i = 0; i < strings->count; i++)
        if (text_equal(strings->items[i], text))
            return true;
    return false;
}

char *strings_join(const struct strings *strings, const char *separator, struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_JOINED);
    for (size_t i = 0; i < strings->count; i++) {
        if (i > 0)
            buffer_append_text(&out, separator);
        buffer_append_text(&out, strings->items[i]);
    }
    return buffer_steal(&out, "a list", err);
}

void strings_free(struct strings *strings) {
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    strings->items = NULL;
    strings->count = 0;
}
