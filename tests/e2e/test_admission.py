"""Every manifest of the tree against the real webhooks of Tekton Pipelines and Triggers."""

from __future__ import annotations

import pytest

from e2e.place import ROOT, documents
from harness.client import ApiError

MANIFESTS = sorted(path for folder in ("tasks", "pipelines") for path in (ROOT / folder).rglob("*.yaml")
                   if path.name != "kubeflow-component.yaml" and "samples" not in path.parts)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_webhooks_admit_it(path, cluster, tekton, triggers):
    items = documents(path)
    assert items
    namespace = cluster.namespace("models")
    try:
        for item in items:
            if item["metadata"].get("namespace"):
                item["metadata"]["namespace"] = namespace
            cluster.client.create(item, namespace, dryRun="All", fieldValidation="Strict")
    finally:
        cluster.delete_namespace(namespace)


def test_a_wrong_task_is_refused(cluster, tekton):
    """The webhook really looks: what the test above would see of a mistake."""
    task = documents(ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml")[0]
    task["spec"]["steps"][0]["args"] = ["$(params.no-such-parameter)"]
    with pytest.raises(ApiError) as caught:
        cluster.client.create(task, "default", dryRun="All")
    assert "no-such-parameter" in caught.value.message
