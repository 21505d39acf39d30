"""What a run costs against large installations: a whole run, to ready, because events are watched only then."""

from __future__ import annotations

import copy

from harness import alauda
from harness.model_repository import big_readme, qwen_files

from .place import NAMESPACE, Place
from .runs import ours
from .side_by_side import median

PROJECTS, RUNTIMES, EVENTS, README = 10_000, 500, 5_000, 1_000_000


def add_projects(place: Place) -> None:
    place.gitlab.virtual_projects(PROJECTS, like=place.gitlab.project(f"{NAMESPACE}/amlmodels/like", files=qwen_files()))


def add_readme(place: Place) -> None:
    readme = big_readme(README, pipeline_tag="text-generation", library_name="transformers")
    place.gitlab.project(f"{NAMESPACE}/amlmodels/big", files={**qwen_files(), "README.md": readme})


def add_runtimes(place: Place) -> None:
    template = alauda.runtimes()["vllm-cuda-12"]
    for index in range(RUNTIMES):
        runtime = copy.deepcopy(template)
        runtime["metadata"]["name"] = f"many-{index:03d}"
        runtime["metadata"]["labels"]["cpaas.io/runtime-class"] = "many"
        place.cluster.client.create(runtime)


def add_events(place: Place) -> None:
    for index in range(EVENTS):
        place.cluster.client.create({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"noise-{index}", "namespace": NAMESPACE}, "reason": "Noise", "message": "x" * 200,
            "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": f"other-{index}"}, "type": "Normal"})


def table(place: Place, binary: str, runs: int = 3) -> list[str]:
    lines = ["| installation | requests to Kubernetes | requests to GitLab | KiB on the wire | CPU, ms | peak memory, MiB | exit code |", "|---|---|---|---|---|---|---|"]

    def add(title: str, **changes: str) -> None:
        costs = [ours(place, binary, to_applied=False, **changes) for _ in range(runs)]
        lines.append(f"| {title} | {median(costs, 'requests'):.0f} | {median(costs, 'gitlab_requests'):.0f} | {median(costs, 'bytes') / 1024:.0f} | "
                     f"{median(costs, 'cpu') * 1000:.1f} | {median(costs, 'memory') / 1024:.1f} | {max(cost.code for cost in costs)} |")

    add("small")
    add_projects(place)
    add(f"{PROJECTS:,} projects")
    add_readme(place)
    add("a README of 1 MB", MODEL_REPO="big")
    add_runtimes(place)
    add(f"{RUNTIMES} runtimes of the class", RUNTIME_CLASS="many")
    add_events(place)
    add(f"{EVENTS:,} events in the namespace")
    return lines
