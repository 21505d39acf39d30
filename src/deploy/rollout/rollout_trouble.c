#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"
#include "redact.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void trouble_free(struct trouble *trouble) {
    if (trouble == NULL)
        return;
    diagnosis_free(&trouble->diagnosis);
    strings_free(&trouble->evidence);
    strings_free(&trouble->wanted_logs);
    *trouble = (struct trouble){.final = false};
}

/* Among equals the same one must win in whatever order they were seen: the text decides. */
static int compare_texts(const struct trouble *left, const struct trouble *right) {
    int order = strcmp(left->diagnosis.reason, right->diagnosis.reason);
    if (order == 0)
        order = strcmp(left->diagnosis.cause, right->diagnosis.cause);
    if (order == 0 && left->evidence.count > 0 && right->evidence.count > 0)
        order = strcmp(left->evidence.items[0], right->evidence.items[0]);
    return order;
}

static bool is_worse(const struct trouble *left, const struct trouble *right) {
    if (left->final != right->final)
        return left->final;
    if (left->rank != right->rank)
        return left->rank > right->rank;
    if (left->diagnosis.weight != right->diagnosis.weight)
        return left->diagnosis.weight > right->diagnosis.weight;
    return compare_texts(left, right) < 0;
}

void judgement_consider(struct judgement *judgement, struct trouble *trouble) {
    if (trouble->diagnosis.reason == NULL)
        return;
    if (judgement->found && !is_worse(trouble, &judgement->best)) {
        trouble_free(trouble);
        return;
    }
    trouble_free(&judgement->best);
    judgement->best = *trouble;
    judgement->found = true;
    *trouble = (struct trouble){.final = false};
}

bool judgement_due(struct judgement *judgement, int64_t at_ms) {
    if (judgement->now_ms >= at_ms)
        return true;
    if (judgement->again_ms == 0 || at_ms < judgement->again_ms)
        judgement->again_ms = at_ms;
    return false;
}

enum { MOST_VALUES = 24 };

int trouble_diagnose(struct trouble *trouble, const struct rollout *rollout,
                     const struct diagnosis_rule *rules, size_t count, const char *text,
                     const struct diagnosis_value *more, size_t more_count, struct error **err) {
    const struct diagnosis_rule *rule = diagnose_match(rules, count, text);
    if (rule == NULL)
        return error_new(err, ERROR_INTERNAL, "no row of a diagnosis table matches");
    const struct rollout_target *target = &rollout->target;
    struct diagnosis_value values[MOST_VALUES] = {
        {"text", text},
        {"name", target->name},
        {"namespace", target->namespace_},
        {"storage_uri", wanted_storage_uri(rollout)},
        {"runtime", target->runtime},
        {"ephemeral_storage", target->ephemeral_storage_size},
        {"memory_limit", target->memory_limit},
        {"gpu_memory", target->gpu_memory},
        {"pvc", target->pvc_name},
    };
    size_t used = 9;
    for (size_t i = 0; i < more_count && used < MOST_VALUES; i++) {
        bool own_claim = text_equal(more[i].name, "pvc");
        if (own_claim)
            values[8] = more[i];
        else
            values[used++] = more[i];
    }
    diagnosis_free(&trouble->diagnosis);
    return diagnose_fill(&trouble->diagnosis, rule, values, used, err);
}

/* From the first of MARKS that TEXT holds to the end of the sentence; "" when it holds none. */
static const char *behind(const char *text, const char *mark) {
    const char *place = text != NULL ? strstr(text, mark) : NULL;
    return place != NULL ? place + strlen(mark) : "";
}

/* "admission webhook "NAME" denied …", "failed calling webhook "NAME": …" to NAME. */
static char *webhook_of(const char *text, struct error **err) {
    const char *name = behind(text, "webhook \"");
    return text_copy_bytes(name, strcspn(name, "\""), err);
}

int trouble_diagnose_refusal(struct trouble *trouble, const struct rollout *rollout,
                             const struct diagnosis_rule *rules, size_t count, const char *text,
                             struct error **err) {
    cleanup_free char *webhook = webhook_of(text, err);
    if (webhook == NULL)
        return -1;
    const char *denied = behind(text, "denied the request: ");
    const char *forbidden = behind(text, "is forbidden: ");
    const char *violation = behind(text, "violates PodSecurity ");
    const char *quota = behind(text, "exceeded quota: ");
    const struct diagnosis_value values[] = {
        {"webhook", webhook},
        {"refusal", denied[0] != '\0'      ? denied
                    : forbidden[0] != '\0' ? forbidden
                                           : text},
        {"quota", quota[0] != '\0'    ? quota
                  : denied[0] != '\0' ? denied
                                      : forbidden},
        {"violation", behind(violation, ": ")},
        {"invalid", behind(text, "is invalid: ")},
    };
    return trouble_diagnose(trouble, rollout, rules, count, text, values, array_length(values),
                            err);
}

int evidence_add(struct strings *evidence, struct error **err, const char *format, ...) {
    if (evidence->count >= MOST_EVIDENCE)
        return 0;
    cleanup_free char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return error_no_memory(err);
    }
    text[text_utf8_prefix(text, MOST_EVIDENCE_BYTES)] = '\0';
    cleanup_free char *clean = redact_text(text, err);
    if (clean == NULL)
        return -1;
    text_make_printable(clean);
    return strings_contain(evidence, clean) ? 0 : strings_add(evidence, clean, err);
}

int evidence_add_condition(struct strings *evidence, const char *owner, const json_t *condition,
                           struct error **err) {
    if (condition == NULL)
        return 0;
    const char *reason = json_text_at(condition, "reason", NULL);
    const char *message = json_text_at(condition, "message", NULL);
    return evidence_add(evidence, err, "condition %s=%s of the %s%s%s%s%s%s",
                        text_or_empty(json_text_at(condition, "type", NULL)),
                        text_or_empty(json_text_at(condition, "status", NULL)), owner,
                        text_is_empty(reason) ? "" : " (", text_or_empty(reason),
                        text_is_empty(reason) ? "" : ")", text_is_empty(message) ? "" : ": ",
                        text_or_empty(message));
}
