"""Old and new pods of one service, and the service itself: who is meant, and what must be said of it."""

from cause import cause, create
from world import GPU, OLD_HASH, OLD_URI, World, ended, running, scheduled, server_is, serving, terminated, unscheduled, waiting

# ---- one GPU, two pods ----


@cause
def gpu_deadlock():
    """A rolling update of a one-replica service on the only GPU."""
    world = World("gpu-deadlock")
    old = serving(world.pod("old1", "77aa", OLD_HASH, OLD_URI))
    world.see("InferenceService", world.service("True", "UpToDate"))
    world.see("Deployment", world.deployment(OLD_HASH, OLD_URI, 1, updated=1, available=1, revision="1"))
    world.see("ReplicaSet", world.replica_set("1", "77aa"))
    world.see("Pod", old)
    world.synced()
    world.after(0.3).see("Deployment", world.deployment(generation=2, observed=1, updated=1, available=1, revision="1"))
    world.after(0.1).see("ReplicaSet", world.replica_set("2", "6d5f"))
    world.see("Deployment", world.deployment(replicas=2, updated=1, available=1))
    message = "0/2 nodes are available: 1 Insufficient nvidia.com/gpualloc, 1 node(s) had untolerated taint {node-role: }."
    pod = world.after(0.2).see("Pod", unscheduled(world.pod(), message))
    first = world.now
    world.about(pod, "Pod", "FailedScheduling", message, component="default-scheduler", name="scheduling")
    world.after(70)
    world.line("ReplicaSet", "SYNCED")
    world.expect("failed", "RolloutDeadlock", "impatient", "The update cannot fit: the new pod waits for a GPU (nvidia.com/gpualloc), and the "
                 "old pod of this service gives its own back only when the new pod is ready.", "DEPLOYMENT_STRATEGY=Recreate",
                 ["pod qwen-predictor-77aa-old1 of the revision before has nvidia.com/gpualloc"], at=first + 60000 - 1764115200000)
    return world


@cause
def gpu_deadlock_by_hami():
    world = World("gpu-deadlock-by-hami")
    world.see("InferenceService", world.service("True", "UpToDate"))
    world.see("Deployment", world.deployment(replicas=2, updated=1, available=1))
    world.see("ReplicaSet", world.replica_set("1", "77aa"))
    world.see("ReplicaSet", world.replica_set("2", "6d5f"))
    world.see("Pod", serving(world.pod("old1", "77aa", OLD_HASH, OLD_URI)))
    pod = world.see("Pod", unscheduled(world.pod(), "0/1 nodes are available: 1 CardInsufficientMemory."))
    first = world.now
    world.synced()
    world.about(pod, "Pod", "FilteringFailed", "1 nodes CardInsufficientMemory(gpu-1)", component="hami-scheduler", name="hami")
    world.after(70)
    world.line("ReplicaSet", "SYNCED")
    world.expect("failed", "RolloutDeadlock", "impatient", "The update cannot fit", "DEPLOYMENT_STRATEGY=Recreate", ["HAMi's scheduler (pod"],
                 at=first + 60000 - 1764115200000)
    return world


@cause
def gpu_wait_with_recreate():
    """With Recreate the old pod goes first: no deadlock."""
    world = World("gpu-wait-with-recreate")
    world.see("InferenceService", world.service("Unknown"))
    world.see("Deployment", world.deployment(replicas=1, updated=1, strategy={"type": "Recreate"}))
    world.see("ReplicaSet", world.replica_set("2", "6d5f"))
    world.see("Pod", serving(world.pod("old1", "77aa", OLD_HASH, OLD_URI)))
    world.see("Pod", unscheduled(world.pod(), "0/1 nodes are available: 1 Insufficient nvidia.com/gpualloc."))
    world.synced()
    world.after(100)
    world.line("ReplicaSet", "SYNCED")
    world.expect("progressing", "InsufficientGpu", "impatient", "The only node cannot take the pod: it has no GPU share left", "NVIDIA_GPU")
    return world


# ---- old pods are not ours ----


@cause
def old_replica_set_under_the_same_hash():
    """An administrator corrected the runtime: a new template, the same hash; the old pod still fails."""
    world = World("old-replica-set-under-the-same-hash", changed=False)
    old = server_is(scheduled(world.pod("old1", "77aa")), waiting("kserve-container", "CrashLoopBackOff", None, 7, ended(1)))
    world.after(900)
    world.see("InferenceService", world.service("Unknown"))
    world.see("Deployment", world.deployment(generation=3, replicas=2, updated=1, revision="3"))
    world.see("ReplicaSet", world.replica_set("2", "77aa"))
    world.see("ReplicaSet", world.replica_set("3", "6d5f"))
    world.see("Pod", old)
    pod = world.see("Pod", scheduled(world.pod()))
    world.synced()
    world.after(30).see("Pod", server_is(old, terminated("kserve-container", ended(1), 8)))
    world.after(10).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(generation=3, replicas=1, updated=1, available=1, revision="3"))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def old_pods_without_rights_on_replica_sets():
    """The same where ReplicaSets may not be read: the pod that was made last counts."""
    world = World("old-pods-without-rights-on-replica-sets", changed=False)
    old = server_is(scheduled(world.pod("old1", "77aa")), waiting("kserve-container", "CrashLoopBackOff", None, 7, ended(1)))
    world.after(900)
    world.see("InferenceService", world.service("Unknown"))
    world.see("Deployment", world.deployment(generation=3, replicas=2, updated=1, revision="3"))
    world.forbidden("ReplicaSet", "replicasets.apps")
    world.see("Pod", old)
    world.after(2)
    pod = world.see("Pod", scheduled(world.pod()))
    world.synced("InferenceService", "Deployment", "Pod", "Event")
    world.after(30).see("Pod", server_is(pod, running("kserve-container")))
    world.expect("progressing")
    return world


# ---- the service itself ----


@cause
def deleted():
    world, pod = create("deleted")
    world.after(5).event("InferenceService", "DELETED", world.service("Unknown"))
    world.expect("failed", "Deleted", "terminal", "Somebody deleted the InferenceService qwen while it was starting.", "run again")
    return world


@cause
def being_deleted():
    world, pod = create("being-deleted")
    world.after(5).see("InferenceService", world.service("Unknown", metadata={"deletionTimestamp": "2025-11-26T00:00:05Z"}))
    world.expect("failed", "Deleted", "terminal", "Somebody is deleting the InferenceService qwen", "once it is gone, run again",
                 ["deletionTimestamp 2025-11-26T00:00:05Z"])
    return world


@cause
def replaced():
    world, pod = create("replaced")
    world.line("InferenceService", "RELISTED")
    world.after(5).see("InferenceService", world.service("Unknown", uid="another"))
    world.synced("InferenceService")
    world.expect("failed", "Replaced", "terminal", "made another one of that name", "run again", at=5400)
    return world


@cause
def earlier_service_of_that_name():
    """What is heard late of a service that was deleted before ours was made."""
    world = World("earlier-service-of-that-name", generation=1)
    world.version = 40
    before = world.service("True", "UpToDate", hash=OLD_HASH, uri=OLD_URI, uid="before")
    world.see("InferenceService", before)
    world.event("InferenceService", "DELETED", before)
    world.version = 100
    world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.see("Deployment", world.deployment(generation=1, updated=1, available=1, revision="1"))
    world.after(1).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def foreign_spec_change():
    world, pod = create("foreign-spec-change", specDigest="11111111")
    world.after(5).see("InferenceService", world.service("Unknown", generation=2, uri="hf://demo/other:2222", digest="22222222", metadata={
        "managedFields": [{"manager": "deploy-inference-service", "operation": "Apply", "time": "2025-11-26T00:00:00Z"},
                          {"manager": "kubectl-edit", "operation": "Update", "time": "2025-11-26T00:00:05Z"}]}))
    world.expect("failed", "ChangedByOther", "terminal", "Somebody else (kubectl-edit) changed the InferenceService qwen (storageUri)",
                 "run again", ["generation 2, ours was 1; last written by kubectl-edit"])
    return world


@cause
def foreign_change_of_env():
    """A field that is not kept: the digest of the spec tells."""
    world, pod = create("foreign-change-of-env", specDigest="11111111")
    world.after(5).see("InferenceService", world.service("Unknown", generation=2, digest="33333333"))
    world.expect("failed", "ChangedByOther", "terminal", "changed the InferenceService qwen (its spec)", "run again")
    return world


@cause
def another_run_deploys():
    world, pod = create("another-run-deploys")
    world.after(5).see("InferenceService", world.service("Unknown", generation=2, hash="ffff0000"))
    world.expect("failed", "ChangedByOther", "terminal", "(another revision was deployed)", "run again")
    return world


@cause
def stopped():
    world, pod = create("stopped")
    item = world.service("False")
    item["metadata"]["annotations"]["serving.kserve.io/stop"] = "true"
    world.after(1).see("InferenceService", item)
    world.expect("failed", "Stopped", "terminal", "is switched off by its annotation serving.kserve.io/stop", "kubectl annotate")
    return world


@cause
def nothing_created():
    """KServe's controller is down."""
    world = World("nothing-created", generation=1)
    world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(90)
    world.line("Pod", "SYNCED")
    world.expect("progressing", "NothingCreated", "impatient", "KServe has not acted on this change", "controller runs")
    return world


@cause
def ingress_missing():
    """Every pod serves, and the service is not Ready."""
    world, pod = create("ingress-missing")
    world.after(20).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, available=1))
    world.after(1).see("InferenceService", world.service("True", "UpToDate", conditions=[
        {"type": "Ready", "status": "False", "reason": "IngressNotReady"},
        {"type": "IngressReady", "status": "False", "reason": "IngressNotReady", "message": "Failed to get ingress gateway"}]))
    world.expect("progressing", "NotReady", "impatient", "KServe does not call it ready: IngressReady is False (Failed to get ingress gateway).",
                 "KServe's controller", ["condition IngressReady=False"])
    return world


@cause
def reconcile_failed():
    """KServe 0.17 and later: the API server refuses the Deployment."""
    world = World("reconcile-failed")
    world.target["statusBefore"] = world.service("True", "UpToDate")["status"]
    world.see("InferenceService", world.service("True", "UpToDate"))
    world.see("Deployment", world.deployment(OLD_HASH, OLD_URI, 1, updated=1, available=1, revision="1"))
    world.synced()
    world.after(0.3).see("InferenceService", world.service("False", conditions=[
        {"type": "PredictorReady", "status": "False", "reason": "ReconcileFailed", "message": 'Deployment.apps "qwen-predictor" is invalid: '
         "spec.template.spec.containers[0].resources.requests: Invalid value: \"8\": must be less than or equal to cpu limit of 4"}]))
    world.expect("failed", "RequestAboveLimit", "terminal", "asks for more than its own limit: spec.template.spec.containers[0]", "CPU_REQUEST",
                 ["condition PredictorReady=False of the InferenceService (ReconcileFailed)"])
    return world


@cause
def reconcile_error_as_event():
    """KServe up to 0.16 says so in an event only."""
    world = World("reconcile-error-as-event")
    item = world.see("InferenceService", world.service("True", "UpToDate"))
    world.see("Deployment", world.deployment(OLD_HASH, OLD_URI, 1, updated=1, available=1, revision="1"))
    world.synced()
    world.after(0.3).about(item, "InferenceService", "InternalError", "fails to reconcile predictor: fails to reconcile component for the "
                           "predictor: Deployment.apps \"qwen-predictor\" is invalid: spec.template.spec.containers[0].resources.requests: "
                           "Invalid value: \"8\": must be less than or equal to cpu limit of 4", component="v1beta1Controllers", name="internal")
    world.expect("failed", "RequestAboveLimit", "terminal", "asks for more than its own limit", "CPU_REQUEST", ["event InternalError"])
    return world


@cause
def reconcile_error_that_passes():
    """A webhook was away for a moment; then all goes well, slowly."""
    world = World("reconcile-error-that-passes", generation=1)
    item = world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(0.3).about(item, "InferenceService", "InternalError", 'fails to reconcile predictor: Internal error occurred: failed calling '
                           'webhook "vgpu.hami.io": connection refused', component="v1beta1Controllers", name="internal")
    world.after(1).see("Deployment", world.deployment(generation=1, revision="1", updated=1))
    world.after(180).see("Deployment", world.deployment(generation=1, revision="1", updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def api_server_away():
    """The API server restarted while the model was loading: KServe could not write the status, and says so for some time."""
    world = World("api-server-away", generation=1)
    item = world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(0.3).see("Deployment", world.deployment(generation=1, revision="1", updated=1))
    put = 'Failed to update status for InferenceService "qwen": Put "https://10.96.0.1:443/apis/serving.kserve.io/v1beta1/.../status": '
    for number, text in enumerate(("dial tcp 10.96.0.1:443: connect: connection refused", "EOF", "net/http: TLS handshake timeout",
                                   "http2: client connection lost", "read tcp 10.88.0.7:51022->10.96.0.1:443: read: connection reset by peer",
                                   "etcdserver: request timed out")):
        world.after(2 if number == 0 else 60).about(item, "InferenceService", "UpdateFailed", put + text, component="v1beta1Controllers",
                                                    name="update")
    world.after(20).see("Deployment", world.deployment(generation=1, revision="1", updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def no_rights_at_all():
    """The script's Role: KServe's own word on the pods is all there is."""
    world = World("no-rights-at-all", generation=1)
    world.see("InferenceService", world.service(ready=None))
    world.synced("InferenceService", "Deployment")
    for kind, resource in (("ReplicaSet", "replicasets.apps"), ("Pod", "pods"), ("Event", "events")):
        world.forbidden(kind, resource)
    world.after(0.3).see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1))
    failure = {"reason": "ModelLoadFailed", "exitCode": 1, "message": "OSError: [Errno 28] No space left on device"}
    world.after(30).see("InferenceService", world.service("False", "BlockedByFailedLoad", failure))
    first = world.now
    world.after(130)
    world.line("Deployment", "SYNCED")
    world.expect("failed", "StorageFull", "repeated", "does not fit the disk that it is downloaded to", "EPHIMERAL_STORAGE_SIZE",
                 ["modelStatus BlockedByFailedLoad (ModelLoadFailed)"], at=first + 120000 - 1764115200000)
    return world


@cause
def gpu_switch_without_effect():
    """KServe 0.14 never takes a field off a Deployment."""
    world = World("gpu-switch-without-effect", limits={"nvidia.com/gpu": "1"}, gpuMemory="")
    both = {**world.limits, **GPU}
    world.see("InferenceService", world.service("True", "UpToDate"))
    world.see("Deployment", world.deployment(OLD_HASH, OLD_URI, 1, updated=1, available=1, revision="1", limits={"cpu": "4", **GPU}))
    world.synced()
    world.after(0.3).see("Deployment", world.deployment(generation=2, observed=1, updated=1, available=1, revision="1", limits=both))
    world.expect("failed", "FieldNotRemoved", "terminal", "The change does not take effect: nvidia.com/gpualloc is no longer asked for",
                 "Delete the service and deploy it again", ["Deployment qwen-predictor of this revision still has nvidia.com/gpualloc"])
    return world
