#pragma once

/*
 * Findings of preflight: a list that any stage can append to. Each is one line for people (message,
 * and a hint that says what to do) and one object for programs, named by group and name, which are
 * stable words.
 */

#include "base/error.h"

#include <stddef.h>

enum check_state {
    CHECK_OK,
    CHECK_WARN,    /* may go wrong, or works but not as most would want */
    CHECK_FAIL,    /* a deploy with these parameters cannot succeed now */
    CHECK_SKIPPED, /* not checked; the message says why. Never decides anything */
};

/* What was looked at: constants. */
struct check_subject {
    const char
        *group; /* "cluster", "rights", "gitlab", "model", ...; the order of deploy's stages */
    const char *name;     /* "quota"; unique in the group unless several objects are looked at */
    enum error_kind kind; /* what a deploy would end with when it fails: its exit code */
};

struct check {
    const struct check_subject *subject; /* borrowed; static */
    enum check_state state;
    enum error_kind kind; /* the subject's, or the error's it was made of */
    char *message;        /* one line, printable, no secrets; owned */
    char *hint;           /* what to do, naming the parameter or command; owned, or NULL */
};

struct checks {
    struct check *items;
    size_t count;
};

/* Appends one. -1 only when out of memory. */
int checks_add(struct checks *checks, struct error **err, const struct check_subject *subject,
               enum check_state state, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Sets the hint of the last one (replacing an earlier one). -1 only when out of memory. */
int checks_hint(struct checks *checks, struct error **err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends one that says what ERROR says, hint and kind too. ERROR is borrowed. */
int checks_add_error(struct checks *checks, struct error **err, const struct check_subject *subject,
                     enum check_state state, const struct error *error);

/* The first that failed, or NULL: its kind is the exit code. */
const struct check *checks_first_failure(const struct checks *checks);

size_t checks_count(const struct checks *checks, enum check_state state);

/* "ok", "warn", "fail", "skipped". */
const char *check_state_name(enum check_state state);

void checks_free(struct checks *checks);

#define cleanup_checks cleanup(checks_free)
