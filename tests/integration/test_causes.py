"""Why a rollout fails, as the program tells it from a real API server, scheduler and controllers."""

from __future__ import annotations

import pytest
import yaml

from harness import alauda
from harness.client import condition, is_true
from harness.process import wait_until
from harness.scenario import CrashLoop

# ---- one GPU for a service of one replica ----


def is_refused(client, namespace, limits):
    """Whether the scheduler has no node for such a pod: it goes by its own copy of the nodes, which is a little behind."""
    client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": namespace},
                   "spec": {"containers": [{"name": "probe", "image": "registry.test/x:1", "resources": {"limits": limits}}]}})
    pod = client.wait_for("Pod", "probe", namespace, lambda pod: condition(pod, "PodScheduled"))
    client.delete("Pod", "probe", namespace)
    client.wait_gone("Pod", "probe", namespace)
    return not is_true(pod, "PodScheduled")


@pytest.fixture
def one_gpu(place, node, cluster):
    node.set_capacity(**{"nvidia.com/gpu": "1"})
    wait_until(lambda: is_refused(cluster.client, place.namespace, {"nvidia.com/gpu": "2"}), 60, "the scheduler to know the node's capacity")
    yield place
    node.set_capacity(**{"nvidia.com/gpu": "16"})


def test_update_that_waits_for_the_gpu_of_its_own_old_pod(one_gpu, rollout):
    """The real scheduler says so in an event; the real Deployment controller keeps the old pod until the new one is ready."""
    assert rollout.run(NVIDIA_GPU="1").code == 0
    rollout.project.commit({"config.json": "{}"})
    run = rollout.run(NVIDIA_GPU="1", PATIENCE="deadlock=1s")
    assert run.code == 7 and run.seconds < 40, run.log
    assert run.results["failure-class"] == "impatient" and run.results["reason"].startswith("RolloutDeadlock") and "DEPLOYMENT_STRATEGY=Recreate" in run.log
    assert "Insufficient nvidia.com/gpu" in run.log, "the scheduler's own words as evidence"
    assert rollout.deployment()["status"]["availableReplicas"] == 1
    again = rollout.run(NVIDIA_GPU="1", DEPLOYMENT_STRATEGY="Recreate")
    assert again.code == 0, again.log
    assert rollout.deployment()["spec"]["strategy"]["type"] == "Recreate"


def test_more_gpus_than_any_node_has(one_gpu, rollout):
    run = rollout.run(NVIDIA_GPU="2", TIMEOUT="12s")
    assert run.code == 8, run.log
    assert "nvidia.com/gpu" in run.results["reason"] and "Recreate" not in run.log


# ---- rights ----

LOGS = {"kserve-container": "Loading weights\nRuntimeError: CUDA error: no kernel image is available for execution on the device\n"}


def failing(place, **changes):
    place.node.scenario(place.namespace, CrashLoop(exit_code=1, backoff=0.2, logs=LOGS))
    return place.deploy(**changes)


def test_with_the_scripts_rights_it_tells_what_the_service_shows(place):
    run = failing(place, TIMEOUT="12s")
    assert run.code == 8, run.log
    assert "waiting for the new pods; 0 of 1 new replicas ready" in run.log, "what the Deployment shows"
    told = [line for line in run.log.splitlines() if "rbac" in line]
    assert len(told) == 1, run.log
    for right in ("list pods", "watch events", "list replicasets"):
        assert right in told[0]
    command = told[0].partition("this grants: ")[2]
    assert command == f"deploy-inference-service rbac --diagnostics -n {place.namespace} --service-account deployer | kubectl apply -f -"
    assert "list pods" in run.results["overview-markdown"]


def test_rights_that_were_not_needed_are_not_named(place):
    run = place.deploy()
    assert run.code == 0 and "not allowed" not in run.log, run.log


def test_the_command_that_is_named_grants_them(place, kubectl):
    """The same failure once more, after that."""
    run = failing(place, TIMEOUT="12s")
    command = run.log.partition("this grants: ")[2].splitlines()[0]
    words = command.partition(" | ")[0].split()
    assert words[0] == "deploy-inference-service"
    items = list(yaml.safe_load_all(place.binary.run(*words[1:], results=False).output))
    for item in items:
        kubectl.apply(item)
    place.cluster.wait_for_rules(place.account, [rule for item in items for rule in item.get("rules", [])])
    again = place.deploy()
    assert again.code == 7 and "no kernel image is available" in again.log and "this grants" not in again.log, again.log
    for kind in ("ClusterRoleBinding", "ClusterRole"):
        place.cluster.client.delete(kind, f"deploy-inference-service.{place.namespace}.deployer")


def test_with_the_rights_for_diagnosis_it_tells_why(place):
    place.cluster.grant(place.account, alauda.DIAGNOSTIC_RULES, "diagnostics")
    run = failing(place)
    assert run.code == 7, run.log
    assert "no kernel image is available" in run.log and "rbac" not in run.log
    assert "no kernel image is available" in run.results["overview-markdown"]


# ---- what the API server refuses to KServe ----


def test_deployment_that_the_api_server_refuses(rollout):
    """Runtime and parameters together make an invalid pod; up to KServe 0.16 the service stays Ready and only an event tells."""
    assert rollout.run().code == 0
    name = f"own-{rollout.namespace}"
    resources = {"requests": {"example.com/fpga": "1"}, "limits": {"example.com/fpga": "2"}}
    rollout.cluster.client.apply(alauda.runtime(name, "fpga", ["transformers"], {"image": "registry.test/x:1", "resources": resources}))
    try:
        run = rollout.run(RUNTIME_NAME=name, RUNTIME_CLASS=None)
    finally:
        rollout.cluster.client.delete("ClusterServingRuntime", name)
    assert run.code == 7 and run.seconds < 30, run.log
    assert "example.com/fpga" in run.log
