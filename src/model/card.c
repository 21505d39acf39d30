#include "model/card.h"

#include "base/text.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <string.h>

enum { LONGEST_README = 10 * 1024 * 1024, LONGEST_FRONT_MATTER = 1024 * 1024, LONGEST_VALUE = 256 };

struct span {
    const char *text;
    size_t length;
};

/* The length of the line break at AT: CR LF, LF or a bare CR; 0 when there is none. */
static size_t line_break(const char *at, const char *end) {
    if (at < end && *at == '\n')
        return 1;
    if (at < end && *at == '\r')
        return at + 1 < end && at[1] == '\n' ? 2 : 1;
    return 0;
}

static const char *skip_line(const char *at, const char *end) {
    while (at < end && line_break(at, end) == 0)
        at++;
    return at + line_break(at, end);
}

/* True when the line at AT is "---" with nothing but blanks behind it. A bare CR ends a line only
 * inside the block, as in the Hub's expression. */
static bool is_closing(const char *at, const char *end) {
    if (end - at < 3 || memcmp(at, "---", 3) != 0)
        return false;
    for (at += 3; at < end && (*at == ' ' || *at == '\t'); at++)
        continue;
    return at == end || *at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n');
}

static bool is_blank(char character) {
    return character != '\0' && strchr(" \t\r\n\v\f", character) != NULL;
}

/*
 * Finds the text between the rules and the number of lines before it. One difference to the Hub's
 * expression: "---" directly behind the opening line is an empty block, where the expression runs
 * on to a later rule and takes the text between for metadata.
 */
static bool find_block(struct span *block, size_t *lines_before, struct span readme) {
    const char *at = readme.text;
    const char *end = at + readme.length;
    if (readme.length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    size_t lines = 0;
    while (at < end && is_blank(*at)) {
        lines += *at == '\n' || (*at == '\r' && !(at + 1 < end && at[1] == '\n'));
        at++;
    }
    if (end - at < 3 || memcmp(at, "---", 3) != 0 || line_break(at + 3, end) == 0)
        return false;
    at += 3;
    at += line_break(at, end);
    const char *start = at;
    for (; at < end; at = skip_line(at, end)) {
        if (!is_closing(at, end))
            continue;
        *block = (struct span){start, (size_t)(at - start)};
        *lines_before = lines + 1;
        return true;
    }
    return false;
}

static int refuse_value(const struct yaml_field *field, const char *what, const char *problem,
                        const char *example, struct error **err) {
    error_new(err, ERROR_MODEL, "%s, line %zu: %s %s", what, field->line, field->key, problem);
    return error_hint(err, "Write one word there, for example '%s: %s'.", field->key, example);
}

/* The field's text without blanks at its ends, owned; "" for a missing or null one. */
static char *take_value(struct yaml_field *field, const char *what, const char *example,
                        struct error **err) {
    switch (field->kind) {
    case YAML_SCALAR_SEQUENCE:
        refuse_value(field, what, "is a list, not one text", example, err);
        return NULL;
    case YAML_SCALAR_MAPPING:
        refuse_value(field, what, "is a mapping, not one text", example, err);
        return NULL;
    case YAML_SCALAR_MISSING:
    case YAML_SCALAR_NULL:
        return text_copy("", err);
    case YAML_SCALAR_TEXT:
        break;
    }
    const char *start = field->text;
    while (is_blank(*start))
        start++;
    size_t length = strlen(start);
    while (length > 0 && is_blank(start[length - 1]))
        length--;
    if (length > LONGEST_VALUE) {
        refuse_value(field, what, "is longer than 256 bytes", example, err);
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)start[i];
        if (byte < 0x20 || byte == 0x7f) {
            refuse_value(field, what, "has more than one line or a control character", example,
                         err);
            return NULL;
        }
    }
    return text_copy_bytes(start, length, err);
}

static int take_fields(struct card *out, struct yaml_field *fields, size_t count, const char *what,
                       struct error **err) {
    cleanup_card struct card card = {0};
    for (size_t i = 0; i < count; i++) {
        bool is_tag = strcmp(fields[i].key, "pipeline_tag") == 0;
        char *value =
            take_value(&fields[i], what, is_tag ? "text-generation" : "transformers", err);
        if (value == NULL)
            return -1;
        *(is_tag ? &card.pipeline_tag : &card.library_name) = value;
    }
    if (card.pipeline_tag == NULL && (card.pipeline_tag = text_copy("", err)) == NULL)
        return -1;
    if (card.library_name == NULL && (card.library_name = text_copy("", err)) == NULL)
        return -1;
    *out = card;
    memset(&card, 0, sizeof(card));
    return 0;
}

/* Files that are no README at all although they carry its name. */
static int check_file(struct span readme, const char *what, struct error **err) {
    static const char *const pointers[] = {
        "version https://git-lfs.github.com/spec/v1",
        "version https://hawser.github.com/spec/v1",
        "version http://git-media.io/v/2",
    };
    if (readme.length > LONGEST_README)
        return error_new(err, ERROR_MODEL, "%s is larger than 10 MiB", what);
    for (size_t i = 0; i < array_length(pointers); i++) {
        size_t length = strlen(pointers[i]);
        if (readme.length < length || memcmp(readme.text, pointers[i], length) != 0)
            continue;
        error_new(err, ERROR_MODEL, "%s is a Git LFS pointer, not the file itself", what);
        return error_hint(err,
                          "Take README.md out of Git LFS (.gitattributes), or set PIPELINE_TAG "
                          "and LIBRARY_NAME.");
    }
    bool utf16 = readme.length >= 2 && (memcmp(readme.text, "\xff\xfe", 2) == 0 ||
                                        memcmp(readme.text, "\xfe\xff", 2) == 0);
    if (utf16) {
        error_new(err, ERROR_MODEL, "%s is UTF-16 text", what);
        return error_hint(err, "Save README.md as UTF-8.");
    }
    return 0;
}

int card_parse(struct card *out, unsigned wanted, const char *readme, size_t length,
               const char *what, struct error **err) {
    struct span file = {readme != NULL ? readme : "", length};
    if (check_file(file, what, err) < 0)
        return -1;

    struct yaml_field fields[2] = {{0}};
    size_t count = 0;
    if (wanted & CARD_PIPELINE_TAG)
        fields[count++].key = "pipeline_tag";
    if (wanted & CARD_LIBRARY_NAME)
        fields[count++].key = "library_name";

    struct span block = {0};
    size_t lines_before = 0;
    int result = 0;
    if (count > 0 && find_block(&block, &lines_before, file)) {
        if (block.length > LONGEST_FRONT_MATTER)
            return error_new(err, ERROR_MODEL,
                             "%s: the block between its '---' lines is larger "
                             "than 1 MiB",
                             what);
        result = yaml_read_fields(fields, count, block.text, block.length, lines_before, what,
                                  ERROR_MODEL, err);
    }
    if (result == 0)
        result = take_fields(out, fields, count, what, err);
    yaml_fields_free(fields, count);
    return result;
}

void card_free(struct card *card) {
    if (card == NULL)
        return;
    free(card->pipeline_tag);
    free(card->library_name);
    *card = (struct card){0};
}
