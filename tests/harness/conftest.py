"""Fixtures of the harness's own tests: a GitLab stand-in over HTTPS (g), over HTTP (plain), and a project in it (model)."""

from __future__ import annotations

import pytest

from harness.gitlab import GitLab
from harness.model_repository import qwen_files


@pytest.fixture
def g(tmp_path):
    with GitLab(tmp_path) as server:
        yield server


@pytest.fixture
def model(g):
    return g.project("demo-ns/amlmodels/qwen", files=qwen_files())


@pytest.fixture
def plain(tmp_path):
    with GitLab(tmp_path, tls=False) as server:
        yield server
