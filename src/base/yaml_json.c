#include "base/yaml.h"

#include "base/json.h"
#include "base/text.h"
#include "yaml_parser.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    MOST_BYTES = 4 * 1024 * 1024,
    MOST_DEPTH = 64,
    MOST_NODES = 100000,
    MOST_TEXT = 16 * 1024 * 1024, /* bytes of all scalars after alias expansion */
};

/* What a value costs when an alias repeats it. */
struct cost {
    size_t nodes;
    size_t bytes;
    size_t height; /* containers nested in it, itself included */
};

/* A mapping or sequence that is still open. */
struct frame {
    json_t *container;
    char *key;    /* of the value that comes next, in a mapping */
    char *anchor; /* its own, or NULL */
    size_t serial;
    struct cost cost;
};

struct builder {
    struct yaml_source source;
    struct frame frames[MOST_DEPTH];
    size_t depth;
    size_t serial;
    struct cost total;
    json_t *anchors; /* name -> [value, nodes, bytes, height], or the serial of an open container */
    json_t *root;
};

static void frame_free(struct frame *frame) {
    json_decref(frame->container);
    free(frame->key);
    free(frame->anchor);
    *frame = (struct frame){0};
}

static void builder_free(struct builder *builder) {
    while (builder->depth > 0)
        frame_free(&builder->frames[--builder->depth]);
    json_decref(builder->anchors);
    json_decref(builder->root);
    yaml_source_close(&builder->source);
}

/* --- scalars: YAML 1.2.2, section 10.3.2 (core schema) --- */

static bool is_one_of(const char *text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Digits of an integer in base 8, 10 or 16 with their sign, as strtoll takes them; 0 when not one.
 */
static int integer_base(const char *text) {
    if (text_has_prefix(text, "0o"))
        return text[2] != '\0' && text[2 + strspn(text + 2, "01234567")] == '\0' ? 8 : 0;
    if (text_has_prefix(text, "0x"))
        return text[2] != '\0' && text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0' ? 16
                                                                                               : 0;
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    bool ambiguous = digits[0] == '0' && digits[1] != '\0'; /* octal in YAML 1.1: stays text */
    size_t length = strspn(digits, "0123456789");
    return length > 0 && digits[length] == '\0' && !ambiguous ? 10 : 0;
}

static bool looks_like_float(const char *text) {
    const char *at = text + (text[0] == '-' || text[0] == '+');
    size_t whole = strspn(at, "0123456789");
    if (whole > 1 && at[0] == '0')
        return false;
    at += whole;
    size_t fraction = 0;
    if (*at == '.') {
        fraction = strspn(at + 1, "0123456789");
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        size_t exponent = strspn(at, "0123456789");
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return *at == '\0';
}

/* The value of a plain scalar; NULL when out of memory. */
static json_t *plain_value(const char *text, size_t length) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"};
    static const char *const falses[] = {"false", "False", "FALSE"};
    if (is_one_of(text, nulls, array_length(nulls)))
        return json_null();
    if (is_one_of(text, trues, array_length(trues)))
        return json_true();
    if (is_one_of(text, falses, array_length(falses)))
        return json_false();

    int base = integer_base(text);
    if (base != 0) {
        errno = 0;
        long long value = strtoll(base == 8 ? text + 2 : text, NULL, base);
        if (errno == 0)
            return json_integer(value);
    }
    if (base == 10 || looks_like_float(text)) {
        double value = strtod(text, NULL);
        if (isfinite(value))
            return json_real(value);
    }
    return json_stringn(text, length);
}

static json_t *scalar_value(const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    size_t length = event->data.scalar.length;
    static const char *const resolved[] = {YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG,
                                           YAML_FLOAT_TAG};
    bool plain = tag != NULL ? is_one_of(tag, resolved, array_length(resolved))
                             : event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain ? plain_value(text, length) : json_stringn(text, length);
}

/* --- the tree --- */

static struct frame *top(struct builder *builder) {
    return builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;
}

static bool wants_key(struct builder *builder) {
    const struct frame *frame = top(builder);
    return frame != NULL && json_is_object(frame->container) && frame->key == NULL;
}

static int spend(struct builder *builder, const struct cost *cost, yaml_mark_t mark,
                 struct error **err) {
    builder->total.nodes += cost->nodes;
    builder->total.bytes += cost->bytes;
    if (builder->total.nodes > MOST_NODES)
        return yaml_source_error(&builder->source, mark, err,
                                 "more than %d values after aliases are expanded", MOST_NODES);
    if (builder->total.bytes > MOST_TEXT)
        return yaml_source_error(&builder->source, mark, err,
                                 "more than %d bytes after aliases are expanded", MOST_TEXT);
    if (builder->depth + cost->height > MOST_DEPTH)
        return yaml_source_error(&builder->source, mark, err, "nested deeper than %d levels",
                                 MOST_DEPTH);
    return 0;
}

/* Puts VALUE (taken over) where the document is. */
static int place(struct builder *builder, json_t *value, const struct cost *cost,
                 struct error **err) {
    struct frame *frame = top(builder);
    if (frame == NULL) {
        builder->root = value;
        return 0;
    }
    frame->cost.nodes += cost->nodes;
    frame->cost.bytes += cost->bytes;
    if (cost->height + 1 > frame->cost.height)
        frame->cost.height = cost->height + 1;
    if (json_is_array(frame->container))
        return json_array_append_new(frame->container, value) == 0 ? 0 : error_no_memory(err);
    cleanup_free char *key = steal_pointer(frame->key);
    return json_set_take(frame->container, key, value, err);
}

/* Only when wants_key() said so. */
static int take_key(struct builder *builder, const char *text, yaml_mark_t mark,
                    struct error **err) {
    struct frame *frame = &builder->frames[builder->depth - 1];
    if (json_object_get(frame->container, text) != NULL)
        return yaml_source_error(&builder->source, mark, err, "the key \"%.100s\" is there twice",
                                 text);
    frame->key = text_copy(text, err);
    return frame->key != NULL ? 0 : -1;
}

static int remember(struct builder *builder, const char *anchor, json_t *value,
                    const struct cost *cost, struct error **err) {
    json_t *entry = json_pack("[O,I,I,I]", value, (json_int_t)cost->nodes, (json_int_t)cost->bytes,
                              (json_int_t)cost->height);
    return json_set_take(builder->anchors, anchor, entry, err);
}

static int on_scalar(struct builder *builder, const yaml_event_t *event, struct error **err) {
    const char *text = (const char *)event->data.scalar.value;
    const char *anchor = (const char *)event->data.scalar.anchor;
    size_t length = event->data.scalar.length;
    struct cost cost = {.nodes = 1, .bytes = length};
    if (memchr(text, '\0', length) != NULL)
        return yaml_source_error(&builder->source, event->start_mark, err,
                                 "text with a NUL character");
    if (spend(builder, &cost, event->start_mark, err) < 0)
        return -1;

    cleanup_json json_t *value = scalar_value(event);
    if (value == NULL)
        return error_no_memory(err);
    if (anchor != NULL && remember(builder, anchor, value, &cost, err) < 0)
        return -1;
    if (wants_key(builder))
        return take_key(builder, text, event->start_mark, err);
    return place(builder, steal_pointer(value), &cost, err);
}

static int on_alias(struct builder *builder, const yaml_event_t *event, struct error **err) {
    const char *anchor = (const char *)event->data.alias.anchor;
    const json_t *entry = json_object_get(builder->anchors, anchor);
    if (json_is_integer(entry))
        return yaml_source_error(&builder->source, event->start_mark, err,
                                 "the alias *%.100s stands inside what it names", anchor);
    if (entry == NULL)
        return yaml_source_error(&builder->source, event->start_mark, err,
                                 "the alias *%.100s names nothing", anchor);

    struct cost cost = {.nodes = (size_t)json_integer_value(json_array_get(entry, 1)),
                        .bytes = (size_t)json_integer_value(json_array_get(entry, 2)),
                        .height = (size_t)json_integer_value(json_array_get(entry, 3))};
    if (spend(builder, &cost, event->start_mark, err) < 0)
        return -1;
    const json_t *value = json_array_get(entry, 0);
    if (wants_key(builder)) {
        if (!json_is_string(value))
            return yaml_source_error(&builder->source, event->start_mark, err,
                                     "a key must be text");
        return take_key(builder, json_string_value(value), event->start_mark, err);
    }
    json_t *copy = json_deep_copy(value);
    return copy != NULL ? place(builder, copy, &cost, err) : error_no_memory(err);
}

static int on_open(struct builder *builder, const yaml_event_t *event, struct error **err) {
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const char *anchor = mapping ? (const char *)event->data.mapping_start.anchor
                                 : (const char *)event->data.sequence_start.anchor;
    const struct cost cost = {.nodes = 1, .height = 1};
    if (wants_key(builder))
        return yaml_source_error(&builder->source, event->start_mark, err, "a key must be text");
    if (spend(builder, &cost, event->start_mark, err) < 0)
        return -1;

    struct frame *frame = &builder->frames[builder->depth++];
    *frame = (struct frame){.serial = ++builder->serial, .cost = cost};
    frame->container = mapping ? json_object() : json_array();
    if (frame->container == NULL)
        return error_no_memory(err);
    if (anchor == NULL)
        return 0;
    frame->anchor = text_copy(anchor, err);
    if (frame->anchor == NULL)
        return -1;
    return json_set_take(builder->anchors, anchor, json_integer((json_int_t)frame->serial), err);
}

static int on_close(struct builder *builder, struct error **err) {
    cleanup(frame_free) struct frame closed = builder->frames[--builder->depth];
    if (closed.anchor != NULL) {
        /* an inner node may have taken the name over; it came later, so it keeps it */
        const json_t *entry = json_object_get(builder->anchors, closed.anchor);
        bool ours = json_is_integer(entry) && (size_t)json_integer_value(entry) == closed.serial;
        if (ours && remember(builder, closed.anchor, closed.container, &closed.cost, err) < 0)
            return -1;
    }
    return place(builder, steal_pointer(closed.container), &closed.cost, err);
}

/* 1: the document has ended, 0: go on, -1: error. */
static int on_event(struct builder *builder, const yaml_event_t *event, struct error **err) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event, err);
    case YAML_ALIAS_EVENT:
        return on_alias(builder, event, err);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return on_open(builder, event, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_close(builder, err);
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        return 1;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_START_EVENT:
        break;
    }
    return 0;
}

static int build(struct builder *builder, struct error **err) {
    for (int done = 0; done == 0;) {
        cleanup_yaml_event yaml_event_t event = {0};
        if (yaml_source_next(&builder->source, &event, err) < 0)
            return -1;
        done = on_event(builder, &event, err);
        if (done < 0)
            return -1;
    }
    return 0;
}

int yaml_to_json(json_t **out, const char *data, size_t length, const char *what,
                 enum error_kind kind, struct error **err) {
    cleanup(builder_free) struct builder builder = {
        .source = {.data = data, .length = length, .what = what, .kind = kind}};
    builder.anchors = json_object();
    if (builder.anchors == NULL)
        return error_no_memory(err);
    if (yaml_source_open(&builder.source, MOST_BYTES, err) < 0 || build(&builder, err) < 0)
        return -1;
    *out = builder.root != NULL ? steal_pointer(builder.root) : json_null();
    return 0;
}
