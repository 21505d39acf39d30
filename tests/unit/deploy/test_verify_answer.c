/* What an answer of 200 is worth: a proxy in between says it to everything. */
#include "cmocka_all.h"

#include "base/memory.h"
#include "deploy/verify.h"

#include <string.h>

static enum verify_answer answer_of(enum verify_dialect dialect, int status, const char *body) {
    enum verify_answer out = VERIFY_NEVER;
    char *trouble = NULL;
    assert_int_equal(
        verify_judge(&out, &trouble, dialect, status, body, strlen(body), "qwen", NULL), 0);
    assert_true((out == VERIFY_ANSWERS) == (trouble == NULL));
    free(trouble);
    return out;
}

static enum verify_answer answer(enum verify_dialect dialect, const char *body) {
    return answer_of(dialect, 200, body);
}

static void model_servers_are_believed(void **state) {
    (void)state;
    static const char *const bodies[] = {"", " \n", "{}", "{\"ready\":true}",
                                         "{\"ready\":true,\"error\":null}"};
    for (size_t i = 0; i < array_length(bodies); i++)
        assert_int_equal(answer(VERIFY_V2, bodies[i]), VERIFY_ANSWERS);
}

static void others_are_not(void **state) {
    (void)state;
    static const char *const bodies[] = {"OK",
                                         "default backend - 404",
                                         "{\"error\":\"no such model\"}",
                                         "[]",
                                         "not",
                                         "<html><body>Sign in</body></html>"};
    for (size_t i = 0; i < array_length(bodies); i++)
        assert_int_equal(answer(VERIFY_V2, bodies[i]), VERIFY_LATER);
    assert_int_equal(answer(VERIFY_V1, "{\"error\":\"no such model\"}"), VERIFY_LATER);
}

static void a_server_may_say_that_it_is_not_ready(void **state) {
    (void)state;
    assert_int_equal(answer(VERIFY_V2, "{\"ready\":false}"), VERIFY_LATER);
}

/* Else the run asks for another dialect, and waits until its time is up. */
static void a_server_of_v1_that_does_not_know_the_model(void **state) {
    (void)state;
    static const char tensorflow[] =
        "{\n    \"error\": \"Could not find any versions of model q\"\n}";
    static const char kserve[] = "{\"error\":\"Model with name q does not exist.\"}";
    assert_int_equal(answer_of(VERIFY_V1, 404, tensorflow), VERIFY_UNKNOWN);
    assert_int_equal(answer_of(VERIFY_V1, 404, kserve), VERIFY_UNKNOWN);
    assert_int_equal(answer_of(VERIFY_V2, 404, kserve), VERIFY_ABSENT);
    static const char *const strangers[] = {"",
                                            "404 page not found",
                                            "{\"detail\":\"Not Found\"}",
                                            "{\"error\":\"Not Found\"}",
                                            "{\"error\":{\"message\":\"File Not Found\"}}",
                                            "<html>404</html>"};
    for (size_t i = 0; i < array_length(strangers); i++)
        assert_int_equal(answer_of(VERIFY_V1, 404, strangers[i]), VERIFY_ABSENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_of_v1_that_does_not_know_the_model),
        cmocka_unit_test(model_servers_are_believed), cmocka_unit_test(others_are_not),
        cmocka_unit_test(a_server_may_say_that_it_is_not_ready)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
