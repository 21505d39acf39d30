/* Two texts -> unified diff. */

#include "../cmocka_all.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/unified_diff.h"
#include "torture.h"

#include <stdlib.h>
#include <string.h>

static const struct unified_diff_names names = {.before = "a", .after = "b"};

static char *diff(const char *before, const char *after) {
    char *out = NULL;
    struct error *error = NULL;
    assert_int_equal(unified_diff(&out, before, after, &names, &error), 0);
    assert_null(error);
    return out;
}

static void assert_diff(const char *before, const char *after, const char *expected) {
    cleanup_free char *out = diff(before, after);
    assert_string_equal(out, expected);
}

static void equal_texts_have_none(void **state) {
    (void)state;
    assert_diff("", "", "");
    assert_diff("a\nb\n", "a\nb\n", "");
}

static void as_gnu_diff_prints_it(void **state) {
    (void)state;
    assert_diff("", "a\nb\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    assert_diff("a\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n");
    assert_diff("a\nb\nc\n", "a\nx\nc\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
    assert_diff("1\n2\n3\n4\n5\n", "1\n2\n3\n4\nx\n5\n",
                "--- a\n+++ b\n@@ -2,4 +2,5 @@\n 2\n 3\n 4\n+x\n 5\n");
}

static void changes_that_are_near_share_a_hunk(void **state) {
    (void)state;
    assert_diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
                "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
    assert_diff(
        "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
        "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

static void the_script_is_the_shortest(void **state) {
    (void)state;
    /* Myers' own example: ABCABBA -> CBABAC takes 5 edits */
    cleanup_free char *out = diff("A\nB\nC\nA\nB\nB\nA\n", "C\nB\nA\nB\nA\nC\n");
    size_t edits = 0;
    for (const char *line = strstr(out, "@@\n") + 3; *line != '\0'; line = strchr(line, '\n') + 1)
        edits += line[0] != ' ';
    assert_int_equal(edits, 5);
}

/* What the diff says of one side: its lines with ' ' or SIGN. */
static void assert_side(const char *out, char sign, const char *expected) {
    cleanup_buffer struct buffer side = BUFFER_INIT(1024 * 1024);
    for (const char *line = strstr(out, "@@\n") + 3; *line != '\0';) {
        size_t length = strcspn(line, "\n") + 1;
        if (line[0] == ' ' || line[0] == sign)
            buffer_append(&side, line + 1, length - 1);
        line += length;
    }
    assert_string_equal(buffer_text(&side), expected);
}

/* With changes everywhere one hunk holds both texts whole. */
static void both_texts_come_out_again(void **state) {
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        cleanup_buffer struct buffer before = BUFFER_INIT(4096);
        cleanup_buffer struct buffer after = BUFFER_INIT(4096);
        buffer_append_text(&before, "start\n");
        buffer_append_text(&after, "START\n");
        for (int i = 0; i < 24; i++) {
            seed = seed * 1103515245U + 12345U;
            unsigned dice = seed >> 16;
            buffer_printf(dice % 3 != 0 ? &before : &after, "%u\n", dice % 5);
            if (dice % 4 == 0)
                buffer_printf(&after, "%u\n", dice % 5);
        }
        buffer_append_text(&before, "end\n");
        buffer_append_text(&after, "END\n");
        cleanup_free char *out = diff(buffer_text(&before), buffer_text(&after));
        if (strstr(strstr(out, "@@\n") + 3, "\n@@ ") != NULL)
            continue;
        assert_side(out, '-', buffer_text(&before));
        assert_side(out, '+', buffer_text(&after));
    }
}

static void texts_far_apart_are_one_replaced_block(void **state) {
    (void)state;
    cleanup_buffer struct buffer before = BUFFER_INIT(1024 * 1024);
    cleanup_buffer struct buffer after = BUFFER_INIT(1024 * 1024);
    for (int i = 0; i < 5000; i++) {
        buffer_printf(&before, "a%d\n", i);
        buffer_printf(&after, "b%d\n", i);
    }
    cleanup_free char *out = diff(buffer_text(&before), buffer_text(&after));
    assert_non_null(strstr(out, "@@ -1,5000 +1,5000 @@\n"));
    assert_side(out, '-', buffer_text(&before));
    assert_side(out, '+', buffer_text(&after));
}

static int without_memory(void *user) {
    (void)user;
    char *out = NULL;
    struct error *error = NULL;
    int result = unified_diff(&out, "a\nb\nc\nd\n", "a\nx\nc\ny\nd\n", &names, &error);
    assert_true(result == 0 ? error == NULL && out != NULL : error != NULL && out == NULL);
    error_free(error);
    free(out);
    return result;
}

static void survives_failed_allocations(void **state) {
    (void)state;
    torture(without_memory, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_none),
        cmocka_unit_test(as_gnu_diff_prints_it),
        cmocka_unit_test(changes_that_are_near_share_a_hunk),
        cmocka_unit_test(the_script_is_the_shortest),
        cmocka_unit_test(both_texts_come_out_again),
        cmocka_unit_test(texts_far_apart_are_one_replaced_block),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests_name("unified_diff", tests, NULL, NULL);
}
