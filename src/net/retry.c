#include "net/retry.h"

#include "base/text.h"

#include <curl/curl.h>
#include <stddef.h>
#include <time.h>

enum { SECOND_MS = 1000 };

const struct retry_policy retry_default = {
    .attempts = 4,
    .first_ms = 200,
    .longest_ms = 30000,
    .idempotent = false,
};

const struct retry_policy retry_never = {.attempts = 1};

/* Milliseconds that Retry-After asks for, or -1 when there is none that can be read. */
static int64_t parse_retry_after(const char *value, int64_t wall_ms) {
    int64_t seconds = 0;
    if (text_is_empty(value))
        return -1;
    if (text_to_integer(value, 0, INT32_MAX, &seconds))
        return seconds * SECOND_MS;
    time_t date = curl_getdate(value, NULL);
    if (date == -1)
        return -1;
    int64_t left = (int64_t)date * SECOND_MS - wall_ms;
    return left > 0 ? left : 0;
}

/* The same for RateLimit-Reset, the Unix time at which GitLab's window ends. */
static int64_t parse_rate_limit_reset(const char *value, int64_t wall_ms) {
    int64_t seconds = 0;
    if (!text_to_integer(value, 1, INT64_MAX / SECOND_MS, &seconds))
        return -1;
    int64_t left = seconds * SECOND_MS - wall_ms;
    return left > 0 ? left : 0;
}

static bool status_is_worth_it(const struct retry_policy *policy, int status, bool server_asked) {
    switch (status) {
    case 429:
    case 503:
        return true;
    case 502:
    case 504:
        return server_asked || policy->idempotent; /* it may have been done behind the gateway */
    case 500:
        return server_asked;
    default:
        return false;
    }
}

static int64_t backoff(const struct retry_policy *policy, int attempt, unsigned jitter) {
    int64_t pause = policy->first_ms;
    for (int i = 1; i < attempt && pause < policy->longest_ms; i++)
        pause *= 2;
    if (pause > policy->longest_ms)
        pause = policy->longest_ms;
    return pause / 2 + pause * (int64_t)(jitter % 1000) / 2000;
}

int64_t retry_delay(const struct retry_policy *policy, int attempt,
                    const struct retry_outcome *outcome, int64_t wall_ms, unsigned jitter) {
    if (attempt >= policy->attempts || outcome->failure == RETRY_UNTRUSTED)
        return -1;
    if (outcome->failure == RETRY_BROKEN && !policy->idempotent)
        return -1;

    int64_t pause = backoff(policy, attempt, jitter);
    if (outcome->failure != RETRY_STATUS)
        return pause;

    int64_t asked = parse_retry_after(outcome->retry_after, wall_ms);
    if (!status_is_worth_it(policy, outcome->http_status, asked >= 0))
        return -1;
    if (asked < 0 && outcome->http_status == 429)
        asked = parse_rate_limit_reset(outcome->rate_limit_reset, wall_ms);
    if (asked > policy->longest_ms)
        return -1;
    return asked > pause ? asked : pause;
}
