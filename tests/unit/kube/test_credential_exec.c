/* What exec plugins are told and what they answer (client.authentication.k8s.io). */
#include "../cmocka_all.h"

#include "../../../src/kube/credential_private.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define V1 "client.authentication.k8s.io/v1"
#define ANSWER(status)                                                                             \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":" status "}"

static int parse(struct exec_answer *out, const char *text, struct error **err) {
    return exec_parse(out, text, strlen(text), V1, "login", err);
}

static void a_token_with_its_end_is_taken(void **state) {
    (void)state;
    struct exec_answer answer = {0};
    assert_int_equal(
        parse(&answer, ANSWER("{\"token\":\"t\",\"expirationTimestamp\":\"2026-01-02T03:04:05Z\"}"),
              NULL),
        0);
    assert_string_equal(answer.token, "t");
    assert_null(answer.client_key_pem);
    assert_true(answer.expires_wall_ms == INT64_C(1767323045000));
    exec_answer_free(&answer);
}

static void a_certificate_is_taken_and_lasts(void **state) {
    (void)state;
    struct exec_answer answer = {0};
    assert_int_equal(
        parse(&answer, ANSWER("{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\"}"), NULL),
        0);
    assert_null(answer.token);
    assert_string_equal(answer.client_certificate_pem, "c");
    assert_string_equal(answer.client_key_pem, "k");
    assert_true(answer.expires_wall_ms == -1);
    exec_answer_free(&answer);
}

static void bad_answers_are_told_without_their_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *said;
    } cases[] = {
        {"", "no JSON"},
        {"hunter2", "no JSON"},
        {"\"hunter2\"", "no ExecCredential"},
        {"{\"kind\":\"hunter2\"}", "no ExecCredential"},
        {"{\"kind\":\"ExecCredential\"}", "without apiVersion"},
        {"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}",
         "v1beta1"},
        {ANSWER("null"), "no status"},
        {ANSWER("{}"), "neither token nor client certificate"},
        {ANSWER("{\"token\":\"\"}"), "neither token nor client certificate"},
        {ANSWER("{\"token\":5}"), "neither token nor client certificate"},
        {ANSWER("{\"token\":\"hunter2\",\"clientKeyData\":\"hunter2\"}"), "only one of"},
        {ANSWER("{\"token\":\"hunter2\",\"expirationTimestamp\":\"hunter2\"}"), "RFC 3339"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct exec_answer answer = {0};
        cleanup_error struct error *error = NULL;
        if (parse(&answer, cases[i].text, &error) == 0)
            fail_msg("case %zu is taken", i);
        assert_int_equal(error->kind, ERROR_UNREACHABLE);
        assert_null(answer.token);
        if (strstr(error->message, cases[i].said) == NULL ||
            strstr(error->message, "login") == NULL || strstr(error->message, "hunter2") != NULL)
            fail_msg("case %zu: \"%s\"", i, error->message);
    }
}

static void the_plugin_is_told_the_cluster_when_it_asks_for_it(void **state) {
    (void)state;
    char version[] = V1;
    char server[] = "https://k:6443";
    char ca[] = "PEM";
    struct kube_exec exec = {.api_version = version};
    struct kube_config config = {.server = server, .ca_pem = ca, .user.exec = &exec};
    cleanup_free char *text = exec_info(&config, false, NULL);
    assert_string_equal(text, "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"spec\":{"
                              "\"interactive\":false}}");
    exec.provide_cluster_info = true;
    cleanup_free char *more = exec_info(&config, true, NULL);
    assert_string_equal(
        more, "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"spec\":{\"interactive\":"
              "true,\"cluster\":{\"server\":\"https://k:6443\",\"certificate-authority-data\":"
              "\"UEVN\"}}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_with_its_end_is_taken),
        cmocka_unit_test(a_certificate_is_taken_and_lasts),
        cmocka_unit_test(bad_answers_are_told_without_their_text),
        cmocka_unit_test(the_plugin_is_told_the_cluster_when_it_asks_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
