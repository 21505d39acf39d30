"""The samples and the catalog's own test of the Task, as they are in the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.place import PATIENCE, ROOT, documents
from harness.client import condition

TASK_DIRECTORY = ROOT / "tasks" / "deploy-inference-service" / "0.1"
FILES = sorted([*(TASK_DIRECTORY / "samples").glob("*.yaml"), *(TASK_DIRECTORY / "tests").glob("*.yaml")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_sample_runs(path, place):
    certificate = Path(place.gitlab.ca_file).read_text()
    place.client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gitlab-files", "namespace": place.namespace},
                        "stringData": {"ca.crt": certificate}})
    if "files" in path.name:  # then it is this certificate that makes it work
        place.client.patch("ConfigMap", "aml-image-builder-config", place.namespace, {"data": {"MODEL_REPO_GIT_CA": None}})
    (run,) = documents(path)
    name = place.client.create(run, place.namespace)["metadata"]["name"]
    item = place.client.wait_for(run["kind"], name, place.namespace, lambda i: condition(i, "Succeeded").get("status") in ("True", "False"), PATIENCE)
    pods = place.client.list("Pod", place.namespace, labels="app.kubernetes.io/managed-by=tekton-pipelines")
    assert condition(item, "Succeeded")["status"] == "True", [place.log(pod["metadata"]["name"]) for pod in pods]
