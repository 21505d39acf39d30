"""What --model-dir learns from a local clone, made by the real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.model_repository import git_environment, readme

from model_source import PARAMETER, run


class Clone:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com", "-c", "protocol.file.allow=always"]
        return subprocess.run(["git", *identity, *arguments], cwd=self.path, env=git_environment(), check=True, capture_output=True,
                              text=True).stdout.strip()

    def write(self, name: str, content: bytes) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(content)

    def commit(self, **files: bytes) -> str:
        for name, content in files.items():
            self.write(name, content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Change")
        return self.git("rev-parse", "HEAD")

    def read(self, directory: str = "."):
        return run(SOURCE="clone", MODEL_DIR=self.path / directory)


@pytest.fixture
def upstream(tmp_path) -> Clone:
    upstream = Clone(tmp_path / "upstream")
    upstream.git("init", "-q", "-b", "main")
    upstream.write("README.md", readme())
    upstream.commit()
    return upstream


@pytest.fixture
def clone(tmp_path, upstream) -> Clone:
    clone = Clone(tmp_path / "clone")
    clone.git("clone", "-q", str(upstream.path), ".")
    clone.git("remote", "set-url", "origin", "https://oauth2:glpat-secret@gitlab.example.com/demo-ns/amlmodels/qwen.git")
    return clone


def test_a_fresh_clone(clone, upstream):
    found = clone.read()
    assert found["remote_url"] == "https://gitlab.example.com/demo-ns/amlmodels/qwen.git"
    assert found["project_path"] == "demo-ns/amlmodels/qwen"
    assert (found["branch"], found["commit"]) == ("main", upstream.git("rev-parse", "HEAD"))
    assert (found["changed_files"], found["untracked_files"], found["ahead"]) == (0, 0, 0)
    assert found["readme"].encode() == readme()
    found.hides("glpat-secret")


def test_changes_are_counted(clone):
    clone.commit(**{"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"})
    clone.write("a.txt", b"changed")
    (clone.path / "b.txt").unlink()
    clone.write("staged.txt", b"s")
    clone.git("add", "staged.txt")
    clone.write("new/one.txt", b"1")
    clone.write("new/two.txt", b"2")
    clone.write(".gitignore", b"*.log\n")
    clone.write("ignored.log", b"x")
    found = clone.read()
    assert (found["changed_files"], found["untracked_files"], found["ahead"]) == (3, 3, 1)


def test_commits_that_were_not_pushed(clone):
    for number in range(3):
        clone.commit(**{"file": str(number).encode()})
    assert clone.read()["ahead"] == 3
    clone.git("update-ref", "refs/remotes/origin/other", "HEAD~1")
    assert clone.read()["ahead"] == 1, "the commit before is on another branch of the remote"


def test_branch_without_upstream_and_detached_head(clone):
    clone.git("checkout", "-q", "-b", "work/x")
    clone.commit(**{"file": b"x"})
    found = clone.read()
    assert (found["branch"], found["ahead"]) == ("work/x", 1)
    clone.git("checkout", "-q", "--detach", "HEAD~1")
    found = clone.read()
    assert (found["branch"], found["ahead"], found["commit"]) == ("", 0, clone.git("rev-parse", "HEAD"))


@pytest.mark.parametrize("url, path", [
    ("git@gitlab.example.com:demo-ns/amlmodels/qwen.git", "demo-ns/amlmodels/qwen"),
    ("ssh://git@gitlab.example.com:2222/demo-ns/amlmodels/qwen.git", "demo-ns/amlmodels/qwen"),
    ("/srv/git/qwen", ""),
])
def test_remotes(clone, url, path):
    clone.git("remote", "set-url", "origin", url)
    assert clone.read()["project_path"] == path


def test_which_remote(clone):
    clone.git("remote", "add", "fork", "https://gitlab.example.com/me/qwen.git")
    assert clone.read()["project_path"] == "demo-ns/amlmodels/qwen"
    clone.git("config", "branch.main.remote", "fork")
    found = clone.read()
    assert (found["project_path"], found["ahead"]) == ("me/qwen", -1), "nothing of the fork was ever fetched"
    clone.git("remote", "remove", "origin")
    clone.git("config", "--unset", "branch.main.remote")
    assert clone.read()["project_path"] == "me/qwen"
    clone.git("remote", "remove", "fork")
    found = clone.read()
    assert (found["project_path"], found["remote_url"], found["ahead"]) == ("", "", -1)


def test_subdirectory_and_readme_that_is_not_there(clone):
    clone.write("sub/file", b"x")
    (clone.path / "README.md").unlink()
    clone.commit()
    found = clone.read("sub")
    assert found["readme"] is None and found["changed_files"] == 0


def test_readme_is_the_committed_one(clone):
    clone.write("README.md", b"not committed")
    found = clone.read()
    assert found["readme"].encode() == readme() and found["changed_files"] == 1


def test_checked_out_lfs_files_are_no_changes(clone):
    """git-lfs stores a pointer and checks out the content; the stand-in for its filter is a plain change of the file."""
    content = b"w" * 5000
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5000\n"
    clone.commit(**{"model.safetensors": pointer})
    clone.write("model.safetensors", content)
    assert clone.read()["changed_files"] == 0
    clone.write("model.safetensors", content + b"x")
    assert clone.read()["changed_files"] == 1


def test_what_is_no_clone(tmp_path, upstream):
    plain = tmp_path / "plain"
    plain.mkdir()
    run(SOURCE="clone", MODEL_DIR=plain).failed(PARAMETER, "not in a Git clone")
    run(SOURCE="clone", MODEL_DIR=tmp_path / "nowhere").failed(PARAMETER, "not in a Git clone")
    empty = Clone(tmp_path / "empty")
    empty.git("init", "-q")
    empty.read().failed(PARAMETER, "no commit yet")
    bare = Clone(tmp_path / "bare")
    bare.git("clone", "-q", "--bare", str(upstream.path), ".")
    bare.read().failed(PARAMETER, "bare")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_clone_of_another_user(clone):
    subprocess.run(["chown", "-R", "12345:12345", str(clone.path)], check=True)
    assert clone.read()["branch"] == "main"
