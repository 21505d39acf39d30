"""The demonstration behind tests/demo: the main job on real servers, shown as a user would see it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from . import alauda, binary, servers
from .client import Client
from .cluster import Cluster
from .gitlab import GitLab
from .kserve import KServe
from .model_repository import qwen_files
from .node import Node
from .process import RunDir, exit_on_signals
from .scenario import Scenario

NAMESPACE = "demo"


def title(text: str) -> None:
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def deploy(directory: Path, kubeconfig: str, gitlab: GitLab, namespace: str, runtime_class: str, **parameters: str) -> Path:
    """Runs the program as a person would; its progress goes to the terminal."""
    results = directory / f"results-{time.monotonic_ns()}"
    results.mkdir()
    argv = [binary.path(), f"--kubeconfig={kubeconfig}", f"--results-dir={results}", "INFERENCE_SERVICE_NAME=qwen", "MODEL_REPO=qwen",
            f"RUNTIME_CLASS={runtime_class}", f"NAMESPACE={namespace}", "TIMEOUT=5m", *(f"{name}={value}" for name, value in parameters.items())]
    shown = " ".join(argument for argument in ["deploy-inference-service", *argv[3:]])
    print(f"$ {shown}", flush=True)
    code = subprocess.run(argv, env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "TERM": "dumb", "GITLAB_CA_FILE": str(gitlab.ca_file)}).returncode
    if code != 0:
        raise SystemExit(f"the deploy ended with exit code {code}")
    return results


def show(client: Client | Kubectl, namespace: str, results: Path) -> None:
    service = client.get("InferenceService", "qwen", namespace)
    model = service["spec"]["predictor"]["model"]
    print(json.dumps({"storageUri": model["storageUri"], "runtime": model["runtime"], "limits": model["resources"]["limits"],
                      "ready": next(c["status"] for c in service["status"]["conditions"] if c["type"] == "Ready")}, indent=2))
    print("Tekton results:")
    for file in sorted(results.iterdir()):
        text = file.read_text()
        print(f"  {file.name}: {text.strip() if len(text) < 200 else text[:120].replace(chr(10), ' ') + '…'}")
    sys.stdout.flush()


def tell_the_story(directory: Path, client: Client, kubeconfig: str, gitlab: GitLab, namespace: str, runtime_class: str) -> None:
    title("Deploy the model repository demo/amlmodels/qwen")
    show(client, namespace, deploy(directory, kubeconfig, gitlab, namespace, runtime_class))
    title("Deploy it again with whole NVIDIA GPUs instead of HAMi shares")
    show(client, namespace, deploy(directory, kubeconfig, gitlab, namespace, runtime_class, NVIDIA_GPU="1"))
    title("Once more, unchanged")
    deploy(directory, kubeconfig, gitlab, namespace, runtime_class, NVIDIA_GPU="1")


def on_own_servers() -> None:
    title("Servers (compiled once, then cached)")
    servers.ensure("etcd", "kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler", "kserve-0.16")
    started = time.monotonic()
    with RunDir() as directory, GitLab(directory) as gitlab, Cluster(directory / "cluster") as cluster:
        cluster.start()
        with Node(cluster) as node:
            node.start()
            KServe(cluster, "0.16").start()
            alauda.install_runtimes(cluster)
            cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            gitlab.project(f"{NAMESPACE}/amlmodels/qwen", files=qwen_files())
            alauda.install_git_config(cluster, NAMESPACE, gitlab.authority, str(gitlab.token()))
            account = alauda.deployer(cluster, NAMESPACE, "deployer", diagnostics=True)
            node.scenario(NAMESPACE, Scenario(pull=0.5, init=1.5, load=1.5))
            print(f"etcd, Kubernetes, KServe 0.16 and GitLab are up after {time.monotonic() - started:.0f} s", flush=True)
            tell_the_story(directory, cluster.client, str(account.kubeconfig()), gitlab, NAMESPACE, "vllm")


class Kubectl:
    """The two calls that the story makes, by the kubectl that comes with the cluster's credentials (exec plugins and all)."""

    def __init__(self, kubeconfig: str):
        self._argv = ["kubectl", "--kubeconfig", kubeconfig]

    def get(self, kind: str, name: str, namespace: str) -> dict:
        return json.loads(subprocess.run([*self._argv, "get", kind, name, "-n", namespace, "-o", "json"], check=True, capture_output=True).stdout)

    def delete(self, kind: str, name: str, namespace: str) -> None:
        subprocess.run([*self._argv, "delete", kind, name, "-n", namespace, "--ignore-not-found"], check=True)


def on_your_cluster(kubeconfig: str, namespace: str, runtime_class: str) -> None:
    """Only GitLab is ours; the namespace must be there, and what is deployed is deleted again."""
    client = Kubectl(kubeconfig)
    with RunDir() as directory, GitLab(directory) as gitlab:
        gitlab.project(f"{namespace}/amlmodels/qwen", files=qwen_files())
        token = directory / "token"
        token.write_text(str(gitlab.token()))
        try:
            deploy_with = {"GITLAB_BASE_URL": gitlab.url, "GITLAB_TOKEN_FILE": str(token)}
            title("Deploy the model repository on your cluster")
            show(client, namespace, deploy(directory, kubeconfig, gitlab, namespace, runtime_class, **deploy_with))
        finally:
            client.delete("InferenceService", "qwen", namespace)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/demo", description=__doc__)
    parser.add_argument("--kubeconfig", help="a cluster of yours with KServe")
    parser.add_argument("--namespace", default=NAMESPACE)
    parser.add_argument("--runtime-class", default="vllm")
    options = parser.parse_args()
    exit_on_signals()
    if options.kubeconfig:
        on_your_cluster(options.kubeconfig, options.namespace, options.runtime_class)
    else:
        on_own_servers()
    title("Done: every server is stopped, nothing is left behind")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
