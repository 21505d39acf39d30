#pragma once

/* Text in columns: where lines break, and how wide they may be. */

#include "base/environment.h"

#include <stddef.h>
#include <stdio.h>

enum { WIDEST_LINE = 100, NARROWEST_LINE = 40 };

/*
 * Columns to write on STREAM: those of its terminal, or of COLUMNS where that is set and STREAM is
 * a terminal, between NARROWEST_LINE and WIDEST_LINE; WIDEST_LINE for files and pipes, so that what
 * programs and tests read does not depend on a window.
 */
size_t layout_width(FILE *stream, const struct environment *environment);

/*
 * Bytes of TEXT that stand on one line of WIDTH columns: up to the last blank (or the newline) that
 * leaves the line within WIDTH, else up to the first one, so a word is never broken. Blanks at the
 * start are kept. Columns are counted as terminals do: 2 for wide East Asian characters and emoji
 * (Unicode TR 11), 1 for all others.
 */
size_t layout_line(const char *text, size_t width);

/*
 * Writes TEXT and a newline. The first line begins at column COLUMN, where the caller has written
 * to; the others are indented by INDENT blanks. Newlines in TEXT start a new line.
 */
void layout_put(FILE *stream, const char *text, size_t column, size_t indent, size_t width);
