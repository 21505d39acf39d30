#pragma once

/* When to try a failed exchange again. Pure. */

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
    int attempts;       /* most attempts in all, at least 1 */
    int64_t first_ms;   /* first pause; doubles each time */
    int64_t longest_ms; /* ceiling of one pause; a server's Retry-After above it ends the retries */
    /* Doing it twice does no harm: transport errors after the request was sent, 502 and 504 without
     * Retry-After (it may have been done behind the gateway) may be retried. */
    bool idempotent;
};

/* 4 attempts, 200 ms first, 30 s at most; not idempotent. */
extern const struct retry_policy retry_default;
/* One attempt. */
extern const struct retry_policy retry_never;

enum retry_failure {
    RETRY_STATUS,    /* an answer arrived; see http_status */
    RETRY_NOT_SENT,  /* no connection: refused, unresolvable, timed out before sending */
    RETRY_BROKEN,    /* reset, cut off or timed out after sending */
    RETRY_UNTRUSTED, /* certificate or name wrong: never retried */
};

struct retry_outcome {
    enum retry_failure failure;
    int http_status;
    const char *retry_after; /* header value or NULL: seconds or an HTTP date (RFC 9110 10.2.3) */
    const char *rate_limit_reset; /* RateLimit-Reset header (Unix seconds) or NULL */
};

/*
 * Milliseconds to wait before attempt ATTEMPT + 1 (ATTEMPT counts from 1), or -1 when it must not
 * be tried again. 429, 502, 503, 504 and (with Retry-After) 500 are worth another attempt; a
 * Retry-After is honoured (for 429 also RateLimit-Reset), but never below the pause that is due
 * anyway: exponential, its upper half spread by JITTER (0..999).
 */
int64_t retry_delay(const struct retry_policy *policy, int attempt,
                    const struct retry_outcome *outcome, int64_t wall_ms, unsigned jitter);
