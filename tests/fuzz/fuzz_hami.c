/* HAMi's annotations of any bytes: bounded cards with sane numbers. */

#include "base/memory.h"
#include "deploy/hami.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_free char *text = strndup((const char *)data, size);
    cleanup_hami_cards struct hami_cards cards = {.count = 0};
    if (text == NULL || hami_parse_cards(&cards, text, NULL) < 0)
        return 0;
    if (cards.count > HAMI_MOST_CARDS)
        __builtin_trap();
    for (size_t i = 0; i < cards.count; i++) {
        const struct hami_card *card = &cards.items[i];
        if (card->id[0] == '\0' || memchr(card->id, '\0', sizeof(card->id)) == NULL ||
            card->shares < 0 || card->memory_mib < 0 || card->cores < 0)
            __builtin_trap();
    }
    const struct hami_need need = {.cards = 1, .memory_percent = 100, .cores = 100};
    if (hami_fitting_cards(&cards, &need, text) > cards.count ||
        hami_largest_card(&cards) > INT32_MAX)
        __builtin_trap();
    (void)hami_read_handshake(text, 0);
    return 0;
}
