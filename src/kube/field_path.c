#include "field_path.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { LONGEST_VALUE = 4096 };

/* `.KEY` at *PATH: the member with the longest key that the text begins with, up to an end of it.
 */
static const json_t *enter_key(const json_t *object, const char **path) {
    const json_t *found = NULL;
    size_t longest = 0;
    const char *text = *path + 1;
    void *at = json_object_iter(json_iterable(object));
    for (; at != NULL; at = json_object_iter_next(json_iterable(object), at)) {
        const char *key = json_object_iter_key(at);
        size_t length = strlen(key);
        bool fits = strncmp(text, key, length) == 0 && strchr(".[", text[length]) != NULL;
        if (!fits || (found != NULL && length < longest))
            continue;
        found = json_object_iter_value(at);
        longest = length;
    }
    *path = text + longest;
    return found;
}

/* The JSON scalar at *TEXT, which may be quoted; moves behind it. NULL when it is none. */
static json_t *read_scalar(const char **text) {
    size_t length = 0;
    if (**text == '"') {
        for (length = 1; (*text)[length] != '\0' && (*text)[length] != '"'; length++)
            length += (*text)[length] == '\\' && (*text)[length + 1] != '\0' ? 1 : 0;
        length += (*text)[length] == '"' ? 1 : 0;
    } else {
        length = strcspn(*text, ",]");
    }
    json_t *value =
        length < LONGEST_VALUE ? json_loadb(*text, length, JSON_DECODE_ANY, NULL) : NULL;
    *text += length;
    return value;
}

/* True when ITEM has each KEY=VALUE of the selector at *TEXT; moves to the ']'. */
static bool has_keys(const json_t *item, const char **text) {
    bool has = true;
    while (**text != '\0' && **text != ']') {
        size_t length = strcspn(*text, "=]");
        cleanup_free char *key = text_copy_bytes(*text, length, NULL);
        *text += length + ((*text)[length] == '=' ? 1 : 0);
        cleanup_json json_t *value = read_scalar(text);
        has = has && key != NULL && value != NULL &&
              json_equal(json_object_get(item, key), value) == 1;
        *text += **text == ',' ? 1 : 0;
    }
    return has;
}

/* `[3]`, `[=VALUE]`, `["VALUE"]` or `[KEY=VALUE,...]` at *PATH. */
static const json_t *enter_item(const json_t *list, const char **path) {
    const char *start = *path + 1;
    const char *end = strchr(start, ']');
    cleanup_free char *digits =
        end != NULL ? text_copy_bytes(start, (size_t)(end - start), NULL) : NULL;
    int64_t index = 0;
    if (digits != NULL && text_to_integer(digits, 0, INT32_MAX, &index)) {
        *path = end + 1;
        return json_array_get(list, (size_t)index);
    }
    bool by_value = *start == '=' || *start == '"';
    const json_t *found = NULL;
    const char *behind = start;
    for (size_t i = 0; i < json_array_size(list) && found == NULL; i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = start + (*start == '=' ? 1 : 0);
        bool same = false;
        if (by_value) {
            cleanup_json json_t *value = read_scalar(&text);
            same = value != NULL && json_equal(item, value) == 1;
        } else {
            same = has_keys(item, &text);
        }
        found = same ? item : NULL;
        behind = text;
    }
    if (*behind != ']')
        return NULL;
    *path = behind + 1;
    return found;
}

const json_t *field_path_at(const json_t *object, const char *path) {
    const json_t *at = object;
    while (at != NULL && *path != '\0') {
        if (*path == '.')
            at = enter_key(at, &path);
        else if (*path == '[')
            at = enter_item(at, &path);
        else
            return NULL;
    }
    return at;
}
