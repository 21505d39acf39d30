"""The test servers themselves: what the other tests rely on is true of them."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from harness import alauda, kubeconfig, servers
from harness.client import ApiError, Client, condition, is_true
from harness.incluster import PATH, MountedAccount
from harness.kserve import inference_service
from harness.pki import Authority
from harness.process import Process, ProcessError, RunDir, wait_until
from harness.scenario import (ConfigError, CrashLoop, Evicted, Flapping, Gate, ImagePullError, MountError, NeverReady, OutOfMemory,
                              Scenario)

PREDICTOR = "iris-predictor"


def create(cluster, namespace, **kwargs):
    arguments = {"runtime": "mlserver", "model_format": "sklearn", **kwargs}
    return cluster.client.create(inference_service("iris", namespace, **arguments))


def only_pod(cluster, namespace):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pods = cluster.client.list("Pod", namespace)
        if pods:
            return pods[0]["metadata"]["name"]
        time.sleep(0.05)
    raise AssertionError("no pod appeared")


def container(pod, name="kserve-container"):
    statuses = pod["status"].get("initContainerStatuses", []) + pod["status"]["containerStatuses"]
    return next(s for s in statuses if s["name"] == name)


def test_an_inference_service_becomes_ready(cluster, kserve, namespace):
    """KServe makes the Deployment, Kubernetes its pod, the scheduler binds it, the node reports it, KServe says Ready."""
    create(cluster, namespace, annotations={"example.test/hash": "abc"})
    ready = cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"))
    deployment = cluster.client.get("Deployment", PREDICTOR, namespace)
    assert deployment["spec"]["template"]["metadata"]["annotations"]["example.test/hash"] == "abc"
    assert deployment["status"]["availableReplicas"] == 1
    # 0.14 has no such field; since 0.16 the mode is called by its new name
    assert ready["status"].get("deploymentMode") == (None if kserve.version == "0.14" else "Standard")
    pod = cluster.client.get("Pod", only_pod(cluster, namespace), namespace)
    assert pod["spec"]["nodeName"] == "node-1"
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["storage-initializer"]
    assert container(pod)["state"].keys() == {"running"}


def test_every_runtime_of_the_fixtures_serves(cluster, kserve, namespace):
    """KServe accepts each runtime's template, command and env by reference."""
    formats = {"vllm-cuda-12": "transformers", "triton-cuda-12": "triton", "mlserver": "sklearn", "plain": "sklearn"}
    for runtime, model_format in formats.items():
        service = inference_service(runtime, namespace, runtime=runtime, model_format=model_format, model={"resources": {}})
        cluster.client.create(service)
    for runtime in formats:
        cluster.client.wait_for("InferenceService", runtime, namespace, lambda i: is_true(i, "Ready"))
    deployed = cluster.client.get("Deployment", "vllm-cuda-12-predictor", namespace)["spec"]["template"]["spec"]["containers"][0]
    assert deployed["command"][2] == alauda.VLLM_COMMAND[2].replace("{{.Name}}", "vllm-cuda-12")
    assert {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}} in deployed["env"]


def test_minimum_replicas_are_reached_by_the_autoscaler(cluster, kserve, namespace):
    create(cluster, namespace, minReplicas=2, maxReplicas=3)
    cluster.client.wait_for("Deployment", PREDICTOR, namespace, lambda d: d["status"]["availableReplicas"] == 2, 60)


def test_webhooks_refuse(cluster, kserve, namespace):
    with pytest.raises(ApiError) as refused:
        create(cluster, namespace, minReplicas=3, maxReplicas=1)
    assert refused.value.code == 403
    assert 'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request' in refused.value.message


def test_an_absent_manager_is_an_internal_error(cluster, kserve, namespace):
    kserve.stop_manager()
    try:
        with pytest.raises(ApiError) as refused:
            create(cluster, namespace)
    finally:
        kserve.start_manager()
    assert refused.value.code == 500
    assert "failed calling webhook" in refused.value.message


def test_an_image_that_cannot_be_pulled(cluster, kserve, node, namespace):
    node.scenario(namespace, ImagePullError(message="manifest unknown"))
    create(cluster, namespace)
    pod = cluster.client.wait_for("Pod", only_pod(cluster, namespace), namespace,
                                  lambda p: container(p)["state"]["waiting"]["reason"] == "ImagePullBackOff")
    assert "manifest unknown" in container(pod)["state"]["waiting"]["message"]

    def reasons() -> set:
        return {(e["type"], e["reason"]) for e in cluster.client.events(namespace, pod["metadata"]["name"])}

    expected = {("Normal", "Scheduled"), ("Warning", "Failed"), ("Normal", "BackOff")}  # an event may come after its status
    wait_until(lambda: expected <= reasons(), 20, "the events of an image that cannot be pulled")


def test_a_container_that_crashes_and_its_logs(cluster, kserve, node, namespace):
    node.scenario(namespace, CrashLoop(exit_code=3, message="boom", logs={"kserve-container": "one\ntwo\nthree\n"}))
    create(cluster, namespace)
    name = only_pod(cluster, namespace)
    pod = cluster.client.wait_for("Pod", name, namespace, lambda p: container(p)["restartCount"] >= 2)
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert pod["status"]["phase"] == "Running"
    assert cluster.client.logs(name, namespace, "kserve-container", tail=2) == "two\nthree\n"
    assert cluster.client.logs(name, namespace, "kserve-container", previous=True) == "one\ntwo\nthree\n"
    service = cluster.client.get("InferenceService", "iris", namespace)
    assert not is_true(service, "Ready")


def test_a_storage_initializer_that_fails_then_recovers(cluster, kserve, node, namespace):
    download = Gate()  # the one that succeeds ends when the test has looked
    node.scenario(namespace, CrashLoop(container="storage-initializer", message="404 Not Found", recover_after=2, init=download))
    create(cluster, namespace)
    pod = cluster.client.wait_for("Pod", only_pod(cluster, namespace), namespace,
                                  lambda p: container(p, "storage-initializer")["restartCount"] >= 1)
    assert pod["status"]["phase"] == "Pending"
    download.open()
    cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"))


@pytest.mark.parametrize("scenario, reason", [(OutOfMemory(), "OOMKilled"), (ConfigError(), "CreateContainerConfigError")])
def test_other_failures_show_their_reason(cluster, kserve, node, namespace, scenario, reason):
    node.scenario(namespace, scenario)
    create(cluster, namespace)

    def seen(pod):
        status = container(pod)
        return reason in (status["state"].get("waiting", {}).get("reason"), status["lastState"].get("terminated", {}).get("reason"))

    cluster.client.wait_for("Pod", only_pod(cluster, namespace), namespace, seen)


@pytest.mark.parametrize("scenario, reason", [(MountError(), "FailedMount"), (NeverReady(), "Unhealthy"), (Evicted(), "Evicted")])
def test_events_tell_why(cluster, kserve, node, namespace, scenario, reason):
    node.scenario(namespace, scenario)
    create(cluster, namespace)
    name = only_pod(cluster, namespace)
    wait_until(lambda: reason in [e["reason"] for e in cluster.client.events(namespace, name)], 20, f"an event {reason}")
    assert not is_true(cluster.client.get("InferenceService", "iris", namespace), "Ready")


def test_an_evicted_pod_is_replaced(cluster, kserve, node, namespace):
    seen = []

    def first_only(pod):
        seen.append(pod["metadata"]["name"])
        return Evicted(message="The node was low on resource: ephemeral-storage.") if len(seen) == 1 else None

    node.scenario(namespace, first_only)
    create(cluster, namespace)
    cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"))
    pod = cluster.client.get("Pod", seen[0], namespace)
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")
    assert len(seen) == 2


def test_a_pod_that_flaps_ends_ready(cluster, kserve, node, namespace):
    falls, rises = Gate(), Gate()
    node.scenario(namespace, Flapping(steps=(falls, rises)))
    create(cluster, namespace)
    for available, gate in ((1, falls), (0, rises), (1, None)):
        cluster.client.wait_for("Deployment", PREDICTOR, namespace, lambda d: d["status"].get("availableReplicas", 0) == available)
        if gate:
            gate.open()


def test_an_annotation_names_the_scenario(cluster, kserve, namespace):
    create(cluster, namespace, annotations={"harness/scenario": "out-of-memory"})
    cluster.client.wait_for("Pod", only_pod(cluster, namespace), namespace,
                            lambda p: container(p)["lastState"]["terminated"]["reason"] == "OOMKilled")


def test_a_pod_that_fits_nowhere_is_unschedulable(cluster, kserve, namespace):
    create(cluster, namespace, model={"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1", "nvidia.com/gpu": "17"}}})
    pod = cluster.client.wait_for("Pod", only_pod(cluster, namespace), namespace,
                                  lambda p: condition(p, "PodScheduled")["reason"] == "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in condition(pod, "PodScheduled")["message"]


def test_a_gate_holds_a_pod_until_the_test_opens_it(cluster, kserve, node, namespace):
    download = Gate()
    node.scenario(namespace, Scenario(init=download))
    create(cluster, namespace)
    assert download.reached.wait(20)
    pod = cluster.client.get("Pod", only_pod(cluster, namespace), namespace)
    assert "running" in container(pod, "storage-initializer")["state"]
    assert not is_true(pod, "Initialized")
    download.open()
    cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"))


def test_an_update_replaces_the_pods(cluster, kserve, namespace):
    create(cluster, namespace)
    cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"))
    first = only_pod(cluster, namespace)
    change = {"spec": {"predictor": {"model": {"storageUri": "hf://demo/model:89abcdef"}}}}
    cluster.client.patch("InferenceService", "iris", namespace, change)
    cluster.client.wait_gone("Pod", first, namespace)
    deployment = cluster.client.get("Deployment", PREDICTOR, namespace)
    source = "internal.serving.kserve.io/storage-initializer-sourceuri"
    assert deployment["spec"]["template"]["metadata"]["annotations"][source] == "hf://demo/model:89abcdef"


def test_deletion_leaves_nothing(cluster, kserve, namespace):
    create(cluster, namespace)
    cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"))
    pod = only_pod(cluster, namespace)
    cluster.client.delete("InferenceService", "iris", namespace)
    cluster.client.wait_gone("InferenceService", "iris", namespace)
    cluster.client.wait_gone("Deployment", PREDICTOR, namespace)
    cluster.client.wait_gone("Pod", pod, namespace)


# --- access


def test_the_documents_rights_and_no_more(cluster, kserve, namespace):
    account = alauda.deployer(cluster, namespace)
    alauda.install_git_config(cluster, namespace, "gitlab.test", "secret")
    client = account.client()
    assert client.get("Secret", alauda.SECRET, namespace)["data"]
    assert {r["metadata"]["name"] for r in client.list("ClusterServingRuntime")} >= {"mlserver", "plain"}
    with pytest.raises(ApiError) as refused:
        client.list("Pod", namespace)
    assert refused.value.code == 403
    assert f'User "{account.user}" cannot list resource "pods"' in refused.value.message


@pytest.mark.parametrize("auth", ["token", "tokenFile", "cert", "certFiles", "exec"])
def test_each_kubeconfig_is_understood_by_kubectl(cluster, namespace, auth):
    account = alauda.deployer(cluster, namespace, "deployer")
    kubectl = servers.program("kubernetes", "kubectl")
    answer = subprocess.run([kubectl, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"],
                            env={"KUBECONFIG": str(account.kubeconfig(auth)), "HOME": "/nonexistent", "PATH": os.environ["PATH"]},
                            capture_output=True, text=True, timeout=30)
    assert (answer.stdout, answer.returncode) == (account.user, 0), answer.stderr


def test_short_and_expired_tokens(cluster, namespace):
    account = cluster.service_account(namespace, "deployer")
    whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    good = Client(cluster.server, cluster.ca_file, token=account.short_token(60))
    assert good.request("POST", whoami, body)["status"]["userInfo"]["username"] == account.user
    expired = Client(cluster.server, cluster.ca_file, token=account.short_token(-30))
    with pytest.raises(ApiError) as refused:
        expired.request("POST", whoami, body)
    assert refused.value.code == 401


def test_a_program_sees_its_service_account_as_in_a_pod(cluster, namespace, tmp_path):
    account = cluster.service_account(namespace, "deployer")
    mounted = MountedAccount(tmp_path / "account", account)
    script = (f'cat {PATH}/namespace; echo; cat {PATH}/token; echo; echo "$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT"; '
              f'echo go; read line; cat {PATH}/token')
    program = subprocess.Popen(mounted.command(["sh", "-c", script]), env={**os.environ, **mounted.env}, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = [program.stdout.readline().strip() for _ in range(4)]
    assert lines[0] == namespace and lines[2:] == [f"127.0.0.1:{cluster.port}", "go"]
    second = mounted.rotate()
    rest, _ = program.communicate("\n", timeout=30)
    assert rest == second != lines[1]
    assert not os.path.exists(PATH), "the machine itself must not have been touched"


def test_the_audit_log_shows_what_an_account_asked(cluster, namespace):
    account = alauda.deployer(cluster, namespace, "auditee")
    account.client().list("Deployment", namespace)
    entries = [e for e in cluster.audit(account.user) if e.get("objectRef", {}).get("resource") == "deployments"]
    assert [(e["verb"], e["responseStatus"]["code"]) for e in entries] == [("list", 200)]


# --- faults


def test_the_api_server_restarts_with_its_data(cluster, kserve, node, namespace):
    """What was there is there, and controllers, scheduler and node take up their work again."""
    cluster.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": namespace}})
    cluster.restart_apiserver(crash=True)
    assert cluster.client.get("ConfigMap", "kept", namespace)
    create(cluster, namespace)
    cluster.client.wait_for("InferenceService", "iris", namespace, lambda i: is_true(i, "Ready"), timeout=60)


def test_a_compacted_watch_is_gone(cluster, namespace):
    old = cluster.client.request("GET", "/api/v1/configmaps")["metadata"]["resourceVersion"]
    for number in range(3):
        cluster.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "namespace": namespace}})
    cluster.compact()
    cluster.restart_apiserver()  # its watch cache begins anew, and no longer reaches back to the old version
    events = list(cluster.client.watch("ConfigMap", namespace, resource_version=old, timeout=5))
    assert [(kind, item.get("code")) for kind, item in events] == [("ERROR", 410)]


def test_a_server_that_ends_early_shows_its_log():
    with RunDir() as directory:
        process = Process("broken", ["sh", "-c", "echo the reason >&2; exit 7"], directory / "broken.log").start()
        with pytest.raises(ProcessError, match="(?s)broken ended with 7.*the reason"):
            process.wait_ready(lambda: False, timeout=10)
        process.stop()


def test_a_wrong_authority_is_noticed(cluster, tmp_path):
    """The harness's kubeconfig builder can be used to build bad ones: kubectl refuses this one."""
    bad = cluster.kubeconfig(tmp_path / "bad", kubeconfig.certificate_user(cluster.admin), ca=Authority("another").cert)
    answer = subprocess.run([servers.program("kubernetes", "kubectl"), "--kubeconfig", str(bad), "get", "ns"],
                            capture_output=True, text=True, timeout=30)
    assert answer.returncode != 0 and "certificate signed by unknown authority" in answer.stderr
