"""A namespace in which a user runs pipelines, and what the tests ask of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Callable

import pytest
import requests
import yaml

from harness.binary import unwrap
from harness import alauda
from harness.client import ApiError, condition
from harness.model_repository import qwen_files

ROOT = Path(__file__).resolve().parents[2]
TASK = ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
STEP_ACTION = ROOT / "tasks" / "stepaction" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
PIPELINE = ROOT / "pipelines" / "deploy-inference-service.yaml"

# The node has few processors: what a test does not test the size of asks for little.
SMALL = {"CPU_REQUEST": "50m", "CPU_LIMIT": "1", "MEMORY_REQUEST": "32Mi", "MEMORY_LIMIT": "256Mi", "EPHIMERAL_STORAGE_SIZE": "100Mi"}

# Seconds within which anything happens on a machine that has much else to do; every wait ends earlier, with the event it is for.
PATIENCE = 300


def deploys(*, behaviour: str = "", labels: dict | None = None, prepare: Callable[["Place"], object] | None = None,
            pipeline: str = "deploy-inference-service", spec: dict | None = None, **parameters):
    """Marks a test whose place begins with a PipelineRun, ``place.begun``; it is made while earlier tests wait for theirs.

    ``behaviour`` is what the model does (images/model_server.c), ``labels`` the namespace's, ``prepare`` is called with the place
    before the run is made; the rest goes to ``Place.start``.
    """
    return pytest.mark.deploys(behaviour=behaviour, labels=labels, prepare=prepare, pipeline=pipeline, spec=spec, parameters=parameters)


def documents(path: Path) -> list[dict]:
    return [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]


def parameter_list(parameters: dict) -> list[dict]:
    return [{"name": name, "value": value} for name, value in parameters.items()]


class Place:
    """``manifests``: what of ours is there besides; none of it where there is no Tekton."""

    def __init__(self, cluster, gitlab, namespace: str, manifests: tuple[Path, ...] = (TASK, PIPELINE)):
        self.cluster, self.client, self.gitlab, self.namespace = cluster, cluster.client, gitlab, namespace
        self._extra: list[str] = []
        self.begun = ""  # the PipelineRun that a test marked with ``deploys`` finds
        self.prepare(namespace)
        self.project = self.repository("qwen")
        for path in manifests:
            self.install(path)

    def prepare(self, namespace: str) -> None:
        """Where GitLab is, its CA, and the rights of the platform's document, for the account "default"."""
        alauda.install_git_config(self.cluster, namespace, self.gitlab.authority, str(self.gitlab.token()))
        authority = Path(self.gitlab.ca_file).read_text()
        self.client.patch("ConfigMap", alauda.CONFIG, namespace, {"data": {"MODEL_REPO_GIT_CA": authority}})
        alauda.deployer(self.cluster, namespace, "default", diagnostics=True)

    def further_namespace(self, prefix: str) -> str:
        name = self.cluster.namespace(prefix)
        self._extra.append(name)
        self.prepare(name)
        return name

    def repository(self, name: str, behaviour: str = ""):
        files = {**qwen_files(), **({"behaviour": behaviour} if behaviour else {})}
        path = f"{self.namespace}/amlmodels/{name}"
        project = self.gitlab.project(path, files=files)
        self.gitlab.plain.project(path, repository=project.repository, visibility="public")
        return project

    def hide_from_the_cluster(self) -> None:
        """The storage initializer finds the model no more; the step, which asks over HTTPS, does."""
        self.gitlab.plain.store.find(self.project.full_path).visibility = "private"

    def install(self, path: Path) -> None:
        for item in documents(path):
            self.client.apply(item, self.namespace)

    def clean(self) -> None:
        for name in (self.namespace, *self._extra):
            for item in self.client.list("InferenceService", name):
                self.client.delete("InferenceService", item["metadata"]["name"], name)
            self.cluster.delete_namespace(name)

    def story(self) -> str:
        """What happened here, for a test that failed."""
        said = []
        for kind in ("PipelineRun", "TaskRun", "InferenceService", "Deployment"):
            for item in self.client.list(kind, self.namespace) if self._served(kind) else []:
                for c in item.get("status", {}).get("conditions", []):
                    said.append(f"{kind} {item['metadata']['name']}: {c['type']}={c['status']} {c.get('reason', '')} {c.get('message', '')}")
        for pod in self.client.list("Pod", self.namespace):
            name, status = pod["metadata"]["name"], pod["status"]
            said.append(f"Pod {name}: {status.get('phase')} {status.get('message', '')}")
            for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
                said.append(f"  {container['name']}: {json.dumps(container['state'])}")
                said += [f"    | {line}" for line in self.log(name, container["name"]).splitlines()[-60:]]
        for event in self.client.list("v1/Event", self.namespace):
            said.append(f"Event {event['involvedObject']['kind']} {event['involvedObject'].get('name')}: {event['reason']}: {event.get('message')}")
        return "\n".join(said)

    def _served(self, kind: str) -> bool:
        try:
            self.client.resource(kind)
        except LookupError:
            return False
        return True

    # --- runs

    def start(self, pipeline: str = "deploy-inference-service", name: str = "run", spec: dict | None = None, **parameters) -> str:
        ordinary = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm"}
        values = {**ordinary, **parameters} if pipeline == "deploy-inference-service" else parameters
        run = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": f"{name}-"},
               "spec": {"pipelineRef": {"name": pipeline}, "params": parameter_list(values), **(spec or {})}}
        return self.client.create(run, self.namespace)["metadata"]["name"]

    def run(self, *args, timeout: float = PATIENCE, **kwargs) -> "Run":
        return self.finish(self.start(*args, **kwargs), timeout)

    def finish(self, name: str | None = None, timeout: float = PATIENCE) -> "Run":
        """Waits for the end of a run, ``begun`` when none is named."""
        item = self.client.wait_for("PipelineRun", name or self.begun, self.namespace, lambda i: condition(i, "Succeeded").get("status") in ("True", "False"), timeout)
        return Run(self, item)

    def run_task(self, spec: dict, timeout: float = PATIENCE) -> dict:
        return self.finish_task(self.start_task(spec), timeout)

    def start_task(self, spec: dict) -> str:
        run = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": "task-"}, "spec": spec}
        return self.client.create(run, self.namespace)["metadata"]["name"]

    def finish_task(self, name: str, timeout: float = PATIENCE) -> dict:
        return self.client.wait_for("TaskRun", name, self.namespace, lambda i: condition(i, "Succeeded").get("status") in ("True", "False"), timeout)

    def task_runs(self, run: str) -> list[dict]:
        return self.client.list("TaskRun", self.namespace, labels=f"tekton.dev/pipelineRun={run}")

    def wait_for_log(self, run: str, text: str, timeout: float = PATIENCE) -> str:
        """The pod of the run's only task, once its log says so."""
        deadline = time.monotonic() + timeout
        log = ""
        while time.monotonic() < deadline:
            for item in self.task_runs(run):
                pod = item.get("status", {}).get("podName")
                log = self.log(pod) if pod else ""
                if text in log:
                    return pod
            time.sleep(0.3)
        raise AssertionError(f"no {text!r} in the log of {run}:\n{log}")

    def log(self, pod: str, container: str = "step-deploy") -> str:
        try:
            return unwrap(self.client.logs(pod, self.namespace, container))
        except ApiError:
            return ""

    # --- the service

    def service(self, name: str = "qwen", namespace: str | None = None) -> dict:
        return self.client.get("InferenceService", name, namespace or self.namespace)

    def deployment(self, name: str = "qwen", namespace: str | None = None) -> dict:
        return self.client.get("Deployment", f"{name}-predictor", namespace or self.namespace)

    def serving_pods(self, name: str = "qwen", namespace: str | None = None) -> list[dict]:
        pods = self.client.list("Pod", namespace or self.namespace, labels=f"serving.kserve.io/inferenceservice={name}")
        return [pod for pod in pods if condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]]

    def load_model(self, name: str = "qwen") -> None:
        """Lets a model whose behaviour is "wait" be loaded."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            pods = self.client.list("Pod", self.namespace, labels=f"serving.kserve.io/inferenceservice={name}")
            addresses = [pod["status"]["podIP"] for pod in pods if pod["status"].get("phase") == "Running"]
            try:
                for address in addresses:
                    requests.post(f"http://{address}:8080/v2/repository/models/{name}/load", json={}, timeout=10).raise_for_status()
                if addresses:
                    return
            except requests.ConnectionError:
                pass  # it does not listen yet
            time.sleep(0.2)
        raise AssertionError(f"no model server of {name} runs")

    def served_commit(self, name: str = "qwen", namespace: str | None = None) -> str:
        """The commit whose files a serving pod has loaded, as it says itself."""
        pods = self.serving_pods(name, namespace)
        assert pods, "no pod serves"
        return self.ask(pods[-1], f"/v2/models/{name}")["versions"][0]

    @staticmethod
    def ask(pod: dict, path: str, body: dict | None = None) -> dict:
        """What the model server in a pod answers (Open Inference Protocol)."""
        answer = requests.request("POST" if body else "GET", f"http://{pod['status']['podIP']}:8080{path}", json=body, timeout=10)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()


class Run:
    """A PipelineRun that has ended."""

    def __init__(self, place: Place, item: dict):
        self.place, self.item, self.name = place, item, item["metadata"]["name"]
        self.succeeded = condition(item, "Succeeded")["status"] == "True"
        self.reason, self.message = condition(item, "Succeeded")["reason"], condition(item, "Succeeded")["message"]
        self.results = {r["name"]: r["value"] for r in item["status"].get("results", [])}
        self.tasks = {t["metadata"]["labels"]["tekton.dev/pipelineTask"]: t for t in place.task_runs(self.name)}

    def task_results(self, task: str = "deploy-inference-service") -> dict:
        return {r["name"]: r["value"] for r in self.tasks[task]["status"].get("results", [])}

    def exit_code(self, task: str = "deploy-inference-service") -> int:
        return self.tasks[task]["status"]["steps"][0]["terminated"]["exitCode"]

    def pod(self, task: str = "deploy-inference-service") -> dict:
        return self.place.client.get("Pod", self.tasks[task]["status"]["podName"], self.place.namespace)

    @property
    def endpoints(self) -> dict:
        return json.loads(self.results["RESULT"])

    @property
    def log(self) -> str:
        """What the steps said, for assertions that fail."""
        said = [f"{self.reason}: {self.message}"]
        for task in self.tasks.values():
            pod = task.get("status", {}).get("podName")
            said.append(self.place.log(pod) if pod else "no pod")
        return "\n".join(said)
