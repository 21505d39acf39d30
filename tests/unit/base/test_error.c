/* Errors: the first one is kept, context is put before, nothing is needed to say "out of memory".
 */

#include "../cmocka_all.h"

#include "base/error.h"

static void making_and_wrapping(void **state) {
    (void)state;
    cleanup_error struct error *error = NULL;
    assert_int_equal(error_new(&error, ERROR_MODEL, "no %s", "README"), -1);
    assert_int_equal(error_new(&error, ERROR_INTERNAL, "later"), -1);
    assert_int_equal(error->kind, ERROR_MODEL);
    assert_string_equal(error->message, "no README");
    assert_int_equal(error_wrap(&error, "project %d", 7), -1);
    assert_string_equal(error->message, "project 7: no README");
    assert_int_equal(error_append(&error, " (attempt %d)", 2), -1);
    assert_string_equal(error->message, "project 7: no README (attempt 2)");
    assert_null(error->hint);
    assert_int_equal(error_hint(&error, "first"), -1);
    assert_int_equal(error_hint(&error, "add %s", "one"), -1);
    assert_string_equal(error->hint, "add one");
}

static void the_answer_behind_it(void **state) {
    (void)state;
    cleanup_error struct error *error = NULL;
    error_new(&error, ERROR_CONFLICT, "x");
    assert_false(error_has_reason(error, "Conflict"));
    assert_int_equal(error_set_answer(&error, 409, "Conflict"), -1);
    assert_int_equal(error->http_status, 409);
    assert_true(error_has_reason(error, "Conflict"));
    error_set_answer(&error, 404, "");
    assert_null(error->reason);
    assert_false(error_has_reason(NULL, "Conflict"));
}

static void nobody_has_to_care(void **state) {
    (void)state;
    assert_int_equal(error_new(NULL, ERROR_MODEL, "x"), -1);
    assert_int_equal(error_hint(NULL, "x"), -1);
    assert_int_equal(error_wrap(NULL, "x"), -1);
    assert_int_equal(error_set_answer(NULL, 1, "x"), -1);
    assert_int_equal(error_set_kind(NULL, ERROR_MODEL), -1);
    assert_int_equal(error_no_memory(NULL), -1);
    struct error *none = NULL;
    assert_int_equal(error_hint(&none, "x"), -1);
    assert_int_equal(error_wrap(&none, "x"), -1);
    assert_int_equal(error_append(&none, "x"), -1);
    assert_int_equal(error_set_kind(&none, ERROR_MODEL), -1);
    assert_null(none);
    error_free(NULL);
}

static void out_of_memory_is_shared_and_cannot_be_changed(void **state) {
    (void)state;
    struct error *first = NULL;
    struct error *second = NULL;
    error_no_memory(&first);
    error_no_memory(&second);
    assert_ptr_equal(first, second);
    error_hint(&first, "x");
    error_wrap(&first, "x");
    error_append(&first, "x");
    error_set_answer(&first, 1, "x");
    error_set_kind(&first, ERROR_MODEL); /* the shared one is in memory that cannot be written */
    assert_int_equal(first->kind, ERROR_INTERNAL);
    assert_string_equal(first->message, "out of memory");
    assert_null(first->hint);
    assert_int_equal(first->http_status, 0);
    error_free(first);
    error_free(second);
    assert_string_equal(second->message, "out of memory");
}

static void taking_over(void **state) {
    (void)state;
    cleanup_error struct error *to = NULL;
    struct error *from = NULL;
    error_new(&from, ERROR_MODEL, "first");
    assert_int_equal(error_take(&to, from), -1);
    assert_string_equal(to->message, "first");
    from = NULL;
    error_new(&from, ERROR_MODEL, "second");
    assert_int_equal(error_take(&to, from), -1); /* freed */
    assert_string_equal(to->message, "first");
    from = NULL;
    error_new(&from, ERROR_MODEL, "third");
    assert_int_equal(error_take(NULL, from), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making_and_wrapping),
        cmocka_unit_test(the_answer_behind_it),
        cmocka_unit_test(nobody_has_to_care),
        cmocka_unit_test(out_of_memory_is_shared_and_cannot_be_changed),
        cmocka_unit_test(taking_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
