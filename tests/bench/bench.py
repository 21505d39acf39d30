"""Our binary and the shell script it replaces, side by side on the same servers in the same run; prints ratios.

    tests/bench/run [--script DOCUMENT.md] [--runs N] [--binary FILE] [--markdown]

DOCUMENT.md is the page "How to Use Pipeline to Deploy Inference Service", whose Pipeline holds the script; without it that column is left
out. Figures are whole-process: CPU as the operating system accounts it for the process tree, bytes and connections
as a TCP relay sees them, requests as the API server's audit log and GitLab's request log have them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness import alauda, servers
from harness.cluster import Cluster
from harness.gitlab import GitLab
from harness.kserve import KServe
from harness.model_repository import big_readme, qwen_files
from harness.node import Node
from harness.process import RunDir, exit_on_signals

from .relay import Relay

NAMESPACE = "bench"
DELAY = 0.05


@dataclass
class Measure:
    applied: float = 0.0  # seconds until the InferenceService was in the API server
    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0  # KiB, largest process
    requests: int = 0
    gitlab_requests: int = 0
    connections: int = 0
    bytes: int = 0
    code: int = 0


@dataclass
class Bench:
    directory: Path
    cluster: Cluster
    gitlab: GitLab
    api: Relay
    git: Relay
    account: object
    kubeconfig: Path
    binary: str
    count: int = 0
    tools: str = field(default="")

    def parameters(self, name: str, **changes: str) -> dict[str, str]:
        return {"INFERENCE_SERVICE_NAME": name, "INFERENCE_SERVICE_DESCRIPTION": "bench", "UPDATE_IF_EXISTS": "true", "MODEL_REPO": "qwen",
                "MODEL_REPO_BRANCH": "", "MODEL_REPO_TAG": "", "RUNTIME_NAME": "", "RUNTIME_CLASS": "plain", "EPHIMERAL_STORAGE_SIZE": "10Gi",
                "PVC_NAME": "", "MIN_REPLICAS": "1", "MAX_REPLICAS": "1", "ENABLE_SERVERLESS": "false", "CPU_REQUEST": "1",
                "MEMORY_REQUEST": "4Gi", "CPU_LIMIT": "4", "MEMORY_LIMIT": "16Gi", "NVIDIA_GPUALLOC": "1", "NVIDIA_GPUCORES": "50",
                "NVIDIA_GPUMEM": "4096", "NVIDIA_GPU": "", "NAMESPACE": NAMESPACE, **changes}

    def measure(self, argv: list[str], name: str, env: dict[str, str], to_applied: bool = True) -> Measure:
        """Runs ARGV to its end and watches for the InferenceService meanwhile."""
        client, applied = self.cluster.client, []
        stop = threading.Event()

        def watch() -> None:
            while not stop.is_set() and not applied:
                if client.find("InferenceService", name, NAMESPACE) is not None:
                    applied.append(time.monotonic())
                time.sleep(0.002)

        self.api.reset(), self.git.reset(), self.gitlab.clear_log()
        audit_before = len(self.cluster.audit(self.account.user))
        watcher = threading.Thread(target=watch, daemon=True)
        if to_applied:
            watcher.start()
        out, peak = self.directory / f"out-{self.count}", self.directory / "peak"
        # a child of Python inherits its peak memory from Python: GNU time starts the program from a small process
        argv = ["/usr/bin/time", "-q", "-o", str(peak), "-f", "%M", *argv]
        started = time.monotonic()
        with out.open("wb") as log:
            process = subprocess.Popen(argv, env=env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        ended = time.monotonic()
        time.sleep(0.3)
        stop.set()
        return Measure(applied=(applied[0] - started) if applied else float("nan"), wall=ended - started, cpu=usage.ru_utime + usage.ru_stime,
                       memory=int(peak.read_text().split()[-1]),
                       requests=len(self.cluster.audit(self.account.user)) - audit_before,
                       gitlab_requests=len(self.gitlab.requests), connections=self.api.connections + self.git.connections,
                       bytes=self.api.sent + self.api.received + self.git.sent + self.git.received, code=process.returncode)

    def name(self) -> str:
        self.count += 1
        return f"bench-{self.count}"

    def ours(self, timeout: str = "60s", **changes: str) -> Measure:
        name = self.name()
        argv = [self.binary, f"--kubeconfig={self.kubeconfig}", "--log-level=error",
                *(f"{key}={value}" for key, value in self.parameters(name, TIMEOUT=timeout, **changes).items())]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.directory), "GITLAB_CA_FILE": str(self.gitlab.ca_file)}
        result = self.measure(argv, name, env)
        self.delete(name)
        return result

    def delete(self, name: str) -> None:
        """A run that failed before its apply has left nothing."""
        if self.cluster.client.find("InferenceService", name, NAMESPACE) is not None:
            self.cluster.client.delete("InferenceService", name, NAMESPACE)

    def script(self, text: str) -> Measure:
        name = self.name()
        path = self.directory / "script.sh"
        path.write_text(text.replace("$(results.string-result.path)", str(self.directory / "string-result")))
        env = {"PATH": f"{self.tools}:/usr/bin:/bin", "HOME": str(self.directory), "KUBECONFIG": str(self.kubeconfig)}
        argv = ["bash", str(path), *(f"{key}={value}" for key, value in self.parameters(name).items())]
        result = self.measure(argv, name, env)
        self.delete(name)
        return result


def extract_script(document: Path) -> str:
    """The `script` of the Pipeline in the document's YAML block."""
    block = re.search(r"```yaml\n(apiVersion: tekton\.dev/v1\nkind: Pipeline\n.*?)```", document.read_text(encoding="utf-8"), re.S)
    if block is None:
        raise SystemExit(f"{document} holds no Pipeline")
    task = yaml.safe_load(block.group(1))["spec"]["tasks"][0]
    return next(item["value"] for item in task["params"] if item["name"] == "script")


def median(measures: list[Measure], key: str) -> float:
    return statistics.median(getattr(measure, key) for measure in measures)


ROWS = [("to applied, ms", "applied", 1000), ("CPU, ms", "cpu", 1000), ("peak memory, MiB", "memory", 1 / 1024), ("requests to Kubernetes", "requests", 1),
        ("requests to GitLab", "gitlab_requests", 1), ("connections", "connections", 1), ("bytes on the wire, KiB", "bytes", 1 / 1024)]


def compare(ours: list[Measure], script: list[Measure]) -> list[str]:
    lines = ["| what | ours | the script | script / ours |", "|---|---|---|---|"]
    for title, key, factor in ROWS:
        mine = median(ours, key) * factor
        theirs = f"{median(script, key) * factor:.1f}" if script else "–"
        ratio = f"{median(script, key) * factor / mine:.1f}" if script and mine else "–"
        lines.append(f"| {title} | {mine:.1f} | {theirs} | {ratio} |")
    return lines


def count_execs(bench: Bench, text: str) -> int | None:
    """How many programs the script starts, seen by strace; None without it."""
    if shutil.which("strace") is None:
        return None
    name = bench.name()
    log = bench.directory / "execs"
    env = {"PATH": f"{bench.tools}:/usr/bin:/bin", "HOME": str(bench.directory), "KUBECONFIG": str(bench.kubeconfig)}
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o", str(log), "bash", str(bench.directory / "script.sh"),
                    *(f"{key}={value}" for key, value in bench.parameters(name).items())], env=env, cwd=bench.directory, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    bench.delete(name)
    return log.read_text().count("execve(")


def round_trips(bench: Bench) -> float:
    """Dependent round trips to applied: how much later a delay of each message makes it, plus the TCP handshakes that the relay hides."""
    plain = statistics.median(bench.ours().applied for _ in range(3))
    bench.api.delay = bench.git.delay = DELAY
    slow = statistics.median(bench.ours().applied for _ in range(3))
    bench.api.delay = bench.git.delay = 0.0
    return (slow - plain) / (2 * DELAY) + 2


def sizes(bench: Bench) -> list[str]:
    """Our cost against large installations."""
    lines = ["| installation | requests to Kubernetes | requests to GitLab | CPU, ms | code |", "|---|---|---|---|---|"]

    def add(title: str, **changes: str) -> None:
        runs = [bench.ours(**changes) for _ in range(3)]
        lines.append(f"| {title} | {median(runs, 'requests'):.0f} | {median(runs, 'gitlab_requests'):.0f} | {median(runs, 'cpu') * 1000:.1f} | "
                     f"{runs[0].code} |")

    add("small")
    bench.gitlab.virtual_projects(10_000, like=bench.gitlab.project(f"{NAMESPACE}/amlmodels/like", files=qwen_files()))
    add("10,000 projects")
    bench.gitlab.project(f"{NAMESPACE}/amlmodels/big", files={**qwen_files(), "README.md": big_readme(1_000_000, pipeline_tag="text-generation", library_name="transformers")})
    add("a README of 1 MB", MODEL_REPO="big")
    template = alauda.runtimes()["vllm-cuda-12"]
    for index in range(500):
        runtime = json.loads(json.dumps(template))
        runtime["metadata"]["name"] = f"many-{index:03d}"
        runtime["metadata"]["labels"]["cpaas.io/runtime-class"] = "many"
        bench.cluster.client.create(runtime)
    add("500 runtimes of the class", RUNTIME_CLASS="many")
    for index in range(5000):
        bench.cluster.client.create({"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"noise-{index}", "namespace": NAMESPACE},
                                     "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": f"other-{index}"}, "reason": "Noise", "message": "x" * 200,
                                     "type": "Normal"})
    add("5,000 events in the namespace")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, help="the document whose Pipeline holds the script")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--binary", default=os.environ.get("DEPLOY_INFERENCE_SERVICE", ""))
    parser.add_argument("--no-sizes", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    text = extract_script(options.script) if options.script else None
    servers.ensure("etcd", "kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler,kubectl", "kserve-0.16")
    with RunDir() as directory, GitLab(directory) as gitlab, Cluster(directory / "cluster") as cluster:
        cluster.start()
        with Node(cluster) as node, Relay(("127.0.0.1", int(cluster.server.rsplit(":", 1)[1]))) as api, Relay(("127.0.0.1", gitlab.port)) as git:
            node.start()
            KServe(cluster, "0.16").start()
            alauda.install_runtimes(cluster)
            cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            gitlab.project(f"{NAMESPACE}/amlmodels/qwen", files=qwen_files(), name="qwen")
            alauda.install_git_config(cluster, NAMESPACE, f"127.0.0.1:{git.port}", str(gitlab.token()))
            account = alauda.deployer(cluster, NAMESPACE, "deployer", diagnostics=True)
            kubeconfig = Path(str(account.kubeconfig()))
            through = directory / "kubeconfig"
            through.write_text(kubeconfig.read_text().replace(cluster.server, f"https://127.0.0.1:{api.port}"))
            bench = Bench(directory, cluster, gitlab, api, git, account, through, options.binary, tools=str(Path(servers.program("kubernetes", "kubectl")).parent))
            bench.ours()  # warm-up of servers and files
            ours, script = [], []
            for _ in range(options.runs):
                ours.append(bench.ours())
                if text is not None:
                    script.append(bench.script(text))
            print(f"## Side by side, medians of {options.runs} runs in turn\n")
            print("\n".join(compare(ours, script)))
            if text is not None:
                execs = count_execs(bench, text)
                print(f"| programs started | 1 | {execs if execs is not None else '– (no strace)'} | {execs or '–'} |")
            print(f"\nexit codes: ours {sorted({m.code for m in ours})}" + (f", the script {sorted({m.code for m in script})}" if script else ""))
            print(f"dependent round trips to applied, TCP handshakes included: {round_trips(bench):.1f}")
            print(f"binary: {Path(options.binary).stat().st_size / 1e6:.2f} MB")
            sys.stdout.flush()
            if not options.no_sizes:
                print("\n## Cost against size\n")
                print("\n".join(sizes(bench)))


if __name__ == "__main__":
    main()
