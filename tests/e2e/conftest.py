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

from e2e.place import ROOT, Place
from harness import alauda, real_node, servers
from harness.cluster import Cluster
from harness.gitlab import GitLab
from harness.gitlab_pki import Certificates
from harness.kserve import KServe
from harness.process import RunDir
from harness.real_node import Machine, RealNode
from harness.registry import Registry
from harness.tekton import Tekton, Triggers

HERE = Path(__file__).resolve().parent
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


def runtime(name: str = "model-server", runtime_class: str = "vllm", image: str = "registry.test/model-server:1") -> dict:
    return alauda.runtime(name, runtime_class, ["transformers"], {
        "image": image, "args": ["--model-name={{.Name}}"], "securityContext": RESTRICTED,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 600}})


@pytest.fixture(scope="session")
def kserve(cluster, gitlab):
    kserve = KServe(cluster, "0.16").start()
    storage = cluster.client.get("ClusterStorageContainer", "default")
    storage["spec"]["container"] |= {"image": "registry.test/storage-initializer:1", "securityContext": RESTRICTED, "env": [
        {"name": "GIT_SERVER", "value": gitlab.plain.authority}]}
    storage["spec"]["supportedUriFormats"] = [{"prefix": "hf://"}]
    storage["metadata"] = {"name": "default", "resourceVersion": storage["metadata"]["resourceVersion"]}
    cluster.client.replace(storage)
    cluster.client.apply(runtime())
    cluster.client.apply(runtime("without-image", "unpublished", "registry.test/model-server:of-tomorrow"))
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


class Ahead:
    """Makes places, and those of the next tests too when they begin with a run, so that a few runs are under way at a time."""

    AT_A_TIME = 3

    def __init__(self, items: list, cluster, gitlab):
        self._items, self._cluster, self._gitlab = items, cluster, gitlab
        self._made: dict[str, Place] = {}

    def take(self, item) -> Place:
        here = self._items.index(item)
        coming = [other for other in self._items[here + 1:here + self.AT_A_TIME] if other.get_closest_marker("deploys")]
        for other in [item, *coming]:
            if other.nodeid not in self._made:
                self._made[other.nodeid] = self._make(other)
        return self._made.pop(item.nodeid)

    def _make(self, item) -> Place:
        marker = item.get_closest_marker("deploys")
        wanted = marker.kwargs if marker else {}
        namespace = self._cluster.namespace(re.sub(r"^test_", "", item.originalname or item.name), wanted.get("labels"))
        place = Place(self._cluster, self._gitlab, namespace)
        if marker:
            if wanted["behaviour"]:
                place.project.commit({"behaviour": wanted["behaviour"]})
            if wanted["prepare"]:
                wanted["prepare"](place)
            place.begun = place.start(wanted["pipeline"], spec=wanted["spec"], **wanted["parameters"])
        return place

    def clean(self) -> None:
        for place in self._made.values():
            place.clean()


@pytest.fixture(scope="session")
def ahead(request, cluster, node, kserve, tekton, gitlab):
    ahead = Ahead(request.session.items, cluster, gitlab)
    yield ahead
    ahead.clean()


@pytest.fixture
def place(request, ahead):
    """A namespace prepared as the document says, with the Task and the Pipeline as they are in the tree."""
    place = ahead.take(request.node)
    yield place
    if getattr(request.node, "failed", False):
        print(place.story())
    place.clean()


def pytest_configure(config):
    config.addinivalue_line("markers", "deploys: the test's place begins with a PipelineRun (see place.deploys)")


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))  # the first one waits for all the servers too


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    failed = (yield).get_result().failed
    item.failed = failed or getattr(item, "failed", False)
