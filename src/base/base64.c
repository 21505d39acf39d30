#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static int sextet(char character) {
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '+')
        return 62;
    return character == '/' ? 63 : -1;
}

/* Decoded bytes on their way to the buffer: appending three at a time costs more than decoding.
 * They may be a secret. */
struct output {
    struct buffer *buffer;
    size_t length;
    unsigned char bytes[768];
};

static void wipe_output(struct output *out) {
    memory_wipe(out->bytes, sizeof(out->bytes));
}

static int flush(struct output *out) {
    size_t length = out->length;
    out->length = 0;
    return buffer_append(out->buffer, out->bytes, length);
}

static int put(struct output *out, uint32_t bits, int sextets) {
    if (out->length + 3 > sizeof(out->bytes) && flush(out) < 0)
        return -1;
    for (int i = 0; i < sextets - 1; i++)
        out->bytes[out->length++] = (unsigned char)(bits >> (16 - 8 * i));
    return 0;
}

int base64_decode(struct buffer *out, const char *text, size_t length, const char *what,
                  enum error_kind kind, struct error **err) {
    cleanup(wipe_output) struct output decoded = {.buffer = out};
    uint32_t bits = 0;
    int sextets = 0;
    int padding = 0;
    for (size_t i = 0; i < length; i++) {
        char character = text[i];
        if (character == ' ' || character == '\t' || character == '\r' || character == '\n')
            continue;
        if (character == '=') {
            padding++;
            continue;
        }
        int value = sextet(character);
        if (value < 0 || padding > 0)
            return error_new(err, kind, "%s is not valid base64 (byte %zu)", what, i + 1);
        bits = bits << 6 | (uint32_t)value;
        if (++sextets == 4) {
            if (put(&decoded, bits, 4) < 0)
                return buffer_check(out, what, err);
            bits = 0;
            sextets = 0;
        }
    }
    bool complete = sextets == 0 ? padding == 0 : sextets > 1 && sextets + padding == 4;
    if (!complete)
        return error_new(err, kind, "%s is not valid base64 (it is cut off)", what);
    if ((sextets > 0 && put(&decoded, bits << (6 * (4 - sextets)), sextets) < 0) ||
        flush(&decoded) < 0)
        return buffer_check(out, what, err);
    return 0;
}

int base64_encode(struct buffer *out, const void *data, size_t length) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (left > 1)
            bits |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2)
            bits |= bytes[i + 2];
        const char quad[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                              left > 1 ? alphabet[bits >> 6 & 63] : '=',
                              left > 2 ? alphabet[bits & 63] : '='};
        if (buffer_append(out, quad, sizeof(quad)) < 0)
            return -1;
    }
    return 0;
}
