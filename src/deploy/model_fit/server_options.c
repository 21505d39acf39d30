#include "deploy/server_options.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/runtime.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_COMMAND = 256 * 1024, LONGEST_VALUE = 64 };

struct source {
    const char *text; /* command and args, a line each */
    const json_t *env;
    const struct inputs *inputs;
};

enum found { ABSENT, UNCLEAR, FOUND };

/* ---- the environment ---- */

static const char *variable(const struct source *source, const char *name) {
    const struct inputs *inputs = source->inputs;
    for (size_t i = inputs->env_names.count; i-- > 0;)
        if (strcmp(inputs->env_names.items[i], name) == 0)
            return inputs->env_values.items[i];
    size_t i;
    json_t *entry;
    json_array_foreach(source->env, i, entry) {
        if (text_equal(json_text_at(entry, "name", NULL), name))
            return json_text_at(entry, "value", NULL);
    }
    return NULL;
}

/* "$NAME", "${NAME}", "${NAME:-default}", "$(NAME)" -> its value, or the default. NAME goes to
 * NAME_OUT. */
static const char *expand(const struct source *source, char *value, char *name_out) {
    name_out[0] = '\0';
    if (value[0] != '$')
        return value;
    char *name = value + 1 + (value[1] == '{' || value[1] == '(');
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    const char *fallback = NULL;
    if (strncmp(name + length, ":-", 2) == 0) {
        fallback = name + length + 2;
        name[length + 2 + strcspn(fallback, "}")] = '\0';
    }
    name[length] = '\0';
    memcpy(name_out, name, length + 1);
    const char *found = variable(source, name);
    return !text_is_empty(found) ? found : fallback;
}

/* ---- options ---- */

static bool same_option(const char *at, const char *name, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((at[i] == '_' ? '-' : at[i]) != name[i])
            return false;
    return true;
}

/* The text behind the last "--NAME" (underscores are dashes there), or NULL. */
static const char *behind_option(const char *text, const char *name) {
    size_t length = strlen(name);
    const char *last = NULL;
    for (const char *at = strstr(text, "--"); at != NULL; at = strstr(at + 2, "--")) {
        if (strlen(at + 2) < length || !same_option(at + 2, name, length))
            continue;
        char next = at[2 + length];
        if (next == '\0' || next == '=' || isspace((unsigned char)next) || next == '"' ||
            next == '\'')
            last = at + 2 + length;
    }
    return last;
}

static enum found option(const struct source *source, const char *name, char out[LONGEST_VALUE],
                         char variable_name[LONGEST_VALUE]) {
    variable_name[0] = '\0';
    const char *at = behind_option(source->text, name);
    if (at == NULL)
        return ABSENT;
    at += strspn(at, "= \t\r\n\\\"'");
    size_t length = strcspn(at, " \t\r\n\\\"';");
    char value[LONGEST_VALUE];
    if (length == 0 || length >= sizeof(value))
        return UNCLEAR;
    memcpy(value, at, length);
    value[length] = '\0';
    const char *expanded = expand(source, value, variable_name);
    if (text_is_empty(expanded) || strlen(expanded) >= LONGEST_VALUE)
        return UNCLEAR;
    memmove(out, expanded, strlen(expanded) + 1);
    return FOUND;
}

/* vLLM: 32768, also "32k" (thousands) and "32K" (of 1024). */
static bool read_length(int64_t *out, const char *text) {
    char digits[LONGEST_VALUE];
    size_t length = strlen(text);
    int64_t unit = 1;
    if (length > 1 && length < sizeof(digits) && strchr("kKmM", text[length - 1]) != NULL) {
        static const struct {
            char letter;
            int64_t unit;
        } units[] = {{'k', 1000}, {'K', 1024}, {'m', 1000000}, {'M', 1048576}};
        for (size_t i = 0; i < array_length(units); i++)
            if (units[i].letter == text[length - 1])
                unit = units[i].unit;
        memcpy(digits, text, length - 1);
        digits[length - 1] = '\0';
        text = digits;
    }
    int64_t value = 0;
    if (!text_to_integer(text, 1, (int64_t)1 << 40, &value))
        return false;
    *out = value * unit;
    return true;
}

/* "0.95": digits and one point, whatever the locale. */
static double read_fraction(const char *text) {
    double value = 0;
    double weight = 1;
    bool point = false;
    if (text[0] == '\0' || text[strspn(text, "0123456789.")] != '\0')
        return 0;
    for (; *text != '\0'; text++) {
        if (*text == '.') {
            if (point)
                return 0;
            point = true;
            continue;
        }
        weight = point ? weight / 10 : weight;
        value = point ? value + weight * (*text - '0') : value * 10 + (*text - '0');
    }
    return value > 0 && value <= 1 ? value : 0;
}

static void read_parallel(struct server_options *out, const struct source *source) {
    char value[LONGEST_VALUE];
    char name[LONGEST_VALUE];
    enum found parallel = option(source, "tensor-parallel-size", value, name);
    if (parallel == ABSENT)
        out->parallel_unclear = source->text[0] == '\0' || strstr(source->text, " -tp ") != NULL ||
                                strcasestr(source->text, "tensor-parallel") != NULL ||
                                strcasestr(source->text, "tensor_parallel") != NULL;
    else
        out->parallel_unclear =
            parallel == UNCLEAR || !text_to_integer(value, 1, 1024, &out->parallel);
}

static void read_length_option(struct server_options *out, const struct source *source) {
    char value[LONGEST_VALUE];
    enum found length = option(source, "max-model-len", value, out->length_variable);
    if (length != ABSENT)
        out->length_unclear = length == UNCLEAR || !read_length(&out->longest, value);
}

static void read_options(struct server_options *out, const struct source *source) {
    char value[LONGEST_VALUE];
    char name[LONGEST_VALUE];
    if (option(source, "gpu-memory-utilization", value, name) == FOUND)
        out->utilization = read_fraction(value);
    read_length_option(out, source);
    read_parallel(out, source);
    if (option(source, "kv-cache-dtype", value, name) == FOUND)
        out->cache_bytes = text_has_prefix(value, "fp8") || text_has_prefix(value, "int8") ? 1 : 0;
    if (option(source, "dtype", value, name) == FOUND &&
        (text_equal(value, "float32") || text_equal(value, "float")))
        out->unusual = "--dtype float32";
    out->quantizes =
        behind_option(source->text, "quantization") != NULL || strstr(source->text, " -q ") != NULL;

    static const char *const unusual[] = {"--cpu-offload-gb",
                                          "--pipeline-parallel-size",
                                          "--load-format",
                                          "--kv-cache-memory-bytes",
                                          "--kv-cache-memory",
                                          "--data-parallel-size",
                                          "--num-gpu-blocks-override",
                                          "--hf-overrides"};
    for (size_t i = 0; i < array_length(unusual); i++)
        if (out->unusual == NULL && behind_option(source->text, unusual[i] + 2) != NULL)
            out->unusual = unusual[i];
}

/* ---- the runtime ---- */

/* The lines that are no comments of a shell. */
static void append_script(struct buffer *out, const char *text) {
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (text[strspn(text, " \t")] != '#') {
            buffer_append(out, text, length);
            buffer_append_character(out, '\n');
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

static void append_words(struct buffer *out, const json_t *words) {
    size_t i;
    json_t *word;
    json_array_foreach(words, i, word) {
        if (json_is_string(word))
            append_script(out, json_string_value(word));
    }
}

static bool names_vllm(const json_t *runtime, const json_t *container, const char *text) {
    const char *class_ =
        json_text_at(runtime, "metadata", "labels", "cpaas.io/runtime-class", NULL);
    const char *image = json_text_at(container, "image", NULL);
    return (class_ != NULL && strcasestr(class_, "vllm") != NULL) ||
           (image != NULL && strcasestr(image, "vllm") != NULL) || strcasestr(text, "vllm") != NULL;
}

int server_options_read(struct server_options *out, const json_t *runtime,
                        const struct inputs *inputs, struct error **err) {
    *out = (struct server_options){0};
    const json_t *container = runtime != NULL ? runtime_container(runtime) : NULL;
    if (container == NULL)
        return 0;
    cleanup_buffer struct buffer text = BUFFER_INIT(LONGEST_COMMAND);
    append_words(&text, json_object_get(container, "command"));
    append_words(&text, json_object_get(container, "args"));
    if (text.no_memory)
        return error_no_memory(err);
    out->is_vllm = names_vllm(runtime, container, buffer_text(&text));
    const struct source source = {
        .text = buffer_text(&text), .env = json_object_get(container, "env"), .inputs = inputs};
    read_options(out, &source);
    if (json_at(runtime, "spec", "workerSpec", NULL) != NULL)
        out->unusual = "workerSpec (several nodes)";
    return 0;
}
