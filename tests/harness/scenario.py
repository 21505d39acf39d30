"""What is to become of the pods on the test node: each Scenario is a life of a pod, step by step, as kubelet would report it.

A scenario is a generator function ``life(pod)``: it calls methods of ``pod`` (node.PodDriver), which write the pod's status and
events to the API server, and yields either seconds to wait or a Gate to wait for. The pod is scheduled by the real scheduler
before its life begins, and its deletion ends it wherever it is.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Callable, Iterator


class Gate:
    """Holds a pod at a step until the test opens it; ``reached`` tells the test that a pod has come there."""

    def __init__(self):
        self._open = threading.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._open.set()

    def is_open(self) -> bool:
        return self._open.is_set()


@dataclass
class Scenario:
    """A pod that comes up, or the base of one that does not. Times are in seconds and short: a test sees the order of things,
    not their real length.

    ``pull`` is spent on each image, ``init`` in each init container (the storage initializer downloads), ``load`` between the
    start of the containers and their readiness, ``terminate`` between a pod's deletion and its end. ``logs`` maps a container's
    name to its log. A Gate may stand in place of each of these times.
    """

    pull: float | Gate = 0.0
    init: float | Gate = 0.05
    load: float | Gate = 0.05
    terminate: float = 0.0
    logs: dict[str, str] = field(default_factory=dict)
    previous_logs: dict[str, str] = field(default_factory=dict)

    def life(self, pod) -> Iterator[float | Gate]:
        yield from self.until_containers(pod)
        yield from self.start_and_serve(pod)

    def until_containers(self, pod) -> Iterator[float | Gate]:
        """The sandbox and the init containers, one after the other."""
        pod.accept()
        for name in pod.init_containers:
            pod.event("Normal", "Pulling", f'Pulling image "{pod.image(name)}"', name)
            yield self.pull
            pod.event("Normal", "Pulled", f'Successfully pulled image "{pod.image(name)}"', name)
            pod.running(name)
            yield self.init
            pod.terminated(name, 0, "Completed")

    def start_and_serve(self, pod) -> Iterator[float | Gate]:
        for name in pod.containers:
            pod.event("Normal", "Pulling", f'Pulling image "{pod.image(name)}"', name)
        yield self.pull
        for name in pod.containers:
            pod.event("Normal", "Pulled", f'Successfully pulled image "{pod.image(name)}"', name)
        pod.running(*pod.containers)
        yield self.load
        pod.ready()


@dataclass
class ImagePullError(Scenario):
    """The image cannot be pulled: ErrImagePull, then ImagePullBackOff, again and again. ``container`` is the first that runs
    when it is not given."""

    message: str = "rpc error: code = NotFound desc = failed to pull and unpack image: not found"
    container: str | None = None
    backoff: float = 0.5

    def life(self, pod):
        name = self.container or pod.containers[0]
        if name not in pod.init_containers:
            yield from self.until_containers(pod)
        else:
            pod.accept()
        while True:
            image = pod.image(name)
            pod.event("Normal", "Pulling", f'Pulling image "{image}"', name)
            pod.waiting(name, "ErrImagePull", self.message)
            pod.event("Warning", "Failed", f'Failed to pull image "{image}": {self.message}', name)
            pod.event("Warning", "Failed", "Error: ErrImagePull", name)
            yield self.backoff
            pod.waiting(name, "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {self.message}')
            pod.event("Normal", "BackOff", f'Back-off pulling image "{image}"', name)
            pod.event("Warning", "Failed", "Error: ImagePullBackOff", name)
            yield self.backoff


@dataclass
class CrashLoop(Scenario):
    """A container that ends again and again; an init container when ``container`` names one. With ``recover_after`` it comes
    up at that restart."""

    container: str | None = None
    exit_code: int = 1
    reason: str = "Error"
    message: str = ""
    runs: float = 0.05
    backoff: float = 0.3
    recover_after: int | None = None

    def life(self, pod):
        name = self.container or pod.containers[0]
        if name in pod.init_containers:
            pod.accept()
        else:
            yield from self.until_containers(pod)
            pod.running(*[c for c in pod.containers if c != name])
        restarts = 0
        while self.recover_after is None or restarts < self.recover_after:
            pod.event("Normal", "Pulled", f'Container image "{pod.image(name)}" already present on machine', name)
            pod.running(name)
            yield self.runs
            pod.terminated(name, self.exit_code, self.reason, self.message)
            yield min(self.backoff, 0.1)
            restarts += 1
            pod.crash_back_off(name, self.backoff)
            yield self.backoff
        pod.running(name)
        if name in pod.init_containers:
            yield self.init
            pod.terminated(name, 0, "Completed")
            yield from self.start_and_serve(pod)
            return
        yield self.load
        pod.ready()


def OutOfMemory(**kwargs) -> CrashLoop:
    """The kernel kills the container for its memory limit."""
    return CrashLoop(**{"exit_code": 137, "reason": "OOMKilled", **kwargs})


@dataclass
class ConfigError(Scenario):
    """A container that cannot be made: a key of a Secret or ConfigMap is missing, or the image wants root and may not."""

    message: str = 'couldn\'t find key token in Secret default/model-secret'
    reason: str = "CreateContainerConfigError"
    container: str | None = None

    def life(self, pod):
        name = self.container or pod.containers[0]
        yield from self.until_containers(pod)
        pod.waiting(name, self.reason, self.message)
        pod.event("Warning", "Failed", f"Error: {self.message}", name)
        yield Gate()


@dataclass
class MountError(Scenario):
    """The pod waits for a volume that never comes."""

    message: str = 'MountVolume.SetUp failed for volume "model" : secret "model-secret" not found'

    def life(self, pod):
        pod.accept(sandbox=False)
        while True:
            pod.event("Warning", "FailedMount", self.message)
            yield 0.5


@dataclass
class NeverReady(Scenario):
    """Runs, and its readiness probe fails."""

    message: str = 'Readiness probe failed: HTTP probe failed with statuscode: 503'

    def life(self, pod):
        yield from self.until_containers(pod)
        pod.running(*pod.containers)
        while True:
            pod.event("Warning", "Unhealthy", self.message, pod.containers[0])
            yield 0.5


@dataclass
class Evicted(Scenario):
    """Comes up (or, with ``before_ready``, does not), and then the node evicts it for the space that it uses."""

    message: str = 'Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. '
    before_ready: bool = True
    after: float = 0.5

    def life(self, pod):
        yield from self.until_containers(pod)
        pod.running(*pod.containers)
        if not self.before_ready:
            yield self.load
            pod.ready()
        yield self.after
        pod.event("Warning", "Evicted", self.message)
        pod.evicted(self.message)


@dataclass
class Flapping(Scenario):
    """Ready, and at each of ``steps`` the other of not ready and ready. A Gate may stand in place of each of these times."""

    steps: tuple[float | Gate, ...] = (0.3, 0.3, 0.3, 0.3)

    def life(self, pod):
        yield from self.until_containers(pod)
        yield from self.start_and_serve(pod)
        for number, step in enumerate(self.steps):
            yield step
            if number % 2 == 0:
                pod.not_ready()
            else:
                pod.ready()


# A rule gives a scenario for a pod, or None when it has nothing to say about it.
Rule = Callable[[dict], Scenario | None]

# For use by hand: the pod annotation harness/scenario names one of these.
BY_NAME: dict[str, Callable[[], Scenario]] = {
    "ready": Scenario,
    "slow": lambda: Scenario(pull=2, init=3, load=3),
    "image-pull-error": ImagePullError,
    "crash-loop": CrashLoop,
    "init-crash-loop": lambda: CrashLoop(container="storage-initializer"),
    "out-of-memory": OutOfMemory,
    "config-error": ConfigError,
    "mount-error": MountError,
    "never-ready": NeverReady,
    "evicted": Evicted,
    "flapping": Flapping,
}
