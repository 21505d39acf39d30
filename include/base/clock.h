#pragma once

/* Time comes in through this seam, so that tests can move it. */

#include <stdint.h>

struct clock {
    int64_t (*monotonic_ms)(void *user); /* never goes back; for durations and deadlines */
    int64_t (*wall_ms)(void *user);      /* milliseconds since 1970-01-01 UTC; for time stamps */
    void *user;
};

/* The system's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME). */
extern const struct clock clock_system;

static inline int64_t clock_now(const struct clock *clock) {
    return clock->monotonic_ms(clock->user);
}

static inline int64_t clock_wall(const struct clock *clock) {
    return clock->wall_ms(clock->user);
}

/* Parses RFC 3339 ("2026-01-02T03:04:05Z", fractions and offsets too) to ms since 1970, or -1. */
int64_t time_parse_rfc3339(const char *text);

enum { TIME_RFC3339_SIZE = 32 };

/* Writes "2026-01-02T03:04:05Z". */
void time_format_rfc3339(char out[TIME_RFC3339_SIZE], int64_t wall_ms);

/*
 * Parses a duration as Go and Kubernetes spell it ("90s", "25m", "1h30m", "1500ms"; a bare number
 * is seconds, as kubectl's --request-timeout takes it) to milliseconds; -1 when malformed or above
 * ten years. Source: https://pkg.go.dev/time#ParseDuration
 */
int64_t duration_parse(const char *text);

enum { DURATION_SIZE = 32 };

/* Writes a duration for people: "0.4s", "12s", "3m05s", "2h10m". Returns OUT. */
const char *duration_format(char out[DURATION_SIZE], int64_t milliseconds);
