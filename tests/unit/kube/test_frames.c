/* Splitting a watch body into objects: every chunking, limits, nonsense. */
#include "../cmocka_all.h"

#include "base/strings.h"
#include "base/text.h"
#include "kube/frames.h"

#include <string.h>

struct collected {
    struct strings frames;
    size_t stop_after; /* 0: never */
};

static int collect(void *user, const char *frame, size_t length) {
    struct collected *collected = user;
    cleanup_free char *copy = text_copy_bytes(frame, length, NULL);
    assert_int_equal(strings_add(&collected->frames, copy, NULL), 0);
    return collected->stop_after > 0 && collected->frames.count >= collected->stop_after ? -1 : 0;
}

/* Feeds BODY in pieces of CHUNK bytes, each in its own allocation so that overreads are seen. */
static int feed(struct kube_frames *frames, struct collected *out, const char *body, size_t chunk,
                struct error **err) {
    size_t length = strlen(body);
    for (size_t at = 0; at < length; at += chunk) {
        size_t piece = length - at < chunk ? length - at : chunk;
        char *copy = malloc(piece);
        assert_non_null(copy);
        memcpy(copy, body + at, piece);
        int result = kube_frames_feed(frames, copy, piece, collect, out, err);
        free(copy);
        if (result < 0)
            return result;
    }
    return 0;
}

static const char two_events[] = "{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]{\"}]}}\n"
                                 "{\"type\":\"MODIFIED\",\"object\":{\"s\":\"q\\\"}\\\\\"}}";
static const char first_event[] = "{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]{\"}]}}";
static const char second_event[] = "{\"type\":\"MODIFIED\",\"object\":{\"s\":\"q\\\"}\\\\\"}}";

static void every_chunking_gives_the_same_objects(void **state) {
    (void)state;
    for (size_t chunk = 1; chunk <= sizeof(two_events); chunk++) {
        struct kube_frames frames;
        struct collected out = {0};
        kube_frames_init(&frames, 1024);
        assert_int_equal(feed(&frames, &out, two_events, chunk, NULL), 0);
        assert_int_equal(out.frames.count, 2);
        assert_string_equal(out.frames.items[0], first_event);
        assert_string_equal(out.frames.items[1], second_event);
        assert_true(kube_frames_at_boundary(&frames));
        strings_free(&out.frames);
        kube_frames_free(&frames);
    }
}

static void objects_need_no_separator(void **state) {
    (void)state;
    struct kube_frames frames;
    struct collected out = {0};
    kube_frames_init(&frames, 1024);
    assert_int_equal(feed(&frames, &out, "{}{\"a\":{}}{\"b\":1}\r\n\t {}", 1000, NULL), 0);
    assert_int_equal(out.frames.count, 4);
    assert_string_equal(out.frames.items[1], "{\"a\":{}}");
    assert_string_equal(out.frames.items[3], "{}");
    strings_free(&out.frames);
    kube_frames_free(&frames);
}

static void whole_objects_are_not_held(void **state) {
    (void)state;
    struct kube_frames frames;
    struct collected out = {0};
    kube_frames_init(&frames, 1024);
    assert_int_equal(feed(&frames, &out, two_events, sizeof(two_events), NULL), 0);
    assert_null(frames.pending.data);
    strings_free(&out.frames);
    kube_frames_free(&frames);
}

static void memory_of_a_large_object_is_given_back(void **state) {
    (void)state;
    size_t length = 300 * 1024;
    char *body = malloc(length + 1);
    assert_non_null(body);
    memset(body, 'x', length);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + length - 2, "\"}", 3);
    struct kube_frames frames;
    struct collected out = {0};
    kube_frames_init(&frames, 1024 * 1024);
    assert_int_equal(feed(&frames, &out, body, 16 * 1024, NULL), 0);
    assert_int_equal(out.frames.count, 1);
    assert_string_equal(out.frames.items[0], body);
    assert_true(frames.pending.capacity <= 64 * 1024);
    strings_free(&out.frames);
    kube_frames_free(&frames);
    free(body);
}

static void the_limit_holds_for_each_object_not_for_all(void **state) {
    (void)state;
    for (size_t chunk = 1; chunk <= 200; chunk += 13) {
        struct kube_frames frames;
        struct collected out = {0};
        cleanup_error struct error *err = NULL;
        kube_frames_init(&frames, 16);
        assert_int_equal(feed(&frames, &out, "{\"a\":12345678}\n{\"b\":12345678}\n", chunk, &err),
                         0);
        assert_int_equal(out.frames.count, 2);
        assert_int_equal(feed(&frames, &out, "{\"a\":12345678901}", chunk, &err), -1);
        assert_int_equal(out.frames.count, 2);
        assert_int_equal(err->kind, ERROR_UNREACHABLE);
        assert_true(text_contains(err->message, "more than 16 bytes"));
        strings_free(&out.frames);
        kube_frames_free(&frames);
    }
}

static void something_else_than_an_object_is_refused(void **state) {
    (void)state;
    static const char *const bodies[] = {"<html>", "[]",  "\"text\"", "1",
                                         "}",      "{}]", "{} null",  "\x01"};
    for (size_t i = 0; i < array_length(bodies); i++) {
        struct kube_frames frames;
        struct collected out = {0};
        cleanup_error struct error *err = NULL;
        kube_frames_init(&frames, 1024);
        assert_int_equal(feed(&frames, &out, bodies[i], 1, &err), -1);
        assert_int_equal(err->kind, ERROR_UNREACHABLE);
        strings_free(&out.frames);
        kube_frames_free(&frames);
    }
}

static void end_inside_an_object_is_seen_and_forgotten(void **state) {
    (void)state;
    struct kube_frames frames;
    struct collected out = {0};
    kube_frames_init(&frames, 1024);
    assert_int_equal(feed(&frames, &out, "{\"a\":\"half \\", 3, NULL), 0);
    assert_false(kube_frames_at_boundary(&frames));
    kube_frames_reset(&frames);
    assert_true(kube_frames_at_boundary(&frames));
    assert_int_equal(feed(&frames, &out, "{\"b\":1}", 3, NULL), 0);
    assert_int_equal(out.frames.count, 1);
    assert_string_equal(out.frames.items[0], "{\"b\":1}");
    strings_free(&out.frames);
    kube_frames_free(&frames);
}

static void handler_can_stop(void **state) {
    (void)state;
    struct kube_frames frames;
    struct collected out = {.stop_after = 1};
    cleanup_error struct error *err = NULL;
    kube_frames_init(&frames, 1024);
    assert_int_equal(kube_frames_feed(&frames, two_events, strlen(two_events), collect, &out, &err),
                     -1);
    assert_int_equal(out.frames.count, 1);
    assert_null(err);
    strings_free(&out.frames);
    kube_frames_free(&frames);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunking_gives_the_same_objects),
        cmocka_unit_test(objects_need_no_separator),
        cmocka_unit_test(whole_objects_are_not_held),
        cmocka_unit_test(memory_of_a_large_object_is_given_back),
        cmocka_unit_test(the_limit_holds_for_each_object_not_for_all),
        cmocka_unit_test(something_else_than_an_object_is_refused),
        cmocka_unit_test(end_inside_an_object_is_seen_and_forgotten),
        cmocka_unit_test(handler_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
