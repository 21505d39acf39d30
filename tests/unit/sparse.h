#pragma once

/*
 * How far apart the rounds of a long loop are: 1, or $UNIT_TESTS_SPARSE. Under an emulator, where a
 * round takes fifty times longer, container/build runs every tenth.
 */
#include <stdlib.h>

static inline unsigned sparse_step(void) {
    const char *text = getenv("UNIT_TESTS_SPARSE");
    unsigned long step = text != NULL ? strtoul(text, NULL, 10) : 1;
    return step >= 1 && step <= 1000 ? (unsigned)step : 1;
}
