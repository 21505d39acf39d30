#include "cli/help.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/results.h"

/* "text", "boolean", ... as the schema of `help json` names types. */
static const char *type_name(enum parameter_type type) {
    static const char *const names[] = {"text",     "secret", "boolean", "integer",
                                        "duration", "choice", "flag"};
    return names[type];
}

static json_t *commands_of(unsigned bits) {
    json_t *names = json_array();
    for (size_t i = 0; i < commands_count; i++)
        if ((bits & commands[i].bit) != 0)
            json_array_append_new(names, json_string(commands[i].name));
    return names;
}

static json_t *choices_of(const struct parameter *parameter) {
    json_t *choices = json_array();
    for (size_t i = 0; parameter->choices != NULL && parameter->choices[i] != NULL; i++)
        json_array_append_new(choices, json_string(parameter->choices[i]));
    return choices;
}

static json_t *describe(const struct parameter *parameter) {
    return json_pack("{s:s, s:s*, s:b, s:s, s:s, s:b, s:s?, s:o, s:o, s:s, s:s*}", "name",
                     parameter->name, "alias", parameter->alias, "option",
                     parameter_is_option(parameter), "type", type_name(parameter->type), "group",
                     parameter_group_titles[parameter->group], "of_script", parameter->of_script,
                     "default", parameter->default_value, "choices", choices_of(parameter),
                     "commands", commands_of(parameter->commands), "help", parameter->help,
                     "help_zh", parameter->help_zh);
}

int help_json(FILE *output, struct error **err) {
    cleanup_json json_t *document =
        json_pack("{s:[], s:[], s:{}}", "parameters", "results", "exitCodes");
    if (document == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < parameters_count; i++)
        if (json_array_append_new(json_object_get(document, "parameters"),
                                  describe(&parameters[i])) < 0)
            return error_no_memory(err);
    for (size_t i = 0; i < RESULTS_COUNT; i++)
        if (json_array_append_new(json_object_get(document, "results"),
                                  json_string(results_names[i])) < 0)
            return error_no_memory(err);
    for (size_t i = 0; i < exit_codes_count; i++) {
        char code[16];
        snprintf(code, sizeof(code), "%d", exit_codes[i].code);
        if (json_set_text(json_object_get(document, "exitCodes"), code, exit_codes[i].meaning,
                          err) < 0)
            return -1;
    }
    cleanup_free char *text = json_pretty_text(document, err);
    if (text == NULL)
        return -1;
    fprintf(output, "%s\n", text);
    return 0;
}
