"""Drives tests/unit/model/model_tool.c: what src/model makes of a server, as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

INTERNAL, PARAMETER, MODEL, DEADLINE, UNREACHABLE, CANCELED = 0, 1, 2, 7, 8, 9


def program() -> str:
    path = Path(os.environ["BUILD_DIR"]) / "tests/unit/model/model_tool"
    assert path.is_file(), f"{path} is not built"
    return str(path)


def arguments(parameters: dict) -> list[str]:
    return [program(), *(f"{name}={value}" for name, value in parameters.items() if value is not None)]


@dataclass
class Outcome:
    code: int
    document: dict
    log: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def text(self) -> str:
        """Message and hint, for a test that looks for words."""
        return f"{self.document.get('message', '')} | {self.document.get('hint') or ''}"

    def __getitem__(self, name: str):
        assert self.ok, self.text
        return self.document[name]

    def failed(self, kind: int, *words: str) -> "Outcome":
        """Asserts a clear error: its kind, words in message or hint, one line each, nothing from a sanitizer."""
        assert self.code == 10 + kind, f"exit code {self.code}, {self.document}\n{self.log}"
        for text in (self.document["message"], self.document.get("hint") or ""):
            assert "\n" not in text
        for word in words:
            assert word in self.text, self.text
        return self

    def hides(self, *secrets: object) -> "Outcome":
        for secret in map(str, secrets):
            assert secret not in json.dumps(self.document) and secret not in self.log
        return self


def finish(process: subprocess.Popen, timeout: float = 60) -> Outcome:
    output, log = process.communicate(timeout=timeout)
    assert output.strip(), f"no answer; exit code {process.returncode}\n{log}"
    return Outcome(process.returncode, json.loads(output), log)


def start(**parameters: object) -> subprocess.Popen:
    sanitizers = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **sanitizers}
    return subprocess.Popen(arguments(parameters), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(*, timeout: float = 60, **parameters: object) -> Outcome:
    process = start(**parameters)
    try:
        return finish(process, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def resolve(server, token=None, **parameters: object) -> Outcome:
    """Through GitLab's API, from namespace demo-ns."""
    ordinary = {"GITLAB_BASE_URL": server.url, "GITLAB_CA_FILE": server.ca_file, "GITLAB_TOKEN": str(token or ""), "NAMESPACE": "demo-ns",
                "MODEL_REPO": "qwen"}
    return run(**{**ordinary, **parameters})


def by_git(server, project, token=None, **parameters: object) -> Outcome:
    """Through Git's own protocol."""
    ordinary = {"SOURCE": "git", "MODEL_GIT_URL": server.git_url(project), "GITLAB_CA_FILE": server.ca_file, "GITLAB_TOKEN": str(token or ""),
                "NAMESPACE": "demo-ns"}
    return run(**{**ordinary, **parameters})


def api_requests(server) -> list[str]:
    """Paths and queries below /api/v4 in the order they were answered."""
    return [request.target.partition("/api/v4")[2] for request in server.requests if "/api/v4" in request.target]
