/* YAML to JSON on any bytes; what was read is written as YAML and must come back the same. */

#include "base/json.h"
#include "base/yaml.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_json json_t *value = NULL;
    cleanup_error struct error *error = NULL;
    if (yaml_to_json(&value, (const char *)data, size, "input", ERROR_PARAMETER, &error) < 0)
        return 0;
    cleanup_free char *text = yaml_from_json(value, &error);
    cleanup_json json_t *back = NULL;
    if (text == NULL)
        __builtin_trap();
    /* a long key or an indented list takes more bytes than it had: the size limit may be met */
    if (strlen(text) > 4 * 1024 * 1024)
        return 0;
    if (yaml_to_json(&back, text, strlen(text), "output", ERROR_INTERNAL, &error) < 0)
        __builtin_trap();
    if (!json_equal(value, back))
        __builtin_trap();
    return 0;
}
