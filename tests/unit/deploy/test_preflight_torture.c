/* Every pure check of preflight with each allocation failing once: an error or a result, never a
 * crash, never a finding that is half made. */

#include "../cmocka_all.h"
#include "../torture.h"

#include "base/json.h"
#include "fixture.h"
#include "preflight_fixture.h"

#include <string.h>

struct facts {
    struct pod_fixture pod;
    struct cluster_readings readings;
    struct gitlab_server server;
};

static void facts_init(struct facts *facts) {
    pod_fixture_init(&facts->pod);
    fixture_set(&facts->pod.inputs.pvc_name, "models");
    facts->readings = (struct cluster_readings){.reviews = NULL};
    facts->readings.version.object = fixture_json("{'gitVersion': 'v1.34.1'}");
    facts->readings.groups.object = fixture_json("{'groups': []}");
    facts->readings.namespace_.object = fixture_json(
        "{'metadata': {'labels': {'pod-security.kubernetes.io/enforce': 'restricted'}}}");
    facts->readings.quotas.object =
        fixture_json("{'items': [{'metadata': {'name': 'team'}, 'spec': {'hard': {'pods': '0', "
                     "'limits.cpu': '1', 'requests.nvidia.com/gpualloc': '0'}}}]}");
    facts->readings.limits.object = fixture_json(
        "{'items': [{'metadata': {'name': 'bounds'}, 'spec': {'limits': [{'type': "
        "'Container', 'max': {'cpu': '1'}, 'maxLimitRequestRatio': {'cpu': '1'}}]}}]}");
    facts->readings.nodes.object = fixture_json(
        "{'items': [{'metadata': {'name': 'a'}, 'spec': {'unschedulable': true}, 'status': "
        "{'allocatable': {'nvidia.com/gpualloc': '1'}, 'conditions': [{'type': 'Ready', 'status': "
        "'True'}]}}, {'metadata': {'name': 'b', 'annotations': {'hami.io/node-nvidia-register': "
        "'GPU-a,10,1,100,T4,0,true:'}}, 'status': {'allocatable': {'nvidia.com/gpualloc': '1'}, "
        "'conditions': [{'type': 'Ready', 'status': 'True'}]}}]}");
    facts->readings.claim.object = fixture_json("{'status': {'phase': 'Lost'}}");
    facts->server = (struct gitlab_server){.version = strdup("14.0"),
                                           .has_token = true,
                                           .token_name = strdup("t"),
                                           .token_expires = strdup("2026-02-01"),
                                           .token_active = true};
}

static void facts_free(struct facts *facts) {
    struct reading *const all[] = {&facts->readings.version,    &facts->readings.groups,
                                   &facts->readings.namespace_, &facts->readings.quotas,
                                   &facts->readings.limits,     &facts->readings.nodes,
                                   &facts->readings.claim};
    for (size_t i = 0; i < array_length(all); i++)
        json_decref(all[i]->object);
    gitlab_server_free(&facts->server);
    pod_fixture_free(&facts->pod);
}

static int run(struct facts *facts, struct error **err) {
    struct checks *checks = &facts->pod.checks;
    const struct pod_plan *plan = &facts->pod.plan;
    const struct gitlab_facts gitlab = {.server = &facts->server,
                                        .base_url = "http://gitlab.com",
                                        .has_token = true,
                                        .model = PREFLIGHT_MODEL_FAILED,
                                        .now_ms = plan->now_ms};
    cleanup_json json_t *containers = NULL;
    if (preflight_check_cluster(checks, &facts->readings, plan->inputs, KSERVE_UNKNOWN, err) < 0 ||
        preflight_check_gitlab(checks, &gitlab, err) < 0 ||
        preflight_check_namespace(checks, &facts->readings.namespace_, plan, err) < 0 ||
        preflight_check_limits(&containers, checks, &facts->readings.limits, plan, err) < 0 ||
        preflight_check_quotas(checks, &facts->readings.quotas, plan, err) < 0 ||
        preflight_check_nodes(checks, &facts->readings.nodes, plan, err) < 0)
        return -1;
    return preflight_check_volume(checks, &facts->readings, plan, err);
}

static int scenario(void *user) {
    (void)user;
    torture_pause();
    struct facts facts;
    facts_init(&facts);
    torture_continue();
    struct error *error = NULL;
    int result = run(&facts, &error);
    torture_pause();
    if (result < 0)
        assert_non_null(error);
    else
        assert_int_equal(checks_count(&facts.pod.checks, CHECK_FAIL), 12);
    for (size_t i = 0; i < facts.pod.checks.count; i++)
        assert_non_null(facts.pod.checks.items[i].message);
    error_free(error);
    facts_free(&facts);
    torture_continue();
    return result;
}

static void every_check(void **state) {
    (void)state;
    torture(scenario, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
