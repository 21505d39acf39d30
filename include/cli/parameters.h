#pragma once

/*
 * One const table of every parameter and option: name, type, default, bounds, help. It drives
 * parsing, checking, --help, the man page, shell completion, and the test that holds the Task's and
 * Pipeline's YAML against it.
 */

#include "cli/settings.h"
#include "deploy/inputs.h"

#include <stddef.h>
#include <stdint.h>

enum parameter_type {
    PARAMETER_TEXT,     /* "" means not set */
    PARAMETER_SECRET,   /* text that is never shown; wiped */
    PARAMETER_BOOLEAN,  /* "true" or "false"; "" means the default */
    PARAMETER_INTEGER,  /* LEAST..MOST; "" means the default */
    PARAMETER_DURATION, /* "25m"; stored in ms; "" means the default */
    PARAMETER_CHOICE,   /* one of CHOICES; stored as text, or as its index when .index is set */
    PARAMETER_FLAG,     /* an option without a value */
};

enum parameter_group {
    GROUP_SERVICE,
    GROUP_MODEL,
    GROUP_RUNTIME,
    GROUP_STORAGE,
    GROUP_REPLICAS,
    GROUP_RESOURCES,
    GROUP_ROLLOUT,
    GROUP_GITLAB,
    GROUP_CONNECTION, /* options from here on: no NAME=VALUE form */
    GROUP_OUTPUT,
    GROUP_COMMAND,
    GROUP_COUNT,
};

/* Commands, as bits of parameter.commands. */
enum command_bit {
    COMMAND_DEPLOY = 1 << 0,
    COMMAND_RENDER = 1 << 1,
    COMMAND_DIFF = 1 << 2,
    COMMAND_PREFLIGHT = 1 << 3,
    COMMAND_WAIT = 1 << 4,
    COMMAND_RBAC = 1 << 5,
    COMMAND_VERSION = 1 << 6,
    COMMAND_HELP = 1 << 7,
    COMMAND_COMPLETION = 1 << 8,
    COMMANDS_MODEL = COMMAND_DEPLOY | COMMAND_RENDER | COMMAND_DIFF | COMMAND_PREFLIGHT,
    COMMANDS_CLUSTER = COMMANDS_MODEL | COMMAND_WAIT,
    COMMANDS_ALL = (1 << 9) - 1,
};

struct parameter {
    const char *name;  /* "MODEL_REPO"; options: "--kubeconfig" spelled without dashes */
    const char *alias; /* another accepted name, or NULL */
    char letter;       /* "-n", or 0 */
    enum parameter_type type;
    enum parameter_group group;
    unsigned commands;          /* enum command_bit */
    bool of_script;             /* one of the 22 that the replaced script has */
    const char *default_value;  /* NULL: none; required parameters are checked by inputs_check */
    const char *value_name;     /* for help: "NAME", "QUANTITY"; NULL: none */
    const char *const *choices; /* NULL-terminated; for PARAMETER_CHOICE */
    bool index;                 /* store the choice's index (as an enum) */
    int64_t least, most;        /* for integers; ms for durations */
    bool in_settings;           /* OFFSET is into struct settings, else struct inputs */
    size_t offset;
    const char *help;    /* one line for --help, Task and Pipeline */
    const char *help_zh; /* the same in Chinese for Task and Pipeline; NULL for options */
};

extern const struct parameter parameters[];
extern const size_t parameters_count;

/* True when the parameter is an option only (--name), not a NAME=VALUE parameter. */
bool parameter_is_option(const struct parameter *parameter);

/* By NAME, alias, or "--option" spelling without dashes (any of '_' and '-'); NULL when unknown. */
const struct parameter *parameter_find(const char *name);
const struct parameter *parameter_find_letter(char letter);

/* "MODEL_REPO" -> "model-repo". OUT holds at least 64 bytes. */
const char *parameter_option_name(const struct parameter *parameter, char out[64]);

extern const char *const parameter_group_titles[GROUP_COUNT];
