"""Fixtures for every test against real servers: one control plane a run, a namespace a test."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from harness import alauda
from harness.cluster import Cluster
from harness.kserve import KServe
from harness.node import Node
from harness.process import RunDir


def pytest_configure(config):
    # SIGTERM ends the run as Ctrl-C does, so that fixtures stop their servers.
    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(scope="session")
def run_dir() -> Path:
    """A directory of this run; gone afterwards unless HARNESS_KEEP=1."""
    with RunDir() as path:
        yield path


@pytest.fixture(scope="session")
def cluster(run_dir: Path) -> Cluster:
    """etcd, API server, controllers, scheduler and a node that plays kubelet. No KServe."""
    with Cluster(run_dir / "cluster") as cluster:
        cluster.start()
        with Node(cluster) as node:
            cluster.node = node.start()
            yield cluster


@pytest.fixture(scope="session")
def kserve(cluster: Cluster) -> KServe:
    """KServe (0.16, or $KSERVE_VERSION) on the cluster, with the runtimes of harness/alauda.py."""
    kserve = KServe(cluster, os.environ.get("KSERVE_VERSION", "0.16")).start()
    alauda.install_runtimes(cluster)
    yield kserve
    kserve.stop()


@pytest.fixture(scope="session")
def node(cluster: Cluster) -> Node:
    return cluster.node


@pytest.fixture
def namespace(cluster: Cluster, node: Node, request) -> str:
    """A namespace of this test alone."""
    name = cluster.namespace(re.sub(r"^test_", "", request.node.originalname or request.node.name))
    yield name
    cluster.delete_namespace(name)
    node.clear(name)
