/* ~/.netrc. */

#include "../cmocka_all.h"

#include "base/memory.h"
#include "deploy/netrc.h"
#include "torture.h"

#include <stdlib.h>

static void assert_login(const char *text, const char *host, const char *username,
                         const char *password) {
    cleanup_netrc_login struct netrc_login login = {.password = NULL};
    struct error *error = NULL;
    assert_int_equal(netrc_find(&login, text, host, &error), password != NULL);
    assert_null(error);
    if (password == NULL)
        return;
    assert_string_equal(login.username, username);
    assert_string_equal(login.password, password);
}

static void forms(void **state) {
    (void)state;
    assert_login("machine h login u password p\n", "h", "u", "p");
    assert_login("machine h\n\tlogin u\n\taccount x\n\tpassword p", "h", "u", "p");
    assert_login("machine h password p", "h", "", "p");
    assert_login("machine H login u password p", "h", "u", "p");
    assert_login("machine h login u password \"a b\\\"c\"", "h", "u", "a b\"c");
    assert_login("# machine h login x password y\nmachine h login u password p", "h", "u", "p");
    assert_login("macdef init\nmachine h login x password y\n\nmachine h login u password p", "h",
                 "u", "p");
}

static void which_entry(void **state) {
    (void)state;
    assert_login("machine other login x password y machine h login u password p", "h", "u", "p");
    assert_login("machine h login u password p machine h login x password y", "h", "u", "p");
    assert_login("machine h login u default login d password q", "h", "d", "q");
    assert_login("default login d password q", "h", "d", "q");
    assert_login("machine other password y", "h", NULL, NULL);
    assert_login("machine h login u", "h", NULL, NULL);
    assert_login("machine machine password y", "h", NULL, NULL);
}

static void what_is_broken_is_nothing(void **state) {
    (void)state;
    static const char *const broken[] = {
        "",         "machine",      "machine h password", "password p",
        "macdef x", "machine h \"", "machine h login",    "#"};
    for (size_t i = 0; i < array_length(broken); i++) {
        cleanup_netrc_login struct netrc_login login = {.password = NULL};
        assert_int_equal(netrc_find(&login, broken[i], "h", NULL), 0);
        assert_null(login.password);
    }
}

static int without_memory(void *user) {
    (void)user;
    cleanup_netrc_login struct netrc_login login = {.password = NULL};
    struct error *error = NULL;
    int result = netrc_find(&login, "machine h login u password p", "h", &error);
    assert_true(result == 1 ? login.password != NULL : error != NULL && login.password == NULL);
    error_free(error);
    return result == 1 ? 0 : result;
}

static void survives_failed_allocations(void **state) {
    (void)state;
    torture(without_memory, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(which_entry),
        cmocka_unit_test(what_is_broken_is_nothing),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests_name("netrc", tests, NULL, NULL);
}
