"""PipelineRuns by the drop-in Pipeline, as a user makes them."""

from __future__ import annotations

import time

import pytest

from e2e.place import PATIENCE, PIPELINE, ROOT, SMALL, STEP_ACTION, TASK, deploys, documents, parameter_list
from harness.client import condition

MIGRATED = ROOT / "tests" / "e2e" / "migrated_pipeline.yaml"
DECLARED = {r["name"] for r in documents(TASK)[0]["spec"]["results"]}
IMAGE = documents(TASK)[0]["spec"]["params"][0]["default"]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
ORDINARY = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm"}


# ---- it deploys ----


@deploys()
def test_the_drop_in_pipeline_with_unchanged_parameters(place):
    run = place.finish()
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
    assert {name: limits[f"nvidia.com/{name}"] for name in ("gpualloc", "gpucores", "gpumem")} == {"gpualloc": "1", "gpucores": "50", "gpumem": "4096"}


@deploys(**SMALL)
def test_the_step_is_locked_down(place):
    run = place.finish()
    assert run.succeeded, run.log
    pod = run.pod()
    step = next(c for c in pod["spec"]["containers"] if c["name"] == "step-deploy")
    assert step["securityContext"]["readOnlyRootFilesystem"] is True
    assert step["securityContext"]["runAsUser"] == 65532
    assert step["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["prepare"], "only Tekton's own: no shell, no working directory"


@deploys(**SMALL)
def test_update_of_a_running_service(place):
    """The old revision serves until the new one does; only then the run ends."""
    run = place.finish()
    assert run.succeeded, run.log
    first = place.served_commit()
    second = place.project.commit({"config.json": "{}", "behaviour": "load 3"})
    run = place.run(**SMALL)
    assert run.succeeded, run.log
    assert second != first
    assert [place.served_commit(), run.results["COMMIT"]] == [second, second]
    status = place.deployment()["status"]
    assert [status["updatedReplicas"], status["replicas"], status["readyReplicas"]] == [1, 1, 1]


@deploys(prepare=lambda place: place.install(MIGRATED), pipeline="deploy-inference-service-by-args", INFERENCE_SERVICE_DESCRIPTION='costs 5$, "quoted"',
         **ORDINARY, **SMALL)
def test_the_migrated_pipeline_of_the_document(place):
    run = place.finish()
    assert run.succeeded, run.log
    assert run.endpoints["IN_CLUSTER_ENDPOINT"].startswith(f"http://qwen-predictor.{place.namespace}")
    assert place.service()["metadata"]["annotations"]["cpaas.io/description"] == 'costs 5$, "quoted"'


def test_the_image_pulled_by_digest(place, registry):
    registry.pulls.clear()
    run = place.run(image=f"registry.test/library/deploy-inference-service@{registry.digest}", **SMALL)
    assert run.succeeded, run.log
    assert f"library/deploy-inference-service@{registry.digest}" in registry.pulls
    assert registry.digest in next(c["imageID"] for c in run.pod()["status"]["containerStatuses"] if c["name"] == "step-deploy")


def test_the_step_action(place):
    """Twice in a Task of the user's: results of the step, lifted to the Task's, and read by the next step, which deploys that very
    commit under another name although the branch has gone on."""
    place.install(STEP_ACTION)
    commit = place.project.commit({"behaviour": "wait"})
    copy = {**ORDINARY, **SMALL, "INFERENCE_SERVICE_NAME": "copy", "MODEL_REPO_COMMIT": "$(steps.deploy.results.commit)"}
    name = place.start_task({"taskSpec": {
        "results": [{"name": "served", "type": "string", "value": "$(steps.deploy.results.commit)"},
                    {"name": "endpoint", "type": "string", "value": "$(steps.copy.results.in-cluster-url)"}],
        "steps": [{"name": "deploy", "ref": {"name": "deploy-inference-service"}, "params": parameter_list({**ORDINARY, **SMALL})},
                  {"name": "copy", "ref": {"name": "deploy-inference-service"}, "params": parameter_list(copy)}]}})
    place.load_model()
    place.project.commit({"behaviour": "crash"})
    place.load_model("copy")
    item = place.finish_task(name)
    assert condition(item, "Succeeded")["status"] == "True", place.log(item["status"]["podName"]) + place.log(item["status"]["podName"], "step-copy")
    results = {r["name"]: r["value"] for r in item["status"]["results"]}
    assert results["served"] == commit == place.served_commit() == place.served_commit("copy")
    assert results["endpoint"].startswith(f"http://copy-predictor.{place.namespace}")


@deploys(labels=RESTRICTED, HOST_IPC="false", **SMALL)
def test_a_namespace_that_enforces_pod_security(place):
    run = place.finish()
    assert run.succeeded, run.log
    assert place.served_commit() == place.project.repository.head()


@deploys(labels=RESTRICTED, TIMEOUT="120s", **SMALL)
def test_host_ipc_where_pod_security_forbids_it_is_said_at_once(place):
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() == 7, run.log
    assert "HOST_IPC" in run.log and "hostIPC" in run.log


# ---- it fails, and says why ----


def with_finally(place) -> None:
    """The drop-in Pipeline with a finally task that is given the results, as a notification would be."""
    pipeline = documents(PIPELINE)[0]
    pipeline["metadata"] = {"name": "with-finally"}
    wanted = {"STATE": "state", "REASON": "reason", "COMMIT": "commit"}
    pipeline["spec"]["finally"] = [{
        "name": "notify", "params": [{"name": k, "value": f"$(tasks.deploy-inference-service.results.{v})"} for k, v in wanted.items()],
        "taskSpec": {"params": [{"name": k, "type": "string"} for k in wanted], "steps": [{
            "name": "deploy", "image": IMAGE, "command": ["/usr/bin/deploy-inference-service", "version"],
            "env": [{"name": f"TOLD_{k}", "value": f"$(params.{k})"} for k in wanted]}]}}]
    place.client.apply(pipeline, place.namespace)


@deploys(behaviour="crash", prepare=with_finally, pipeline="with-finally", TIMEOUT="280s", **ORDINARY, **SMALL)
def test_a_model_that_crashes_fails_the_run_and_finally_reads_the_results(place):
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() == 7, run.log
    assert "cannot load the model" in run.log, "the container's own words"
    told = {p["name"]: p["value"] for p in run.tasks["notify"]["spec"]["params"]}
    assert condition(run.tasks["notify"], "Succeeded")["status"] == "True"
    assert told["STATE"] == "failed"
    assert told["COMMIT"] == place.project.repository.head()
    assert told["REASON"] == run.task_results()["reason"] != ""
    assert run.results["COMMIT"] == told["COMMIT"], "the pipeline's results are there after a failure too"
    assert run.endpoints["IN_CLUSTER_ENDPOINT"]
    assert f"{place.namespace}/qwen" in run.task_results()["overview-markdown"]


@deploys(MIN_REPLICAS="3", NVIDIA_GPUCORES="101", **SMALL)
def test_wrong_parameters_are_all_told_and_nothing_is_deployed(place):
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() == 2, run.log
    assert "MAX_REPLICAS" in run.log and "NVIDIA_GPUCORES" in run.log
    assert not place.client.list("InferenceService", place.namespace)


@deploys(behaviour="wait", TIMEOUT="40s", **SMALL)
def test_the_own_deadline_leaves_results(place):
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() == 8, run.log
    assert run.task_results()["state"] == "timeout"
    assert run.results["COMMIT"] == place.project.repository.head()


@deploys(**SMALL)
def test_an_update_that_crashes_is_rolled_back_when_wanted(place):
    run = place.finish()
    assert run.succeeded, run.log
    good = place.served_commit()
    bad = place.project.commit({"behaviour": "crash"})
    run = place.run(ON_FAILURE="rollback", TIMEOUT="280s", **SMALL)
    assert not run.succeeded
    assert run.exit_code() == 7, run.log
    assert run.results["COMMIT"] == bad
    storage = place.service()["spec"]["predictor"]["model"]["storageUri"]
    assert storage.endswith(f":{good}"), "the spec of before"
    assert place.served_commit() == good


# ---- it is stopped, and runs again ----


def gone_within(place, pod: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while place.client.find("Pod", pod, place.namespace) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def until_waiting(place, run: str | None = None) -> str:
    """Waits until the run has applied the service and watches it; returns its pod."""
    pod = place.wait_for_log(run or place.begun, "rollout  ")
    assert place.service()
    return pod


def finish_again(place):
    """The same deploy once more, which finds the model loading."""
    name = place.start(**SMALL)
    until_waiting(place, name)
    place.load_model()
    return place.finish(name)


def impatient(place) -> None:
    """The drop-in Pipeline with a short timeout of its task."""
    pipeline = documents(PIPELINE)[0]
    pipeline["metadata"] = {"name": "impatient"}
    pipeline["spec"]["tasks"][0]["timeout"] = "75s"
    place.client.apply(pipeline, place.namespace)


@deploys(behaviour="wait", prepare=impatient, pipeline="impatient", **ORDINARY, **SMALL)
def test_tektons_timeout_stops_the_step_in_order_and_a_rerun_takes_it_up(place):
    run = place.finish()
    assert not run.succeeded
    task = run.tasks["deploy-inference-service"]
    assert condition(task, "Succeeded")["reason"] == "TaskRunTimeout", run.message
    assert gone_within(place, task["status"]["podName"], 25), "the step ends on SIGTERM, before Kubernetes' 30 s are over and it is killed"
    generation = place.service()["metadata"]["generation"]
    again = finish_again(place)
    assert again.succeeded, again.log
    assert place.service()["metadata"]["generation"] == generation, "the rerun waits for what is under way"
    assert again.results["COMMIT"] == place.served_commit()


@deploys(behaviour="wait", **SMALL)
def test_cancel_stops_the_step_in_order_and_a_rerun_takes_it_up(place):
    pod = until_waiting(place)
    place.client.patch("PipelineRun", place.begun, place.namespace, {"spec": {"status": "Cancelled"}})
    run = place.finish()
    assert run.reason == "Cancelled"
    assert gone_within(place, pod, 25)
    generation = place.service()["metadata"]["generation"]
    again = finish_again(place)
    assert again.succeeded, again.log
    assert place.service()["metadata"]["generation"] == generation, "what was applied stays"
    assert again.results["COMMIT"] == place.served_commit()


def with_step_timeout(place) -> None:
    """A Task of the user's around the StepAction, with a timeout of the step: Tekton ends it with SIGKILL."""
    place.install(STEP_ACTION)
    pipeline = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "killed"}, "spec": {"tasks": [{
        "name": "deploy-inference-service", "taskSpec": {"steps": [
            {"name": "deploy", "ref": {"name": "deploy-inference-service"}, "timeout": "30s", "params": parameter_list({**ORDINARY, **SMALL})}]}}]}}
    place.client.apply(pipeline, place.namespace)


@deploys(behaviour="wait", prepare=with_step_timeout, pipeline="killed")
def test_a_killed_step_leaves_nothing_that_a_rerun_does_not_mend(place):
    run = place.finish()
    assert not run.succeeded
    assert "timeout" in condition(run.tasks["deploy-inference-service"], "Succeeded")["message"]
    generation = place.service()["metadata"]["generation"]
    again = finish_again(place)
    assert again.succeeded, again.log
    assert place.service()["metadata"]["generation"] == generation


def with_retry(place) -> None:
    pipeline = documents(PIPELINE)[0]
    pipeline["metadata"] = {"name": "with-retry"}
    pipeline["spec"]["tasks"][0]["retries"] = 1
    place.client.apply(pipeline, place.namespace)


@deploys(behaviour="wait", prepare=with_retry, pipeline="with-retry", **ORDINARY, **SMALL)
def test_a_drained_pod_leaves_results_and_the_retry_finishes_the_work(place):
    """retries: 1, and the first attempt's pod is deleted after its apply."""
    first = until_waiting(place)
    place.client.delete("Pod", first, place.namespace)
    place.client.wait_for("TaskRun", place.task_runs(place.begun)[0]["metadata"]["name"], place.namespace,
                          lambda item: item["status"]["podName"] not in ("", first), PATIENCE)
    until_waiting(place)
    place.load_model()
    run = place.finish()
    assert run.succeeded, run.log
    (attempt,) = run.tasks["deploy-inference-service"]["status"]["retriesStatus"]
    assert attempt["steps"][0]["terminated"]["exitCode"] == 143
    assert {r["name"]: r["value"] for r in attempt["results"]}["state"] == "canceled"
    assert run.task_results()["state"] == "ready"
    assert run.results["COMMIT"] == place.served_commit()
    assert place.service()["metadata"]["generation"] == 1, "the second attempt changed nothing"


@deploys(behaviour="wait", prepare=lambda place: setattr(place, "other", place.start(**SMALL)), **SMALL)
def test_two_runs_for_one_service_at_once(place):
    for name in (place.begun, place.other):
        until_waiting(place, name)
    place.load_model()
    for run in (place.finish(), place.finish(place.other)):
        assert run.succeeded, run.log
        assert run.results["COMMIT"] == place.project.repository.head() == place.served_commit()
    assert place.service()["metadata"]["generation"] == 1


@deploys(behaviour="wait", **SMALL)
def test_a_run_that_another_overtakes_says_so(place):
    """Two pushes in a row: the first one's run must neither wait for ever nor claim the second one's model."""
    until_waiting(place)
    later = place.project.commit({"behaviour": "load 1"})
    second = place.run(**SMALL)
    assert second.succeeded, second.log
    assert second.results["COMMIT"] == later == place.served_commit()
    first = place.finish()
    assert not first.succeeded
    assert first.exit_code() == 7, first.log
    assert first.task_results()["reason"].startswith("ChangedByOther:"), first.log
    assert first.results["COMMIT"] != later
