#include "base/environment.h"

#include <string.h>

const char *environment_get(const struct environment *environment, const char *name) {
    if (environment == NULL || environment->variables == NULL)
        return NULL;
    size_t length = strlen(name);
    for (const char *const *at = environment->variables; *at != NULL; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    return NULL;
}
