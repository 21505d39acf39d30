"""Runs our program or the script once and tells what it cost, up to its apply or to its end.

*Applied* is the moment at which a watch on the API server shows the InferenceService. A run "to applied" is killed there, so that its CPU, its
memory and its bytes are those of the way to the apply and nothing else. Each run has a home directory of its own, as a step's container has.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from .place import NAMESPACE, Place, parameters

LONGEST = 120


@dataclass
class Cost:
    applied: float  # seconds from the program's start; nan: never
    wall: float
    cpu: float
    memory: int  # KiB, of the largest process
    page_faults: int
    requests: int  # to Kubernetes; up to the apply's own when the run ended there
    gitlab_requests: int
    connections: int
    bytes: int
    code: int


class Arrival(threading.Thread):
    """Waits for an InferenceService; ``at`` is when a watch showed it, on the monotonic clock."""

    def __init__(self, place: Place, name: str):
        super().__init__(daemon=True)
        self.place, self.name, self.at = place, name, float("nan")
        self.begun, self.seen = threading.Event(), threading.Event()

    def run(self) -> None:
        client = self.place.cluster.client
        response = client.raw("GET", client.resource("InferenceService").path(NAMESPACE), stream=True, timeout=LONGEST,
                              params={"watch": "true", "fieldSelector": f"metadata.name={self.name}", "timeoutSeconds": str(LONGEST)})
        self.begun.set()
        with response, contextlib.suppress(requests.RequestException):  # the servers ended first
            if next(filter(None, response.iter_lines(chunk_size=None)), None) is not None:
                self.at = time.monotonic()
                self.seen.set()


def children_of(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return set()


def end_at_apply(launcher: subprocess.Popen[bytes]) -> None:
    """Kills the program; a shell may first see its kubectl end, so that its cost counts whole."""
    for program in children_of(launcher.pid):
        writing, deadline = children_of(int(program)), time.monotonic() + 5
        while writing & children_of(int(program)) and time.monotonic() < deadline:
            time.sleep(0.001)
    launcher.send_signal(signal.SIGTERM)


def count_requests(place: Place, before: int, to_applied: bool) -> int:
    """From the audit log, which is written a little later."""
    time.sleep(0.3)
    entries = place.cluster.audit(place.deployer.user)[before:]
    applies = [entry["requestReceivedTimestamp"] for entry in entries if entry["verb"] in ("create", "patch") and
               entry.get("objectRef", {}).get("resource") == "inferenceservices" and "dryRun=" not in entry["requestURI"]]
    if to_applied and applies:
        entries = [entry for entry in entries if entry["requestReceivedTimestamp"] <= applies[-1]]
    return len(entries)


def run(place: Place, argv: list[str], report: Path, env: dict[str, str], name: str, to_applied: bool) -> Cost:
    """ARGV holds tests/bench/account.c, which leaves its figures in REPORT."""
    arrival = Arrival(place, name)
    arrival.start()
    arrival.begun.wait(10)
    for counted in (place.api, place.git):
        counted.reset()
    place.gitlab.clear_log()
    before = len(place.cluster.audit(place.deployer.user))
    with (place.directory / f"{name}.log").open("wb") as log:
        launcher = subprocess.Popen(argv, env=env, cwd=place.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + LONGEST
        while launcher.poll() is None and time.monotonic() < deadline:
            if to_applied and arrival.seen.wait(0.002):
                end_at_apply(launcher)
                break
            if not to_applied:
                time.sleep(0.002)
        launcher.wait(LONGEST)
    sent = sum(relay.sent + relay.received for relay in (place.api, place.git))
    connections = place.api.connections + place.git.connections
    arrival.seen.wait(0.3)
    told = json.loads(report.read_text())
    cost = Cost(applied=arrival.at - told["started_us"] / 1e6, wall=(told["ended_us"] - told["started_us"]) / 1e6,
                cpu=(told["user_us"] + told["system_us"]) / 1e6, memory=told["peak_kib"], page_faults=told["page_faults"],
                requests=count_requests(place, before, to_applied), gitlab_requests=len(place.gitlab.requests), connections=connections, bytes=sent,
                code=told["exit_code"])
    place.forget(name)
    return cost


def ours(place: Place, binary: str, to_applied: bool = True, **changes: str) -> Cost:
    name = place.next_name()
    kubeconfig = place.directory / "kubeconfig"
    kubeconfig.write_text(place.kubeconfig)
    report = place.directory / "cost.json"
    argv = [str(place.account), str(report), binary, f"--kubeconfig={kubeconfig}", "--log-level=error", *parameters(name, TIMEOUT="60s", **changes)]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place.directory), "GITLAB_CA_FILE": str(place.gitlab.ca_file)}
    return run(place, argv, report, env, name, to_applied)


class Script:
    """The script in a /tmp of its own, because it writes there under fixed names. ``text`` is its source, untouched but for the one place
    that Tekton fills in, the path of its result."""

    def __init__(self, place: Place, text: str):
        self.place = place
        self.tmp = place.directory / "tmp"
        self.text = text.replace("$(results.string-result.path)", "/tmp/string-result")

    def prepare(self, runner: list[str], name: str) -> tuple[list[str], dict[str, str]]:
        """RUNNER runs the script; /tmp is the private one from the start."""
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.tmp.mkdir()
        shutil.copy(self.place.account, self.tmp)
        (self.tmp / "script.sh").write_text(self.text)
        (self.tmp / "kubeconfig").write_text(self.place.kubeconfig)
        private = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /tmp && exec "$@"', str(self.tmp)]
        env = {"PATH": f"{self.place.tools}:/usr/bin:/bin", "HOME": "/tmp", "KUBECONFIG": "/tmp/kubeconfig"}
        return [*private, *runner, "bash", "/tmp/script.sh", *parameters(name)], env

    def run(self, to_applied: bool = True) -> Cost:
        name = self.place.next_name()
        argv, env = self.prepare(["/tmp/account", "/tmp/cost.json"], name)
        return run(self.place, argv, self.tmp / "cost.json", env, name, to_applied)

    def trace(self) -> list[str]:
        """The programs that it starts up to and with its apply, in order; empty without strace."""
        if shutil.which("strace") is None:
            return []
        name = self.place.next_name()
        argv, env = self.prepare(["strace", "-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o", "/tmp/trace"], name)
        subprocess.run(argv, env=env, cwd=self.place.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        log = self.tmp / "trace"
        self.place.forget(name)
        programs = []
        for line in log.read_text().splitlines():
            if "execve(" not in line:
                continue
            programs.append(line.split('execve("', 1)[1].split('"', 1)[0])
            if '"kubectl", "apply"' in line:
                break
        return programs
