#include "cli/layout.h"

#include "base/memory.h"
#include "base/text.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t clamp_width(int64_t columns) {
    return columns < NARROWEST_LINE ? NARROWEST_LINE
           : columns > WIDEST_LINE  ? WIDEST_LINE
                                    : (size_t)columns;
}

size_t layout_width(FILE *stream, const struct environment *environment) {
    if (isatty(fileno(stream)) != 1)
        return WIDEST_LINE;
    int64_t columns = 0;
    if (text_to_integer(environment_get(environment, "COLUMNS"), 1, 10000, &columns))
        return clamp_width(columns);
    struct winsize size = {0};
    bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? clamp_width(size.ws_col) : WIDEST_LINE;
}

/* The code point at TEXT and its length in bytes; what is not UTF-8 counts byte by byte. */
static size_t code_point(const char *text, unsigned *out) {
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 1;
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned value = at[0] & masks[length];
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            *out = at[0];
            return 1;
        }
        value = value << 6 | (at[i] & 0x3f);
    }
    *out = value;
    return length;
}

static size_t columns_of(unsigned code) {
    static const struct {
        unsigned first, last;
    } wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < array_length(wide); i++)
        if (code >= wide[i].first && code <= wide[i].last)
            return 2;
    return 1;
}

size_t layout_line(const char *text, size_t width) {
    size_t column = 0;
    size_t last_blank = 0; /* 0: none yet */
    bool word = false;
    for (size_t at = 0;;) {
        char here = text[at];
        if (here == '\0' || here == '\n')
            return column <= width || last_blank == 0 ? at : last_blank;
        if (here == ' ' && word) {
            if (column > width)
                return last_blank > 0 ? last_blank : at;
            if (text[at - 1] != ' ')
                last_blank = at;
        }
        word = word || here != ' ';
        unsigned code = 0;
        at += code_point(text + at, &code);
        column += columns_of(code);
    }
}

void layout_put(FILE *stream, const char *text, size_t column, size_t indent, size_t width) {
    for (const char *at = text;;) {
        size_t room = width > column ? width - column : 1;
        size_t length = layout_line(at, room);
        fwrite(at, 1, length, stream);
        fputc('\n', stream);
        at += length;
        if (*at == '\n')
            at++;
        else
            at += strspn(at, " ");
        if (*at == '\0')
            return;
        if (*at != '\n')
            fprintf(stream, "%*s", (int)indent, "");
        column = indent;
    }
}
