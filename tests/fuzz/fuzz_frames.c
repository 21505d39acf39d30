/*
 * Bodies of a watch: however they are cut, the same objects come out, each balanced and within the
 * limit, and what follows the splitter (events of a target) copes with each of them.
 */

#include "kube/frames.h"
#include "watch_target.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 256 };

/* A running hash of what came out. */
struct seen {
    uint64_t hash;
    size_t count;
};

static int take(void *user, const char *frame, size_t length) {
    struct seen *seen = user;
    if (length < 2 || length > LIMIT || frame[0] != '{' ||
        (frame[length - 1] != '}' && frame[length - 1] != ']'))
        __builtin_trap();
    for (size_t i = 0; i < length; i++)
        seen->hash = (seen->hash ^ (unsigned char)frame[i]) * 1099511628211U;
    seen->count++;
    return 0;
}

static int feed(struct seen *seen, const uint8_t *data, size_t size, size_t chunk) {
    struct kube_frames frames;
    cleanup_error struct error *error = NULL;
    int result = 0;
    kube_frames_init(&frames, LIMIT);
    for (size_t at = 0; at < size && result == 0; at += chunk) {
        size_t piece = size - at < chunk ? size - at : chunk;
        result = kube_frames_feed(&frames, (const char *)data + at, piece, take, seen, &error);
    }
    if ((result < 0) != (error != NULL) || frames.pending.length > LIMIT)
        __builtin_trap();
    kube_frames_free(&frames);
    return result;
}

static void ignore(void *user, size_t target, enum kube_event type, const json_t *object,
                   const char *message) {
    (void)user;
    (void)target;
    (void)message;
    if ((object != NULL) != (type <= KUBE_EVENT_DELETED))
        __builtin_trap();
}

static void watch(const uint8_t *data, size_t size) {
    static const struct kube_watch_tuning tuning = {0};
    const struct kube_watch_target spec = {
        .resource = &kube_deployments, .start = "1", .optional = true};
    const struct watch_end end = {.jitter = 1};
    struct watch_target target;
    cleanup_error struct error *error = NULL;
    if (watch_target_init(&target, &spec, 0, &tuning, ignore, NULL, NULL) < 0)
        return;
    /* the same bytes as a watch, as a list when it expired, and as a refusal */
    static const int statuses[] = {200, 200, 500, 403};
    for (size_t i = 0; i < array_length(statuses) && error == NULL; i++) {
        watch_target_started(&target, 0);
        watch_target_status(&target, statuses[i]);
        (void)watch_target_data(&target, (const char *)data, size);
        (void)watch_target_end(&target, &end, &error);
    }
    watch_target_free(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct seen whole = {0};
    struct seen bytes = {0};
    struct seen pieces = {0};
    int result = feed(&whole, data, size, size > 0 ? size : 1);
    if (feed(&bytes, data, size, 1) != result || feed(&pieces, data, size, 7) != result ||
        whole.hash != bytes.hash || whole.count != bytes.count || whole.hash != pieces.hash)
        __builtin_trap();
    watch(data, size);
    return 0;
}
