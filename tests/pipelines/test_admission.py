"""Every manifest of the tree, and every one in its documentation, against the real webhooks of Tekton Pipelines and Triggers."""

from __future__ import annotations

import pytest

from harness.client import ApiError
from harness.documentation import DOCUMENTS, ROOT, blocks, manifests

FILES = sorted(path for folder in ("tasks", "pipelines") for path in (ROOT / folder).rglob("*.yaml") if path.name != "kubeflow-component.yaml")
EXAMPLES = [block for path in DOCUMENTS for block in blocks(path) if block.language == "yaml" and "apiVersion: " in block.text]


def admit(cluster, namespace: str, items: list[dict]) -> None:
    """``Strict``: a field that the schema does not know is an error, as with kubectl apply."""
    assert items
    for item in items:
        item["metadata"].pop("namespace", None)
        cluster.client.create(item, namespace, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_webhooks_admit_the_file(path, cluster, namespace, tekton, triggers):
    admit(cluster, namespace, manifests(path))


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_the_webhooks_admit_the_example(block, cluster, namespace, tekton, triggers):
    admit(cluster, namespace, block.manifests())


def test_there_are_examples():
    assert len(EXAMPLES) >= 3


# What the tests above would see of a mistake: the webhooks really look.


def test_a_wrong_task_is_refused(cluster, namespace, tekton):
    (task,) = manifests(ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml")
    task["spec"]["steps"][0]["args"] = ["$(params.no-such-parameter)"]
    with pytest.raises(ApiError) as caught:
        admit(cluster, namespace, [task])
    assert "no-such-parameter" in caught.value.message


def test_a_wrong_listener_is_refused(cluster, namespace, triggers):
    (listener,) = [item for item in manifests(ROOT / "pipelines" / "triggers-gitlab.yaml") if item["kind"] == "EventListener"]
    del listener["spec"]["triggers"][0]["template"]
    with pytest.raises(ApiError) as caught:
        admit(cluster, namespace, [listener])
    assert "template" in caught.value.message


def test_an_unknown_field_is_refused(cluster, namespace, tekton):
    (pipeline,) = manifests(ROOT / "pipelines" / "deploy-inference-service.yaml")
    pipeline["spec"]["tasks"][0]["timeOut"] = "1m"
    with pytest.raises(ApiError) as caught:
        admit(cluster, namespace, [pipeline])
    assert "timeOut" in caught.value.message
