/* Paths as the API server names fields in conflicts. */
#include "../cmocka_all.h"

#include "../../../src/kube/field_path.h"
#include "base/memory.h"
#include "base/text.h"

#include <string.h>

static const char object[] =
    "{\"metadata\":{\"annotations\":{\"a\":\"1\",\"a.b/c\":\"2\",\"x[y]\":\"3\"},"
    "\"finalizers\":[\"f\",\"g\"]},"
    "\"spec\":{\"env\":[{\"name\":\"A\",\"value\":\"a\"},{\"name\":\"B]\\\"\",\"value\":\"b\"}],"
    "\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"n\":1},{\"port\":80,\"protocol\":\"UDP\","
    "\"n\":2}],\"items\":[[1,2],[3]]}}";

static void values_are_found(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *value; /* NULL: there is none */
    } cases[] = {
        {"", object},
        {".spec.env[name=\"A\"].value", "\"a\""},
        {".spec.env[name=\"B]\\\"\"].value", "\"b\""},
        {".spec.env[name=\"C\"].value", NULL},
        {".spec.ports[port=80,protocol=\"UDP\"].n", "2"},
        {".spec.ports[port=81,protocol=\"UDP\"].n", NULL},
        {".spec.items[0][1]", "2"},
        {".spec.items[2]", NULL},
        {".metadata.annotations.a", "\"1\""},
        {".metadata.annotations.a.b/c", "\"2\""},
        {".metadata.annotations.x[y]", "\"3\""},
        {".metadata.annotations.b", NULL},
        {".metadata.finalizers[=\"g\"]", "\"g\""},
        {".metadata.finalizers[\"f\"]", "\"f\""},
        {".metadata.finalizers[=\"h\"]", NULL},
        {".spec.env[name=\"A\"", NULL},
        {".spec.env[", NULL},
        {".spec.env[name", NULL},
        {".spec.env[name=", NULL},
        {".spec.env[\"", NULL},
        {".spec.env.value", NULL},
        {".", NULL},
        {"spec", NULL},
    };
    json_t *parsed = NULL;
    assert_int_equal(json_parse(&parsed, object, strlen(object), "the test", ERROR_INTERNAL, NULL),
                     0);
    for (size_t i = 0; i < array_length(cases); i++) {
        const json_t *found = field_path_at(parsed, cases[i].path);
        json_t *wanted =
            cases[i].value != NULL ? json_loads(cases[i].value, JSON_DECODE_ANY, NULL) : NULL;
        if (cases[i].value == NULL && found != NULL)
            fail_msg("%s is there", cases[i].path);
        if (wanted != NULL && (found == NULL || !json_equal(found, wanted)))
            fail_msg("%s is not %s", cases[i].path, cases[i].value);
        json_decref(wanted);
    }
    json_decref(parsed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
