"""A cluster of one real node, with Tekton and KServe: what a PipelineRun of a user meets, except for the GPU and GitLab.

Images come from a registry of our own: the program's as container/build makes it, Tekton's entrypoint, and three tiny programs of
images/*.c in place of pause, model server and storage initializer.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import alauda, real_node, servers
from harness.cluster import Cluster
from harness.gitlab import GitLab
from harness.gitlab_pki import Certificates
from harness.kserve import KServe
from harness.process import RunDir
from harness.real_node import Machine, RealNode
from harness.registry import Registry
from harness.tekton import Tekton, Triggers

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TASK = ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
GPUS = {"nvidia.com/gpualloc": "100", "nvidia.com/gpucores": "10000", "nvidia.com/gpumem": "1000000", "nvidia.com/gpu": "4"}
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
              "seccompProfile": {"type": "RuntimeDefault"}}


def image_archive() -> Path:
    """The image of container/build: $IMAGE_ARCHIVE, else dist/image.oci.tar."""
    return Path(os.environ.get("IMAGE_ARCHIVE", ROOT / "dist" / "image.oci.tar"))


@pytest.fixture(scope="session", autouse=True)
def possible():
    """Skips everything here, with the reason, where no real node can run."""
    reason = real_node.missing()
    if reason:
        pytest.skip(reason)
    if not image_archive().exists():
        pytest.fail(f"{image_archive()} is missing: run container/build first, or set IMAGE_ARCHIVE")


@pytest.fixture(scope="session")
def run_directory(possible) -> Path:
    with RunDir() as path:
        yield path


@pytest.fixture(scope="session")
def machine(run_directory):
    with Machine(run_directory / "machine") as machine:
        yield machine


def compiled(directory: Path, name: str) -> bytes:
    program = directory / name
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o", str(program),
                    str(HERE / "images" / f"{name}.c")], check=True)
    return program.read_bytes()


@pytest.fixture(scope="session")
def registry(machine, run_directory):
    with Registry(machine.address) as registry:
        for name in ("pause", "model_server", "storage_initializer"):
            registry.add(name.replace("_", "-"), "1", {name: compiled(run_directory, name)}, [f"/{name}"])
        registry.digest = registry.add_oci_archive("library/deploy-inference-service", "0.1.0", image_archive())
        yield registry


@pytest.fixture(scope="session")
def cluster(machine, registry, run_directory):
    flags = ("--bind-address=0.0.0.0",)
    with Cluster(run_directory / "cluster", host=machine.address, port=443, apiserver_flags=flags) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture(scope="session")
def node(cluster, machine, registry):
    with RealNode(machine, cluster, registry, pause="registry.test/pause:1", resources=GPUS) as node:
        yield node


@pytest.fixture(scope="session")
def gitlab(machine, run_directory):
    """The GitLab of the models, over HTTPS; ``plain`` serves the same repositories to the storage initializer."""
    certificate = Certificates(run_directory / "gitlab-pki").issue("gitlab", (machine.address,))
    with GitLab(run_directory, host=machine.address, certificate=certificate) as server, GitLab(run_directory, host=machine.address, tls=False) as plain:
        server.plain = plain
        yield server


def runtime() -> dict:
    return alauda.runtime("model-server", "vllm", ["transformers"], {
        "image": "registry.test/model-server:1", "args": ["--model-name={{.Name}}"], "securityContext": RESTRICTED,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 600}})


@pytest.fixture(scope="session")
def kserve(cluster, gitlab):
    kserve = KServe(cluster, "0.16").start()
    storage = cluster.client.get("ClusterStorageContainer", "default")
    storage["spec"]["container"] |= {"image": "registry.test/storage-initializer:1", "env": [
        {"name": "GIT_SERVER", "value": gitlab.plain.authority}]}
    storage["spec"]["supportedUriFormats"] = [{"prefix": "hf://"}]
    storage["metadata"] = {"name": "default", "resourceVersion": storage["metadata"]["resourceVersion"]}
    cluster.client.replace(storage)
    cluster.client.apply(runtime())
    yield kserve
    kserve.stop()


@pytest.fixture(scope="session")
def tekton(cluster, node, registry):
    entrypoint = Path(servers.program("tekton", "entrypoint")).read_bytes()
    registry.add("entrypoint", "1", {"ko-app/entrypoint": entrypoint}, ["/ko-app/entrypoint"])
    tekton = Tekton(cluster, "registry.test/entrypoint:1").start()
    yield tekton
    tekton.webhook.kill()  # on SIGTERM it goes on for a minute, for those who have not heard


@pytest.fixture(scope="session")
def triggers(tekton):
    triggers = Triggers(tekton).start()
    yield triggers
    for server in (triggers.webhook, triggers.interceptors):
        server.kill()


def load(path: Path) -> list[dict]:
    return [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]


@pytest.fixture
def place(request, cluster, node, kserve, tekton, gitlab):
    """A namespace prepared as the document says, with the Task and the Pipeline as they are in the tree."""
    from e2e.place import Place

    labels = getattr(request, "param", None)
    name = cluster.namespace(re.sub(r"^test_", "", request.node.originalname or request.node.name), labels)
    place = Place(cluster, gitlab, name)
    yield place
    place.clean()
