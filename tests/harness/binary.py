"""Runs the program under test as a pipeline's step would, and keeps what came of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path


def path() -> str:
    """The binary: $DEPLOY_INFERENCE_SERVICE, which tests/run sets."""
    return os.environ.get("DEPLOY_INFERENCE_SERVICE", str(Path(__file__).resolve().parents[2] / "build" / "deploy-inference-service"))


WIDTH = 100


def unwrap(log: str) -> str:
    """The lines as they were before the program broke them at WIDTH columns: those that are indented and had no room on the line before."""
    lines: list[str] = []
    last = ""  # the line before, as it stands in the log
    for line in log.split("\n"):
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        broken = lines and text and indent >= 4 and len(last) + 1 + len(text.split(" ")[0]) > WIDTH
        if broken:
            lines[-1] += " " + text
        else:
            lines.append(line)
        last = line
    return "\n".join(lines)


@dataclass
class Run:
    """``log`` has a message a line; ``raw_log`` is what was written."""

    code: int
    output: str
    log: str
    seconds: float
    results: dict[str, str] = field(default_factory=dict)
    raw_log: str = ""

    @property
    def endpoints(self) -> dict[str, str]:
        return json.loads(self.results["string-result"])

    def took(self, stage: str) -> str:
        """What the log says of a stage."""
        match = re.search(rf"^{stage} +(.*)$", self.log, re.M)
        return match.group(1) if match else ""


class Running:
    """A run under way: its log grows in ``log()``."""

    def __init__(self, process: subprocess.Popen, log_file: Path, out_file: Path, results: Path | None, started: float):
        self.process, self._log, self._out, self._results, self._started = process, log_file, out_file, results, started

    def log(self) -> str:
        return unwrap(self._log.read_text(errors="replace"))

    def wait_for_log(self, text: str, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.log():
            assert self.process.poll() is None or text in self.log(), f"ended with {self.process.returncode} without {text!r}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {text!r} within {timeout} s:\n{self.log()}"
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self, timeout: float = 90) -> Run:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {timeout} s:\n{self.log()}") from None
        results = {}
        if self._results is not None and self._results.is_dir():
            results = {file.name: file.read_text() for file in self._results.iterdir()}
        return Run(code, self._out.read_text(errors="replace"), self.log(), time.monotonic() - self._started, results,
                   self._log.read_text(errors="replace"))


class Binary:
    """``environment`` is all that the program sees, so that nothing of the tester's machine leaks in."""

    def __init__(self, directory: Path, kubeconfig: Path | None = None, environment: dict[str, str] | None = None):
        self.directory = directory
        self.kubeconfig = kubeconfig
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **(environment or {})}
        self._count = 0

    def start(self, *arguments: str, env: dict[str, str] | None = None, results: bool = True, **parameters) -> Running:
        self._count += 1
        base = self.directory / f"run-{self._count}"
        base.mkdir()
        argv = [path(), *arguments]
        if self.kubeconfig is not None and not any(a.startswith("--kubeconfig") for a in arguments):
            argv += ["--kubeconfig", str(self.kubeconfig)]
        results_dir = None
        if results:
            results_dir = base / "results"
            results_dir.mkdir()
            argv += ["--results-dir", str(results_dir)]
        argv += [f"{name}={value}" for name, value in parameters.items()]
        log_file, out_file = base / "log", base / "out"
        with log_file.open("w") as log, out_file.open("w") as out:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                       env={**self.environment, **(env or {})}, cwd=base)
        return Running(process, log_file, out_file, results_dir, time.monotonic())

    def run(self, *arguments: str, timeout: float = 90, **kwargs) -> Run:
        return self.start(*arguments, **kwargs).finish(timeout)
