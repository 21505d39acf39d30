"""Downloads of container/build: only what the lock names is ever used."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT

SOURCES = ROOT / "container/lib/sources.py"
POOL = "pool/main/e/example/example_1.0.orig.tar.gz"
CONTENT = b"the source as it was locked\n"


@contextlib.contextmanager
def serve(directory: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/debian"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A mirror with one file: its URL, and the path of the file."""
    served = tmp_path / "served"
    file = served / "debian" / POOL
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    with serve(served) as url:
        yield url, file


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "sources.lock"
    path.write_text(f"# comment\nexample 1.0-1 {hashlib.sha256(CONTENT).hexdigest()} {len(CONTENT)} {POOL}\n")
    return path


def fetch(url: str, lock: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SOURCES), "--mirror", url, "fetch", str(lock), str(directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_fetches_what_the_lock_names(mirror: tuple[str, Path], lock: Path, tmp_path: Path):
    run = fetch(mirror[0], lock, tmp_path / "cache")
    assert run.returncode == 0, run.stderr
    assert [path.read_bytes() for path in (tmp_path / "cache").iterdir()] == [CONTENT]


def test_a_mirror_with_other_bytes_is_refused_and_leaves_nothing(mirror: tuple[str, Path], lock: Path, tmp_path: Path):
    mirror[1].write_bytes(CONTENT.replace(b"locked", b"forged"))
    run = fetch(mirror[0], lock, tmp_path / "cache")
    assert run.returncode == 1
    assert POOL in run.stderr
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(mirror: tuple[str, Path], lock: Path, tmp_path: Path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / Path(POOL).name).write_bytes(CONTENT[:-1])
    assert fetch(mirror[0], lock, cache).returncode == 0
    assert (cache / Path(POOL).name).read_bytes() == CONTENT


def test_a_dropped_version_says_what_to_do(mirror: tuple[str, Path], lock: Path, tmp_path: Path):
    mirror[1].unlink()
    run = fetch(mirror[0], lock, tmp_path / "cache")
    assert run.returncode == 1
    for text in (POOL, "--update-lock", "--mirror", str(tmp_path / "cache")):
        assert text in run.stderr


def test_nothing_is_asked_for_when_the_cache_has_it_all(mirror: tuple[str, Path], lock: Path, tmp_path: Path):
    assert fetch(mirror[0], lock, tmp_path / "cache").returncode == 0
    assert fetch("http://127.0.0.1:1/debian", lock, tmp_path / "cache").returncode == 0


def test_a_malformed_lock_is_refused_with_its_line(lock: Path, tmp_path: Path):
    lock.write_text("example 1.0-1 abc 3 " + POOL + "\n")
    run = fetch("http://127.0.0.1:1/debian", lock, tmp_path / "cache")
    assert run.returncode == 1
    assert f"{lock}:1:" in run.stderr


def test_the_lock_covers_every_source_with_a_full_digest():
    packages = {line.split()[0] for line in (ROOT / "container/sources.txt").read_text().splitlines() if line and line[0] != "#"}
    lines = [line.split() for line in (ROOT / "container/sources.lock").read_text().splitlines() if line and line[0] != "#"]
    assert {fields[0] for fields in lines} == packages
    assert all(len(fields) == 5 and len(fields[2]) == 64 for fields in lines)
