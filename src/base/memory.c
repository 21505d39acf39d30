#include "base/memory.h"

#include <string.h>

void memory_wipe(void *data, size_t length) {
    if (data != NULL && length > 0)
        explicit_bzero(data, length);
}

void secret_free(char *secret) {
    if (secret == NULL)
        return;
    memory_wipe(secret, strlen(secret));
    free(secret);
}
