#pragma once

/*
 * Standard error for people: stages with what they found and how long they took, a living line on
 * a terminal, plain lines in a log, JSON lines on request. Text is broken at blanks to fit
 * layout_width() columns, with later lines indented by 4 more. Honours NO_COLOR (no-color.org) and
 * TERM=dumb.
 */

#include "base/environment.h"
#include "base/log.h"
#include "cli/settings.h"
#include "deploy/inputs.h"
#include "deploy/observer.h"

#include <stdio.h>

struct console {
    FILE *stream;
    const struct clock *clock;
    struct log log; /* writes through this console */
    bool terminal;  /* living line possible */
    bool color;
    bool living; /* a living line stands unfinished */
    enum stage stage;
    int64_t stage_started_ms;
    int64_t width; /* columns of a line: layout_width() */
};

/* SETTINGS may be NULL (before parsing). STREAM is borrowed. */
void console_init(struct console *console, FILE *stream, const struct clock *clock,
                  const struct environment *environment, const struct settings *settings);

/* True when text on STREAM may be coloured: --color, else a terminal without NO_COLOR. */
bool console_colors(FILE *stream, const struct environment *environment,
                    const struct settings *settings);

/* The observer that shows a run on CONSOLE. */
struct observer console_observer(struct console *console);

/* A problem with its hint, and where its parameter came from when that is the environment. */
void console_problem(struct console *console, const struct problem *problem, bool from_environment);

/* "error: MESSAGE" and its hint. */
void console_error(struct console *console, const struct error *error);

/* Takes a living line away, so that standard output does not run into it. */
void console_clear(struct console *console);

/* One line that belongs to no stage. */
void console_line(struct console *console, enum log_level level, const char *text);
