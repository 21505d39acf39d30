/* The beginning of a GGUF file in any bytes: no length in it is believed. */

#include "model/gguf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct architecture architecture = {.layers = -7};
    bool read = gguf_read(&architecture, (const char *)data, size);
    if (read != (architecture.layers != -7) ||
        (read && architecture_token_bytes(&architecture, 1, 2) <= 0))
        __builtin_trap();
    return 0;
}
