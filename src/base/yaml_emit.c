#include "base/yaml.h"

#include "base/buffer.h"
#include "base/text.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
    LONGEST_TEXT = 32 * 1024 * 1024,
    LONGEST_SIMPLE_KEY = 160, /* YAML ends it within 1024 characters; an escape takes six */
};

/*
 * The character at TEXT when it must be escaped: C0 but tab and newline, DEL, C1, no-break space,
 * line and paragraph separators, the byte order mark and non-characters. *length is its size in
 * UTF-8. Source: YAML 1.2.2 production c-printable; libyaml and go-yaml differ on the rest.
 */
static unsigned unprintable(const unsigned char *text, size_t *length) {
    *length = 1;
    if (text[0] < 0x20 && text[0] != '\t' && text[0] != '\n')
        return text[0];
    if (text[0] == 0x7f)
        return 0x7f;
    *length = 2;
    if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0xa0)
        return text[1];
    *length = 3;
    if (text[0] == 0xe2 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9))
        return 0x2028 + (text[2] - 0xa8U);
    if (text[0] == 0xef && text[1] == 0xbf && (text[2] == 0xbe || text[2] == 0xbf))
        return 0xfffe + (text[2] - 0xbeU);
    if (text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf)
        return 0xfeff;
    return 0;
}

static bool is_printable(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        size_t length = 0;
        if (unprintable(at, &length) != 0)
            return false;
    }
    return true;
}

/* Words that some YAML reader takes for a boolean, null, merge or value key. */
static bool is_special_word(const char *text) {
    static const char *const words[] = {"y",    "yes",   "n",     "no",  "true", "false",
                                        "on",   "off",   "null",  "~",   "<<",   "=",
                                        ".inf", "+.inf", "-.inf", ".nan"};
    for (size_t i = 0; i < array_length(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Everything that could be a number, time stamp or sexagesimal in YAML 1.1 or 1.2, and more. */
static bool may_be_number(const char *text) {
    bool hexadecimal = strstr(text, "0x") != NULL || strstr(text, "0X") != NULL;
    const char *letters =
        hexadecimal ? "0123456789abcdefABCDEFxX_+-" : "0123456789_.,:+-eEbBoOtTzZ ";
    return strpbrk(text, "0123456789") != NULL && text[strspn(text, letters)] == '\0';
}

static bool starts_plain(const char *text) {
    unsigned char first = (unsigned char)text[0];
    if (first >= 0x80 || isalnum(first) || strchr("_/.+$(~^;<=\\", first) != NULL)
        return true;
    /* "-x" and "--x" are text, "- x" and "---" are not */
    if (first != '-')
        return false;
    const char *rest = text + (text[1] == '-' ? 2 : 1);
    return isalnum((unsigned char)rest[0]);
}

/* True when every reader takes the bare text for this very string. */
static bool is_plain(const char *text) {
    size_t length = strlen(text);
    if (length == 0 || !starts_plain(text) || is_special_word(text) || may_be_number(text))
        return false;
    if (text[length - 1] == ' ' || text[length - 1] == ':')
        return false;
    if (strpbrk(text, "\t\n") != NULL || strstr(text, ": ") != NULL || strstr(text, " #") != NULL)
        return false;
    return is_printable(text) && strncmp(text, "...", 3) != 0;
}

/* True when a block literal holds exactly this text without an indentation indicator. */
static bool is_literal(const char *text) {
    return strchr(text, '\n') != NULL && strchr(" \t\n", text[0]) == NULL && is_printable(text);
}

static void write_indent(struct buffer *out, size_t indent) {
    for (size_t i = 0; i < indent; i++)
        buffer_append_character(out, ' ');
}

static void write_single_quoted(struct buffer *out, const char *text) {
    buffer_append_character(out, '\'');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'')
            buffer_append_character(out, '\'');
        buffer_append_character(out, *at);
    }
    buffer_append_character(out, '\'');
}

static void write_double_quoted(struct buffer *out, const char *text) {
    buffer_append_character(out, '"');
    for (const char *at = text; *at != '\0';) {
        size_t length = 0;
        unsigned code = unprintable((const unsigned char *)at, &length);
        if (code != 0) {
            buffer_printf(out, "\\u%04x", code);
            at += length;
            continue;
        }
        if (*at == '\n')
            buffer_append_text(out, "\\n");
        else if (*at == '\t')
            buffer_append_text(out, "\\t");
        else if (*at == '"' || *at == '\\')
            buffer_printf(out, "\\%c", *at);
        else
            buffer_append_character(out, *at);
        at++;
    }
    buffer_append_character(out, '"');
}

static void write_literal(struct buffer *out, const char *text, size_t indent) {
    size_t length = strlen(text);
    bool ends_line = text[length - 1] == '\n';
    bool ends_blank = ends_line && length > 1 && text[length - 2] == '\n';
    buffer_append_text(out, ends_blank ? "|+\n" : ends_line ? "|\n" : "|-\n");
    for (const char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        if (size > 0)
            write_indent(out, indent);
        buffer_append(out, line, size);
        buffer_append_character(out, '\n');
        line += size + (line[size] == '\n');
    }
}

/* Text on one line, without the newline. */
static void write_inline(struct buffer *out, const char *text) {
    if (is_plain(text))
        buffer_append_text(out, text);
    else if (strpbrk(text, "\"\\") != NULL && strpbrk(text, "\t\n") == NULL && is_printable(text))
        write_single_quoted(out, text);
    else
        write_double_quoted(out, text);
}

/* A string after "key:" or "-", ending the line; INDENT is that of a literal's lines. */
static void write_string(struct buffer *out, const char *text, size_t indent) {
    if (is_literal(text)) {
        write_literal(out, text, indent);
        return;
    }
    write_inline(out, text);
    buffer_append_character(out, '\n');
}

/* Numbers, true, false, null, and empty containers: their JSON. */
static void write_other(struct buffer *out, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text == NULL) {
        out->no_memory = true;
        return;
    }
    buffer_append_text(out, text);
    buffer_append_character(out, '\n');
    free(text);
}

static void write_block(struct buffer *out, const json_t *value, size_t indent);

static bool is_block(const json_t *value) {
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void write_key(struct buffer *out, const char *key, size_t indent) {
    bool simple = strlen(key) <= LONGEST_SIMPLE_KEY;
    if (!simple)
        buffer_append_text(out, "? ");
    write_inline(out, key);
    if (!simple) {
        buffer_append_character(out, '\n');
        write_indent(out, indent);
    }
    buffer_append_character(out, ':');
}

static void write_entry(struct buffer *out, const char *key, const json_t *value, size_t indent) {
    write_key(out, key, indent);
    if (is_block(value)) {
        /* as kubectl writes it: a list stands under its key without further indent */
        size_t inner = json_is_array(value) ? indent : indent + 2;
        buffer_append_character(out, '\n');
        write_indent(out, inner);
        write_block(out, value, inner);
        return;
    }
    buffer_append_character(out, ' ');
    if (json_is_string(value))
        write_string(out, json_string_value(value), indent + 2);
    else
        write_other(out, value);
}

/* A container that is not empty; the cursor stands at column INDENT. */
static void write_block(struct buffer *out, const json_t *value, size_t indent) {
    if (out->no_memory || out->too_long)
        return;
    bool first = true;
    if (json_is_object(value)) {
        const char *key = NULL;
        json_t *member = NULL;
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
            write_indent(out, first ? 0 : indent);
            write_entry(out, key, member, indent);
            first = false;
        }
        return;
    }
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(value, index, item) {
        write_indent(out, first ? 0 : indent);
        buffer_append_text(out, "- ");
        if (is_block(item))
            write_block(out, item, indent + 2);
        else if (json_is_string(item))
            write_string(out, json_string_value(item), indent + 2);
        else
            write_other(out, item);
        first = false;
    }
}

char *yaml_from_json(const json_t *value, struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_TEXT);
    if (is_block(value))
        write_block(&out, value, 0);
    else if (json_is_string(value))
        write_string(&out, json_string_value(value), 2);
    else
        write_other(&out, value);
    return buffer_steal(&out, "the YAML text", err);
}
