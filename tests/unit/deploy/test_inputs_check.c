/* inputs_check: every rule across the parameters, all problems in one run. */

#include "../cmocka_all.h"

#include "fixture.h"

#include "base/buffer.h"
#include "base/text.h"
#include "deploy/patience.h"

#include <string.h>

struct check {
    struct inputs inputs;
    struct buffer text; /* "error NAME: message" or "notice NAME: message", a line each */
};

static struct check start(void) {
    struct check check = {.text = BUFFER_INIT(65536)};
    fixture_inputs(&check.inputs);
    return check;
}

static void run(struct check *check) {
    cleanup_problems struct problems problems = {0};
    cleanup_error struct error *error = NULL;
    assert_int_equal(inputs_check(&check->inputs, &problems, &error), 0);
    assert_null(error);
    buffer_clear(&check->text);
    size_t errors = 0;
    for (size_t i = 0; i < problems.count; i++) {
        const struct problem *problem = &problems.items[i];
        buffer_printf(&check->text, "%s%s %s: %s", i > 0 ? "\n" : "",
                      problem->is_error ? "error" : "notice", problem->parameter, problem->message);
        errors += problem->is_error ? 1 : 0;
    }
    assert_int_equal(errors, problems.errors);
}

static void finish(struct check *check) {
    inputs_free(&check->inputs);
    buffer_free(&check->text);
}

static void expect(struct check *check, const char *text) {
    run(check);
    assert_string_equal(buffer_text(&check->text), text);
}

/* One text changed against the fixture. */
static void expect_for(size_t offset, const char *value, const char *text) {
    struct check check = start();
    fixture_set((char **)(void *)((char *)&check.inputs + offset), value);
    expect(&check, text);
    finish(&check);
}

#define EXPECT(field, value, text) expect_for(offsetof(struct inputs, field), (value), (text))

static void the_pipelines_defaults_are_right(void **state) {
    (void)state;
    struct check check = start();
    expect(&check, "");
    assert_true(check.inputs.hami_given);
    finish(&check);
}

static void all_problems_come_in_one_run(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.name, "");
    fixture_set(&check.inputs.namespace_, "");
    fixture_set(&check.inputs.model_repo, "");
    fixture_set(&check.inputs.runtime_class, "");
    fixture_set(&check.inputs.memory_limit, "16GB");
    fixture_set(&check.inputs.gpu_cores, "101");
    check.inputs.min_replicas = 3;
    expect(&check,
           "error INFERENCE_SERVICE_NAME: INFERENCE_SERVICE_NAME is not set\n"
           "error NAMESPACE: NAMESPACE is not set\n"
           "error RUNTIME_CLASS: neither RUNTIME_NAME nor RUNTIME_CLASS is set: one of them is "
           "needed\n"
           "error MIN_REPLICAS: MIN_REPLICAS is 3 but MAX_REPLICAS is 1: it must not be larger\n"
           "error MODEL_REPO: MODEL_REPO is not set\n"
           "error MEMORY_LIMIT: MEMORY_LIMIT is \"16GB\": that is no Kubernetes quantity\n"
           "error NVIDIA_GPUCORES: NVIDIA_GPUCORES is \"101\": it must be a whole number from 1 to "
           "100, "
           "the percent of each card's cores");
    finish(&check);
}

static void names(void **state) {
    (void)state;
    EXPECT(name, "Qwen",
           "error INFERENCE_SERVICE_NAME: INFERENCE_SERVICE_NAME \"Qwen\" must consist of a-z, 0-9 "
           "and "
           "'-', begin with a letter and not end with '-'");
    EXPECT(name, "1qwen",
           "error INFERENCE_SERVICE_NAME: INFERENCE_SERVICE_NAME \"1qwen\" must consist of a-z, "
           "0-9 and "
           "'-', begin with a letter and not end with '-'");
    EXPECT(name, "a23456789012345678901234567890123456789012345678", "");
    EXPECT(
        name, "a234567890123456789012345678901234567890123456789",
        "error INFERENCE_SERVICE_NAME: INFERENCE_SERVICE_NAME "
        "\"a234567890123456789012345678901234567890123456789\" has 49 characters: KServe's label "
        "isvc.<name>-predictor leaves room for 48");
    EXPECT(
        namespace_, "Demo",
        "error NAMESPACE: NAMESPACE \"Demo\" must have at most 63 characters of a-z, 0-9 and '-', "
        "with a letter or digit at both ends");
    EXPECT(
        pvc_name, "model_store",
        "error PVC_NAME: PVC_NAME \"model_store\" is no Kubernetes name: at most 253 characters of "
        "a-z, 0-9, '-' and '.', with a letter or digit at both ends");
    EXPECT(runtime_name, "aml-vllm-0.9.2-cuda-12.6", "");
    EXPECT(runtime_class, "v/llm",
           "error RUNTIME_CLASS: RUNTIME_CLASS \"v/llm\" is no label value: at most 63 characters "
           "of A-Z, "
           "a-z, 0-9, '-', '_' and '.', with a letter or digit at both ends");
}

static void name_and_namespace_share_52_characters(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.name, "a2345678901234567890123456");
    fixture_set(&check.inputs.namespace_, "b2345678901234567890123456");
    expect(&check, "");
    fixture_set(&check.inputs.namespace_, "b23456789012345678901234567");
    expect(&check,
           "error INFERENCE_SERVICE_NAME: INFERENCE_SERVICE_NAME \"a2345678901234567890123456\" "
           "and NAMESPACE \"b23456789012345678901234567\" have 53 characters together, more "
           "than 52");
    finish(&check);
}

static void replicas(void **state) {
    (void)state;
    struct check check = start();
    check.inputs.min_replicas = -1;
    expect(&check, "error MIN_REPLICAS: MIN_REPLICAS is -1: it must be between 0 and 2147483647");
    check.inputs.min_replicas = 0;
    expect(&check,
           "notice MIN_REPLICAS: MIN_REPLICAS is 0 without ENABLE_SERVERLESS: KServe keeps one "
           "replica");
    check.inputs.serverless = true;
    expect(&check, "");
    check.inputs.min_replicas = 2;
    check.inputs.max_replicas = 0; /* no maximum */
    expect(&check, "");
    finish(&check);
}

static void strategies(void **state) {
    (void)state;
    EXPECT(deployment_strategy, "Recreate", "");
    EXPECT(deployment_strategy, "recreate",
           "error DEPLOYMENT_STRATEGY: DEPLOYMENT_STRATEGY is \"recreate\": it must be Recreate or "
           "RollingUpdate");
    struct check check = start();
    fixture_set(&check.inputs.deployment_strategy, "Recreate");
    check.inputs.serverless = true;
    expect(&check,
           "error DEPLOYMENT_STRATEGY: DEPLOYMENT_STRATEGY is Recreate but ENABLE_SERVERLESS is "
           "true: Knative has no deployment strategy and KServe refuses it");
    finish(&check);
}

static void repositories(void **state) {
    (void)state;
    EXPECT(model_repo, "shared/Qwen2.5-0.5B", "");
    EXPECT(model_repo, "a/b/c/d", "");
    struct check check = start();
    fixture_set(&check.inputs.model_repo, "a//b");
    run(&check);
    assert_true(text_has_prefix(buffer_text(&check.text), "error MODEL_REPO: MODEL_REPO"));
    fixture_set(&check.inputs.model_repo, "");
    fixture_set(&check.inputs.model_git_url, "https://git.example.com/a/b.git");
    expect(&check, "");
    fixture_set(&check.inputs.model_dir, "/tmp/clone");
    expect(&check,
           "error MODEL_DIR: MODEL_GIT_URL is set, and MODEL_DIR too: they exclude each other");
    finish(&check);
}

static void git_addresses_of_other_kinds(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.model_repo, "");
    static const char ssh[] = "error MODEL_GIT_URL: MODEL_GIT_URL is an address for SSH: Git is "
                              "asked over HTTPS";
    static const char local[] = "error MODEL_GIT_URL: MODEL_GIT_URL is no address of a Git server";
    static const char *const cases[][2] = {{"git@git.example.com:a/b.git", ssh},
                                           {"ssh://git@git.example.com:22/a/b.git", ssh},
                                           {"file:///srv/clone", local},
                                           {"/srv/clone", local},
                                           {"../clone", local}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_set(&check.inputs.model_git_url, cases[i][0]);
        expect(&check, cases[i][1]);
    }
    finish(&check);
}

static void refs(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.branch, "refs/heads/feature/x");
    expect(&check, "");
    assert_string_equal(check.inputs.branch, "feature/x");
    fixture_set(&check.inputs.tag, "refs/tags/v1");
    expect(&check, "error MODEL_REPO_TAG: MODEL_REPO_BRANCH is \"feature/x\" and MODEL_REPO_TAG is "
                   "\"v1\": they cannot be set at the same time");
    finish(&check);
    static const char *const bad[] = {"a b", "a..b", "-a",  "a~1", "a.lock",
                                      "a/",  "/a",   "a:b", ".a",  "a\x01"};
    for (size_t i = 0; i < array_length(bad); i++) {
        struct check each = start();
        fixture_set(&each.inputs.branch, bad[i]);
        run(&each);
        if (!text_has_prefix(buffer_text(&each.text),
                             "error MODEL_REPO_BRANCH: MODEL_REPO_BRANCH \""))
            fail_msg("\"%s\": %s", bad[i], buffer_text(&each.text));
        finish(&each);
    }
    EXPECT(tag, "v1.0+zh_\xe4\xb8\xad", "");
    EXPECT(tag, "refs/tags/",
           "error MODEL_REPO_TAG: MODEL_REPO_TAG is \"refs/tags/\" without a name "
           "behind it");
    EXPECT(commit, "0123abc", "");
    EXPECT(commit, "0123456789abcdef0123456789abcdef01234567", "");
    EXPECT(commit, "main",
           "error MODEL_REPO_COMMIT: MODEL_REPO_COMMIT \"main\" must have 40 (or 64) "
           "hexadecimal digits, or at least the first 7");
    EXPECT(
        commit, "0123456789abcdef0123456789abcdef012345678",
        "error MODEL_REPO_COMMIT: MODEL_REPO_COMMIT \"0123456789abcdef0123456789abcdef012345678\" "
        "must have 40 (or 64) hexadecimal digits, or at least the first 7");
}

static void storage_uris(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.model_repo, "");
    fixture_set(&check.inputs.storage_uri, "s3://bucket/model");
    expect(&check,
           "error PIPELINE_TAG: PIPELINE_TAG is not set: with STORAGE_URI no README is read that "
           "could tell it\n"
           "error LIBRARY_NAME: LIBRARY_NAME is not set: with STORAGE_URI no README is read that "
           "could tell it");
    fixture_set(&check.inputs.pipeline_tag, "text-generation");
    fixture_set(&check.inputs.library_name, "transformers");
    expect(&check, "");
    fixture_set(&check.inputs.tag, "v1");
    expect(&check,
           "notice STORAGE_URI: STORAGE_URI says what is deployed: branch, tag and commit are not "
           "used");
    fixture_set(&check.inputs.tag, "");
    fixture_set(&check.inputs.storage_uri, "bucket/model");
    expect(&check,
           "error STORAGE_URI: STORAGE_URI \"bucket/model\" is no URI with a scheme and without "
           "blanks");
    finish(&check);
}

static void addresses(void **state) {
    (void)state;
    EXPECT(gitlab_base_url, "https://gitlab.example.com/gitlab", "");
    EXPECT(gitlab_base_url, "gitlab.example.com:8443", "");
    EXPECT(gitlab_base_url, "http://gitlab.example.com",
           "notice GITLAB_BASE_URL: GITLAB_BASE_URL is an http address: an access token would "
           "cross the "
           "network in clear");
    struct check check = start();
    fixture_set(&check.inputs.gitlab_base_url, "https://oauth2:glpat-secret@gitlab.example.com");
    run(&check);
    assert_true(text_has_prefix(buffer_text(&check.text),
                                "error GITLAB_BASE_URL: GITLAB_BASE_URL carries"));
    assert_null(strstr(buffer_text(&check.text), "glpat-secret"));
    fixture_set(&check.inputs.gitlab_base_url, "ftp://gitlab.example.com");
    run(&check);
    assert_true(text_has_prefix(buffer_text(&check.text), "error GITLAB_BASE_URL: "));
    fixture_set(&check.inputs.gitlab_base_url, "gitlab.example.com:8443/git");
    expect(&check, "");
    assert_string_equal(check.inputs.gitlab_base_url, "https://gitlab.example.com:8443/git");
    finish(&check);
}

static void quantities(void **state) {
    (void)state;
    EXPECT(cpu_request, "4001m",
           "error CPU_REQUEST: CPU_REQUEST is 4001m but CPU_LIMIT is 4: a request must not be "
           "larger than "
           "its limit");
    EXPECT(cpu_request, "4000m", "");
    EXPECT(cpu_limit, "", "");
    EXPECT(cpu_limit, "-1", "error CPU_LIMIT: CPU_LIMIT is \"-1\": it must not be negative");
    EXPECT(memory_request, "17179869185",
           "error MEMORY_REQUEST: MEMORY_REQUEST is 17179869185 but MEMORY_LIMIT is 16Gi: a "
           "request must "
           "not be larger than its limit");
    EXPECT(memory_request, "512m",
           "notice MEMORY_REQUEST: MEMORY_REQUEST is \"512m\": that is no whole number of bytes, "
           "and is rounded up");
    EXPECT(memory_limit, "16.3Gi",
           "notice MEMORY_LIMIT: MEMORY_LIMIT is \"16.3Gi\": that is no whole number of bytes, and "
           "is rounded up");
    EXPECT(ephemeral_storage_size, "10.1Gi",
           "notice EPHIMERAL_STORAGE_SIZE: EPHIMERAL_STORAGE_SIZE is \"10.1Gi\": that is no whole "
           "number of bytes, and is rounded up");
    struct check check = start();
    fixture_set(&check.inputs.memory_request, "");
    fixture_set(&check.inputs.memory_limit, "16");
    expect(
        &check,
        "notice MEMORY_LIMIT: MEMORY_LIMIT is \"16\", which is 16 B: too little for a container");
    finish(&check);
}

/* What is wrong is told; what would follow from it, were it right, is not. */
static void an_error_draws_no_notice_after_it(void **state) {
    (void)state;
    EXPECT(nvidia_gpu, "0",
           "error NVIDIA_GPU: NVIDIA_GPU is \"0\": it must be a whole number of cards, 1 or more");
    static const char *const refused[] = {"MIN_REPLICAS", "ENABLE_SERVERLESS"};
    for (size_t i = 0; i < array_length(refused); i++) {
        struct check check = start();
        cleanup_problems struct problems problems = {0};
        check.inputs.min_replicas = 0; /* what parsing leaves of a text that it refused */
        assert_int_equal(problems_add(&problems, NULL, true, refused[i], NULL, "refused"), 0);
        assert_int_equal(inputs_check(&check.inputs, &problems, NULL), 0);
        assert_int_equal(problems.count, 1);
        finish(&check);
    }
}

static void ephemeral_storage_has_a_default_and_yields_to_a_claim(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.ephemeral_storage_size, "");
    expect(&check, "notice EPHIMERAL_STORAGE_SIZE: PVC_NAME and EPHIMERAL_STORAGE_SIZE are empty: "
                   "ephemeral storage is limited to the default, 10Gi");
    assert_string_equal(check.inputs.ephemeral_storage_size, "10Gi");
    fixture_set(&check.inputs.ephemeral_storage_size, "10GB");
    expect(&check, "error EPHIMERAL_STORAGE_SIZE: EPHIMERAL_STORAGE_SIZE is \"10GB\": that is no "
                   "Kubernetes quantity");
    fixture_set(&check.inputs.pvc_name, "models");
    expect(&check, "");
    finish(&check);
}

static void hami_defaults_yield_to_nvidia_gpu(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.nvidia_gpu, "2");
    expect(&check, "notice NVIDIA_GPU: NVIDIA_GPU=2 is used; HAMi's defaults (NVIDIA_GPUALLOC=1, "
                   "NVIDIA_GPUCORES=50, NVIDIA_GPUMEM=4096) yield to it and are left out");
    assert_false(check.inputs.hami_given);
    assert_string_equal(check.inputs.gpu_memory, "");
    expect(&check, ""); /* a second check finds nothing to do */
    fixture_set(&check.inputs.gpu_memory, "8192");
    fixture_set(&check.inputs.gpu_count, "1");
    expect(&check, "error NVIDIA_GPU: NVIDIA_GPU=2 cannot be used with HAMi resources "
                   "(NVIDIA_GPUMEM=8192): one node has either device plugin");
    finish(&check);
}

static void gpu_counts(void **state) {
    (void)state;
    static const char *const bad[] = {"0", "-1", "0.5", "500m", "one", "1Gi1"};
    for (size_t i = 0; i < array_length(bad); i++) {
        struct check check = start();
        fixture_set(&check.inputs.gpu_count, "");
        fixture_set(&check.inputs.gpu_cores, "");
        fixture_set(&check.inputs.gpu_memory, "");
        fixture_set(&check.inputs.nvidia_gpu, bad[i]);
        run(&check);
        assert_true(
            text_has_prefix(buffer_text(&check.text), "error NVIDIA_GPU: NVIDIA_GPU is \""));
        finish(&check);
    }
    EXPECT(gpu_memory, "16Gi",
           "error NVIDIA_GPUMEM: NVIDIA_GPUMEM is \"16Gi\": it must be a plain number "
           "of MiB for each card, without a unit");
    EXPECT(gpu_memory, "2147483648",
           "error NVIDIA_GPUMEM: NVIDIA_GPUMEM is \"2147483648\": it must be a plain number of MiB "
           "for "
           "each card, without a unit");
    EXPECT(gpu_memory, "2147483647", "");
    EXPECT(gpu_cores, "0",
           "error NVIDIA_GPUCORES: NVIDIA_GPUCORES is \"0\": it must be a whole number "
           "from 1 to 100, the percent of each card's cores");
    EXPECT(gpu_cores, "100", "");
    EXPECT(gpu_count, "0.5",
           "error NVIDIA_GPUALLOC: NVIDIA_GPUALLOC is \"0.5\": it must be a whole number "
           "of cards, 1 or more");
    EXPECT(gpu_count, "-1",
           "error NVIDIA_GPUALLOC: NVIDIA_GPUALLOC is \"-1\": it must be a whole number "
           "of cards, 1 or more");
}

static void an_empty_count_means_no_gpu(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.gpu_count, "");
    expect(&check,
           "notice NVIDIA_GPUALLOC: NVIDIA_GPUALLOC is empty, so no GPU is asked for: the defaults "
           "NVIDIA_GPUCORES=50, NVIDIA_GPUMEM=4096 are left out");
    assert_false(check.inputs.hami_given);
    fixture_set(&check.inputs.gpu_memory, "8192");
    expect(&check,
           "notice NVIDIA_GPUALLOC: NVIDIA_GPUALLOC is empty but NVIDIA_GPUMEM=8192 is set: HAMi "
           "allocates one card");
    assert_true(check.inputs.hami_given);
    finish(&check);
}

static void resource_limits_are_parsed(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.resource_limits, " rdma/hca=1,\n hugepages-2Mi=1Gi ");
    expect(&check, "");
    assert_int_equal(check.inputs.limit_names.count, 2);
    assert_string_equal(check.inputs.limit_names.items[1], "hugepages-2Mi");
    assert_string_equal(check.inputs.limit_values.items[1], "1Gi");
    assert_true(check.inputs.hami_given);
    fixture_set(&check.inputs.resource_limits,
                "cpu=1,gpu=1,a/b,rdma/hca=0.5,rdma/x=1,rdma/x=2,rdma/y=-1");
    expect(&check,
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has cpu: use CPU_LIMIT for it\n"
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has \"gpu\": a resource is named domain/name\n"
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has \"a/b\": name=quantity is expected\n"
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has rdma/hca=0.5: it must be a whole number, "
           "devices "
           "cannot be split\n"
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has rdma/x twice\n"
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has rdma/y=-1: that is no Kubernetes quantity "
           "of 0 or "
           "more");
    finish(&check);
}

static void hami_defaults_yield_to_other_accelerators(void **state) {
    (void)state;
    EXPECT(
        resource_limits, "huawei.com/Ascend910B3=1",
        "notice RESOURCE_LIMITS: RESOURCE_LIMITS with huawei.com/Ascend910B3=1 is used; HAMi's "
        "defaults "
        "(NVIDIA_GPUALLOC=1, NVIDIA_GPUCORES=50, NVIDIA_GPUMEM=4096) yield to it and are left out");
    EXPECT(resource_limits, "nvidia.com/gpumem-percentage=50",
           "notice RESOURCE_LIMITS: RESOURCE_LIMITS has nvidia.com/gpumem-percentage=50; the "
           "default of "
           "NVIDIA_GPUMEM yields to it");
    EXPECT(
        resource_limits, "nvidia.com/gpu=1",
        "notice RESOURCE_LIMITS: RESOURCE_LIMITS with nvidia.com/gpu=1 is used; HAMi's defaults "
        "(NVIDIA_GPUALLOC=1, NVIDIA_GPUCORES=50, NVIDIA_GPUMEM=4096) yield to it and are left out");
    struct check check = start();
    fixture_set(&check.inputs.resource_limits, "nvidia.com/gpu=1");
    fixture_set(&check.inputs.gpu_memory, "8192");
    expect(&check, "notice RESOURCE_LIMITS: RESOURCE_LIMITS has nvidia.com/gpu=1; the default of "
                   "NVIDIA_GPUALLOC yields to it");
    assert_string_equal(check.inputs.gpu_memory, "8192");
    fixture_set(&check.inputs.resource_limits, "nvidia.com/gpumem=1");
    fixture_set(&check.inputs.gpu_count, "1");
    expect(&check,
           "error RESOURCE_LIMITS: RESOURCE_LIMITS has nvidia.com/gpumem and NVIDIA_GPUMEM is "
           "8192: both say the same resource");
    finish(&check);
    EXPECT(
        resource_limits, "nvidia.com/mig-1g.5gb=0.1",
        "error RESOURCE_LIMITS: RESOURCE_LIMITS has nvidia.com/mig-1g.5gb=0.1: it must be a whole "
        "number, devices cannot be split");
}

static void environment(void **state) {
    (void)state;
    struct check check = start();
    fixture_set(&check.inputs.env, "A=1\r\n\n  B=x=y, z \nC=\n");
    expect(&check, "");
    assert_int_equal(check.inputs.env_names.count, 3);
    assert_string_equal(check.inputs.env_values.items[0], "1");
    assert_string_equal(check.inputs.env_names.items[1], "B");
    assert_string_equal(check.inputs.env_values.items[1], "x=y, z ");
    assert_string_equal(check.inputs.env_values.items[2], "");
    fixture_set(&check.inputs.env, "A=1\nsecret-without-name\n1B=2\nA=2\nPYTHONPATH=/x");
    expect(&check, "error ENV: ENV, line 2: NAME=value is expected, one a line\n"
                   "error ENV: ENV has \"1B\", which is no name of an environment variable\n"
                   "error ENV: ENV has A twice\n"
                   "notice ENV: ENV has PYTHONPATH: KServe 0.18 and later refuse it");
    finish(&check);
}

static void text_must_be_utf8(void **state) {
    (void)state;
    EXPECT(description, "caf\xe9",
           "error INFERENCE_SERVICE_DESCRIPTION: INFERENCE_SERVICE_DESCRIPTION is "
           "not UTF-8 text");
    EXPECT(description, "\xe6\xa8\xa1\xe5\x9e\x8b \xf0\x9f\x98\x80\nline", "");
}

static void patience_is_read_and_each_mistake_told(void **state) {
    (void)state;
    EXPECT(patience, "crash-restarts=5, image-pull=2m\nunschedulable=0s", "");
    EXPECT(patience, "crash-restart=5,image-pull=soon,mount,deadlock=1m,deadlock=2m,refused=25h",
           "error PATIENCE: PATIENCE has no \"crash-restart\"\n"
           "error PATIENCE: PATIENCE: image-pull=soon is no time from 0s to 24h\n"
           "error PATIENCE: PATIENCE: \"mount\" is not of the form name=value\n"
           "error PATIENCE: PATIENCE has deadlock twice\n"
           "error PATIENCE: PATIENCE: refused=25h is no time from 0s to 24h");
    EXPECT(patience, "crash-restarts=0",
           "error PATIENCE: PATIENCE: crash-restarts=0 is no whole number from 1 to 1000");
    cleanup_problems struct problems problems = {0};
    struct rollout_patience patience;
    assert_int_equal(patience_parse(&patience, "crash-restarts=5,image-pull=2m,crash-restrats=1",
                                    &problems, NULL),
                     0);
    assert_int_equal(patience.crash_restarts, 5);
    assert_int_equal(patience.image_pull_ms, 120000);
    assert_int_equal(patience.mount_ms, rollout_patience_default.mount_ms);
    assert_string_equal(problems.items[0].hint, "did you mean crash-restarts?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pipelines_defaults_are_right),
        cmocka_unit_test(all_problems_come_in_one_run),
        cmocka_unit_test(names),
        cmocka_unit_test(name_and_namespace_share_52_characters),
        cmocka_unit_test(replicas),
        cmocka_unit_test(strategies),
        cmocka_unit_test(repositories),
        cmocka_unit_test(git_addresses_of_other_kinds),
        cmocka_unit_test(refs),
        cmocka_unit_test(storage_uris),
        cmocka_unit_test(addresses),
        cmocka_unit_test(quantities),
        cmocka_unit_test(an_error_draws_no_notice_after_it),
        cmocka_unit_test(ephemeral_storage_has_a_default_and_yields_to_a_claim),
        cmocka_unit_test(hami_defaults_yield_to_nvidia_gpu),
        cmocka_unit_test(gpu_counts),
        cmocka_unit_test(an_empty_count_means_no_gpu),
        cmocka_unit_test(resource_limits_are_parsed),
        cmocka_unit_test(hami_defaults_yield_to_other_accelerators),
        cmocka_unit_test(environment),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(patience_is_read_and_each_mistake_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
