"""pipelines/promote.yaml: staging, an approval, and the same commit in production."""

from __future__ import annotations

import time

from e2e.place import ROOT, SMALL
from harness.client import condition

PROMOTE = ROOT / "pipelines" / "promote.yaml"


def approve(place, run: str, yes: bool = True) -> dict:
    """What the approval gate's controller does when somebody decides. Returns the CustomRun as it asked."""
    deadline = time.monotonic() + 90
    while not (asked := place.client.list("CustomRun", place.namespace, labels=f"tekton.dev/pipelineRun={run}")):
        item = place.client.get("PipelineRun", run, place.namespace)
        assert condition(item, "Succeeded").get("status") != "False", condition(item, "Succeeded")
        assert time.monotonic() < deadline, "nobody asks for an approval"
        time.sleep(0.2)
    status = {"conditions": [{"type": "Succeeded", "status": "True" if yes else "False", "reason": "Approved" if yes else "Rejected", "message": "",
                              "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    place.client.patch_status("CustomRun", asked[0]["metadata"]["name"], place.namespace, status)
    return asked[0]


def start(place, production: str) -> str:
    place.install(PROMOTE)
    few = [f"{name}={value}" for name, value in SMALL.items()]
    return place.start("promote-inference-service", **{
        "INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": f"{place.namespace}/qwen", "RUNTIME_CLASS": "vllm", "STAGING_NAMESPACE": place.namespace,
        "PRODUCTION_NAMESPACE": production, "staging-args": few, "production-args": few, "approvers": ["alice"]})


def may_deploy_to(place, production: str) -> None:
    """The run's account, with the document's rights in production too."""
    binding = place.client.get("RoleBinding", "deploy-model", production)
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": place.namespace}
    place.client.patch("RoleBinding", "deploy-model", production, {"subjects": [*binding["subjects"], subject]})


def test_production_gets_the_commit_that_was_approved(place):
    production = place.further_namespace("prod")
    may_deploy_to(place, production)
    approved = place.project.repository.head()
    name = start(place, production)
    asked = approve(place, name)
    place.project.commit({"config.json": '{"too": "late"}'})
    question = next(p["value"] for p in asked["spec"]["params"] if p["name"] == "description")
    assert approved in question and production in question
    run = place.finish(name)
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == approved == place.served_commit(namespace=production) == place.served_commit()


def test_a_rejection_leaves_production_alone(place):
    production = place.further_namespace("prod")
    may_deploy_to(place, production)
    name = start(place, production)
    approve(place, name, yes=False)
    run = place.finish(name)
    assert not run.succeeded
    assert place.served_commit() == place.project.repository.head()
    assert place.client.list("InferenceService", production) == []
