#include "cli/completion.h"

#include <string.h>

/* Single quotes of fish: a backslash before ' and \. */
static void put_quoted(FILE *output, const char *text) {
    fputc('\'', output);
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr("'\\", *at) != NULL)
            fputc('\\', output);
        fputc(*at, output);
    }
    fputc('\'', output);
}

/* The condition: one of the commands of BITS was given, or none yet and deploy is the default. */
static void put_condition(FILE *output, unsigned bits) {
    fputs(" -n '__deploy_inference_service_is", output);
    if ((bits & COMMAND_DEPLOY) != 0)
        fputs(" none", output);
    for (size_t i = 0; i < commands_count; i++)
        if ((bits & commands[i].bit) != 0)
            fprintf(output, " %s", commands[i].name);
    fputs("'", output);
}

static void put_start(FILE *output, unsigned bits) {
    fputs("complete -c deploy-inference-service", output);
    put_condition(output, bits);
}

/* The values of an option: " -r -f -a 'a b'". */
static void put_option_values(FILE *output, const struct parameter *parameter) {
    switch (completion_value_of(parameter)) {
    case COMPLETE_NO_VALUE:
        break;
    case COMPLETE_CHOICES:
        fputs(" -x -a '", output);
        completion_put_words(output, completion_choices(parameter));
        fputs("'", output);
        break;
    case COMPLETE_FILES:
        fputs(" -r -F", output);
        break;
    case COMPLETE_DIRECTORIES:
        fputs(" -x -a '(__fish_complete_directories)'", output);
        break;
    case COMPLETE_FORMATS:
    case COMPLETE_ANYTHING:
        fputs(" -x", output);
        break;
    }
}

static void put_option(FILE *output, const struct parameter *parameter) {
    char option[64];
    parameter_option_name(parameter, option);
    put_start(output, parameter->commands);
    fprintf(output, " -l %s", option);
    if (parameter->letter != '\0')
        fprintf(output, " -s %c", parameter->letter);
    put_option_values(output, parameter);
    fputs(" -d ", output);
    put_quoted(output, parameter->help);
    fputc('\n', output);
}

/* NAME=, and NAME=value for each of a closed set. */
static void put_assignment(FILE *output, const struct parameter *parameter) {
    put_start(output, parameter->commands);
    fprintf(output, " -a %s= -d ", parameter->name);
    put_quoted(output, parameter->help);
    fputc('\n', output);
    const char *const *choices = completion_choices(parameter);
    if (choices == NULL)
        return;
    put_start(output, parameter->commands);
    fputs(" -a '", output);
    const char *separator = "";
    for (; *choices != NULL; choices++) {
        if ((*choices)[0] == '\0')
            continue;
        fprintf(output, "%s%s=%s", separator, parameter->name, *choices);
        separator = " ";
    }
    fputs("'\n", output);
}

static void put_formats(FILE *output) {
    for (size_t i = 0; i < commands_count; i++) {
        if (commands[i].formats == NULL)
            continue;
        put_start(output, commands[i].bit);
        fputs(" -l output -s o -x -a '", output);
        completion_put_words(output, commands[i].formats);
        fputs("'\n", output);
    }
}

void completion_fish(FILE *output) {
    fputs("# fish completion for deploy-inference-service\n"
          "function __deploy_inference_service_is\n"
          "    for word in (commandline -opc)[2..-1]\n"
          "        if contains -- $word ",
          output);
    completion_put_commands(output, " ");
    fputs("\n"
          "            contains -- $word $argv\n"
          "            return\n"
          "        end\n"
          "    end\n"
          "    contains -- none $argv\n"
          "end\n"
          "complete -c deploy-inference-service -f\n",
          output);
    for (size_t i = 0; i < commands_count; i++) {
        fprintf(output,
                "complete -c deploy-inference-service -n '__deploy_inference_service_is none' -a "
                "%s -d ",
                commands[i].name);
        put_quoted(output, commands[i].summary);
        fputc('\n', output);
    }
    /* these two take one word */
    fputs("complete -c deploy-inference-service -n '__deploy_inference_service_is help; and test "
          "(commandline -opc)[-1] = help' -a '",
          output);
    completion_put_commands(output, " ");
    fputs(" man json'\n"
          "complete -c deploy-inference-service -n '__deploy_inference_service_is completion; and "
          "test (commandline -opc)[-1] = completion' -a 'bash zsh fish'\n",
          output);
    put_formats(output);
    for (size_t i = 0; i < parameters_count; i++) {
        if (parameters[i].type == PARAMETER_SECRET)
            continue;
        put_option(output, &parameters[i]);
        if (!parameter_is_option(&parameters[i]))
            put_assignment(output, &parameters[i]);
    }
}
