#include "deploy/hami.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MOST_FIELDS = 9, LONGEST_FIELD = 128, LEAST_FIELDS = 7, STALE_MS = 5 * 60 * 1000 };

void hami_cards_free(struct hami_cards *cards) {
    free(cards->items);
    *cards = (struct hami_cards){0};
}

static int add(struct hami_cards *cards, const struct hami_card *card, struct error **err) {
    if (card->id[0] == '\0' || cards->count == HAMI_MOST_CARDS)
        return 0;
    struct hami_card *items = realloc(cards->items, (cards->count + 1) * sizeof(*items));
    if (items == NULL)
        return error_no_memory(err);
    cards->items = items;
    cards->items[cards->count++] = *card;
    return 0;
}

/* ---- JSON ---- */

static int64_t number_of(const json_t *object, const char *key) {
    int64_t value = json_integer_at(object, 0, key, NULL);
    return value > 0 && value <= INT32_MAX ? value : 0;
}

static int parse_json(struct hami_cards *cards, const json_t *list, struct error **err) {
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(list, index, entry) {
        const char *id = json_text_at(entry, "id", NULL);
        struct hami_card card = {
            .shares = number_of(entry, "count"),
            .memory_mib = number_of(entry, "devmem"),
            .cores = number_of(entry, "devcore"),
            .healthy = json_is_true_at(entry, "health", NULL),
        };
        snprintf(card.id, sizeof(card.id), "%s", id != NULL ? id : "");
        if (add(cards, &card, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- CSV ---- */

/* Splits one entry of LENGTH bytes at its commas. The number of fields; 0 when one is too long. */
static size_t split(char fields[MOST_FIELDS][LONGEST_FIELD], const char *entry, size_t length) {
    size_t count = 0;
    const char *end = entry + length;
    for (const char *at = entry; count < MOST_FIELDS;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t width = (size_t)((comma != NULL ? comma : end) - at);
        if (width >= LONGEST_FIELD)
            return 0;
        memcpy(fields[count], at, width);
        fields[count++][width] = '\0';
        if (comma == NULL)
            break;
        at = comma + 1;
    }
    return count;
}

static int parse_entry(struct hami_cards *cards, const char *entry, size_t length,
                       struct error **err) {
    char fields[MOST_FIELDS][LONGEST_FIELD];
    struct hami_card card = {.id = ""};
    if (split(fields, entry, length) < LEAST_FIELDS ||
        !text_to_integer(fields[1], 0, INT32_MAX, &card.shares) ||
        !text_to_integer(fields[2], 0, INT32_MAX, &card.memory_mib) ||
        !text_to_integer(fields[3], 0, INT32_MAX, &card.cores))
        return 0;
    card.healthy = strcmp(fields[6], "true") == 0;
    snprintf(card.id, sizeof(card.id), "%.*s", HAMI_ID_SIZE - 1, fields[0]);
    return add(cards, &card, err);
}

int hami_parse_cards(struct hami_cards *out, const char *text, struct error **err) {
    cleanup_hami_cards struct hami_cards cards = {.count = 0};
    if (text[strspn(text, " \t\r\n")] == '[') {
        cleanup_json json_t *list = json_loads(text, 0, NULL);
        if (parse_json(&cards, list, err) < 0)
            return -1;
    } else {
        for (const char *at = text; *at != '\0';) {
            size_t length = strcspn(at, ":");
            if (parse_entry(&cards, at, length, err) < 0)
                return -1;
            at += length + (at[length] == ':' ? 1 : 0);
        }
    }
    *out = cards;
    cards = (struct hami_cards){0};
    return 0;
}

/* ---- what fits ---- */

static bool fits(const struct hami_card *card, const struct hami_need *need) {
    int64_t memory =
        need->memory_mib > 0 ? need->memory_mib : card->memory_mib * need->memory_percent / 100;
    int64_t cores = need->cores > 100 ? 100 : need->cores; /* HAMi up to v2.9 clamps */
    return card->healthy && card->shares > 0 && memory <= card->memory_mib && cores <= card->cores;
}

size_t hami_fitting_cards(const struct hami_cards *cards, const struct hami_need *need,
                          const char *cordon) {
    size_t count = 0;
    for (size_t i = 0; i < cards->count; i++) {
        bool cordoned = cordon != NULL && strstr(cordon, cards->items[i].id) != NULL;
        count += !cordoned && fits(&cards->items[i], need) ? 1 : 0;
    }
    return count;
}

int64_t hami_largest_card(const struct hami_cards *cards) {
    int64_t largest = 0;
    for (size_t i = 0; i < cards->count; i++)
        if (cards->items[i].healthy && cards->items[i].memory_mib > largest)
            largest = cards->items[i].memory_mib;
    return largest;
}

/* ---- handshake ---- */

/* Seconds since the epoch of "2026-01-31 08:00:00", -1 when it is none. */
static int64_t read_time(const char *text) {
    struct tm time = {0};
    const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &time);
    if (end == NULL)
        end = strptime(text, "%Y.%m.%d %H:%M:%S", &time);
    return end != NULL ? (int64_t)timegm(&time) : -1;
}

enum hami_handshake hami_read_handshake(const char *text, int64_t now_ms) {
    static const char requesting[] = "Requesting_";
    if (text_is_empty(text))
        return HAMI_HANDSHAKE_MISSING;
    if (text_has_prefix(text, "Deleted"))
        return HAMI_HANDSHAKE_GONE;
    if (!text_has_prefix(text, requesting))
        return HAMI_HANDSHAKE_ALIVE;
    int64_t asked = read_time(text + strlen(requesting));
    return asked >= 0 && now_ms - asked * 1000 > STALE_MS ? HAMI_HANDSHAKE_STALE
                                                          : HAMI_HANDSHAKE_ALIVE;
}
