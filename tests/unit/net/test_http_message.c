#include "../cmocka_all.h"
#include "http_internal.h"

#include <string.h>

static struct http_response with_headers(const char *lines) {
    struct http_response response = {.headers = BUFFER_INIT(4096)};
    buffer_append_text(&response.headers, lines);
    return response;
}

static void finds_a_header_in_any_case(void **state) {
    (void)state;
    struct http_response response =
        with_headers("Content-Type: application/json\r\n"
                     "RETRY-AFTER:\t 5 \t\r\nX-Empty:\r\nX-Empty-Too:   \r\n"
                     "Link: <a>; rel=\"next\"\r\nLink: <b>\r\n");
    char value[32];
    assert_true(http_header(&response, "Retry-After", value, sizeof(value)));
    assert_string_equal(value, "5");
    assert_true(http_header(&response, "content-type", value, sizeof(value)));
    assert_string_equal(value, "application/json");
    assert_true(http_header(&response, "X-Empty", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_true(http_header(&response, "X-Empty-Too", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_true(http_header(&response, "link", value, sizeof(value)));
    assert_string_equal(value, "<a>; rel=\"next\"");
    http_response_free(&response);
}

static void does_not_find_what_is_not_there(void **state) {
    (void)state;
    struct http_response response =
        with_headers("X-Retry-After: 1\r\nRetry: 2\r\nRetry-After-Ms: 3\r\nlonely\r\n");
    char value[32] = "untouched";
    assert_false(http_header(&response, "Retry-After", value, sizeof(value)));
    assert_false(http_header(&response, "lonely", value, sizeof(value)));
    assert_string_equal(value, "untouched");
    http_response_free(&response);

    struct http_response empty = {0};
    assert_false(http_header(&empty, "Retry-After", value, sizeof(value)));
}

static void a_value_must_fit_whole(void **state) {
    (void)state;
    struct http_response response = with_headers("A: 12345\r\n");
    char value[6];
    assert_true(http_header(&response, "A", value, 6));
    assert_string_equal(value, "12345");
    assert_false(http_header(&response, "A", value, 5));
    http_response_free(&response);
}

static void names_of_peers_hold_no_secret(void **state) {
    (void)state;
    struct {
        const char *url, *host, *shown;
    } rows[] = {
        {"https://gitlab.example.com/api?private_token=s3cret", "gitlab.example.com",
         "https://gitlab.example.com/api"},
        {"https://u:s3cret@h:8443/x#s3cret", "h:8443", "https://h:8443/x"},
        {"https://[::1]:6443/", "[::1]:6443", "https://[::1]:6443"},
        {"http://10.0.0.1:80", "10.0.0.1", "http://10.0.0.1"},
        {"s3cret", "an invalid URL", "an invalid URL"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cleanup_free char *host = http_display_host(rows[i].url, NULL);
        cleanup_free char *shown = http_display_url(rows[i].url, NULL);
        assert_string_equal(host, rows[i].host);
        assert_string_equal(shown, rows[i].shown);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_header_in_any_case),
        cmocka_unit_test(does_not_find_what_is_not_there),
        cmocka_unit_test(a_value_must_fit_whole),
        cmocka_unit_test(names_of_peers_hold_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
