#include "deploy/names.h"

#include "base/text.h"

#include <string.h>

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* LENGTH characters of [a-z0-9-] that begin and end with [a-z0-9]. */
static bool is_label(const char *text, size_t length) {
    if (length == 0 || length > NAME_DNS_LABEL_MOST || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower(text[i]) && !is_digit(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool name_is_dns_label(const char *name) {
    return is_label(name, strlen(name));
}

bool name_is_dns_1035_label(const char *name) {
    return is_lower(name[0]) && is_label(name, strlen(name));
}

static bool is_subdomain(const char *text, size_t length) {
    if (length == 0 || length > NAME_DNS_SUBDOMAIN_MOST)
        return false;
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] != '.')
            continue;
        /* only the whole is bounded, not each label */
        size_t size = i - start;
        if (size == 0 || text[start] == '-' || text[i - 1] == '-')
            return false;
        for (size_t j = start; j < i; j++)
            if (!is_lower(text[j]) && !is_digit(text[j]) && text[j] != '-')
                return false;
        start = i + 1;
    }
    return true;
}

bool name_is_dns_subdomain(const char *name) {
    return is_subdomain(name, strlen(name));
}

bool label_value_is_legal(const char *value) {
    size_t length = strlen(value);
    if (length == 0)
        return true;
    if (length > NAME_LABEL_VALUE_MOST || !is_alphanumeric(value[0]) ||
        !is_alphanumeric(value[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(value[i]) && strchr("-_.", value[i]) == NULL)
            return false;
    return true;
}

bool name_is_qualified(const char *name) {
    const char *slash = strchr(name, '/');
    if (slash != NULL && !is_subdomain(name, (size_t)(slash - name)))
        return false;
    const char *rest = slash != NULL ? slash + 1 : name;
    return rest[0] != '\0' && label_value_is_legal(rest);
}

bool name_is_environment_variable(const char *name) {
    if (name[0] == '\0' || is_digit(name[0]))
        return false;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (const char *at = name; *at != '\0'; at++)
        if (!is_alphanumeric(*at) && strchr("-_.", *at) == NULL)
            return false;
    return true;
}

char *label_value_from(const char *text, struct error **err) {
    char *value = text_copy(text, err);
    if (value == NULL)
        return NULL;
    size_t length = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool legal = is_alphanumeric(*at) || strchr("-_.", *at) != NULL;
        bool continues_utf8 = ((unsigned char)*at & 0xc0) == 0x80;
        if (continues_utf8)
            continue; /* one '-' for a character, not for each of its bytes */
        value[length++] = legal ? *at : *at == '/' ? '.' : '-';
    }
    size_t start = 0;
    while (start < length && !is_alphanumeric(value[start]))
        start++;
    size_t end = length - start > NAME_LABEL_VALUE_MOST ? start + NAME_LABEL_VALUE_MOST : length;
    while (end > start && !is_alphanumeric(value[end - 1]))
        end--;
    memmove(value, value + start, end - start);
    value[end - start] = '\0';
    return value;
}
