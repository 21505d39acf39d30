"""Why a service does not come up, in the words of a real kubelet, containerd and kernel."""

from __future__ import annotations

from e2e.place import SMALL, deploys

SOON = {"TIMEOUT": "280s"}


def fails(place, code: int, reason: str, *said: str) -> None:
    """The run failed for this reason, and its log has all of this."""
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() == code, run.log
    assert run.task_results()["reason"].startswith(f"{reason}:"), run.log
    assert run.task_results()["state"] == "failed"
    for text in said:
        assert text in run.log, run.log


@deploys(behaviour="grow", **SMALL, **SOON)
def test_a_model_larger_than_its_memory_limit(place):
    fails(place, 7, "OOMKilled", "MEMORY_LIMIT", "256Mi")


@deploys(RUNTIME_CLASS="unpublished", **SMALL, **SOON)
def test_an_image_that_the_registry_does_not_have(place):
    fails(place, 7, "ImageNotFound", "registry.test/model-server:of-tomorrow", "without-image")


@deploys(prepare=lambda place: place.hide_from_the_cluster(), **SMALL, **SOON)
def test_a_download_that_fails(place):
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() == 7, run.log
    assert "storage initializer: README.md: HTTP/1.1 404" in run.log, "the last words of the container that downloads"


@deploys(NVIDIA_GPUALLOC="", NVIDIA_GPUCORES="", NVIDIA_GPUMEM="", NVIDIA_GPU="5", TIMEOUT="45s", **SMALL)
def test_more_gpus_than_the_node_has(place):
    run = place.finish()
    assert not run.succeeded
    assert run.exit_code() in (7, 8), run.log
    assert "nvidia.com/gpu" in run.log, "the scheduler's reason, decoded"
