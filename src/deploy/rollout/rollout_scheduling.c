#include "rollout_private.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/*
 * A pod without a node. The scheduler's text counts nodes by reason: "0/5 nodes are available: 2
 * Insufficient nvidia.com/gpu, 3 node(s) had untolerated taint {a: b}. preemption: …"; HAMi's
 * events do so one reason an event: "2 nodes CardInsufficientMemory(node-a,node-b)". Sources:
 * kubernetes pkg/scheduler/framework/types.go FitError; HAMi pkg/scheduler/event.go, score.go.
 */

enum {
    RANK_SCHEDULING = 35,
    RANK_DEADLOCK = 40,
    MOST_TEXTS = 8,
    MOST_PIECES = 12,
    LONGEST_SENTENCE = 2048,
};

/* One reason, and the number of nodes that it keeps the pod from. */
struct piece {
    const struct diagnosis_rule *rule;
    int64_t count; /* 0: not said */
    char detail[160];
};

struct pieces {
    struct piece items[MOST_PIECES];
    size_t count;
    int64_t nodes; /* in all; 0: not said */
};

/* ---- reading the texts ---- */

/* The number at *AT, which moves behind it and the blanks that follow; 0 when there is none. */
static int64_t take_number(const char **at) {
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 6 || (*at)[digits] == '/')
        return 0;
    int64_t number = 0;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + ((*at)[i] - '0');
    *at += digits;
    *at += strspn(*at, " ");
    return number;
}

/* What stands in braces or parentheses, or the resource's name: what the sentence names. */
static void copy_detail(struct piece *piece, const char *text, size_t length) {
    static const char insufficient[] = "Insufficient ";
    size_t skip = 0;
    size_t end = length;
    const char *brace = memchr(text, '{', length);
    const char *open = memchr(text, '(', length);
    if (strncmp(text, insufficient, sizeof(insufficient) - 1) == 0) {
        skip = sizeof(insufficient) - 1;
    } else if (brace != NULL) {
        skip = (size_t)(brace - text) + 1;
        const char *close = memchr(brace, '}', length - (size_t)(brace - text));
        end = close != NULL ? (size_t)(close - text) : length;
    } else if (open != NULL && strncmp(open, "(s)", 3) != 0) {
        skip = (size_t)(open - text) + 1;
        const char *close = memchr(open, ')', length - (size_t)(open - text));
        end = close != NULL ? (size_t)(close - text) : length;
    }
    while (end > skip && strchr(". :", text[end - 1]) != NULL)
        end--;
    (void)snprintf(piece->detail, sizeof(piece->detail), "%.*s", (int)(end - skip), text + skip);
}

static bool holds_name(const char *details, const char *detail) {
    return strstr(details, detail) != NULL;
}

static void join_details(struct piece *piece, const char *detail) {
    size_t length = strlen(piece->detail);
    (void)snprintf(piece->detail + length, sizeof(piece->detail) - length, " and %s", detail);
}

static void add_piece(struct pieces *pieces, const char *text, size_t length, int64_t count) {
    char copy[400];
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
    const struct diagnosis_rule *rule =
        diagnose_match(diagnose_scheduling, diagnose_scheduling_count - 1, copy);
    if (rule == NULL)
        return;
    struct piece piece = {.rule = rule, .count = count};
    copy_detail(&piece, copy, strlen(copy));
    bool named = strstr(rule->cause, "{detail}") != NULL;
    for (size_t i = 0; i < pieces->count; i++) {
        struct piece *known = &pieces->items[i];
        if (known->rule != rule)
            continue;
        if (named && known->count == count && !holds_name(known->detail, piece.detail))
            join_details(known, piece.detail);
        else if (named && !holds_name(known->detail, piece.detail))
            continue;
        known->count = count > known->count ? count : known->count;
        return;
    }
    if (pieces->count < MOST_PIECES)
        pieces->items[pieces->count++] = piece;
}

/* The length up to the next ", " or ". " outside of braces and parentheses. Since Kubernetes 1.34 a
 * sentence about resource claims follows the reasons. */
static size_t piece_length(const char *text) {
    int depth = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] == '{' || text[i] == '(')
            depth++;
        else if (text[i] == '}' || text[i] == ')')
            depth--;
        else if (depth <= 0 && (text[i] == ',' || text[i] == '.') && text[i + 1] == ' ')
            return i;
    }
    return strlen(text);
}

static void read_text(struct pieces *pieces, const char *text) {
    static const char available[] = "nodes are available: ";
    cleanup_free char *copy = text_copy(text, NULL);
    if (copy == NULL)
        return;
    char *preemption = strstr(copy, "preemption: ");
    if (preemption != NULL)
        *preemption = '\0';
    const char *at = copy;
    const char *list = strstr(copy, available);
    if (text_has_prefix(copy, "0/") && list != NULL) {
        const char *total = copy + 2;
        pieces->nodes = take_number(&total);
        at = list + sizeof(available) - 1;
    }
    static const char none[] = "no available node, ";
    if (text_has_prefix(at, none)) {
        at += sizeof(none) - 1;
        int64_t nodes = take_number(&at);
        pieces->nodes = nodes > 0 ? nodes : pieces->nodes;
        return;
    }
    while (*at != '\0') {
        int64_t count = take_number(&at);
        if (text_has_prefix(at, "nodes ")) /* HAMi's */
            at += strlen("nodes ");
        size_t length = piece_length(at);
        add_piece(pieces, at, length, count);
        at += length + (at[length] != '\0' ? 2 : 0);
    }
}

/* ---- the sentence ---- */

static int append_piece(struct buffer *out, const struct piece *piece, int64_t nodes,
                        const struct rollout *rollout, struct error **err) {
    bool one = piece->count == 1 || nodes == 1;
    bool all = piece->count == nodes && nodes > 1;
    char count[32];
    (void)snprintf(count, sizeof(count), "%lld", (long long)piece->count);
    const char *who = nodes == 1 ? "it" : all ? "all" : piece->count > 0 ? count : "some";
    const struct diagnosis_value values[] = {
        {"who", who},
        {"have", one ? "has" : "have"},
        {"lack", one ? "lacks" : "lack"},
        {"are", one ? "is" : "are"},
        {"detail", piece->detail},
        {"gpu_memory", rollout->target.gpu_memory},
        {"pvc", rollout->target.pvc_name},
    };
    cleanup_free char *text =
        diagnose_expand(piece->rule->cause, values, array_length(values), err);
    if (text == NULL)
        return -1;
    buffer_append_text(out, text);
    return 0;
}

static void append_subject(struct buffer *out, int64_t nodes) {
    if (nodes == 1)
        buffer_append_text(out, "The only node cannot take the pod: ");
    else if (nodes > 1)
        buffer_printf(out, "None of the %lld nodes can take the pod: ", (long long)nodes);
    else
        buffer_append_text(out, "No node can take the pod: ");
}

/* The reason that most needs to be told: the order of the table. */
static const struct piece *first_of(const struct pieces *pieces) {
    const struct piece *first = &pieces->items[0];
    for (size_t i = 1; i < pieces->count; i++)
        if (pieces->items[i].rule < first->rule)
            first = &pieces->items[i];
    return first;
}

/* HAMi's sum of what its other codes say better, about the same nodes. */
static bool is_said_already(const struct pieces *pieces, const struct piece *piece) {
    const struct piece *first = first_of(pieces);
    return piece == first ||
           (text_equal(piece->rule->reason, "GpuUnfit") &&
            text_has_prefix(first->rule->reason, "Gpu") && first->count >= pieces->nodes);
}

static int diagnose_pieces(struct trouble *trouble, const struct rollout *rollout,
                           const struct pieces *pieces, struct error **err) {
    const struct piece *first = first_of(pieces);
    const struct diagnosis_value more[] = {{"detail", first->detail}};
    const struct diagnosis_rule rule = {.weight = first->rule->weight,
                                        .reason = first->rule->reason,
                                        .cause = "",
                                        .hint = first->rule->hint};
    if (trouble_diagnose(trouble, rollout, &rule, 1, "", more, 1, err) < 0)
        return -1;
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_SENTENCE);
    append_subject(&out, pieces->nodes);
    if (append_piece(&out, first, pieces->nodes, rollout, err) < 0)
        return -1;
    for (size_t i = 0; i < pieces->count; i++) {
        if (is_said_already(pieces, &pieces->items[i]))
            continue;
        buffer_append_text(&out, ", ");
        if (append_piece(&out, &pieces->items[i], pieces->nodes, rollout, err) < 0)
            return -1;
    }
    buffer_append_character(&out, '.');
    char *cause = buffer_steal(&out, "a diagnosis", err);
    if (cause == NULL)
        return -1;
    free(trouble->diagnosis.cause);
    trouble->diagnosis.cause = cause;
    return 0;
}

/* ---- what the cluster does about it ---- */

/* The autoscaler's newest word is that a node comes. */
static bool autoscaler_at_work(const struct rollout *rollout, const struct observed *pod) {
    static const char *const words[] = {"TriggeredScaleUp", "NotTriggerScaleUp", "Nominated", NULL};
    const struct observed *event =
        event_about(rollout, json_text_at(pod->object, "metadata", "uid", NULL), words);
    return event != NULL &&
           !text_equal(json_text_at(event->object, "reason", NULL), "NotTriggerScaleUp");
}

/* Old pods go before new ones are ready only where the strategy lets some be missing. */
static bool may_miss_pods(const struct rollout *rollout) {
    const struct observed *deployment = raw_deployment(rollout);
    if (deployment == NULL)
        return false;
    const json_t *strategy = json_at(deployment->object, "spec", "strategy", NULL);
    if (text_equal(json_text_at(strategy, "type", NULL), "Recreate"))
        return true;
    const json_t *missing = json_at(strategy, "rollingUpdate", "maxUnavailable", NULL);
    if (json_is_integer(missing))
        return json_integer_value(missing) > 0;
    int64_t percent = 25;
    char number[8] = "";
    const char *text = json_string_value(missing);
    if (text != NULL)
        (void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(text, "%"), text);
    if (number[0] != '\0')
        (void)text_to_integer(number, 0, 100, &percent);
    return deployment_replicas(deployment->object) * percent / 100 > 0;
}

static json_t *limits_of(const json_t *pod) {
    return json_at(named_in(json_at(pod, "spec", "containers", NULL), MODEL_CONTAINER), "resources",
                   "limits", NULL);
}

/* The name of a running pod of another revision of this service that has RESOURCE. */
static const char *holder_of(const struct rollout *rollout, const char *resource) {
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    const char *first = NULL;
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        const char *phase = json_text_at(pod, "status", "phase", NULL);
        if (pod == NULL || pod_is_new(rollout, pod) || is_being_deleted(pod) ||
            text_equal(phase, "Failed") || text_equal(phase, "Succeeded") ||
            text_is_empty(json_text_at(pod, "spec", "nodeName", NULL)) ||
            json_object_get(limits_of(pod), resource) == NULL)
            continue;
        const char *name = text_or_empty(json_text_at(pod, "metadata", "name", NULL));
        if (first == NULL || strcmp(name, first) < 0)
            first = name;
    }
    return first;
}

/* An extended resource that is short, and that an old pod of this very service has. */
static const char *deadlocked(const struct rollout *rollout, const struct observed *pod,
                              const struct pieces *pieces, const char **holder) {
    for (size_t i = 0; i < pieces->count; i++) {
        const struct piece *piece = &pieces->items[i];
        bool card = text_has_prefix(piece->rule->reason, "Gpu");
        const char *resource = NULL;
        json_t *value = NULL;
        json_object_foreach(limits_of(pod->object), resource, value) {
            bool is_short =
                strchr(resource, '/') != NULL && (card || text_equal(resource, piece->detail));
            *holder = is_short ? holder_of(rollout, resource) : NULL;
            if (*holder != NULL)
                return resource;
        }
    }
    return NULL;
}

/* ---- judging ---- */

struct scheduler_texts {
    const char *items[MOST_TEXTS];
    size_t count;
};

static int by_text(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The condition's message (or the event's, when there is none), and HAMi's events. */
static struct scheduler_texts texts_of(const struct rollout *rollout, const struct observed *pod,
                                       const json_t *condition) {
    static const char *const failed[] = {"FailedScheduling", NULL};
    static const char *const hami[] = {"FilteringFailed", "BindingFailed", NULL};
    const char *uid = text_or_empty(json_text_at(pod->object, "metadata", "uid", NULL));
    struct scheduler_texts texts = {.count = 1};
    texts.items[0] = text_or_empty(json_text_at(condition, "message", NULL));
    if (texts.items[0][0] == '\0') {
        const struct observed *event = event_about(rollout, uid, failed);
        texts.items[0] = event != NULL ? event_message(event) : "";
    }
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    for (size_t i = 0; i < events->count && texts.count < MOST_TEXTS; i++)
        if (event_is_about(&events->items[i], uid, hami))
            texts.items[texts.count++] = event_message(&events->items[i]);
    qsort(texts.items + 1, texts.count - 1, sizeof(texts.items[0]), by_text);
    return texts;
}

static int add_evidence(struct trouble *trouble, const struct observed *pod,
                        const struct scheduler_texts *texts, struct error **err) {
    const char *name = text_or_empty(json_text_at(pod->object, "metadata", "name", NULL));
    for (size_t i = 0; i < texts->count; i++)
        if (texts->items[i][0] != '\0' &&
            evidence_add(&trouble->evidence, err, "%s (pod %s): %s",
                         i == 0 ? "scheduler" : "HAMi's scheduler", name, texts->items[i]) < 0)
            return -1;
    return 0;
}

static int judge_deadlock(struct judgement *judgement, const struct observed *pod,
                          const struct pieces *pieces, const struct scheduler_texts *texts,
                          struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const char *holder = NULL;
    const char *resource = deadlocked(rollout, pod, pieces, &holder);
    if (resource == NULL || may_miss_pods(rollout))
        return 0;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT, .rank = RANK_DEADLOCK};
    const struct diagnosis_value values[] = {{"resource", resource}, {"holder", holder}};
    if (trouble_diagnose(&trouble, rollout, diagnose_own, diagnose_own_count, "RolloutDeadlock",
                         values, array_length(values), err) < 0 ||
        add_evidence(&trouble, pod, texts, err) < 0 ||
        evidence_add(&trouble.evidence, err, "pod %s of the revision before has %s", holder,
                     resource) < 0)
        return -1;
    trouble.final =
        !autoscaler_at_work(rollout, pod) &&
        judgement_lasts(judgement, pod->trouble_since_ms, rollout->patience.deadlock_ms);
    judgement_consider(judgement, &trouble);
    return 0;
}

static int diagnose_unschedulable(struct trouble *trouble, const struct rollout *rollout,
                                  const struct observed *pod, const struct pieces *pieces,
                                  const char *message, struct error **err) {
    static const char *const waits[] = {"SchedulingGated", NULL};
    const json_t *condition = condition_of(pod->object, "PodScheduled");
    const char *claim = claim_of(rollout, pod->object);
    const struct diagnosis_value values[] = {
        {"pvc", claim}, {"queue", label_of(pod->object, "kueue.x-k8s.io/queue-name")}};
    if (text_equal(json_text_at(condition, "reason", NULL), waits[0]))
        return trouble_diagnose(trouble, rollout, diagnose_own, diagnose_own_count, waits[0],
                                values, array_length(values), err);
    if (diagnose_match(diagnose_volume, diagnose_volume_count, message) != NULL)
        return trouble_diagnose(trouble, rollout, diagnose_volume, diagnose_volume_count, message,
                                values, array_length(values), err);
    if (pieces->count > 0)
        return diagnose_pieces(trouble, rollout, pieces, err);
    return trouble_diagnose(trouble, rollout, diagnose_scheduling, diagnose_scheduling_count,
                            message, values, array_length(values), err);
}

/* Why the autoscaler adds no node, when it says so. */
static int add_autoscaler_word(struct trouble *trouble, const struct rollout *rollout,
                               const struct observed *pod, struct error **err) {
    static const char *const words[] = {"TriggeredScaleUp", "NotTriggerScaleUp", "Nominated", NULL};
    const struct observed *event =
        event_about(rollout, json_text_at(pod->object, "metadata", "uid", NULL), words);
    return event != NULL && !autoscaler_at_work(rollout, pod)
               ? evidence_add(&trouble->evidence, err, "autoscaler: %s", event_message(event))
               : 0;
}

int scheduling_judge(struct judgement *judgement, const struct observed *pod, struct error **err) {
    struct rollout *rollout = judgement->rollout;
    const json_t *condition = condition_of(pod->object, "PodScheduled");
    if (!condition_is(condition, "False"))
        return 0;
    const struct scheduler_texts texts = texts_of(rollout, pod, condition);
    struct pieces pieces = {.count = 0};
    for (size_t i = 0; i < texts.count; i++)
        read_text(&pieces, texts.items[i]);
    if (judge_deadlock(judgement, pod, &pieces, &texts, err) < 0)
        return -1;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_IMPATIENT,
                                              .rank = RANK_SCHEDULING};
    if (diagnose_unschedulable(&trouble, rollout, pod, &pieces, texts.items[0], err) < 0 ||
        add_evidence(&trouble, pod, &texts, err) < 0)
        return -1;
    bool helped = autoscaler_at_work(rollout, pod);
    if (trouble.diagnosis.weight == DIAGNOSIS_PERSISTENT &&
        judgement_lasts(judgement, pod->trouble_since_ms, rollout->patience.mount_ms)) {
        trouble.final = true;
        trouble.failure = FAILURE_REPEATED;
    }
    if (rollout->patience.unschedulable_ms > 0 && !helped &&
        judgement_lasts(judgement, pod->trouble_since_ms, rollout->patience.unschedulable_ms))
        trouble.final = true;
    if (add_autoscaler_word(&trouble, rollout, pod, err) < 0)
        return -1;
    if (helped &&
        evidence_add(&trouble.evidence, err, "the cluster's autoscaler is adding a node for pod %s",
                     text_or_empty(json_text_at(pod->object, "metadata", "name", NULL))) < 0)
        return -1;
    judgement_consider(judgement, &trouble);
    return 0;
}
