/*
 * Replays every transcript of the folder and holds the verdict against what the file expects:
 * state, class, reason, words of sentence, hint and evidence, and when it was decided. A transcript
 * that somebody attached to a report becomes a test by adding an "expect" line to it.
 */

#include "cmocka_all.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/rollout.h"
#include "transcript_files.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned problems; /* all are shown before the test fails */

static void problem(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void problem(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    problems++;
}

static const char *const states[] = {"unknown", "progressing", "ready", "failed"};

static void expect_text(const char *file, const char *what, const char *actual,
                        const char *wanted) {
    if (wanted != NULL && !text_contains(actual, wanted))
        problem("%s: %s is\n  %s\nand not\n  %s", file, what, actual, wanted);
}

static void expect_equal(const char *file, const char *what, const char *actual,
                         const char *wanted) {
    if (wanted != NULL && !text_equal(actual, wanted))
        problem("%s: %s is %s and not %s", file, what, actual, wanted);
}

/* What every sentence must be, whatever it says: somebody reads it who has not seen the cluster. */
static void check_words(const char *file, const struct verdict *verdict) {
    static const char *const jargon[] = {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull",
                                         "InvalidSpec",      "BlockedBy",        "FailedCreate"};
    if (verdict->cause[0] == '\0')
        return;
    size_t length = strlen(verdict->cause);
    if (length > 700 || verdict->cause[length - 1] != '.' || strstr(verdict->cause, "..") != NULL ||
        strstr(verdict->cause, ": .") != NULL || strstr(verdict->cause, "  ") != NULL ||
        strpbrk(verdict->cause, "{\n") != NULL)
        problem("%s: no good sentence: %s", file, verdict->cause);
    for (size_t i = 0; i < array_length(jargon); i++)
        if (strstr(verdict->cause, jargon[i]) != NULL)
            problem("%s: %s in the sentence: %s", file, jargon[i], verdict->cause);
    if (strstr(verdict->hint, "{") != NULL || strstr(verdict->hint, "  ") != NULL)
        problem("%s: no good hint: %s", file, verdict->hint);
    if (verdict->state == ROLLOUT_FAILED && verdict->hint[0] == '\0')
        problem("%s: a failure without a hint", file);
}

static void check_evidence(const char *file, const struct verdict *verdict, const json_t *expect) {
    size_t index = 0;
    const json_t *wanted = NULL;
    json_array_foreach(json_object_get(expect, "evidence"), index, wanted) {
        bool found = false;
        for (size_t i = 0; i < verdict->evidence.count; i++)
            found = found || text_contains(verdict->evidence.items[i], json_string_value(wanted));
        if (!found)
            problem("%s: no evidence has \"%s\", the first is \"%s\"", file,
                    json_string_value(wanted),
                    verdict->evidence.count > 0 ? verdict->evidence.items[0] : "");
    }
}

static void show(const char *file, const struct verdict *verdict) {
    printf("%s: %s %s %s\n    %s\n    %s\n", file, states[verdict->state],
           failure_class_name(verdict->failure), verdict->reason, verdict->cause, verdict->hint);
    for (size_t i = 0; i < verdict->evidence.count; i++)
        printf("    - %s\n", verdict->evidence.items[i]);
}

static void check(const char *file, const char *text, size_t length) {
    cleanup_json json_t *expect = transcript_expectation(text, length);
    if (expect == NULL) {
        problem("%s expects nothing", file);
        return;
    }
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    struct error *error = NULL;
    int64_t decided_ms = 0;
    if (transcript_replay(&verdict, text, length, &decided_ms, &error) < 0) {
        problem("%s: %s", file, error->message);
        error_free(error);
        return;
    }
    if (getenv("SHOW_TRANSCRIPTS") != NULL)
        show(file, &verdict);
    expect_equal(file, "the state", states[verdict.state], json_text_at(expect, "state", NULL));
    expect_equal(file, "the reason", verdict.reason, json_text_at(expect, "reason", NULL));
    expect_equal(file, "the class", failure_class_name(verdict.failure),
                 json_text_at(expect, "class", NULL));
    expect_text(file, "the sentence", verdict.cause, json_text_at(expect, "cause", NULL));
    expect_text(file, "the hint", verdict.hint, json_text_at(expect, "hint", NULL));
    check_evidence(file, &verdict, expect);
    check_words(file, &verdict);
    int64_t at = json_integer_at(expect, -1, "at", NULL);
    if (at >= 0 && decided_ms != at)
        problem("%s: decided %lld ms late", file, (long long)(decided_ms - at));
    verdict_free(&verdict);
}

/* ---- recorded again ---- */

static const char *const kinds[] = {"InferenceService", "Deployment", "ReplicaSet", "Pod", "Event",
                                    "Revision",         "Log"};
static const char *const changes[] = {"ADDED",  "MODIFIED",  "DELETED",  "RELISTED",
                                      "SYNCED", "FORBIDDEN", "CONFIRMED"};

static int index_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text_equal(names[i], name))
            return (int)i;
    fail_msg("unknown name %s", name);
    return -1;
}

/* What `wait --record` would write of a line that --replay reads. */
static void record_again(struct buffer *out, const json_t *line) {
    const struct rollout_event event = {
        .at_ms = json_integer_at(line, 0, "at", NULL),
        .kind = (enum rollout_object)index_of(json_text_at(line, "kind", NULL), kinds,
                                              array_length(kinds)),
        .change = (enum rollout_change)index_of(json_text_at(line, "change", NULL), changes,
                                                array_length(changes)),
        .object = json_object_get(line, "object"),
        .text = json_text_at(line, "text", NULL)};
    char *text = transcript_line(&event, NULL);
    assert_non_null(text);
    buffer_printf(out, "%s\n", text);
    free(text);
}

static void check_again(const char *file, const char *text, size_t length) {
    struct buffer out = BUFFER_INIT(16 * 1024 * 1024);
    for (const char *at = text; at < text + length;) {
        size_t size = strcspn(at, "\n");
        json_t *line = json_loadb(at, size, 0, NULL);
        if (json_object_get(line, "transcript") != NULL)
            buffer_printf(&out, "%.*s\n", (int)size, at);
        else if (json_object_get(line, "expect") == NULL)
            record_again(&out, line);
        json_decref(line);
        at += size + 1;
    }
    struct verdict first = {.state = ROLLOUT_UNKNOWN};
    struct verdict again = {.state = ROLLOUT_UNKNOWN};
    int64_t first_ms = 0;
    int64_t again_ms = 0;
    assert_int_equal(transcript_replay(&first, text, length, &first_ms, NULL), 0);
    assert_int_equal(transcript_replay(&again, buffer_text(&out), out.length, &again_ms, NULL), 0);
    if (first.state != again.state || first_ms != again_ms ||
        !text_equal(first.reason, again.reason) || !text_equal(first.cause, again.cause))
        problem("%s: recorded again it is %s %s and not %s %s", file, states[again.state],
                again.reason, states[first.state], first.reason);
    verdict_free(&first);
    verdict_free(&again);
    buffer_free(&out);
}

static void what_is_recorded_is_judged_the_same(void **state) {
    (void)state;
    problems = 0;
    (void)transcript_files(check_again);
    assert_int_equal(problems, 0);
}

static void every_transcript_has_its_verdict(void **state) {
    (void)state;
    size_t count = transcript_files(check);
    assert_int_equal(problems, 0);
    assert_true(getenv("TRANSCRIPT") != NULL || count > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_transcript_has_its_verdict),
                                       cmocka_unit_test(what_is_recorded_is_judged_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
