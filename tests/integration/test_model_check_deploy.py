"""MODEL_CHECK in a deploy: warnings beside the rollout, or a refusal before anything is applied."""

from __future__ import annotations

import time

import pytest

from harness import alauda
from harness.client import NotFound
from harness.gitlab_faults import Stall, Status
from harness.model_repository import weights
from harness.process import wait_until
from harness.scenario import Evicted, Gate, Scenario

MISSING = {"model.safetensors": weights(988_097_900, stored=False)}
LARGE = {"model.safetensors": weights(16_060_556_376)}


def push(place, files) -> None:
    place.project.commit(files, message="other weights")


def model_requests(place) -> list[str]:
    return [request.endpoint for request in place.gitlab.requests if request.endpoint in ("tree", "graphql", "lfs-batch", "raw")]


def nothing_applied(place) -> bool:
    try:
        place.service()
    except NotFound:
        return True
    return False


# ---- warn ----


@pytest.fixture
def slow(place, node):
    """slow(...) deploys a model that is loaded for as long as the check takes: a run waits for it a second longer, and no more."""
    loaded = Gate()
    node.scenario(place.namespace, Scenario(load=loaded))

    def deploy(checked):
        running = place.start()
        checked(running)
        loaded.open()
        return running.finish()

    return deploy


def test_a_sound_model_is_checked_without_a_word(place, slow):
    run = slow(lambda running: wait_until(lambda: len(model_requests(place)) >= 5, 60, "the requests of the check"))
    assert run.code == 0, run.log
    assert "model check" not in run.log
    assert sorted(model_requests(place)) == ["graphql", "lfs-batch", "raw", "raw", "tree"]


def test_a_missing_object_is_a_warning_by_default(place, slow):
    push(place, MISSING)
    run = slow(lambda running: running.wait_for_log("model check: ", 60))
    assert run.code == 0, run.log
    assert "model check: 1 file of Git LFS without an object on the server: model.safetensors" in run.log
    assert "git lfs push --all origin" in run.log


def test_a_model_too_large_is_warned_about_with_the_parameters(place, slow):
    push(place, LARGE)
    run = slow(lambda running: running.wait_for_log("NVIDIA_GPUMEM=", 60))
    assert run.code == 0, run.log
    assert "set EPHIMERAL_STORAGE_SIZE=31Gi" in run.log and "NVIDIA_GPUMEM=" in run.log


@pytest.mark.parametrize("endpoint", ["tree", "graphql", "lfs-batch"])
def test_a_gitlab_that_stalls_holds_nothing_up(place, endpoint):
    place.gitlab.fault(endpoint, Stall(30))
    started = time.monotonic()
    run = place.deploy()
    assert run.code == 0, run.log
    assert time.monotonic() - started < 15
    assert "model check" not in run.log


def test_a_gitlab_that_refuses_costs_no_warning(place):
    for endpoint in ("tree", "graphql", "lfs-batch", "raw"):
        place.gitlab.fault(endpoint, Status(403))
    run = place.deploy()
    assert run.code == 0, run.log
    assert "model check" not in run.log


def test_what_was_found_explains_the_failure(place, node):
    push(place, LARGE)
    alauda.deployer(place.cluster, place.namespace, "deployer", diagnostics=True)
    evicted: list[str] = []
    checked = Gate()

    def rule(pod):
        evicted.append(pod["metadata"]["name"])
        message = "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. "
        # The one in its place never serves: else the run may see that first.
        return Evicted(message=message, after=checked) if len(evicted) == 1 else Scenario(load=Gate())

    node.scenario(place.namespace, rule)
    running = place.start()
    running.wait_for_log("SIZE=31Gi", 60)
    checked.open()
    run = running.finish()
    assert run.code == 7, run.log
    assert run.results["reason"].startswith("EphemeralStorageExceeded")
    assert "The model check found: does not fit: the model's files take 15 GiB" in run.log
    assert "SIZE=31Gi" in run.results["overview-markdown"].replace("\\", "")


def test_off_asks_nothing(place):
    push(place, MISSING)
    run = place.deploy(MODEL_CHECK="off")
    assert run.code == 0, run.log
    assert "model check" not in run.log and model_requests(place) == []


# ---- fail ----


def test_missing_files_end_the_run_before_anything_is_applied(place):
    push(place, MISSING)
    run = place.deploy(MODEL_CHECK="fail")
    assert run.code == 3, run.log
    assert "model.safetensors" in run.log and "MODEL_CHECK=warn" in run.log
    assert run.results["state"] == "failed" and run.results["reason"].startswith("ModelUnavailable: model check")
    assert nothing_applied(place)


def test_what_does_not_fit_ends_it_as_a_wrong_parameter(place):
    push(place, LARGE)
    run = place.deploy(MODEL_CHECK="fail")
    assert run.code == 2, run.log
    assert "EPHIMERAL_STORAGE_SIZE=31Gi" in run.log and "NVIDIA_GPUMEM=" in run.log
    assert nothing_applied(place)


def test_with_room_it_is_deployed(place):
    push(place, LARGE)
    run = place.deploy(MODEL_CHECK="fail", EPHIMERAL_STORAGE_SIZE="40Gi", NVIDIA_GPUMEM="24576")
    assert run.code == 0, run.log


def test_an_unknown_ends_nothing(place):
    push(place, LARGE)
    place.gitlab.fault("tree", Status(500))
    run = place.deploy(MODEL_CHECK="fail", NVIDIA_GPUMEM="40960", EPHIMERAL_STORAGE_SIZE="40Gi")
    assert run.code == 0, run.log


def test_an_unknown_mode_is_refused(place):
    run = place.deploy(MODEL_CHECK="strict")
    assert run.code == 2 and "off, warn" in run.log, run.log


# ---- a claim ----


@pytest.fixture
def claim(place):
    """A claim of 10Gi that the real controller has bound to a volume; what it misses it looks for every 15 s."""
    client, volume = place.cluster.client, f"models-{place.namespace}"
    size, modes = {"storage": "10Gi"}, ["ReadWriteMany"]
    client.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
                   "spec": {"capacity": size, "accessModes": modes, "storageClassName": "", "hostPath": {"path": "/nowhere"},
                            "claimRef": {"namespace": place.namespace, "name": "models"}}})
    client.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models", "namespace": place.namespace},
                   "spec": {"accessModes": modes, "resources": {"requests": size}, "storageClassName": "", "volumeName": volume}})
    client.wait_for("PersistentVolumeClaim", "models", place.namespace, lambda item: item.get("status", {}).get("capacity"), 90)
    yield "models"
    client.delete("PersistentVolume", volume)


def test_a_claim_that_is_too_small(place, claim):
    push(place, LARGE)
    rules = [{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"]}]
    place.cluster.grant(place.account, rules, name="claims")
    run = place.deploy(MODEL_CHECK="fail", PVC_NAME=claim, NVIDIA_GPUMEM="24576")
    assert run.code == 2, run.log
    assert "PVC_NAME=models, which has 10 GiB" in run.log
    assert nothing_applied(place)


def test_a_claim_that_may_not_be_read_is_unknown(place, claim):
    push(place, LARGE)
    run = place.deploy(MODEL_CHECK="fail", PVC_NAME=claim, NVIDIA_GPUMEM="24576")
    assert run.code == 0, run.log
