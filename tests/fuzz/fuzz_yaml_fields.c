/* Front matter fields on any bytes; where the whole document can be read too, both must agree. */

#include "base/json.h"
#include "base/yaml.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int kinds_agree(const struct yaml_field *field, const json_t *value) {
    switch (field->kind) {
    case YAML_SCALAR_MISSING:
        return value == NULL;
    case YAML_SCALAR_NULL:
        return json_is_null(value);
    case YAML_SCALAR_SEQUENCE:
        return json_is_array(value);
    case YAML_SCALAR_MAPPING:
        return json_is_object(value);
    case YAML_SCALAR_TEXT:
        return json_is_number(value) || json_is_boolean(value) || json_is_string(value) ||
               json_is_null(value);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct yaml_field fields[] = {{.key = "pipeline_tag"}, {.key = "library_name"}};
    const char *text = (const char *)data;
    cleanup_error struct error *error = NULL;
    cleanup_json json_t *whole = NULL;
    if (yaml_read_fields(fields, 2, text, size, 0, "input", ERROR_MODEL, &error) < 0)
        return 0;
    int readable = yaml_to_json(&whole, text, size, "input", ERROR_MODEL, NULL) == 0;
    for (size_t i = 0; i < 2; i++) {
        if (fields[i].kind == YAML_SCALAR_TEXT && (fields[i].text == NULL || fields[i].line == 0))
            __builtin_trap();
        const json_t *value = json_object_get(whole, fields[i].key);
        /* a key that stands there as an alias is not looked for, a tag may turn text into null */
        int by_alias = memchr(text, '*', size) != NULL && fields[i].kind == YAML_SCALAR_MISSING;
        if (readable && !by_alias && !kinds_agree(&fields[i], value))
            __builtin_trap();
        if (readable && json_is_string(value) && fields[i].kind == YAML_SCALAR_TEXT &&
            strcmp(json_string_value(value), fields[i].text) != 0)
            __builtin_trap();
    }
    yaml_fields_free(fields, 2);
    return 0;
}
