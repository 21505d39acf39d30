"""Runs of the commands that people use by hand."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).parent / "schemas"


def show(place, command, *arguments, env=None, **changes):
    """A command that has no results and no TIMEOUT to end it."""
    ordinary = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": place.namespace}
    parameters = {name: value for name, value in {**ordinary, **changes}.items() if value is not None}
    return place.binary.run(command, *arguments, env=env, results=False, **parameters)


def apply(place, **changes):
    """Applies what render prints under the program's own manager, as deploy does."""
    run = show(place, "render", "-o", "json", **changes)
    assert run.code == 0, run.log
    return place.cluster.client.apply(json.loads(run.output), manager="deploy-inference-service")


def without_ours(document):
    """As an interface would write it: without what only this program notes."""
    annotations = document["metadata"]["annotations"]
    for name in [name for name in annotations if name.startswith("deploy-inference-service")]:
        del annotations[name]


def validate(name, document):
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.schema.json").read_text()))
