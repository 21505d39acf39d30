"""The main job against real servers, by the static binary of each architecture and by the image in a container.

The cases in integration/ run here too when DEPLOY_INFERENCE_SERVICE names the static binary; these are the ones that must not differ.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import alauda
from harness.scenario import CrashLoop
from integration.conftest import gitlab, gitlab_server, place  # noqa: F401  (fixtures)

from .conftest import NAME, NATIVE, run_prefix
from .engines import Containerd

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def program(binary: Path, arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The binary of an architecture as a file that runs on this machine."""
    file = binary
    if arch != NATIVE:
        file = tmp_path / "program"
        file.write_text(f"#!/bin/sh\nexec {shlex.join([*run_prefix(arch), str(binary)])} \"$@\"\n")
        file.chmod(0o755)
    monkeypatch.setenv("DEPLOY_INFERENCE_SERVICE", str(file))
    return file


def test_deploys_until_the_revision_serves(program, place):  # noqa: F811
    run = place.deploy()
    assert run.code == 0, run.log
    service, deployment = place.service(), place.deployment()
    assert service["spec"]["predictor"]["model"]["storageUri"] == f"hf://{place.namespace}/qwen:{place.project.repository.head()}"
    assert deployment["status"]["availableReplicas"] == 1
    assert run.results["state"] == "ready"
    assert run.endpoints["OUT_CLUSTER_ENDPOINT"] == service["status"]["url"]


def test_says_why_a_rollout_failed(program, place, node):  # noqa: F811
    alauda.deployer(place.cluster, place.namespace, "deployer", diagnostics=True)
    node.scenario(place.namespace, CrashLoop(exit_code=1, logs={"kserve-container": "ValueError: no such architecture"}))
    run = place.deploy()
    assert run.code == 7, run.log
    assert run.results["state"] == "failed"
    assert "no such architecture" in run.results["reason"]


def test_a_server_that_is_not_trusted_is_named(program, place):  # noqa: F811
    run = place.deploy(env={"GITLAB_CA_FILE": str(place.cluster.ca_file)})
    assert run.code == 9, run.log
    assert "GITLAB_CA_FILE" in run.log
    assert str(place.token) not in run.log


def test_every_build_renders_the_same_bytes(program, arch, place, tmp_path_factory):  # noqa: F811
    """Another C library, another TLS library, another processor: the same document."""
    rendered = place.binary.run("render", "--output=json", results=False, INFERENCE_SERVICE_NAME="qwen", MODEL_REPO="qwen", RUNTIME_CLASS="vllm",
                                NAMESPACE=place.namespace)
    assert rendered.code == 0, rendered.log
    document = json.loads(rendered.output)
    # what differs from test to test: the namespace's name, the project's number, and the hash over them
    text = rendered.output.replace(place.namespace, "NAMESPACE").replace(f'"{place.project.id}"', '"ID"')
    for key, value in document["metadata"]["annotations"].items():
        if key.endswith("content-hash"):
            text = text.replace(value, "HASH")
    kept = tmp_path_factory.getbasetemp() / "rendered.json"
    if not kept.exists():
        kept.write_text(text)
    assert text == kept.read_text()


@pytest.fixture
def box(tmp_path: Path, place) -> Path:  # noqa: F811
    """A directory that another user can read: kubeconfig, GitLab's authority, and a results directory that it can write."""
    directory = tmp_path / "box"
    directory.mkdir()
    for name, source in (("kubeconfig", place.binary.kubeconfig), ("gitlab.crt", place.gitlab.ca_file)):
        shutil.copy(source, directory / name)
        (directory / name).chmod(0o644)
    (directory / "results").mkdir()
    os.chown(directory / "results", 65532, 65532)
    return directory


def test_the_image_deploys_as_a_restricted_container(containerd: Containerd, place, box: Path):  # noqa: F811
    """The whole job in a container: the image's user, read-only root, no capabilities, no new privileges, default seccomp profile."""
    parameters = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": place.namespace, "TIMEOUT": "60s",
                  "GITLAB_CA_FILE": "/box/gitlab.crt"}
    run = containerd.run_restricted(
        f"deploy-{place.namespace}", ["--kubeconfig=/box/kubeconfig", "--results-dir=/box/results", *(f"{k}={v}" for k, v in parameters.items())],
        options=["--net-host", "--mount", f"type=bind,src={box},dst=/box,options=rbind:rw"])
    assert run.returncode == 0, run.stderr
    assert (box / "results/state").read_text() == "ready"
    assert (box / "results/state").stat().st_uid == 65532
    assert place.deployment()["status"]["availableReplicas"] == 1
    assert sorted(path.name for path in box.iterdir()) == ["gitlab.crt", "kubeconfig", "results"]
    assert not [path for path in (box / "results").iterdir() if path.name.startswith(".")], "no half-written file stays"


def test_the_image_verifies_public_servers_with_its_own_bundle(containerd: Containerd, place, box: Path):  # noqa: F811
    """Without GITLAB_CA_FILE the bundle in the image counts: it is found and read, and does not know the test's authority."""
    parameters = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": place.namespace}
    run = containerd.run_restricted(f"render-{place.namespace}", ["render", "--kubeconfig=/box/kubeconfig", *(f"{k}={v}" for k, v in parameters.items())],
                                    options=["--net-host", "--mount", f"type=bind,src={box},dst=/box,options=rbind:ro"])
    assert run.returncode == 9, run.stdout
    assert "signed by an authority that is not trusted" in " ".join(run.stderr.split())
