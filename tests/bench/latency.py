"""How long after the decisive event in the API server the program has ended; by kind of end, medians of several runs.

    tests/bench/run latency [--runs N] [--binary FILE] [--kserve VERSION]

The decisive event is the status write that a person would point at: of Ready and the complete Deployment the later one, the third crash,
the back-off after a pull, InvalidSpec, the deletion. It is taken when a watch of this program shows it, the end when the process has been waited for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from harness import alauda, servers
from harness.client import is_true
from harness.cluster import Cluster
from harness.gitlab import GitLab
from harness.kserve import KServe
from harness.model_repository import qwen_files
from harness.node import Node
from harness.process import RunDir, exit_on_signals
from harness.scenario import CrashLoop, Gate, ImagePullError, Scenario

NAMESPACE = "bench"
KINDS = ("InferenceService", "Deployment", "Pod")


class Sightings:
    """Every state of the namespace's objects, with the moment in which a watch showed it."""

    def __init__(self, cluster: Cluster):
        self.client = cluster.client
        self.seen: list[tuple[float, str, str, dict]] = []
        for kind in KINDS:
            threading.Thread(target=self._watch, args=(kind,), daemon=True).start()

    def _watch(self, kind: str) -> None:
        path = self.client.resource(kind).path(NAMESPACE)
        version = self.client.request("GET", path)["metadata"]["resourceVersion"]
        with contextlib.suppress(OSError):  # the end of the API server
            with self.client.raw("GET", path, params={"watch": "true", "resourceVersion": version}, stream=True, timeout=3600) as answer:
                for line in answer.iter_lines(chunk_size=None):
                    at = time.monotonic()
                    event = json.loads(line)
                    self.seen.append((at, kind, event["type"], event["object"]))

    def of(self, name: str, kind: str) -> list[tuple[float, str, dict]]:
        """Of the InferenceService of this name, or what belongs to it."""
        return [(at, type, item) for at, its_kind, type, item in list(self.seen)
                if its_kind == kind and f"{item['metadata']['name']}-".startswith(f"{name}-")]


def complete(_type: str, item: dict) -> bool:
    status, replicas = item.get("status", {}), item["spec"].get("replicas", 1)
    return status.get("observedGeneration") == item["metadata"]["generation"] and \
        all(status.get(name) == replicas for name in ("replicas", "updatedReplicas", "availableReplicas"))


def containers(item: dict) -> list[dict]:
    return item.get("status", {}).get("containerStatuses") or []


def crashed(_type: str, item: dict) -> bool:
    """The third end of the container."""
    return any(c["restartCount"] >= 2 and "running" not in c["state"] for c in containers(item))


def not_pulled(_type: str, item: dict) -> bool:
    return any(c["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for c in containers(item))


def invalid(_type: str, item: dict) -> bool:
    return item.get("status", {}).get("modelStatus", {}).get("transitionStatus") == "InvalidSpec"


@dataclass
class End:
    title: str
    scenario: Scenario | None
    code: int
    changes: dict[str, str]
    update: bool = False

    def decisive(self, seen: Sightings, name: str, since: float, until: float) -> float | None:
        def first(kind, predicate):
            return next((at for at, type, item in seen.of(name, kind) if since <= at <= until + 0.2 and predicate(type, item)), None)

        if self.code == 0:
            moments = [first("Deployment", complete), self.last_ready(seen.of(name, "InferenceService"), since, until)]
            return max((moment for moment in moments if moment is not None), default=None)
        if self.title == "InvalidSpec":
            return first("InferenceService", invalid)
        if self.title == "deleted":
            return first("InferenceService", lambda _type, item: "deletionTimestamp" in item["metadata"])
        return first("Pod", not_pulled if self.title == "image missing" else crashed)

    @staticmethod
    def last_ready(states: list, since: float, until: float) -> float | None:
        """Ready may be there from before, and come again in between."""
        found, before = None, False
        for at, _type, item in states:
            now = is_true(item, "Ready")
            if now and not before and since <= at <= until:
                found = at
            before = now
        return found


ENDS = [
    End("ready, created", None, 0, {}),
    End("ready, updated", None, 0, {"CPU_LIMIT": "5"}, update=True),
    End("crashes", CrashLoop(exit_code=1, backoff=0.2, logs={"kserve-container": "RuntimeError: no such layer\n"}), 7, {}),
    End("image missing", ImagePullError(container="kserve-container"), 7, {}),
    End("InvalidSpec", None, 7, {"RUNTIME_CLASS": "broken"}),
    End("deleted", Scenario(load=Gate()), 7, {}),
]


class Bench:
    def __init__(self, directory: Path, cluster: Cluster, node: Node, gitlab: GitLab, kubeconfig: Path, binary: str):
        self.directory, self.cluster, self.node, self.binary, self.kubeconfig = directory, cluster, node, binary, kubeconfig
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "GITLAB_CA_FILE": str(gitlab.ca_file)}
        self.seen = Sightings(cluster)
        self.count = 0

    def start(self, name: str, changes: dict[str, str]) -> subprocess.Popen:
        parameters = {"INFERENCE_SERVICE_NAME": name, "MODEL_REPO": "qwen", "RUNTIME_CLASS": "plain", "NAMESPACE": NAMESPACE, "TIMEOUT": "60s", **changes}
        return subprocess.Popen([self.binary, f"--kubeconfig={self.kubeconfig}", *(f"{key}={value}" for key, value in parameters.items())],
                                env=self.env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.directory / "log").open("w"))

    def measure(self, end: End) -> float:
        """Milliseconds."""
        self.count += 1
        name = f"latency-{self.count}"
        self.node.clear(NAMESPACE)
        if end.update:
            assert self.start(name, {}).wait(90) == 0
        if end.scenario is not None:
            self.node.scenario(NAMESPACE, end.scenario)
        since = time.monotonic()
        process = self.start(name, end.changes)
        if end.title == "deleted":
            end.scenario.load.reached.clear()
            assert end.scenario.load.reached.wait(30)
            self.cluster.client.delete("InferenceService", name, NAMESPACE)
        code = process.wait(90)
        until = time.monotonic()
        assert code == end.code, f"{end.title}: exit {code}\n{(self.directory / 'log').read_text()}"
        time.sleep(0.2)
        moment = end.decisive(self.seen, name, since, until)
        assert moment is not None, f"{end.title}: nothing decisive was seen"
        if end.title != "deleted":
            self.cluster.client.delete("InferenceService", name, NAMESPACE)
        return (until - moment) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/bench/run latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--binary", default=os.environ.get("DEPLOY_INFERENCE_SERVICE", ""))
    parser.add_argument("--kserve", default="0.16")
    options = parser.parse_args()
    exit_on_signals()
    servers.ensure("etcd", "kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler", f"kserve-{options.kserve}")
    with RunDir() as directory, GitLab(directory) as gitlab, Cluster(directory / "cluster") as cluster:
        cluster.start()
        with Node(cluster) as node:
            node.start()
            KServe(cluster, options.kserve).start()
            alauda.install_runtimes(cluster)
            cluster.client.apply(alauda.runtime("broken", "broken", ["transformers"], {"image": "registry.test/x:1", "args": ["{{ .Nope }"]}))
            cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            gitlab.project(f"{NAMESPACE}/amlmodels/qwen", files=qwen_files(), name="qwen")
            alauda.install_git_config(cluster, NAMESPACE, gitlab.authority, str(gitlab.token()))
            account = alauda.deployer(cluster, NAMESPACE, "deployer", diagnostics=True)
            bench = Bench(directory, cluster, node, gitlab, Path(str(account.kubeconfig())), str(Path(options.binary).resolve()))
            print(f"From the decisive event to the exit, KServe {options.kserve}, {options.runs} runs each, ms\n")
            print("| end | median | least | most |\n|---|---|---|---|")
            for end in ENDS:
                taken = [bench.measure(end) for _ in range(options.runs)]
                print(f"| {end.title} | {statistics.median(taken):.0f} | {min(taken):.0f} | {max(taken):.0f} |", flush=True)


if __name__ == "__main__":
    main()
