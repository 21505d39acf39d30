#include "redact.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_TEXT = 256 * 1024, SHORTEST_TOKEN = 8 };

#define REDACTED "[redacted]"

static bool is_token_character(char character) {
    return isalnum((unsigned char)character) || strchr("-_./+=~", character) != NULL;
}

static size_t token_length(const char *text) {
    size_t length = 0;
    while (text[length] != '\0' && is_token_character(text[length]))
        length++;
    return length;
}

/* What follows a name goes up to what separates values in logs, URLs and JSON. */
static size_t value_length(const char *text) {
    return strcspn(text, " \t\r\n\"'`&,;<>()[]{}");
}

/* Tokens that tell themselves by their prefix. The length of the token at TEXT, or 0. */
static size_t known_token(const char *text) {
    static const char *const prefixes[] = {"hf_",  "glpat-", "glptt-",      "ghp_", "gho_",
                                           "ghs_", "sk-",    "github_pat_", "AKIA", "eyJhbGci"};
    for (size_t i = 0; i < array_length(prefixes); i++) {
        size_t length = token_length(text);
        if (text_has_prefix(text, prefixes[i]) && length >= strlen(prefixes[i]) + SHORTEST_TOKEN)
            return length;
    }
    return 0;
}

/* Unlike a word of a sentence: "token: 401 Unauthorized" tells no secret. */
static bool looks_random(const char *text) {
    size_t length = token_length(text);
    bool odd = length >= 20;
    for (size_t i = 0; i < length && length >= 6; i++)
        odd = odd || isdigit((unsigned char)text[i]) || (i > 0 && isupper((unsigned char)text[i]));
    return odd;
}

/* "password=", "token: ", "Authorization: Bearer ": the length up to the value, or 0. */
static size_t secret_name(const char *text) {
    static const struct {
        const char *name;
        bool word; /* stands in sentences too */
    } names[] = {{"password", false},    {"passwd", false},     {"api_key", false},
                 {"apikey", false},      {"access_key", false}, {"secret_key", false},
                 {"private_key", false}, {"secret", true},      {"token", true},
                 {"authorization", true}};
    if (strncasecmp(text, "bearer ", 7) == 0)
        return looks_random(text + 7) ? 7 : 0;
    for (size_t i = 0; i < array_length(names); i++) {
        size_t length = strlen(names[i].name);
        if (strncasecmp(text, names[i].name, length) != 0)
            continue;
        size_t at = length + strspn(text + length, "\"'");
        if (text[at] != '=' && text[at] != ':')
            continue;
        at++;
        bool sentence = names[i].word && text[at] == ' ';
        at += strspn(text + at, " \"'");
        if (strncasecmp(text + at, "bearer ", 7) == 0 || strncasecmp(text + at, "basic ", 6) == 0 ||
            strncasecmp(text + at, "token ", 6) == 0)
            return at + strcspn(text + at, " ") + 1;
        return sentence && !looks_random(text + at) ? 0 : at;
    }
    return 0;
}

/* "//user:password@": the length of what stands between // and @, or 0. */
static size_t url_login(const char *text) {
    if (!text_has_prefix(text, "//"))
        return 0;
    size_t length = strcspn(text + 2, "@/ \t\r\n\"'");
    return length > 0 && text[2 + length] == '@' ? length : 0;
}

char *redact_text(const char *text, struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_TEXT);
    size_t most = text_utf8_prefix(text, LONGEST_TEXT / 2);
    bool word_start = true;
    for (const char *at = text; at < text + most && *at != '\0';) {
        size_t token = word_start ? known_token(at) : 0;
        size_t name = word_start ? secret_name(at) : 0;
        size_t value = name > 0 ? value_length(at + name) : 0;
        size_t login = url_login(at);
        if (token > 0) {
            buffer_append_text(&out, REDACTED);
            at += token;
        } else if (value > 0) {
            buffer_append(&out, at, name);
            buffer_append_text(&out, REDACTED);
            at += name + value;
        } else if (login > 0) {
            buffer_append_text(&out, "//" REDACTED);
            at += 2 + login;
        } else {
            word_start = !isalnum((unsigned char)*at);
            buffer_append_character(&out, *at++);
        }
    }
    return buffer_steal(&out, "a redacted text", err);
}

static json_t *redacted(const json_t *value, struct error **err);

static json_t *redacted_object(const json_t *value, struct error **err) {
    cleanup_json json_t *object = json_object();
    const char *key = NULL;
    json_t *item = NULL;
    json_t *source = json_deep_copy(value);
    if (object == NULL || source == NULL) {
        json_decref(source);
        error_no_memory(err);
        return NULL;
    }
    int result = 0;
    json_object_foreach(source, key, item) {
        if (result == 0)
            result = json_set_take(object, key, redacted(item, err), err);
    }
    json_decref(source);
    return result == 0 ? steal_pointer(object) : NULL;
}

static json_t *redacted_array(const json_t *value, struct error **err) {
    cleanup_json json_t *array = json_array();
    size_t index = 0;
    const json_t *item = NULL;
    if (array == NULL)
        return NULL;
    json_array_foreach(value, index, item) {
        if (json_array_append_new(array, redacted(item, err)) < 0)
            return NULL;
    }
    return steal_pointer(array);
}

static json_t *redacted(const json_t *value, struct error **err) {
    if (json_is_object(value))
        return redacted_object(value, err);
    if (json_is_array(value))
        return redacted_array(value, err);
    if (!json_is_string(value))
        return json_deep_copy(value);
    cleanup_free char *text = redact_text(json_string_value(value), err);
    return text != NULL ? json_string(text) : NULL;
}

int redact_json(json_t **out, const json_t *value, struct error **err) {
    json_t *copy = redacted(value, err);
    if (copy == NULL)
        return error_no_memory(err);
    *out = copy;
    return 0;
}
