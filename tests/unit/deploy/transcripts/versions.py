"""What KServe 0.14 to 0.20 show of the same eight sequences, as seen with the real controllers: which status they write, and when.

0.14, 0.15 and 0.20 leave Ready=True and modelStatus UpToDate through a whole rollout; 0.16 and 0.19 write a stale Ready=True once more while
the Deployment has the new template already, then Unknown. None of them touches Ready when a spec cannot be built.
"""

from cause import ALL
from world import OLD_HASH, OLD_URI, URI, World, ended, running, scheduled, server_is, serving, terminated, waiting

VERSIONS = ("0.14", "0.15", "0.16", "0.19", "0.20")
STAYS_READY = ("0.14", "0.15", "0.20")


def each_version(function):
    for version in VERSIONS:
        def build(version=version):
            return function(version)
        ALL.append(build)
    return function


def name(version, what):
    return f"kserve-{version}-{what}"


def running_before(world, uri=OLD_URI):
    """The service of before serves; our apply has just been answered."""
    before = world.service("True", "UpToDate", generation=1)
    world.target["statusBefore"] = before["status"]
    world.see("InferenceService", world.service("True", "UpToDate"))
    world.see("Deployment", world.deployment(OLD_HASH, uri, 1, updated=1, available=1, revision="1"))
    world.see("ReplicaSet", world.replica_set("1", "77aa"))
    old = world.see("Pod", serving(world.pod("old1", "77aa", OLD_HASH, uri)))
    world.synced()
    return old


def new_template(world, version):
    """KServe patches the Deployment and writes a status made of the Deployment's status of before."""
    world.after(0.2).see("Deployment", world.deployment(generation=2, observed=1, updated=1, available=1, revision="1"))
    if version not in STAYS_READY:
        world.see("InferenceService", world.service("True", "UpToDate", status={"observedGeneration": 1}))
    world.after(0.1).see("ReplicaSet", world.replica_set("2", "6d5f"))
    world.see("Deployment", world.deployment(replicas=2, updated=1, available=1))
    pod = world.see("Pod", scheduled(world.pod()))
    if version in STAYS_READY:
        world.see("InferenceService", world.service("True", "UpToDate", status={"observedGeneration": 2}))
    else:
        world.see("InferenceService", world.service("Unknown", "InProgress", conditions=[
            {"type": "IngressReady", "status": "False", "reason": "Predictor ingress not created"},
            {"type": "PredictorReady", "status": "Unknown", "reason": "ReplicaSetUpdated"}]))
    return pod


def becomes_ready(world, version, old, pod):
    world.after(20).see("Pod", server_is(pod, running("kserve-container")))
    world.after(30).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(replicas=2, updated=1, available=2))
    world.after(1).event("Pod", "DELETED", old)
    complete = world.see("Deployment", world.deployment(replicas=1, updated=1, available=1))
    last = world.after(0.1).see("InferenceService", world.service("True", "UpToDate", status={"observedGeneration": 2, "final": True}))
    world.expect("ready", complete=int(complete["metadata"]["resourceVersion"]))
    return last


@each_version
def create(version):
    world = World(name(version, "create"), generation=1)
    world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(0.3).see("Deployment", world.deployment(generation=1, observed=0, revision="1"))
    world.see("InferenceService", world.service("Unknown" if version in ("0.14", "0.15") else "False", "Pending"))
    world.see("ReplicaSet", world.replica_set("1"))
    world.see("Deployment", world.deployment(generation=1, replicas=1, updated=1, revision="1"))
    pod = world.see("Pod", scheduled(world.pod()))
    world.after(40).see("Pod", serving(pod))
    complete = world.see("Deployment", world.deployment(generation=1, updated=1, available=1, revision="1"))
    world.after(0.1).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready", complete=int(complete["metadata"]["resourceVersion"]))
    return world


@each_version
def update_of_the_model(version):
    world = World(name(version, "update-of-the-model"))
    old = running_before(world)
    becomes_ready(world, version, old, new_template(world, version))
    return world


@each_version
def update_of_annotations(version):
    """No new generation of the InferenceService, yet a rollout."""
    world = World(name(version, "update-of-annotations"))
    old = running_before(world, URI)
    becomes_ready(world, version, old, new_template(world, version))
    return world


@each_version
def update_with_a_bad_runtime(version):
    """Ready stays True for ever."""
    world = World(name(version, "update-with-a-bad-runtime"))
    running_before(world)
    world.after(0.2).see("InferenceService", world.service("True", "InvalidSpec", {
        "reason": "RuntimeNotRecognized", "message": "Waiting for runtime to become available"}, runtime="no-such"))
    world.expect("failed", "InvalidSpec", "terminal", "There is no runtime named no-such, neither in the cluster nor in namespace demo.",
                 "RUNTIME_NAME", ["modelStatus InvalidSpec (RuntimeNotRecognized)"])
    return world


@each_version
def mended_after_a_bad_runtime(version):
    """The InvalidSpec of the generation before is still there when the good one has been applied."""
    world = World(name(version, "mended-after-a-bad-runtime"))
    failure = {"reason": "RuntimeNotRecognized", "message": "Waiting for runtime to become available"}
    world.target["statusBefore"] = world.service("True", "InvalidSpec", failure)["status"]
    world.see("InferenceService", world.service("True", "InvalidSpec", failure))
    world.see("Deployment", world.deployment(OLD_HASH, OLD_URI, 1, updated=1, available=1, revision="1"))
    world.see("ReplicaSet", world.replica_set("1", "77aa"))
    old = world.see("Pod", serving(world.pod("old1", "77aa", OLD_HASH, OLD_URI)))
    world.synced()
    world.after(4)
    becomes_ready(world, version, old, new_template(world, version))
    return world


@each_version
def still_invalid(version):
    """Applied again with the same mistake: the status does not even change."""
    world = World(name(version, "still-invalid"))
    failure = {"reason": "NoSupportingRuntime", "message": "Specified runtime does not support specified framework/version"}
    world.target["statusBefore"] = world.service("True", "InvalidSpec", failure)["status"]
    world.see("InferenceService", world.service("True", "InvalidSpec", failure))
    world.see("Deployment", world.deployment(OLD_HASH, OLD_URI, 1, updated=1, available=1, revision="1"))
    world.synced()
    world.after(40)
    world.line("Pod", "SYNCED")
    world.expect("failed", "InvalidSpec", "terminal", "cannot serve models of the format transformers", "LIBRARY_NAME", at=30000)
    return world


@each_version
def update_whose_pods_crash(version):
    world = World(name(version, "update-whose-pods-crash"))
    running_before(world)
    pod = new_template(world, version)
    world.after(20).see("Pod", server_is(pod, running("kserve-container")))
    end = ended(1, "Error", "ValueError: bad config")
    world.after(5).see("Pod", server_is(pod, terminated("kserve-container", end)))
    for restarts in (1, 2):
        world.after(10).see("Pod", server_is(pod, running("kserve-container", restarts=restarts, last=end)))
        world.after(5).see("Pod", server_is(pod, waiting("kserve-container", "CrashLoopBackOff", None, restarts, end)))
    world.expect("failed", "CrashLoopBackOff", "repeated", "crashes each time it is started: ValueError: bad config", "kserve-container",
                 ["ended 3 times, last with exit code 1"])
    return world


@each_version
def second_equal_run(version):
    world = World(name(version, "second-equal-run"), changed=False)
    world.see("InferenceService", world.service("True", "UpToDate"))
    deployment = world.see("Deployment", world.deployment(updated=1, available=1))
    world.see("ReplicaSet", world.replica_set())
    world.see("Pod", serving(world.pod()))
    world.synced()
    service = world.service("True", "UpToDate")
    service["metadata"]["resourceVersion"] = "101"
    world.after(0.02).confirmed(service)
    world.expect("ready", complete=int(deployment["metadata"]["resourceVersion"]))
    return world


@each_version
def three_replicas(version):
    """The Deployment starts with one replica; the autoscaler raises it."""
    world = World(name(version, "three-replicas"), generation=1, minReplicas=3)
    world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.see("Deployment", world.deployment(generation=1, updated=1, available=1, revision="1"))
    world.see("InferenceService", world.service("True", "UpToDate"))
    world.after(15).see("Deployment", world.deployment(generation=2, observed=1, wanted=3, updated=1, available=1, revision="1"))
    world.see("Deployment", world.deployment(generation=2, wanted=3, replicas=3, updated=3, available=1, revision="1"))
    world.see("InferenceService", world.service("True", "UpToDate", status={"observedGeneration": 2}))
    complete = world.after(30).see("Deployment", world.deployment(generation=2, wanted=3, updated=3, available=3, revision="1"))
    world.after(0.1).see("InferenceService", world.service("True", "UpToDate", status={"observedGeneration": 2, "final": True}))
    world.expect("ready", complete=int(complete["metadata"]["resourceVersion"]))
    return world


@each_version
def deleted_while_waiting(version):
    world = World(name(version, "deleted-while-waiting"))
    running_before(world)
    new_template(world, version)
    world.after(1).see("InferenceService", world.service("True", metadata={"deletionTimestamp": "2025-11-26T00:00:02Z"}))
    world.expect("failed", "Deleted", "terminal", "Somebody is deleting the InferenceService qwen", "run again")
    return world
