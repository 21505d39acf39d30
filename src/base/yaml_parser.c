#include "yaml_parser.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int yaml_source_open(struct yaml_source *source, size_t most_bytes, struct error **err) {
    if (source->length > most_bytes)
        return error_new(err, source->kind, "%s is %zu bytes long, more than the %zu that are read",
                         source->what, source->length, most_bytes);
    if (yaml_parser_initialize(&source->parser) == 0)
        return error_no_memory(err);
    source->initialized = true;
    /* never UTF-16: a guess by byte order mark would let the same bytes mean two documents */
    yaml_parser_set_encoding(&source->parser, YAML_UTF8_ENCODING);
    if (source->data == NULL)
        source->data = "";
    /* libyaml would count the mark as a column, and the second line would stand outside the first's
     */
    if (source->length >= 3 && memcmp(source->data, "\xef\xbb\xbf", 3) == 0) {
        source->data += 3;
        source->length -= 3;
    }
    yaml_parser_set_input_string(&source->parser, (const unsigned char *)source->data,
                                 source->length);
    return 0;
}

void yaml_source_close(struct yaml_source *source) {
    if (source->initialized)
        yaml_parser_delete(&source->parser);
    source->initialized = false;
}

/* Reader errors carry a byte offset instead of a line. */
static size_t line_of_offset(const struct yaml_source *source, size_t offset) {
    size_t line = 1;
    for (size_t i = 0; i < offset && i < source->length; i++)
        line += source->data[i] == '\n';
    return line;
}

static int parser_error(const struct yaml_source *source, struct error **err) {
    const yaml_parser_t *parser = &source->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR)
        return error_no_memory(err);
    if (parser->error == YAML_READER_ERROR)
        return error_new(err, source->kind, "%s, line %zu: %s", source->what,
                         line_of_offset(source, parser->problem_offset) + source->line_offset,
                         problem);
    return yaml_source_error(source, parser->problem_mark, err, "%s", problem);
}

int yaml_source_next(struct yaml_source *source, yaml_event_t *event, struct error **err) {
    return yaml_parser_parse(&source->parser, event) != 0 ? 0 : parser_error(source, err);
}

size_t yaml_source_line(const struct yaml_source *source, yaml_mark_t mark) {
    return mark.line + 1 + source->line_offset;
}

int yaml_source_error(const struct yaml_source *source, yaml_mark_t mark, struct error **err,
                      const char *format, ...) {
    cleanup_free char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return error_no_memory(err);
    }
    text_make_printable(text);
    return error_new(err, source->kind, "%s, line %zu: %s", source->what,
                     yaml_source_line(source, mark), text);
}
