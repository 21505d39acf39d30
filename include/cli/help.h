#pragma once

/* Help from the parameter and command tables, at most 100 columns. */

#include "cli/commands.h"

#include <stdio.h>

void help_general(FILE *output);
void help_command(FILE *output, const struct command *command);

/* The manual page (section 1) in roff. */
void help_manual_page(FILE *output);

/* Parameters, results and exit codes as JSON: what the YAML of Task and Pipeline is generated from.
 */
int help_json(FILE *output, struct error **err);

struct exit_code {
    int code;
    const char *meaning;
};

/* In ascending order. */
extern const struct exit_code exit_codes[];
extern const size_t exit_codes_count;
