/* Where lines break. */

#include "../cmocka_all.h"

#include "base/memory.h"
#include "cli/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_line_ends_at_the_last_blank_that_fits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        size_t length;
    } cases[] = {
        {"", 10, 0},
        {"one", 10, 3},
        {"one two", 7, 7},
        {"one two", 6, 3},
        {"one two three", 8, 7},
        {"one  two", 5, 3},                 /* both blanks go */
        {"a-word-that-is-longer b", 5, 21}, /* never broken */
        {"  indented text", 11, 10},        /* blanks at the start are kept */
        {"  indented text", 3, 10},
        {"one\ntwo", 10, 3},
        {"one two\nthree", 5, 3},
        {"\xea\xb0\x80\xea\xb0\x80 \xea\xb0\x80", 6, 6}, /* Hangul takes two columns */
        {"\xea\xb0\x80\xea\xb0\x80 \xea\xb0\x80", 7, 10},
        {"\xc3\xa9\xc3\xa9 \xc3\xa9", 4, 7}, /* accented letters one */
        {"\xff\xfe a", 2, 2},                /* and so does what is no UTF-8 */
    };
    for (size_t i = 0; i < array_length(cases); i++)
        if (layout_line(cases[i].text, cases[i].width) != cases[i].length)
            fail_msg("\"%s\" in %zu columns: %zu", cases[i].text, cases[i].width,
                     layout_line(cases[i].text, cases[i].width));
}

static void later_lines_are_indented(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    layout_put(stream, "one two three four\n\nfive", 4, 6, 14);
    fclose(stream);
    assert_string_equal(text, "one two\n      three\n      four\n\n      five\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_ends_at_the_last_blank_that_fits),
        cmocka_unit_test(later_lines_are_indented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
