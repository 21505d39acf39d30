#include "cli/suggest.h"

#include "base/strings.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/parameters.h"

#include <ctype.h>
#include <string.h>

enum { MOST_NAMES = 128, MOST_SHOWN = 3, LEAST_PART = 3 };

struct synonym {
    const char *word;
    const char *meant;
};

/* Words of helm, kubectl, terraform, kn, tkn and glab. */
static const struct synonym commands_elsewhere[] = {
    {"template", "render"}, {"manifest", "render"}, {"plan", "diff"},
    {"apply", "deploy"},    {"install", "deploy"},  {"upgrade", "deploy"},
    {"create", "deploy"},   {"update", "deploy"},   {"run", "deploy"},
    {"check", "preflight"}, {"lint", "preflight"},  {"validate", "preflight"},
    {"status", "wait"},     {"watch", "wait"},      {"rollout", "wait"},
    {"auth", "rbac"},
};
static const struct synonym options_elsewhere[] = {
    {"dry-run", "the command render prints what would be applied, diff asks the server"},
    {"diff", "diff is a command"},
    {"wait", "deploy always waits; `wait` is a command, too"},
    {"verbose", "--log-level debug tells more"},
    {"debug", "--log-level debug tells more"},
    {"v", "--log-level debug tells more, --version shows the version"},
    {"quiet", "--log-level warning tells less"},
    {"q", "--log-level warning tells less"},
    {"no-color", "--color never, or NO_COLOR=1 in the environment"},
    {"format", "-o FORMAT is the format of standard output"},
    {"f", "parameters are NAME=VALUE; a runtime from a file is --runtime-file with render"},
    {"set", "parameters are NAME=VALUE"},
    {"values", "parameters are NAME=VALUE"},
    {"token", "the environment variable GITLAB_TOKEN, or GITLAB_TOKEN_FILE"},
};

static const char *elsewhere(const struct synonym *synonyms, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++)
        if (text_equal_ignoring_case(synonyms[i].word, word))
            return synonyms[i].meant;
    return NULL;
}

/* True when NAME has PART in it, whatever the case, '-' being '_'. */
static bool has_part(const char *name, const char *part) {
    size_t length = strlen(part);
    for (; *name != '\0'; name++) {
        size_t i = 0;
        while (i < length && name[i] != '\0' &&
               toupper((unsigned char)(name[i] == '-' ? '_' : name[i])) ==
                   toupper((unsigned char)(part[i] == '-' ? '_' : part[i])))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

static char *spelled(const struct parameter *parameter, bool as_option, struct error **err) {
    char option[64];
    parameter_option_name(parameter, option);
    return as_option ? text_format(err, "--%s", option) : text_copy(parameter->name, err);
}

/* "did you mean A, B or C?" of the parameters that have PART in their names; NULL without any. */
static char *containing(const char *part, bool as_option, struct error **err) {
    cleanup_free char *list = NULL;
    size_t found = 0;
    for (size_t i = 0; i < parameters_count && found < MOST_SHOWN; i++) {
        if (!as_option && parameter_is_option(&parameters[i]))
            continue;
        if (strlen(part) < LEAST_PART || !has_part(parameters[i].name, part))
            continue;
        cleanup_free char *name = spelled(&parameters[i], as_option, err);
        char *longer = name == NULL   ? NULL
                       : list == NULL ? text_copy(name, err)
                                      : text_format(err, "%s or %s", list, name);
        if (longer == NULL)
            return NULL;
        free(list);
        list = longer;
        found++;
    }
    return list != NULL ? text_format(err, "did you mean %s?", list) : NULL;
}

static char *like(const char *name, bool as_option, struct error **err) {
    const char *names[MOST_NAMES] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < parameters_count && count < MOST_NAMES; i++)
        if (as_option || !parameter_is_option(&parameters[i]))
            names[count++] = parameters[i].name;
    const char *nearest = text_nearest(name, names, count);
    if (nearest == NULL)
        return containing(name, as_option, err);
    cleanup_free char *shown = spelled(parameter_find(nearest), as_option, err);
    return shown != NULL ? text_format(err, "did you mean %s?", shown) : NULL;
}

static char *or_help(char *hint, const char *what, struct error **err) {
    bool failed = err != NULL && *err != NULL;
    return hint != NULL || failed ? hint : text_format(err, "see --help for all %s", what);
}

char *suggest_parameter(const char *name, struct error **err) {
    const struct parameter *parameter = parameter_find(name);
    if (parameter != NULL && parameter_is_option(parameter)) {
        cleanup_free char *option = spelled(parameter, true, err);
        return option != NULL ? text_format(err, "it is an option: %s", option) : NULL;
    }
    return or_help(like(name, false, err), "parameters", err);
}

char *suggest_option(const char *option, struct error **err) {
    const char *meant = elsewhere(options_elsewhere, array_length(options_elsewhere), option);
    if (meant != NULL)
        return text_copy(meant, err);
    return or_help(like(option, true, err), "options", err);
}

char *suggest_command(const char *word, struct error **err) {
    const char *meant = elsewhere(commands_elsewhere, array_length(commands_elsewhere), word);
    if (meant == NULL || command_find(meant) == NULL)
        meant = text_nearest(word, command_names, command_names_count);
    if (meant != NULL)
        return text_format(err, "did you mean the command %s?", meant);
    return text_copy("parameters are NAME=VALUE, options --name value", err);
}
