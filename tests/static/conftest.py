"""Fixtures of the static suite: what container/build makes, built once a run from the checkout as it is."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .engines import Containerd, Registry

ROOT = Path(__file__).resolve().parents[2]
NAME = "deploy-inference-service"
NATIVE = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
ARCHS = os.environ.get("STATIC_ARCHS", "amd64 arm64").split()  # the foreign one is cross-compiled and runs under qemu-user
EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}


def container_build(*arguments: str, root: Path = ROOT, timeout: int = 1500, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(root / "container/build"), *arguments], env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=timeout, check=False,
    )


def run_prefix(arch: str) -> list[str]:
    """What runs a program of an architecture on this machine."""
    return [] if arch == NATIVE else [EMULATORS[arch]]


def sources_directory() -> Path:
    """Where container/build keeps its downloads."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / NAME
    return Path(os.environ.get("DEPLOY_INFERENCE_SERVICE_CACHE") or default) / "static/sources"


class StaticBuild(NamedTuple):
    dist: Path
    meson: Path  # Meson's build directory of each architecture is below
    run: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def static_build(tmp_path_factory: pytest.TempPathFactory) -> StaticBuild:
    """This checkout built once, with its unit tests run: in the native build and under qemu-user. A failure of theirs is for
    the test that looks at them."""
    directory = tmp_path_factory.mktemp("static")
    options = [option for arch in ARCHS for option in ("--arch", arch)]
    run = container_build("--install", "--test", *options, "--output", str(directory / "dist"), "--build", str(directory / "meson"))
    assert (directory / "dist/SHA256SUMS").exists(), run.stderr[-8000:]
    return StaticBuild(directory / "dist", directory / "meson", run)


@pytest.fixture(scope="session")
def dist(static_build: StaticBuild) -> Path:
    """dist/ of this checkout, with every architecture of STATIC_ARCHS."""
    return static_build.dist


@pytest.fixture(params=ARCHS)
def arch(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def binary(dist: Path, arch: str) -> Path:
    return dist / f"linux-{arch}" / NAME


@pytest.fixture(scope="session")
def native_binary(dist: Path) -> Path:
    return dist / f"linux-{NATIVE}" / NAME


@pytest.fixture(scope="session")
def version(dist: Path) -> str:
    """The image's tag."""
    with tarfile.open(dist / "image.oci.tar") as archive:
        index = json.load(archive.extractfile("index.json"))
    return index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]


@pytest.fixture(scope="module")
def containerd(dist: Path, version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    """A containerd that has imported the image."""
    engine = Containerd(tmp_path_factory.mktemp("containerd"))
    try:
        engine.import_image(dist / "image.oci.tar", f"docker.io/library/{NAME}:{version}")
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    server = Registry(tmp_path)
    try:
        yield server
    finally:
        server.stop()
