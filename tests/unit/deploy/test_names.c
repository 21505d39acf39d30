/* Names, labels and environment variables as Kubernetes takes them. */

#include "../cmocka_all.h"

#include "base/memory.h"
#include "base/text.h"
#include "deploy/names.h"

#include <string.h>

#define TEN       "0123456789"
#define SIXTY     TEN TEN TEN TEN TEN TEN
#define LETTERS63 "a23" SIXTY

static void dns_labels(void **state) {
    (void)state;
    assert_true(name_is_dns_1035_label("a"));
    assert_true(name_is_dns_1035_label("qwen-2-5"));
    assert_true(name_is_dns_1035_label(LETTERS63));
    static const char *const bad[] = {"",    "1a",  "-a",  "a-",       "A",
                                      "a.b", "a_b", "a b", "\xc3\xa9", LETTERS63 "4"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(name_is_dns_1035_label(bad[i]));
    assert_true(name_is_dns_label("1a"));
    assert_false(name_is_dns_label("a."));
}

static void dns_subdomains(void **state) {
    (void)state;
    assert_true(name_is_dns_subdomain("aml-vllm-0.9.2-cuda-12.6"));
    assert_true(name_is_dns_subdomain("1"));
    assert_true(name_is_dns_subdomain(LETTERS63 "." LETTERS63 "." LETTERS63 ".a" SIXTY));
    static const char *const bad[] = {"",
                                      ".",
                                      "a..b",
                                      ".a",
                                      "a.",
                                      "a.-b",
                                      "a-.b",
                                      "A",
                                      "a/b",
                                      "a_b",
                                      LETTERS63 "." LETTERS63 "." LETTERS63 "." LETTERS63};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(name_is_dns_subdomain(bad[i]));
}

static void qualified_names(void **state) {
    (void)state;
    assert_true(name_is_qualified("cpu"));
    assert_true(name_is_qualified("nvidia.com/mig-1g.5gb"));
    assert_true(name_is_qualified("huawei.com/Ascend910B3"));
    static const char *const bad[] = {
        "", "/", "a/", "/a", "a/b/c", "Nvidia.com/gpu", "nvidia.com/-gpu", "a b"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(name_is_qualified(bad[i]));
}

static void environment_variables(void **state) {
    (void)state;
    static const char *const good[] = {"A", "_a", "VLLM_USE_V1", "a.b-c", "-x"};
    for (size_t i = 0; i < array_length(good); i++)
        assert_true(name_is_environment_variable(good[i]));
    static const char *const bad[] = {"", "1A", "A B", "A=B", ".", "..", "\xc3\xa9", "A/B"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(name_is_environment_variable(bad[i]));
}

static void label_values(void **state) {
    (void)state;
    static const char *const good[] = {"", "a", "A.b_c-d", "1", LETTERS63};
    for (size_t i = 0; i < array_length(good); i++)
        assert_true(label_value_is_legal(good[i]));
    static const char *const bad[] = {"-a", "a-", ".a", "a/b", "a b", LETTERS63 "4"};
    for (size_t i = 0; i < array_length(bad); i++)
        assert_false(label_value_is_legal(bad[i]));
}

static void illegal_values_are_mapped_to_legal_ones(void **state) {
    (void)state;
    const struct {
        const char *text, *value;
    } cases[] = {
        {"", ""},
        {"Qwen2.5-0.5B", "Qwen2.5-0.5B"},
        {"amlmodels/nlp/zh", "amlmodels.nlp.zh"},
        {"/a/", "a"},
        {"a b\tc", "a-b-c"},
        {"\xe6\xa8\xa1\xe5\x9e\x8b", ""},
        {"x\xe6\xa8\xa1y", "x-y"},
        {"--", ""},
        {LETTERS63 "4", LETTERS63},
        {"a" SIXTY "-/-long", "a" SIXTY},
        {"__" LETTERS63, LETTERS63},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        cleanup_free char *value = label_value_from(cases[i].text, NULL);
        assert_string_equal(value, cases[i].value);
        assert_true(label_value_is_legal(value));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_labels),
        cmocka_unit_test(dns_subdomains),
        cmocka_unit_test(qualified_names),
        cmocka_unit_test(environment_variables),
        cmocka_unit_test(label_values),
        cmocka_unit_test(illegal_values_are_mapped_to_legal_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
