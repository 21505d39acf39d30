/* The list of findings: what it keeps, and which failure decides the exit code. */

#include "../cmocka_all.h"

#include "deploy/check.h"

static const struct check_subject quota = {"namespace", "quota", ERROR_ROLLOUT};
static const struct check_subject version = {"gitlab", "version", ERROR_MODEL};

static void keeps_what_was_found(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    assert_int_equal(checks_add(&checks, NULL, &version, CHECK_OK, "GitLab %d.%d", 18, 1), 0);
    assert_null(checks.items[0].hint);
    assert_int_equal(checks_add(&checks, NULL, &quota, CHECK_FAIL, "full\x1b[2J"), 0);
    assert_int_equal(checks_hint(&checks, NULL, "ask for %s", "more"), 0);
    assert_int_equal(checks_hint(&checks, NULL, "ask for %s", "less"), 0);
    assert_string_equal(checks.items[0].message, "GitLab 18.1");
    assert_string_equal(checks.items[1].message, "full [2J");
    assert_string_equal(checks.items[1].hint, "ask for less");
    assert_int_equal(checks.items[1].kind, ERROR_ROLLOUT);
}

static void first_failure_decides(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    assert_null(checks_first_failure(&checks));
    checks_add(&checks, NULL, &version, CHECK_WARN, "old");
    checks_add(&checks, NULL, &version, CHECK_SKIPPED, "not asked");
    assert_null(checks_first_failure(&checks));
    checks_add(&checks, NULL, &quota, CHECK_FAIL, "first");
    checks_add(&checks, NULL, &version, CHECK_FAIL, "second");
    assert_string_equal(checks_first_failure(&checks)->message, "first");
    assert_int_equal(checks_count(&checks, CHECK_FAIL), 2);
    assert_int_equal(checks_count(&checks, CHECK_OK), 0);
}

static void an_error_is_a_finding(void **state) {
    (void)state;
    cleanup_error struct error *error = NULL;
    error_new(&error, ERROR_UNREACHABLE, "GitLab does not answer");
    cleanup_checks struct checks checks = {.count = 0};
    assert_int_equal(checks_add_error(&checks, NULL, &version, CHECK_FAIL, error), 0);
    assert_null(checks.items[0].hint);
    error_hint(&error, "look at the proxy");
    assert_int_equal(checks_add_error(&checks, NULL, &version, CHECK_FAIL, error), 0);
    assert_int_equal(checks.items[1].kind, ERROR_UNREACHABLE);
    assert_string_equal(checks.items[1].message, "GitLab does not answer");
    assert_string_equal(checks.items[1].hint, "look at the proxy");
}

static void names(void **state) {
    (void)state;
    assert_string_equal(check_state_name(CHECK_OK), "ok");
    assert_string_equal(check_state_name(CHECK_WARN), "warn");
    assert_string_equal(check_state_name(CHECK_FAIL), "fail");
    assert_string_equal(check_state_name(CHECK_SKIPPED), "skipped");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_found),
        cmocka_unit_test(first_failure_decides),
        cmocka_unit_test(an_error_is_a_finding),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
