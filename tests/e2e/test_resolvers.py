"""The Task from everywhere that Tekton's resolvers can fetch it: it is one document that needs nothing beside it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from e2e.place import TASK, documents, parameter_list
from harness.client import condition

PATH = "tasks/deploy-inference-service/0.1/deploy-inference-service.yaml"
HUB_PATH = "/api/v1/packages/tekton-task/catalog/deploy-inference-service"


@pytest.fixture(scope="session")
def web(machine):
    """A web server with the Task's file, and what Artifact Hub's API answers for it."""
    package = {"version": "0.1.0", "available_versions": [{"version": "0.1.0", "prerelease": False}], "data": {"manifestRaw": TASK.read_text()}}
    answers = {f"/{PATH}": TASK.read_bytes(), **{path: json.dumps(package).encode() for path in (HUB_PATH, f"{HUB_PATH}/0.1.0")}}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            content = answers.get(self.path)
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", "application/json" if self.path.startswith(HUB_PATH) else "application/yaml")
            self.end_headers()
            self.wfile.write(content or b"{}")

    server = ThreadingHTTPServer((machine.address, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{machine.address}:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def resolvers(tekton, web):
    return tekton.start_resolvers(environment={"ARTIFACT_HUB_API": web}, hubresolver_config={"default-type": "artifact"})


def by_cluster(place, **_):
    return {"kind": "task", "name": "deploy-inference-service", "namespace": place.namespace}


def by_http(web, **_):
    return {"url": f"{web}/{PATH}"}


def by_git(place, gitlab, **_):
    path = f"{place.namespace}/catalog"
    project = gitlab.plain.project(path, files={PATH: TASK.read_text()}, visibility="public")
    return {"url": gitlab.plain.git_url(project), "revision": "main", "pathInRepo": PATH}


def by_bundles(registry, **_):
    registry.add_bundle("catalog/deploy-inference-service", "0.1", documents(TASK))
    return {"bundle": f"{registry.address}/catalog/deploy-inference-service:0.1", "name": "deploy-inference-service", "kind": "task"}


def by_hub(**_):
    return {"kind": "task", "catalog": "catalog", "name": "deploy-inference-service", "version": "0.1.0"}


@pytest.mark.parametrize("resolver", [by_cluster, by_http, by_git, by_bundles, by_hub], ids=lambda f: f.__name__.removeprefix("by_"))
def test_the_task_by_resolver(resolver, resolvers, place, gitlab, registry, web):
    parameters = resolver(place=place, gitlab=gitlab, registry=registry, web=web)
    reference = {"resolver": resolver.__name__.removeprefix("by_"), "params": parameter_list(parameters)}
    item = place.run_task({"taskRef": reference, "params": [{"name": "args", "value": ["version"]}]})
    assert condition(item, "Succeeded")["status"] == "True", condition(item, "Succeeded")["message"]
    assert "deploy-inference-service 0.1" in place.log(item["status"]["podName"])
