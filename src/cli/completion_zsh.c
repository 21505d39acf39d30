#include "cli/completion.h"

#include "base/text.h"

#include <string.h>

/* 'WORD:TEXT' as _describe takes it: a colon of the word needs a backslash, a single quote '\''. */
static void put_described(FILE *output, const char *word, const char *text) {
    fprintf(output, "'%s:", word);
    for (const char *at = text; *at != '\0'; at++)
        fputs(*at == '\'' ? "'\\''" : (const char[]){*at, '\0'}, output);
    fputs("'", output);
}

static void put_commands(FILE *output) {
    fputs("    commands=(\n", output);
    for (size_t i = 0; i < commands_count; i++) {
        fputs("        ", output);
        put_described(output, commands[i].name, commands[i].summary);
        fputc('\n', output);
    }
    fputs("    )\n", output);
}

/* The two lists of COMMAND: words that end with '=', and options. */
static void put_lists(FILE *output, const struct command *command) {
    for (int options = 0; options < 2; options++) {
        fputs(options ? "        options=(" : "        parameters=(", output);
        for (size_t i = 0; i < parameters_count; i++) {
            const struct parameter *parameter = &parameters[i];
            bool wanted = (parameter->commands & command->bit) != 0 &&
                          parameter->type != PARAMETER_SECRET &&
                          (options || !parameter_is_option(parameter));
            if (!wanted)
                continue;
            char option[64];
            char word[80];
            parameter_option_name(parameter, option);
            snprintf(word, sizeof(word),
                     options ? "--%s" : "%s=", options ? option : parameter->name);
            fputs("\n            ", output);
            put_described(output, word, parameter->help);
        }
        fputs(")\n", output);
    }
}

static void put_arms(FILE *output) {
    for (size_t i = 0; i < commands_count; i++) {
        fprintf(output, "    (%s)\n", commands[i].name);
        if (commands[i].bit == COMMAND_COMPLETION)
            fputs("        operands=(bash zsh fish)\n", output);
        else if (commands[i].bit == COMMAND_HELP)
            fputs("        operands=(${commands%%:*} man json)\n", output);
        if (commands[i].formats != NULL) {
            fputs("        formats=(", output);
            completion_put_words(output, commands[i].formats);
            fputs(")\n", output);
        }
        put_lists(output, &commands[i]);
        fputs("        ;;\n", output);
    }
}

static void put_values(FILE *output) {
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        if (parameter->type == PARAMETER_FLAG)
            continue;
        fputs("    (", output);
        completion_put_spellings(output, parameter, "|");
        fputs(") ", output);
        switch (completion_value_of(parameter)) {
        case COMPLETE_CHOICES:
            fputs("compadd -- ", output);
            completion_put_words(output, completion_choices(parameter));
            break;
        case COMPLETE_FORMATS:
            fputs("compadd -- $formats", output);
            break;
        case COMPLETE_FILES:
            fputs("_files", output);
            break;
        case COMPLETE_DIRECTORIES:
            fputs("_path_files -/", output);
            break;
        case COMPLETE_NO_VALUE:
        case COMPLETE_ANYTHING:
            fprintf(output, "_message %s",
                    parameter->value_name != NULL ? parameter->value_name : "VALUE");
            break;
        }
        fputs("; return ;;\n", output);
    }
}

void completion_zsh(FILE *output) {
    fputs("#compdef deploy-inference-service\n"
          "_deploy_inference_service() {\n"
          "    local command= previous=$words[CURRENT-1] word\n"
          "    local -a commands parameters options operands formats\n",
          output);
    put_commands(output);
    fputs("    for word in ${words[2,CURRENT-1]}; do\n"
          "        case $word in\n"
          "        (",
          output);
    completion_put_commands(output, "|");
    fputs(") command=$word; break ;;\n"
          "        esac\n"
          "    done\n"
          "    case ${command:-deploy} in\n",
          output);
    put_arms(output);
    fputs("    esac\n"
          "    if [[ $PREFIX == *=* ]]; then previous=${PREFIX%%=*}; compset -P '*='; fi\n"
          "    case $previous in\n",
          output);
    put_values(output);
    fputs("    esac\n"
          "    if [[ $PREFIX == -* ]]; then _describe option options; return; fi\n"
          "    # one word is taken\n"
          "    [[ $words[CURRENT-1] == $command ]] && (( $#operands )) && compadd -- $operands\n"
          "    [[ -z $command ]] && _describe command commands\n"
          "    (( $#parameters )) && _describe parameter parameters -S ''\n"
          "}\n"
          "# a file of $fpath is the function's body; sourced, it defines and registers it\n"
          "if [[ $funcstack[1] == _deploy-inference-service ]]; then _deploy_inference_service "
          "\"$@\"\n"
          "else compdef _deploy_inference_service deploy-inference-service; fi\n",
          output);
}
