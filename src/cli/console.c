#include "cli/console.h"

#include "base/environment.h"
#include "base/text.h"
#include "cli/layout.h"

#include <string.h>
#include <unistd.h>

enum { NEXT_LINE_INDENT = 4 };

#define COLOR_RED    "\033[31m"
#define COLOR_YELLOW "\033[33m"
#define COLOR_GREEN  "\033[32m"
#define COLOR_DIM    "\033[2m"
#define COLOR_RESET  "\033[0m"

static void finish_living_line(struct console *console) {
    if (!console->living)
        return;
    fputs("\r\033[K", console->stream);
    console->living = false;
}

void console_clear(struct console *console) {
    finish_living_line(console);
    fflush(console->stream);
}

static const char *level_color(enum log_level level) {
    switch (level) {
    case LOG_ERROR:
        return COLOR_RED;
    case LOG_WARNING:
        return COLOR_YELLOW;
    case LOG_DEBUG:
        return COLOR_DIM;
    case LOG_NOTICE:
        break;
    }
    return "";
}

/* TEXT over as many lines as it needs, the later ones indented: evidence keeps its own indent. */
static void put_line(struct console *console, const char *color, const char *prefix,
                     const char *text) {
    finish_living_line(console);
    bool colored = console->color && color[0] != '\0';
    cleanup_free char *line = text_format(NULL, "%s%s", prefix, text);
    if (line == NULL)
        return;
    size_t width = (size_t)console->width;
    size_t later_indent = strspn(line, " ") + NEXT_LINE_INDENT;
    size_t indent = 0;
    const char *at = line;
    do {
        size_t length = layout_line(at, width - indent);
        fprintf(console->stream, "%*s%s%.*s%s\n", (int)indent, "", colored ? color : "",
                (int)length, at, colored ? COLOR_RESET : "");
        at += length;
        at += strspn(at, " ");
        indent = later_indent < width / 2 ? later_indent : width / 2;
    } while (*at != '\0');
    fflush(console->stream);
}

/* The sink of the log: text lines get a prefix, JSON lines are written as they are. */
static void write_log(void *user, enum log_level level, const char *line) {
    struct console *console = user;
    if (console->log.json) {
        fprintf(console->stream, "%s\n", line);
        fflush(console->stream);
        return;
    }
    static const char *const prefixes[] = {"error: ", "warning: ", "", "debug: "};
    put_line(console, level_color(level), prefixes[level], line);
}

static bool is_terminal(FILE *stream, const struct environment *environment) {
    const char *term = environment_get(environment, "TERM");
    return isatty(fileno(stream)) == 1 && !text_is_empty(term) && !text_equal(term, "dumb");
}

bool console_colors(FILE *stream, const struct environment *environment,
                    const struct settings *settings) {
    int color = settings != NULL ? settings->color : COLOR_AUTO;
    bool no_color = !text_is_empty(environment_get(environment, "NO_COLOR"));
    return color == COLOR_ALWAYS ||
           (color == COLOR_AUTO && is_terminal(stream, environment) && !no_color);
}

void console_init(struct console *console, FILE *stream, const struct clock *clock,
                  const struct environment *environment, const struct settings *settings) {
    *console = (struct console){.stream = stream, .clock = clock};
    console->log = (struct log){
        .level = LOG_NOTICE, .clock = clock, .sink = {.write = write_log, .user = console}};
    console->color = console_colors(stream, environment, settings);
    if (settings != NULL) {
        console->log.level = (enum log_level)settings->log_level;
        console->log.json = settings->log_format == LOG_FORMAT_JSON;
    }
    bool terminal = is_terminal(stream, environment);
    console->terminal = terminal && !console->log.json;
    console->width = (int64_t)layout_width(stream, environment);
}

void console_line(struct console *console, enum log_level level, const char *text) {
    log_write(&console->log, level, "%s", text);
}

/* ---- the observer ---- */

static void show_living(struct console *console, const char *label, const char *text) {
    cleanup_free char *line = text_format(NULL, "%s: %s", label, text);
    if (line == NULL)
        return;
    text_make_printable(line);
    size_t shown = text_utf8_prefix(line, (size_t)console->width - 1);
    fprintf(console->stream, "\r\033[K%.*s", (int)shown, line);
    fflush(console->stream);
    console->living = true;
}

static void on_begin(void *user, enum stage stage, const char *what) {
    struct console *console = user;
    console->stage = stage;
    console->stage_started_ms = clock_now(console->clock);
    if (console->terminal && console->log.level >= LOG_NOTICE)
        show_living(console, stage_name(stage), what);
}

static void on_end(void *user, enum stage stage, const char *found) {
    struct console *console = user;
    char took[DURATION_SIZE];
    duration_format(took, clock_now(console->clock) - console->stage_started_ms);
    log_notice(&console->log, "%-8s %s (%s)", stage_name(stage), found, took);
}

static void on_progress(void *user, enum stage stage, const char *text) {
    struct console *console = user;
    if (console->log.level < LOG_NOTICE)
        return;
    if (console->terminal) {
        show_living(console, stage_name(stage), text);
        return;
    }
    char took[DURATION_SIZE];
    duration_format(took, clock_now(console->clock) - console->stage_started_ms);
    log_notice(&console->log, "%-8s %s (%s so far)", stage_name(stage), text, took);
}

static void on_notice(void *user, const char *text) {
    struct console *console = user;
    log_notice(&console->log, "note: %s", text);
}

static void on_warning(void *user, const char *text) {
    struct console *console = user;
    log_warning(&console->log, "%s", text);
}

struct observer console_observer(struct console *console) {
    return (struct observer){.begin = on_begin,
                             .end = on_end,
                             .progress = on_progress,
                             .notice = on_notice,
                             .warning = on_warning,
                             .user = console};
}

void console_problem(struct console *console, const struct problem *problem,
                     bool from_environment) {
    log_write(&console->log, problem->is_error ? LOG_ERROR : LOG_NOTICE, "%s%s%s%s%s",
              problem->is_error ? "" : "note: ", problem->message,
              from_environment ? " (from the environment)" : "", problem->hint != NULL ? "; " : "",
              problem->hint != NULL ? problem->hint : "");
}

void console_error(struct console *console, const struct error *error) {
    if (error == NULL)
        return;
    log_error(&console->log, "%s", error->message);
    if (!text_is_empty(error->hint))
        log_notice(&console->log, "hint: %s", error->hint);
}
