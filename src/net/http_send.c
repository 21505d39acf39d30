/* Batches: several requests at once, each with its own retries; waited for or in the background. */

#include "base/text.h"
#include "http_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { NOT_DUE = -1, HEADER_VALUE_SIZE = 128 };

/* One request on its way through its attempts. */
struct slot {
    const struct http_request *request;
    struct http_result *result;
    struct http_transfer *transfer; /* NULL between attempts */
    struct buffer note;             /* why earlier attempts failed */
    int64_t due_ms;                 /* when the next attempt starts */
    int attempts;
    bool done;
};

struct http_batch {
    struct http_batch *next; /* of the client, when it runs in the background */
    struct http_client *client;
    struct slot *slots;
    size_t count;
    int64_t deadline_ms; /* 0: none */
    int told;            /* attempts whose failure was told: once for all requests */
    bool done;
};

enum { LONG_SILENCE_MS = 2000 };

static int64_t now(const struct http_batch *batch) {
    return clock_now(batch->client->deps->clock);
}

static void free_slots(struct http_batch *batch) {
    for (size_t i = 0; batch->slots != NULL && i < batch->count; i++) {
        http_transfer_free(batch->slots[i].transfer);
        buffer_free(&batch->slots[i].note);
    }
    free(batch->slots);
}

static const char *server_of(const struct http_request *request) {
    return request->server != NULL ? request->server : "the server";
}

static unsigned random_jitter(void) {
    unsigned value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        return 500;
    return value % 1000;
}

/* The policy of a request; reading is repeatable by nature (RFC 9110 9.2.2). */
static struct retry_policy policy_of(const struct http_request *request) {
    struct retry_policy policy = request->retry != NULL ? *request->retry : retry_default;
    if (text_equal(http_method(request), "GET") || text_equal(http_method(request), "HEAD"))
        policy.idempotent = true;
    return policy;
}

/* Ends a slot with ERROR, which it takes over. */
static void end_with_error(struct slot *slot, struct error *error) {
    http_transfer_free(slot->transfer);
    slot->transfer = NULL;
    slot->done = true;
    slot->result->error = error;
    slot->result->response.attempts = slot->attempts;
    if (slot->attempts > 1)
        slot->result->response.retry_note = text_copy(buffer_text(&slot->note), NULL);
}

static void end_unfinished(struct http_batch *batch, enum error_kind kind, const char *what) {
    for (size_t i = 0; i < batch->count; i++) {
        struct slot *slot = &batch->slots[i];
        if (slot->done)
            continue;
        struct error *error = NULL;
        cleanup_free char *host = http_display_host(slot->request->url, &error);
        const char *note = buffer_text(&slot->note);
        if (host != NULL)
            error_new(&error, kind, "%s (%s): %s%s%s", server_of(slot->request), host, what,
                      note[0] != '\0' ? "; before: " : "", note);
        end_with_error(slot, error);
    }
}

static void log_attempt(const struct slot *slot, const char *outcome) {
    const struct http_transfer *transfer = slot->transfer;
    const struct log *log = transfer->client->deps->log;
    if (log == NULL || log->level < LOG_DEBUG)
        return;
    curl_off_t total_us = 0;
    long connects = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    cleanup_free char *url = http_display_url(slot->request->url, NULL);
    log_debug(log, "%s %s: %s, %llu bytes, %lld ms, %s connection, attempt %d",
              http_method(slot->request), url != NULL ? url : "", outcome,
              (unsigned long long)transfer->received, (long long)(total_us / 1000),
              connects > 0 ? "new" : "kept", slot->attempts);
}

static void start_attempt(struct http_batch *batch, struct slot *slot) {
    struct error *error = NULL;
    slot->attempts++;
    if (slot->attempts > 1)
        batch->client->statistics.retries++;
    if (http_transfer_new(&slot->transfer, batch->client, slot->request, NULL, &error) < 0 ||
        http_transfer_start(slot->transfer, &error) < 0)
        end_with_error(slot, error);
}

/* Somebody who has waited for a while, or is going to, wants to know for what. */
static void tell_retry(struct http_batch *batch, const struct slot *slot, const char *cause,
                       int64_t pause) {
    const struct log *log = batch->client->deps->log;
    curl_off_t total_us = 0;
    (void)curl_easy_getinfo(slot->transfer->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    if (total_us / 1000 + pause < LONG_SILENCE_MS || batch->told >= slot->attempts) {
        log_debug(log, "%s: trying again in %lld ms", cause, (long long)pause);
        return;
    }
    batch->told = slot->attempts;
    char length[DURATION_SIZE];
    bool named = strchr(cause, ':') != NULL; /* errors begin with the server's name */
    log_notice(log, "%s%s%s; trying again in %s", named ? "" : server_of(slot->request),
               named ? "" : ": ", cause, duration_format(length, pause));
}

/*
 * Plans another attempt when the policy wants one and it can start before the deadline. True when
 * planned; CAUSE is remembered for the note.
 */
static bool plan_retry(struct http_batch *batch, struct slot *slot,
                       const struct retry_outcome *outcome, const char *cause) {
    const struct clock *clock = batch->client->deps->clock;
    struct retry_policy policy = policy_of(slot->request);
    int64_t pause =
        retry_delay(&policy, slot->attempts, outcome, clock_wall(clock), random_jitter());
    int64_t due = clock_now(clock) + pause;
    if (pause < 0 || (batch->deadline_ms > 0 && due >= batch->deadline_ms))
        return false;
    if (slot->note.length > 0)
        buffer_append_text(&slot->note, "; ");
    buffer_append_text(&slot->note, cause);
    tell_retry(batch, slot, cause, pause);
    http_transfer_free(slot->transfer);
    slot->transfer = NULL;
    slot->due_ms = due;
    return true;
}

static void settle_answer(struct http_batch *batch, struct slot *slot) {
    struct http_response *response = &slot->transfer->response;
    char retry_after[HEADER_VALUE_SIZE];
    char reset[HEADER_VALUE_SIZE];
    char cause[HEADER_VALUE_SIZE];
    struct retry_outcome outcome = {.failure = RETRY_STATUS, .http_status = response->status};
    if (http_header(response, "Retry-After", retry_after, sizeof(retry_after)))
        outcome.retry_after = retry_after;
    if (http_header(response, "RateLimit-Reset", reset, sizeof(reset)))
        outcome.rate_limit_reset = reset;
    (void)snprintf(cause, sizeof(cause), "HTTP %d", response->status);
    log_attempt(slot, cause);
    if (plan_retry(batch, slot, &outcome, cause))
        return;
    response->attempts = slot->attempts;
    if (slot->request->want_certificate)
        response->certificate_expires_ms = http_certificate_expiry(slot->transfer->easy);
    if (slot->attempts > 1)
        response->retry_note = text_copy(buffer_text(&slot->note), NULL);
    slot->result->response = *response;
    memset(response, 0, sizeof(*response));
    http_transfer_free(slot->transfer);
    slot->transfer = NULL;
    slot->done = true;
}

static void settle_failure(struct http_batch *batch, struct slot *slot) {
    cleanup_error struct error *error = NULL;
    struct retry_outcome outcome = {.failure = http_transfer_error(slot->transfer, &error)};
    log_attempt(slot, error->message);
    if (plan_retry(batch, slot, &outcome, error->message))
        return;
    slot->result->too_large = slot->transfer->body_too_large;
    if (slot->attempts > 1)
        error_append(&error, " (attempt %d)", slot->attempts);
    end_with_error(slot, steal_pointer(error));
}

static void settle_finished(struct http_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        struct slot *slot = &batch->slots[i];
        if (slot->transfer == NULL || !slot->transfer->finished)
            continue;
        if (slot->transfer->code == CURLE_OK)
            settle_answer(batch, slot);
        else
            settle_failure(batch, slot);
    }
}

/* Starts what is due. Milliseconds until something is to be started, or -1. */
static int64_t start_due(struct http_batch *batch) {
    int64_t wait = NOT_DUE;
    for (size_t i = 0; i < batch->count; i++) {
        struct slot *slot = &batch->slots[i];
        if (slot->done || slot->transfer != NULL)
            continue;
        int64_t left = slot->due_ms - now(batch);
        if (left <= 0)
            start_attempt(batch, slot);
        else if (wait < 0 || left < wait)
            wait = left;
    }
    return wait;
}

static bool all_done(const struct http_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->slots[i].done)
            return false;
    return true;
}

static int run(struct http_batch *batch, struct error **err) {
    for (;;) {
        if (http_is_canceled(batch->client)) {
            end_unfinished(batch, ERROR_CANCELED, "canceled while waiting for an answer");
            return 0;
        }
        if (batch->deadline_ms > 0 && now(batch) >= batch->deadline_ms) {
            end_unfinished(batch, ERROR_DEADLINE, "the time was up before an answer came");
            return 0;
        }
        int64_t wait = start_due(batch);
        if (all_done(batch))
            return 0;
        if (batch->deadline_ms > 0) {
            int64_t left = batch->deadline_ms - now(batch);
            if (left < 0)
                left = 0;
            if (wait < 0 || left < wait)
                wait = left;
        }
        if (http_loop_turn(batch->client, wait, err) < 0)
            return -1;
        settle_finished(batch);
    }
}

static int set_up(struct http_batch *batch, const struct http_request *requests,
                  struct http_result *results, struct error **err) {
    batch->slots = calloc(batch->count, sizeof(*batch->slots));
    if (batch->slots == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < batch->count; i++)
        batch->slots[i] = (struct slot){.request = &requests[i],
                                        .result = &results[i],
                                        .note = BUFFER_INIT(HTTP_NOTE_LIMIT),
                                        .due_ms = now(batch)};
    return 0;
}

int http_send(struct http_client *client, const struct http_request *requests, size_t count,
              struct http_result *results, int64_t deadline_ms, struct error **err) {
    if (count == 0)
        return 0;
    cleanup(free_slots) struct http_batch batch = {
        .client = client, .count = count, .deadline_ms = deadline_ms};
    if (set_up(&batch, requests, results, err) < 0)
        return -1;
    client->statistics.rounds++;
    if (run(&batch, err) == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        http_result_free(&results[i]);
    return -1;
}

/* ---- in the background ---- */

int http_batch_start(struct http_batch **out, struct http_client *client,
                     const struct http_request *requests, size_t count, struct http_result *results,
                     int64_t deadline_ms, struct error **err) {
    struct http_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return error_no_memory(err);
    *batch = (struct http_batch){.client = client, .count = count, .deadline_ms = deadline_ms};
    if (count > 0 && set_up(batch, requests, results, err) < 0) {
        free(batch);
        return -1;
    }
    (void)start_due(batch);
    batch->done = all_done(batch);
    batch->next = client->batches;
    client->batches = batch;
    *out = batch;
    return 0;
}

bool http_batch_is_done(const struct http_batch *batch) {
    return batch->done;
}

void http_batch_free(struct http_batch *batch) {
    if (batch == NULL)
        return;
    struct http_batch **link = &batch->client->batches;
    while (*link != NULL && *link != batch)
        link = &(*link)->next;
    if (*link == batch)
        *link = batch->next;
    free_slots(batch);
    free(batch);
}

int64_t http_batches_wait(struct http_client *client, int64_t wait_ms) {
    int64_t wait = wait_ms;
    for (struct http_batch *batch = client->batches; batch != NULL; batch = batch->next) {
        if (batch->done)
            continue;
        int64_t left = start_due(batch);
        int64_t end = batch->deadline_ms > 0 ? batch->deadline_ms - now(batch) : -1;
        if (batch->deadline_ms > 0 && (left < 0 || end < left))
            left = end > 0 ? end : 0;
        if (all_done(batch)) /* nothing could even be started */
            left = 0;
        if (left >= 0 && (wait < 0 || left < wait))
            wait = left;
    }
    return wait;
}

void http_batches_settle(struct http_client *client) {
    for (struct http_batch *batch = client->batches; batch != NULL; batch = batch->next) {
        if (batch->done)
            continue;
        settle_finished(batch);
        if (batch->deadline_ms > 0 && now(batch) >= batch->deadline_ms)
            end_unfinished(batch, ERROR_DEADLINE, "the time was up before an answer came");
        batch->done = all_done(batch);
        client->handler_calls += batch->done ? 1 : 0;
        client->statistics.background += batch->done ? 1 : 0;
    }
}
