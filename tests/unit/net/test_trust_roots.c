#include "../cmocka_all.h"
#include "base/text.h"
#include "net/trust_roots.h"

#include <string.h>

/* A file system of at most two files. */
struct fake {
    const char *paths[2];
    const char *contents[2];
    const char *broken; /* a path that exists and cannot be read */
};

static const char *content_of(const struct fake *fake, const char *path) {
    for (size_t i = 0; i < 2; i++)
        if (text_equal(fake->paths[i], path))
            return fake->contents[i];
    return NULL;
}

static bool fake_exists(void *user, const char *path) {
    const struct fake *fake = user;
    return text_equal(fake->broken, path) || content_of(fake, path) != NULL;
}

static int fake_read(void *user, const char *path, struct buffer *out, struct error **err) {
    const char *content = content_of(user, path);
    if (content == NULL)
        return error_new(err, ERROR_PARAMETER, "%s: Permission denied", path);
    buffer_append_text(out, content);
    return buffer_check(out, path, err);
}

static int read_roots(char **out, struct fake *fake, const char *const *variables,
                      struct error **err) {
    const struct file_access files = {.read = fake_read, .exists = fake_exists, .user = fake};
    const struct environment environment = {variables};
    const struct deps deps = {.files = &files, .environment = &environment};
    return trust_roots_read(out, &deps, err);
}

static void the_environment_goes_first(void **state) {
    (void)state;
    struct fake fake = {
        {"/my/roots.pem", "/etc/ssl/certs/ca-certificates.crt"}, {"mine", "system"}, NULL};
    const char *const variables[] = {"SSL_CERT_FILE=/my/roots.pem", NULL};
    cleanup_free char *roots = NULL;
    assert_int_equal(read_roots(&roots, &fake, variables, NULL), 0);
    assert_string_equal(roots, "mine");
}

static void an_unset_or_dangling_variable_is_passed_over(void **state) {
    (void)state;
    static const char *const values[] = {"SSL_CERT_FILE=", "SSL_CERT_FILE=/gone.pem", NULL};
    for (size_t i = 0; i < 3; i++) {
        struct fake fake = {{"/etc/ssl/certs/ca-certificates.crt", NULL}, {"system", NULL}, NULL};
        const char *const variables[] = {values[i], NULL};
        cleanup_free char *roots = NULL;
        assert_int_equal(read_roots(&roots, &fake, variables, NULL), 0);
        assert_string_equal(roots, "system");
    }
}

static void every_distribution_is_looked_at(void **state) {
    (void)state;
    static const char *const paths[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt",
                                        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct fake fake = {{paths[i], NULL}, {"roots", NULL}, NULL};
        cleanup_free char *roots = NULL;
        assert_int_equal(read_roots(&roots, &fake, NULL, NULL), 0);
        assert_string_equal(roots, "roots");
    }
}

static void none_is_no_error(void **state) {
    (void)state;
    struct fake fake = {{NULL, NULL}, {NULL, NULL}, NULL};
    char *roots = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(read_roots(&roots, &fake, NULL, &error), 0);
    assert_null(roots);
    assert_null(error);
}

static void an_unreadable_bundle_is_an_error(void **state) {
    (void)state;
    struct fake fake = {{NULL, NULL}, {NULL, NULL}, "/etc/ssl/certs/ca-certificates.crt"};
    char *roots = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(read_roots(&roots, &fake, NULL, &error), -1);
    assert_non_null(strstr(error->message, "/etc/ssl/certs/ca-certificates.crt"));
    assert_null(roots);
}

static void a_monstrous_bundle_is_an_error(void **state) {
    (void)state;
    enum { SIZE = 2 * 1024 * 1024 + 1 };
    cleanup_free char *huge = malloc(SIZE + 1);
    assert_non_null(huge);
    memset(huge, 'x', SIZE);
    huge[SIZE] = '\0';
    struct fake fake = {{"/etc/ssl/cert.pem", NULL}, {huge, NULL}, NULL};
    char *roots = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(read_roots(&roots, &fake, NULL, &error), -1);
    assert_non_null(strstr(error->message, "2097152"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_goes_first),
        cmocka_unit_test(an_unset_or_dangling_variable_is_passed_over),
        cmocka_unit_test(every_distribution_is_looked_at),
        cmocka_unit_test(none_is_no_error),
        cmocka_unit_test(an_unreadable_bundle_is_an_error),
        cmocka_unit_test(a_monstrous_bundle_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
