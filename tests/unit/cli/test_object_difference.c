/* What differs between two objects, without the server's noise. */

#include "../cmocka_all.h"

#include "base/memory.h"
#include "cli/object_difference.h"

#include <stdlib.h>
#include <string.h>

static json_t *json(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void assert_changes(const char *before_text, const char *after_text, const char *expected) {
    cleanup_json json_t *before = before_text != NULL ? json(before_text) : NULL;
    cleanup_json json_t *after = json(after_text);
    cleanup_json json_t *changes = NULL;
    struct error *error = NULL;
    assert_int_equal(object_changes(&changes, before, after, &error), 0);
    cleanup_free char *text = json_canonical_text(changes, NULL);
    assert_string_equal(text, expected);
}

static void values(void **state) {
    (void)state;
    assert_changes("{\"a\":1}", "{\"a\":1}", "[]");
    assert_changes("{\"a\":1,\"b\":2}", "{\"a\":3,\"c\":4}",
                   "[{\"after\":3,\"before\":1,\"path\":\"/a\"},"
                   "{\"after\":null,\"before\":2,\"path\":\"/b\"},"
                   "{\"after\":4,\"before\":null,\"path\":\"/c\"}]");
    assert_changes("{\"a\":{\"b\":1}}", "{\"a\":[1]}",
                   "[{\"after\":[1],\"before\":{\"b\":1},\"path\":\"/a\"}]");
}

static void nothing_before(void **state) {
    (void)state;
    assert_changes(NULL, "{\"a\":1}", "[{\"after\":{\"a\":1},\"before\":null,\"path\":\"\"}]");
}

static void pointers_escape_their_signs(void **state) {
    (void)state;
    assert_changes("{\"a/b~c.d\":{\"\":1}}", "{\"a/b~c.d\":{\"\":2}}",
                   "[{\"after\":2,\"before\":1,\"path\":\"/a~1b~0c.d/\"}]");
}

static void lists_by_position(void **state) {
    (void)state;
    assert_changes("[\"a\",\"b\"]", "[\"a\",\"c\",\"d\"]",
                   "[{\"after\":\"c\",\"before\":\"b\",\"path\":\"/1\"},"
                   "{\"after\":\"d\",\"before\":null,\"path\":\"/2\"}]");
}

static void lists_by_name(void **state) {
    (void)state;
    const char *before = "[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]";
    assert_changes(before, "[{\"name\":\"B\",\"value\":\"3\"},{\"name\":\"C\",\"value\":\"4\"}]",
                   "[{\"after\":null,\"before\":{\"name\":\"A\",\"value\":\"1\"},\"path\":\"/0\"},"
                   "{\"after\":\"3\",\"before\":\"2\",\"path\":\"/1/value\"},"
                   "{\"after\":{\"name\":\"C\",\"value\":\"4\"},\"before\":null,\"path\":\"/1\"}]");
    /* the order of variables matters to $(NAME): a changed order is a change */
    assert_changes(
        before, "[{\"name\":\"B\",\"value\":\"2\"},{\"name\":\"A\",\"value\":\"1\"}]",
        "[{\"after\":[{\"name\":\"B\",\"value\":\"2\"},{\"name\":\"A\",\"value\":\"1\"}],"
        "\"before\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}],"
        "\"path\":\"\"}]");
}

static void noise_goes_the_rest_is_sorted(void **state) {
    (void)state;
    cleanup_json json_t *object =
        json("{\"spec\":{\"z\":1,\"a\":2},\"status\":{},\"metadata\":{\"uid\":\"u\",\"name\":\"n\","
             "\"generation\":3,\"resourceVersion\":\"1\",\"creationTimestamp\":\"t\","
             "\"managedFields\":[],"
             "\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"},"
             "\"labels\":{\"uid\":\"mine\"}}}");
    struct error *error = NULL;
    cleanup_json json_t *clean = object_without_noise(object, &error);
    cleanup_free char *text = json_pretty_text(clean, NULL);
    assert_string_equal(
        text, "{\n  \"metadata\": {\n    \"labels\": {\n      \"uid\": \"mine\"\n    },\n"
              "    \"name\": \"n\"\n  },\n  \"spec\": {\n    \"a\": 2,\n    \"z\": 1\n  }\n}");
    assert_non_null(json_at(object, "status", NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(nothing_before),
        cmocka_unit_test(pointers_escape_their_signs),
        cmocka_unit_test(lists_by_position),
        cmocka_unit_test(lists_by_name),
        cmocka_unit_test(noise_goes_the_rest_is_sorted),
    };
    return cmocka_run_group_tests_name("object_difference", tests, NULL, NULL);
}
