#include "cli/commands.h"

#include "base/text.h"
#include "cli/application.h"
#include "cli/help.h"
#include "cli/layout.h"

int command_help(struct application *application, struct error **err) {
    const struct strings *operands = &application->invocation->operands;
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
