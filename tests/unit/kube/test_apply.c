/*
 * What an apply decides, request by request, with scripted answers and a clock that moves when it
 * is waited for: the limits that a real server takes minutes to reach, and every failed allocation.
 * What the answers really look like is tested against the API server
 * (tests/integration/test_apply.py).
 */
#include "../cmocka_all.h"

#include "../torture.h"
#include "base/json.h"
#include "base/text.h"
#include "kube/apply.h"

#include <string.h>

/* ---- in place of client.c, list.c and the network ---- */

enum { BEGIN = 1000 * 1000 * 1000 };

struct reply {
    int http_status; /* 0: the connection broke */
    const char *body;
};

struct kube_client {
    const struct reply *replies; /* to PATCHes, in order; the last one stays */
    size_t reply_count;
    const struct reply *reads; /* to lists, the same way */
    size_t read_count;
    size_t sent;
    size_t listed;
    struct buffer log; /* "PATCH type query", "LIST", "WAIT ms"; one a line */
    char *last_body;
    int64_t now;
    bool canceled;
    struct clock clock;
    struct deps deps;
};

static int64_t read_clock(void *user) {
    return ((struct kube_client *)user)->now;
}

const struct deps *kube_client_deps(const struct kube_client *client) {
    return &client->deps;
}

struct http_client *kube_client_http(struct kube_client *client) {
    return (struct http_client *)(void *)client;
}

int http_wait(struct http_client *http, int64_t timeout_ms, struct error **err) {
    struct kube_client *client = (struct kube_client *)(void *)http;
    (void)err;
    torture_pause();
    buffer_printf(&client->log, "WAIT %lld\n", (long long)timeout_ms);
    torture_continue();
    client->now += timeout_ms;
    return client->canceled ? HTTP_WAIT_CANCELED : HTTP_WAIT_TIMEOUT;
}

static int fail_as(struct error **err, int http_status, const json_t *status) {
    const struct kube_request request = {
        .verb = "patch", .resource = &kube_inference_services, .namespace_ = "ns", .name = "qwen"};
    if (http_status == 0)
        return error_new(err, ERROR_UNREACHABLE, "the connection broke");
    return kube_status_object_error(err, http_status, status, &request);
}

static const struct reply *next_reply(const struct reply *replies, size_t count, size_t index) {
    assert_true(count > 0);
    return &replies[index < count ? index : count - 1];
}

int kube_send(struct kube_client *client, const struct kube_request *requests, size_t count,
              struct kube_answer *answers, int64_t deadline_ms, struct error **err) {
    (void)deadline_ms;
    const struct reply *reply = next_reply(client->replies, client->reply_count, client->sent++);
    torture_pause();
    assert_int_equal(count, 1);
    assert_string_equal(requests->verb, "patch");
    assert_true(requests->single_attempt);
    free(client->last_body);
    client->last_body = strdup(requests->body);
    buffer_printf(&client->log, "PATCH %s %s\n", strrchr(requests->content_type, '/') + 1,
                  requests->query);
    torture_continue();
    answers->http_status = reply->http_status;
    answers->attempts = 1;
    if (reply->body != NULL) {
        json_t *body = json_loads(reply->body, 0, NULL);
        if (body == NULL)
            return error_no_memory(err);
        if (reply->http_status < 300)
            answers->object = body;
        else
            answers->status = body;
    }
    if (reply->http_status >= 300 || reply->http_status == 0)
        fail_as(&answers->error, reply->http_status, answers->status);
    return 0;
}

void kube_answer_free(struct kube_answer *answer) {
    json_decref(answer->object);
    json_decref(answer->status);
    error_free(answer->error);
    strings_free(&answer->warnings);
}

int kube_list(json_t **out, struct kube_client *client, const struct kube_resource *resource,
              const char *namespace_, const char *selectors, int64_t deadline_ms,
              struct error **err) {
    (void)deadline_ms;
    torture_pause();
    assert_ptr_equal(resource, &kube_inference_services);
    assert_string_equal(namespace_, "ns");
    assert_string_equal(selectors, "fieldSelector=metadata.name%3Dqwen");
    buffer_append_text(&client->log, "LIST\n");
    torture_continue();
    const struct reply *reply = next_reply(client->reads, client->read_count, client->listed++);
    if (reply->http_status != 200)
        return fail_as(err, reply->http_status, NULL);
    *out = json_loads(reply->body, 0, NULL);
    return *out != NULL ? 0 : error_no_memory(err);
}

/* ---- texts ---- */

#define OURS                                                                                       \
    "{\"manager\":\"ours\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"fieldsV1\":{\"f:"       \
    "spec\":{}}}"
#define CLIENT_SIDE                                                                                \
    "{\"manager\":\"kubectl-client-side-apply\",\"operation\":\"Update\",\"apiVersion\":\"v1\","   \
    "\"fieldsV1\":{\"f:spec\":{\"f:a\":{}}}}"
#define OBJECT(uid, version, managers, spec)                                                       \
    "{\"metadata\":{\"name\":\"qwen\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version          \
    "\",\"managedFields\":[" managers "]},\"spec\":" spec "}"
#define LISTED(items) "{\"metadata\":{\"resourceVersion\":\"50\"},\"items\":[" items "]}"
#define STALE                                                                                      \
    "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"the object has been modified\"}"
#define CONFLICT(manager)                                                                          \
    "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"Apply failed\",\"details\":{"      \
    "\"causes\":[{\"reason\":\"FieldManagerConflict\",\"field\":\".spec.a\",\"message\":"          \
    "\"conflict with \\\"" manager "\\\" using v1\"}]}}"
#define WEBHOOK_DOWN                                                                               \
    "{\"kind\":\"Status\",\"reason\":\"InternalError\",\"message\":\"Internal error occurred: "    \
    "failed calling webhook \\\"x\\\": connection refused\"}"

#define APPLY "PATCH apply-patch+yaml fieldManager=ours&fieldValidation=Strict"
#define MOVE  "PATCH json-patch+json fieldManager=ours&fieldValidation=Strict"

/* ---- running ---- */

struct scene {
    struct kube_client client;
    struct kube_apply apply;
    json_t *document;
    json_t *live;
    struct kube_applied applied;
    struct error *error;
    int64_t deadline_ms;
};

static void set_scene(struct scene *scene, const char *live, const struct reply *replies,
                      size_t reply_count, const struct reply *reads, size_t read_count) {
    *scene = (struct scene){
        .client = {.replies = replies,
                   .reply_count = reply_count,
                   .reads = reads,
                   .read_count = read_count,
                   .log = BUFFER_INIT(1 << 20),
                   .now = BEGIN},
        .document = json_loads(
            "{\"metadata\":{\"name\":\"qwen\",\"labels\":{}},\"spec\":{\"a\":1}}", 0, NULL),
        .live = live != NULL ? json_loads(live, 0, NULL) : NULL,
    };
    scene->client.clock =
        (struct clock){.monotonic_ms = read_clock, .wall_ms = read_clock, .user = &scene->client};
    scene->client.deps = (struct deps){.clock = &scene->client.clock, .cancel_descriptor = -1};
    scene->apply = (struct kube_apply){.resource = &kube_inference_services,
                                       .namespace_ = "ns",
                                       .name = "qwen",
                                       .document = scene->document,
                                       .live = scene->live,
                                       .list_resource_version = live == NULL ? "40" : NULL,
                                       .manager = "ours"};
}

static int play(struct scene *scene) {
    return kube_apply(&scene->applied, &scene->client, &scene->apply, scene->deadline_ms,
                      &scene->error);
}

static void strike(struct scene *scene) {
    kube_applied_free(&scene->applied);
    error_free(scene->error);
    json_decref(scene->document);
    json_decref(scene->live);
    free(scene->client.last_body);
    buffer_free(&scene->client.log);
}

static void expect_log(const struct scene *scene, const char *expected) {
    assert_string_equal(buffer_text(&scene->client.log), expected);
}

static size_t count_lines(const struct scene *scene, const char *prefix) {
    size_t count = 0;
    for (const char *at = buffer_text(&scene->client.log); at != NULL && *at != '\0';) {
        count += text_has_prefix(at, prefix);
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    return count;
}

/* ---- what is sent ---- */

static void create_carries_the_version_of_the_list(void **state) {
    (void)state;
    static const struct reply replies[] = {{201, OBJECT("u", "41", OURS, "{\"a\":1}")}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, NULL, 0);
    assert_int_equal(play(&scene), 0);
    assert_true(scene.applied.created);
    expect_log(&scene, APPLY "\n");
    assert_string_equal(
        scene.client.last_body,
        "{\"metadata\":{\"name\":\"qwen\",\"resourceVersion\":\"40\"},\"spec\":{\"a\":1}}");
    strike(&scene);
}

static void update_carries_the_uid_and_no_version(void **state) {
    (void)state;
    static const struct reply replies[] = {{200, OBJECT("u", "42", OURS, "{\"a\":1}")}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", OURS, "{\"a\":0}"), replies, 1, NULL, 0);
    assert_int_equal(play(&scene), 0);
    assert_false(scene.applied.created);
    assert_true(scene.applied.changed);
    assert_string_equal(scene.client.last_body,
                        "{\"metadata\":{\"name\":\"qwen\",\"uid\":\"u\"},\"spec\":{\"a\":1}}");
    strike(&scene);
}

static void exact_update_carries_the_version_and_gives_up_when_it_is_stale(void **state) {
    (void)state;
    static const struct reply replies[] = {{409, STALE}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", OURS, "{\"a\":0}"), replies, 1, NULL, 0);
    scene.apply.exact = true;
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_CONFLICT);
    assert_string_equal(
        scene.client.last_body,
        "{\"metadata\":{\"name\":\"qwen\",\"uid\":\"u\",\"resourceVersion\":\"41\"},"
        "\"spec\":{\"a\":1}}");
    expect_log(&scene, APPLY "\n");
    strike(&scene);
}

/* Somebody wrote while a connection was lost: what was read before decides nothing any more. */
static void exact_update_is_not_repeated_over_a_newer_object(void **state) {
    (void)state;
    static const struct reply replies[] = {{0, NULL}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "42", "", "{\"a\":7}"))}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", OURS, "{\"a\":0}"), replies, 1, reads, 1);
    scene.apply.exact = true;
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_CONFLICT);
    assert_int_equal(count_lines(&scene, "PATCH"), 1);
    strike(&scene);
}

static void migration_goes_first_and_once(void **state) {
    (void)state;
    static const struct reply replies[] = {{200, OBJECT("u", "42", OURS, "{\"a\":0}")},
                                           {200, OBJECT("u", "43", OURS, "{\"a\":1}")}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", CLIENT_SIDE, "{\"a\":0}"), replies, 2, NULL, 0);
    assert_int_equal(play(&scene), 0);
    assert_true(scene.applied.migrated);
    expect_log(&scene, MOVE "\n" APPLY "\n");
    strike(&scene);
}

static void dry_run_moves_nothing(void **state) {
    (void)state;
    static const struct reply replies[] = {{409, CONFLICT("kubectl-client-side-apply")},
                                           {200, OBJECT("u", "41", CLIENT_SIDE, "{\"a\":1}")}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", CLIENT_SIDE, "{\"a\":0}"), replies, 2, NULL, 0);
    scene.apply.dry_run = true;
    assert_int_equal(play(&scene), 0);
    assert_false(scene.applied.migrated);
    expect_log(&scene, APPLY "&dryRun=All\n" APPLY "&force=true&dryRun=All\n");
    strike(&scene);
}

/* ---- limits ---- */

static void conflict_is_forced_once(void **state) {
    (void)state;
    static const struct reply replies[] = {{409, CONFLICT("kubectl")}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "41", OURS, "{\"a\":0}"))}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", OURS, "{\"a\":0}"), replies, 1, reads, 1);
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_CONFLICT);
    expect_log(&scene, APPLY "\n" APPLY "&force=true\nLIST\n");
    strike(&scene);
}

/* While a webhook was away, another manager may have taken the field: that is a new conflict. */
static void force_does_not_outlive_the_attempt_that_it_was_for(void **state) {
    (void)state;
    static const struct reply replies[] = {
        {409, CONFLICT("kubectl")}, {500, WEBHOOK_DOWN}, {409, CONFLICT("somebody")}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "42", OURS, "{\"a\":7}"))}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", OURS, "{\"a\":0}"), replies, 3, reads, 1);
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_CONFLICT);
    assert_true(text_contains(scene.error->message, "somebody"));
    expect_log(&scene, APPLY "\n" APPLY "&force=true\nWAIT 500\n" APPLY "\nLIST\n");
    strike(&scene);
}

static void stale_version_is_read_again_five_times(void **state) {
    (void)state;
    static const struct reply replies[] = {{409, STALE}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "41", OURS, "{\"a\":0}"))}};
    struct scene scene;
    set_scene(&scene, OBJECT("u", "41", OURS, "{\"a\":0}"), replies, 1, reads, 1);
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_CONFLICT);
    assert_int_equal(count_lines(&scene, "PATCH"), 6);
    assert_int_equal(count_lines(&scene, "LIST"), 5);
    strike(&scene);
}

static void lost_connections_are_survived_five_times(void **state) {
    (void)state;
    static const struct reply replies[] = {{0, NULL}};
    static const struct reply reads[] = {{200, LISTED("")}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, reads, 1);
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_UNREACHABLE);
    expect_log(&scene, APPLY "\nWAIT 500\nLIST\n" APPLY "\nWAIT 1000\nLIST\n" APPLY
                             "\nWAIT 2000\nLIST\n" APPLY "\nWAIT 4000\nLIST\n" APPLY
                             "\nWAIT 8000\nLIST\n" APPLY "\n");
    strike(&scene);
}

static void write_that_was_done_after_all_is_not_repeated(void **state) {
    (void)state;
    static const int statuses[] = {0, 502, 503, 504};
    for (size_t i = 0; i < array_length(statuses); i++) {
        const struct reply replies[] = {{statuses[i], statuses[i] != 0 ? "{}" : NULL}};
        static const struct reply reads[] = {{200, LISTED(OBJECT("u", "41", OURS, "{\"a\":1}"))}};
        struct scene scene;
        set_scene(&scene, NULL, replies, 1, reads, 1);
        scene.apply.create_only = true;
        assert_int_equal(play(&scene), 0);
        assert_true(scene.applied.created);
        expect_log(&scene, APPLY "\nWAIT 500\nLIST\n");
        strike(&scene);
    }
}

static void what_somebody_else_created_is_not_ours(void **state) {
    (void)state;
    static const struct reply replies[] = {{0, NULL}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "41", OURS, "{\"a\":2}"))}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, reads, 1);
    scene.apply.create_only = true;
    assert_int_equal(play(&scene), -1);
    assert_true(error_has_reason(scene.error, "AlreadyExists"));
    strike(&scene);
}

static void twin_of_ours_is_not_ours(void **state) {
    (void)state;
    /* another run of the same deploy was quicker; nothing of ours got lost */
    static const struct reply replies[] = {{409, STALE}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "41", OURS, "{\"a\":1}"))}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, reads, 1);
    scene.apply.create_only = true;
    assert_int_equal(play(&scene), -1);
    assert_true(error_has_reason(scene.error, "AlreadyExists"));
    strike(&scene);
}

static void field_conflict_of_a_create_means_that_it_appeared(void **state) {
    (void)state;
    static const struct reply replies[] = {{409, CONFLICT("ui")}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "41", "", "{\"a\":2}"))}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, reads, 1);
    scene.apply.create_only = true;
    assert_int_equal(play(&scene), -1);
    assert_true(error_has_reason(scene.error, "AlreadyExists"));
    expect_log(&scene, APPLY "\nLIST\n");
    strike(&scene);
}

static void busy_server_is_asked_again(void **state) {
    (void)state;
    static const struct reply replies[] = {{429, "{}"}, {201, OBJECT("u", "41", OURS, "{}")}};
    static const struct reply reads[] = {{200, LISTED("")}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 2, reads, 1);
    assert_int_equal(play(&scene), 0);
    strike(&scene);
}

static void webhook_is_waited_for_two_minutes_without_a_deadline(void **state) {
    (void)state;
    static const struct reply replies[] = {{500, WEBHOOK_DOWN}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, NULL, 0);
    assert_int_equal(play(&scene), -1);
    assert_true(scene.client.now > BEGIN + 120 * 1000 && scene.client.now < BEGIN + 140 * 1000);
    assert_int_equal(scene.error->http_status, 500);
    strike(&scene);
}

static void deadline_ends_the_waiting_early_and_names_the_cause(void **state) {
    (void)state;
    static const struct reply replies[] = {{500, WEBHOOK_DOWN}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, NULL, 0);
    scene.deadline_ms = BEGIN + 5000;
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_DEADLINE);
    assert_true(text_contains(scene.error->message, "webhook x"));
    assert_true(scene.client.now < scene.deadline_ms);
    strike(&scene);
}

static void cancel_ends_the_waiting(void **state) {
    (void)state;
    static const struct reply replies[] = {{500, WEBHOOK_DOWN}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 1, NULL, 0);
    scene.client.canceled = true;
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_CANCELED);
    strike(&scene);
}

static void refusal_of_a_starting_server_is_not_believed(void **state) {
    (void)state;
    static const struct reply replies[] = {{0, NULL}, {201, OBJECT("u", "41", OURS, "{\"a\":1}")}};
    static const struct reply reads[] = {{403, NULL}, {401, NULL}, {200, LISTED("")}};
    struct scene scene;
    set_scene(&scene, NULL, replies, 2, reads, 3);
    assert_int_equal(play(&scene), 0);
    strike(&scene);

    /* without a lost connection it is */
    static const struct reply forbidden[] = {{403, "{}"}};
    set_scene(&scene, NULL, forbidden, 1, reads, 3);
    assert_int_equal(play(&scene), -1);
    assert_int_equal(scene.error->kind, ERROR_REFUSED);
    expect_log(&scene, APPLY "\n");
    strike(&scene);
}

/* ---- memory ---- */

static void *own_malloc(size_t size) {
    return malloc(size);
}

/* Everything at once: migration that meets a writer, a conflict, a lost answer. */
static int long_story(void *user) {
    (void)user;
    static const struct reply replies[] = {{409, STALE},
                                           {200, OBJECT("u", "43", OURS, "{\"a\":0}")},
                                           {409, CONFLICT("kubectl")},
                                           {0, NULL},
                                           {200, OBJECT("u", "44", OURS, "{\"a\":1}")}};
    static const struct reply reads[] = {{200, LISTED(OBJECT("u", "42", CLIENT_SIDE, "{\"a\":0}"))},
                                         {200, LISTED(OBJECT("u", "43", OURS, "{\"a\":0}"))}};
    struct scene scene;
    torture_pause();
    set_scene(&scene, OBJECT("u", "41", CLIENT_SIDE, "{\"a\":0}"), replies, 5, reads, 2);
    torture_continue();
    int result = play(&scene);
    torture_pause();
    if (result == 0)
        assert_true(scene.applied.migrated && scene.applied.object != NULL && scene.error == NULL);
    else
        assert_true(scene.error != NULL && scene.applied.object == NULL);
    strike(&scene);
    torture_continue();
    return result;
}

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    json_set_alloc_funcs(own_malloc, free); /* jansson's too */
    torture(long_story, NULL);
    json_set_alloc_funcs(malloc, free);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_carries_the_version_of_the_list),
        cmocka_unit_test(update_carries_the_uid_and_no_version),
        cmocka_unit_test(migration_goes_first_and_once),
        cmocka_unit_test(dry_run_moves_nothing),
        cmocka_unit_test(conflict_is_forced_once),
        cmocka_unit_test(force_does_not_outlive_the_attempt_that_it_was_for),
        cmocka_unit_test(exact_update_carries_the_version_and_gives_up_when_it_is_stale),
        cmocka_unit_test(exact_update_is_not_repeated_over_a_newer_object),
        cmocka_unit_test(stale_version_is_read_again_five_times),
        cmocka_unit_test(lost_connections_are_survived_five_times),
        cmocka_unit_test(write_that_was_done_after_all_is_not_repeated),
        cmocka_unit_test(what_somebody_else_created_is_not_ours),
        cmocka_unit_test(twin_of_ours_is_not_ours),
        cmocka_unit_test(field_conflict_of_a_create_means_that_it_appeared),
        cmocka_unit_test(busy_server_is_asked_again),
        cmocka_unit_test(webhook_is_waited_for_two_minutes_without_a_deadline),
        cmocka_unit_test(deadline_ends_the_waiting_early_and_names_the_cause),
        cmocka_unit_test(cancel_ends_the_waiting),
        cmocka_unit_test(refusal_of_a_starting_server_is_not_believed),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
