#include "cli/help.h"

#include "base/buffer.h"
#include "base/text.h"
#include "cli/layout.h"

#include <string.h>

enum { NAME_COLUMN = 36, COMMAND_COLUMN = 15, LONGEST_TERM = 256 };

const struct exit_code exit_codes[] = {
    {0, "the revision is ready (diff: no changes; preflight: nothing failed)"},
    {1, "internal error"},
    {2, "parameters or local configuration"},
    {3, "model source: project, ref or README"},
    {4, "serving runtime"},
    {5, "refused by the cluster: rights, admission, schema"},
    {6, "exists already, or conflict with another writer"},
    {7, "the rollout failed (preflight: it would)"},
    {8, "deadline (TIMEOUT) passed"},
    {9, "a server cannot be reached, trusted or logged in to"},
    {10, "diff: there are changes"},
    {130, "ended by SIGINT"},
    {143, "ended by SIGTERM"},
};
const size_t exit_codes_count = array_length(exit_codes);

/* What TERM (written up to COLUMN) means, TEXT, beside it or below it. */
static void put_meaning(FILE *output, const char *term, const char *text, size_t column,
                        size_t width) {
    size_t length = strlen(term);
    fputs(term, output);
    if (length + 1 < column)
        fprintf(output, "%*s", (int)(column - length), "");
    else
        fprintf(output, "\n%*s", (int)column, "");
    layout_put(output, text, column, column, width);
}

char *help_term(const struct parameter *parameter, struct error **err) {
    char option[64];
    parameter_option_name(parameter, option);
    const char *value = parameter->value_name != NULL ? parameter->value_name : "";
    if (parameter->type == PARAMETER_SECRET) /* refused on the command line */
        return text_format(err, "environment: %s=%s", parameter->name, value);
    if (!parameter_is_option(parameter) && parameter->letter == '\0')
        return text_format(err, "%s=%s", parameter->name, value);
    if (!parameter_is_option(parameter))
        return text_format(err, "-%c %s, %s=%s", parameter->letter, value, parameter->name, value);
    const char *blank = value[0] != '\0' ? " " : "";
    if (parameter->letter != '\0')
        return text_format(err, "-%c, --%s%s%s", parameter->letter, option, blank, value);
    return text_format(err, "--%s%s%s", option, blank, value);
}

/* "text (default) or json" */
static char *formats_text(const char *const *formats, struct error **err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(LONGEST_TERM);
    for (size_t i = 0; formats[i] != NULL; i++)
        buffer_printf(&text, "%s%s%s", i > 0 ? " or " : "", formats[i], i == 0 ? " (default)" : "");
    return buffer_steal(&text, "the formats", err);
}

char *help_meaning(const struct parameter *parameter, const struct command *command,
                   struct error **err) {
    if (command != NULL && command->formats != NULL && text_equal(parameter->name, "output")) {
        cleanup_free char *formats = formats_text(command->formats, err);
        return formats != NULL ? text_format(err, "format of standard output: %s", formats) : NULL;
    }
    return text_is_empty(parameter->default_value)
               ? text_copy(parameter->help, err)
               : text_format(err, "%s (default %s)", parameter->help, parameter->default_value);
}

static void put_parameter(FILE *output, const struct parameter *parameter,
                          const struct command *command, size_t width) {
    cleanup_free char *name = help_term(parameter, NULL);
    cleanup_free char *term = name != NULL ? text_format(NULL, "  %s", name) : NULL;
    cleanup_free char *text = help_meaning(parameter, command, NULL);
    if (term != NULL && text != NULL)
        put_meaning(output, term, text, NAME_COLUMN, width);
}

static void put_group(FILE *output, const struct command *command, int group, size_t width) {
    bool titled = false;
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        if ((int)parameter->group != group || (parameter->commands & command->bit) == 0)
            continue;
        bool own = group == GROUP_COMMAND;
        if (!titled)
            fprintf(output, "\n%s%s:\n", own ? "Options of " : parameter_group_titles[group],
                    own ? command->name : "");
        titled = true;
        put_parameter(output, parameter, command, width);
    }
}

static void put_examples(FILE *output, const char *examples) {
    fputs("\nExamples:\n", output);
    for (const char *at = examples; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        fprintf(output, "  %.*s\n", (int)length, at);
        at += length + (at[length] == '\n' ? 1 : 0);
    }
}

void help_general(FILE *output, size_t width) {
    layout_put(output,
               "Deploys a model from a Git repository as a KServe InferenceService and waits until "
               "that revision serves.\n\n"
               "usage: deploy-inference-service [COMMAND] [NAME=VALUE ...] [--option ...]\n\n"
               "Commands:",
               0, 0, width);
    for (size_t i = 0; i < commands_count; i++) {
        cleanup_free char *term = text_format(NULL, "  %s", commands[i].name);
        if (term != NULL)
            put_meaning(output, term, commands[i].summary, COMMAND_COLUMN, width);
    }
    fputc('\n', output);
    layout_put(output,
               "A parameter is taken from NAME=VALUE or --name VALUE (the last one counts), else "
               "from the environment variable NAME, else from its default. Progress and errors go "
               "to standard error, what programs read to standard output.",
               0, 0, width);
    put_examples(output, "deploy-inference-service INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen "
                         "RUNTIME_CLASS=vllm\n"
                         "deploy-inference-service diff -n demo INFERENCE_SERVICE_NAME=qwen "
                         "MODEL_REPO=qwen \\\n"
                         "    MODEL_REPO_TAG=v2 RUNTIME_CLASS=vllm\n"
                         "deploy-inference-service wait qwen -n demo\n");
    fputs("\nExit codes:\n", output);
    for (size_t i = 0; i < exit_codes_count; i++)
        fprintf(output, "  %3d  %s\n", exit_codes[i].code, exit_codes[i].meaning);
    fputc('\n', output);
    layout_put(output,
               "`deploy-inference-service help COMMAND` shows a command's parameters, options and "
               "examples; `help man` prints the manual page.",
               0, 0, width);
}

void help_command(FILE *output, const struct command *command, size_t width) {
    layout_put(output, command->summary, 0, 0, width);
    fprintf(output, "\nusage: deploy-inference-service %s%s%s%s [--option ...]\n\n", command->name,
            command->operands != NULL ? " " : "",
            command->operands != NULL ? command->operands : "",
            (command->bit & COMMANDS_MODEL) != 0 ? " [NAME=VALUE ...]" : "");
    layout_put(output, command->description, 0, 0, width);
    if (command->examples != NULL)
        put_examples(output, command->examples);
    /* what only this command has comes first */
    put_group(output, command, GROUP_COMMAND, width);
    for (int group = 0; group < GROUP_COUNT; group++)
        if (group != GROUP_COMMAND)
            put_group(output, command, group, width);
}
