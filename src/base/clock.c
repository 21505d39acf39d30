#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id) {
    struct timespec now = {0};
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_monotonic(void *user) {
    (void)user;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_wall(void *user) {
    (void)user;
    return read_clock(CLOCK_REALTIME);
}

const struct clock clock_system = {.monotonic_ms = system_monotonic, .wall_ms = system_wall};

/* COUNT digits at *at; moves *at. -1 when they are not there. */
static int digits(const char **at, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*at)[i]))
            return -1;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += count;
    return value;
}

static bool skip(const char **at, const char *characters) {
    if (**at == '\0' || strchr(characters, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

/* ".123456" to milliseconds; 0 when there is no fraction. */
static int fraction(const char **at) {
    if (**at != '.')
        return 0;
    int milliseconds = 0;
    int scale = 100;
    for ((*at)++; isdigit((unsigned char)**at); (*at)++) {
        milliseconds += (**at - '0') * scale;
        scale /= 10;
    }
    return milliseconds;
}

/* "Z" or "+01:30" to seconds east of UTC. */
static bool offset(const char **at, int *out) {
    if (skip(at, "Zz")) {
        *out = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    if (!skip(at, "+-"))
        return false;
    int hours = digits(at, 2);
    if (hours < 0 || !skip(at, ":"))
        return false;
    int minutes = digits(at, 2);
    *out = sign * (hours * 60 + minutes) * 60;
    return minutes >= 0;
}

int64_t time_parse_rfc3339(const char *text) {
    if (text == NULL)
        return -1;
    struct tm parts = {0};
    const char *at = text;
    parts.tm_year = digits(&at, 4) - 1900;
    if (!skip(&at, "-"))
        return -1;
    parts.tm_mon = digits(&at, 2) - 1;
    if (!skip(&at, "-"))
        return -1;
    parts.tm_mday = digits(&at, 2);
    if (!skip(&at, "Tt "))
        return -1;
    parts.tm_hour = digits(&at, 2);
    if (!skip(&at, ":"))
        return -1;
    parts.tm_min = digits(&at, 2);
    if (!skip(&at, ":"))
        return -1;
    parts.tm_sec = digits(&at, 2);
    int milliseconds = fraction(&at);
    int east = 0;
    if (!offset(&at, &east) || *at != '\0')
        return -1;
    bool sane = parts.tm_year >= 70 && parts.tm_mon >= 0 && parts.tm_mon < 12 &&
                parts.tm_mday >= 1 && parts.tm_mday <= 31 && parts.tm_hour >= 0 &&
                parts.tm_hour < 24 && parts.tm_min >= 0 && parts.tm_min < 60 && parts.tm_sec >= 0 &&
                parts.tm_sec <= 60;
    if (!sane)
        return -1;
    return ((int64_t)timegm(&parts) - east) * 1000 + milliseconds;
}

void time_format_rfc3339(char out[TIME_RFC3339_SIZE], int64_t wall_ms) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    strftime(out, TIME_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static const int64_t longest_duration = INT64_C(10) * 365 * 24 * 3600 * 1000;

/* The unit at *at in milliseconds, or 0. */
static int64_t duration_unit(const char **at) {
    static const struct {
        const char *name;
        int64_t milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(*at, units[i].name, length) == 0) {
            *at += length;
            return units[i].milliseconds;
        }
    }
    return 0;
}

int64_t duration_parse(const char *text) {
    if (text == NULL || *text == '\0')
        return -1;
    int64_t total = 0;
    for (const char *at = text; *at != '\0';) {
        if (!isdigit((unsigned char)*at))
            return -1;
        int64_t whole = 0;
        for (; isdigit((unsigned char)*at); at++) {
            whole = whole * 10 + (*at - '0');
            if (whole > longest_duration)
                return -1;
        }
        int thousandths = fraction(&at);
        bool bare = *at == '\0' && total == 0;
        int64_t unit = bare ? 1000 : duration_unit(&at);
        if (unit == 0 || whole > longest_duration / unit)
            return -1;
        total += whole * unit + thousandths * unit / 1000;
        if (total > longest_duration)
            return -1;
    }
    return total;
}

const char *duration_format(char out[DURATION_SIZE], int64_t milliseconds) {
    int64_t seconds = milliseconds / 1000;
    if (milliseconds < 10000)
        snprintf(out, DURATION_SIZE, "%" PRId64 ".%" PRId64 "s", seconds,
                 (milliseconds % 1000) / 100);
    else if (seconds < 60)
        snprintf(out, DURATION_SIZE, "%" PRId64 "s", seconds);
    else if (seconds < 3600)
        snprintf(out, DURATION_SIZE, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
    else
        snprintf(out, DURATION_SIZE, "%" PRId64 "h%02" PRId64 "m", seconds / 3600,
                 seconds % 3600 / 60);
    return out;
}
