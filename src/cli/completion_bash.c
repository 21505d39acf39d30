#include "cli/completion.h"

#include "base/text.h"

/* The words that may stand behind COMMAND; a secret has no place on the command line. */
static void put_words(FILE *output, const struct command *command) {
    if (command->bit == COMMAND_HELP) {
        completion_put_commands(output, " ");
        fputs(" man json", output);
    } else if (command->bit == COMMAND_COMPLETION)
        fputs("bash zsh fish", output);
    for (size_t i = 0; i < parameters_count; i++)
        if ((parameters[i].commands & command->bit) != 0 && !parameter_is_option(&parameters[i]) &&
            parameters[i].type != PARAMETER_SECRET)
            fprintf(output, " %s=", parameters[i].name);
}

/* For who begins with "-": options, and parameters spelled as such. */
static void put_options(FILE *output, const struct command *command) {
    for (size_t i = 0; i < parameters_count; i++) {
        char option[64];
        if ((parameters[i].commands & command->bit) != 0 && parameters[i].type != PARAMETER_SECRET)
            fprintf(output, " --%s", parameter_option_name(&parameters[i], option));
    }
}

/* One arm of `case $previous` for each parameter that takes a value. */
static void put_values(FILE *output) {
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        if (parameter->type == PARAMETER_FLAG)
            continue;
        fputs("    ", output);
        completion_put_spellings(output, parameter, "|");
        fputs(") ", output);
        switch (completion_value_of(parameter)) {
        case COMPLETE_CHOICES:
            fputs("words='", output);
            completion_put_words(output, completion_choices(parameter));
            fputs("'", output);
            break;
        case COMPLETE_FORMATS:
            fputs("words=$formats", output);
            break;
        case COMPLETE_FILES:
            fputs("kind=-f", output);
            break;
        case COMPLETE_DIRECTORIES:
            fputs("kind=-d", output);
            break;
        case COMPLETE_NO_VALUE:
        case COMPLETE_ANYTHING:
            fputs("return", output);
            break;
        }
        fputs(" ;;\n", output);
    }
}

static void put_commands(FILE *output) {
    for (size_t i = 0; i < commands_count; i++) {
        fprintf(output, "    %s) words='", commands[i].name);
        put_words(output, &commands[i]);
        fputs("' options='", output);
        put_options(output, &commands[i]);
        fputs("' formats='", output);
        if (commands[i].formats != NULL)
            completion_put_words(output, commands[i].formats);
        fputs("' ;;\n", output);
    }
}

void completion_bash(FILE *output) {
    fputs("# bash completion for deploy-inference-service\n"
          "_deploy_inference_service() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command= words= options= formats= kind= i\n"
          "    COMPREPLY=()\n"
          "    # COMP_WORDBREAKS splits NAME=VALUE into three words\n"
          "    if [[ $word == = ]]; then word=\n"
          "    elif [[ $previous == = ]] && ((COMP_CWORD > 1)); then "
          "previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        ",
          output);
    completion_put_commands(output, "|");
    fputs(") command=${COMP_WORDS[i]}; break ;;\n"
          "        esac\n"
          "    done\n"
          "    case ${command:-deploy} in\n",
          output);
    put_commands(output);
    fputs("    esac\n"
          "    if [[ -z $command ]]; then words+=' ",
          output);
    completion_put_commands(output, " ");
    fputs("'; fi\n"
          "    # these two take one word\n"
          "    if [[ $command == @(help|completion) && $previous != \"$command\" ]]; then words=; "
          "fi\n"
          "    if [[ $word == -* ]]; then words=$options; fi\n"
          "    case $previous in\n",
          output);
    put_values(output);
    fputs("    esac\n"
          "    if [[ -n $kind ]]; then\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen \"$kind\" -- \"$word\")\n"
          "        return\n"
          "    fi\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "    if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace 2>/dev/null; fi\n"
          "}\n"
          "complete -F _deploy_inference_service deploy-inference-service\n",
          output);
}
