/* A runtime's command line of any bytes: what is read of it stays in its bounds. */

#include "deploy/server_options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        __builtin_trap();
}

/* The same bytes as a script, and cut into words at NUL. */
static json_t *runtime_of(const uint8_t *data, size_t size, bool script) {
    json_t *words = json_array();
    const char *text = (const char *)data;
    while (size > 0) {
        size_t length = script ? size : strnlen(text, size);
        json_t *word = json_stringn(text, length);
        if (word != NULL)
            json_array_append_new(words, word);
        size_t step = length < size ? length + 1 : length;
        text += step;
        size -= step;
    }
    return json_pack("{s:{s:[{s:s, s:s, s:o, s:[{s:s, s:s}]}]}}", "spec", "containers", "name",
                     "kserve-container", "image", "vllm", "args", words, "env", "name", "N",
                     "value", "4096");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct inputs inputs = {0};
    if (size > 64 * 1024 || inputs_init(&inputs, NULL) < 0)
        return 0;
    for (int script = 0; script < 2; script++) {
        json_t *runtime = runtime_of(data, size, script == 1);
        struct server_options options = {0};
        require(server_options_read(&options, runtime, &inputs, NULL) == 0);
        require(options.utilization >= 0 && options.utilization <= 1);
        require(options.longest >= 0 && options.parallel >= 0 && options.parallel <= 1024);
        require(strlen(options.length_variable) < sizeof(options.length_variable));
        require(options.cache_bytes == 0 || options.cache_bytes == 1);
        json_decref(runtime);
    }
    inputs_free(&inputs);
    return 0;
}
