/* Log lines: levels, one line each, JSON that always parses. */

#include "../cmocka_all.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>

static void keep(void *user, enum log_level level, const char *line) {
    buffer_printf(user, "%d|%s\n", level, line);
}

static int64_t fixed(void *user) {
    (void)user;
    return 1767323045678;
}

static const struct clock still = {.monotonic_ms = fixed, .wall_ms = fixed};

static void levels_and_lines(void **state) {
    (void)state;
    cleanup_buffer struct buffer lines = BUFFER_INIT(1000);
    const struct log log = {.level = LOG_NOTICE, .clock = &still, .sink = {keep, &lines}};
    log_error(&log, "a %d", 1);
    log_notice(&log, "b\nforged\x1b[2J");
    log_debug(&log, "hidden");
    log_error(NULL, "nowhere");
    assert_string_equal(buffer_text(&lines), "0|a 1\n2|b forged [2J\n");
}

static void json_lines(void **state) {
    (void)state;
    cleanup_buffer struct buffer lines = BUFFER_INIT(1000);
    const struct log log = {
        .level = LOG_DEBUG, .json = true, .clock = &still, .sink = {keep, &lines}};
    log_warning(&log, "say \"%s\"", "hi");
    log_debug(&log, "not UTF-8: \xff");
    assert_string_equal(
        buffer_text(&lines),
        "1|{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"warning\",\"message\":\"say "
        "\\\"hi\\\"\"}\n"
        "3|{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"debug\",\"message\":\"not UTF-8: "
        "?\"}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_and_lines),
        cmocka_unit_test(json_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
