"""The tree's manifests, and the examples in its documentation: what a reader would copy.

    manifests(ROOT / "pipelines" / "promote.yaml")
    block(ROOT / "README.md", "For pipeline users", "yaml")
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from . import servers

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("pipelines/*.md")), *sorted(ROOT.glob("tasks/**/README.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, the heading above it, its language and its text."""

    path: Path
    heading: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.heading}: {self.language}"

    def replaced(self, old: str, new: str) -> "Block":
        """The same with another name in it, such as a namespace of a test; ``old`` must be there."""
        assert old in self.text, f"{self} does not say {old!r}"
        return replace(self, text=self.text.replace(old, new))

    def manifests(self) -> list[dict]:
        return [item for item in yaml.safe_load_all(self.text) if item]


def manifests(path: Path) -> list[dict]:
    return [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]


def blocks(path: Path) -> list[Block]:
    found, heading, language, lines = [], "", None, []
    for line in path.read_text(encoding="utf-8").splitlines():
        fence = re.fullmatch(r"```(\w*)", line)
        if language is None and fence:
            language, lines = fence.group(1), []
        elif language is not None and line == "```":
            found.append(Block(path, heading, language, "\n".join(lines) + "\n"))
            language = None
        elif language is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ").strip()
    return found


def block(path: Path, heading: str, language: str) -> Block:
    """The only block of that language below that heading."""
    (found,) = [item for item in blocks(path) if item.heading == heading and item.language == language]
    return found


class Shell:
    """Runs bash blocks in the folder of their document, as somebody with kubectl, the program and a kubeconfig.

    ``directory`` is for the links that make PATH; ``program`` is deploy-inference-service.
    """

    def __init__(self, directory: Path, kubeconfig: Path, program: Path):
        for name, target in (("kubectl", servers.program("kubernetes", "kubectl")), ("deploy-inference-service", program)):
            (directory / name).symlink_to(Path(target).resolve())
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": f"{directory}:{os.environ['PATH']}"}

    def run(self, example: Block) -> str:
        """What the block printed; an AssertionError with all of it when a command failed."""
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", example.text], cwd=example.path.parent, env=self._environment,
                                capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, f"{example}\n{result.stdout}{result.stderr}"
        return result.stdout
