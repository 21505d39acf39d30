/* Model cards of any bytes: what comes out is clean text, what is refused is refused with a reason.
 */

#include "model/card.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const char *value) {
    size_t length = value != NULL ? strlen(value) : SIZE_MAX;
    if (length > 256)
        __builtin_trap();
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            __builtin_trap();
    if (length > 0 && (value[0] == ' ' || value[length - 1] == ' '))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct card card = {0};
    cleanup_error struct error *error = NULL;
    if (card_parse(&card, CARD_BOTH, (const char *)data, size, "README.md", &error) < 0) {
        if (error == NULL || error->kind != ERROR_MODEL || strchr(error->message, '\n') != NULL ||
            card.pipeline_tag != NULL || card.library_name != NULL)
            __builtin_trap();
        return 0;
    }
    check_value(card.pipeline_tag);
    check_value(card.library_name);

    /* Each key alone reads the same. */
    struct card one = {0};
    if (card_parse(&one, CARD_LIBRARY_NAME, (const char *)data, size, "README.md", NULL) < 0 ||
        strcmp(one.library_name, card.library_name) != 0 || one.pipeline_tag[0] != '\0')
        __builtin_trap();
    card_free(&one);
    card_free(&card);
    return 0;
}
