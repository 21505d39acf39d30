#pragma once

/*
 * What HAMi's device plugin writes on a node. Pure; fuzzed. Sources: Project-HAMi/HAMi
 * pkg/device/devices.go (DecodeNodeDevices up to v2.7, UnMarshalNodeDevices from v2.8),
 * pkg/device/nvidia/device.go, pkg/scheduler (handshake).
 */

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define HAMI_ANNOTATION_REGISTER  "hami.io/node-nvidia-register"
#define HAMI_ANNOTATION_HANDSHAKE "hami.io/node-handshake"
#define HAMI_ANNOTATION_CORDON    "hami.io/device-cordon"

enum { HAMI_MOST_CARDS = 256, HAMI_ID_SIZE = 80 };

struct hami_card {
    char id[HAMI_ID_SIZE]; /* UUID, cut when longer */
    int64_t shares;        /* pods that may share it */
    int64_t memory_mib;
    int64_t cores; /* per cent: 100 a whole card */
    bool healthy;
};

struct hami_cards {
    struct hami_card *items;
    size_t count;
};

/*
 * Reads the register annotation: a JSON array of objects, or
 * "uuid,count,memory,cores,type,numa,health[,...]" each followed by ':'. Entries that are not so
 * are skipped; at most HAMI_MOST_CARDS are taken. -1 only when out of memory.
 */
int hami_parse_cards(struct hami_cards *out, const char *text, struct error **err);
void hami_cards_free(struct hami_cards *cards);

#define cleanup_hami_cards cleanup(hami_cards_free)

/* What a pod wants of each of COUNT cards. */
struct hami_need {
    int64_t cards;
    int64_t memory_mib;     /* 0: not given */
    int64_t memory_percent; /* 0: not given; counts only without MEMORY_MIB */
    int64_t cores;          /* 0: any */
};

/* How many of the cards could each give that share when nobody else used them. CORDON is the
 * annotation with the UUIDs that are taken out, or NULL. */
size_t hami_fitting_cards(const struct hami_cards *cards, const struct hami_need *need,
                          const char *cordon);

/* Memory of the largest healthy card in MiB; 0 when there is none. */
int64_t hami_largest_card(const struct hami_cards *cards);

enum hami_handshake {
    HAMI_HANDSHAKE_MISSING,
    HAMI_HANDSHAKE_ALIVE,
    HAMI_HANDSHAKE_STALE, /* asked for more than five minutes ago and not answered */
    HAMI_HANDSHAKE_GONE,  /* the scheduler has struck the node's devices off */
};

/* Reads "Requesting_2026-01-31 08:00:00" (or with dots in the date; UTC), "Reported ...",
 * "Deleted_...". NOW_MS: wall clock. */
enum hami_handshake hami_read_handshake(const char *text, int64_t now_ms);
