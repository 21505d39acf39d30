#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/patience.h"
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
    const struct transcript_options *options; /* or NULL */
    struct rollout *rollout;
    struct verdict *verdict;
    int64_t now_ms;
    bool decided;
};

static int malformed(struct error **err, size_t number, const char *what) {
    return error_new(err, ERROR_PARAMETER, "line %zu of the transcript %s", number, what);
}

static int unknown_key(struct error **err, size_t number, const char *place, const char *key,
                       const char *meant) {
    error_new(err, ERROR_PARAMETER, "line %zu of the transcript has the unknown key %s.%.80s",
              number, place, key);
    return meant != NULL ? error_hint(err, "did you mean %s?", meant)
                         : error_hint(err, "leave it out; the format's description has the keys");
}

/* Thresholds of another type or beyond what a run can have would not be told from the defaults. */
static int check_patience(json_t *patience, size_t number, struct error **err) {
    const char *meant = NULL;
    const char *key = patience_unknown_key(patience, &meant);
    if (key != NULL)
        return unknown_key(err, number, "patience", key, meant);
    json_t *value = NULL;
    json_object_foreach(patience, key, value) {
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return error_new(err, ERROR_PARAMETER,
                             "line %zu of the transcript: patience.%s must be a whole number, a "
                             "count or milliseconds",
                             number, key);
    }
    return 0;
}

static int check_version(const json_t *header, size_t number, struct error **err) {
    json_int_t version = json_integer_at(header, 0, "transcript", NULL);
    if (version == TRANSCRIPT_VERSION)
        return 0;
    if (version <= 0)
        return malformed(err, number,
                         "is no header of a transcript, {\"transcript\": 1, \"target\": ...}");
    error_new(err, ERROR_PARAMETER,
              "line %zu of the transcript says version %lld; this program reads version %d", number,
              (long long)version, TRANSCRIPT_VERSION);
    return error_hint(err, "use the deploy-inference-service that recorded it, or a newer one");
}

/* TARGET borrows from HEADER. */
static int read_header(struct rollout_target *target, const json_t *header, size_t number,
                       struct error **err) {
    if (check_version(header, number, err) < 0)
        return -1;
    json_t *asked = json_at(header, "target", NULL);
    json_t *patience = json_at(header, "patience", NULL);
    target_from_json(target, asked);
    if (target->name[0] == '\0')
        return malformed(err, number, "has no target.name");
    const char *meant = NULL;
    const char *key = target_unknown_key(asked, &meant);
    if (key != NULL)
        return unknown_key(err, number, "target", key, meant);
    return check_patience(patience, number, err);
}

static int begin(struct replay *replay, const json_t *header, size_t number, struct error **err) {
    struct rollout_target target = {0};
    struct rollout_patience patience = rollout_patience_default;
    if (read_header(&target, header, number, err) < 0)
        return -1;
    patience_from_json(&patience, json_at(header, "patience", NULL));
    if (replay->options != NULL && replay->options->patience != NULL) {
        cleanup_problems struct problems known = {0};
        if (patience_change(&patience, replay->options->patience, &known, err) < 0)
            return -1;
    }
    return rollout_new(&replay->rollout, &target, &patience, err);
}

static int judge(struct replay *replay, struct error **err) {
    if (rollout_judge(replay->verdict, replay->rollout, replay->now_ms, err) < 0)
        return -1;
    struct verdict *verdict = replay->verdict;
    replay->decided = verdict->state == ROLLOUT_READY || verdict->state == ROLLOUT_FAILED;
    if (replay->options != NULL && replay->options->until_deleted) {
        replay->decided = verdict->gone;
        if (verdict->gone)
            verdict->state = ROLLOUT_READY;
    }
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

/* Which of the values of an event is wrong, and what it may be. */
static int unknown_name(struct error **err, size_t number, const char *field, const char *given,
                        const char *const *names, size_t count) {
    cleanup_buffer struct buffer list = BUFFER_INIT(1024);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    if (given == NULL)
        error_new(err, ERROR_PARAMETER, "line %zu of the transcript has no \"%s\"", number, field);
    else
        error_new(err, ERROR_PARAMETER,
                  "line %zu of the transcript has the unknown \"%s\": \"%.80s\"", number, field,
                  given);
    return error_hint(err, "one of %s", buffer_text(&list));
}

static int take_event(struct replay *replay, const json_t *line, size_t number,
                      struct error **err) {
    int kind = index_of(json_text_at(line, "kind", NULL), kind_names, ROLLOUT_KINDS);
    int change =
        index_of(json_text_at(line, "change", NULL), change_names, array_length(change_names));
    json_int_t at = json_integer_at(line, -1, "at", NULL);
    if (at < 0 || at > LATEST_MS)
        return malformed(err, number, "needs \"at\", milliseconds of the wall clock since 1970");
    if (kind < 0)
        return unknown_name(err, number, "kind", json_text_at(line, "kind", NULL), kind_names,
                            ROLLOUT_KINDS);
    if (change < 0)
        return unknown_name(err, number, "change", json_text_at(line, "change", NULL), change_names,
                            array_length(change_names));
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

/* The recorder was killed within its last line: the rest of the file stands. */
static bool is_cut(const struct replay *replay, const char *line, size_t length) {
    cleanup_json json_t *parsed = NULL;
    cleanup_error struct error *no_json = NULL;
    return replay->rollout != NULL &&
           json_parse(&parsed, line, length, "the line", ERROR_PARAMETER, &no_json) < 0;
}

static bool is_blank(const char *line, size_t length) {
    return length == 0 || (length == 1 && line[0] == '\r');
}

int transcript_judge(struct verdict *out, const struct transcript_options *options,
                     const char *text, size_t length, struct transcript_end *end,
                     struct error **err) {
    struct replay replay = {.options = options, .verdict = out};
    size_t number = 0;
    int result = 0;
    *end = (struct transcript_end){0};
    for (size_t start = 0; start < length && result == 0;) {
        const char *newline = memchr(text + start, '\n', length - start);
        size_t stop = newline != NULL ? (size_t)(newline - text) : length;
        const char *line = text + start;
        number++;
        if (is_blank(line, stop - start))
            result = 0;
        else if (replay.decided)
            result = take_logs(&replay, line, stop - start, err);
        else if (newline == NULL && is_cut(&replay, line, stop - start))
            end->cut_line = number;
        else
            result = take_line(&replay, line, stop - start, number, err);
        start = stop + 1;
    }
    if (result == 0 && replay.rollout == NULL)
        result = error_new(err, ERROR_PARAMETER, "the transcript is empty");
    end->decided_at_ms = replay.now_ms;
    rollout_free(replay.rollout);
    return result;
}

int transcript_replay(struct verdict *out, const char *text, size_t length, int64_t *decided_at_ms,
                      struct error **err) {
    struct transcript_end end;
    int result = transcript_judge(out, NULL, text, length, &end, err);
    *decided_at_ms = end.decided_at_ms;
    return result;
}

int transcript_target(json_t **header, struct rollout_target *target, const char *text,
                      size_t length, struct error **err) {
    size_t number = 0;
    for (size_t start = 0; start < length;) {
        const char *newline = memchr(text + start, '\n', length - start);
        size_t stop = newline != NULL ? (size_t)(newline - text) : length;
        number++;
        if (!is_blank(text + start, stop - start)) {
            cleanup_json json_t *line = NULL;
            cleanup_error struct error *no_json = NULL;
            if (json_parse(&line, text + start, stop - start, "the line", ERROR_PARAMETER,
                           &no_json) < 0)
                return malformed(err, number, "is no JSON");
            if (read_header(target, line, number, err) < 0)
                return -1;
            *header = steal_pointer(line);
            return 0;
        }
        start = stop + 1;
    }
    return error_new(err, ERROR_PARAMETER, "the transcript is empty");
}
