#include "cli/commands.h"

#include "base/text.h"

const struct command commands[] = {
    {
        .name = "deploy",
        .bit = COMMAND_DEPLOY,
        .needs = NEEDS_NETWORK,
        .summary = "deploy a model and wait until this revision of it serves (default)",
        .description =
            "Resolves the model repository to one commit, selects the serving runtime, renders "
            "the\n"
            "InferenceService, applies it and waits until the revision it made serves. Ends with\n"
            "exit code 0 only then; otherwise it says in one sentence what is wrong, shows the\n"
            "evidence and what to change. Running it again with the same parameters changes "
            "nothing\n"
            "and takes up a rollout that is still under way.",
        .run = command_deploy,
    },
    {
        .name = "render",
        .bit = COMMAND_RENDER,
        .needs = NEEDS_NETWORK,
        .summary = "print the InferenceService that deploy would apply; change nothing",
        .description =
            "Resolves everything as deploy does and prints the InferenceService as YAML (default)\n"
            "or JSON (-o json). The same parameters give the same bytes. With --offline no server\n"
            "is asked: MODEL_REPO_COMMIT, PIPELINE_TAG, LIBRARY_NAME and --runtime-file then say\n"
            "what servers would. UPDATE_IF_EXISTS=false is looked past, with a notice.",
        .run = command_render,
    },
    {
        .name = "diff",
        .bit = COMMAND_DIFF,
        .needs = NEEDS_NETWORK,
        .summary = "show what deploy would change; exit code 0 for nothing, 10 for something",
        .description =
            "Sends the InferenceService as a server-side dry run, so that admission webhooks have\n"
            "their say, and shows the difference to the live object without server noise. Fields "
            "that\n"
            "an earlier `kubectl apply` left behind are shown as deploy would remove them. -o "
            "json\n"
            "gives {changed, changes: [{path, before, after}]} with JSON Pointers as paths. With\n"
            "UPDATE_IF_EXISTS=false the difference is shown all the same, with a notice.",
        .run = command_diff,
    },
    {
        .name = "wait",
        .bit = COMMAND_WAIT,
        .needs = NEEDS_NETWORK,
        .operands = "[NAME]",
        .summary = "wait for an InferenceService that somebody else applied",
        .description =
            "Follows the rollout of an existing InferenceService with the same truth and "
            "diagnosis\n"
            "as deploy. --for=ready (default), deleted or failed. --record keeps what was seen,\n"
            "without secrets; --replay judges such a file again, without a cluster.",
        .run = command_wait,
    },
    {
        .name = "rbac",
        .bit = COMMAND_RBAC,
        .needs = NEEDS_NOTHING,
        .summary = "print the ServiceAccount, Role and bindings that the step needs",
        .description =
            "Prints YAML for `kubectl apply -f -`: the least rights that deploy needs, and\n"
            "on request (--diagnostics) those that let it explain a failed rollout.",
        .run = command_rbac,
    },
    {
        .name = "version",
        .bit = COMMAND_VERSION,
        .needs = NEEDS_NOTHING,
        .summary = "print version, commit, library and TLS versions",
        .description = "Prints what this binary is made of; -o json for programs.",
        .run = command_version,
    },
    {
        .name = "help",
        .bit = COMMAND_HELP,
        .needs = NEEDS_NOTHING,
        .operands = "[COMMAND]",
        .summary = "show help for a command",
        .description =
            "Shows the general help, or that of one command with its parameters and options.\n"
            "`help man` prints the manual page in roff, `help json` all parameters for programs.",
        .run = command_help,
    },
    {
        .name = "completion",
        .bit = COMMAND_COMPLETION,
        .needs = NEEDS_NOTHING,
        .operands = "bash|zsh|fish",
        .summary = "print shell completion",
        .description =
            "Prints a completion script: `source <(deploy-inference-service completion bash)`.",
        .run = command_completion,
    },
};
const size_t commands_count = array_length(commands);

const char *const command_names[] = {"deploy", "render",  "diff", "wait",
                                     "rbac",   "version", "help", "completion"};
const size_t command_names_count = array_length(command_names);

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < commands_count; i++)
        if (text_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

const struct command *command_of(unsigned bit) {
    for (size_t i = 0; i < commands_count; i++)
        if (commands[i].bit == bit)
            return &commands[i];
    return &commands[0];
}
