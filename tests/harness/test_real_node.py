"""Where no real node can run, it is said why: never a failure, never nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import real_node

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take rights away")
@pytest.mark.parametrize("right, said", [("sys_admin", "namespaces"), ("net_admin", "a bridge and pairs of virtual Ethernet devices")])
def test_a_missing_right_is_named(right, said):
    if real_node.missing():
        pytest.skip(real_node.missing())
    answer = subprocess.run(["setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}", sys.executable, "-c",
                             "from harness.real_node import missing; print(missing())"], cwd=TESTS, capture_output=True, text=True, check=True)
    assert f"a real node needs {said}, which this machine does not allow:" in answer.stdout
    assert "not permitted" in answer.stdout


def test_it_needs_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert real_node.missing() == "a real node needs root"


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(real_node.shutil, "which", lambda name: None if name == "runc" else f"/usr/bin/{name}")
    assert real_node.missing() == "a real node needs runc, which is not installed"
