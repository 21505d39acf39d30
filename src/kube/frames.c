#include "kube/frames.h"

#include <string.h>

/* A buffer that grew beyond this is given back once its object is done. */
enum { KEPT_CAPACITY = 64 * 1024 };

void kube_frames_init(struct kube_frames *frames, size_t limit) {
    *frames = (struct kube_frames){.pending = BUFFER_INIT(limit), .limit = limit};
}

void kube_frames_free(struct kube_frames *frames) {
    buffer_free(&frames->pending);
}

void kube_frames_reset(struct kube_frames *frames) {
    if (frames->pending.capacity > KEPT_CAPACITY)
        buffer_free(&frames->pending);
    else
        buffer_clear(&frames->pending);
    frames->depth = 0;
    frames->in_string = false;
    frames->escaped = false;
}

bool kube_frames_at_boundary(const struct kube_frames *frames) {
    return frames->depth == 0;
}

static bool is_blank(char character) {
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

/* Moves past one byte inside a string. */
static void scan_string(struct kube_frames *frames, char character) {
    if (frames->escaped)
        frames->escaped = false;
    else if (character == '\\')
        frames->escaped = true;
    else if (character == '"')
        frames->in_string = false;
}

/* How many bytes of DATA belong to the object at hand; its depth is 0 when they complete it. */
static size_t scan(struct kube_frames *frames, const char *data, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char character = data[i];
        if (frames->in_string) {
            scan_string(frames, character);
            continue;
        }
        if (character == '"')
            frames->in_string = true;
        else if (character == '{' || character == '[')
            frames->depth++;
        else if (character == '}' || character == ']')
            frames->depth--;
        if (frames->depth == 0)
            return i + 1;
    }
    return length;
}

static int too_long(const struct kube_frames *frames, struct error **err) {
    return error_new(err, ERROR_UNREACHABLE,
                     "the Kubernetes API server sent a watch event of more than %zu bytes",
                     frames->limit);
}

static int keep(struct kube_frames *frames, const char *data, size_t length, struct error **err) {
    if (buffer_append(&frames->pending, data, length) == 0)
        return 0;
    return frames->pending.too_long ? too_long(frames, err) : error_no_memory(err);
}

/* Takes what DATA has of the object at hand; *taken bytes are used up. */
static int feed_object(struct kube_frames *frames, const char *data, size_t length, size_t *taken,
                       kube_frame_handler *on_frame, void *user, struct error **err) {
    bool begun = frames->depth > 0;
    *taken = scan(frames, data, length);
    bool complete = frames->depth == 0;
    if (!begun && complete)
        return *taken > frames->limit ? too_long(frames, err) : on_frame(user, data, *taken);
    if (keep(frames, data, *taken, err) < 0)
        return -1;
    if (!complete)
        return 0;

    int result = on_frame(user, frames->pending.data, frames->pending.length);
    kube_frames_reset(frames);
    return result;
}

int kube_frames_feed(struct kube_frames *frames, const char *data, size_t length,
                     kube_frame_handler *on_frame, void *user, struct error **err) {
    while (length > 0) {
        if (frames->depth == 0 && is_blank(*data)) {
            data++;
            length--;
            continue;
        }
        if (frames->depth == 0 && *data != '{')
            return error_new(err, ERROR_UNREACHABLE,
                             "the Kubernetes API server sent a watch event that is no JSON object");
        size_t taken = 0;
        if (feed_object(frames, data, length, &taken, on_frame, user, err) != 0)
            return -1;
        data += taken;
        length -= taken;
    }
    return 0;
}
