#pragma once

/*
 * Fails allocations, one after the other (after curl's torture tests).
 *
 * Link with the `torture` dependency of tests/unit/meson.build: it sends the calls of malloc,
 * calloc, realloc, strdup, strndup, asprintf and vasprintf in our objects through here. Libraries
 * that are linked dynamically keep their own, and jansson does always.
 */

/*
 * Runs SCENARIO until a run sees no failure: first with its first allocation failing, then the
 * second, and so on; each once alone and once with all that follow failing too. SCENARIO returns 0
 * when it did its work and a negative number when it reported a failure; it asserts for itself that
 * a failure comes with an error and leaves results alone, and frees everything (run it under ASan
 * or valgrind to see leaks). The run without failures must return 0.
 */
void torture(int (*scenario)(void *user), void *user);

/* No allocation fails between these two: for a test's own bookkeeping inside a scenario. */
void torture_pause(void);
void torture_continue(void);
