#pragma once

/* PATIENCE: how long, or how often, something must go wrong before it ends the run. */

#include "deploy/inputs.h"
#include "deploy/rollout.h"

/*
 * OUT becomes the defaults with what TEXT changes: "key=value" pairs with commas, blanks or
 * newlines between them, such as "crash-restarts=5,image-pull=2m". Counts are 1 to 1000, times 0s
 * to 24h as duration_parse reads them; unschedulable=0s means until the deadline. Each mistake is a
 * problem of PATIENCE with a suggestion. -1 only when out of memory. Pure.
 */
int patience_parse(struct rollout_patience *out, const char *text, struct problems *problems,
                   struct error **err);

/* The same, but what TEXT does not name stays as OUT has it (a recorded rollout's thresholds). */
int patience_change(struct rollout_patience *out, const char *text, struct problems *problems,
                    struct error **err);

/* patience_parse for PATIENCE of INPUTS, checked before (NULL: the defaults). */
int patience_of(struct rollout_patience *out, const struct inputs *inputs, struct error **err);
