#include "cli/commands.h"

#include "base/buffer.h"
#include "base/text.h"
#include "cli/application.h"

#include <string.h>

/* Words of one line, separated by blanks: the commands, or the parameters and options of COMMAND.
 */
static void put_commands(FILE *output) {
    for (size_t i = 0; i < commands_count; i++)
        fprintf(output, "%s%s", i > 0 ? " " : "", commands[i].name);
}

static void put_words(FILE *output, unsigned command) {
    const char *separator = "";
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        if ((parameter->commands & command) == 0 || parameter->type == PARAMETER_SECRET)
            continue;
        char option[64];
        parameter_option_name(parameter, option);
        if (parameter_is_option(parameter))
            fprintf(output, "%s--%s", separator, option);
        else
            fprintf(output, "%s%s=", separator, parameter->name);
        separator = " ";
    }
}

/* "NAME=) words" arms for parameters and options with a closed set of values. */
static void put_choices(FILE *output) {
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        static const char *const booleans[] = {"true", "false", NULL};
        const char *const *choices =
            parameter->type == PARAMETER_BOOLEAN ? booleans : parameter->choices;
        if (choices == NULL)
            continue;
        char option[64];
        parameter_option_name(parameter, option);
        cleanup_free char *key = parameter_is_option(parameter) ? text_format(NULL, "--%s", option)
                                                                : text_copy(parameter->name, NULL);
        cleanup_buffer struct buffer words = BUFFER_INIT(1024);
        for (size_t j = 0; choices[j] != NULL; j++)
            if (choices[j][0] != '\0')
                buffer_printf(&words, "%s%s", words.length > 0 ? " " : "", choices[j]);
        if (key != NULL)
            fprintf(output, "    %s) values=\"%s\" ;;\n", key, buffer_text(&words));
    }
}

static void put_bash(FILE *output) {
    fputs("# bash completion for deploy-inference-service\n"
          "_deploy_inference_service() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} "
          "command=deploy words values=\n"
          "    # COMP_WORDBREAKS splits NAME=VALUE into three words\n"
          "    if [[ $word == \"=\" ]]; then word=; elif [[ $previous == \"=\" ]]; then "
          "previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
          "    case $previous in\n",
          output);
    put_choices(output);
    fputs("    --kubeconfig|--record|--replay|--runtime-file|*_FILE) COMPREPLY=($(compgen -f -- "
          "\"$word\")); return ;;\n"
          "    esac\n"
          "    if [[ -n $values ]]; then COMPREPLY=($(compgen -W \"$values\" -- \"$word\")); "
          "return; fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          output);
    for (size_t i = 0; i < commands_count; i++) {
        fprintf(output, "    %s) command=%s; words=\"", commands[i].name, commands[i].name);
        if (commands[i].bit == COMMAND_HELP)
            put_commands(output);
        else if (commands[i].bit == COMMAND_COMPLETION)
            fputs("bash zsh fish", output);
        else
            put_words(output, commands[i].bit);
        fputs("\" ;;\n", output);
    }
    fputs("    *) words=\"", output);
    put_words(output, COMMAND_DEPLOY);
    fputs("\" ;;\n    esac\n"
          "    if ((COMP_CWORD == 1)); then words+=\" ",
          output);
    put_commands(output);
    fputs("\"; fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
          "}\n"
          "complete -F _deploy_inference_service deploy-inference-service\n",
          output);
}

static void put_zsh(FILE *output) {
    fputs("#compdef deploy-inference-service\n"
          "autoload -U +X bashcompinit && bashcompinit\n",
          output);
    put_bash(output);
}

/* Single quotes of fish: a backslash before ' and \. */
static void put_fish_quoted(FILE *output, const char *text) {
    fputc('\'', output);
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr("'\\", *at) != NULL)
            fputc('\\', output);
        fputc(*at, output);
    }
    fputc('\'', output);
}

static void put_fish_seen(FILE *output, unsigned bits) {
    fputs(" -n '", output);
    if ((bits & COMMAND_DEPLOY) != 0)
        fputs("__fish_use_subcommand; or ", output);
    fputs("__fish_seen_subcommand_from", output);
    for (size_t i = 0; i < commands_count; i++)
        if ((bits & commands[i].bit) != 0)
            fprintf(output, " %s", commands[i].name);
    fputs("'", output);
}

static void put_fish(FILE *output) {
    fputs(
        "# fish completion for deploy-inference-service\ncomplete -c deploy-inference-service -f\n",
        output);
    for (size_t i = 0; i < commands_count; i++) {
        fprintf(output, "complete -c deploy-inference-service -n __fish_use_subcommand -a %s -d ",
                commands[i].name);
        put_fish_quoted(output, commands[i].summary);
        fputc('\n', output);
    }
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        if (parameter->type == PARAMETER_SECRET)
            continue;
        char option[64];
        parameter_option_name(parameter, option);
        fputs("complete -c deploy-inference-service", output);
        put_fish_seen(output, parameter->commands);
        if (parameter_is_option(parameter))
            fprintf(output, " -l %s%s -d ", option, parameter->type == PARAMETER_FLAG ? "" : " -r");
        else
            fprintf(output, " -a %s= -d ", parameter->name);
        put_fish_quoted(output, parameter->help);
        fputc('\n', output);
    }
}

int command_completion(struct application *application, struct error **err) {
    const struct strings *operands = &application->invocation->operands;
    const char *shell = operands->count == 1 ? operands->items[0] : "";
    if (text_equal(shell, "bash"))
        put_bash(application->output);
    else if (text_equal(shell, "zsh"))
        put_zsh(application->output);
    else if (text_equal(shell, "fish"))
        put_fish(application->output);
    else
        return error_new(err, ERROR_PARAMETER, "completion takes one of bash, zsh, fish");
    return 0;
}
