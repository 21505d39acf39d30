/*
 * Every recorded rollout in random orders: kinds of objects interleave (each is its own watch),
 * objects of one kind too; events come twice, old copies come late, lists are read anew (410),
 * rights are missing. Nothing is ever READY before the Deployment that was complete has been seen.
 * Where watches are late by seconds, as they are, every order reaches the recorded verdict; where
 * they are late by any time, what patience makes of it is not compared.
 */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/rollout.h"
#include "rollout_private.h"
#include "sparse.h"
#include "transcript_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LINES = 400,
    WATCHED = ROLLOUT_LOG, /* kinds that come by a watch */
    ORDERS = 24,           /* of each file */
    PATIENCE_MS = 15 * 60 * 1000,
    MOST_STEPS = 64,
    MOST_LOGS = 8,
    LATEST_MS = 2500,
};

static const char *const kinds[] = {"InferenceService", "Deployment", "ReplicaSet", "Pod", "Event",
                                    "Revision",         "Log"};
static const char *const changes[] = {"ADDED",  "MODIFIED",  "DELETED",  "RELISTED",
                                      "SYNCED", "FORBIDDEN", "CONFIRMED"};

struct line {
    enum rollout_object kind;
    enum rollout_change change;
    json_t *object; /* owned, or NULL */
    int64_t version;
    int64_t at;
    const char *uid; /* of OBJECT */
};

struct story {
    const char *file;
    json_t *header;
    json_t *expect;
    struct line lines[MOST_LINES];
    json_t *logs[MOST_LOGS];
    size_t log_count;
    size_t count;
};

struct order {
    const struct story *story;
    unsigned random;
    struct rollout *rollout;
    struct verdict verdict;
    int64_t now;
    int64_t seen_version; /* the highest of any kind */
    int64_t deployment;   /* the highest of a Deployment */
    int64_t service;      /* the state of the server that the InferenceService was read at */
    const struct line *delivered[MOST_LINES];
    size_t delivered_count;
    bool synced[WATCHED];
    bool forbidden[WATCHED];
    bool lacks_rights; /* more than the recorded run */
    bool any_delay;
};

static unsigned total_orders;
static unsigned wrong_orders; /* all are shown before the test fails */

static unsigned next_random(struct order *order, unsigned below) {
    order->random = order->random * 1103515245U + 12345U;
    return (order->random >> 16) % below;
}

/* ---- the file ---- */

static int index_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text_equal(names[i], name))
            return (int)i;
    fail_msg("unknown name %s", name);
    return -1;
}

static void add_line(struct story *story, json_t *json) {
    assert_true(story->count < MOST_LINES);
    struct line *line = &story->lines[story->count];
    line->kind =
        (enum rollout_object)index_of(json_text_at(json, "kind", NULL), kinds, array_length(kinds));
    line->change = (enum rollout_change)index_of(json_text_at(json, "change", NULL), changes,
                                                 array_length(changes));
    bool watched = line->kind != ROLLOUT_LOG && line->change != ROLLOUT_CONFIRMED;
    if (line->kind == ROLLOUT_LOG && story->log_count < MOST_LOGS)
        story->logs[story->log_count++] = json_incref(json_object_get(json, "object"));
    if (watched) {
        line->object = json_incref(json_object_get(json, "object"));
        line->version = line->object != NULL ? object_version(line->object) : -1;
        line->uid = json_text_at(line->object, "metadata", "uid", NULL);
        line->at = json_integer_at(json, 0, "at", NULL);
        story->count++;
    }
}

static void read_story(struct story *story, const char *file, const char *text, size_t length) {
    *story = (struct story){.file = file};
    for (const char *at = text; at < text + length;) {
        const char *newline = memchr(at, '\n', (size_t)(text + length - at));
        size_t size = newline != NULL ? (size_t)(newline - at) : (size_t)(text + length - at);
        json_t *json = json_loadb(at, size, 0, NULL);
        assert_non_null(json);
        if (story->header == NULL)
            story->header = json_incref(json);
        else if (json_object_get(json, "expect") != NULL)
            story->expect = json_incref(json_object_get(json, "expect"));
        else
            add_line(story, json);
        json_decref(json);
        at += size + 1;
    }
}

static void free_story(struct story *story) {
    for (size_t i = 0; i < story->count; i++)
        json_decref(story->lines[i].object);
    for (size_t i = 0; i < story->log_count; i++)
        json_decref(story->logs[i]);
    json_decref(story->header);
    json_decref(story->expect);
}

static bool expects(const struct story *story, const char *state) {
    return text_equal(json_text_at(story->expect, "state", NULL), state);
}

/* ---- what goes wrong ---- */

static void fail_order(const struct order *order, unsigned seed, const char *what) {
    (void)fprintf(stderr, "%s, seed %u: %s: state %d, class %s, reason %s: %s\n",
                  order->story->file, seed, what, (int)order->verdict.state,
                  failure_class_name(order->verdict.failure), order->verdict.reason,
                  order->verdict.cause);
    wrong_orders++;
}

static bool is_decided(const struct order *order) {
    return order->verdict.state == ROLLOUT_READY || order->verdict.state == ROLLOUT_FAILED;
}

static void judge(struct order *order, unsigned seed) {
    assert_int_equal(rollout_judge(&order->verdict, order->rollout, order->now, NULL), 0);
    if (order->verdict.state != ROLLOUT_READY)
        return;
    if (!expects(order->story, "ready"))
        fail_order(order, seed, "ready, and was not");
    int64_t complete = json_integer_at(order->story->expect, 0, "complete", NULL);
    if (order->deployment < complete)
        fail_order(order, seed, "ready before the complete Deployment was seen");
    if (order->service < complete)
        fail_order(order, seed, "ready although Ready was read before that");
}

static void pass_time(struct order *order, int64_t until, unsigned seed) {
    for (int i = 0; i < MOST_STEPS && !is_decided(order); i++) {
        int64_t again = order->verdict.judge_again_ms;
        if (again <= order->now || again > until)
            break;
        order->now = again;
        judge(order, seed);
    }
    if (until > order->now)
        order->now = until;
}

static void deliver(struct order *order, enum rollout_object kind, enum rollout_change change,
                    json_t *object, unsigned seed) {
    if (is_decided(order))
        return;
    const struct rollout_event event = {
        .at_ms = order->now, .kind = kind, .change = change, .object = object};
    assert_int_equal(rollout_observe(order->rollout, &event, NULL), 0);
    judge(order, seed);
}

/* The last copy of an object that was delivered, or NULL; its deletion counts as none. */
static bool is_last_copy(const struct order *order, size_t index) {
    const struct line *line = order->delivered[index];
    for (size_t i = index + 1; i < order->delivered_count; i++)
        if (order->delivered[i]->kind == line->kind &&
            text_equal(order->delivered[i]->uid, line->uid))
            return false;
    return line->change != ROLLOUT_DELETED;
}

/* 410: the list is read anew, in any order. */
static void relist(struct order *order, enum rollout_object kind, unsigned seed) {
    if (!order->synced[kind] || order->forbidden[kind])
        return;
    deliver(order, kind, ROLLOUT_RELISTED, NULL, seed);
    size_t start = next_random(order, (unsigned)order->delivered_count + 1);
    for (size_t i = 0; i < order->delivered_count; i++) {
        size_t index = (start + i) % order->delivered_count;
        if (order->delivered[index]->kind == kind && order->delivered[index]->object != NULL &&
            is_last_copy(order, index))
            deliver(order, kind, ROLLOUT_ADDED, order->delivered[index]->object, seed);
    }
    deliver(order, kind, ROLLOUT_SYNCED, NULL, seed);
}

/* A copy of before, of an object that has a newer one or is gone. */
static void late_copy(struct order *order, unsigned seed) {
    if (order->delivered_count == 0)
        return;
    size_t index = next_random(order, (unsigned)order->delivered_count);
    const struct line *line = order->delivered[index];
    if (line->object != NULL && line->version >= 0 && line->change != ROLLOUT_DELETED &&
        order->synced[line->kind] && !order->forbidden[line->kind])
        deliver(order, line->kind, ROLLOUT_MODIFIED, line->object, seed);
}

/* A read answers with the server's state: not older than anything that was seen. */
static void confirm(struct order *order, bool newest, unsigned seed) {
    const struct story *story = order->story;
    int64_t last = 0;
    for (size_t i = 0; i < story->count; i++)
        last = story->lines[i].version > last ? story->lines[i].version : last;
    int64_t span = last - order->seen_version;
    int64_t at =
        newest || span <= 0 ? last : order->seen_version + next_random(order, (unsigned)span + 1);
    const struct line *found = NULL;
    for (size_t i = 0; i < story->count; i++) {
        const struct line *line = &story->lines[i];
        if (line->kind == ROLLOUT_INFERENCE_SERVICE && line->object != NULL &&
            line->version <= at && (found == NULL || line->version > found->version))
            found = line;
    }
    if (found == NULL || found->change == ROLLOUT_DELETED)
        return;
    order->service = at > order->service ? at : order->service;
    deliver(order, ROLLOUT_INFERENCE_SERVICE, ROLLOUT_CONFIRMED, found->object, seed);
}

/* ---- one order ---- */

static void take(struct order *order, const struct line *line, unsigned seed) {
    if (line->kind == ROLLOUT_DEPLOYMENT && line->version > order->deployment)
        order->deployment = line->version;
    if (line->kind == ROLLOUT_INFERENCE_SERVICE && line->version > order->service)
        order->service = line->version;
    deliver(order, line->kind, line->change, line->object, seed);
    if (line->change == ROLLOUT_SYNCED)
        order->synced[line->kind] = true;
    if (line->change == ROLLOUT_RELISTED)
        order->synced[line->kind] = false;
    if (line->change == ROLLOUT_FORBIDDEN)
        order->forbidden[line->kind] = true;
    if (line->object != NULL) {
        order->delivered[order->delivered_count++] = line;
        if (line->version > order->seen_version)
            order->seen_version = line->version;
    }
    if (line->object != NULL && next_random(order, 4) == 0)
        deliver(order, line->kind, line->change, line->object, seed);
    if (next_random(order, 5) == 0)
        late_copy(order, seed);
    if (next_random(order, 8) == 0)
        relist(order, line->kind, seed);
    if (order->verdict.wants_confirmation && next_random(order, 2) == 0)
        confirm(order, false, seed);
}

/* The lines of one kind, objects interleaved anew between the lines that are about the list. */
static size_t shuffle_kind(struct order *order, enum rollout_object kind, const struct line **out) {
    const struct story *story = order->story;
    size_t count = 0;
    size_t start = 0;
    for (size_t i = 0; i < story->count; i++) {
        const struct line *line = &story->lines[i];
        if (line->kind != kind)
            continue;
        size_t place = count++;
        out[place] = line;
        if (line->object == NULL) {
            start = count;
            continue;
        }
        /* moves forward past lines of other objects */
        while (place > start && !text_equal(out[place - 1]->uid, line->uid) &&
               next_random(order, 2) == 0) {
            out[place] = out[place - 1];
            out[--place] = line;
        }
    }
    return count;
}

/* The kind whose next line comes now, and when that is; WATCHED when all have come. */
static unsigned next_kind(struct order *order, const struct line *queues[][MOST_LINES],
                          const size_t *counts, const size_t *taken, const int64_t *late) {
    unsigned found = WATCHED;
    int64_t soonest = 0;
    for (unsigned kind = 0; kind < WATCHED; kind++) {
        if (taken[kind] == counts[kind])
            continue;
        int64_t at = order->any_delay ? (int64_t)next_random(order, 1000)
                                      : queues[kind][taken[kind]]->at + late[kind];
        if (found == WATCHED || at < soonest) {
            found = kind;
            soonest = at;
        }
    }
    return found;
}

static void deliver_all(struct order *order, unsigned seed) {
    const struct line *queues[WATCHED][MOST_LINES];
    size_t counts[WATCHED];
    size_t taken[WATCHED] = {0};
    int64_t late[WATCHED];
    for (int kind = 0; kind < WATCHED; kind++) {
        counts[kind] = shuffle_kind(order, (enum rollout_object)kind, queues[kind]);
        late[kind] = next_random(order, LATEST_MS);
    }
    enum rollout_object lost = ROLLOUT_LOG;
    if (next_random(order, 5) == 0)
        lost = (enum rollout_object)(ROLLOUT_REPLICA_SET + next_random(order, 3));
    while (!is_decided(order)) {
        unsigned kind = next_kind(order, queues, counts, taken, late);
        if (kind == WATCHED)
            break;
        const struct line *line = queues[kind][taken[kind]++];
        pass_time(order, line->at + (order->any_delay ? 0 : late[kind]), seed);
        late[kind] = next_random(order, LATEST_MS);
        if (kind == (unsigned)lost && taken[kind] == 1) {
            deliver(order, lost, ROLLOUT_FORBIDDEN, NULL, seed);
            order->forbidden[lost] = true;
            order->lacks_rights = true;
        }
        if (kind != (unsigned)lost)
            take(order, line, seed);
    }
}

/* As the loop does at the end. */
static void deliver_logs(struct order *order, unsigned seed) {
    if (order->forbidden[ROLLOUT_POD] || order->verdict.state == ROLLOUT_READY)
        return;
    for (size_t i = 0; i < order->story->log_count; i++) {
        const struct rollout_event event = {.at_ms = order->now,
                                            .kind = ROLLOUT_LOG,
                                            .change = ROLLOUT_ADDED,
                                            .object = order->story->logs[i]};
        assert_int_equal(rollout_observe(order->rollout, &event, NULL), 0);
    }
    judge(order, seed);
}

/* Reasons that are as right when not all has been seen: "reasons" of the expectation. */
static bool is_expected_reason(const struct order *order) {
    if (text_equal(order->verdict.reason, json_text_at(order->story->expect, "reason", NULL)))
        return true;
    size_t index = 0;
    const json_t *reason = NULL;
    json_array_foreach(json_object_get(order->story->expect, "reasons"), index, reason) {
        if (text_equal(order->verdict.reason, json_string_value(reason)))
            return true;
    }
    return false;
}

static void check_end(struct order *order, unsigned seed) {
    const struct story *story = order->story;
    if (order->verdict.state == ROLLOUT_READY && expects(story, "ready"))
        return;
    /* who may read less knows less; it is enough that nothing wrong was decided */
    if (order->any_delay || (order->lacks_rights && !expects(story, "ready")))
        return;
    static const char *const states[] = {"unknown", "progressing", "ready", "failed"};
    if (!expects(story, states[order->verdict.state]))
        fail_order(order, seed, "another state than recorded");
    if (order->verdict.state != ROLLOUT_FAILED)
        return;
    if (!text_equal(failure_class_name(order->verdict.failure),
                    json_text_at(story->expect, "class", NULL)))
        fail_order(order, seed, "another class than recorded");
    if (!is_expected_reason(order))
        fail_order(order, seed, "another reason than recorded");
}

static void run_order(const struct story *story, unsigned seed) {
    struct order order = {
        .story = story, .random = seed, .now = story->lines[0].at, .any_delay = seed % 3 == 0};
    struct rollout_target target = {0};
    target_from_json(&target, json_object_get(story->header, "target"));
    assert_int_equal(rollout_new(&order.rollout, &target, NULL, NULL), 0);
    deliver_all(&order, seed);
    bool waits = !expects(story, "progressing");
    if (!is_decided(&order) && order.verdict.wants_confirmation)
        confirm(&order, true, seed);
    if (waits)
        pass_time(&order, order.now + PATIENCE_MS, seed);
    deliver_logs(&order, seed);
    check_end(&order, seed);
    verdict_free(&order.verdict);
    rollout_free(order.rollout);
    total_orders++;
}

static void run_file(const char *file, const char *text, size_t length) {
    static struct story story;
    read_story(&story, file, text, length);
    for (unsigned i = 0; i < ORDERS; i += sparse_step())
        run_order(&story, i * 7919 + 17);
    free_story(&story);
}

static void every_order_reaches_the_same_verdict(void **state) {
    (void)state;
    (void)transcript_files(run_file);
    assert_int_equal(wrong_orders, 0);
    assert_true(getenv("TRANSCRIPT") != NULL || total_orders * sparse_step() >= 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_order_reaches_the_same_verdict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
