"""What a test run leaves behind on the machine, however it ends: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import leftovers
from harness.process import wait_until

TESTS = Path(__file__).resolve().parents[1]

# A test run of its own, with a node of its own and a pod on it, which ends as it is told.
INNER = '''
import json, os, time
from pathlib import Path

import pytest

@pytest.mark.timeout(600)
def test_that_ends(cluster, node, machine, run_directory):
    cluster.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hello", "namespace": "default"}, "spec": {
        "restartPolicy": "Never", "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}], "containers": [
            {"name": "server", "image": "registry.test/model-server:1", "volumeMounts": [{"name": "memory", "mountPath": "/memory"}]}]}})
    cluster.client.wait_for("Pod", "hello", "default", lambda p: p["status"].get("phase") == "Running", 300)
    namespaces = {kind: os.readlink(f"/proc/{machine.pid}/ns/{kind}") for kind in ("pid", "mnt", "net")}
    told = Path(os.environ["TOLD"])
    told.with_suffix(".new").write_text(json.dumps({"namespaces": namespaces, "cgroup": node.cgroup, "directory": str(run_directory)}))
    told.with_suffix(".new").rename(told)
    if os.environ["END"] == "hang":
        time.sleep(600)
    assert os.environ["END"] != "fail"
'''


def in_namespaces(namespaces: dict[str, str]) -> list[str]:
    """The processes that are in one of them."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            for kind, name in namespaces.items():
                try:
                    # A dead one, of which init has yet to take notice, holds nothing.
                    dead = (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
                    if not dead and os.readlink(process / "ns" / kind) == name:
                        found.append(f"{process.name} {(process / 'cmdline').read_bytes()[:80]!r} in {kind}")
                except OSError:
                    pass  # it has ended
    return found


def left(facts: dict) -> list[str]:
    mounts = Path("/proc/self/mounts").read_text()
    cgroups = [str(h / facts["cgroup"]) for h in leftovers.hierarchies() if (h / facts["cgroup"]).exists()]
    directory = [facts["directory"]] if os.path.exists(facts["directory"]) else []
    mounted = [line for line in mounts.splitlines() if facts["directory"] in line]
    return in_namespaces(facts["namespaces"]) + cgroups + directory + mounted


@pytest.mark.parametrize("end, number", [("pass", 0), ("fail", 0), ("hang", signal.SIGTERM), ("hang", signal.SIGKILL)],
                         ids=["passed", "failed", "SIGTERM", "SIGKILL"])
def test_nothing_is_left(end, number, tmp_path):
    told = tmp_path / "told"
    (tmp_path / "test_inner.py").write_text(INNER)
    environment = {**os.environ, "END": end, "TOLD": str(told), "PYTHONPATH": str(TESTS)}
    environment.pop("HARNESS_KEEP", None)
    with open(tmp_path / "output", "w+") as output:
        run = subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest", "-p", "e2e.conftest", "-c", str(TESTS / "pytest.ini"),
                                "--confcutdir", str(tmp_path), str(tmp_path / "test_inner.py")],
                               env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            wait_until(lambda: told.exists() or run.poll() is not None, 500, "a pod on the inner node")
            assert told.exists(), (tmp_path / "output").read_text()
            facts = json.loads(told.read_text())
            if end == "hang":
                # So that the check below is not content with anything.
                assert len(left(facts)) > 5
                run.send_signal(number)
            run.wait(300)
        finally:
            run.kill()
            run.wait()
    assert run.returncode == {"pass": 0, "fail": 1}.get(end, -number if number == signal.SIGKILL else 2), (tmp_path / "output").read_text()
    if number == signal.SIGKILL:
        deadline = time.monotonic() + leftovers.PATIENCE + 10
        while left(facts) and time.monotonic() < deadline:
            time.sleep(0.2)
    assert left(facts) == []
