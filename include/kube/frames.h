#pragma once

/*
 * Splits the body of a watch into JSON objects, whatever the chunking. The API server writes them
 * back to back; newlines between them are usual but not promised.
 * Source: apimachinery pkg/util/framer (jsonFrameReader), pkg/runtime/serializer/streaming.
 */

#include "base/buffer.h"

struct kube_frames {
    struct buffer pending; /* the beginning of an unfinished object; empty between objects */
    size_t limit;          /* most bytes of one object */
    int depth;             /* open brackets */
    bool in_string;
    bool escaped;
};

/* LIMIT: most bytes of one object. Holds no memory until an object arrives in more than one piece.
 */
void kube_frames_init(struct kube_frames *frames, size_t limit);

/* Handed each complete object: LENGTH bytes, not NUL-terminated, borrowed for the call. Brackets
 * are balanced but it may still be no valid JSON. Non-zero stops the feed. */
typedef int kube_frame_handler(void *user, const char *frame, size_t length);

/*
 * Takes the next LENGTH bytes and hands over every object that they complete, in order. Objects
 * that lie whole in DATA are not copied. Fails (ERROR_UNREACHABLE: the peer sends nonsense) when an
 * object is longer than the limit or something else than an object stands between two; -1 without
 * an error when ON_FRAME stopped it. After a failure the only use is kube_frames_reset or _free.
 */
int kube_frames_feed(struct kube_frames *frames, const char *data, size_t length,
                     kube_frame_handler *on_frame, void *user, struct error **err);

/* True when the bytes so far end between two objects. */
bool kube_frames_at_boundary(const struct kube_frames *frames);

/* Forgets an unfinished object, for the next connection. */
void kube_frames_reset(struct kube_frames *frames);
void kube_frames_free(struct kube_frames *frames);
