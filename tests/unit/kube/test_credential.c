/* Credentials from a token file and from an exec plugin: rotation, loss, refusal, lack of memory.
 */
#include "../cmocka_all.h"

#include "../torture.h"
#include "base/memory.h"
#include "base/text.h"
#include "kube/credential.h"
#include "memory_files.h"

#include <string.h>

/* A file, a plugin and a clock that tests change under a credential's feet. */
struct world {
    struct memory_file files[2];
    int64_t now;
    const char *answer;     /* of the plugin */
    enum error_kind defeat; /* its run fails with this kind when ANSWER is NULL */
    int runs;
    struct clock clock;
    struct file_access access;
    struct process_runner processes;
    struct deps deps;
    struct kube_config config;
    struct kube_exec exec;
};

static int64_t now_of(void *user) {
    return ((const struct world *)user)->now;
}

static int run_plugin(void *user, const struct process_request *request,
                      struct process_result *result, struct error **err) {
    struct world *world = user;
    assert_int_equal(request->cancel_descriptor, world->deps.cancel_descriptor);
    world->runs++;
    if (world->answer == NULL)
        return error_new(err, world->defeat, "it did not run");
    buffer_append_text(&result->output, world->answer);
    return buffer_check(&result->output, "the program's output", err);
}

static void world_init(struct world *world) {
    static char server[] = "https://k:6443";
    *world = (struct world){.files = {{"/token", "first\n"}, {NULL, NULL}}};
    world->clock = (struct clock){.monotonic_ms = now_of, .wall_ms = now_of, .user = world};
    world->access = memory_files(world->files);
    world->processes = (struct process_runner){.run = run_plugin, .user = world};
    world->deps = (struct deps){.clock = &world->clock,
                                .files = &world->access,
                                .processes = &world->processes,
                                .cancel_descriptor = 77};
    world->config.server = server;
}

static void use_file(struct world *world) {
    static char path[] = "/token";
    world->config.user.token_file = path;
}

static void use_plugin(struct world *world) {
    static char command[] = "login";
    static char version[] = "client.authentication.k8s.io/v1";
    static char hint[] = "install it";
    world->exec =
        (struct kube_exec){.command = command, .api_version = version, .install_hint = hint};
    world->config.user.exec = &world->exec;
}

static struct kube_credential *credential_of(const struct world *world) {
    struct kube_credential *credential = NULL;
    assert_int_equal(kube_credential_new(&credential, &world->config, &world->deps, NULL), 0);
    return credential;
}

#define ANSWER(status)                                                                             \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","             \
    "\"status\":" status "}"

static void expect(struct kube_credential *credential, const char *authorization) {
    struct kube_login login;
    cleanup_error struct error *error = NULL;
    if (kube_credential_get(credential, &login, &error) < 0)
        fail_msg("%s", error->message);
    assert_string_equal(login.authorization != NULL ? login.authorization : "none", authorization);
}

static void a_token_file_is_read_again_in_time(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    use_file(&world);
    struct kube_credential *credential = credential_of(&world);
    expect(credential, "Bearer first");
    world.files[0].text = "  second\r\n";
    world.now = 49 * 1000;
    expect(credential, "Bearer first");
    world.now = 50 * 1000;
    expect(credential, "Bearer second");
    world.files[0].text = "third";
    assert_true(kube_credential_reject(credential)); /* refused: not a second longer */
    expect(credential, "Bearer third");
    kube_credential_free(credential);
}

static void a_file_that_is_gone_keeps_the_last_token(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    use_file(&world);
    struct kube_credential *credential = credential_of(&world);
    expect(credential, "Bearer first");
    world.files[0] = (struct memory_file){NULL, NULL};
    world.now = 60 * 1000;
    expect(credential, "Bearer first");
    kube_credential_free(credential);

    struct kube_credential *other = credential_of(&world);
    struct kube_login login;
    cleanup_error struct error *error = NULL;
    assert_int_equal(kube_credential_get(other, &login, &error), -1);
    assert_int_equal(error->kind, ERROR_UNREACHABLE);
    assert_non_null(strstr(error->message, "/token"));
    kube_credential_free(other);
}

static void plain_http_gets_no_token(void **state) {
    (void)state;
    static char plain[] = "http://k:8080";
    struct world world;
    world_init(&world);
    use_file(&world);
    world.config.server = plain;
    struct kube_credential *credential = credential_of(&world);
    expect(credential, "none");
    kube_credential_free(credential);
}

static void a_plugin_runs_again_when_its_answer_ends(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    use_plugin(&world);
    struct kube_credential *credential = credential_of(&world);
    world.answer =
        ANSWER("{\"token\":\"a\",\"expirationTimestamp\":\"1970-01-01T00:01:00Z\"}"); /* 60 s */
    expect(credential, "Bearer a");
    world.answer = ANSWER("{\"token\":\"b\"}");
    world.now = 49 * 1000;
    expect(credential, "Bearer a");
    world.now = 50 * 1000; /* within the leeway of ten seconds */
    expect(credential, "Bearer b");
    assert_int_equal(world.runs, 2);
    expect(credential, "Bearer b");
    assert_int_equal(world.runs, 2);
    kube_credential_free(credential);
}

static void expect_defeat(enum error_kind defeat, enum error_kind kind, bool hint) {
    struct world world;
    world_init(&world);
    use_plugin(&world);
    world.defeat = defeat;
    struct kube_credential *credential = credential_of(&world);
    struct kube_login login;
    cleanup_error struct error *error = NULL;
    assert_int_equal(kube_credential_get(credential, &login, &error), -1);
    assert_int_equal(error->kind, kind);
    assert_string_equal(error->message, "exec plugin: it did not run");
    if (hint)
        assert_string_equal(error->hint, "install it");
    else
        assert_null(error->hint);
    kube_credential_free(credential);
}

static void a_plugin_that_does_not_run(void **state) {
    (void)state;
    expect_defeat(ERROR_PARAMETER, ERROR_UNREACHABLE, true);
    expect_defeat(ERROR_CANCELED, ERROR_CANCELED, false); /* nothing is missing */
}

/* ---- without memory ---- */

static int get_once(void *user) {
    struct world *world = user;
    struct kube_credential *credential = NULL;
    struct kube_login login;
    struct error *error = NULL;
    int result = kube_credential_new(&credential, &world->config, &world->deps, &error);
    if (result == 0)
        result = kube_credential_get(credential, &login, &error);
    assert_true((result < 0) == (error != NULL));
    kube_credential_free(credential);
    error_free(error);
    return result;
}

static void without_memory_there_is_an_error(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    use_file(&world);
    torture(get_once, &world);
    world_init(&world);
    use_plugin(&world);
    world.answer = ANSWER("{\"token\":\"a\"}");
    torture(get_once, &world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_file_is_read_again_in_time),
        cmocka_unit_test(a_file_that_is_gone_keeps_the_last_token),
        cmocka_unit_test(plain_http_gets_no_token),
        cmocka_unit_test(a_plugin_runs_again_when_its_answer_ends),
        cmocka_unit_test(a_plugin_that_does_not_run),
        cmocka_unit_test(without_memory_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
