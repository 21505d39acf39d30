"""Fetches what the static build is made of, from the machine's own Debian mirror, checked against sources.lock.

    sources.py fetch  LOCK DIRECTORY            every file of LOCK into DIRECTORY
    sources.py update SPECIFICATION LOCK DIRECTORY   writes LOCK anew from Debian's signed indexes

The mirror is whatever the machine's apt is configured with (`apt-get indextargets`), or --mirror URL. Files come through
apt itself, so its proxies, credentials and transports apply. A lock line names a file's place in Debian's pool, which does
not depend on the suite's state of the day: a locked version stays fetchable as long as the mirror holds the file.
"""

import argparse
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple
from urllib.parse import quote

APT_HELPER = "/usr/lib/apt/apt-helper"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Failure(Exception):
    """A message for the person who runs the build."""


class LockedFile(NamedTuple):
    package: str
    version: str
    sha256: str
    size: int
    pool: str

    @property
    def name(self) -> str:
        return self.pool.rsplit("/", 1)[-1]


def read_lock(path: pathlib.Path) -> list[LockedFile]:
    files = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("#", 1)[0].split()
        if not fields:
            continue
        if len(fields) != 5 or not re.fullmatch(r"[0-9a-f]{64}", fields[2]):
            raise Failure(f"{path}:{number}: expected PACKAGE VERSION SHA256 BYTES POOL-PATH")
        files.append(LockedFile(fields[0], fields[1], fields[2], int(fields[3]), fields[4]))
    return files


def is_intact(path: pathlib.Path, file: LockedFile) -> bool:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return False
    return digest == file.sha256


class Mirrors(NamedTuple):
    """Base URLs: the archive's pool and the security archive's pool."""

    archive: list[str]
    security: list[str]

    def for_pool(self, pool: str) -> list[str]:
        """The security archive keeps its files under pool/updates and hands them to the archive at a point release."""
        place = pool.removeprefix("pool/").removeprefix("updates/")
        in_archive = [join(base, "pool/" + place) for base in self.archive]
        in_security = [join(base, "pool/updates/" + place) for base in self.security]
        return in_security + in_archive if pool.startswith("pool/updates/") else in_archive + in_security


def join(base: str, pool: str) -> str:
    return base.rstrip("/") + "/" + quote(pool, safe="/~")


def find_mirrors(override: list[str]) -> Mirrors:
    if override:
        return Mirrors(archive=override, security=override)
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI) $(RELEASE)"],
        check=True, capture_output=True, text=True,
    ).stdout
    archive: list[str] = []
    security: list[str] = []
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) != 3 or fields[0] not in ("Packages", "Sources"):
            continue
        _, base, release = fields
        if not re.match(r"^(bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing)\b", release):
            continue
        chosen = security if "-security" in release else archive
        if base not in chosen:
            chosen.append(base)
    if not archive:
        raise Failure("apt has no Debian archive configured here: name one with --mirror URL (the directory above `pool`)")
    return Mirrors(archive, security)


def download(urls: list[str], file: LockedFile, target: pathlib.Path) -> bool:
    """Tries each URL through apt; apt checks the digest before it hands the file over."""
    for url in urls:
        # A directory of its own: apt leaves what it refused beside the target.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="download-") as scratch:
            partial = pathlib.Path(scratch, target.name)
            run = subprocess.run(
                [APT_HELPER, "-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2",
                 "download-file", url, str(partial), f"SHA256:{file.sha256}"],
                capture_output=True, text=True, check=False,
            )
            if run.returncode == 0 and is_intact(partial, file):
                partial.rename(target)
                return True
    return False


def fetch(lock: pathlib.Path, directory: pathlib.Path, override: list[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    missing = [file for file in read_lock(lock) if not is_intact(directory / file.name, file)]
    if not missing:
        return
    mirrors = find_mirrors(override)
    gone = [file for file in missing if not download(mirrors.for_pool(file.pool), file, directory / file.name)]
    if gone:
        names = "\n".join(f"  {file.pool}  sha256:{file.sha256}" for file in gone)
        raise Failure(
            f"the mirror does not hold what {lock.name} asks for:\n{names}\n"
            "Debian drops a version from its mirrors once a newer one has replaced it. Either move the lock forward\n"
            "(container/build --update-lock, then review and commit the change), name a mirror that keeps old versions\n"
            f"(--mirror URL, for example a snapshot of the archive), or put the files into {directory} yourself."
        )


class Wanted(NamedTuple):
    package: str
    suite: str
    kind: str
    prefix: str
    minimum: str


def read_specification(path: pathlib.Path) -> list[Wanted]:
    wanted = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("#", 1)[0].split()
        if not fields:
            continue
        if len(fields) != 5 or fields[2] not in ("source", "binary"):
            raise Failure(f"{path}:{number}: expected PACKAGE SUITE source|binary PREFIX|- MINIMUM|-")
        wanted.append(Wanted(*fields))
    return wanted


class Index:
    """A private apt: its own lists and sources, nothing of the machine's is touched; signatures are required."""

    def __init__(self, root: pathlib.Path, mirrors: Mirrors, suites: set[str]):
        for part in ("state/lists/partial", "cache/archives/partial", "etc"):
            (root / part).mkdir(parents=True)
        lines = []
        for suite in sorted(suites):
            for bases, release in ((mirrors.archive, suite), (mirrors.security, suite + "-security")):
                for base in bases:
                    lines += [f"{kind} [signed-by={KEYRING}] {base} {release} main" for kind in ("deb", "deb-src")]
        (root / "etc/sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (root / "state/status").touch()
        self.options = [
            f"-oDir::State={root}/state", f"-oDir::State::status={root}/state/status", f"-oDir::Cache={root}/cache",
            f"-oDir::Etc::sourcelist={root}/etc/sources.list", "-oDir::Etc::sourceparts=/dev/null",
            "-oDir::Etc::preferences=/dev/null", "-oDir::Etc::preferencesparts=/dev/null",
            "-oAPT::Sandbox::User=root", "-oAPT::Get::AllowUnauthenticated=false",
            "-oAcquire::AllowInsecureRepositories=false", "-oAcquire::Languages=none",
            "-oAPT::Update::Error-Mode=any",
        ]
        subprocess.run(["apt-get", *self.options, "-qq", "update"], check=True)

    def stanzas(self, wanted: Wanted) -> list[dict[str, str]]:
        command = ["showsrc", "--only-source"] if wanted.kind == "source" else ["show", "--all-versions"]
        text = subprocess.run(
            ["apt-cache", *self.options, *command, wanted.package], check=True, capture_output=True, text=True
        ).stdout
        return [parse_stanza(block) for block in re.split(r"\n\n+", text) if block.strip()]


def parse_stanza(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    key = ""
    for line in block.splitlines():
        if line[:1].isspace():
            fields[key] += "\n" + line.strip()
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    return fields


def files_of(stanza: dict[str, str], wanted: Wanted) -> list[LockedFile]:
    package, version = wanted.package, stanza["Version"]
    if wanted.kind == "binary":
        return [LockedFile(package, version, stanza["SHA256"], int(stanza["Size"]), stanza["Filename"])]
    files = []
    for line in stanza["Checksums-Sha256"].split("\n"):
        fields = line.split()
        if len(fields) == 3 and not fields[2].endswith(".asc"):
            pool = f"{stanza['Directory']}/{fields[2]}"
            files.append(LockedFile(package, version, fields[0], int(fields[1]), pool))
    return files


def older(left: str, right: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0


def choose(index: Index, wanted: Wanted, mirrors: Mirrors, directory: pathlib.Path) -> list[LockedFile]:
    """The newest version that fits and whose files the mirror really has: an index may run ahead of its pool."""
    compare = functools.cmp_to_key(lambda left, right: -1 if older(left["Version"], right["Version"]) else 1)
    for stanza in sorted(index.stanzas(wanted), key=compare, reverse=True):
        version = stanza["Version"].split(":", 1)[-1]
        if wanted.prefix != "-" and not version.startswith(wanted.prefix):
            continue
        if wanted.minimum != "-" and older(version, wanted.minimum):
            continue
        files = files_of(stanza, wanted)
        if all(
            is_intact(directory / file.name, file) or download(mirrors.for_pool(file.pool), file, directory / file.name)
            for file in files
        ):
            return files
        print(f"  {wanted.package} {stanza['Version']}: listed, but the mirror lacks its files", file=sys.stderr)
    raise Failure(f"no version of {wanted.package} fits sources.txt on this mirror")


def update(specification: pathlib.Path, lock: pathlib.Path, directory: pathlib.Path, override: list[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    wanted = read_specification(specification)
    mirrors = find_mirrors(override)
    root = pathlib.Path(tempfile.mkdtemp(prefix="sources-"))
    try:
        index = Index(root, mirrors, {entry.suite for entry in wanted})
        lines = ["# Written by container/build --update-lock from Debian's signed indexes. Review, do not edit.",
                 "# PACKAGE VERSION SHA256 BYTES POOL-PATH"]
        for entry in wanted:
            for file in choose(index, entry, mirrors, directory):
                lines.append(" ".join(str(field) for field in file))
    finally:
        shutil.rmtree(root)
    partial = lock.with_name(lock.name + ".new")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(partial, lock)


def main() -> int:
    parser = argparse.ArgumentParser(prog="sources.py")
    parser.add_argument("--mirror", action="append", default=[])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, paths in (("fetch", ("lock", "directory")), ("update", ("specification", "lock", "directory"))):
        command = commands.add_parser(name)
        for path in paths:
            command.add_argument(path, type=pathlib.Path)
    given = parser.parse_args()
    try:
        if given.command == "fetch":
            fetch(given.lock, given.directory, given.mirror)
        else:
            update(given.specification, given.lock, given.directory, given.mirror)
    except Failure as failure:
        print(f"container/build: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
