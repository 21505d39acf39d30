#include "deploy/quantity.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 100, FRACTION_DIGITS = 36, MOST_EXPONENT = 200 };

#define BILLION ((__int128)1000000000)

/* WHOLE + FRACTION / 10^36, and whether anything below was cut off. */
struct decimal {
    unsigned __int128 whole;
    unsigned __int128 fraction;
    bool cut;
};

static unsigned __int128 power_of_ten(int exponent) {
    unsigned __int128 power = 1;
    for (int i = 0; i < exponent; i++)
        power *= 10;
    return power;
}

/* Reads digits and a point at *TEXT and moves it behind them. */
static bool read_decimal(struct decimal *out, const char **text) {
    const char *at = *text;
    size_t digits = 0;
    for (; *at >= '0' && *at <= '9'; at++, digits++) {
        if (out->whole > power_of_ten(36))
            return false;
        out->whole = out->whole * 10 + (unsigned)(*at - '0');
    }
    if (*at == '.') {
        unsigned __int128 weight = power_of_ten(FRACTION_DIGITS - 1);
        for (at++; *at >= '0' && *at <= '9'; at++, digits++) {
            out->fraction += weight * (unsigned)(*at - '0');
            out->cut |= weight == 0 && *at != '0';
            weight /= 10;
        }
    }
    *text = at;
    return digits > 0;
}

/* Multiplies by BASE; false when the result is beyond every quantity. */
static bool multiply(struct decimal *value, unsigned base) {
    if (value->whole > (unsigned __int128)INT64_MAX)
        return false;
    value->fraction *= base;
    value->whole = value->whole * base + value->fraction / power_of_ten(FRACTION_DIGITS);
    value->fraction %= power_of_ten(FRACTION_DIGITS);
    return true;
}

static void divide_by_ten(struct decimal *value) {
    value->cut |= value->fraction % 10 != 0;
    value->fraction = value->fraction / 10 + value->whole % 10 * power_of_ten(FRACTION_DIGITS - 1);
    value->whole /= 10;
}

static bool scale(struct decimal *value, unsigned base, int exponent) {
    for (int i = 0; i < exponent; i++)
        if (!multiply(value, base))
            return false;
    for (int i = 0; i > exponent; i--)
        divide_by_ten(value);
    return true;
}

struct suffix {
    const char *text;
    unsigned base;
    int exponent;
};

static const struct suffix suffixes[] = {
    {"", 10, 0},   {"n", 10, -9}, {"u", 10, -6}, {"m", 10, -3}, {"k", 10, 3},  {"M", 10, 6},
    {"G", 10, 9},  {"T", 10, 12}, {"P", 10, 15}, {"E", 10, 18}, {"Ki", 2, 10}, {"Mi", 2, 20},
    {"Gi", 2, 30}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60},
};

/* The exponent of "e3", "E-2". */
static bool read_exponent(int *out, const char *text) {
    bool negative = text[1] == '-';
    const char *digits = text + 1 + (text[1] == '-' || text[1] == '+');
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return false;
    int exponent = 0;
    for (; *digits != '\0'; digits++)
        if (exponent <= MOST_EXPONENT)
            exponent = exponent * 10 + (*digits - '0');
    *out = negative ? -exponent : exponent;
    return true;
}

static bool apply_suffix(struct decimal *value, const char *text) {
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (strcmp(suffixes[i].text, text) == 0)
            return scale(value, suffixes[i].base, suffixes[i].exponent);
    int exponent = 0;
    if ((text[0] != 'e' && text[0] != 'E') || !read_exponent(&exponent, text))
        return false;
    if (value->whole == 0 && value->fraction == 0)
        return true;
    if (exponent > MOST_EXPONENT)
        return false;
    return scale(value, 10, exponent < -MOST_EXPONENT ? -MOST_EXPONENT : exponent);
}

bool quantity_parse(struct quantity *out, const char *text) {
    if (text == NULL || strlen(text) > LONGEST)
        return false;
    bool negative = text[0] == '-';
    const char *at = text + (text[0] == '-' || text[0] == '+');
    struct decimal value = {0};
    if (!read_decimal(&value, &at) || !apply_suffix(&value, at))
        return false;

    const unsigned __int128 below = power_of_ten(FRACTION_DIGITS - 9);
    bool round_up = value.cut || value.fraction % below != 0;
    if (value.whole > (unsigned __int128)INT64_MAX)
        return false;
    __int128 billionths = (__int128)value.whole * BILLION + (__int128)(value.fraction / below);
    billionths += round_up ? 1 : 0;
    if (billionths > (__int128)INT64_MAX * BILLION)
        return false;
    out->billionths = negative ? -billionths : billionths;
    return true;
}

int quantity_compare(const struct quantity *left, const struct quantity *right) {
    return (left->billionths > right->billionths) - (left->billionths < right->billionths);
}

bool quantity_is_integer(const struct quantity *quantity) {
    return quantity->billionths % BILLION == 0;
}

bool quantity_is_negative(const struct quantity *quantity) {
    return quantity->billionths < 0;
}

int64_t quantity_value(const struct quantity *quantity) {
    __int128 whole = quantity->billionths / BILLION;
    return (int64_t)(whole + (quantity->billionths % BILLION > 0 ? 1 : 0));
}

const char *quantity_format_bytes(char out[QUANTITY_SIZE], int64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t magnitude = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
    size_t unit = 0;
    uint64_t size = 1;
    /* 1023.95 of a unit would round to "1024" */
    while (unit + 1 < sizeof(units) / sizeof(units[0]) && magnitude / 1024 >= size) {
        size *= 1024;
        unit++;
    }
    uint64_t tenths = (uint64_t)(((unsigned __int128)magnitude * 10 + size / 2) / size);
    if (tenths >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        tenths = 10;
        unit++;
    }
    const char *sign = bytes < 0 ? "-" : "";
    if (tenths % 10 == 0)
        snprintf(out, QUANTITY_SIZE, "%s%llu %s", sign, (unsigned long long)(tenths / 10),
                 units[unit]);
    else
        snprintf(out, QUANTITY_SIZE, "%s%llu.%llu %s", sign, (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), units[unit]);
    return out;
}
