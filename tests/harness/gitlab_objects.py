"""Reading a Git repository for the stand-in: one ``git cat-file --batch-command`` a repository, kept open.

Names are resolved by Git itself, so a tag wins over a branch of the same name (gitrevisions(7)), abbreviations and
``HEAD`` work, and what was pushed a moment ago is seen. GitLab's own limits on a revision are applied first
(lib/gitlab/git/commit.rb, valid?).
"""

from __future__ import annotations

import functools
import re
import subprocess
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Optional

from .model_repository import ModelRepository, git_environment

KEPT_OPEN = 16

LFS_POINTER = re.compile(
    rb"\Aversion https://git-lfs\.github\.com/spec/v1\n(?:ext-\d.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n\Z"
)


@dataclass(frozen=True)
class Commit:
    id: str
    tree: str
    parents: tuple[str, ...]
    author: tuple[str, str, int, str]  # name, email, Unix time, zone
    committer: tuple[str, str, int, str]
    message: str


@dataclass(frozen=True)
class TagObject:
    id: str
    target: str
    message: str
    tagged_at: Optional[int]
    zone: str = "+0000"


@dataclass(frozen=True)
class Entry:
    path: str
    mode: str  # six digits
    kind: str  # blob, tree, commit (a submodule)
    sha: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class _Reader:
    def __init__(self, path: str) -> None:
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            ["git", f"--git-dir={path}", "cat-file", "--batch-command", "--buffer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=git_environment(),
        )

    def ask(self, command: str, name: str) -> Optional[tuple[str, str, int, bytes]]:
        """(id, type, size, content) or None; content is empty for the command "info"."""
        with self.lock:
            assert self.process.stdin and self.process.stdout
            self.process.stdin.write(f"{command} {name}\nflush\n".encode("utf-8", "surrogateescape"))
            self.process.stdin.flush()
            words = self.process.stdout.readline().decode("utf-8", "surrogateescape").split()
            if len(words) != 3 or not words[2].isdigit():
                return None
            size = int(words[2])
            content = b""
            if command == "contents":
                content = self.process.stdout.read(size)
                self.process.stdout.read(1)
            return words[0], words[1], size, content

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        self.process.wait()


class Objects:
    """Objects of all repositories of one server."""

    def __init__(self) -> None:
        self._readers: OrderedDict[str, _Reader] = OrderedDict()
        self._last_commits: dict[tuple[str, str, str], str] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            readers, self._readers = list(self._readers.values()), OrderedDict()
        for reader in readers:
            with reader.lock:
                reader.close()

    def _ask(self, repository: ModelRepository, command: str, name: str):
        if "\n" in name:
            return None
        key = str(repository.path)
        with self._lock:
            reader = self._readers.get(key)
            if reader is None:
                reader = self._readers[key] = _Reader(key)
            self._readers.move_to_end(key)
            old = self._readers.popitem(last=False)[1] if len(self._readers) > KEPT_OPEN else None
        if old is not None:
            with old.lock:
                old.close()
        return reader.ask(command, name)

    # -- revisions ------------------------------------------------------------------------------------------------

    def resolve(self, repository: Optional[ModelRepository], revision: str) -> Optional[Commit]:
        """The commit GitLab finds for "a commit sha, or the name of a branch or tag"."""
        if repository is None or not revision or revision.startswith("-"):
            return None
        if ":" in revision or "\0" in revision or any(c.isspace() for c in revision):
            return None
        found = self._ask(repository, "contents", revision + "^{commit}")
        return _parse_commit(found[0], found[3]) if found else None

    def commit(self, repository: ModelRepository, sha: str) -> Commit:
        found = self._ask(repository, "contents", sha)
        if found is None or found[1] != "commit":
            raise KeyError(sha)
        return _parse_commit(found[0], found[3])

    def branch(self, repository: ModelRepository, name: str) -> Optional[Commit]:
        sha = repository.ref(f"refs/heads/{name}")
        return self.commit(repository, sha) if sha else None

    def tag(self, repository: ModelRepository, name: str) -> Optional[tuple[TagObject, Optional[Commit]]]:
        """The tag (a light one has no message) and the commit below it, however many tag objects are between."""
        sha = repository.ref(f"refs/tags/{name}")
        found = self._ask(repository, "contents", sha) if sha else None
        if found is None:
            return None
        tag = _parse_tag(found[0], found[3]) if found[1] == "tag" else TagObject(found[0], found[0], "", None)
        below = self._ask(repository, "contents", f"{sha}^{{commit}}")
        return tag, _parse_commit(below[0], below[3]) if below else None

    # -- trees and blobs ------------------------------------------------------------------------------------------

    def tree(self, repository: ModelRepository, commit: Commit, path: str = "") -> Optional[list[Entry]]:
        """The entries of one directory in Git's order, with paths from the root; None: no such directory."""
        found = self._ask(repository, "contents", f"{commit.id}:{path}" if path else commit.tree)
        if found is None or found[1] != "tree":
            return None
        return list(_parse_tree(found[3], path))

    def walk(self, repository: ModelRepository, commit: Commit, path: str = "") -> Optional[list[Entry]]:
        """All entries below path, directories included."""
        top = self.tree(repository, commit, path)
        if top is None:
            return None
        rows: list[Entry] = []
        for entry in top:
            rows.append(entry)
            if entry.kind == "tree":
                rows += self.walk(repository, commit, entry.path) or []
        return rows

    def entry(self, repository: ModelRepository, commit: Commit, path: str) -> Optional[Entry]:
        parent, _, name = path.rpartition("/")
        rows = self.tree(repository, commit, parent) or []
        return next((entry for entry in rows if entry.name == name), None)

    def blob(self, repository: ModelRepository, sha: str) -> Optional[bytes]:
        found = self._ask(repository, "contents", sha)
        return found[3] if found and found[1] == "blob" else None

    def blob_size(self, repository: ModelRepository, sha: str) -> Optional[int]:
        found = self._ask(repository, "info", sha)
        return found[2] if found and found[1] == "blob" else None

    def last_commit(self, repository: ModelRepository, commit: Commit, path: str) -> str:
        """The last commit, from this one back, that touched path."""
        key = (str(repository.path), commit.id, path)
        if key not in self._last_commits:
            line = repository.git("--literal-pathspecs", "log", "-1", "--format=%H", commit.id, "--", path).strip()
            self._last_commits[key] = line or commit.id
        return self._last_commits[key]

    def stats(self, repository: ModelRepository, commit: Commit) -> dict[str, int]:
        added = deleted = 0
        listing = repository.git("show", "--numstat", "--format=", commit.id)
        for line in listing.splitlines():
            plus, minus = line.split("\t")[:2]
            added += int(plus) if plus.isdigit() else 0
            deleted += int(minus) if minus.isdigit() else 0
        return {"additions": added, "deletions": deleted, "total": added + deleted}


def lfs_pointer(blob: bytes) -> Optional[tuple[str, int]]:
    """(oid, size) of a blob that GitLab takes for an LFS pointer: 120 to 200 bytes (lib/gitlab/git/blob.rb)."""
    found = LFS_POINTER.match(blob) if 120 <= len(blob) <= 200 else None
    return (found[1].decode(), int(found[2])) if found else None


def _person(text: str) -> tuple[str, str, int, str]:
    who, _, rest = text.rpartition("> ")
    name, _, email = who.partition(" <")
    seconds, _, zone = rest.partition(" ")
    return name, email, int(seconds), zone


def _parse_commit(sha: str, content: bytes) -> Commit:
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    return Commit(
        sha,
        fields["tree"][0],
        tuple(fields.get("parent", ())),
        _person(fields["author"][0]),
        _person(fields["committer"][0]),
        message,
    )


def _parse_tag(sha: str, content: bytes) -> TagObject:
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields = dict(line.partition(" ")[::2] for line in head.split("\n"))
    person = _person(fields["tagger"]) if "tagger" in fields else ("", "", 0, "+0000")
    return TagObject(sha, fields["object"], message.rstrip("\n"), person[2], person[3])


@functools.lru_cache(maxsize=64)
def _parse_tree(content: bytes, path: str) -> list[Entry]:
    rows = []
    position = 0
    while position < len(content):
        space = content.index(b" ", position)
        end = content.index(b"\0", space)
        mode = content[position:space].decode().zfill(6)
        name = content[space + 1 : end].decode("utf-8", "surrogateescape")
        sha = content[end + 1 : end + 21].hex()
        kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
        rows.append(Entry(f"{path}/{name}" if path else name, mode, kind, sha))
        position = end + 21
    return rows
