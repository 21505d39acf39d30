#pragma once

/* Help from the parameter and command tables, in WIDTH columns (layout_width()). */

#include "cli/commands.h"

#include <stdio.h>

void help_general(FILE *output, size_t width);
void help_command(FILE *output, const struct command *command, size_t width);

/* "-n NAME, NAMESPACE=NAME", "-o, --output FORMAT": how PARAMETER is written. Owned. */
char *help_term(const struct parameter *parameter, struct error **err);

/* What it means, with its default; for COMMAND (may be NULL) where that makes a difference. Owned.
 */
char *help_meaning(const struct parameter *parameter, const struct command *command,
                   struct error **err);

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
