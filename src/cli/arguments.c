#include "cli/arguments.h"

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/suggest.h"

#include <string.h>

struct parser {
    struct invocation *out;
    struct problems *problems;
    const char *values[128]; /* by parameter index: the raw text that counts, or NULL */
};

static size_t index_of(const struct parameter *parameter) {
    return (size_t)(parameter - parameters);
}

static int unknown_parameter(struct parser *parser, const char *name, struct error **err) {
    if (name[0] == '\0')
        return problems_add(parser->problems, err, true, "NAME=VALUE", NULL,
                            "an argument begins with \"=\": the parameter's name is missing");
    parser->problems->skip_missing = true;
    cleanup_free char *hint = suggest_parameter(name, err);
    if (hint == NULL)
        return -1;
    return problems_add(parser->problems, err, true, name, hint, "there is no parameter %s", name);
}

static int unknown_option(struct parser *parser, const char *option, const char *dashes,
                          struct error **err) {
    parser->problems->skip_missing = true;
    cleanup_free char *hint = suggest_option(option, err);
    if (hint == NULL)
        return -1;
    return problems_add(parser->problems, err, true, option, hint, "there is no option %s%s",
                        dashes, option);
}

static int take(struct parser *parser, const struct parameter *parameter, const char *value,
                struct error **err) {
    if (parameter->type == PARAMETER_SECRET && value[0] != '\0')
        return problems_add(
            parser->problems, err, true, parameter->name,
            "set it in the environment, or name a file in GITLAB_TOKEN_FILE",
            "%s must not stand on the command line, where every process can read it",
            parameter->name);
    if (parameter->type == PARAMETER_SECRET)
        return 0;
    parser->values[index_of(parameter)] = value;
    parser->out->from_environment[index_of(parameter)] = false;
    return 0;
}

/* NAME=VALUE; the name is exact, as the script's `export` has it. */
static int take_assignment(struct parser *parser, const char *element, struct error **err) {
    size_t length = strcspn(element, "=");
    cleanup_free char *name = text_copy_bytes(element, length, err);
    if (name == NULL)
        return -1;
    const struct parameter *parameter = parameter_find(name);
    bool exact = parameter != NULL && !parameter_is_option(parameter) &&
                 (text_equal(name, parameter->name) || text_equal(name, parameter->alias));
    if (!exact)
        return unknown_parameter(parser, name, err);
    return take(parser, parameter, element + length + 1, err);
}

/* --name value, --name=value, --flag. *AT moves past the value when it is an element of its own. */
static int take_option(struct parser *parser, int argc, const char *const *argv, int *at,
                       struct error **err) {
    const char *element = argv[*at];
    bool is_long = element[1] == '-';
    const char *body = element + (is_long ? 2 : 1);
    size_t length = is_long ? strcspn(body, "=") : 1;
    cleanup_free char *name = text_copy_bytes(body, length, err);
    if (name == NULL)
        return -1;
    const struct parameter *parameter =
        is_long ? parameter_find(name) : parameter_find_letter(name[0]);
    if (parameter == NULL) {
        /* the word behind it is most likely its value, and no second mistake */
        const char *next = *at + 1 < argc ? argv[*at + 1] : "-";
        bool value = is_long && body[length] != '=' && next[0] != '-' &&
                     command_find(next) == NULL && strchr(next, '=') == NULL;
        *at += value ? 1 : 0;
        return unknown_option(parser, name, is_long ? "--" : "-", err);
    }
    const char *inline_value = body[length] == '='                ? body + length + 1
                               : !is_long && body[length] != '\0' ? body + length
                                                                  : NULL;
    if (parameter->type == PARAMETER_FLAG)
        return take(parser, parameter, inline_value != NULL ? inline_value : "true", err);
    if (inline_value != NULL)
        return take(parser, parameter, inline_value, err);
    if (*at + 1 >= argc) {
        cleanup_free char *hint =
            text_format(err, "write %s %s", element,
                        parameter->value_name != NULL ? parameter->value_name : "VALUE");
        return hint != NULL ? problems_add(parser->problems, err, true, parameter->name, hint,
                                           "%s needs a value", element)
                            : -1;
    }
    return take(parser, parameter, argv[++*at], err);
}

/* A word behind a command that takes none; for those that deploy it looks like a service's name. */
static int unexpected_word(struct parser *parser, const char *word, struct error **err) {
    const struct invocation *out = parser->out;
    parser->problems->skip_missing = true;
    bool named = out->command_given && (out->command & COMMANDS_MODEL) != 0 &&
                 word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0' &&
                 word[0] != '-' && command_find(word) == NULL;
    cleanup_free char *hint =
        named ? text_format(err, "the service's name is INFERENCE_SERVICE_NAME=%s", word)
              : suggest_command(word, err);
    if (hint == NULL)
        return -1;
    parser->out->command_unknown = !out->command_given;
    if (!out->command_given)
        return problems_add(parser->problems, err, true, word, hint, "\"%s\" is no command", word);
    return problems_add(parser->problems, err, true, word, hint,
                        "the command %s takes no word \"%s\"", command_of(out->command)->name,
                        word);
}

static int take_word(struct parser *parser, const char *word, struct error **err) {
    struct invocation *out = parser->out;
    const struct command *command = command_find(word);
    bool first = !out->command_given && out->operands.count == 0;
    if (first && command != NULL) {
        out->command = command->bit;
        out->command_given = true;
        return 0;
    }
    bool takes_operands = out->command_given && command_of(out->command)->operands != NULL;
    if (takes_operands)
        return strings_add(&out->operands, word, err);
    return unexpected_word(parser, word, err);
}

static int read_arguments(struct parser *parser, int argc, const char *const *argv,
                          struct error **err) {
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        const char *element = argv[i];
        int result = 0;
        if (element[0] == '\0')
            continue;
        if (!options_end && strcmp(element, "--") == 0)
            options_end = true;
        else if (!options_end && element[0] == '-' && element[1] != '\0')
            result = take_option(parser, argc, argv, &i, err);
        else if (strchr(element, '=') != NULL)
            result = take_assignment(parser, element, err);
        else
            result = take_word(parser, element, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

static void read_environment(struct parser *parser, const struct environment *environment) {
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        if (parser->values[i] != NULL || parameter_is_option(parameter))
            continue;
        const char *value = environment_get(environment, parameter->name);
        if (value == NULL && parameter->alias != NULL)
            value = environment_get(environment, parameter->alias);
        parser->values[i] = value;
        parser->out->from_environment[i] = value != NULL;
    }
}

/* ---- raw text to typed fields ---- */

static void *field_of(struct invocation *out, const struct parameter *parameter) {
    char *base = parameter->in_settings ? (char *)&out->settings : (char *)&out->inputs;
    return base + parameter->offset;
}

static int bad_value(struct parser *parser, const struct parameter *parameter, const char *value,
                     const char *rule, const char *hint, struct error **err) {
    bool option = parameter_is_option(parameter);
    return problems_add(parser->problems, err, true, parameter->name, hint, "%s%s is \"%s\": %s",
                        option ? "--" : "", parameter->name, value, rule);
}

static int assign_boolean(struct parser *parser, const struct parameter *parameter,
                          const char *value, struct error **err) {
    bool *field = field_of(parser->out, parameter);
    *field = strcmp(value, "true") == 0;
    if (*field || strcmp(value, "false") == 0)
        return 0;
    const char *hint = text_equal_ignoring_case(value, "true")    ? "write true in small letters"
                       : text_equal_ignoring_case(value, "false") ? "write false in small letters"
                                                                  : NULL;
    return bad_value(parser, parameter, value, "it must be true or false", hint, err);
}

static int assign_number(struct parser *parser, const struct parameter *parameter,
                         const char *value, struct error **err) {
    int64_t *field = field_of(parser->out, parameter);
    if (parameter->type == PARAMETER_DURATION) {
        int64_t duration = duration_parse(value);
        if (duration >= parameter->least && duration <= parameter->most) {
            *field = duration;
            return 0;
        }
        char least[DURATION_SIZE];
        char most[DURATION_SIZE];
        cleanup_free char *rule = text_format(err, "it must be a duration from %s to %s",
                                              duration_format(least, parameter->least),
                                              duration_format(most, parameter->most));
        return rule != NULL
                   ? bad_value(parser, parameter, value, rule, "for example 90s, 25m or 1h30m", err)
                   : -1;
    }
    if (text_to_integer(value, parameter->least, parameter->most, field))
        return 0;
    cleanup_free char *rule = text_format(err, "it must be a whole number from %lld to %lld",
                                          (long long)parameter->least, (long long)parameter->most);
    return rule != NULL ? bad_value(parser, parameter, value, rule, NULL, err) : -1;
}

/* A secret from a file often ends with a line break, as in an environment filled from a Secret. */
static size_t length_of(const struct parameter *parameter, const char *value) {
    size_t length = strlen(value);
    while (parameter->type == PARAMETER_SECRET && length > 0 &&
           strchr(" \t\r\n", value[length - 1]) != NULL)
        length--;
    return length;
}

static int assign_text(struct parser *parser, const struct parameter *parameter, const char *value,
                       struct error **err) {
    char **field = field_of(parser->out, parameter);
    char *copy = text_copy_bytes(value, length_of(parameter, value), err);
    if (copy == NULL)
        return -1;
    secret_free(*field);
    *field = copy;
    if (text_is_utf8(value, strlen(value)))
        return 0;
    return problems_add(parser->problems, err, true, parameter->name, "save the text as UTF-8",
                        "%s is not valid UTF-8 text", parameter->name);
}

static int assign_choice(struct parser *parser, const struct parameter *parameter,
                         const char *value, struct error **err) {
    size_t count = 0;
    for (; parameter->choices[count] != NULL; count++) {
        if (strcmp(parameter->choices[count], value) != 0)
            continue;
        if (!parameter->index)
            return assign_text(parser, parameter, value, err);
        *(int *)field_of(parser->out, parameter) = (int)count;
        return 0;
    }
    struct strings shown = {.items = NULL};
    for (size_t i = 0; i < count; i++)
        if (parameter->choices[i][0] != '\0' && strings_add(&shown, parameter->choices[i], err) < 0)
            break;
    cleanup_free char *list = strings_join(&shown, ", ", err);
    strings_free(&shown);
    cleanup_free char *rule = list != NULL ? text_format(err, "it must be one of %s", list) : NULL;
    if (rule == NULL)
        return -1;
    const char *nearest = text_nearest(value, parameter->choices, count);
    cleanup_free char *hint =
        !text_is_empty(nearest) ? text_format(err, "did you mean %s?", nearest) : NULL;
    return bad_value(parser, parameter, value, rule, hint, err);
}

static int assign(struct parser *parser, const struct parameter *parameter, const char *value,
                  struct error **err) {
    switch (parameter->type) {
    case PARAMETER_FLAG:
    case PARAMETER_BOOLEAN:
        return assign_boolean(parser, parameter, value, err);
    case PARAMETER_INTEGER:
    case PARAMETER_DURATION:
        return assign_number(parser, parameter, value, err);
    case PARAMETER_CHOICE:
        return assign_choice(parser, parameter, value, err);
    case PARAMETER_TEXT:
    case PARAMETER_SECRET:
        return assign_text(parser, parameter, value, err);
    }
    return 0;
}

static bool is_text(const struct parameter *parameter) {
    return parameter->type == PARAMETER_TEXT || parameter->type == PARAMETER_SECRET;
}

static int foreign_option(struct parser *parser, const struct parameter *parameter,
                          struct error **err) {
    cleanup_free char *owners = commands_list(parameter->commands, err);
    cleanup_free char *hint = owners != NULL ? text_format(err, "it belongs to %s", owners) : NULL;
    if (hint == NULL)
        return -1;
    return problems_add(parser->problems, err, true, parameter->name, hint,
                        "--%s does not belong to the command %s", parameter->name,
                        command_of(parser->out->command)->name);
}

static int assign_all(struct parser *parser, struct error **err) {
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        const char *value = parser->values[i];
        parser->out->given[i] = value != NULL;
        /* "" is a value for text ("none"), and "not set" for everything else */
        bool defaulted = value == NULL || (value[0] == '\0' && !is_text(parameter));
        if (defaulted)
            value = parameter->default_value;
        if (value == NULL)
            continue;
        bool foreign = parser->values[i] != NULL && !parser->out->from_environment[i] &&
                       (parameter->commands & parser->out->command) == 0;
        if (foreign && parameter_is_option(parameter) && foreign_option(parser, parameter, err) < 0)
            return -1;
        if (assign(parser, parameter, value, err) < 0)
            return -1;
    }
    return 0;
}

int arguments_parse(struct invocation *out, int argc, const char *const *argv,
                    const struct environment *environment, struct error **err) {
    struct parser parser = {.out = out, .problems = &out->problems};
    out->command = COMMAND_DEPLOY;
    if (inputs_init(&out->inputs, err) < 0 || settings_init(&out->settings, err) < 0)
        return -1;
    if (read_arguments(&parser, argc, argv, err) < 0)
        return -1;
    read_environment(&parser, environment);
    return assign_all(&parser, err);
}

bool invocation_has_from_environment(const struct invocation *invocation, const char *parameter) {
    for (size_t i = 0; i < parameters_count; i++)
        if (text_equal(parameters[i].name, parameter))
            return invocation->from_environment[i];
    return false;
}

void invocation_free(struct invocation *invocation) {
    strings_free(&invocation->operands);
    problems_free(&invocation->problems);
    inputs_free(&invocation->inputs);
    settings_free(&invocation->settings);
}
