"""What the documentation shows, on the real node: its commands, with the rights that they give, and its runs until the model serves."""

from __future__ import annotations

import json
import os
import platform

import pytest
import yaml

from e2e.conftest import image_archive
from e2e.place import PATIENCE, ROOT, SMALL
from harness.client import condition
from harness.documentation import Shell, block

README, PIPELINES = ROOT / "README.md", ROOT / "pipelines" / "README.md"
STEP_ACTION = ROOT / "tasks" / "stepaction" / "deploy-inference-service" / "0.1" / "README.md"
COMPONENT = ROOT / "pipelines" / "kubeflow-component.yaml"


@pytest.fixture(scope="session")
def shell(cluster, tmp_path_factory):
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    program = image_archive().parent / f"linux-{arch}" / "deploy-inference-service"
    return Shell(tmp_path_factory.mktemp("bin"), cluster.admin_kubeconfig, program)


@pytest.fixture
def nobody(place):
    """The place without the rights of the platform's document: what the documentation's own commands give is all there is."""
    for kind, name in (("RoleBinding", "deploy-model"), ("RoleBinding", "deploy-model-diagnostics")):
        place.client.delete(kind, name, place.namespace)
    place.client.delete("ClusterRoleBinding", f"{place.namespace}.deploy-model.clusterservingruntime-view")
    return place


def create(place, example) -> tuple[str, str]:
    (run,) = example.manifests()
    return run["kind"], place.client.create(run, place.namespace)["metadata"]["name"]


def test_for_pipeline_users(nobody, shell):
    place = nobody
    shell.run(block(README, "For pipeline users", "bash").replaced("-n demo", f"-n {place.namespace}"))
    _, name = create(place, block(README, "For pipeline users", "yaml").replaced("namespace: demo", f"namespace: {place.namespace}"))
    run = place.finish(name)
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == place.project.repository.head() == place.served_commit()
    assert run.endpoints["IN_CLUSTER_ENDPOINT"] == f"http://qwen-predictor.{place.namespace}.svc.cluster.local"
    assert "rbac --diagnostics grants it" not in run.log, "the documented rights are all that it asks for"


def test_the_step_action(nobody, shell):
    place = nobody
    shell.run(block(README, "For pipeline users", "bash").replaced("-n demo", f"-n {place.namespace}"))
    shell.run(block(STEP_ACTION, "Install", "bash").replaced("-n demo", f"-n {place.namespace}"))
    _, name = create(place, block(STEP_ACTION, "Use", "yaml").replaced("namespace: demo", f"namespace: {place.namespace}"))
    item = place.client.wait_for("TaskRun", name, place.namespace, lambda i: condition(i, "Succeeded").get("status") in ("True", "False"), PATIENCE)
    assert condition(item, "Succeeded")["status"] == "True", place.log(item["status"]["podName"])
    assert {r["name"]: r["value"] for r in item["status"]["results"]} == {"commit": place.project.repository.head()}
    assert place.served_commit() == place.project.repository.head()


# ---- Kubeflow Pipelines ----


def launched(component: dict, arguments: dict[str, str]) -> list[str]:
    """The command as Kubeflow's launcher makes it (backend/src/v2/component/launcher_v2.go: addDefaultParams, getPlaceholders)."""
    (definition,) = component["components"].values()
    inputs = definition["inputDefinitions"]["parameters"]
    assert set(arguments) <= set(inputs)
    values = {name: arguments.get(name, given.get("defaultValue")) for name, given in inputs.items()}
    assert None not in values.values(), "a required input is missing"
    container = component["deploymentSpec"]["executors"][definition["executorLabel"]]["container"]
    command = [*container["command"], *container["args"]]
    for name, value in values.items():
        command = [part.replace(f"{{{{$.inputs.parameters['{name}']}}}}", value) for part in command]
    assert not [part for part in command if "{{" in part]
    return command


def test_the_kubeflow_component_runs_as_the_launcher_runs_it(place, run_directory):
    """The step of a Kubeflow run: the component's image and command, its outputs where the launcher reads them, no Tekton about."""
    component = yaml.safe_load(COMPONENT.read_text(encoding="utf-8"))
    (executor,) = component["deploymentSpec"]["executors"].values()
    outputs = run_directory / f"kfp-{place.namespace}"
    outputs.mkdir(mode=0o777)
    os.chown(outputs, 65532, 65532)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kfp", "namespace": place.namespace}, "spec": {
        "restartPolicy": "Never", "volumes": [{"name": "outputs", "hostPath": {"path": str(outputs)}}],
        "containers": [{"name": "main", "image": executor["container"]["image"],
                        "command": launched(component, {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", **SMALL}),
                        "volumeMounts": [{"name": "outputs", "mountPath": "/tmp/kfp/outputs"}]}]}}
    place.client.create(pod)
    item = place.client.wait_for("Pod", "kfp", place.namespace, lambda p: p["status"].get("phase") in ("Succeeded", "Failed"), PATIENCE)
    assert item["status"]["phase"] == "Succeeded", place.log("kfp", "main")
    (definition,) = component["components"].values()
    written = {name: (outputs / name).read_text() for name in definition["outputDefinitions"]["parameters"]}
    assert written["commit"] == place.project.repository.head() == place.served_commit()
    assert written["state"] == "ready" and json.loads(written["string-result"])["IN_CLUSTER_ENDPOINT"] == written["in-cluster-url"]
