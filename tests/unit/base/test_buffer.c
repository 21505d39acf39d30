/* buffer: growth, ceiling, sticky failure, hand-over. */

#include "../cmocka_all.h"

#include "base/buffer.h"
#include "base/text.h"

#include <string.h>

static void it_grows_and_stays_terminated(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(10000);
    assert_string_equal(buffer_text(&buffer), "");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buffer_append_text(&buffer, "abcde"), 0);
    assert_int_equal(buffer.length, 5000);
    assert_int_equal(strlen(buffer.data), 5000);
    assert_int_equal(buffer_append_character(&buffer, '!'), 0);
    assert_int_equal(buffer_printf(&buffer, "%d-%s", 7, "x"), 0);
    assert_true(text_has_suffix(buffer.data, "abcde!7-x"));
}

static void the_ceiling_is_exact(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(4);
    assert_int_equal(buffer_append_text(&buffer, "1234"), 0);
    assert_int_equal(buffer_append(&buffer, "", 0), 0);
    assert_int_equal(buffer_append_character(&buffer, '5'), -1);
    assert_string_equal(buffer.data, "1234");
    assert_true(buffer.capacity <= 5);
}

static void a_failure_sticks_until_cleared(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(4);
    assert_int_equal(buffer_append_text(&buffer, "12345"), -1);
    assert_int_equal(buffer_append_text(&buffer, "1"), -1);
    cleanup_error struct error *error = NULL;
    assert_int_equal(buffer_check(&buffer, "the answer", &error), -1);
    assert_string_equal(error->message, "the answer is longer than 4 bytes");
    assert_null(buffer_steal(&buffer, "the answer", NULL));
    buffer_clear(&buffer);
    assert_int_equal(buffer_append_text(&buffer, "1"), 0);
    assert_int_equal(buffer_check(&buffer, "the answer", NULL), 0);
}

static void a_length_that_would_overflow_is_too_long(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(SIZE_MAX - 1);
    assert_int_equal(buffer_append_text(&buffer, "1"), 0);
    buffer.limit = 100;
    assert_int_equal(buffer_append(&buffer, "x", SIZE_MAX), -1);
    assert_true(buffer.too_long);
}

static void what_is_handed_over_is_never_null(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(10);
    cleanup_free char *empty = buffer_steal(&buffer, "x", NULL);
    assert_string_equal(empty, "");
    buffer_append(&buffer, "a\0b", 3);
    cleanup_free char *bytes = buffer_steal(&buffer, "x", NULL);
    assert_memory_equal(bytes, "a\0b", 4);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer_text(&buffer), "");
}

static void consuming_moves_the_rest_to_the_front(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(10);
    buffer_consume(&buffer, 3); /* nothing there: nothing happens */
    buffer_append_text(&buffer, "abcdef");
    buffer_consume(&buffer, 2);
    assert_string_equal(buffer.data, "cdef");
    buffer_consume(&buffer, 99);
    assert_string_equal(buffer.data, "");
    assert_int_equal(buffer.length, 0);
}

static void a_secret_is_wiped_when_cleared(void **state) {
    (void)state;
    cleanup_buffer struct buffer buffer = BUFFER_INIT(1000);
    buffer.secret = true;
    for (int i = 0; i < 50; i++)
        buffer_append_text(&buffer, "secret");
    assert_int_equal(buffer.length, 300);
    assert_true(text_has_prefix(buffer.data, "secretsecret"));
    buffer_clear(&buffer);
    for (size_t i = 0; i < buffer.capacity; i++)
        assert_int_equal(buffer.data[i], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_and_stays_terminated),
        cmocka_unit_test(the_ceiling_is_exact),
        cmocka_unit_test(a_failure_sticks_until_cleared),
        cmocka_unit_test(a_length_that_would_overflow_is_too_long),
        cmocka_unit_test(what_is_handed_over_is_never_null),
        cmocka_unit_test(consuming_moves_the_rest_to_the_front),
        cmocka_unit_test(a_secret_is_wiped_when_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
