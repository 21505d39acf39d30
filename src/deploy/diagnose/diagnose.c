#include "deploy/diagnose.h"

#include "base/buffer.h"
#include "base/text.h"
#include "redact.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_VALUE = 400, LONGEST_SENTENCE = 4096 };

void diagnosis_free(struct diagnosis *diagnosis) {
    free(diagnosis->cause);
    free(diagnosis->hint);
    free(diagnosis->own_reason);
    *diagnosis = (struct diagnosis){.reason = NULL};
}

/* strcasestr, for text that may be NULL. */
static bool holds(const char *text, const char *pattern) {
    return text != NULL && strcasestr(text, pattern) != NULL;
}

static bool matches(const struct diagnosis_rule *rule, const char *text) {
    for (size_t i = 0; i < array_length(rule->all) && rule->all[i] != NULL; i++)
        if (!holds(text, rule->all[i]))
            return false;
    bool found = rule->any[0] == NULL;
    for (size_t i = 0; i < array_length(rule->any) && rule->any[i] != NULL && !found; i++)
        found = holds(text, rule->any[i]);
    return found && (rule->none == NULL || !holds(text, rule->none));
}

const char *diagnose_place(const struct diagnosis_rule *rule, const char *text) {
    const char *place = NULL;
    for (size_t i = 0; i < array_length(rule->any) && rule->any[i] != NULL && place == NULL; i++)
        place = strcasestr(text, rule->any[i]);
    if (place == NULL && rule->all[0] != NULL)
        place = strcasestr(text, rule->all[0]);
    return place;
}

const struct diagnosis_rule *diagnose_match(const struct diagnosis_rule *rules, size_t count,
                                            const char *text) {
    for (size_t i = 0; i < count; i++)
        if (matches(&rules[i], text))
            return &rules[i];
    return NULL;
}

static const char *value_of(const struct diagnosis_value *values, size_t count, const char *name,
                            size_t length) {
    for (size_t i = 0; i < count; i++)
        if (strlen(values[i].name) == length && strncmp(values[i].name, name, length) == 0 &&
            !text_is_empty(values[i].value))
            return values[i].value;
    return NULL;
}

/* Rows of a server's table become a phrase: no runs of blanks, no bars around it. */
static void squeeze(char *text) {
    char *to = text;
    for (const char *from = text + (text[0] == '|' ? strspn(text, " |") : 0); *from != '\0'; from++)
        if (*from != ' ' || to == text || to[-1] != ' ')
            *to++ = *from;
    *to = '\0';
}

/* NEXT is what the template goes on with. */
static int append_value(struct buffer *out, const char *value, char next, struct error **err) {
    cleanup_free char *clean = redact_text(value, err);
    if (clean == NULL)
        return -1;
    text_make_printable(clean);
    squeeze(clean);
    size_t length = strlen(clean);
    while (length > 0 && (strchr(" ,;:|", clean[length - 1]) != NULL ||
                          (clean[length - 1] == '.' && next == '.')))
        clean[--length] = '\0';
    buffer_append(out, clean, text_utf8_prefix(clean, LONGEST_VALUE));
    if (length > LONGEST_VALUE)
        buffer_append_text(out, "…");
    return 0;
}

char *diagnose_expand(const char *template_, const struct diagnosis_value *values, size_t count,
                      struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_SENTENCE);
    for (const char *at = template_ != NULL ? template_ : ""; *at != '\0';) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (end == NULL) {
            buffer_append_character(&out, *at++);
            continue;
        }
        const char *bar = memchr(at, '|', (size_t)(end - at));
        const char *stop = bar != NULL ? bar : end;
        const char *value = value_of(values, count, at + 1, (size_t)(stop - at - 1));
        if (value != NULL && append_value(&out, value, end[1], err) < 0)
            return NULL;
        if (value == NULL && bar != NULL)
            buffer_append(&out, bar + 1, (size_t)(end - bar - 1));
        at = end + 1;
    }
    return buffer_steal(&out, "a diagnosis", err);
}

int diagnose_fill(struct diagnosis *out, const struct diagnosis_rule *rule,
                  const struct diagnosis_value *values, size_t count, struct error **err) {
    struct diagnosis diagnosis = {.weight = rule->weight, .reason = rule->reason};
    diagnosis.cause = diagnose_expand(rule->cause, values, count, err);
    diagnosis.hint =
        diagnosis.cause != NULL ? diagnose_expand(rule->hint, values, count, err) : NULL;
    if (diagnosis.hint == NULL) {
        diagnosis_free(&diagnosis);
        return -1;
    }
    *out = diagnosis;
    return 0;
}
