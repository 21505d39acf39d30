#pragma once

/*
 * Tekton results: one file each in a directory, read by Tekton's entrypoint after the step ended,
 * whatever its exit code. Sources: Tekton docs "Emitting Results", pkg/termination/write.go,
 * pkg/entrypoint/entrypointer.go.
 */

#include "base/deps.h"
#include "deploy/outcome.h"

#include <stddef.h>

enum {
    RESULTS_COUNT = 10,
    /* Tekton's termination message holds 4096 bytes for all results of a step, their names and JSON
     * escapes, and 65 bytes of its own (StartedAt, ExitCode); the rest is a margin. */
    RESULTS_BUDGET = 3900,
};

struct result {
    const char *name;
    char *value; /* owned */
};

struct results {
    struct result items[RESULTS_COUNT];
};

/* Renders all results of OUTCOME within the budget: the overview shrinks first, then causes. Every
 * declared result is there (never NULL). Pure. */
int results_render(struct results *out, const struct outcome *outcome, struct error **err);
void results_free(struct results *results);

#define cleanup_results cleanup(results_free)

/* What the results cost in the termination message: 28 + name + JSON-escaped value each. Pure. */
size_t results_cost(const struct results *results);

/* Writes each file atomically (mode 0644). The first failure is the error; the others are still
 * tried. */
int results_write(const struct results *results, const char *directory, const struct deps *deps,
                  struct error **err);

/* The names, for the test that holds the Task's YAML against them. */
extern const char *const results_names[RESULTS_COUNT];
