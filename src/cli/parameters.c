#include "cli/parameters.h"

#include <ctype.h>
#include <string.h>

const char *const parameter_group_titles[GROUP_COUNT] = {
    [GROUP_SERVICE] = "Service",
    [GROUP_MODEL] = "Model",
    [GROUP_RUNTIME] = "Runtime",
    [GROUP_STORAGE] = "Storage",
    [GROUP_REPLICAS] = "Replicas",
    [GROUP_RESOURCES] = "Resources",
    [GROUP_ROLLOUT] = "Rollout",
    [GROUP_GITLAB] = "GitLab",
    [GROUP_CONNECTION] = "Connection",
    [GROUP_OUTPUT] = "Output",
    [GROUP_COMMAND] = "Options of this command",
};

bool parameter_is_option(const struct parameter *parameter) {
    return parameter->in_settings;
}

static bool same_name(const char *left, const char *right) {
    if (right == NULL)
        return false;
    for (; *left != '\0' && *right != '\0'; left++, right++) {
        int a = *left == '-' ? '_' : toupper((unsigned char)*left);
        int b = *right == '-' ? '_' : toupper((unsigned char)*right);
        if (a != b)
            return false;
    }
    return *left == *right;
}

const struct parameter *parameter_find(const char *name) {
    for (size_t i = 0; i < parameters_count; i++)
        if (same_name(name, parameters[i].name) || same_name(name, parameters[i].alias))
            return &parameters[i];
    return NULL;
}

const struct parameter *parameter_find_letter(char letter) {
    for (size_t i = 0; i < parameters_count; i++)
        if (letter != '\0' && parameters[i].letter == letter)
            return &parameters[i];
    return NULL;
}

const char *parameter_option_name(const struct parameter *parameter, char out[64]) {
    size_t length = 0;
    for (const char *at = parameter->name; *at != '\0' && length < 63; at++)
        out[length++] = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
    out[length] = '\0';
    return out;
}
