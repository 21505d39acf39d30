#include "cli/object_difference.h"

#include "base/buffer.h"
#include "base/text.h"

#include <string.h>

enum { LONGEST_PATH = 64 * 1024 };

json_t *object_without_noise(const json_t *object, struct error **err) {
    static const char *const server_fields[] = {"managedFields", "resourceVersion",   "generation",
                                                "uid",           "creationTimestamp", "selfLink"};
    cleanup_free char *text = json_canonical_text(object, err);
    cleanup_json json_t *copy = NULL;
    if (text == NULL ||
        json_parse(&copy, text, strlen(text), "the object", ERROR_INTERNAL, err) < 0)
        return NULL;
    json_t *metadata = json_object_get(copy, "metadata");
    for (size_t i = 0; i < array_length(server_fields); i++)
        json_object_del(metadata, server_fields[i]);
    json_t *annotations = json_object_get(metadata, "annotations");
    json_object_del(annotations, "kubectl.kubernetes.io/last-applied-configuration");
    if (json_is_object(annotations) && json_object_size(annotations) == 0)
        json_object_del(metadata, "annotations");
    json_object_del(copy, "status");
    return steal_pointer(copy);
}

/* ---- changes ---- */

struct comparison {
    json_t *changes;
    struct buffer path;
};

static int add_change(struct comparison *comparison, const json_t *before, const json_t *after,
                      struct error **err) {
    json_t *change = json_pack("{s:s, s:O?, s:O?}", "path", buffer_text(&comparison->path),
                               "before", before, "after", after);
    return change != NULL && json_array_append_new(comparison->changes, change) == 0
               ? 0
               : error_no_memory(err);
}

/* "/KEY" with ~0 for ~ and ~1 for / (RFC 6901 section 3). The length to go back to. */
static size_t enter(struct comparison *comparison, const char *key) {
    size_t length = comparison->path.length;
    buffer_append_character(&comparison->path, '/');
    for (const char *at = key; *at != '\0'; at++) {
        if (*at == '~')
            buffer_append_text(&comparison->path, "~0");
        else if (*at == '/')
            buffer_append_text(&comparison->path, "~1");
        else
            buffer_append_character(&comparison->path, *at);
    }
    return length;
}

static size_t enter_item(struct comparison *comparison, size_t index) {
    size_t length = comparison->path.length;
    buffer_printf(&comparison->path, "/%zu", index);
    return length;
}

static void leave(struct comparison *comparison, size_t length) {
    comparison->path.length = length;
    if (comparison->path.data != NULL)
        comparison->path.data[length] = '\0';
}

static int compare(struct comparison *comparison, json_t *before, json_t *after,
                   struct error **err);

static int compare_objects(struct comparison *comparison, json_t *before, json_t *after,
                           struct error **err) {
    cleanup_json json_t *keys = json_object();
    const char *key;
    json_t *value;
    if (keys == NULL)
        return error_no_memory(err);
    /* both sides are sorted; what is only after comes behind what was before */
    json_object_foreach(before, key, value) {
        if (json_object_set_new(keys, key, json_null()) < 0)
            return error_no_memory(err);
    }
    json_object_foreach(after, key, value) {
        if (json_object_set_new(keys, key, json_null()) < 0)
            return error_no_memory(err);
    }
    json_object_foreach(keys, key, value) {
        size_t length = enter(comparison, key);
        int result =
            compare(comparison, json_object_get(before, key), json_object_get(after, key), err);
        leave(comparison, length);
        if (result < 0)
            return -1;
    }
    return 0;
}

static const char *name_at(const json_t *list, size_t index) {
    return json_text_at(json_array_get(list, index), "name", NULL);
}

/* Index of the item named NAME, or the list's size. */
static size_t find_named(const json_t *list, const char *name) {
    size_t index = 0;
    while (index < json_array_size(list) && !text_equal(name_at(list, index), name))
        index++;
    return index;
}

/* Every item has a name, none twice. */
static bool is_named(const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = name_at(list, i);
        if (name == NULL || find_named(list, name) != i)
            return false;
    }
    return json_array_size(list) > 0;
}

/* The names that both have stand in the same order. */
static bool same_order(json_t *before, json_t *after) {
    size_t next = 0;
    for (size_t i = 0; i < json_array_size(before); i++) {
        size_t found = find_named(after, name_at(before, i));
        if (found == json_array_size(after))
            continue;
        if (found < next)
            return false;
        next = found;
    }
    return true;
}

static int compare_named(struct comparison *comparison, json_t *before, json_t *after,
                         struct error **err) {
    for (size_t i = 0; i < json_array_size(before); i++) {
        size_t length = enter_item(comparison, i);
        json_t *other = json_array_get(after, find_named(after, name_at(before, i)));
        int result = compare(comparison, json_array_get(before, i), other, err);
        leave(comparison, length);
        if (result < 0)
            return -1;
    }
    for (size_t i = 0; i < json_array_size(after); i++) {
        if (find_named(before, name_at(after, i)) < json_array_size(before))
            continue;
        size_t length = enter_item(comparison, i);
        int result = add_change(comparison, NULL, json_array_get(after, i), err);
        leave(comparison, length);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int compare_lists(struct comparison *comparison, json_t *before, json_t *after,
                         struct error **err) {
    if (is_named(before) && is_named(after))
        return same_order(before, after) ? compare_named(comparison, before, after, err)
                                         : add_change(comparison, before, after, err);
    size_t before_count = json_array_size(before);
    size_t after_count = json_array_size(after);
    for (size_t i = 0; i < before_count || i < after_count; i++) {
        size_t length = enter_item(comparison, i);
        int result = compare(comparison, json_array_get(before, i), json_array_get(after, i), err);
        leave(comparison, length);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* Recursion is bounded by the nesting that json_parse allows. */
static int compare(struct comparison *comparison, json_t *before, json_t *after,
                   struct error **err) {
    if (before != NULL && after != NULL && json_equal(before, after) == 1)
        return 0;
    if (json_is_object(before) && json_is_object(after))
        return compare_objects(comparison, before, after, err);
    if (json_is_array(before) && json_is_array(after))
        return compare_lists(comparison, before, after, err);
    return add_change(comparison, before, after, err);
}

int object_changes(json_t **out, json_t *before, json_t *after, struct error **err) {
    cleanup_json json_t *changes = json_array();
    if (changes == NULL)
        return error_no_memory(err);
    struct comparison comparison = {.changes = changes, .path = BUFFER_INIT(LONGEST_PATH)};
    int result = compare(&comparison, before, after, err);
    if (result == 0)
        result = buffer_check(&comparison.path, "the path of a change", err);
    buffer_free(&comparison.path);
    if (result < 0)
        return -1;
    *out = steal_pointer(changes);
    return 0;
}
