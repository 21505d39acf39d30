#include "deploy/check.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

static int add(struct checks *checks, struct check *check, struct error **err) {
    struct check *items = realloc(checks->items, (checks->count + 1) * sizeof(*items));
    if (items == NULL || check->message == NULL) {
        checks->items = items != NULL ? items : checks->items;
        free(check->message);
        free(check->hint);
        return error_no_memory(err);
    }
    checks->items = items;
    checks->items[checks->count++] = *check;
    return 0;
}

/* Owned printable text; NULL without memory. */
static char *format_line(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));

static char *format_line(const char *format, va_list arguments) {
    char *text = NULL;
    return vasprintf(&text, format, arguments) >= 0 ? text_make_printable(text) : NULL;
}

int checks_add(struct checks *checks, struct error **err, const struct check_subject *subject,
               enum check_state state, const char *format, ...) {
    struct check check = {.subject = subject, .state = state, .kind = subject->kind};
    va_list arguments;
    va_start(arguments, format);
    check.message = format_line(format, arguments);
    va_end(arguments);
    return add(checks, &check, err);
}

int checks_hint(struct checks *checks, struct error **err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *hint = format_line(format, arguments);
    va_end(arguments);
    if (hint == NULL)
        return error_no_memory(err);
    struct check *last = &checks->items[checks->count - 1];
    free(last->hint);
    last->hint = hint;
    return 0;
}

int checks_add_error(struct checks *checks, struct error **err, const struct check_subject *subject,
                     enum check_state state, const struct error *error) {
    if (checks_add(checks, err, subject, state, "%s", error->message) < 0)
        return -1;
    checks->items[checks->count - 1].kind = error->kind;
    return text_is_empty(error->hint) ? 0 : checks_hint(checks, err, "%s", error->hint);
}

const struct check *checks_first_failure(const struct checks *checks) {
    for (size_t i = 0; i < checks->count; i++)
        if (checks->items[i].state == CHECK_FAIL)
            return &checks->items[i];
    return NULL;
}

size_t checks_count(const struct checks *checks, enum check_state state) {
    size_t count = 0;
    for (size_t i = 0; i < checks->count; i++)
        count += checks->items[i].state == state ? 1 : 0;
    return count;
}

const char *check_state_name(enum check_state state) {
    static const char *const names[] = {[CHECK_OK] = "ok",
                                        [CHECK_WARN] = "warn",
                                        [CHECK_FAIL] = "fail",
                                        [CHECK_SKIPPED] = "skipped"};
    return names[state];
}

void checks_free(struct checks *checks) {
    for (size_t i = 0; i < checks->count; i++) {
        free(checks->items[i].message);
        free(checks->items[i].hint);
    }
    free(checks->items);
    *checks = (struct checks){0};
}
