"""``python3 -m harness.gitlab --demo``: the GitLab stand-in with a demo repository, until SIGTERM or SIGINT.

Prints NAME=VALUE lines (or one JSON object with --json) once it is ready: URL, CA_FILE, TOKEN, GIT_BASE, GIT_SCHEME, PROJECT,
GIT_URL, BRANCH, TAG, COMMIT.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from typing import Optional, Sequence

from .gitlab import GitLab
from .gitlab_store import Project
from .model_repository import qwen_config, qwen_files, readme

NAME = "qwen2.5-0.5b-instruct"


def demo_project(gitlab: GitLab, group: str = "demo-ns", name: str = NAME) -> Project:
    """A small text-generation model with a history: main, a branch, an annotated tag v1.0 and a light one."""
    project = gitlab.project(
        f"{group}/amlmodels/{name}",
        files=qwen_files(),
        description="A small language model to deploy.",
        topics=("text-generation", "aml_framework_transformers"),
        message="Add the model",
    )
    first = project.head()
    project.annotated_tag("v1.0", first, "First release")
    project.tag("v1.0-light", first)
    project.commit({"config.json": qwen_config(max_position_embeddings=16384)}, message="Shorten the context")
    project.branch("feature/card", project.head())
    card = readme(title="Qwen2.5 0.5B Instruct", body="Now with a longer description.")
    project.commit({"README.md": card}, branch="feature/card", message="Describe the model")
    return project


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m harness.gitlab", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--demo", action="store_true", help="serve the demo repository (the default)")
    parser.add_argument("--group", default="demo-ns", help="group, that is namespace, of the model (%(default)s)")
    parser.add_argument("--name", default=NAME, help="name of the model (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (a free one)")
    parser.add_argument("--extra-name", action="append", default=[], help="further name or address for the certificate")
    parser.add_argument("--base-path", default="", help="serve below this path")
    parser.add_argument("--http", action="store_true", help="plain HTTP")
    parser.add_argument("--projects", type=int, default=0, help="add this many projects without a repository")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    names = dict.fromkeys(["localhost", "127.0.0.1", "::1", *([options.host] if options.host != "0.0.0.0" else []), *options.extra_name])
    with GitLab(
        host=options.host, port=options.port, names=names, base_path=options.base_path, tls=not options.http
    ) as gitlab:
        project = demo_project(gitlab, options.group, options.name)
        gitlab.virtual_projects(options.projects)
        found = {
            "URL": gitlab.url,
            "CA_FILE": gitlab.ca_file or "",
            "TOKEN": str(gitlab.token(name="demo")),
            "GIT_BASE": gitlab.authority,
            "GIT_SCHEME": gitlab.scheme,
            "PROJECT": project.full_path,
            "GIT_URL": gitlab.git_url(project),
            "BRANCH": project.default_branch,
            "TAG": "v1.0",
            "COMMIT": project.head(),
        }
        if options.json:
            print(json.dumps(found), flush=True)
        else:
            print("\n".join(f"{name}={value}" for name, value in found.items()), flush=True)
        ended.wait()
    return 0
