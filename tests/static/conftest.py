"""Fixtures of the static suite: what container/build makes, built once a run from the checkout as it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "deploy-inference-service"
NATIVE = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
ARCHS = os.environ.get("STATIC_ARCHS", NATIVE).split()


def container_build(*arguments: str, root: Path = ROOT, timeout: int = 1500, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(root / "container/build"), *arguments], env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=timeout, check=False,
    )


def sources_directory() -> Path:
    """Where container/build keeps its downloads."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / NAME
    return Path(os.environ.get("DEPLOY_INFERENCE_SERVICE_CACHE") or default) / "static/sources"


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dist/ of this checkout for every architecture of STATIC_ARCHS (default: that of this machine)."""
    output = tmp_path_factory.mktemp("dist")
    options = [option for arch in ARCHS for option in ("--arch", arch)]
    run = container_build("--install", *options, "--output", str(output))
    assert run.returncode == 0, run.stderr
    return output


@pytest.fixture(params=ARCHS)
def arch(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def binary(dist: Path, arch: str) -> Path:
    return dist / f"linux-{arch}" / NAME


@pytest.fixture
def native_binary(dist: Path) -> Path:
    return dist / f"linux-{NATIVE}" / NAME
