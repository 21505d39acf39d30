/* Blob ids against `git hash-object` (the expected values are its output). */

#include "cmocka_all.h"

#include "base/memory.h"
#include "model/git.h"

#include <string.h>

static void expect_id(const void *data, size_t length, const char *expected) {
    char id[GIT_OBJECT_ID_SIZE];
    git_hash_blob(id, data, length);
    assert_string_equal(id, expected);
}

static void test_known_ids(void **state) {
    (void)state;
    expect_id("", 0, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    expect_id("hello\n", 6, "ce013625030ba8dba906f756967f9e9ca394464a");
    expect_id("test content\n", 13, "d670460b4b4aece5915caf5c68d12f560a9fe3e4");
    expect_id("a\0b", 3, "20b5be91886d0b6f26dc98a225c0dac05fe2c86e");
}

/* Each length around the ends of SHA-1's blocks, against libgit2. */
#include <git2.h>

static void test_lengths_agree_with_libgit2(void **state) {
    (void)state;
    char data[400];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 + 3);
    assert_true(git_libgit2_init() > 0);
    for (size_t length = 0; length <= sizeof(data); length++) {
        git_oid oid;
        char expected[GIT_OID_HEXSZ + 1] = {0};
        assert_int_equal(git_odb_hash(&oid, data, length, GIT_OBJECT_BLOB), 0);
        git_oid_fmt(expected, &oid);
        expect_id(data, length, expected);
    }
    git_libgit2_shutdown();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_ids),
        cmocka_unit_test(test_lengths_agree_with_libgit2),
    };
    return cmocka_run_group_tests_name("git_hash_blob", tests, NULL, NULL);
}
