/* Where GitLab is and with which token, from the platform's ConfigMap and Secret. */

#include "cmocka_all.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/cluster_facts.h"

static json_t *parse(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static struct gitlab_access empty_access(void) {
    return (struct gitlab_access){.base_url = text_copy("", NULL),
                                  .token = text_copy("", NULL),
                                  .origin = text_copy("GITLAB_BASE_URL", NULL)};
}

static void free_access(struct gitlab_access *access) {
    free(access->base_url);
    free(access->token);
    free(access->ca_pem);
    free(access->origin);
}

static void expect(const char *config_map, const char *secret, const char *url, const char *token) {
    json_t *config = parse(config_map);
    json_t *object = parse(secret);
    struct gitlab_access access = empty_access();
    struct error *error = NULL;
    assert_int_equal(gitlab_access_from_cluster(&access, config, object, "demo", &error), 0);
    assert_null(error);
    assert_string_equal(access.base_url, url);
    assert_string_equal(access.token, token);
    free_access(&access);
    json_decref(config);
    json_decref(object);
}

#define TOKEN "{\"data\":{\"MODEL_REPO_GIT_TOKEN\":\"Z2xwYXQtYWJj\"}}"

static void scheme_and_base_make_the_address(void **state) {
    (void)state;
    expect("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"gitlab.example.com\",\"MODEL_REPO_GIT_SCHEME\":"
           "\"http\"}}",
           TOKEN, "http://gitlab.example.com", "glpat-abc");
}

static void https_is_the_default_scheme(void **state) {
    (void)state;
    expect("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"gitlab.example.com:8443/git/\"}}", TOKEN,
           "https://gitlab.example.com:8443/git", "glpat-abc");
}

static void a_whole_url_as_base_is_taken(void **state) {
    (void)state;
    expect("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"https://gitlab.example.com/"
           "\",\"MODEL_REPO_GIT_SCHEME\":\"https\"}}",
           TOKEN, "https://gitlab.example.com", "glpat-abc");
}

static void a_line_break_after_the_token_is_dropped(void **state) {
    (void)state;
    expect("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"g\"}}",
           "{\"data\":{\"MODEL_REPO_GIT_TOKEN\":\"Z2xwYXQtYWJjCg==\"}}", "https://g", "glpat-abc");
}

static void blanks_around_the_address_are_dropped(void **state) {
    (void)state;
    expect("{\"data\":{\"MODEL_REPO_GIT_BASE\":\" "
           "gitlab.example.com/git/\\n\",\"MODEL_REPO_GIT_SCHEME\":"
           "\"http\\n\"}}",
           TOKEN, "http://gitlab.example.com/git", "glpat-abc");
    expect("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"gitlab.example.com\\n\",\"MODEL_REPO_GIT_SCHEME\":"
           "\"\\n\"}}",
           TOKEN, "https://gitlab.example.com", "glpat-abc");
}

static void refuse(const char *config_map, const char *secret, const char *word) {
    json_t *config = parse(config_map);
    json_t *object = parse(secret);
    struct gitlab_access access = empty_access();
    struct error *error = NULL;
    assert_int_equal(gitlab_access_from_cluster(&access, config, object, "demo", &error), -1);
    assert_int_equal(error->kind, ERROR_MODEL);
    assert_true(text_contains(error->message, word));
    assert_false(text_contains(error->message, "glpat-abc"));
    assert_non_null(error->hint);
    error_free(error);
    free_access(&access);
    json_decref(config);
    json_decref(object);
}

static void missing_keys_are_named_with_the_parameter_to_set(void **state) {
    (void)state;
    refuse("{\"data\":{}}", TOKEN, "MODEL_REPO_GIT_BASE");
    refuse("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"\\n\"}}", TOKEN, "MODEL_REPO_GIT_BASE");
    refuse("{\"data\":{\"MODEL_REPO_GIT_BASE\":\"g\"}}", "{\"data\":{}}", "MODEL_REPO_GIT_TOKEN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scheme_and_base_make_the_address),
        cmocka_unit_test(https_is_the_default_scheme),
        cmocka_unit_test(a_whole_url_as_base_is_taken),
        cmocka_unit_test(a_line_break_after_the_token_is_dropped),
        cmocka_unit_test(blanks_around_the_address_are_dropped),
        cmocka_unit_test(missing_keys_are_named_with_the_parameter_to_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
