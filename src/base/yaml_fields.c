#include "base/yaml.h"

#include "base/text.h"
#include "yaml_parser.h"

#include <string.h>

enum { MOST_BYTES = 1024 * 1024, MOST_DEPTH = 64, MOST_EVENTS = 200000 };

/* A node with a name; TEXT is NULL when it is no scalar with text. */
struct anchor {
    char *name;
    char *text;
    enum yaml_scalar kind;
};

struct reader {
    struct yaml_source source;
    struct yaml_field *fields;
    size_t count;
    size_t depth;
    size_t events;
    struct yaml_field *wanted; /* whose value comes next; NULL: a key or a value nobody wants */
    bool value_next;           /* at depth 1: the next node is a value */
    struct anchor *anchors;
    size_t anchor_count;
    size_t anchor_capacity;
};

static void reader_free(struct reader *reader) {
    for (size_t i = 0; i < reader->anchor_count; i++) {
        free(reader->anchors[i].name);
        free(reader->anchors[i].text);
    }
    free(reader->anchors);
    yaml_source_close(&reader->source);
}

static enum yaml_scalar scalar_kind(const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    bool plain = tag != NULL ? strcmp(tag, YAML_NULL_TAG) == 0
                             : event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!plain)
        return YAML_SCALAR_TEXT;
    bool null = text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
                strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
    return null ? YAML_SCALAR_NULL : YAML_SCALAR_TEXT;
}

static int remember(struct reader *reader, const unsigned char *name, enum yaml_scalar kind,
                    const unsigned char *text, struct error **err) {
    if (name == NULL)
        return 0;
    if (reader->anchor_count == reader->anchor_capacity) {
        size_t capacity = reader->anchor_capacity > 0 ? reader->anchor_capacity * 2 : 8;
        struct anchor *anchors = realloc(reader->anchors, capacity * sizeof(*anchors));
        if (anchors == NULL)
            return error_no_memory(err);
        reader->anchors = anchors;
        reader->anchor_capacity = capacity;
    }
    cleanup_free char *name_copy = text_copy((const char *)name, err);
    cleanup_free char *text_copied = text_copy((const char *)text, err);
    if (name_copy == NULL || (text != NULL && text_copied == NULL))
        return -1;
    reader->anchors[reader->anchor_count++] = (struct anchor){
        .name = steal_pointer(name_copy), .text = steal_pointer(text_copied), .kind = kind};
    return 0;
}

static const struct anchor *find_anchor(const struct reader *reader, const char *name) {
    for (size_t i = reader->anchor_count; i > 0; i--)
        if (strcmp(reader->anchors[i - 1].name, name) == 0)
            return &reader->anchors[i - 1];
    return NULL;
}

static int set_field(struct reader *reader, enum yaml_scalar kind, const char *text,
                     yaml_mark_t mark, struct error **err) {
    struct yaml_field *field = reader->wanted;
    field->line = yaml_source_line(&reader->source, mark);
    field->kind = kind;
    if (kind != YAML_SCALAR_TEXT)
        return 0;
    field->text = text_copy(text, err);
    return field->text != NULL ? 0 : -1;
}

static int take_key(struct reader *reader, const char *text, yaml_mark_t mark, struct error **err) {
    reader->wanted = NULL;
    for (size_t i = 0; i < reader->count; i++) {
        struct yaml_field *field = &reader->fields[i];
        if (strcmp(field->key, text) != 0)
            continue;
        if (field->line != 0)
            return yaml_source_error(&reader->source, mark, err,
                                     "the key \"%s\" is there twice (first in line %zu)", text,
                                     field->line);
        reader->wanted = field;
        return 0;
    }
    return 0;
}

static int on_scalar(struct reader *reader, const yaml_event_t *event, struct error **err) {
    const char *text = (const char *)event->data.scalar.value;
    enum yaml_scalar kind = scalar_kind(event);
    bool has_nul = memchr(text, '\0', event->data.scalar.length) != NULL;
    if (remember(reader, event->data.scalar.anchor, has_nul ? YAML_SCALAR_NULL : kind,
                 event->data.scalar.value, err) < 0)
        return -1;
    if (reader->depth == 0)
        return kind == YAML_SCALAR_NULL
                   ? 0
                   : yaml_source_error(&reader->source, event->start_mark, err,
                                       "\"key: value\" lines are expected, not a single text");
    if (reader->depth > 1)
        return 0;
    if (!reader->value_next)
        return has_nul ? 0 : take_key(reader, text, event->start_mark, err);
    if (reader->wanted == NULL)
        return 0;
    if (has_nul)
        return yaml_source_error(&reader->source, event->start_mark, err,
                                 "\"%s\" has a NUL character", reader->wanted->key);
    return set_field(reader, kind, text, event->start_mark, err);
}

static int on_alias(struct reader *reader, const yaml_event_t *event, struct error **err) {
    if (reader->depth != 1)
        return 0;
    if (!reader->value_next) {
        reader->wanted = NULL;
        return 0;
    }
    if (reader->wanted == NULL)
        return 0;
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(reader, name);
    if (anchor == NULL)
        return yaml_source_error(&reader->source, event->start_mark, err,
                                 "the alias *%.100s names nothing", name);
    return set_field(reader, anchor->kind, anchor->text, event->start_mark, err);
}

static int on_open(struct reader *reader, const yaml_event_t *event, struct error **err) {
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const unsigned char *anchor =
        mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    enum yaml_scalar kind = mapping ? YAML_SCALAR_MAPPING : YAML_SCALAR_SEQUENCE;
    if (remember(reader, anchor, kind, NULL, err) < 0)
        return -1;
    if (reader->depth == 0 && !mapping)
        return yaml_source_error(&reader->source, event->start_mark, err,
                                 "\"key: value\" lines are expected, not a list");
    if (reader->depth == 1) {
        if (!reader->value_next)
            reader->wanted = NULL;
        else if (reader->wanted != NULL &&
                 set_field(reader, kind, NULL, event->start_mark, err) < 0)
            return -1;
    }
    if (reader->depth == MOST_DEPTH)
        return yaml_source_error(&reader->source, event->start_mark, err,
                                 "nested deeper than %d levels", MOST_DEPTH);
    reader->depth++;
    return 0;
}

/* A node at the top level is complete: a key is followed by its value, a value by a key. */
static void node_done(struct reader *reader) {
    if (reader->depth == 1)
        reader->value_next = !reader->value_next;
}

/* 1: the document has ended, 0: go on, -1: error. */
static int on_event(struct reader *reader, const yaml_event_t *event, struct error **err) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (on_scalar(reader, event, err) < 0)
            return -1;
        node_done(reader);
        return 0;
    case YAML_ALIAS_EVENT:
        if (on_alias(reader, event, err) < 0)
            return -1;
        node_done(reader);
        return 0;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return on_open(reader, event, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        reader->depth--;
        node_done(reader);
        return 0;
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

static int read_events(struct reader *reader, struct error **err) {
    for (int done = 0; done == 0;) {
        cleanup_yaml_event yaml_event_t event = {0};
        if (yaml_source_next(&reader->source, &event, err) < 0)
            return -1;
        if (++reader->events > MOST_EVENTS)
            return yaml_source_error(&reader->source, event.start_mark, err, "more than %d values",
                                     MOST_EVENTS / 2);
        done = on_event(reader, &event, err);
        if (done < 0)
            return -1;
    }
    return 0;
}

int yaml_read_fields(struct yaml_field *fields, size_t count, const char *data, size_t length,
                     size_t line_offset, const char *what, enum error_kind kind,
                     struct error **err) {
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct yaml_field){.key = fields[i].key};
    cleanup(reader_free) struct reader reader = {
        .source = {.data = data,
                   .length = length,
                   .line_offset = line_offset,
                   .what = what,
                   .kind = kind},
        .fields = fields,
        .count = count,
    };
    if (yaml_source_open(&reader.source, MOST_BYTES, err) == 0 && read_events(&reader, err) == 0)
        return 0;
    yaml_fields_free(fields, count);
    return -1;
}

void yaml_fields_free(struct yaml_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(fields[i].text);
        fields[i] = (struct yaml_field){.key = fields[i].key};
    }
}
