#pragma once

/*
 * Kubernetes quantities: "500m", "4Gi", "1.5e3". Source: apimachinery pkg/api/resource/quantity.go
 * and suffix.go (grammar, precision of 10^-9 rounded away from zero, ceiling of 2^63-1).
 */

#include <stdbool.h>
#include <stdint.h>

/* An exact value in units of 10^-9. */
struct quantity {
    __int128 billionths;
};

/*
 * Parses the whole text: sign, decimals, then Ki Mi Gi Ti Pi Ei, n u m k M G T P E, or e/E with an
 * integer exponent. False (OUT untouched) when it is no quantity or beyond 2^63-1 either way, which
 * Kubernetes would silently cap; a text of more than 100 characters is no quantity.
 */
bool quantity_parse(struct quantity *out, const char *text);

/* Less than 0, 0, more than 0, as LEFT is less than, equal to, more than RIGHT. */
int quantity_compare(const struct quantity *left, const struct quantity *right);

/* True when it is a whole number of units (bytes, cores, cards). */
bool quantity_is_integer(const struct quantity *quantity);
bool quantity_is_negative(const struct quantity *quantity);

/* Whole units, rounded up (towards more). */
int64_t quantity_value(const struct quantity *quantity);

enum { QUANTITY_SIZE = 48 };

/* For people: "512 B", "4 GiB", "9.5 GiB", one decimal at most, rounded to nearest. Returns OUT. */
const char *quantity_format_bytes(char out[QUANTITY_SIZE], int64_t bytes);
