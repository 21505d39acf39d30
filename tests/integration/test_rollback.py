"""ON_FAILURE=rollback on real controllers: the spec of before comes back, nobody else's does, and the run still fails."""

from __future__ import annotations

import signal
import time

import pytest

from harness.client import is_true
from harness.kserve import inference_service
from harness.process import AT_ONCE
from harness.scenario import CrashLoop, Gate, Scenario
from net_peer import Peer, always

HASH = "deploy-inference-service.cpaas.io/content-hash"


OTHER = "hf://demo/model:0123456"


def only_new_pods(scenario):
    """The scenario for pods of another model than the first deploy's (or OTHER)."""
    seen = [OTHER]

    def rule(pod):
        source = pod["metadata"]["annotations"]["internal.serving.kserve.io/storage-initializer-sourceuri"]
        if len(seen) == 1:
            seen.append(source)
        return None if source in seen else scenario

    return rule


@pytest.fixture
def failing(place, node, cluster):
    """A service that serves, and a commit whose pods crash."""
    from harness import alauda

    cluster.grant(place.account, alauda.DIAGNOSTIC_RULES, "diagnostics")
    node.scenario(place.namespace, only_new_pods(CrashLoop(exit_code=1, backoff=0.2)))
    run = place.deploy()
    assert run.code == 0, run.log
    place.project.commit({"config.json": "{}"})
    return place


def essence(service):
    return service["spec"], service["metadata"]["annotations"], service["metadata"]["labels"]


def serves(place, spec):
    deployment = place.deployment()
    status, annotations = deployment["status"], deployment["spec"]["template"]["metadata"]["annotations"]
    return annotations["internal.serving.kserve.io/storage-initializer-sourceuri"] == spec["predictor"]["model"]["storageUri"] \
        and status["observedGeneration"] == deployment["metadata"]["generation"] \
        and status["updatedReplicas"] == status["replicas"] == status["availableReplicas"]


def test_the_spec_of_before_comes_back_and_serves(failing):
    before = failing.service()
    run = failing.deploy(ON_FAILURE="rollback", CPU_LIMIT="7", ENV="ADDED=1", INFERENCE_SERVICE_DESCRIPTION="added")
    assert run.code == 7, run.log
    assert run.results["state"] == "failed" and run.results["failure-class"] == "repeated"
    assert essence(failing.service()) == essence(before)
    assert serves(failing, before["spec"]) and is_true(failing.service(), "Ready"), "the run has waited for it"
    assert "rolled back: the revision of before serves" in run.log
    assert "rolled back: the revision of before serves" in run.results["overview-markdown"]
    assert "stays as applied" not in run.log


def test_keep_is_the_default(failing):
    run = failing.deploy()
    assert run.code == 7, run.log
    assert failing.service()["spec"]["predictor"]["model"]["storageUri"].endswith(run.results["commit"])
    assert "stays as applied" in run.log


def test_the_deadline_is_a_failure_too(place, node):
    node.scenario(place.namespace, only_new_pods(Scenario(load=Gate())))
    assert place.deploy().code == 0
    before = place.service()
    place.project.commit({"config.json": "{}"})
    run = place.deploy(ON_FAILURE="rollback", TIMEOUT="10s")
    assert run.code == 8, run.log
    assert run.results["state"] == "timeout"
    assert essence(place.service()) == essence(before) and serves(place, before["spec"])


def test_a_spec_that_never_becomes_a_deployment(place, cluster):
    """The old Deployment is untouched; Ready never left True."""
    from harness import alauda

    assert place.deploy().code == 0
    before = place.service()
    name = f"own-{place.namespace}"
    cluster.client.apply(alauda.runtime(name, "other", ["transformers"], {"image": "registry.test/x:1", "args": ["{{ .Nope }"]}))
    try:
        run = place.deploy(ON_FAILURE="rollback", RUNTIME_NAME=name, RUNTIME_CLASS=None)
        assert run.code == 7 and "rolled back: the revision of before serves" in run.log, run.log
        assert essence(place.service()) == essence(before)
        cluster.client.wait_for("InferenceService", "qwen", place.namespace,
                                lambda item: item["status"]["modelStatus"]["transitionStatus"] == "UpToDate", 30)
    finally:
        cluster.client.delete("ClusterServingRuntime", name)


def test_what_somebody_else_made_comes_back_whole(failing, kubectl):
    """Made by kubectl, with fields that this program never writes, in the mode name of old: KServe 0.16 refuses to go back to that one."""
    made = inference_service("other", failing.namespace, "vllm-cuda-12", "transformers", OTHER, annotations={"team": "search", "serving.kserve.io/deploymentMode": "RawDeployment"},
                             model={"args": ["--max-model-len=8"]}, hostIPC=True, timeout=30)
    kubectl.apply(made)
    service = failing.cluster.client.wait_for("InferenceService", "other", failing.namespace, lambda item: is_true(item, "Ready"), 60)
    run = failing.deploy(INFERENCE_SERVICE_NAME="other", ON_FAILURE="rollback")
    assert run.code == 7, run.log
    assert "rolled back: the revision of before serves" in run.log, run.log
    after = failing.service("other")
    assert after["spec"] == service["spec"]
    assert after["metadata"]["annotations"]["team"] == "search" and HASH not in after["metadata"]["annotations"]
    assert after["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"


def test_nothing_to_roll_back_to_on_a_create(place, node, cluster):
    from harness import alauda

    cluster.grant(place.account, alauda.DIAGNOSTIC_RULES, "diagnostics")
    node.scenario(place.namespace, CrashLoop(exit_code=1, backoff=0.2))
    run = place.deploy(ON_FAILURE="rollback")
    assert run.code == 7, run.log
    assert "nothing to roll back to: this run created the service" in run.log
    assert place.service()["spec"]["predictor"]["model"]["storageUri"].endswith(run.results["commit"])
    again = place.deploy(ON_FAILURE="rollback")
    assert again.code == 7 and "nothing to roll back: this run changed nothing" in again.log, again.log


def test_somebody_elses_change_stays(failing):
    """The change is what ends the run."""
    gate = Gate()
    failing.node.scenario(failing.namespace, Scenario(load=gate))
    running = failing.start(ON_FAILURE="rollback")
    assert gate.reached.wait(60), running.log()
    failing.cluster.client.patch("InferenceService", "qwen", failing.namespace, {"spec": {"predictor": {"model": {"storageUri": "hf://a/other:1"}}}})
    run = running.finish()
    assert run.code == 7, run.log
    assert "not rolled back: somebody else changed" in run.log
    assert "not rolled back" in run.results["overview-markdown"]
    assert failing.service()["spec"]["predictor"]["model"]["storageUri"] == "hf://a/other:1"


def test_a_service_that_was_deleted_is_not_made_again(failing):
    gate = Gate()
    failing.node.scenario(failing.namespace, Scenario(load=gate))
    running = failing.start(ON_FAILURE="rollback")
    assert gate.reached.wait(60), running.log()
    failing.cluster.client.delete("InferenceService", "qwen", failing.namespace)
    run = running.finish()
    assert run.code == 7 and "not rolled back" in run.log, run.log
    # The run ends at the deletion's mark; KServe's finalizer keeps the object for some time more.
    failing.cluster.client.wait_gone("InferenceService", "qwen", failing.namespace)
    assert failing.cluster.client.find("InferenceService", "qwen", failing.namespace) is None


def test_a_rollback_that_fails_says_so(place, node, cluster):
    """Every new pod crashes now, those of the old model too; with Recreate there are none left of before."""
    from harness import alauda

    cluster.grant(place.account, alauda.DIAGNOSTIC_RULES, "diagnostics")
    assert place.deploy(DEPLOYMENT_STRATEGY="Recreate").code == 0
    before = place.service()
    node.scenario(place.namespace, CrashLoop(exit_code=1, backoff=0.2))
    place.project.commit({"config.json": "{}"})
    run = place.deploy(DEPLOYMENT_STRATEGY="Recreate", ON_FAILURE="rollback")
    assert run.code == 7, run.log
    assert "rolled back, but the revision of before does not serve again" in run.log
    assert essence(place.service()) == essence(before)
    assert run.results["commit"] == place.project.repository.head(), "the results are those of the run"


def test_a_rollback_that_is_refused_says_so(failing, cluster):
    """The right to patch is gone by then: no pod crashes before."""
    from harness import alauda

    gate = Gate()
    failing.node.scenario(failing.namespace, CrashLoop(exit_code=1, backoff=0.2, runs=gate))
    running = failing.start(ON_FAILURE="rollback")
    assert gate.reached.wait(60), running.log()
    less = [{**rule, "verbs": ["get", "list", "watch"]} for rule in alauda.DOCUMENT_RULES]
    cluster.grant(failing.account, less, "deploy-model")
    gate.open()
    run = running.finish()
    assert run.code == 7, run.log
    assert "not rolled back" in run.log and "patch" in run.log


def test_sigterm_during_the_rollback(place, node, cluster):
    """Ends within a second, with the failure's code; what is applied stays."""
    from harness import alauda

    cluster.grant(place.account, alauda.DIAGNOSTIC_RULES, "diagnostics")
    assert place.deploy(DEPLOYMENT_STRATEGY="Recreate").code == 0
    before = place.service()
    gate, seen = Gate(), [before["spec"]["predictor"]["model"]["storageUri"]]
    node.scenario(place.namespace, lambda pod: Scenario(load=gate) if pod["metadata"]["annotations"][
        "internal.serving.kserve.io/storage-initializer-sourceuri"] in seen else CrashLoop(exit_code=1, backoff=0.2))
    place.project.commit({"config.json": "{}"})
    running = place.start(DEPLOYMENT_STRATEGY="Recreate", ON_FAILURE="rollback")
    running.wait_for_log("the spec of before is applied again")
    assert gate.reached.wait(60), running.log()
    started = time.monotonic()
    running.signal(signal.SIGTERM)
    run = running.finish()
    gate.open()
    assert time.monotonic() - started < AT_ONCE
    assert run.code == 7 and run.results["state"] == "failed", run.log
    assert "not waited for" in run.log
    assert essence(place.service()) == essence(before)


def test_sigterm_before_the_failure_rolls_nothing_back(failing):
    gate = Gate()
    failing.node.scenario(failing.namespace, Scenario(load=gate))
    running = failing.start(ON_FAILURE="rollback")
    assert gate.reached.wait(60), running.log()
    running.signal(signal.SIGTERM)
    run = running.finish()
    assert run.code == 143 and "rolled back" not in run.log, run.log
    assert failing.service()["spec"]["predictor"]["model"]["storageUri"].endswith(run.results["commit"])


def test_a_revision_that_does_not_answer_is_rolled_back(place):
    assert place.deploy(RUNTIME_CLASS="plain").code == 0
    before = place.service()
    place.project.commit({"config.json": "{}"})
    with Peer(always(503)) as peer:
        run = place.deploy(RUNTIME_CLASS="plain", ON_FAILURE="rollback", VERIFY_ENDPOINT=peer.url(""), TIMEOUT="12s")
    assert run.code == 8 and "rolled back: the revision of before serves" in run.log, run.log
    assert essence(place.service()) == essence(before)


def test_a_check_that_cannot_be_made_rolls_nothing_back(place):
    assert place.deploy(RUNTIME_CLASS="plain").code == 0
    place.project.commit({"config.json": "{}"})
    with Peer(always(401)) as peer:
        run = place.deploy(RUNTIME_CLASS="plain", ON_FAILURE="rollback", VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 7 and "rolled back" not in run.log, run.log
    assert place.service()["spec"]["predictor"]["model"]["storageUri"].endswith(run.results["commit"])
