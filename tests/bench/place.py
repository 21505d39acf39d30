"""Where the benchmark runs: real servers, the GitLab stand-in, and what both programs are given."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import alauda, servers
from harness.cluster import Cluster, ServiceAccount
from harness.gitlab import GitLab
from harness.kserve import KServe
from harness.model_repository import qwen_files
from harness.node import Node
from harness.process import RunDir

from .relay import Relay

NAMESPACE = "bench"
REPO = "qwen"
KUBERNETES = "kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler,kubectl"


@dataclass
class Place:
    """``api`` and ``git`` stand before the servers and count; ``tools`` is the directory of kubectl; ``account`` is the built tests/bench/account.c."""

    directory: Path
    cluster: Cluster
    gitlab: GitLab
    api: Relay
    git: Relay
    deployer: ServiceAccount
    kubeconfig: str
    tools: str
    account: Path
    count: int = 0

    def next_name(self) -> str:
        self.count += 1
        return f"bench-{self.count}"

    def forget(self, name: str) -> None:
        """Deletes an InferenceService; a run that failed before its apply has left none."""
        client = self.cluster.client
        if client.find("InferenceService", name, NAMESPACE) is not None:
            client.delete("InferenceService", name, NAMESPACE)


def parameters(name: str, **changes: str) -> list[str]:
    """What a Pipeline passes to the script, every parameter with its default, and to us."""
    values = {"INFERENCE_SERVICE_NAME": name, "INFERENCE_SERVICE_DESCRIPTION": "bench", "UPDATE_IF_EXISTS": "true", "MODEL_REPO": REPO,
              "MODEL_REPO_BRANCH": "", "MODEL_REPO_TAG": "", "RUNTIME_NAME": "", "RUNTIME_CLASS": "plain", "EPHIMERAL_STORAGE_SIZE": "10Gi",
              "PVC_NAME": "", "MIN_REPLICAS": "1", "MAX_REPLICAS": "1", "ENABLE_SERVERLESS": "false", "CPU_REQUEST": "1", "MEMORY_REQUEST": "4Gi",
              "CPU_LIMIT": "4", "MEMORY_LIMIT": "16Gi", "NVIDIA_GPUALLOC": "1", "NVIDIA_GPUCORES": "50", "NVIDIA_GPUMEM": "4096", "NVIDIA_GPU": "",
              "NAMESPACE": NAMESPACE, **changes}
    return [f"{key}={value}" for key, value in values.items()]


def build_account(directory: Path) -> Path:
    program = directory / "account"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", str(program), str(Path(__file__).with_name("account.c"))], check=True)
    return program


@contextlib.contextmanager
def open_place(kserve: str, keys: str) -> Iterator[Place]:
    """KEYS: "rsa" as kubeadm makes its certificates, or "ec"."""
    servers.ensure("etcd", KUBERNETES, f"kserve-{kserve}")
    with RunDir() as directory, GitLab(directory) as gitlab, Cluster(directory / "cluster", keys=keys) as cluster:
        cluster.start()
        port = int(cluster.server.rsplit(":", 1)[1])
        with Node(cluster) as node, Relay(("127.0.0.1", port)) as api, Relay(("127.0.0.1", gitlab.port)) as git:
            node.start()
            KServe(cluster, kserve).start()
            alauda.install_runtimes(cluster)
            cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            gitlab.project(f"{NAMESPACE}/amlmodels/{REPO}", files=qwen_files(), name=REPO)
            alauda.install_git_config(cluster, NAMESPACE, f"127.0.0.1:{git.port}", str(gitlab.token()))
            deployer = alauda.deployer(cluster, NAMESPACE, "deployer", diagnostics=True)
            kubeconfig = Path(str(deployer.kubeconfig())).read_text().replace(cluster.server, f"https://127.0.0.1:{api.port}")
            tools = str(Path(servers.program("kubernetes", "kubectl")).parent)
            yield Place(directory, cluster, gitlab, api, git, deployer, kubeconfig, tools, build_account(directory))
