"""ENABLE_SERVERLESS: KServe's controller over Knative's custom resources; Knative's own part is played (harness/knative.py). The same
guarantees as without: our revision and no other, whatever the one before does."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from harness import alauda
from harness.client import is_true
from harness.knative import Knative
from harness.scenario import CrashLoop

VERSION = os.environ.get("KSERVE_VERSION", "0.16")
HASH = "deploy-inference-service.cpaas.io/content-hash"


@pytest.fixture(scope="module")
def knative(kserve, cluster):
    """The manager looks for Knative's kinds when it starts."""
    kserve.stop_manager()
    installed = Knative(cluster, kserve.version).install()
    kserve.start_manager()
    return installed


@pytest.fixture
def serverless(knative, rollout):
    if VERSION == "0.19":
        pytest.skip("KServe 0.19 refuses the first reconcile of every Serverless InferenceService (kserve issue 5793)")
    return _serverless(knative, rollout)


def _serverless(knative, rollout):
    """begin() starts a run that applies; created() and updated() give what Knative shows then."""
    def begin(*arguments, **changes):
        return rollout.begin(*arguments, ENABLE_SERVERLESS="true", **changes)

    def create(**changes):
        """A service that serves, and its Knative Service."""
        running = begin(**changes)
        service = knative.service(rollout.namespace, "qwen-predictor")
        revision = service.new_revision()
        service.available(revision)
        service.ready(revision)
        run = rollout.finish(running)
        assert run.code == 0, run.log
        return service

    def still_waits(running, seconds=0.7):
        time.sleep(seconds)
        assert running.process.poll() is None, running.log()

    return SimpleNamespace(**{**vars(rollout), "begin": begin, "create": create, "still_waits": still_waits, "knative": knative})


def revision_of(place, name):
    return place.cluster.client.get("serving.knative.dev/v1/Revision", name, place.namespace)


def test_create(serverless):
    running = serverless.begin()
    service = serverless.knative.service(serverless.namespace, "qwen-predictor")
    serverless.still_waits(running)
    revision = service.new_revision()
    service.available(revision)
    serverless.still_waits(running)
    service.ready(revision)
    run = serverless.finish(running)
    assert run.code == 0, run.log
    isvc = serverless.service()
    assert is_true(isvc, "Ready") and isvc["status"]["components"]["predictor"]["latestReadyRevision"] == revision
    assert revision_of(serverless, revision)["metadata"]["annotations"][HASH] == isvc["metadata"]["annotations"][HASH]
    assert run.endpoints["OUT_CLUSTER_ENDPOINT"] == isvc["status"]["url"]


def test_second_unchanged_run(serverless):
    service = serverless.create()
    running = serverless.begin()
    run = serverless.finish(running)
    assert run.code == 0 and "unchanged" in run.took("apply") and run.seconds < 20, run.log
    assert service.get()["metadata"]["generation"] == service.generation


@pytest.mark.parametrize("changes", [{}, {"INFERENCE_SERVICE_DESCRIPTION": "another"}], ids=["model", "annotations"])
def test_update(serverless, changes):
    """Ready is True from before, the old revision serves, the new one comes up: only its traffic ends the run."""
    service = serverless.create()
    if not changes:
        serverless.project.commit({"config.json": "{}"})
    running = serverless.begin(**changes)
    service.wait_for_change()
    serverless.still_waits(running)
    revision = service.new_revision()
    service.available(revision)
    serverless.still_waits(running)
    service.ready(revision)
    run = serverless.finish(running)
    assert run.code == 0, run.log
    assert revision_of(serverless, revision)["metadata"]["annotations"][HASH] == serverless.service()["metadata"]["annotations"][HASH]


def test_update_whose_revision_fails_while_the_old_one_serves(serverless):
    service = serverless.create()
    serverless.node.scenario(serverless.namespace, CrashLoop(exit_code=1, backoff=0.2, logs={"kserve-container": "RuntimeError: no such layer"}))
    serverless.project.commit({"config.json": "{}"})
    running = serverless.begin()
    service.wait_for_change()
    revision = service.new_revision()
    service.failed(revision, "ExitCode1", "Container failed with: RuntimeError: no such layer")
    run = serverless.finish(running)
    assert run.code == 7 and "no such layer" in run.log, run.log
    assert run.results["state"] == "failed"
    # The pods tell the run; KServe copies what Knative says at its own pace.
    service = serverless.cluster.client.wait_for("InferenceService", "qwen", serverless.namespace,
                                                 lambda item: item["status"]["components"]["predictor"]["latestCreatedRevision"] == revision, 30)
    assert service["status"]["components"]["predictor"]["latestReadyRevision"] != revision


def test_revision_that_knative_gave_up(serverless):
    """Progress deadline: Knative does not come back from it, and has scaled the Deployment to zero."""
    service = serverless.create()
    serverless.project.commit({"config.json": "{}"})
    running = serverless.begin()
    service.wait_for_change()
    revision = service.new_revision(replicas=0)
    service.failed(revision, "ProgressDeadlineExceeded", "Initial scale was never achieved")
    run = serverless.finish(running)
    assert run.code == 7 and run.seconds < 20, run.log
    assert run.results["failure-class"] == "terminal" and run.results["reason"].startswith("RevisionFailed")


def test_the_same_with_the_scripts_rights(serverless):
    """KServe's copy of Knative's conditions and the revision's Deployment are all that the small Role shows."""
    service = serverless.create()
    serverless.cluster.grant(serverless.account, [{**rule, "verbs": ["deletecollection"]} for rule in alauda.DIAGNOSTIC_RULES], "diagnostics")
    serverless.project.commit({"config.json": "{}"})
    running = serverless.begin()
    service.wait_for_change()
    revision = service.new_revision(replicas=0)
    serverless.still_waits(running)
    service.failed(revision, "ProgressDeadlineExceeded", "Initial scale was never achieved")
    run = serverless.finish(running)
    assert run.code == 7 and run.seconds < 20, run.log
    assert run.results["reason"].startswith("RevisionFailed") and "rbac" in run.log


def test_minimum_of_zero(serverless):
    """Once ready it may be scaled to zero at any time, and still is what was asked for."""
    service = serverless.create(MIN_REPLICAS="0")
    service.scale(service.serving, 0)
    serverless.cluster.client.wait_for("Deployment", f"{service.serving}-deployment", serverless.namespace,
                                       lambda item: not item["status"].get("replicas"), 20)
    run = serverless.finish(serverless.begin(MIN_REPLICAS="0"))
    assert run.code == 0 and run.seconds < 20, run.log


def test_minimum_that_the_revision_lacks(serverless):
    running = serverless.begin(MIN_REPLICAS="2", MAX_REPLICAS="3")
    service = serverless.knative.service(serverless.namespace, "qwen-predictor")
    revision = service.new_revision(replicas=1)
    service.available(revision)
    service.ready(revision)
    serverless.still_waits(running)
    service.scale(revision, 2)
    run = serverless.finish(running)
    assert run.code == 0, run.log
    assert serverless.cluster.client.get("Deployment", f"{revision}-deployment", serverless.namespace)["status"]["availableReplicas"] == 2


def test_old_revision_that_serves_again_is_not_ours(serverless):
    """Somebody pins the traffic to the revision before, after ours became ready."""
    service = serverless.create()
    serverless.project.commit({"config.json": "{}"})
    before = service.serving
    running = serverless.begin()
    service.wait_for_change()
    revision = service.new_revision()
    service.available(revision)
    service.pinned = before
    service.ready(revision)
    serverless.still_waits(running, 1.5)
    service.pinned = ""
    service.ready(revision)
    assert serverless.finish(running).code == 0


def test_deleted_while_waiting(serverless):
    running = serverless.begin()
    serverless.knative.service(serverless.namespace, "qwen-predictor").new_revision()
    serverless.cluster.client.delete("InferenceService", "qwen", serverless.namespace)
    run = serverless.finish(running)
    assert run.code == 7 and "deleted" in run.results["reason"].lower(), run.log


def test_wait_for_ready(serverless):
    service = serverless.create()
    run = serverless.binary.run("wait", "qwen", "-n", serverless.namespace, TIMEOUT="50s")
    assert run.code == 0 and run.results["state"] == "ready", run.log
    serverless.cluster.client.patch("InferenceService", "qwen", serverless.namespace, {"spec": {"predictor": {"model": {"storageUri": "hf://a/other:1"}}}})
    running = serverless.binary.start("wait", "qwen", "-n", serverless.namespace, TIMEOUT="50s")
    service.wait_for_change()
    serverless.still_waits(running)
    revision = service.new_revision()
    service.available(revision)
    service.ready(revision)
    assert running.finish().code == 0


@pytest.mark.skipif(VERSION != "0.19", reason="other versions of KServe make the Knative Service")
def test_kserve_that_never_starts_a_service(knative, rollout):
    """Nothing but silence: no status, no event, no Knative Service."""
    run = rollout.run(ENABLE_SERVERLESS="true", PATIENCE="nothing-created=1s", TIMEOUT="12s")
    assert run.code == 8 and run.results["reason"].startswith("NothingCreated"), run.log
    assert "5793" in run.log and "ENABLE_SERVERLESS=false" in run.log
