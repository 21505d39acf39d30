"""One list of rollouts that every version of KServe must pass (KSERVE_VERSION): its own controller and webhooks, Kubernetes' controllers
below it. The versions differ in when Ready is stale, in what status tells, and in what is removed from a Deployment.

Each run is recorded, and its record must come to the same verdict without a cluster.
"""

from __future__ import annotations

import os
import time

import pytest

from harness import alauda
from harness.client import is_true
from harness.kserve import inference_service
from harness.scenario import CrashLoop, Gate, ImagePullError, Scenario

VERSION = os.environ.get("KSERVE_VERSION", "0.16")
HASH = "deploy-inference-service.cpaas.io/content-hash"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def annotations(deployment):
    return deployment["spec"]["template"]["metadata"]["annotations"]


def assert_serves(rollout, run):
    """What the run calls ready is what the cluster shows."""
    assert run.code == 0, run.log
    assert run.results["state"] == "ready" and run.results["failure-class"] == ""
    service, deployment = rollout.service(), rollout.deployment()
    assert is_true(service, "Ready")
    assert annotations(deployment)[HASH] == service["metadata"]["annotations"][HASH]
    assert annotations(deployment)[SOURCE] == service["spec"]["predictor"]["model"]["storageUri"]
    status = deployment["status"]
    assert status["observedGeneration"] == deployment["metadata"]["generation"]
    assert status["replicas"] == status["updatedReplicas"] == status["availableReplicas"] == deployment["spec"].get("replicas", 1)


def update_held_at_a_gate(rollout, **changes):
    """An update is not over while its pods load, however Ready the old ones are; it is when they are ready."""
    gate = Gate()
    rollout.node.scenario(rollout.namespace, Scenario(load=gate))
    running = rollout.begin(**changes)
    assert gate.reached.wait(60), running.log()
    time.sleep(1.0)
    assert running.process.poll() is None, running.log()
    gate.open()
    return rollout.finish(running)


# ---- what succeeds ----


def test_create(rollout):
    assert_serves(rollout, rollout.run())


def test_update_that_changes_the_model(rollout):
    assert rollout.run().code == 0
    commit = rollout.project.commit({"config.json": "{}"})
    run = update_held_at_a_gate(rollout)
    assert_serves(rollout, run)
    assert run.results["commit"] == commit and annotations(rollout.deployment())[SOURCE].endswith(commit)


def test_update_that_changes_only_annotations(rollout):
    """KServe copies them into the pod template: a rollout without a new generation of the InferenceService."""
    assert rollout.run().code == 0
    before = rollout.service()
    run = update_held_at_a_gate(rollout, INFERENCE_SERVICE_DESCRIPTION="another one")
    assert_serves(rollout, run)
    after = rollout.service()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["annotations"][HASH] != before["metadata"]["annotations"][HASH]


def test_second_equal_run(rollout):
    assert rollout.run().code == 0
    before, generation = rollout.service(), rollout.deployment()["metadata"]["generation"]
    run = rollout.run()
    assert_serves(rollout, run)
    assert "unchanged" in run.took("apply") and run.seconds < 20
    assert rollout.service()["metadata"]["generation"] == before["metadata"]["generation"]
    assert rollout.deployment()["metadata"]["generation"] == generation


def test_second_equal_run_while_the_first_still_rolls_out(rollout):
    """As after a crash of the step: nothing to apply, and yet nothing serves."""
    gate = Gate()
    rollout.node.scenario(rollout.namespace, Scenario(load=gate))
    first = rollout.begin()
    assert gate.reached.wait(60), first.log()
    first.process.kill()
    first.process.wait()
    second = rollout.begin()
    second.wait_for_log("unchanged")
    time.sleep(0.5)
    assert second.process.poll() is None, second.log()
    gate.open()
    assert_serves(rollout, rollout.finish(second))


def test_scale_to_zero_minimum(rollout):
    """In this mode KServe gives a minimum of 0 to a HorizontalPodAutoscaler, which keeps one."""
    run = rollout.run(MIN_REPLICAS="0")
    assert_serves(rollout, run)
    assert rollout.service()["spec"]["predictor"]["minReplicas"] == 0
    assert rollout.deployment()["status"]["availableReplicas"] == 1


def test_minimum_above_the_first_replica(rollout):
    """The Deployment is complete at 1 of 1 before the autoscaler raises it."""
    run = rollout.run(MIN_REPLICAS="3", MAX_REPLICAS="4")
    assert_serves(rollout, run)
    assert rollout.deployment()["status"]["availableReplicas"] >= 3


# ---- what fails ----


@pytest.fixture
def runtime(rollout):
    """Makes a runtime of the class vllm that lives as long as the test."""
    made = []

    def make(**container):
        name = f"own-{rollout.namespace}"
        rollout.cluster.client.apply(alauda.runtime(name, "vllm", ["transformers"], {"image": "registry.test/x:1", **container}))
        made.append(name)
        return name

    yield make
    for name in made:
        rollout.cluster.client.delete("ClusterServingRuntime", name)


def assert_old_ready_is_a_failure(rollout, run):
    assert is_true(rollout.service(), "Ready"), "the old revision should still be Ready, else this test shows little"
    assert run.code == 7, run.log
    assert run.seconds < 30
    assert run.results["state"] == "failed" and run.results["failure-class"] == "terminal"


def test_update_with_a_bad_runtime(rollout, runtime):
    """It is admitted, and Ready stays True: only modelStatus shows that nothing comes of it."""
    assert rollout.run().code == 0
    run = rollout.run(RUNTIME_NAME=runtime(args=["{{ .Nope }"]))
    assert_old_ready_is_a_failure(rollout, run)
    assert rollout.deployment()["status"]["observedGeneration"] == 1, "the old Deployment is untouched"


def test_create_with_a_bad_runtime(rollout, runtime):
    run = rollout.run(RUNTIME_NAME=runtime(args=["{{ .Nope }"]))
    assert run.code == 7 and run.seconds < 30, run.log
    assert run.results["failure-class"] == "terminal"


def test_update_whose_pods_crash(rollout):
    """The old pods go on serving: 0.14 and 0.20 say Ready all the time."""
    assert rollout.run().code == 0
    rollout.node.scenario(rollout.namespace, CrashLoop(exit_code=1, backoff=0.2, logs={"kserve-container": "RuntimeError: no such layer"}))
    rollout.project.commit({"config.json": "{}"})
    run = rollout.run()
    assert run.code == 7, run.log
    assert run.results["failure-class"] == "repeated"
    assert "no such layer" in run.log
    assert rollout.deployment()["status"]["availableReplicas"] == 1


def test_create_whose_image_is_not_there(rollout):
    rollout.node.scenario(rollout.namespace, ImagePullError(container="kserve-container"))
    run = rollout.run()
    assert run.code == 7, run.log
    assert "image" in run.results["reason"].lower()


def test_delete_while_waiting(rollout):
    gate = Gate()
    rollout.node.scenario(rollout.namespace, Scenario(load=gate))
    running = rollout.begin()
    assert gate.reached.wait(60), running.log()
    rollout.cluster.client.delete("InferenceService", "qwen", rollout.namespace)
    run = rollout.finish(running)
    assert run.code == 7, run.log
    assert run.results["failure-class"] == "terminal" and "deleted" in run.results["reason"].lower()


def test_somebody_else_changes_the_model_while_waiting(rollout):
    gate = Gate()
    rollout.node.scenario(rollout.namespace, Scenario(load=gate))
    running = rollout.begin()
    assert gate.reached.wait(60), running.log()
    rollout.cluster.client.patch("InferenceService", "qwen", rollout.namespace, {"spec": {"predictor": {"model": {"storageUri": "hf://a/other:1"}}}})
    run = rollout.finish(running)
    assert run.code == 7, run.log
    assert "ChangedByOther" in run.results["reason"]


@pytest.mark.skipif(VERSION != "0.14", reason="KServe removes what is no longer asked for since 0.15")
def test_gpu_switch_that_does_not_take_effect(rollout):
    """KServe 0.14 never takes a field out of a Deployment: the pods still ask for what was given up."""
    assert rollout.run().code == 0
    run = rollout.run(NVIDIA_GPU="1")
    assert run.code == 7, run.log
    assert run.results["failure-class"] == "terminal" and run.results["reason"].startswith("FieldNotRemoved")
    assert "nvidia.com/gpu" in run.log and "qwen-predictor" in run.log
    assert "delete" in run.log, "the way out"
    rollout.cluster.client.delete("Deployment", "qwen-predictor", rollout.namespace)  # the way out: KServe makes it anew
    assert_serves(rollout, rollout.run(NVIDIA_GPU="1"))


@pytest.mark.skipif(VERSION == "0.14", reason="KServe 0.14 never takes a field out of a Deployment")
def test_gpu_switch(rollout):
    assert rollout.run().code == 0
    assert_serves(rollout, rollout.run(NVIDIA_GPU="1"))
    limits = rollout.deployment()["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1" and "nvidia.com/gpualloc" not in limits


# ---- the command wait ----


def wait(rollout, *words, name="qwen"):
    return rollout.binary.start("wait", name, *words, "-n", rollout.namespace, TIMEOUT="60s")


def test_wait_for_ready(rollout):
    """On what somebody else applied, without our annotations: created, and then updated while the old pods serve."""
    client, gate = rollout.cluster.client, Gate()
    rollout.node.scenario(rollout.namespace, Scenario(load=gate))
    client.create(inference_service("other", rollout.namespace, "vllm-cuda-12", "transformers"))
    running = wait(rollout, name="other")
    assert gate.reached.wait(60), running.log()
    time.sleep(0.3)
    assert running.process.poll() is None, running.log()
    gate.open()
    run = running.finish()
    assert run.code == 0 and run.results["state"] == "ready", run.log
    second = Gate()
    rollout.node.scenario(rollout.namespace, Scenario(load=second))
    client.patch("InferenceService", "other", rollout.namespace, {"spec": {"predictor": {"model": {"storageUri": "hf://demo/model:7654321"}}}})
    running = wait(rollout, name="other")
    assert second.reached.wait(60), running.log()
    time.sleep(1.0)
    assert running.process.poll() is None, running.log()
    second.open()
    assert running.finish().code == 0


def test_wait_for_failed(rollout):
    rollout.node.scenario(rollout.namespace, CrashLoop(exit_code=1, backoff=0.2))
    running = rollout.begin()
    running.wait_for_log("created")
    waiting = wait(rollout, "--for=failed")
    run = waiting.finish()
    assert run.code == 0 and "has failed" in run.log, run.log
    rollout.finish(running)


def test_wait_for_deleted(rollout):
    assert rollout.run().code == 0
    running = wait(rollout, "--for=deleted")
    running.wait_for_log("rollout")
    time.sleep(0.3)
    assert running.process.poll() is None, running.log()
    rollout.cluster.client.delete("InferenceService", "qwen", rollout.namespace)
    run = running.finish()
    assert run.code == 0 and "is deleted" in run.log, run.log
    rollout.cluster.client.wait_gone("InferenceService", "qwen", rollout.namespace)
