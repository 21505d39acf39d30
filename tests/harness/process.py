"""Starts server programs, waits until they are ready, and makes sure that they end.

A server ends when its ``Process`` is stopped, when the interpreter exits, and, by the kernel's parent-death signal, when the
interpreter is killed. Each runs in its own process group, which is stopped as a whole, and writes to its own log file.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable

from . import leftovers

STOP_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
# Seconds in which a run that is told to end has ended, on a slow machine that stalls for some of them too: far less than it would
# wait otherwise, and no statement about speed. Those are tests/bench's.
AT_ONCE = 10.0


class ProcessError(Exception):
    """A server ended, or did not become ready in time; the message holds the end of its log."""


class _Spawner:
    """Starts every process from one thread that lives as long as the interpreter.

    Linux sends the parent-death signal when the *thread* that forked ends, so a server must not be started by a
    worker thread that comes and goes.
    """

    def __init__(self):
        self._requests: queue.Queue = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def popen(self, *args, **kwargs) -> subprocess.Popen:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="spawner")
                self._thread.start()
        answer: queue.Queue = queue.Queue()
        self._requests.put((answer, args, kwargs))
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def _run(self):
        while True:
            answer, args, kwargs = self._requests.get()
            try:
                answer.put(subprocess.Popen(*args, **kwargs))
            except BaseException as error:  # handed to the caller, whatever it is
                answer.put(error)


_spawner = _Spawner()
_running: list["Process"] = []


def renew_spawner() -> None:
    """Processes started from now on are children of a new thread, which is in the caller's network namespace."""
    global _spawner
    _spawner = _Spawner()


@atexit.register
def _stop_all() -> None:
    for process in reversed(list(_running)):
        process.stop(grace=3)


class Process:
    """One server program. ``argv[0]`` is a path or a name on PATH; ``env`` is added to this process's environment."""

    def __init__(self, name: str, argv: list[str], log: Path, env: dict[str, str] | None = None, cwd: Path | None = None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log = Path(log)
        self.env = env or {}
        self.cwd = cwd
        self._popen: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise ProcessError(f"{self.name} is not started")
        return self._popen.pid

    def start(self) -> "Process":
        if self.alive():
            raise ProcessError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        guarded = ["setpriv", "--pdeathsig", "KILL", "--", *self.argv]
        with open(self.log, "ab") as log:
            self._popen = _spawner.popen(guarded, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cwd,
                                         env={**os.environ, **self.env}, start_new_session=True)
        _running.append(self)
        return self

    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def wait_ready(self, ready: Callable[[], bool], timeout: float = 30) -> "Process":
        """Waits until ``ready()`` is true. It may raise OSError while the server is not there yet."""

        def check() -> bool:
            if not self.alive():
                raise ProcessError(f"{self.name} ended with {self._popen.returncode} before it was ready\n{self.log_tail()}")
            return ready()

        try:
            wait_until(check, timeout, f"{self.name} to be ready")
        except TimeoutError as error:
            raise ProcessError(f"{error}\n{self.log_tail()}") from None
        return self

    def signal(self, number: int) -> None:
        if self.alive():
            os.killpg(self.pid, number)

    def stop(self, grace: float = STOP_GRACE) -> None:
        """SIGTERM to the process group, then SIGKILL. Does nothing when it does not run."""
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                pass
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)  # whoever of the group outlived its leader
            self._popen.wait()
        if self in _running:
            _running.remove(self)

    def wait(self, timeout: float) -> bool:
        """Whether it has ended by itself within that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)
        return not self.alive()

    def kill(self) -> None:
        """SIGKILL at once: a crash."""
        self.signal(signal.SIGKILL)
        self.stop()

    def log_tail(self, lines: int = 30) -> str:
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return f"--- end of {self.log}\n" + "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> "Process":
        return self if self.alive() else self.start()

    def __exit__(self, *_) -> None:
        self.stop()


def wait_until(check: Callable[[], object], timeout: float, what: str, every: float = 0.05):
    """Calls ``check`` until it gives something true and returns that. OSError (connection refused) counts as not yet."""
    deadline = time.monotonic() + timeout
    last: BaseException | None = None
    while True:
        try:
            result = check()
            if result:
                return result
            last = None
        except OSError as error:
            last = error
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}" + (f": {last}" if last else ""))
        time.sleep(every)


_given_ports: set[int] = set()


def free_port() -> int:
    """A free TCP port on the loopback address, never the same one twice in this process.

    It lies below the kernel's range for outgoing connections (32768 and up), so that nobody's connection takes it between
    this call and the server's bind, or while a server is restarted.
    """
    for _ in range(200):
        port = random.randrange(20000, 32000)
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port
    raise ProcessError("found no free port between 20000 and 32000")


def listening(port: int, host: str = "127.0.0.1") -> bool:
    with socket.create_connection((host, port), timeout=1):
        return True


class RunDir:
    """A temporary directory for one run's certificates, data and logs; of a killed run it goes too. HARNESS_KEEP=1 keeps it, for a
    look at the logs."""

    def __init__(self, prefix: str = "deploy-inference-service-"):
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        if not self._kept():
            leftovers.directory(self.path)
        # At exit, after the servers: handlers run in the reverse order of their registration.
        atexit.unregister(_stop_all)
        atexit.register(self.remove)
        atexit.register(_stop_all)

    @staticmethod
    def _kept() -> bool:
        return os.environ.get("HARNESS_KEEP") == "1"

    def remove(self) -> None:
        if self._kept():
            print(f"kept {self.path}", flush=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        atexit.unregister(self.remove)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_) -> None:
        self.remove()


def exit_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end the interpreter in order, so that servers are stopped and files removed."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
