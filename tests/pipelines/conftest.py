"""Tekton's own programs over a real API server, without a node: what they admit, resolve and start. Nothing here needs root.

The interceptors of Triggers listen on a fixed port. Where a network namespace can be made everything runs in one, so that two runs on
one machine do not meet.
"""

from __future__ import annotations

import pytest

from harness import real_node
from harness.cluster import Cluster
from harness.gitlab import GitLab
from harness.real_node import Machine
from harness.tekton import Tekton, Triggers


@pytest.fixture(scope="session")
def network(run_dir):
    if real_node.missing():
        yield
        return
    with Machine(run_dir / "machine"):
        yield


@pytest.fixture(scope="session")
def cluster(run_dir, network):
    with Cluster(run_dir / "cluster", scheduler=False) as cluster:
        yield cluster.start()


@pytest.fixture(scope="session")
def tekton(cluster):
    tekton = Tekton(cluster, "registry.test/entrypoint:1").start()
    yield tekton
    tekton.webhook.kill()  # on SIGTERM it goes on for a minute, for those who have not heard


@pytest.fixture(scope="session")
def triggers(tekton):
    triggers = Triggers(tekton).start()
    yield triggers
    for server in (triggers.webhook, triggers.interceptors):
        server.kill()


@pytest.fixture(scope="session")
def gitlab(run_dir, network):
    with GitLab(run_dir, tls=False) as server:
        yield server


@pytest.fixture
def namespace(cluster):
    name = cluster.namespace()
    yield name
    cluster.delete_namespace(name)
