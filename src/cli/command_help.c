#include "cli/commands.h"

#include "base/text.h"
#include "cli/application.h"
#include "cli/help.h"
#include "cli/layout.h"

/* -o json is `help json`: there is no JSON of one command. */
static int print_json(const struct application *application, const struct strings *operands,
                      struct error **err) {
    bool all =
        operands->count == 0 || (operands->count == 1 && text_equal(operands->items[0], "json"));
    if (all)
        return help_json(application->output, err);
    error_new(err, ERROR_PARAMETER, "help -o json tells of all commands and takes no word \"%s\"",
              operands->items[0]);
    return error_hint(err, "deploy-inference-service help -o json");
}

int command_help(struct application *application, struct error **err) {
    const struct strings *operands = &application->invocation->operands;
    if (text_equal(application->invocation->settings.output, "json"))
        return print_json(application, operands, err);
    if (operands->count == 0) {
        help_general(application->output,
                     layout_width(application->output, application->deps->environment));
        return 0;
    }
    if (operands->count > 1) {
        error_new(err, ERROR_PARAMETER, "help takes one command, not %zu", operands->count);
        return error_hint(err, "deploy-inference-service help %s", operands->items[0]);
    }
    if (text_equal(operands->items[0], "man")) {
        help_manual_page(application->output);
        return 0;
    }
    if (text_equal(operands->items[0], "json"))
        return help_json(application->output, err);
    const struct command *command = command_find(operands->items[0]);
    if (command == NULL) {
        const char *nearest = text_nearest(operands->items[0], command_names, command_names_count);
        error_new(err, ERROR_PARAMETER, "there is no command %s", operands->items[0]);
        return error_hint(err, nearest != NULL ? "did you mean %s?" : "`%s` shows all commands",
                          nearest != NULL ? nearest : "deploy-inference-service help");
    }
    help_command(application->output, command,
                 layout_width(application->output, application->deps->environment));
    return 0;
}
