/* What a watch does next, for every way in which a list or watch can go and end. No network. */
#include "../cmocka_all.h"

#include "../../../src/kube/watch_target.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

/* What was handed over, as "ADDED a@1", one a line. */
struct fixture {
    struct watch_target target;
    struct kube_watch_target spec;
    struct buffer log;
    int64_t now;
};

static void note(void *user, size_t target, enum kube_event type, const json_t *object,
                 const char *message) {
    static const char *const names[] = {"ADDED",  "MODIFIED",  "DELETED", "RELISTED",
                                        "SYNCED", "FORBIDDEN", "TROUBLE"};
    struct fixture *fixture = user;
    assert_int_equal(target, 3);
    if (object != NULL) {
        assert_string_equal(json_text_at(object, "kind", NULL), "Deployment");
        assert_string_equal(json_text_at(object, "apiVersion", NULL), "apps/v1");
        buffer_printf(&fixture->log, "%s %s@%s\n", names[type],
                      json_text_at(object, "metadata", "name", NULL),
                      json_text_at(object, "metadata", "resourceVersion", NULL));
        return;
    }
    buffer_printf(&fixture->log, "%s%s%s\n", names[type], message != NULL ? ": " : "",
                  message != NULL ? message : "");
}

static void make(struct fixture *fixture, const char *start, bool optional) {
    static const struct kube_watch_tuning tuning = {.timeout_seconds = 240, .page = 2};
    *fixture = (struct fixture){.log = BUFFER_INIT(1 << 20), .now = 1000};
    fixture->spec = (struct kube_watch_target){.resource = &kube_deployments,
                                               .namespace_ = "ns",
                                               .selectors = "labelSelector=a%3Db",
                                               .start = start,
                                               .optional = optional};
    assert_int_equal(
        watch_target_init(&fixture->target, &fixture->spec, 3, &tuning, note, fixture, NULL), 0);
}

static void unmake(struct fixture *fixture) {
    watch_target_free(&fixture->target);
    buffer_free(&fixture->log);
}

static void expect_log(struct fixture *fixture, const char *expected) {
    assert_string_equal(buffer_text(&fixture->log), expected);
    buffer_clear(&fixture->log);
}

static void expect_path(struct fixture *fixture, const char *query) {
    cleanup_free char *path = watch_target_path(&fixture->target, 0, NULL);
    cleanup_free char *expected =
        text_format(NULL, "/apis/apps/v1/namespaces/ns/deployments?%s&labelSelector=a%%3Db", query);
    assert_string_equal(path, expected);
}

/* How the connection ends, LIVED ms after it began. */
struct finish {
    bool broken;
    bool overrun;
    int64_t lived;
    int64_t retry_after_ms;
    struct error **err;
};

/* One connection: its status (0: none comes) and body, each byte of it alone. */
static int connection(struct fixture *fixture, int status, const char *body, struct finish finish) {
    watch_target_started(&fixture->target, fixture->now);
    if (status != 0)
        watch_target_status(&fixture->target, status);
    bool stopped = false;
    for (size_t i = 0; i < strlen(body) && !stopped; i++)
        stopped = watch_target_data(&fixture->target, body + i, 1) != 0;
    fixture->now += finish.lived;
    const struct watch_end end = {.broken = finish.broken || stopped,
                                  .overrun = finish.overrun,
                                  .cause = finish.broken ? "the cable was cut" : NULL,
                                  .retry_after_ms = finish.retry_after_ms,
                                  .now_ms = fixture->now,
                                  .jitter = 500};
    return watch_target_end(&fixture->target, &end, finish.err);
}

static int64_t pause_of(const struct fixture *fixture) {
    return fixture->target.wake_ms - fixture->now;
}

#define OBJECT(name, version)                                                                      \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" OBJECT(name, version) "}\n"
#define LIST(version, next, items)                                                                 \
    "{\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" next                      \
    "\"},\"items\":[" items "]}"
#define STATUS(code, reason)                                                                       \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":" #code ",\"reason\":\"" reason          \
    "\",\"message\":\"no " reason "\"}"

#define WATCH_QUERY "watch=1&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion="

static void synced(struct fixture *fixture) {
    assert_int_equal(connection(fixture, 200, LIST("10", "", OBJECT("a", "7")), (struct finish){0}),
                     WATCH_GO_ON);
    expect_log(fixture, "RELISTED\nADDED a@7\nSYNCED\n");
}

static void list_in_pages_then_watch(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    expect_path(&fixture, "limit=2");
    connection(&fixture, 200, LIST("10", "to=ken", OBJECT("a", "1") "," OBJECT("b", "2")),
               (struct finish){0});
    expect_path(&fixture, "limit=2&continue=to%3Dken");
    assert_int_equal(pause_of(&fixture), 0);
    connection(&fixture, 200, LIST("11", "", OBJECT("c", "3")), (struct finish){0});
    expect_log(&fixture, "RELISTED\nADDED a@1\nADDED b@2\nADDED c@3\nSYNCED\n");
    expect_path(&fixture, WATCH_QUERY "11");
    assert_int_equal(pause_of(&fixture), 0);
    unmake(&fixture);
}

static void empty_list_and_null_items(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    connection(&fixture, 200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":null}",
               (struct finish){0});
    expect_log(&fixture, "RELISTED\nSYNCED\n");
    expect_path(&fixture, WATCH_QUERY "5");
    unmake(&fixture);
}

static void start_version_needs_no_list(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, "42", false);
    expect_path(&fixture, WATCH_QUERY "42");
    connection(&fixture, 200, EVENT("MODIFIED", "a", "43"), (struct finish){0});
    expect_log(&fixture, "SYNCED\nMODIFIED a@43\n");
    /* SYNCED is said once */
    connection(&fixture, 200, EVENT("MODIFIED", "a", "44"), (struct finish){0});
    expect_log(&fixture, "MODIFIED a@44\n");
    unmake(&fixture);
}

static void events_in_order_with_deletion_and_new_creation(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    synced(&fixture);
    connection(&fixture, 200,
               EVENT("MODIFIED", "a", "11") EVENT("DELETED", "a", "12") EVENT("ADDED", "a", "13"),
               (struct finish){.lived = 5000});
    expect_log(&fixture, "MODIFIED a@11\nDELETED a@12\nADDED a@13\n");
    expect_path(&fixture, WATCH_QUERY "13");
    assert_int_equal(pause_of(&fixture), 0);
    unmake(&fixture);
}

static void bookmarks_move_the_version_and_are_not_handed_over(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    synced(&fixture);
    connection(&fixture, 200,
               "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Deployment\",\"metadata\":{"
               "\"resourceVersion\":\"99\"}}}",
               (struct finish){0});
    expect_log(&fixture, "");
    expect_path(&fixture, WATCH_QUERY "99");
    assert_int_equal(pause_of(&fixture), 0);
    unmake(&fixture);
}

static void loss_of_a_working_connection_is_repaired_at_once(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    synced(&fixture);
    connection(&fixture, 200, EVENT("MODIFIED", "a", "11") "{\"type\":\"MODIF",
               (struct finish){.broken = true, .lived = 60000});
    expect_log(&fixture, "MODIFIED a@11\nTROUBLE: the cable was cut\n");
    assert_int_equal(pause_of(&fixture), 0);
    expect_path(&fixture, WATCH_QUERY "11");
    /* half an event of the old connection does not spoil the next one */
    connection(&fixture, 200, EVENT("MODIFIED", "a", "12"), (struct finish){0});
    expect_log(&fixture, "MODIFIED a@12\n");
    unmake(&fixture);
}

static void refused_connections_back_off_up_to_half_a_minute(void **state) {
    (void)state;
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct fixture fixture;
    make(&fixture, "42", false);
    for (size_t i = 0; i < array_length(pauses); i++) {
        assert_int_equal(connection(&fixture, 0, "", (struct finish){.broken = true}), WATCH_GO_ON);
        assert_int_equal(pause_of(&fixture), pauses[i]); /* jitter 500: just as said */
        fixture.now = fixture.target.wake_ms;
    }
    buffer_clear(&fixture.log);
    /* one event and all is well again */
    connection(&fixture, 200, EVENT("MODIFIED", "a", "43"), (struct finish){0});
    assert_int_equal(pause_of(&fixture), 0);
    connection(&fixture, 0, "", (struct finish){.broken = true});
    assert_int_equal(pause_of(&fixture), 1000);
    unmake(&fixture);
}

static void jitter_spreads_the_pause(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, "42", false);
    const struct watch_end early = {.broken = true, .now_ms = 0, .jitter = 0};
    const struct watch_end late = {.broken = true, .now_ms = 0, .jitter = 999};
    watch_target_started(&fixture.target, 0);
    watch_target_end(&fixture.target, &early, NULL);
    assert_int_equal(fixture.target.wake_ms, 750);
    watch_target_started(&fixture.target, 0);
    watch_target_end(&fixture.target, &late, NULL);
    assert_int_equal(fixture.target.wake_ms, 1500 + 999);
    unmake(&fixture);
}

static void very_short_watches_back_off(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, "42", false);
    connection(&fixture, 200, "", (struct finish){.lived = 10});
    assert_int_equal(pause_of(&fixture), 1000);
    connection(&fixture, 200, "", (struct finish){.lived = 10});
    assert_int_equal(pause_of(&fixture), 2000);
    connection(&fixture, 200, "", (struct finish){.lived = 240000});
    assert_int_equal(pause_of(&fixture), 0);
    expect_log(&fixture, "SYNCED\n");
    unmake(&fixture);
}

static void expired_as_status_and_as_event_lists_again(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body;
    } ways[] = {{410, STATUS(410, "Expired")},
                {200, "{\"type\":\"ERROR\",\"object\":" STATUS(410, "Expired") "}"},
                {200, "{\"type\":\"ERROR\",\"object\":" STATUS(0, "Gone") "}"}};
    for (size_t i = 0; i < array_length(ways); i++) {
        struct fixture fixture;
        make(&fixture, NULL, false);
        synced(&fixture);
        assert_int_equal(connection(&fixture, ways[i].status, ways[i].body, (struct finish){0}),
                         WATCH_GO_ON);
        assert_int_equal(pause_of(&fixture), 0);
        expect_path(&fixture, "limit=2");
        connection(&fixture, 200, LIST("50", "", OBJECT("b", "49")), (struct finish){0});
        expect_log(&fixture, "RELISTED\nADDED b@49\nSYNCED\n");
        /* expired again at once: slower */
        connection(&fixture, ways[i].status, ways[i].body, (struct finish){0});
        assert_true(pause_of(&fixture) >= 750);
        unmake(&fixture);
    }
}

static void expired_page_starts_the_list_again(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    connection(&fixture, 200, LIST("10", "token", OBJECT("a", "1")), (struct finish){0});
    connection(&fixture, 410, STATUS(410, "Expired"), (struct finish){0});
    expect_path(&fixture, "limit=2");
    connection(&fixture, 200, LIST("11", "", OBJECT("b", "2")), (struct finish){0});
    expect_log(&fixture, "RELISTED\nADDED a@1\nRELISTED\nADDED b@2\nSYNCED\n");
    unmake(&fixture);
}

static void other_error_events_keep_the_version(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    synced(&fixture);
    connection(
        &fixture, 200,
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":504,"
        "\"reason\":\"Timeout\",\"message\":\"slow\",\"details\":{\"retryAfterSeconds\":7}}}",
        (struct finish){0});
    expect_path(&fixture, WATCH_QUERY "10");
    assert_int_equal(pause_of(&fixture), 7000);
    assert_true(text_contains(buffer_text(&fixture.log), "TROUBLE: "));
    assert_true(text_contains(buffer_text(&fixture.log), "slow"));
    unmake(&fixture);
}

static void nonsense_is_trouble_not_an_end(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"type\":\"NEWS\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":{}}",
        "{\"type\":ADDED}",
        "<html>hello</html>",
        "{\"type\":\"ERROR\",\"object\":1}"};
    for (size_t i = 0; i < array_length(bodies); i++) {
        struct fixture fixture;
        make(&fixture, NULL, false);
        synced(&fixture);
        assert_int_equal(connection(&fixture, 200, bodies[i], (struct finish){0}), WATCH_GO_ON);
        assert_true(text_has_prefix(buffer_text(&fixture.log), "TROUBLE: "));
        assert_int_equal(pause_of(&fixture), 1000);
        expect_path(&fixture, WATCH_QUERY "10");
        unmake(&fixture);
    }
}

static void lists_that_are_none_are_trouble(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "", "<html>", "{}", "{\"items\":{}}", "{\"items\":[1]}", "{\"items\":[]}"};
    for (size_t i = 0; i < array_length(bodies); i++) {
        struct fixture fixture;
        make(&fixture, NULL, false);
        assert_int_equal(connection(&fixture, 200, bodies[i], (struct finish){0}), WATCH_GO_ON);
        assert_true(text_contains(buffer_text(&fixture.log), "TROUBLE: "));
        assert_false(text_contains(buffer_text(&fixture.log), "SYNCED"));
        assert_int_equal(pause_of(&fixture), 1000);
        expect_path(&fixture, "limit=2");
        unmake(&fixture);
    }
}

static void busy_server_is_given_the_time_it_asks_for(void **state) {
    (void)state;
    static const int statuses[] = {429, 500, 502, 503, 504, 408, 302};
    for (size_t i = 0; i < array_length(statuses); i++) {
        struct fixture fixture;
        make(&fixture, NULL, false);
        assert_int_equal(connection(&fixture, statuses[i], "Too many requests",
                                    (struct finish){.retry_after_ms = 5000}),
                         WATCH_GO_ON);
        assert_int_equal(pause_of(&fixture), 5000);
        assert_true(text_has_prefix(buffer_text(&fixture.log), "TROUBLE: "));
        unmake(&fixture);
    }
}

static void forbidden_required_target_ends_the_watch(void **state) {
    (void)state;
    struct fixture fixture;
    cleanup_error struct error *err = NULL;
    make(&fixture, NULL, false);
    assert_int_equal(
        connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){.err = &err}), -1);
    assert_int_equal(err->kind, ERROR_REFUSED);
    assert_int_equal(err->http_status, 403);
    assert_true(text_contains(err->message, "list"));
    assert_true(text_contains(err->message, "deployments"));
    unmake(&fixture);
}

static void forbidden_optional_target_stops_alone(void **state) {
    (void)state;
    static const int statuses[] = {403, 404};
    for (size_t i = 0; i < array_length(statuses); i++) {
        struct fixture fixture;
        make(&fixture, NULL, true);
        assert_int_equal(
            connection(&fixture, statuses[i], STATUS(403, "Forbidden"), (struct finish){0}),
            WATCH_GO_ON);
        assert_int_equal(fixture.target.phase, WATCH_STOPPED);
        assert_true(text_has_prefix(buffer_text(&fixture.log), "FORBIDDEN: cannot list "));
        unmake(&fixture);
    }
}

static void right_to_list_but_not_to_watch_names_watch(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, "42", true);
    connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){0});
    assert_true(text_has_prefix(buffer_text(&fixture.log), "FORBIDDEN: cannot watch "));
    unmake(&fixture);
}

static void first_401_asks_for_a_new_credential(void **state) {
    (void)state;
    struct fixture fixture;
    cleanup_error struct error *err = NULL;
    make(&fixture, "42", false);
    assert_int_equal(connection(&fixture, 401, STATUS(401, "Unauthorized"), (struct finish){0}),
                     WATCH_UNAUTHORIZED);
    assert_int_equal(pause_of(&fixture), 0);
    expect_log(&fixture, "");
    assert_int_equal(
        connection(&fixture, 401, STATUS(401, "Unauthorized"), (struct finish){.err = &err}), -1);
    assert_int_equal(err->kind, ERROR_UNREACHABLE);
    unmake(&fixture);
}

static void refusals_where_it_once_worked_are_tried_again(void **state) {
    (void)state;
    struct fixture fixture;
    cleanup_error struct error *err = NULL;
    make(&fixture, NULL, false);
    synced(&fixture);
    connection(&fixture, 200, "", (struct finish){.lived = 5000});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){0}),
                         WATCH_GO_ON);
        assert_true(pause_of(&fixture) >= 1000);
    }
    assert_int_equal(
        connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){.err = &err}), -1);
    assert_int_equal(err->kind, ERROR_REFUSED);
    unmake(&fixture);
}

static void refusals_of_a_server_that_was_away_are_tried_again(void **state) {
    (void)state;
    struct fixture fixture;
    cleanup_error struct error *err = NULL;
    make(&fixture, NULL, false);
    connection(&fixture, 0, "", (struct finish){.broken = true});
    assert_int_equal(connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){0}),
                     WATCH_GO_ON);
    assert_true(pause_of(&fixture) >= 1000);
    buffer_clear(&fixture.log);
    synced(&fixture);
    /* it listed, so it is up: what it says about watching counts */
    assert_int_equal(
        connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){.err = &err}), -1);
    assert_int_equal(err->kind, ERROR_REFUSED);
    unmake(&fixture);
}

static void listing_says_nothing_about_watching(void **state) {
    (void)state;
    struct fixture fixture;
    cleanup_error struct error *err = NULL;
    make(&fixture, NULL, false);
    synced(&fixture);
    assert_int_equal(
        connection(&fixture, 403, STATUS(403, "Forbidden"), (struct finish){.err = &err}), -1);
    assert_true(text_contains(err->message, "watch"));
    unmake(&fixture);
}

static void overrun_connects_again_silently_from_the_last_event(void **state) {
    (void)state;
    struct fixture fixture;
    make(&fixture, NULL, false);
    synced(&fixture);
    connection(&fixture, 200, EVENT("MODIFIED", "a", "11") "{\"ty",
               (struct finish){.broken = true, .overrun = true});
    expect_log(&fixture, "MODIFIED a@11\n");
    assert_int_equal(pause_of(&fixture), 0);
    expect_path(&fixture, WATCH_QUERY "11");
    unmake(&fixture);
}

/* ---- memory ---- */

struct fault {
    size_t left;
    bool armed;
};
static __thread struct fault *fault_at_hand;

static void *failing_malloc(size_t size) {
    struct fault *fault = fault_at_hand;
    if (fault != NULL && fault->armed && fault->left-- == 0) {
        fault->armed = false;
        return NULL;
    }
    return malloc(size);
}

/* An event that cannot be allocated ends the watch, or is asked for again: jansson does not always
 * say that it was the memory. */
static void no_event_is_lost_for_lack_of_memory(void **state) {
    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    size_t failed = 0;
    for (size_t n = 0;; n++) {
        struct fixture fixture;
        cleanup_error struct error *err = NULL;
        make(&fixture, "42", false);
        struct fault fault = {.left = n, .armed = true};
        fault_at_hand = &fault;
        int next =
            connection(&fixture, 200, EVENT("MODIFIED", "a", "43"), (struct finish){.err = &err});
        fault_at_hand = NULL;
        bool complete = text_contains(buffer_text(&fixture.log), "MODIFIED a@43");
        bool ended = next == -1 && err->kind == ERROR_INTERNAL;
        bool repeated = next == WATCH_GO_ON && text_equal(fixture.target.version, "42");
        assert_true(complete || ended || repeated);
        unmake(&fixture);
        if (fault.armed)
            break;
        failed++;
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failed > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_in_pages_then_watch),
        cmocka_unit_test(empty_list_and_null_items),
        cmocka_unit_test(start_version_needs_no_list),
        cmocka_unit_test(events_in_order_with_deletion_and_new_creation),
        cmocka_unit_test(bookmarks_move_the_version_and_are_not_handed_over),
        cmocka_unit_test(loss_of_a_working_connection_is_repaired_at_once),
        cmocka_unit_test(refused_connections_back_off_up_to_half_a_minute),
        cmocka_unit_test(jitter_spreads_the_pause),
        cmocka_unit_test(very_short_watches_back_off),
        cmocka_unit_test(expired_as_status_and_as_event_lists_again),
        cmocka_unit_test(expired_page_starts_the_list_again),
        cmocka_unit_test(other_error_events_keep_the_version),
        cmocka_unit_test(nonsense_is_trouble_not_an_end),
        cmocka_unit_test(lists_that_are_none_are_trouble),
        cmocka_unit_test(busy_server_is_given_the_time_it_asks_for),
        cmocka_unit_test(forbidden_required_target_ends_the_watch),
        cmocka_unit_test(forbidden_optional_target_stops_alone),
        cmocka_unit_test(right_to_list_but_not_to_watch_names_watch),
        cmocka_unit_test(first_401_asks_for_a_new_credential),
        cmocka_unit_test(refusals_where_it_once_worked_are_tried_again),
        cmocka_unit_test(refusals_of_a_server_that_was_away_are_tried_again),
        cmocka_unit_test(listing_says_nothing_about_watching),
        cmocka_unit_test(overrun_connects_again_silently_from_the_last_event),
        cmocka_unit_test(no_event_is_lost_for_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
