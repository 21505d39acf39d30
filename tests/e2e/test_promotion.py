"""pipelines/promote.yaml: staging, an approval of the real gate, and the same commit in production. The run is the documentation's."""

from __future__ import annotations

import pytest

from e2e.place import PATIENCE, SMALL, ROOT
from harness.client import ApiError
from harness.documentation import block
from harness.tekton import ApprovalGate

PROMOTE = ROOT / "pipelines" / "promote.yaml"
FEW = [f"{name}={value}" for name, value in SMALL.items()]


@pytest.fixture(scope="session")
def gate(tekton):
    gate = ApprovalGate(tekton).start()
    yield gate
    gate.webhook.kill()


@pytest.fixture
def production(place) -> str:
    """The namespace of production, where the run's account may deploy."""
    name = place.further_namespace("prod")
    binding = place.client.get("RoleBinding", "deploy-model", name)
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": place.namespace}
    place.client.patch("RoleBinding", "deploy-model", name, {"subjects": [*binding["subjects"], subject]})
    return name


def start(place, production: str, **changes) -> str:
    """The PipelineRun of pipelines/README.md with the names of this test in it, and little for the models."""
    place.install(PROMOTE)
    (run,) = block(ROOT / "pipelines" / "README.md", "Promotion", "yaml").manifests()
    changes = {"MODEL_REPO": f"{place.namespace}/qwen", "STAGING_NAMESPACE": place.namespace, "PRODUCTION_NAMESPACE": production,
               "production-args": FEW, "staging-args": FEW, **changes}
    given = {item["name"]: item["value"] for item in run["spec"]["params"]}
    run["spec"]["params"] = [{"name": name, "value": value} for name, value in {**given, **changes}.items()]
    del run["metadata"]["namespace"]
    return place.client.create(run, place.namespace)["metadata"]["name"]


def test_production_gets_the_commit_that_was_approved(place, production, gate):
    approved = place.project.repository.head()
    name = start(place, production)
    asked = gate.waiting(place.namespace, name)
    place.project.commit({"config.json": '{"too": "late"}'})
    question = asked["spec"]["description"]
    assert approved in question and production in question and "qwen" in question
    assert place.client.list("InferenceService", production) == [], "nothing before the approval"
    with pytest.raises(ApiError, match="User does not exist in the approval list"):
        gate.answer(asked, "mallory", "approve")
    gate.answer(asked, "alice", "approve")
    run = place.finish(name, PATIENCE)
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == approved == place.served_commit(namespace=production) == place.served_commit()
    assert production in run.endpoints["IN_CLUSTER_ENDPOINT"]


def test_a_rejection_leaves_production_alone(place, production, gate):
    name = start(place, production)
    gate.answer(gate.waiting(place.namespace, name), "alice", "reject")
    run = place.finish(name, PATIENCE)
    assert not run.succeeded
    assert place.served_commit() == place.project.repository.head()
    assert place.client.list("InferenceService", production) == []
