#include "cli/commands.h"

#include "base/text.h"
#include "cli/application.h"
#include "cli/completion.h"

#include <string.h>

static const struct {
    const char *shell;
    void (*put)(FILE *output);
} shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};

const char *const *completion_choices(const struct parameter *parameter) {
    static const char *const booleans[] = {"true", "false", NULL};
    return parameter->type == PARAMETER_BOOLEAN ? booleans : parameter->choices;
}

enum completion_value completion_value_of(const struct parameter *parameter) {
    if (parameter->type == PARAMETER_FLAG)
        return COMPLETE_NO_VALUE;
    if (text_equal(parameter->name, "output"))
        return COMPLETE_FORMATS;
    if (completion_choices(parameter) != NULL)
        return COMPLETE_CHOICES;
    if (text_equal(parameter->value_name, "FILE"))
        return COMPLETE_FILES;
    return text_equal(parameter->value_name, "DIR") ? COMPLETE_DIRECTORIES : COMPLETE_ANYTHING;
}

void completion_put_words(FILE *output, const char *const *words) {
    const char *separator = "";
    for (; *words != NULL; words++) {
        if ((*words)[0] == '\0')
            continue;
        fprintf(output, "%s%s", separator, *words);
        separator = " ";
    }
}

void completion_put_commands(FILE *output, const char *separator) {
    for (size_t i = 0; i < commands_count; i++)
        fprintf(output, "%s%s", i > 0 ? separator : "", commands[i].name);
}

void completion_put_spellings(FILE *output, const struct parameter *parameter,
                              const char *separator) {
    char option[64];
    parameter_option_name(parameter, option);
    if (parameter->letter != '\0')
        fprintf(output, "-%c%s", parameter->letter, separator);
    fprintf(output, "--%s", option);
    if (!parameter_is_option(parameter))
        fprintf(output, "%s%s", separator, parameter->name);
}

/* "bash" is near "tcsh", but no help for who uses that. */
static bool is_another_shell(const char *word) {
    static const char *const others[] = {"sh",   "ash",  "csh",        "dash",   "ksh", "mksh",
                                         "tcsh", "pwsh", "powershell", "elvish", "nu"};
    for (size_t i = 0; i < array_length(others); i++)
        if (text_equal(word, others[i]))
            return true;
    return false;
}

static int refuse_shell(const struct strings *operands, struct error **err) {
    const char *names[array_length(shells)];
    for (size_t i = 0; i < array_length(shells); i++)
        names[i] = shells[i].shell;
    if (operands->count != 1) {
        error_new(err, ERROR_PARAMETER, "completion takes one of bash, zsh, fish");
        return error_hint(err, "deploy-inference-service help completion");
    }
    const char *nearest = is_another_shell(operands->items[0])
                              ? NULL
                              : text_nearest(operands->items[0], names, array_length(names));
    error_new(err, ERROR_PARAMETER,
              "there is no completion for \"%s\": it takes one of bash, zsh, fish",
              operands->items[0]);
    return nearest != NULL ? error_hint(err, "did you mean %s?", nearest)
                           : error_hint(err, "deploy-inference-service help completion");
}

int command_completion(struct application *application, struct error **err) {
    const struct strings *operands = &application->invocation->operands;
    for (size_t i = 0; operands->count == 1 && i < array_length(shells); i++) {
        if (text_equal(operands->items[0], shells[i].shell)) {
            shells[i].put(application->output);
            return 0;
        }
    }
    return refuse_shell(operands, err);
}
