#include "inputs_check.h"

#include "base/text.h"
#include "deploy/names.h"

#include <string.h>

static int take_variable(struct inputs *inputs, const char *name, const char *value,
                         struct problems *problems, struct error **err) {
    if (!name_is_environment_variable(name))
        return problems_add(
            problems, err, true, "ENV",
            "a name has letters, digits, '_', '-' and '.', and begins with no digit",
            "ENV has \"%.100s\", which is no name of an environment variable", name);
    if (strings_contain(&inputs->env_names, name))
        return problems_add(problems, err, true, "ENV", NULL, "ENV has %s twice", name);
    if (strcmp(name, "PYTHONPATH") == 0 &&
        problems_add(problems, err, false, "ENV", NULL,
                     "ENV has PYTHONPATH: KServe 0.18 and later refuse it") < 0)
        return -1;
    if (strings_add(&inputs->env_names, name, err) < 0)
        return -1;
    return strings_add(&inputs->env_values, value, err);
}

/* LINE loses its leading blanks and the carriage return at its end; the value keeps all else. */
static int take_line(struct inputs *inputs, char *line, size_t number, struct problems *problems,
                     struct error **err) {
    line += strspn(line, " \t");
    size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '\r')
        line[length - 1] = '\0';
    if (line[0] == '\0')
        return 0;
    char *equals = strchr(line, '=');
    /* the text is not shown: it may be (a part of) a secret */
    if (equals == NULL)
        return problems_add(problems, err, true, "ENV", "for example ENV=VLLM_LOGGING_LEVEL=DEBUG",
                            "ENV, line %zu: NAME=value is expected, one a line", number);
    *equals = '\0';
    return take_variable(inputs, line, equals + 1, problems, err);
}

int inputs_check_env(struct inputs *inputs, struct problems *problems, struct error **err) {
    strings_free(&inputs->env_names);
    strings_free(&inputs->env_values);
    size_t number = 1;
    for (const char *at = inputs->env; *at != '\0'; number++) {
        size_t length = strcspn(at, "\n");
        cleanup_free char *line = text_copy_bytes(at, length, err);
        if (line == NULL || take_line(inputs, line, number, problems, err) < 0)
            return -1;
        at += length + (at[length] == '\n');
    }
    return 0;
}
