/* Remote URLs in every form Git takes them. */

#include "cmocka_all.h"

#include "base/memory.h"
#include "git_internal.h"

static void test_split(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *url;
        const char *path;
    } cases[] = {
        {"https://gitlab.example.com/g/amlmodels/r.git",
         "https://gitlab.example.com/g/amlmodels/r.git", "g/amlmodels/r"},
        {"https://gitlab.example.com:8443/g/r/", "https://gitlab.example.com:8443/g/r/", "g/r"},
        {"https://oauth2:glpat-secret@host/g/r.git", "https://host/g/r.git", "g/r"},
        {"https://user@host/g/r", "https://host/g/r", "g/r"},
        {"https://host/g/r@v1.git", "https://host/g/r@v1.git", "g/r@v1"},
        {"ssh://git@host:2222/g/r.git", "ssh://git@host:2222/g/r.git", "g/r"},
        {"ssh://git:secret@host/g/r.git", "ssh://git@host/g/r.git", "g/r"},
        {"git@host:g/amlmodels/r.git", "git@host:g/amlmodels/r.git", "g/amlmodels/r"},
        {"host:/g/r.git", "host:/g/r.git", "g/r"},
        {"/srv/git/r.git", "", ""},
        {"../r", "", ""},
        {"file:///srv/git/r.git", "", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_free char *url = NULL;
        cleanup_free char *path = NULL;
        assert_int_equal(git_url_split(&url, &path, cases[i].text, NULL), 0);
        assert_string_equal(url, cases[i].url);
        assert_string_equal(path, cases[i].path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split)};
    return cmocka_run_group_tests_name("git_url", tests, NULL, NULL);
}
