/* What the servers say of themselves: GitLab, KServe, rights, runtimes. */

#include "../cmocka_all.h"

#include "base/text.h"
#include "fixture.h"
#include "preflight_fixture.h"

static const int64_t now = 1769846700000; /* 2026-01-31 08:05:00 UTC */
static const int64_t day = 24LL * 3600 * 1000;

/* ---- GitLab ---- */

/* A GitLab with which all is well. */
static void healthy(struct gitlab_server *server) {
    *server = (struct gitlab_server){.certificate_expires_ms = now + 100 * day,
                                     .version = text_copy("18.5.1-ee", NULL),
                                     .has_token = true,
                                     .token_name = text_copy("aml-root", NULL),
                                     .token_expires = text_copy("", NULL),
                                     .token_active = true};
    strings_add(&server->scopes, "api", NULL);
}

static void judge(struct checks *checks, const struct gitlab_server *server, const char *base_url,
                  enum preflight_model model) {
    checks_free(checks);
    const struct gitlab_facts facts = {
        .server = server, .base_url = base_url, .has_token = true, .model = model, .now_ms = now};
    assert_int_equal(preflight_check_gitlab(checks, &facts, NULL), 0);
}

#define URL "https://gitlab.example.com"

static void a_healthy_gitlab(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    cleanup_gitlab_server struct gitlab_server server;
    healthy(&server);
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_int_equal(checks_count(&checks, CHECK_OK), checks.count);
    assert_among(&checks, CHECK_OK, "valid until 2026-05-11 (100 days)", NULL);
    assert_among(&checks, CHECK_OK, "never expires", NULL);
    judge(&checks, &server, "http://gitlab.example.com", PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_FAIL, "plain HTTP", "MODEL_REPO_GIT_SCHEME");
    judge(&checks, &server, "https://gitlab.com", PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_WARN, "public cloud", NULL);
}

static void certificate_and_version(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    cleanup_gitlab_server struct gitlab_server server;
    healthy(&server);
    server.certificate_expires_ms = now + 30 * day;
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_int_equal(checks_count(&checks, CHECK_WARN), 0);
    server.certificate_expires_ms = now + 30 * day - 1;
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_WARN, "ends on 2026-03-02, in 29 days", "renewed");
    server.certificate_expires_ms = 0;
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_SKIPPED, "does not tell", NULL);
    static const struct {
        const char *version;
        enum check_state state;
    } versions[] = {{"15.0.0", CHECK_OK},
                    {"14.10.5-ee", CHECK_FAIL},
                    {"9.5", CHECK_FAIL},
                    {"master", CHECK_SKIPPED}};
    for (size_t i = 0; i < array_length(versions); i++) {
        free(server.version);
        server.version = text_copy(versions[i].version, NULL);
        judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
        assert_among(&checks, versions[i].state, versions[i].version, NULL);
    }
}

static void tokens(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    cleanup_gitlab_server struct gitlab_server server;
    healthy(&server);
    fixture_set(&server.token_expires, "2026-03-02");
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_WARN, "expires on 2026-03-02, in 29 days", "GITLAB_TOKEN");
    fixture_set(&server.token_expires, "2027-01-31");
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_OK, "expires on 2027-01-31, in 364 days", NULL);
    strings_free(&server.scopes);
    strings_add(&server.scopes, "read_repository", NULL);
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_GIT);
    assert_among(&checks, CHECK_WARN, "by Git only", "read_api");
    judge(&checks, &server, URL, PREFLIGHT_MODEL_FAILED);
    assert_among(&checks, CHECK_FAIL, "(read_repository) do not let it read projects", "read_api");
    strings_add(&server.scopes, "read_api", NULL);
    judge(&checks, &server, URL, PREFLIGHT_MODEL_FAILED);
    assert_among(&checks, CHECK_OK, "suffice: read_repository, read_api", NULL);
    server.token_active = false;
    judge(&checks, &server, URL, PREFLIGHT_MODEL_FAILED);
    assert_among(&checks, CHECK_FAIL, "\"aml-root\" is revoked or expired", "GITLAB_TOKEN");
}

/* A token about which GitLab tells nothing is judged by what it could do. */
static void untold_tokens(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    cleanup_gitlab_server struct gitlab_server server;
    healthy(&server);
    server.has_token = false;
    error_new(&server.token_error, ERROR_UNREACHABLE, "the token: GitLab answered 401");
    error_set_answer(&server.token_error, 401, NULL);
    judge(&checks, &server, URL, PREFLIGHT_MODEL_FAILED);
    assert_among(&checks, CHECK_FAIL, "answered 401", NULL);
    assert_int_equal(checks_first_failure(&checks)->kind, ERROR_UNREACHABLE);
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_GIT); /* a deploy token */
    assert_among(&checks, CHECK_SKIPPED, "not checked", NULL);
    error_set_answer(&server.token_error, 404, NULL);
    judge(&checks, &server, URL, PREFLIGHT_MODEL_BY_API);
    assert_among(&checks, CHECK_SKIPPED, "before 15.5", NULL);
}

static void no_gitlab(void **state) {
    (void)state;
    cleanup_checks struct checks checks = {.count = 0};
    struct gitlab_server server = {.version = NULL};
    error_new(&server.unreachable, ERROR_UNREACHABLE, "GitLab: connection refused");
    judge(&checks, &server, URL, PREFLIGHT_MODEL_UNKNOWN);
    assert_among(&checks, CHECK_FAIL, "connection refused", NULL);
    assert_int_equal(checks.count, 2); /* and HTTPS: nothing else is known */
    gitlab_server_free(&server);
}

/* ---- the cluster ---- */

static void cluster(struct pod_fixture *pod, const char *groups, enum kserve_generation kserve) {
    pod_clear(pod);
    struct cluster_readings readings = {.reviews = NULL};
    readings.version.object = fixture_json("{'gitVersion': 'v1.34.1'}");
    readings.groups.object = fixture_json(groups);
    assert_int_equal(preflight_check_cluster(&pod->checks, &readings, &pod->inputs, kserve, NULL),
                     0);
    json_decref(readings.version.object);
    json_decref(readings.groups.object);
}

#define KSERVE                                                                                     \
    "{'name': 'serving.kserve.io', 'versions': [{'version': 'v1beta1'}, {'version': 'v1alpha1'}]}"

static void kserve_versions(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    cluster(&pod, "{'groups': [" KSERVE "]}", KSERVE_NEW_MODES);
    assert_int_equal(checks_count(&pod.checks, CHECK_OK), 2);
    assert_among(&pod.checks, CHECK_OK, "Kubernetes v1.34.1", NULL);
    cluster(&pod, "{'groups': [" KSERVE "]}", KSERVE_UNKNOWN);
    assert_among(&pod.checks, CHECK_WARN, "did not tell which version", "running");
    cluster(&pod, "{'groups': []}", KSERVE_UNKNOWN);
    assert_among(&pod.checks, CHECK_FAIL, "KServe is not installed", "0.14");
    cluster(&pod, "{'groups': [{'name': 'serving.kubeflow.org'}]}", KSERVE_UNKNOWN);
    assert_among(&pod.checks, CHECK_FAIL, "only KFServing is installed", NULL);
    pod.inputs.serverless = true;
    cluster(&pod, "{'groups': [" KSERVE "]}", KSERVE_NEW_MODES);
    assert_among(&pod.checks, CHECK_FAIL, "Knative is not installed", "ENABLE_SERVERLESS=false");
    cluster(&pod, "{'groups': [" KSERVE ", {'name': 'serving.knative.dev'}]}", KSERVE_NEW_MODES);
    assert_among(&pod.checks, CHECK_WARN, "hostIPC", "HOST_IPC=false");
}

/* ---- rights ---- */

static size_t index_of(enum right_use use, const char *resources) {
    for (size_t i = 0; i < rights_count; i++)
        if (rights[i].use == use && text_equal(rights[i].resources, resources))
            return i;
    fail();
    return 0;
}

static void missing_rights(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    static char services[] = "inferenceservices";
    static char pods[] = "pods";
    static char verbs[][8] = {"list", "create", "patch", "list"};
    size_t service = index_of(RIGHT_DEPLOY, services);
    size_t pod_right = index_of(RIGHT_DIAGNOSTICS, pods);
    struct right_review reviews[] = {
        {.right = service,
         .resource = services,
         .verb = verbs[0],
         .answered = true,
         .allowed = true},
        {.right = service, .resource = services, .verb = verbs[1], .answered = true},
        {.right = service, .resource = services, .verb = verbs[2], .answered = true},
        {.right = pod_right, .resource = pods, .verb = verbs[3], .answered = true},
    };
    struct cluster_readings readings = {.reviews = reviews, .review_count = 4};
    assert_int_equal(preflight_check_rights(&pod.checks, &readings, &pod.inputs, NULL), 0);
    assert_among(&pod.checks, CHECK_FAIL,
                 "cannot create, patch inferenceservices.serving.kserve.io", "rbac -n demo |");
    assert_among(&pod.checks, CHECK_WARN, "cannot list pods", "--diagnostics");
    assert_int_equal(checks_first_failure(&pod.checks)->kind, ERROR_REFUSED);
    for (size_t i = 0; i < 4; i++)
        reviews[i].allowed = true;
    reviews[3].answered = false;
    pod_clear(&pod);
    assert_int_equal(preflight_check_rights(&pod.checks, &readings, &pod.inputs, NULL), 0);
    assert_among(&pod.checks, CHECK_OK, "all 3 rights", NULL);
    assert_among(&pod.checks, CHECK_SKIPPED, "rights for diagnosis not checked", NULL);
}

static bool is_needed(const struct inputs *inputs, const char *resources, const char *verb) {
    return preflight_needs_right(&rights[index_of(RIGHT_DEPLOY, resources)], verb, inputs);
}

static void rights_by_inputs(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    assert_true(is_needed(&pod.inputs, "secrets", "get"));
    assert_true(is_needed(&pod.inputs, "clusterservingruntimes", "list"));
    assert_false(is_needed(&pod.inputs, "clusterservingruntimes", "get"));
    fixture_set(&pod.inputs.runtime_name, "vllm");
    assert_true(is_needed(&pod.inputs, "clusterservingruntimes", "get"));
    assert_false(is_needed(&pod.inputs, "clusterservingruntimes", "list"));
    fixture_set(&pod.inputs.gitlab_token, "t");
    assert_false(is_needed(&pod.inputs, "secrets", "get"));
    assert_true(is_needed(&pod.inputs, "configmaps", "get"));
    fixture_set(&pod.inputs.storage_uri, "oci://r/m");
    assert_false(is_needed(&pod.inputs, "configmaps", "get"));
}

/* ---- runtimes ---- */

static void a_runtime_in_the_way(void **state) {
    (void)state;
    cleanup_pod struct pod_fixture pod;
    pod_fixture_init(&pod);
    static char name[] = "vllm";
    const struct runtime_choice choice = {.name = name};
    struct error *missing = NULL;
    error_new(&missing, ERROR_REFUSED, "there is none");
    error_set_answer(&missing, 404, "NotFound");
    struct reading shadow = {.error = missing};
    assert_int_equal(
        preflight_check_shadow(&pod.checks, &shadow, &choice, "transformers", &pod.inputs, NULL),
        0);
    assert_int_equal(pod.checks.count, 0);
    error_free(missing);
    static const struct {
        const char *runtime;
        enum check_state state;
        const char *message;
    } cases[] = {
        {"{'spec': {'supportedModelFormats': [{'name': 'transformers'}]}}", CHECK_WARN,
         "KServe will use the ServingRuntime vllm"},
        {"{'spec': {'supportedModelFormats': [{'name': 'onnx'}]}}", CHECK_FAIL,
         "does not take the model's format"},
        {"{'spec': {'disabled': true}}", CHECK_FAIL, "it is disabled"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        pod_clear(&pod);
        shadow = (struct reading){.object = fixture_json(cases[i].runtime)};
        assert_int_equal(preflight_check_shadow(&pod.checks, &shadow, &choice, "transformers",
                                                &pod.inputs, NULL),
                         0);
        assert_found(&pod.checks, cases[i].state, cases[i].message, "RUNTIME_NAME");
        json_decref(shadow.object);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_gitlab),
        cmocka_unit_test(certificate_and_version),
        cmocka_unit_test(tokens),
        cmocka_unit_test(untold_tokens),
        cmocka_unit_test(no_gitlab),
        cmocka_unit_test(kserve_versions),
        cmocka_unit_test(missing_rights),
        cmocka_unit_test(rights_by_inputs),
        cmocka_unit_test(a_runtime_in_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
