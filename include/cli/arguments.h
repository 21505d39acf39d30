#pragma once

/* argv and environment -> command, inputs, settings. Pure; finds every problem in one go. */

#include "base/environment.h"
#include "cli/parameters.h"
#include "cli/settings.h"

struct invocation {
    unsigned command;        /* one enum command_bit */
    bool command_given;      /* named on the command line, not the default */
    bool command_unknown;    /* a word stands where a command may, and is none */
    struct strings operands; /* for `help COMMAND`, `completion SHELL`, `wait NAME` */
    struct inputs inputs;
    struct settings settings;
    bool given[128]; /* by index of `parameters`: set by the command line or the environment */
    bool from_environment[128]; /* likewise: by the environment */
    struct problems problems;   /* what was wrong, found by parsing and later checks */
};

/*
 * Order of precedence: the command line (the last of several), the environment, the default.
 * Elements: a command name first, then NAME=VALUE, --name value, --name=value, -n value; an empty
 * element is skipped (tkn turns an empty array into [""]); "--" ends options. Adds to OUT's
 * problems what is wrong: unknown names (with the nearest known one), bad values, options of other
 * commands, secrets on the command line. -1 only when out of memory.
 */
int arguments_parse(struct invocation *out, int argc, const char *const *argv,
                    const struct environment *environment, struct error **err);

/* True when the environment, and no word of the command line, set the parameter of that name. */
bool invocation_has_from_environment(const struct invocation *invocation, const char *parameter);

void invocation_free(struct invocation *invocation);

#define cleanup_invocation cleanup(invocation_free)
