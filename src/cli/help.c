#include "cli/help.h"

#include "base/text.h"

#include <string.h>

enum { NAME_COLUMN = 36, LAST_COLUMN = 100 };

const struct exit_code exit_codes[] = {
    {0, "the revision is ready (diff: no changes)"},
    {1, "internal error"},
    {2, "parameters or local configuration"},
    {3, "model source: project, ref or README"},
    {4, "serving runtime"},
    {5, "refused by the cluster: rights, admission, schema"},
    {6, "exists already, or conflict with another writer"},
    {7, "the rollout failed"},
    {8, "deadline (TIMEOUT) passed"},
    {9, "a server cannot be reached, trusted or logged in to"},
    {10, "diff: there are changes"},
    {130, "ended by SIGINT"},
    {143, "ended by SIGTERM"},
};
const size_t exit_codes_count = array_length(exit_codes);

/* TEXT from column NAME_COLUMN on, broken at blanks before LAST_COLUMN. */
static void put_wrapped(FILE *output, const char *text) {
    int column = NAME_COLUMN;
    for (const char *at = text; *at != '\0';) {
        size_t word = strcspn(at, " ");
        bool first = column == NAME_COLUMN;
        if (!first && column + 1 + (int)word > LAST_COLUMN) {
            fprintf(output, "\n%*s", NAME_COLUMN, "");
            column = NAME_COLUMN;
            first = true;
        }
        fprintf(output, "%s%.*s", first ? "" : " ", (int)word, at);
        column += (int)word + (first ? 0 : 1);
        at += word + strspn(at + word, " ");
    }
}

static void put_parameter(FILE *output, const struct parameter *parameter) {
    char option[64];
    parameter_option_name(parameter, option);
    cleanup_free char *name = NULL;
    if (!parameter_is_option(parameter))
        name = text_format(NULL, "  %s=%s", parameter->name,
                           parameter->value_name != NULL ? parameter->value_name : "VALUE");
    else if (parameter->letter != '\0')
        name = text_format(NULL, "  -%c, --%s%s%s", parameter->letter, option,
                           parameter->value_name != NULL ? " " : "",
                           parameter->value_name != NULL ? parameter->value_name : "");
    else
        name = text_format(NULL, "  --%s%s%s", option, parameter->value_name != NULL ? " " : "",
                           parameter->value_name != NULL ? parameter->value_name : "");
    if (name == NULL)
        return;
    int width = (int)strlen(name);
    fprintf(output, "%s", name);
    if (width < NAME_COLUMN - 1)
        fprintf(output, "%*s", NAME_COLUMN - width, "");
    else
        fprintf(output, "\n%*s", NAME_COLUMN, "");
    bool has_default = !text_is_empty(parameter->default_value);
    cleanup_free char *text = has_default ? text_format(NULL, "%s (default %s)", parameter->help,
                                                        parameter->default_value)
                                          : text_copy(parameter->help, NULL);
    if (text != NULL)
        put_wrapped(output, text);
    fputc('\n', output);
}

static void put_groups(FILE *output, unsigned command) {
    for (int group = 0; group < GROUP_COUNT; group++) {
        bool titled = false;
        for (size_t i = 0; i < parameters_count; i++) {
            const struct parameter *parameter = &parameters[i];
            if ((int)parameter->group != group || (parameter->commands & command) == 0)
                continue;
            if (!titled)
                fprintf(output, "\n%s:\n", parameter_group_titles[group]);
            titled = true;
            put_parameter(output, parameter);
        }
    }
}

void help_general(FILE *output) {
    fputs("Deploys a model from a Git repository as a KServe InferenceService and waits until\n"
          "that revision serves.\n"
          "\n"
          "usage: deploy-inference-service [COMMAND] [NAME=VALUE ...] [--option ...]\n"
          "\n"
          "Commands:\n",
          output);
    for (size_t i = 0; i < commands_count; i++)
        fprintf(output, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fputs(
        "\n"
        "A parameter is taken from NAME=VALUE or --name VALUE, else from the environment variable\n"
        "NAME, else from its default. Progress and errors go to standard error, what programs "
        "read\n"
        "to standard output.\n"
        "\n"
        "Examples:\n"
        "  deploy-inference-service INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen "
        "RUNTIME_CLASS=vllm\n"
        "  deploy-inference-service diff -n demo INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
        "      MODEL_REPO_TAG=v2 RUNTIME_CLASS=vllm\n"
        "\n"
        "Exit codes:\n",
        output);
    for (size_t i = 0; i < exit_codes_count; i++)
        fprintf(output, "  %3d  %s\n", exit_codes[i].code, exit_codes[i].meaning);
    fputs("\n`deploy-inference-service help COMMAND` shows a command's parameters and options.\n",
          output);
}

void help_command(FILE *output, const struct command *command) {
    fprintf(output, "%s\n\nusage: deploy-inference-service %s%s%s%s [--option ...]\n\n%s\n",
            command->summary, command->name, command->operands != NULL ? " " : "",
            command->operands != NULL ? command->operands : "",
            (command->bit & COMMANDS_CLUSTER) != 0 ? " [NAME=VALUE ...]" : "",
            command->description);
    put_groups(output, command->bit);
}
