"""Real Git repositories for tests, written straight into Git's object format.

A repository of a few files is ready in about a millisecond because no process is started: blobs, trees, commits and
tags are written as loose objects (gitformat-loose, gitrepository-layout). ``git fsck --strict`` passes on the result,
and Git itself may push to it afterwards.

Everything is deterministic: the same calls give the same object ids on every machine (fixed author, dates one minute
apart from 2024-01-01T00:00:00Z).

    repo = ModelRepository.create(path)
    first = repo.commit({"README.md": readme(), "config.json": "{}", "model.safetensors": Lfs(b"weights")})
    second = repo.commit({"config.json": None, "new.txt": "x"}, message="Change files")     # None deletes
    repo.branch("feature/one+two#three", first)
    repo.tag("v1.0", first)                                   # light tag: refs/tags/v1.0 is the commit
    repo.annotated_tag("v1.1", second, "Release 1.1")         # refs/tags/v1.1 is a tag object; its id is returned
    repo.branch("same"); repo.tag("same", first)              # a tag and a branch of one name

File values: ``str`` and ``bytes`` are content; ``Lfs(...)`` becomes a pointer and is listed in ``repo.lfs``;
``Symlink(target)``, ``Executable(content)`` and ``Submodule(sha)`` have their own modes; ``None`` removes a path.

Ready-made content: ``readme()`` (front matter), ``big_readme()`` (1 MB), ``qwen_files()`` (a small text-generation
model), ``weights()`` (one safetensors file), ``sharded_weights()`` (index and shards), ``safetensors_header()``.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Optional, Union

EPOCH = 1704067200  # 2024-01-01T00:00:00Z
AUTHOR = "Model Author <author@example.com>"

MODE_FILE = "100644"
MODE_EXECUTABLE = "100755"
MODE_SYMLINK = "120000"
MODE_TREE = "40000"
MODE_SUBMODULE = "160000"


@dataclass(frozen=True)
class Symlink:
    target: str


@dataclass(frozen=True)
class Executable:
    content: Union[str, bytes]


@dataclass(frozen=True)
class Submodule:
    sha: str


@dataclass(frozen=True)
class Lfs:
    """A file kept in Git LFS. Git holds the pointer (git-lfs docs/spec.md); the server holds the object.

    data    the object's content; with ``size`` larger than it, the object continues with zero bytes, so that a
            16 GB weight file costs nothing while its first bytes (a safetensors header) can be read
    size    the object's size in bytes; default: len(data)
    stored  False: somebody pushed the pointer without the object
    oid     the object's id; default: the real SHA-256 of data, or, for a padded object, of data and the size
    """

    data: bytes = b""
    size: Optional[int] = None
    stored: bool = True
    oid: Optional[str] = None

    @property
    def object_size(self) -> int:
        return len(self.data) if self.size is None else self.size

    @property
    def object_id(self) -> str:
        if self.oid:
            return self.oid
        if self.object_size == len(self.data):
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha256(self.data + b"\0%d" % self.object_size).hexdigest()

    def pointer(self) -> bytes:
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.object_id}\nsize {self.object_size}\n"
        ).encode()


Content = Union[str, bytes, Lfs, Symlink, Executable, Submodule, None]


class RepositoryError(Exception):
    pass


def check_ref_format(name: str) -> bool:
    """git-check-ref-format(1) for refs/heads/<name>."""
    if not name or name.startswith("-") or name.endswith(("/", ".")) or name == "@":
        return False
    if any(ord(c) < 0x20 or ord(c) == 0x7F or c in " ~^:?*[\\" for c in name):
        return False
    if ".." in name or "@{" in name or "//" in name or name.startswith("/"):
        return False
    return not any(part.startswith(".") or part.endswith(".lock") for part in name.split("/"))


@dataclass
class ModelRepository:
    path: Path
    default_branch: str = "main"
    lfs: dict[str, Lfs] = field(default_factory=dict)
    clock: int = EPOCH
    _trees: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict, repr=False)  # commit -> path -> entry
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    # -- creation -------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Union[str, Path], default_branch: str = "main", push: bool = True) -> "ModelRepository":
        """An empty bare repository. push=False: the server refuses git push."""
        root = Path(path)
        for sub in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
            (root / sub).mkdir(parents=True, exist_ok=True)
        (root / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")
        # GitLab sets these for every repository (gitaly: uploadpack.allowFilter, uploadpack.allowAnySHA1InWant).
        (root / "config").write_text(
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
            "[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n"
            f"[http]\n\treceivepack = {'true' if push else 'false'}\n[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n"
        )
        return cls(root, default_branch)

    # -- objects --------------------------------------------------------------------------------------------------

    def write_object(self, kind: str, body: bytes) -> str:
        data = f"{kind} {len(body)}\0".encode() + body
        sha = hashlib.sha1(data).hexdigest()
        target = self.path / "objects" / sha[:2] / sha[2:]
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            partial = target.with_name(f".{sha}.{threading.get_ident()}")
            partial.write_bytes(zlib.compress(data, 1))
            os.replace(partial, target)
        return sha

    def blob(self, content: Union[str, bytes]) -> str:
        return self.write_object("blob", content.encode() if isinstance(content, str) else content)

    def _entry(self, content: Content) -> tuple[str, str]:
        if isinstance(content, Lfs):
            self.lfs[content.object_id] = content
            return MODE_FILE, self.blob(content.pointer())
        if isinstance(content, Symlink):
            return MODE_SYMLINK, self.blob(content.target)
        if isinstance(content, Executable):
            return MODE_EXECUTABLE, self.blob(content.content)
        if isinstance(content, Submodule):
            return MODE_SUBMODULE, content.sha
        return MODE_FILE, self.blob(content)

    def _write_tree(self, entries: Mapping[str, tuple[str, str]]) -> str:
        here: dict[str, tuple[str, str]] = {}
        below: dict[str, dict[str, tuple[str, str]]] = {}
        for path, entry in entries.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            else:
                here[name] = entry
        for name, children in below.items():
            if name in here:
                raise RepositoryError(f"{name} is a file and a directory")
            here[name] = (MODE_TREE, self._write_tree(children))
        # Git sorts a tree's entries by name as bytes, a directory as if its name ended in a slash.
        rows = sorted(here.items(), key=lambda item: (item[0] + ("/" if item[1][0] == MODE_TREE else "")).encode())
        return self.write_object(
            "tree", b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(sha) for name, (mode, sha) in rows)
        )

    def _entries(self, commit: str) -> dict[str, tuple[str, str]]:
        if commit not in self._trees:  # pushed by a Git client
            listing = self.git("ls-tree", "-r", "-z", commit)
            rows = [row.partition("\t") for row in listing.split("\0") if row]
            self._trees[commit] = {path: tuple(meta.split()[0:3:2]) for meta, _, path in rows}
        return self._trees[commit]

    # -- commits and refs -----------------------------------------------------------------------------------------

    def commit(
        self,
        files: Mapping[str, Content],
        branch: Optional[str] = None,
        message: str = "Update the model",
        parent: Optional[str] = None,
        author: str = AUTHOR,
        replace: bool = False,
    ) -> str:
        """Commits files on top of a branch (created if absent) and returns the commit's id.

        parent   the parent commit; default: the branch's tip. "" makes a root commit.
        replace  True: the tree holds exactly these files. False: they are merged into the parent's tree.
        """
        with self._lock:
            name = branch or self.default_branch
            tip = self.ref(f"refs/heads/{name}") if parent is None else parent
            entries = {} if replace or not tip else dict(self._entries(tip))
            for path, content in files.items():
                if content is None:
                    entries.pop(path, None)
                else:
                    entries[path] = self._entry(content)
            stamp = f"{author} {self._tick()} +0000"
            lines = [f"tree {self._write_tree(entries)}"]
            lines += [f"parent {tip}"] if tip else []
            lines += [f"author {stamp}", f"committer {stamp}", "", message]
            sha = self.write_object("commit", ("\n".join(lines) + "\n").encode())
            self._trees[sha] = entries
            self.set_ref(f"refs/heads/{name}", sha)
            return sha

    def _tick(self) -> int:
        self.clock += 60
        return self.clock

    def branch(self, name: str, commit: Optional[str] = None) -> str:
        """Creates or moves a branch; default: to the default branch's tip."""
        return self.set_ref(f"refs/heads/{name}", commit or self.head())

    def tag(self, name: str, commit: Optional[str] = None) -> str:
        """A light tag."""
        return self.set_ref(f"refs/tags/{name}", commit or self.head())

    def annotated_tag(self, name: str, target: Optional[str] = None, message: str = "", kind: str = "commit") -> str:
        """An annotated tag; returns the tag object's id. kind="tag" tags another tag object."""
        with self._lock:
            body = (
                f"object {target or self.head()}\ntype {kind}\ntag {name}\n"
                f"tagger {AUTHOR} {self._tick()} +0000\n\n{message or 'Release ' + name}\n"
            )
            return self.set_ref(f"refs/tags/{name}", self.write_object("tag", body.encode()))

    def set_ref(self, ref: str, sha: str) -> str:
        kind, _, name = ref.removeprefix("refs/").partition("/")
        if kind in ("heads", "tags") and not check_ref_format(name):
            raise RepositoryError(f"Git does not allow the ref {ref!r}")
        target = self.path / ref
        if target.is_dir():
            raise RepositoryError(f"{ref} is the prefix of another ref")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.parent / f".partial-{threading.get_ident()}"
        partial.write_text(sha + "\n")
        os.replace(partial, target)
        return sha

    def delete_ref(self, ref: str) -> None:
        self.git("update-ref", "-d", ref)

    def ref(self, name: str) -> Optional[str]:
        """The object id behind a full ref name, or None."""
        if ".." in name or name.startswith("/") or "\0" in name:
            return None
        loose = self.path / name
        if loose.is_file():
            return loose.read_text().strip()
        packed = self.path / "packed-refs"
        if packed.is_file():
            for line in packed.read_text().splitlines():
                sha, _, ref = line.partition(" ")
                if ref == name:
                    return sha
        return None

    def head(self, branch: Optional[str] = None) -> str:
        """The tip of a branch; default: of the default branch."""
        sha = self.ref(f"refs/heads/{branch or self.default_branch}")
        if sha is None:
            raise RepositoryError(f"{self.path.name} has no branch {branch or self.default_branch}")
        return sha

    def set_default_branch(self, name: str) -> None:
        self.default_branch = name
        (self.path / "HEAD").write_text(f"ref: refs/heads/{name}\n")

    def git(self, *arguments: str) -> str:
        """Runs the git command on this repository, apart from any configuration of the machine."""
        return subprocess.run(
            ["git", f"--git-dir={self.path}", *arguments], check=True, capture_output=True, env=git_environment()
        ).stdout.decode("utf-8", "surrogateescape")


def git_environment(**extra: str) -> dict[str, str]:
    """An environment in which git reads no configuration of the user or the machine and never asks."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        # A test run by root reads repositories of its own temporary directory, whoever owns that directory.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        **extra,
    }


# -- content ------------------------------------------------------------------------------------------------------


def readme(
    pipeline_tag: Optional[str] = "text-generation",
    library_name: Optional[str] = "transformers",
    title: str = "Demo model",
    extra: str = "",
    body: str = "",
    newline: str = "\n",
) -> bytes:
    """A model card with front matter; None leaves a key out, extra is further YAML text."""
    lines = ["---", "license: apache-2.0"]
    lines += [f"pipeline_tag: {pipeline_tag}"] if pipeline_tag is not None else []
    lines += [f"library_name: {library_name}"] if library_name is not None else []
    lines += extra.rstrip("\n").split("\n") if extra else []
    lines += ["---", "", f"# {title}", "", *body.split("\n")]
    return (newline.join(lines) + newline).encode()


def big_readme(size: int = 1_000_000, **card: object) -> bytes:
    """A model card of exactly size bytes, front matter first; its text repeats the keys, which must not count."""
    start = readme(**card)  # type: ignore[arg-type]
    line = b"pipeline_tag: not-front-matter, only a line of a long text about the model and its evaluation\n"
    filler = line * ((size - len(start)) // len(line) + 1)
    return (start + filler)[: size - 1] + b"\n"


def safetensors_header(tensors: Mapping[str, tuple[str, list[int]]], metadata: Optional[dict] = None) -> bytes:
    """The first bytes of a safetensors file: length and JSON (safetensors README, "Format")."""
    bits = {"F64": 64, "I64": 64, "F32": 32, "I32": 32, "F16": 16, "BF16": 16, "I8": 8, "U8": 8, "F8_E4M3": 8}
    table: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        count = 1
        for dimension in shape:
            count *= dimension
        end = offset + count * bits[dtype] // 8
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def weights(size: int, tensor: str = "model.embed_tokens.weight", stored: bool = True) -> Lfs:
    """A safetensors file of exactly size bytes (at least 1024) in LFS: a true header, then zeros."""
    dtype, width = ("U8", 1) if size % 2 else ("BF16", 2)
    header = safetensors_header({tensor: (dtype, [(size - 1024) // width])})
    padded = header[8:] + b" " * (1024 - len(header))  # the format allows trailing spaces; 8 + 1016 + data == size
    return Lfs(struct.pack("<Q", len(padded)) + padded, size=size, stored=stored)


def sharded_weights(sizes: list[int], stored: bool = True, missing: tuple[int, ...] = ()) -> dict[str, Content]:
    """Shards of these sizes as LFS files, and their index. missing: shards the index names but the tree lacks."""
    files: dict[str, Content] = {}
    weight_map = {}
    for number, size in enumerate(sizes, start=1):
        name = f"model-{number:05d}-of-{len(sizes):05d}.safetensors"
        tensor = f"model.layers.{number - 1}.weight"
        weight_map[tensor] = name
        if number not in missing:
            files[name] = weights(size, tensor, stored)
    index = {"metadata": {"total_size": sum(sizes)}, "weight_map": weight_map}
    files["model.safetensors.index.json"] = json.dumps(index, indent=2) + "\n"
    return files


def qwen_config(**changes: object) -> str:
    """config.json of Qwen2.5-0.5B-Instruct's shape."""
    config: dict[str, object] = {
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": 896,
        "intermediate_size": 4864,
        "max_position_embeddings": 32768,
        "model_type": "qwen2",
        "num_attention_heads": 14,
        "num_hidden_layers": 24,
        "num_key_value_heads": 2,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_sliding_window": False,
        "vocab_size": 151936,
    }
    config.update(changes)
    return json.dumps(config, indent=2) + "\n"


def qwen_files(weight_bytes: int = 988_097_824, **card: object) -> dict[str, Content]:
    """The files of a small text-generation model; the weights are an LFS object of the given size in bytes."""
    return {
        "README.md": readme(title="Qwen2.5 0.5B Instruct", **card),  # type: ignore[arg-type]
        ".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
        "config.json": qwen_config(),
        "generation_config.json": '{"do_sample": true, "temperature": 0.7}\n',
        "tokenizer_config.json": '{"model_max_length": 131072, "tokenizer_class": "Qwen2Tokenizer"}\n',
        "model.safetensors": weights(weight_bytes),
    }
