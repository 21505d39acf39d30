#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"
#include "redact.h"

#include <string.h>

enum { TRANSCRIPT_VERSION = 1, MOST_STEPS = 10000 };

/* The end of the year 9999: times are added to. */
#define LATEST_MS 253402300799999LL

static const char *const kind_names[ROLLOUT_KINDS] = {
    [ROLLOUT_INFERENCE_SERVICE] = "InferenceService",
    [ROLLOUT_DEPLOYMENT] = "Deployment",
    [ROLLOUT_REPLICA_SET] = "ReplicaSet",
    [ROLLOUT_POD] = "Pod",
    [ROLLOUT_EVENT] = "Event",
    [ROLLOUT_REVISION] = "Revision",
    [ROLLOUT_LOG] = "Log",
};

static const char *const change_names[] = {
    [ROLLOUT_ADDED] = "ADDED",         [ROLLOUT_MODIFIED] = "MODIFIED",
    [ROLLOUT_DELETED] = "DELETED",     [ROLLOUT_RELISTED] = "RELISTED",
    [ROLLOUT_SYNCED] = "SYNCED",       [ROLLOUT_FORBIDDEN] = "FORBIDDEN",
    [ROLLOUT_CONFIRMED] = "CONFIRMED",
};

static int index_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text_equal(names[i], name))
            return (int)i;
    return -1;
}

static char *one_line(const json_t *value, struct error **err) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text == NULL)
        error_no_memory(err);
    return text;
}

char *transcript_header(const struct rollout_target *target,
                        const struct rollout_patience *patience, struct error **err) {
    cleanup_json json_t *whole = NULL;
    cleanup_json json_t *target_json = NULL;
    cleanup_json json_t *patience_json = NULL;
    if (target_to_json(&whole, target, err) < 0 || redact_json(&target_json, whole, err) < 0 ||
        patience_to_json(&patience_json, patience != NULL ? patience : &rollout_patience_default,
                         err) < 0)
        return NULL;
    cleanup_json json_t *header = json_pack("{s:i, s:O, s:O}", "transcript", TRANSCRIPT_VERSION,
                                            "target", target_json, "patience", patience_json);
    return one_line(header, err);
}

char *transcript_line(const struct rollout_event *event, struct error **err) {
    cleanup_json json_t *pruned = NULL;
    cleanup_json json_t *object = NULL;
    if (event->object != NULL) {
        if (event->kind == ROLLOUT_LOG)
            pruned = json_deep_copy(event->object);
        else if (prune_object(&pruned, event->kind, event->object, err) < 0)
            return NULL;
        if (pruned == NULL || redact_json(&object, pruned, err) < 0)
            return NULL;
    }
    cleanup_free char *text = event->text != NULL ? redact_text(event->text, err) : NULL;
    if (event->text != NULL && text == NULL)
        return NULL;
    cleanup_json json_t *line =
        json_pack("{s:I, s:s, s:s, s:O*, s:s*}", "at", (json_int_t)event->at_ms, "kind",
                  kind_names[event->kind], "change", change_names[event->change], "object", object,
                  "text", text);
    return one_line(line, err);
}

/* ---- replay ---- */

struct replay {
    struct rollout *rollout;
    struct verdict *verdict;
    int64_t now_ms;
    bool decided;
};

static int malformed(struct error **err, size_t number, const char *what) {
    return error_new(err, ERROR_PARAMETER, "line %zu of the transcript %s", number, what);
}

static int begin(struct replay *replay, const json_t *header, size_t number, struct error **err) {
    if (json_integer_at(header, 0, "transcript", NULL) != TRANSCRIPT_VERSION)
        return malformed(err, number, "is no header of a transcript (version 1)");
    struct rollout_target target = {0};
    struct rollout_patience patience = rollout_patience_default;
    target_from_json(&target, json_at(header, "target", NULL));
    patience_from_json(&patience, json_at(header, "patience", NULL));
    if (target.name[0] == '\0')
        return malformed(err, number, "has no target.name");
    return rollout_new(&replay->rollout, &target, &patience, err);
}

static int judge(struct replay *replay, struct error **err) {
    if (rollout_judge(replay->verdict, replay->rollout, replay->now_ms, err) < 0)
        return -1;
    replay->decided =
        replay->verdict->state == ROLLOUT_READY || replay->verdict->state == ROLLOUT_FAILED;
    return 0;
}

/* The judgements that the loop would have made between two events. */
static int pass_time(struct replay *replay, int64_t until_ms, struct error **err) {
    for (int i = 0; i < MOST_STEPS && !replay->decided; i++) {
        int64_t again = replay->verdict->judge_again_ms;
        if (again <= replay->now_ms || again > until_ms)
            break;
        replay->now_ms = again;
        if (judge(replay, err) < 0)
            return -1;
    }
    return 0;
}

static int take_event(struct replay *replay, const json_t *line, size_t number,
                      struct error **err) {
    int kind = index_of(json_text_at(line, "kind", NULL), kind_names, ROLLOUT_KINDS);
    int change =
        index_of(json_text_at(line, "change", NULL), change_names, array_length(change_names));
    json_int_t at = json_integer_at(line, -1, "at", NULL);
    if (kind < 0 || change < 0 || at < 0 || at > LATEST_MS)
        return malformed(err, number, "needs \"at\", a known \"kind\" and a known \"change\"");
    bool has_object = change == ROLLOUT_ADDED || change == ROLLOUT_MODIFIED ||
                      change == ROLLOUT_DELETED || change == ROLLOUT_CONFIRMED;
    const json_t *object = json_at(line, "object", NULL);
    if (has_object && !json_is_object(object))
        return malformed(err, number, "needs an \"object\"");
    if (pass_time(replay, at, err) < 0 || replay->decided)
        return replay->decided ? 0 : -1;
    if (at > replay->now_ms)
        replay->now_ms = at;
    const struct rollout_event event = {.at_ms = at,
                                        .kind = (enum rollout_object)kind,
                                        .change = (enum rollout_change)change,
                                        .object = has_object ? object : NULL,
                                        .text = json_text_at(line, "text", NULL)};
    if (rollout_observe(replay->rollout, &event, err) < 0)
        return -1;
    return judge(replay, err);
}

static int take_line(struct replay *replay, const char *text, size_t length, size_t number,
                     struct error **err) {
    cleanup_json json_t *line = NULL;
    cleanup_error struct error *no_json = NULL;
    if (json_parse(&line, text, length, "the line", ERROR_PARAMETER, &no_json) < 0)
        return malformed(err, number, "is no JSON");
    if (replay->rollout == NULL)
        return begin(replay, line, number, err);
    bool note = json_at(line, "expect", NULL) != NULL;
    return note ? 0 : take_event(replay, line, number, err);
}

/* The log lines that the loop fetched once the verdict was made stand right behind it. */
static int take_logs(struct replay *replay, const char *text, size_t length, struct error **err) {
    cleanup_json json_t *line = NULL;
    cleanup_error struct error *no_json = NULL;
    if (json_parse(&line, text, length, "the line", ERROR_PARAMETER, &no_json) < 0 ||
        !text_equal(json_text_at(line, "kind", NULL), kind_names[ROLLOUT_LOG]) ||
        !json_is_object(json_at(line, "object", NULL)))
        return 0;
    const struct rollout_event event = {.at_ms = replay->now_ms,
                                        .kind = ROLLOUT_LOG,
                                        .change = ROLLOUT_ADDED,
                                        .object = json_at(line, "object", NULL)};
    if (rollout_observe(replay->rollout, &event, err) < 0)
        return -1;
    return rollout_judge(replay->verdict, replay->rollout, replay->now_ms, err);
}

int transcript_replay(struct verdict *out, const char *text, size_t length, int64_t *decided_at_ms,
                      struct error **err) {
    struct replay replay = {.verdict = out};
    size_t number = 0;
    int result = 0;
    for (size_t start = 0; start < length && result == 0;) {
        const char *newline = memchr(text + start, '\n', length - start);
        size_t end = newline != NULL ? (size_t)(newline - text) : length;
        number++;
        bool blank = end == start || (end == start + 1 && text[start] == '\r');
        if (!blank && replay.decided)
            result = take_logs(&replay, text + start, end - start, err);
        else if (!blank)
            result = take_line(&replay, text + start, end - start, number, err);
        start = end + 1;
    }
    if (result == 0 && replay.rollout == NULL)
        result = error_new(err, ERROR_PARAMETER, "the transcript is empty");
    *decided_at_ms = replay.now_ms;
    rollout_free(replay.rollout);
    return result;
}
