"""The Task from everywhere that Tekton's resolvers can fetch it: it is one document that needs nothing beside it.

The references are those of the Task's README, with the addresses of servers of ours in them.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.client import condition
from harness.documentation import ROOT, blocks, manifests
from harness.registry import Registry

PATH = "tasks/deploy-inference-service/0.1/deploy-inference-service.yaml"
TASK = ROOT / PATH
README = TASK.with_name("README.md")
REFERENCES = {item["taskRef"]["resolver"]: item["taskRef"] for block in blocks(README) if block.heading == "From a catalog" and block.language == "yaml"
              for item in block.manifests()}
# Artifact Hub's and Tekton Hub's paths for it (pkg/resolution/resolver/hub/params.go); Artifact Hub makes 0.1.0 of 0.1.
ARTIFACT_HUB = "/api/v1/packages/tekton-task/catalog/deploy-inference-service"
TEKTON_HUB = "/v1/resource/catalog/task/deploy-inference-service"


@pytest.fixture(scope="module")
def web(network):
    """A web server with the Task's file, and what the two hubs' APIs answer for it."""
    package = json.dumps({"version": "0.1.0", "available_versions": [{"version": "0.1.0", "prerelease": False}],
                          "data": {"manifestRaw": TASK.read_text()}}).encode()
    answers = {f"/{PATH}": TASK.read_bytes(), ARTIFACT_HUB: package, f"{ARTIFACT_HUB}/0.1.0": package,
               TEKTON_HUB: json.dumps({"data": {"versions": [{"version": "0.1"}]}}).encode(),
               f"{TEKTON_HUB}/0.1/yaml": json.dumps({"data": {"yaml": TASK.read_text()}}).encode()}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            content = answers.get(self.path)
            self.send_response(200 if content else 404)
            self.end_headers()
            self.wfile.write(content or b"{}")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def resolvers(tekton, web):
    return tekton.start_resolvers(environment={"ARTIFACT_HUB_API": web, "TEKTON_HUB_API": web})


@pytest.fixture(scope="module")
def registry(network):
    with Registry() as registry:
        registry.add_bundle("catalog/deploy-inference-service", "0.1", manifests(TASK))
        yield registry


@pytest.fixture(scope="module")
def repository(gitlab):
    project = gitlab.project("catalog/deploy-inference-service", files={PATH: TASK.read_text()}, visibility="public")
    return gitlab.git_url(project)


@pytest.fixture
def shared(cluster, tekton):
    """Another namespace, where the platform's team has applied the Task."""
    name = cluster.namespace("shared")
    cluster.client.apply(manifests(TASK)[0], name)
    yield name
    cluster.delete_namespace(name)


def reference(resolver: str, **changes: str) -> dict:
    """The README's reference; ``changes`` by parameter."""
    found = REFERENCES[resolver]
    names = {item["name"] for item in found["params"]}
    parameters = [{"name": item["name"], "value": changes.get(item["name"], item["value"])} for item in found["params"]]
    return {"resolver": resolver, "params": parameters + [{"name": n, "value": v} for n, v in changes.items() if n not in names]}


def resolved(cluster, namespace: str, ref: dict) -> dict:
    """What the controller made of the reference: the TaskRun with the Task's specification in its status, or why not."""
    run = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": "run-"}, "spec": {
        "taskRef": ref, "params": [{"name": "args", "value": ["version"]}]}}
    name = cluster.client.create(run, namespace)["metadata"]["name"]
    return cluster.client.wait_for("TaskRun", name, namespace, lambda item: item.get("status", {}).get("podName")
                                   or condition(item, "Succeeded").get("status") == "False", 90)


def check(item: dict) -> None:
    """The step, the parameters and the results are the file's, whatever way they came."""
    (task,) = manifests(TASK)
    assert condition(item, "Succeeded")["status"] == "Unknown", condition(item, "Succeeded")["message"]
    spec = item["status"]["taskSpec"]
    assert spec["steps"][0]["command"] == task["spec"]["steps"][0]["command"]
    assert [entry["name"] for entry in spec["params"]] == [entry["name"] for entry in task["spec"]["params"]]
    assert [entry["name"] for entry in spec["results"]] == [entry["name"] for entry in task["spec"]["results"]]
    assert item["metadata"]["labels"]["app.kubernetes.io/version"] == task["metadata"]["labels"]["app.kubernetes.io/version"]


def test_the_readme_has_a_reference_for_every_resolver():
    assert set(REFERENCES) == {"hub", "git", "bundles", "cluster", "http"}


def test_cluster(cluster, namespace, resolvers, shared):
    check(resolved(cluster, namespace, reference("cluster", namespace=shared)))


def test_http(cluster, namespace, resolvers, web):
    check(resolved(cluster, namespace, reference("http", url=f"{web}/{PATH}")))


def test_git(cluster, namespace, resolvers, repository):
    item = resolved(cluster, namespace, reference("git", url=repository))
    check(item)
    assert item["status"]["provenance"]["refSource"]["entryPoint"] == PATH


def test_bundles(cluster, namespace, resolvers, registry):
    bundle = next(item["value"] for item in REFERENCES["bundles"]["params"] if item["name"] == "bundle")
    check(resolved(cluster, namespace, reference("bundles", bundle=f"{registry.address}/{bundle.split('/', 1)[1]}")))


@pytest.mark.parametrize("version", ["0.1", "0.1.0", ">= 0.1"])
def test_hub_artifact_hub(cluster, namespace, resolvers, version):
    check(resolved(cluster, namespace, reference("hub", version=version)))


def test_hub_tekton_hub(cluster, namespace, resolvers):
    check(resolved(cluster, namespace, reference("hub", type="tekton")))


def test_what_is_not_there_is_told(cluster, namespace, resolvers):
    """The checks above would see it."""
    item = resolved(cluster, namespace, reference("hub", name="no-such-task"))
    assert condition(item, "Succeeded")["status"] == "False"
    assert "no-such-task" in condition(item, "Succeeded")["message"]
