"""What a reader of the documentation copies: the commands run as they stand there, and the runs that they prepare start.

That the runs deploy is in tests/e2e, which takes the same blocks.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.client import condition
from harness.documentation import ROOT, Shell, block, blocks
from harness.process import wait_until

README = ROOT / "README.md"
PIPELINES = ROOT / "pipelines" / "README.md"
TASK = ROOT / "tasks" / "deploy-inference-service" / "0.1" / "README.md"
STEP_ACTION = ROOT / "tasks" / "stepaction" / "deploy-inference-service" / "0.1" / "README.md"


@pytest.fixture(scope="module")
def shell(cluster, tekton, triggers, tmp_path_factory):
    program = os.environ.get("DEPLOY_INFERENCE_SERVICE") or Path(os.environ["BUILD_DIR"]) / "deploy-inference-service"
    return Shell(tmp_path_factory.mktemp("bin"), cluster.admin_kubeconfig, Path(program)).run


@pytest.fixture
def namespaces(cluster, tekton):
    """The namespaces that the documentation names; gone afterwards, so that every test begins without them."""
    made = []

    def make(*names: str) -> None:
        for name in names:
            cluster.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            made.append(name)
        for name in names:  # without its account no pod of it can be made, and a TaskRun fails
            wait_until(lambda: cluster.client.find("ServiceAccount", "default", name), 60, f"the default account of {name}")

    yield make
    for name in made:
        cluster.delete_namespace(name)
    for name in made:
        cluster.client.wait_gone("Namespace", name, timeout=120)


def may(cluster, account: str, verb: str, resource: str, namespace: str, group: str = "") -> bool:
    owner = account.split(":")[0]
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": {
        "user": f"system:serviceaccount:{account}", "groups": ["system:serviceaccounts", f"system:serviceaccounts:{owner}", "system:authenticated"],
        "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": resource}}}
    return cluster.client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def wait_may(*arguments: str) -> None:
    """The authorizer hears of a Role a moment after it was written."""
    wait_until(lambda: may(*arguments), 60, f"{arguments[1:]} to be allowed")


def may_deploy(cluster, account: str, namespace: str) -> bool:
    return may(cluster, account, "create", "inferenceservices", namespace, "serving.kserve.io")


def wait_may_deploy(cluster, account: str, namespace: str) -> None:
    wait_may(cluster, account, "create", "inferenceservices", namespace, "serving.kserve.io")


def first_task_run(cluster, example) -> dict:
    """Creates the run of a block; the TaskRun that Tekton makes of it, once its pod is there."""
    (run,) = example.manifests()
    namespace = run["metadata"]["namespace"]
    name = cluster.client.create(run, namespace, fieldValidation="Strict")["metadata"]["name"]
    if run["kind"] == "PipelineRun":
        labels = f"tekton.dev/pipelineRun={name}"
        item = cluster.client.wait_for("PipelineRun", name, namespace, lambda _: cluster.client.list("TaskRun", namespace, labels=labels), 60)
        assert condition(item, "Succeeded").get("status") != "False", condition(item, "Succeeded")
        name = cluster.client.list("TaskRun", namespace, labels=labels)[0]["metadata"]["name"]
    item = cluster.client.wait_for("TaskRun", name, namespace, lambda i: i.get("status", {}).get("podName")
                                   or condition(i, "Succeeded").get("status") == "False", 60)
    assert condition(item, "Succeeded")["status"] == "Unknown", condition(item, "Succeeded")
    return item


def step_environment(cluster, task_run: dict) -> dict[str, str]:
    pod = cluster.client.get("Pod", task_run["status"]["podName"], task_run["metadata"]["namespace"])
    (step,) = [c for c in pod["spec"]["containers"] if c["name"] == "step-deploy"]
    return {item["name"]: item.get("value", "") for item in step["env"]}


def test_for_pipeline_users(cluster, shell, namespaces):
    namespaces("demo")
    shell(block(README, "For pipeline users", "bash"))
    wait_may_deploy(cluster, "demo:default", "demo")
    environment = step_environment(cluster, first_task_run(cluster, block(README, "For pipeline users", "yaml")))
    assert (environment["INFERENCE_SERVICE_NAME"], environment["MODEL_REPO"], environment["RUNTIME_CLASS"], environment["NAMESPACE"]) == (
        "qwen", "qwen", "vllm", "demo")


def test_for_git_events(cluster, shell, namespaces):
    namespaces("demo")
    shell(block(README, "For Git events", "bash"))
    assert cluster.client.get("EventListener", "gitlab", "demo")["spec"]["serviceAccountName"] == "gitlab-listener"
    assert cluster.client.get("Secret", "gitlab-webhook", "demo")["data"]["token"]
    wait_may(cluster, "demo:gitlab-listener", "create", "pipelineruns", "demo", "tekton.dev")
    wait_may(cluster, "demo:gitlab-listener", "list", "clusterinterceptors", "", "triggers.tekton.dev")


def test_git_events_of_pipelines(cluster, shell, namespaces):
    namespaces("demo")
    shell(block(PIPELINES, "Git events", "bash"))
    for kind, name in (("Task", "deploy-inference-service"), ("Pipeline", "deploy-inference-service"), ("EventListener", "gitlab"),
                       ("TriggerTemplate", "deploy-inference-service"), ("TriggerBinding", "gitlab-branch"), ("TriggerBinding", "gitlab-tag")):
        assert cluster.client.get(kind, name, "demo")


def test_promotion(cluster, shell, namespaces):
    namespaces("team-a-staging", "team-a")
    assert not may_deploy(cluster, "team-a-staging:default", "team-a")
    shell(block(PIPELINES, "Promotion", "bash"))
    wait_may_deploy(cluster, "team-a-staging:default", "team-a-staging")
    wait_may_deploy(cluster, "team-a-staging:default", "team-a")
    task_run = first_task_run(cluster, block(PIPELINES, "Promotion", "yaml"))
    assert task_run["metadata"]["labels"]["tekton.dev/pipelineTask"] == "staging"
    environment = step_environment(cluster, task_run)
    assert (environment["NAMESPACE"], environment["MODEL_REPO"], environment["ON_FAILURE"]) == ("team-a-staging", "team-a/qwen", "keep")


def test_kubeflow_rights(cluster, shell, namespaces):
    namespaces("kubeflow-admin-cpaas-io")
    shell(block(PIPELINES, "Kubeflow", "bash"))
    wait_may_deploy(cluster, "kubeflow-admin-cpaas-io:default-editor", "kubeflow-admin-cpaas-io")
    assert not may_deploy(cluster, "kubeflow-admin-cpaas-io:default", "kubeflow-admin-cpaas-io")


def test_the_task_and_its_samples(cluster, shell, namespaces):
    namespaces("demo")
    shell(block(TASK, "Install", "bash"))
    assert cluster.client.get("Task", "deploy-inference-service", "demo")
    wait_may_deploy(cluster, "demo:default", "demo")


def test_the_step_action(cluster, shell, namespaces):
    namespaces("demo")
    shell(block(STEP_ACTION, "Install", "bash"))
    task_run = first_task_run(cluster, block(STEP_ACTION, "Use", "yaml"))
    environment = step_environment(cluster, task_run)
    assert (environment["INFERENCE_SERVICE_NAME"], environment["TIMEOUT"]) == ("qwen", "25m")


def test_every_command_of_these_documents_is_run():
    """A block that is added is added above."""
    run = {(README, "For pipeline users"), (README, "For Git events"), (PIPELINES, "Git events"), (PIPELINES, "Promotion"),
           (PIPELINES, "Kubeflow"), (TASK, "Install"), (STEP_ACTION, "Install")}
    headings = ("For pipeline users", "For Git events", "For platform teams", "For Kubeflow")
    written = [item for path in (README, PIPELINES, TASK, STEP_ACTION) for item in blocks(path)
               if item.language == "bash" and (path is not README or item.heading in headings)]
    assert {(item.path, item.heading) for item in written} == run
    assert len(written) == len(run)
