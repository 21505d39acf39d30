#include "base/json.h"

#include "base/buffer.h"

#include <stdarg.h>
#include <string.h>

enum { LONGEST_TEXT = 32 * 1024 * 1024 };

int json_parse(json_t **out, const char *data, size_t length, const char *what,
               enum error_kind kind, struct error **err) {
    json_error_t problem = {0};
    json_t *value = json_loadb(data != NULL ? data : "", length, JSON_DECODE_ANY, &problem);
    if (value == NULL && json_error_code(&problem) == json_error_out_of_memory)
        return error_no_memory(err);
    if (value == NULL)
        return error_new(err, kind, "%s is not JSON (line %d, column %d: %s)", what, problem.line,
                         problem.column, problem.text);
    *out = value;
    return 0;
}

static json_t *walk(const json_t *value, va_list path) {
    json_t *at = NULL;
    const json_t *parent = value;
    for (const char *key = va_arg(path, const char *); key != NULL;
         key = va_arg(path, const char *)) {
        at = json_object_get(parent, key);
        if (at == NULL)
            return NULL;
        parent = at;
    }
    return at;
}

json_t *json_at(const json_t *value, ...) {
    va_list path;
    va_start(path, value);
    json_t *found = walk(value, path);
    va_end(path);
    return found;
}

const char *json_text_at(const json_t *value, ...) {
    va_list path;
    va_start(path, value);
    const char *found = json_string_value(walk(value, path));
    va_end(path);
    return found;
}

json_int_t json_integer_at(const json_t *value, json_int_t fallback, ...) {
    va_list path;
    va_start(path, fallback);
    const json_t *found = walk(value, path);
    va_end(path);
    return json_is_integer(found) ? json_integer_value(found) : fallback;
}

bool json_is_true_at(const json_t *value, ...) {
    va_list path;
    va_start(path, value);
    const json_t *found = walk(value, path);
    va_end(path);
    return json_is_true(found);
}

int json_set_text(json_t *object, const char *key, const char *text, struct error **err) {
    return text != NULL ? json_set_take(object, key, json_string(text), err) : 0;
}

int json_set_take(json_t *object, const char *key, json_t *value, struct error **err) {
    return json_object_set_new(object, key, value) == 0 ? 0 : error_no_memory(err);
}

json_t *json_object_in(json_t *object, const char *key, struct error **err) {
    json_t *found = json_object_get(object, key);
    if (json_is_object(found))
        return found;
    return json_set_take(object, key, json_object(), err) == 0 ? json_object_get(object, key)
                                                               : NULL;
}

static char *dump(const json_t *value, size_t flags, struct error **err) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | flags);
    if (text == NULL)
        error_no_memory(err);
    return text;
}

char *json_canonical_text(const json_t *value, struct error **err) {
    return dump(value, JSON_COMPACT | JSON_SORT_KEYS, err);
}

char *json_pretty_text(const json_t *value, struct error **err) {
    return dump(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER, err);
}

/* The code point that go-yaml mistreats when raw at TEXT (length in *length), or 0. */
static unsigned troublesome(const unsigned char *text, size_t *length) {
    if (text[0] == 0x7f) {
        *length = 1;
        return 0x7f;
    }
    if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f) {
        *length = 2;
        return text[1];
    }
    *length = 3;
    if (text[0] == 0xe2 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9))
        return 0x2028 + (text[2] - 0xa8U);
    if (text[0] == 0xef && text[1] == 0xbf && (text[2] == 0xbe || text[2] == 0xbf))
        return 0xfffe + (text[2] - 0xbeU);
    if (text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf)
        return 0xfeff;
    return 0;
}

char *json_apply_text(const json_t *value, struct error **err) {
    cleanup_free char *raw = dump(value, JSON_COMPACT | JSON_PRESERVE_ORDER, err);
    if (raw == NULL)
        return NULL;
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_TEXT);
    const char *start = raw;
    for (const char *at = raw; *at != '\0';) {
        size_t length = 0;
        unsigned code = troublesome((const unsigned char *)at, &length);
        if (code == 0) {
            at++;
            continue;
        }
        buffer_append(&out, start, (size_t)(at - start));
        buffer_printf(&out, "\\u%04x", code);
        at += length;
        start = at;
    }
    buffer_append_text(&out, start);
    return buffer_steal(&out, "the rendered document", err);
}

void json_wipe(json_t *value) {
    const char *key;
    json_t *item;
    size_t i;
    switch (value != NULL ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        json_object_foreach(value, key, item) json_wipe(item);
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, item) json_wipe(item);
        break;
    case JSON_STRING: {
        /* jansson hands its own heap copy out as const */
        union {
            const char *reader;
            char *owner;
        } text = {.reader = json_string_value(value)};
        memory_wipe(text.owner, json_string_length(value));
        break;
    }
    default:
        break;
    }
}
