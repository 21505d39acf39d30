#include "../cmocka_all.h"
#include "base/text.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

struct good {
    const char *text, *scheme, *host, *port, *path, *base;
};

static const struct good good[] = {
    {"https://gitlab.example.com", "https", "gitlab.example.com", "443", "",
     "https://gitlab.example.com"},
    {"https://gitlab.example.com/", "https", "gitlab.example.com", "443", "",
     "https://gitlab.example.com"},
    {"http://h:8080/git///", "http", "h", "8080", "/git", "http://h:8080/git"},
    {"HTTPS://Host:443/A%2Fb", "https", "Host", "443", "/A%2Fb", "https://Host/A%2Fb"},
    {"https://[2001:db8::1]:6443/x", "https", "2001:db8::1", "6443", "/x",
     "https://[2001:db8::1]:6443/x"},
    {"https://[::1]", "https", "::1", "443", "", "https://[::1]"},
    {"https://10.0.0.1:6443", "https", "10.0.0.1", "6443", "", "https://10.0.0.1:6443"},
    {"https://h/a?x=1#f", "https", "h", "443", "/a", "https://h/a"},
    {"https://user:pass@h/a", "https", "h", "443", "/a", "https://h/a"},
};

static void parses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cleanup_url struct url url = {0};
        cleanup_error struct error *error = NULL;
        assert_int_equal(url_parse(&url, good[i].text, "GITLAB_BASE_URL", ERROR_PARAMETER, &error),
                         0);
        assert_string_equal(url.scheme, good[i].scheme);
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.port, good[i].port);
        assert_string_equal(url.path, good[i].path);
        assert_int_equal(url.has_credentials, strstr(good[i].text, "user") != NULL);
        assert_int_equal(url.has_query, strchr(good[i].text, '?') != NULL);
        cleanup_free char *base = url_base(&url, &error);
        assert_string_equal(base, good[i].base);
    }
}

static void refuses(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "gitlab.example.com",
        "ftp://h/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://h:99999/",
        "https://h:port/",
        "https://user:s3cret@/x",
        "https://h\n.example/",
        "ssh://user:s3cret@h/x",
        "https://[::1/",
        "javascript:alert(1)",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct url url = {.port = NULL};
        cleanup_error struct error *error = NULL;
        if (url_parse(&url, bad[i], "GITLAB_BASE_URL", ERROR_PARAMETER, &error) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(error->kind, ERROR_PARAMETER);
        assert_true(text_has_prefix(error->message, "GITLAB_BASE_URL "));
        assert_null(strstr(error->message, "s3cret"));
        assert_null(strchr(error->message, '\n'));
        assert_null(url.scheme);
    }
}

static void refuses_an_endless_text(void **state) {
    (void)state;
    char text[20000];
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://h/", 10);
    text[sizeof(text) - 1] = '\0';
    struct url url = {.port = NULL};
    cleanup_error struct error *error = NULL;
    assert_int_equal(url_parse(&url, text, "X", ERROR_PARAMETER, &error), -1);
}

static void compares_origins(void **state) {
    (void)state;
    struct {
        const char *left, *right;
        bool same;
    } pairs[] = {
        {"https://h/a", "https://h:443/b", true},    {"https://H/", "https://h/", true},
        {"https://h/", "http://h/", false},          {"https://h/", "https://h:444/", false},
        {"https://h/", "https://h.example/", false}, {"http://h/", "http://h:80/", true},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cleanup_url struct url left = {0};
        cleanup_url struct url right = {0};
        assert_int_equal(url_parse(&left, pairs[i].left, "X", ERROR_PARAMETER, NULL), 0);
        assert_int_equal(url_parse(&right, pairs[i].right, "X", ERROR_PARAMETER, NULL), 0);
        assert_int_equal(url_same_origin(&left, &right), pairs[i].same);
    }
}

static void hides_what_may_be_secret(void **state) {
    (void)state;
    struct {
        const char *text, *shown;
    } cases[] = {
        {"https://h/a/b", "https://h/a/b"},
        {"https://h/a?token=x#y", "https://h/a"},
        {"https://h/a#access_token=x", "https://h/a"},
        {"https://user:pa@ss@h:8443/a@b", "https://h:8443/a@b"},
        {"//user:pw@h/a", "//h/a"},
        {"user:pw@h/a", "h/a"},
        {"user:pw@h/a//b", "h/a//b"},
        {"/a//u:p@b", "/a//u:p@b"},
        {"https:\\\\user@h", "h"},
        {"/users/@me", "/users/@me"},
        {"https://h/\x1b[2J\xc3\xa4 b", "https://h/?[2J???b"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        url_hide_secrets(text);
        assert_string_equal(text, cases[i].shown);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_an_endless_text),
        cmocka_unit_test(compares_origins),
        cmocka_unit_test(hides_what_may_be_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
