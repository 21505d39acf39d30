/* The system's files: bounded reading, atomic writing, nothing left behind. */

#include "../cmocka_all.h"

#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_directory(void **state) {
    char *directory = strdup("/tmp/test-file-XXXXXX");
    *state = directory;
    return directory != NULL && mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state) {
    int result = rmdir(*state);
    free(*state);
    return result; /* fails when a test has left a file behind */
}

static char *path_in(void **state, const char *name) {
    char *path = text_format(NULL, "%s/%s", (const char *)*state, name);
    assert_non_null(path);
    return path;
}

static size_t count_entries(const char *directory) {
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    size_t count = 0;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void what_is_written_is_read(void **state) {
    cleanup_free char *path = path_in(state, "file");
    assert_false(file_system.exists(NULL, path));
    assert_int_equal(file_system.write(NULL, path, "one", 3, 0644, NULL), 0);
    assert_int_equal(file_system.write(NULL, path, "second", 6, 0600, NULL), 0);
    assert_int_equal(count_entries(*state), 1);
    assert_true(file_system.exists(NULL, path));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    cleanup_free char *text = file_read_text(&file_system, path, 6, NULL);
    assert_string_equal(text, "second");
    assert_int_equal(unlink(path), 0);
}

static void an_empty_file_is_empty_text(void **state) {
    cleanup_free char *path = path_in(state, "empty");
    assert_int_equal(file_system.write(NULL, path, "", 0, 0644, NULL), 0);
    cleanup_free char *text = file_read_text(&file_system, path, 10, NULL);
    assert_string_equal(text, "");
    assert_int_equal(unlink(path), 0);
}

static void reading_is_bounded(void **state) {
    cleanup_free char *path = path_in(state, "large");
    assert_int_equal(file_system.write(NULL, path, "1234567", 7, 0644, NULL), 0);
    cleanup_error struct error *error = NULL;
    assert_null(file_read_text(&file_system, path, 6, &error));
    assert_true(text_has_prefix(error->message, path));
    assert_true(text_has_suffix(error->message, " is longer than 6 bytes"));
    assert_int_equal(error->kind, ERROR_PARAMETER);
    assert_int_equal(unlink(path), 0);
}

static void failures_name_the_path(void **state) {
    cleanup_free char *missing = path_in(state, "missing/file");
    cleanup_error struct error *error = NULL;
    assert_null(file_read_text(&file_system, missing, 10, &error));
    cleanup_free char *message =
        text_format(NULL, "cannot read %s: No such file or directory", missing);
    assert_string_equal(error->message, message);
    assert_int_equal(file_system.write(NULL, missing, "x", 1, 0644, NULL), -1);
    cleanup_error struct error *directory = NULL;
    assert_null(file_read_text(&file_system, *state, 10, &directory));
    assert_true(text_has_suffix(directory->message, "Is a directory"));
}

static void a_failed_write_leaves_nothing_behind(void **state) {
    cleanup_free char *path = path_in(state, "target");
    assert_int_equal(mkdir(path, 0755), 0);
    cleanup_error struct error *error = NULL;
    assert_int_equal(file_system.write(NULL, path, "x", 1, 0644, &error),
                     -1); /* over a directory */
    assert_int_equal(count_entries(*state), 1);
    assert_true(file_system.is_directory(NULL, path));
    assert_false(file_system.exists(NULL, path));
    assert_int_equal(rmdir(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(an_empty_file_is_empty_text, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(reading_is_bounded, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(failures_name_the_path, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_nothing_behind, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
