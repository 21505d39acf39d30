#pragma once

/* The findings of preflight, for people and for programs. */

#include "deploy/check.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* State, check, what was found, and below it what to do, in WIDTH columns. */
int check_table_print(FILE *output, const struct checks *checks, size_t width, bool color,
                      struct error **err);

/*
 * {"verdict": the worst state but skipped, "summary": {state: count}, "checks": [{"group", "name",
 * "state", "message", "hint" or null}]}. A new reference; NULL without memory.
 */
json_t *check_table_json(const struct checks *checks, struct error **err);
