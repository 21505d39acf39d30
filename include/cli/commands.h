#pragma once

/* The commands: one const table, one thin file each. */

#include "base/deps.h"
#include "cli/arguments.h"

#include <stdio.h>

struct application; /* cli/application.h */

enum command_needs {
    NEEDS_NOTHING = 0,
    NEEDS_NETWORK = 1 << 0, /* libcurl is initialised; libgit2 starts where it is used */
};

struct command {
    const char *name;
    unsigned bit;               /* enum command_bit */
    unsigned needs;             /* enum command_needs */
    const char *operands;       /* usage of the operands, or NULL when it takes none */
    const char *summary;        /* one line */
    const char *description;    /* one paragraph for `help COMMAND` and the man page */
    const char *examples;       /* command lines, one a line; a test runs each */
    const char *const *formats; /* what -o takes, the default first; NULL: it has no -o */
    /* Runs it; the exit code, or -1 with an error. */
    int (*run)(struct application *application, struct error **err);
};

extern const struct command commands[];
extern const size_t commands_count;
extern const char *const command_names[];
extern const size_t command_names_count;

const struct command *command_find(const char *name);
const struct command *command_of(unsigned bit);

/* "render, diff or rbac": the names of BITS, owned. */
char *commands_list(unsigned bits, struct error **err);

int command_deploy(struct application *application, struct error **err);
int command_render(struct application *application, struct error **err);
int command_diff(struct application *application, struct error **err);
int command_preflight(struct application *application, struct error **err);
int command_wait(struct application *application, struct error **err);
int command_rbac(struct application *application, struct error **err);
int command_version(struct application *application, struct error **err);
int command_help(struct application *application, struct error **err);
int command_completion(struct application *application, struct error **err);
