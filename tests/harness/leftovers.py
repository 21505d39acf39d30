"""Takes away what the kernel leaves behind when a test run is killed: its directory, and the cgroups of its real node.

    leftovers.directory(path)                # gone when this interpreter has ended, however it ended
    leftovers.cgroups("deploy-inference-service-e2e-1234")

This file is also the program that does it: it reads lines "directory PATH" and "cgroups NAME" until its standard input ends, which is
when the test run is no more, and removes what they name. It is in a session of its own, so that what ends the test run does not end it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 20.0  # seconds for killed processes to be gone

_remover: subprocess.Popen | None = None


def _tell(line: str) -> None:
    global _remover
    if _remover is None:
        _remover = subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, text=True, cwd="/",
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        atexit.register(_finish)
    _remover.stdin.write(line + "\n")
    _remover.stdin.flush()


def _finish() -> None:
    _remover.stdin.close()
    try:
        _remover.wait(PATIENCE + 5)
    except subprocess.TimeoutExpired:
        print("the test run left something behind: see harness/leftovers.py", file=sys.stderr)


def directory(path: Path) -> None:
    """Will be removed."""
    _tell(f"directory {path}")


def cgroups(name: str) -> None:
    """Will be removed from every hierarchy."""
    _tell(f"cgroups {name}")


def unified() -> bool:
    """Whether this is cgroup v2."""
    return (CGROUPS / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Where cgroups are made: one place with cgroup v2, one for each controller with v1."""
    if unified():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()]


def remove_cgroups(name: str) -> bool:
    """Removes a cgroup and those in it from every hierarchy; False while a process is left in one."""
    done = True
    for hierarchy in hierarchies():
        for path, _, _ in os.walk(hierarchy / name, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                done = False
    return done


def remove_directory(path: str) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not os.path.exists(path)


def main() -> None:
    directories: list[str] = []
    groups: list[str] = []
    for line in sys.stdin:
        verb, _, name = line.rstrip("\n").partition(" ")
        if verb == "directory":
            directories.append(name)
        elif verb == "cgroups":
            groups.append(name)
    deadline = time.monotonic() + PATIENCE
    while not all([remove_directory(path) for path in directories] + [remove_cgroups(name) for name in groups]):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)


if __name__ == "__main__":
    main()
