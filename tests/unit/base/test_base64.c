/* base64: RFC 4648's own vectors, folded text, and what is refused. */

#include "../cmocka_all.h"

#include "base/base64.h"

#include <string.h>

static void the_vectors_of_rfc_4648(void **state) {
    (void)state;
    const struct {
        const char *plain, *encoded;
    } cases[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_buffer struct buffer encoded = BUFFER_INIT(100);
        cleanup_buffer struct buffer decoded = BUFFER_INIT(100);
        assert_int_equal(base64_encode(&encoded, cases[i].plain, strlen(cases[i].plain)), 0);
        assert_string_equal(buffer_text(&encoded), cases[i].encoded);
        assert_int_equal(base64_decode(&decoded, cases[i].encoded, strlen(cases[i].encoded), "x",
                                       ERROR_MODEL, NULL),
                         0);
        assert_string_equal(buffer_text(&decoded), cases[i].plain);
    }
}

static void every_byte_survives(void **state) {
    (void)state;
    unsigned char bytes[3000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t length = sizeof(bytes) - 3; length <= sizeof(bytes); length++) {
        cleanup_buffer struct buffer encoded = BUFFER_INIT(5000);
        cleanup_buffer struct buffer decoded = BUFFER_INIT(5000);
        assert_int_equal(base64_encode(&encoded, bytes, length), 0);
        assert_int_equal(
            base64_decode(&decoded, encoded.data, encoded.length, "x", ERROR_MODEL, NULL), 0);
        assert_int_equal(decoded.length, length);
        assert_memory_equal(decoded.data, bytes, length);
    }
}

static void blanks_and_line_breaks_are_skipped(void **state) {
    (void)state;
    cleanup_buffer struct buffer decoded = BUFFER_INIT(100);
    const char *text = "Zm9\r\n vYm\tFy\n";
    assert_int_equal(base64_decode(&decoded, text, strlen(text), "x", ERROR_MODEL, NULL), 0);
    assert_string_equal(decoded.data, "foobar");
}

static void expect_refused(const char *text, size_t limit, const char *message) {
    cleanup_buffer struct buffer decoded = BUFFER_INIT(limit);
    cleanup_error struct error *error = NULL;
    assert_int_equal(base64_decode(&decoded, text, strlen(text), "the token", ERROR_MODEL, &error),
                     -1);
    assert_string_equal(error->message, message);
}

static void what_is_refused(void **state) {
    (void)state;
    expect_refused("Zm9v!", 100, "the token is not valid base64 (byte 5)");
    expect_refused("Zm-_", 100, "the token is not valid base64 (byte 3)");
    expect_refused("Zg==Zg==", 100, "the token is not valid base64 (byte 5)");
    expect_refused("Zg", 100, "the token is not valid base64 (it is cut off)");
    expect_refused("Zg=", 100, "the token is not valid base64 (it is cut off)");
    expect_refused("Z", 100, "the token is not valid base64 (it is cut off)");
    expect_refused("Z===", 100, "the token is not valid base64 (it is cut off)");
    expect_refused("Zm9v=", 100, "the token is not valid base64 (it is cut off)");
    expect_refused("Zm9vYmFy", 5, "the token is longer than 5 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648),
        cmocka_unit_test(every_byte_survives),
        cmocka_unit_test(blanks_and_line_breaks_are_skipped),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
