"""PipelineRuns by the drop-in Pipeline, as a user makes them."""

from __future__ import annotations

import time

import pytest

from e2e.place import PIPELINE, ROOT, SMALL, STEP_ACTION, documents, parameter_list
from harness.client import condition
from harness.pki import key_pem, new_key, public_pem, write_secret

MIGRATED = ROOT / "tests" / "e2e" / "migrated_pipeline.yaml"
DECLARED = {r["name"] for r in documents(ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml")[0]["spec"]["results"]}


# ---- it deploys ----


def test_the_drop_in_pipeline_with_unchanged_parameters(place):
    run = place.run()
    assert run.succeeded, run.log
    commit = place.project.repository.head()
    assert place.served_commit() == commit
    assert run.results["COMMIT"] == commit
    assert run.endpoints["IN_CLUSTER_ENDPOINT"].startswith(f"http://qwen-predictor.{place.namespace}")
    assert run.endpoints["OUT_CLUSTER_ENDPOINT"] == place.service()["status"]["url"]
    results = run.task_results()
    assert set(results) == DECLARED
    assert results["state"] == "ready"
    assert results["model_ARTIFACT_INPUTS"]["digest"] == f"sha1:{commit}"
    assert f"### ✅ {place.namespace}/qwen is ready" in results["overview-markdown"]
    assert run.name in str(place.service()["metadata"]["annotations"])
    limits = place.deployment()["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpumem"] == "4096"


def test_the_step_is_locked_down(place):
    run = place.run(**SMALL)
    assert run.succeeded, run.log
    pod = place.client.get("Pod", run.tasks["deploy-inference-service"]["status"]["podName"], place.namespace)
    step = next(c for c in pod["spec"]["containers"] if c["name"] == "step-deploy")
    assert step["securityContext"]["readOnlyRootFilesystem"] is True
    assert step["securityContext"]["runAsUser"] == 65532
    assert len(pod["spec"]["initContainers"]) == 1, "only Tekton's own prepare: no shell, no working directory"


def test_update_of_a_running_service(place):
    assert place.run(**SMALL).succeeded
    first = place.served_commit()
    second = place.project.commit({"config.json": "{}", "behaviour": "load 3"})
    run = place.run(**SMALL)
    assert run.succeeded, run.log
    assert second != first
    assert [place.served_commit(), run.results["COMMIT"]] == [second, second]
    assert place.deployment()["status"]["updatedReplicas"] == place.deployment()["status"]["replicas"] == 1


def test_the_migrated_pipeline_of_the_document(place):
    place.install(MIGRATED)
    run = place.run("deploy-inference-service-by-args", INFERENCE_SERVICE_NAME="qwen", MODEL_REPO="qwen", RUNTIME_CLASS="vllm",
                    INFERENCE_SERVICE_DESCRIPTION='costs 5$, "quoted"', **SMALL | {"EPHIMERAL_STORAGE_SIZE": "100Mi"})
    assert run.succeeded, run.log
    assert run.endpoints["IN_CLUSTER_ENDPOINT"].startswith(f"http://qwen-predictor.{place.namespace}")
    assert place.service()["metadata"]["annotations"]["cpaas.io/description"] == 'costs 5$, "quoted"'


def test_the_image_pulled_by_digest(place, registry):
    registry.pulls.clear()
    run = place.run(image=f"registry.test/library/deploy-inference-service@{registry.digest}", **SMALL)
    assert run.succeeded, run.log
    assert f"library/deploy-inference-service@{registry.digest}" in registry.pulls
    pod = place.client.get("Pod", run.tasks["deploy-inference-service"]["status"]["podName"], place.namespace)
    assert registry.digest in next(c["imageID"] for c in pod["status"]["containerStatuses"] if c["name"] == "step-deploy")


def test_the_step_action(place):
    """In a Task of the user's: results of the step, lifted to the Task's, and read by the next step."""
    place.install(STEP_ACTION)
    image = "docker.io/library/deploy-inference-service:0.1.0"
    values = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", **SMALL}
    item = place.run_task({"taskSpec": {
        "results": [{"name": "served", "type": "string", "value": "$(steps.deploy.results.commit)"},
                    {"name": "endpoint", "type": "string", "value": "$(steps.deploy.results.in-cluster-url)"}],
        "steps": [{"name": "deploy", "ref": {"name": "deploy-inference-service"}, "params": parameter_list(values)},
                  {"name": "next", "image": image, "command": ["/usr/bin/deploy-inference-service", "version"],
                   "env": [{"name": "SERVED", "value": "$(steps.deploy.results.commit)"}]}]}})
    assert condition(item, "Succeeded")["status"] == "True", place.log(item["status"]["podName"])
    results = {r["name"]: r["value"] for r in item["status"]["results"]}
    assert results["served"] == place.project.repository.head() == place.served_commit()
    assert results["endpoint"].startswith("http")


@pytest.mark.parametrize("place", [{"pod-security.kubernetes.io/enforce": "restricted"}], indirect=True, ids=["restricted"])
def test_a_namespace_that_enforces_pod_security(place):
    run = place.run(HOST_IPC="false", **SMALL)
    assert run.succeeded, run.log
    assert place.served_commit() == place.project.repository.head()


@pytest.mark.parametrize("place", [{"pod-security.kubernetes.io/enforce": "restricted"}], indirect=True, ids=["restricted"])
def test_host_ipc_where_pod_security_forbids_it_is_said_at_once(place):
    run = place.run(TIMEOUT="60s", **SMALL)
    assert not run.succeeded
    assert run.exit_code() == 7, run.log
    assert "HOST_IPC" in run.log and "hostIPC" in run.log


# ---- it fails, and says why ----


def with_finally(place) -> str:
    """The drop-in Pipeline with a finally task that is given the results, as a notification would be."""
    pipeline = documents(PIPELINE)[0]
    pipeline["metadata"] = {"name": "with-finally"}
    wanted = {"STATE": "state", "REASON": "reason", "COMMIT": "commit"}
    pipeline["spec"]["finally"] = [{
        "name": "notify", "params": [{"name": k, "value": f"$(tasks.deploy-inference-service.results.{v})"} for k, v in wanted.items()],
        "taskSpec": {"params": [{"name": k, "type": "string"} for k in wanted], "steps": [{
            "name": "deploy", "image": "docker.io/library/deploy-inference-service:0.1.0",
            "command": ["/usr/bin/deploy-inference-service", "version"], "env": [{"name": f"TOLD_{k}", "value": f"$(params.{k})"} for k in wanted]}]}}]
    place.client.apply(pipeline, place.namespace)
    return "with-finally"


def test_a_model_that_crashes_fails_the_run_and_finally_reads_the_results(place):
    commit = place.project.commit({"behaviour": "crash"})
    values = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "TIMEOUT": "100s", **SMALL}
    run = place.run(with_finally(place), timeout=130, **values)
    assert not run.succeeded
    assert run.exit_code() == 7, run.log
    assert "cannot load the model" in run.log, "the container's own words"
    told = {p["name"]: p["value"] for p in run.tasks["notify"]["spec"]["params"]}
    assert told["STATE"] == "failed"
    assert told["COMMIT"] == commit
    assert told["REASON"] == run.task_results()["reason"] != ""
    assert run.endpoints["IN_CLUSTER_ENDPOINT"], "the pipeline's result is there after a failure too"


def test_wrong_parameters_are_all_told_and_nothing_is_deployed(place):
    run = place.run(MIN_REPLICAS="3", NVIDIA_GPUCORES="101", **SMALL)
    assert not run.succeeded
    assert run.exit_code() == 2, run.log
    assert "MAX_REPLICAS" in run.log and "NVIDIA_GPUCORES" in run.log
    assert not place.client.list("InferenceService", place.namespace)


def test_the_own_deadline_leaves_results(place):
    place.project.commit({"behaviour": "load 600"})
    run = place.run(TIMEOUT="8s", **SMALL)
    assert not run.succeeded
    assert run.exit_code() == 8, run.log
    assert run.task_results()["state"] == "timeout"
    assert run.results["COMMIT"] == place.project.repository.head()


# ---- it is stopped, and runs again ----


def gone_within(place, pod: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while place.client.find("Pod", pod, place.namespace) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_tektons_timeout_stops_the_step_in_order_and_a_rerun_takes_it_up(place):
    place.project.commit({"behaviour": "load 25"})
    name = place.start(spec={"timeouts": {"pipeline": "60s", "tasks": "12s"}}, **SMALL)
    pod = place.wait_for_log(name, "apply")
    run = place.finish(name)
    assert not run.succeeded
    assert "imeout" in run.reason or "imed out" in run.message, run.message
    assert gone_within(place, pod, 10), "the step ends on SIGTERM, long before Kubernetes' 30 s are over"
    generation = place.service()["metadata"]["generation"]
    again = place.run(**SMALL)
    assert again.succeeded, again.log
    assert place.service()["metadata"]["generation"] == generation, "the rerun waits for what is under way"


def test_cancel_stops_the_step_in_order_and_a_rerun_takes_it_up(place):
    place.project.commit({"behaviour": "load 12"})
    name = place.start(**SMALL)
    pod = place.wait_for_log(name, "apply")
    place.client.patch("PipelineRun", name, place.namespace, {"spec": {"status": "Cancelled"}})
    run = place.finish(name)
    assert run.reason == "Cancelled"
    assert gone_within(place, pod, 10)
    assert place.service(), "what was applied stays"
    again = place.run(**SMALL)
    assert again.succeeded, again.log


def test_a_drained_pod_leaves_results_and_the_retry_finishes_the_work(place):
    """retries: 1, and the first attempt's pod is deleted after its apply."""
    place.project.commit({"behaviour": "load 12"})
    pipeline = documents(PIPELINE)[0]
    pipeline["metadata"] = {"name": "with-retry"}
    pipeline["spec"]["tasks"][0]["retries"] = 1
    place.client.apply(pipeline, place.namespace)
    values = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", **SMALL}
    name = place.start("with-retry", **values)
    place.client.delete("Pod", place.wait_for_log(name, "apply"), place.namespace)
    run = place.finish(name)
    assert run.succeeded, run.log
    attempts = run.tasks["deploy-inference-service"]["status"]["retriesStatus"]
    assert len(attempts) == 1
    assert run.task_results()["state"] == "ready"
    assert run.results["COMMIT"] == place.served_commit()
    assert place.service()["metadata"]["generation"] == 1, "the second attempt changed nothing"


def test_two_runs_for_one_service_at_once(place):
    place.project.commit({"behaviour": "load 4"})
    runs = [place.finish(name) for name in [place.start(**SMALL), place.start(**SMALL)]]
    for run in runs:
        assert run.succeeded, run.log
        assert run.results["COMMIT"] == place.project.repository.head()
    assert place.service()["metadata"]["generation"] == 1


def test_the_token_changes_during_a_long_wait(place, cluster, node):
    """The cluster signs tokens with another key from some moment on: the old token is refused, kubelet brings a new one."""
    place.project.commit({"behaviour": "load 45"})
    name = place.start(**SMALL)
    place.wait_for_log(name, "apply")
    key, pki = new_key("rsa"), cluster.dir / "pki"
    write_secret(pki / "sa.key", key_pem(key))
    (pki / "sa.pub").write_bytes(public_pem(key))
    cluster.restart_apiserver()
    node.restart_kubelet()
    run = place.finish(name, 150)
    assert run.succeeded, run.log
    user = f"system:serviceaccount:{place.namespace}:default"
    codes = [entry["responseStatus"]["code"] for entry in cluster.audit(user) if "responseStatus" in entry]
    assert 200 in codes
