/*
 * Git's blob id, by an own SHA-1 (RFC 3174): libgit2 has one, but only behind its start-up, which
 * an ordinary run (GitLab's REST API) does not need. It finds damaged downloads and names contents;
 * it protects nothing against a forger.
 */

#include "model/git.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64, LENGTH_AT = 56 };

struct sha1 {
    uint32_t state[5];
    uint64_t length;
    unsigned char block[BLOCK];
    size_t filled;
};

static uint32_t rotate(uint32_t value, unsigned bits) {
    return (value << bits) | (value >> (32 - bits));
}

static uint32_t read_word(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void mix(struct sha1 *sha, const unsigned char *block) {
    uint32_t words[80];
    for (size_t i = 0; i < 16; i++)
        words[i] = read_word(block + 4 * i);
    for (size_t i = 16; i < 80; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);

    uint32_t a = sha->state[0], b = sha->state[1], c = sha->state[2], d = sha->state[3],
             e = sha->state[4];
    for (size_t i = 0; i < 80; i++) {
        uint32_t choice, constant;
        if (i < 20) {
            choice = (b & c) | (~b & d);
            constant = 0x5a827999;
        } else if (i < 40) {
            choice = b ^ c ^ d;
            constant = 0x6ed9eba1;
        } else if (i < 60) {
            choice = (b & c) | (b & d) | (c & d);
            constant = 0x8f1bbcdc;
        } else {
            choice = b ^ c ^ d;
            constant = 0xca62c1d6;
        }
        uint32_t next = rotate(a, 5) + choice + e + constant + words[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    sha->state[0] += a;
    sha->state[1] += b;
    sha->state[2] += c;
    sha->state[3] += d;
    sha->state[4] += e;
}

static void add(struct sha1 *sha, const void *data, size_t length) {
    const unsigned char *at = data;
    sha->length += length;
    while (length > 0) {
        if (sha->filled == 0 && length >= BLOCK) {
            mix(sha, at);
            at += BLOCK;
            length -= BLOCK;
            continue;
        }
        size_t part = BLOCK - sha->filled < length ? BLOCK - sha->filled : length;
        memcpy(sha->block + sha->filled, at, part);
        sha->filled += part;
        at += part;
        length -= part;
        if (sha->filled == BLOCK) {
            mix(sha, sha->block);
            sha->filled = 0;
        }
    }
}

static void finish(struct sha1 *sha, char out[GIT_OBJECT_ID_SIZE]) {
    static const unsigned char padding[BLOCK] = {0x80};
    static const char hex[] = "0123456789abcdef";
    uint64_t bits = sha->length * 8;
    size_t pad =
        sha->filled < LENGTH_AT ? LENGTH_AT - sha->filled : BLOCK + LENGTH_AT - sha->filled;
    add(sha, padding, pad);
    unsigned char length[8];
    for (size_t i = 0; i < sizeof(length); i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    add(sha, length, sizeof(length));
    for (size_t i = 0; i < 40; i++)
        out[i] = hex[(sha->state[i / 8] >> (28 - 4 * (i % 8))) & 15];
    out[40] = '\0';
}

void git_hash_blob(char out[GIT_OBJECT_ID_SIZE], const void *data, size_t length) {
    struct sha1 sha = {.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    char header[32];
    int header_length = snprintf(header, sizeof(header), "blob %zu", length);
    add(&sha, header, (size_t)header_length + 1);
    add(&sha, data, length);
    finish(&sha, out);
}
