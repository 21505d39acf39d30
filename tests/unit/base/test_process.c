/* Programs: input, output, exit codes, time-out of the whole group. */

#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/process.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static int run(struct process_result *result, const char *script, const char *input,
               const char *const *environment, int64_t timeout_ms, struct error **err) {
    const char *const arguments[] = {"sh", "-c", script, NULL};
    const struct process_request request = {.arguments = arguments,
                                            .environment = environment,
                                            .input = input,
                                            .timeout_ms = timeout_ms,
                                            .cancel_descriptor = -1};
    *result = (struct process_result){.output = BUFFER_INIT(100000)};
    return process_system.run(NULL, &request, result, err);
}

static void expect(const char *script, const char *input, const char *output, int exit_code) {
    struct process_result result;
    cleanup_error struct error *error = NULL;
    if (run(&result, script, input, NULL, 10000, &error) < 0)
        fail_msg("%s", error->message);
    assert_string_equal(buffer_text(&result.output), output);
    assert_int_equal(result.exit_code, exit_code);
    buffer_free(&result.output);
}

static void output_and_exit_code(void **state) {
    (void)state;
    expect("echo hello", NULL, "hello\n", 0);
    expect("exit 3", NULL, "", 3);
    expect("kill -TERM $$", NULL, "", 128 + SIGTERM);
    expect("cat", NULL, "", 0); /* standard input is empty, not ours */
}

static void input_is_fed_and_closed(void **state) {
    (void)state;
    expect("cat", "protocol=https\nhost=x\n\n", "protocol=https\nhost=x\n\n", 0);
    expect("cat", "", "", 0);
}

static void input_that_nobody_reads_does_no_harm(void **state) {
    (void)state;
    char *large = malloc(300001);
    assert_non_null(large);
    memset(large, 'x', 300000);
    large[300000] = '\0';
    expect("exit 0", large, "", 0);
    expect("head -c 5", large, "xxxxx", 0);
    struct process_result result;
    cleanup_error struct error *error = NULL;
    assert_int_equal(run(&result, "cat", large, NULL, 10000, &error), -1);
    assert_string_equal(error->message, "the program's output is longer than 100000 bytes");
    buffer_free(&result.output);
    free(large);
}

static void environment_is_added_and_replaced(void **state) {
    (void)state;
    static const char *const added[] = {"HOME=/nowhere", "NEW=a=b", NULL};
    struct process_result result;
    assert_int_equal(run(&result,
                         "echo $HOME $NEW; env | grep -c '^HOME='; test -n \"$PATH\" && echo path",
                         NULL, added, 10000, NULL),
                     0);
    assert_string_equal(buffer_text(&result.output), "/nowhere a=b\n1\npath\n");
    buffer_free(&result.output);
}

static void expect_too_slow(const char *script) {
    struct process_result result;
    cleanup_error struct error *error = NULL;
    int64_t before = clock_now(&clock_system);
    assert_int_equal(run(&result, script, NULL, NULL, 200, &error), -1);
    assert_string_equal(error->message, "sh did not end within 200 ms");
    assert_true(clock_now(&clock_system) - before < 5000);
    buffer_free(&result.output);
}

static void slow_programs_are_killed_with_their_children(void **state) {
    (void)state;
    expect_too_slow("sleep 30 & wait");
    expect_too_slow("exec >&-; sleep 30"); /* has closed its output */
}

static void expect_canceled(const char *script) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    const char *const arguments[] = {"sh", "-c", script, NULL};
    const struct process_request request = {
        .arguments = arguments, .timeout_ms = 20000, .cancel_descriptor = ends[0]};
    struct process_result result = {.output = BUFFER_INIT(100)};
    cleanup_error struct error *error = NULL;
    int64_t before = clock_now(&clock_system);
    assert_int_equal(process_system.run(NULL, &request, &result, &error), -1);
    assert_int_equal(error->kind, ERROR_CANCELED);
    assert_string_equal(error->message, "canceled while sh was running");
    assert_int_equal(result.exit_code, 128 + SIGKILL);
    assert_true(clock_now(&clock_system) - before < 10000);
    buffer_free(&result.output);
    close(ends[0]);
    close(ends[1]);
}

static void a_signal_to_us_ends_them_too(void **state) {
    (void)state;
    expect_canceled("sleep 30 & wait");
    expect_canceled("exec >&-; sleep 30");
}

static void what_cannot_be_started(void **state) {
    (void)state;
    static const char *const arguments[] = {"no-such-program-here", NULL};
    const struct process_request request = {
        .arguments = arguments, .timeout_ms = 1000, .cancel_descriptor = -1};
    struct process_result result = {.output = BUFFER_INIT(10)};
    cleanup_error struct error *error = NULL;
    assert_int_equal(process_system.run(NULL, &request, &result, &error), -1);
    assert_string_equal(error->message,
                        "cannot start no-such-program-here: No such file or directory");
}

static void the_environment_as_a_value(void **state) {
    (void)state;
    static const char *const variables[] = {"AB=1", "A=2", "EMPTY=", NULL};
    const struct environment environment = {variables};
    assert_string_equal(environment_get(&environment, "A"), "2");
    assert_string_equal(environment_get(&environment, "AB"), "1");
    assert_string_equal(environment_get(&environment, "EMPTY"), "");
    assert_null(environment_get(&environment, "B"));
    assert_null(environment_get(NULL, "A"));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* as src/main.c does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_exit_code),
        cmocka_unit_test(input_is_fed_and_closed),
        cmocka_unit_test(input_that_nobody_reads_does_no_harm),
        cmocka_unit_test(environment_is_added_and_replaced),
        cmocka_unit_test(slow_programs_are_killed_with_their_children),
        cmocka_unit_test(a_signal_to_us_ends_them_too),
        cmocka_unit_test(what_cannot_be_started),
        cmocka_unit_test(the_environment_as_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
