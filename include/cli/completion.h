#pragma once

/* Completion scripts for shells, from the parameter and command tables. */

#include "cli/commands.h"
#include "cli/parameters.h"

#include <stdio.h>

/* Each defines the completion of deploy-inference-service for one shell. */
void completion_bash(FILE *output); /* bash 4.4 or newer */
void completion_zsh(FILE *output);  /* a file for $fpath, or for `source` behind compinit */
void completion_fish(FILE *output);

/* What may stand as a parameter's value. */
enum completion_value {
    COMPLETE_NO_VALUE, /* a flag */
    COMPLETE_CHOICES,  /* completion_choices() */
    COMPLETE_FORMATS,  /* the formats of the command */
    COMPLETE_FILES,
    COMPLETE_DIRECTORIES,
    COMPLETE_ANYTHING,
};
enum completion_value completion_value_of(const struct parameter *parameter);

/* The closed set of values, NULL-terminated, or NULL; "" among them is not to be offered. */
const char *const *completion_choices(const struct parameter *parameter);

/* Parts that scripts share. "a b c" */
void completion_put_words(FILE *output, const char *const *words);
void completion_put_commands(FILE *output, const char *separator);

/* "-n|--namespace|NAMESPACE" with SEPARATOR "|". */
void completion_put_spellings(FILE *output, const struct parameter *parameter,
                              const char *separator);
