"""Finds the servers that tests/servers/build builds, and has it build those that are missing."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
BUILD = TESTS / "servers" / "build"


@lru_cache(maxsize=None)
def _build_module():
    # The build script has no .py ending, and must leave no byte code beside itself.
    loader = importlib.machinery.SourceFileLoader("servers_build", str(BUILD))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def ensure(*names: str) -> None:
    """Builds what is missing of NAME or NAME/PROGRAM,...; progress goes to stderr. Costs nothing when all is there."""
    subprocess.run([sys.executable, str(BUILD), *names], check=True)


def program(name: str, binary: str) -> str:
    """The path of a server program, built first when it is missing."""
    server = _build_module().Server(name)
    found = server.find(binary)
    if found is None:
        ensure(f"{name}/{binary}")
        found = server.find(binary)
    return str(found)


def share(name: str, path: str = "") -> Path:
    """A manifest that the module NAME carries (custom resources, configuration, roles)."""
    server = _build_module().Server(name)
    if not (server.path() / "share").is_dir():
        ensure(name)
    return server.path() / "share" / path


def is_built(name: str) -> bool:
    """Whether every program of NAME is there; starts no build."""
    module = _build_module()
    server = module.Server(name)
    return module.is_built(server, list(server.programs))
