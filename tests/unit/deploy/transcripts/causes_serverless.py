"""Serverless services, and lists and rights that come and go while a rollout is watched."""

from cause import cause, create
from world import HASH, IMAGE, OLD_HASH, OLD_URI, URI, World, scheduled, server_is, waiting

# ---- Serverless ----


def knative(world, revision="qwen-predictor-00002", hash=HASH, uri=URI, wanted=1, updated=0, available=0):
    item = world.deployment(hash, uri, 1, wanted=wanted, updated=updated, available=available, revision="1")
    item["metadata"].update({"name": f"{revision}-deployment", "uid": f"d-{revision}"})
    item["metadata"]["labels"]["serving.knative.dev/revision"] = revision
    item["metadata"].pop("ownerReferences")
    return item


def knative_service(world, created, ready_revision, ready="True", percent=100, conditions=()):
    return world.service(ready, "UpToDate", conditions=conditions, status={"components": {"predictor": {
        "latestCreatedRevision": created, "latestReadyRevision": ready_revision,
        "traffic": [{"latestRevision": True, "percent": percent, "revisionName": ready_revision}]}}})


def serverless(name, minimum=1):
    world = World(name, serverless=True, minReplicas=minimum)
    world.see("InferenceService", knative_service(world, "qwen-predictor-00001", "qwen-predictor-00001"))
    world.see("Deployment", knative(world, "qwen-predictor-00001", OLD_HASH, OLD_URI, updated=1, available=1))
    world.synced("InferenceService", "Deployment", "ReplicaSet", "Pod", "Event", "Revision")
    world.after(0.3).see("Deployment", knative(world))
    world.see("InferenceService", knative_service(world, "qwen-predictor-00002", "qwen-predictor-00001"))
    return world


@cause
def serverless_update():
    world = serverless("serverless-update")
    world.after(30).see("Deployment", knative(world, updated=1, available=1))
    world.see("InferenceService", knative_service(world, "qwen-predictor-00002", "qwen-predictor-00002"))
    world.expect("ready")
    return world


@cause
def serverless_scaled_to_zero():
    """minReplicas 0: ready with no pod left."""
    world = serverless("serverless-scaled-to-zero", minimum=0)
    world.after(30).see("Deployment", knative(world, wanted=0))
    world.see("InferenceService", knative_service(world, "qwen-predictor-00002", "qwen-predictor-00002"))
    world.expect("ready")
    return world


@cause
def serverless_deadline():
    world = serverless("serverless-deadline")
    world.after(600).see("InferenceService", knative_service(world, "qwen-predictor-00002", "qwen-predictor-00001", ready="True", conditions=[
        {"type": "LatestDeploymentReady", "status": "False", "reason": "RevisionFailed", "severity": "Info",
         "message": 'Revision "qwen-predictor-00002" failed with message: Initial scale was never achieved.'}]))
    world.expect("failed", "RevisionFailed", "terminal", "did not become ready in the time that Knative gives it", "progress deadline",
                 ["condition LatestDeploymentReady=False"])
    return world


@cause
def serverless_image():
    """The revision's image cannot be found, told by the Revision."""
    world = serverless("serverless-image")
    world.after(1).see("Revision", {
        "metadata": {"name": "qwen-predictor-00002", "namespace": "demo", "uid": "rev-2", "labels": {"serving.kserve.io/inferenceservice": "qwen"},
                     "annotations": {"deploy-inference-service.cpaas.io/content-hash": HASH}},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ContainerMissing", "message":
                                   f'Unable to fetch image "{IMAGE}": failed to resolve image to digest: HEAD https://registry.example.com/v2/'
                                   "aml/vllm/manifests/0.9.2: unexpected status code 404 Not Found"}]}})
    first = world.now
    world.after(65)
    world.line("Pod", "SYNCED")
    world.expect("failed", "ImageNotFound", "repeated", f"The image {IMAGE} does not exist in its registry", "RUNTIME_NAME",
                 ["condition Ready=False of the Revision (ContainerMissing)"], at=first + 60000 - 1764115200000)
    return world


@cause
def serverless_knative_missing():
    world = World("serverless-knative-missing", serverless=True, generation=1)
    item = world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(0.2).about(item, "InferenceService", "ServerlessModeRejected", "It is not possible to use Serverless deployment mode when Knative "
                           "Services are not available", component="v1beta1Controllers", name="rejected")
    world.expect("failed", "KnativeMissing", "terminal", "this cluster has no Knative", "ENABLE_SERVERLESS=false")
    return world


# ---- lists and rights that come and go ----


@cause
def deleted_while_the_watch_was_away():
    """410: the list that is read anew has no such service."""
    world, pod = create("deleted-while-the-watch-was-away")
    world.after(5)
    world.line("InferenceService", "RELISTED")
    world.line("InferenceService", "SYNCED")
    world.expect("failed", "Deleted", "terminal", "Somebody deleted the InferenceService qwen", "run again",
                 ["no longer in the cluster"])
    return world


@cause
def rights_lost_midway():
    """The pod failed to be pulled when it could last be seen; that is no longer judged."""
    world, pod = create("rights-lost-midway")
    world.after(3).see("Pod", server_is(scheduled(pod), waiting("kserve-container", "ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')))
    world.after(10).forbidden("Pod", "pods")
    world.after(300).see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def somebody_elses_service_changed_just_now():
    """`kubectl apply`, then `wait`: all that is seen is of before. No mark of ours tells, so that a few seconds must do."""
    world = World("somebody-elses-service-changed-just-now", contentHash="", changed=False, resourceVersion="")
    fields = {"managedFields": [{"manager": "kubectl", "operation": "Apply", "time": "2025-11-26T00:00:00Z"}]}
    item = world.service("True", "UpToDate", hash="", metadata=fields)
    world.see("InferenceService", item)
    before = world.deployment("", generation=1, updated=1, available=1, revision="1")
    world.see("Deployment", before)
    world.see("ReplicaSet", world.replica_set("1", "77aa"))
    world.synced()
    world.confirmed(item)
    world.after(0.5).see("Deployment", world.deployment("", generation=2, observed=1, updated=1, available=1, revision="1"))
    world.after(0.1).see("ReplicaSet", world.replica_set("2", "6d5f"))
    world.see("Deployment", world.deployment("", replicas=2, updated=1, available=1))
    world.after(40).see("Deployment", world.deployment("", updated=1, available=1))
    world.see("InferenceService", world.service("True", "UpToDate", hash="", metadata=fields, status={"observedGeneration": 2}))
    world.expect("ready")
    return world
