#include "torture.h"

#include "cmocka_all.h"
#include "sparse.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ALLOCATIONS = 20000 };

static struct {
    bool running;
    bool persistent; /* once one failed, all fail */
    unsigned count;  /* allocations of this run */
    unsigned fail_at;
    unsigned failed;
} state;

void *__real_malloc(size_t size);

static bool must_fail(void) {
    if (!state.running)
        return false;
    state.count++;
    bool fails = state.persistent ? state.count >= state.fail_at : state.count == state.fail_at;
    if (fails)
        state.failed++;
    return fails;
}

void torture_pause(void) {
    state.running = false;
}

void torture_continue(void) {
    state.running = true;
}

static unsigned run_once(int (*scenario)(void *user), void *user, unsigned fail_at,
                         bool persistent) {
    state.count = 0;
    state.failed = 0;
    state.fail_at = fail_at;
    state.persistent = persistent;
    state.running = true;
    int result = scenario(user);
    state.running = false;
    if (state.failed == 0 && result < 0)
        fail_msg("the scenario fails although allocation %u was never reached", fail_at);
    return state.failed;
}

/*
 * In a static program the linker redirects jansson too, and jansson 2.14 writes past its buffer
 * when an allocation fails in the middle of a string (load.c ignores what strbuffer_append_byte
 * says).
 */
static void leave_jansson_alone(void) {
    json_set_alloc_funcs(__real_malloc, free);
}

void torture(int (*scenario)(void *user), void *user) {
    leave_jansson_alone();
    for (int persistent = 0; persistent <= 1; persistent++) {
        unsigned fail_at = 1;
        while (run_once(scenario, user, fail_at, persistent == 1) > 0) {
            fail_at += sparse_step();
            if (fail_at > MOST_ALLOCATIONS)
                fail_msg("more than %d allocations", MOST_ALLOCATIONS);
        }
    }
}

/* ---- what the linker's --wrap puts in place of the real ones ---- */

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
int __real_vasprintf(char **out, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
int __wrap_vasprintf(char **out, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t size) {
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
    return must_fail() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text) {
    return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length) {
    return must_fail() ? NULL : __real_strndup(text, length);
}

int __wrap_vasprintf(char **out, const char *format, va_list arguments) {
    return must_fail() ? -1 : __real_vasprintf(out, format, arguments);
}

int __wrap_asprintf(char **out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = __wrap_vasprintf(out, format, arguments);
    va_end(arguments);
    return length;
}
