"""A small Kubernetes with KServe in it, on paper: objects as the API server would show them, one after the other.

Only what the judgement reads is written, as `wait --record` does. `World.event` and its shorthands append one line each; `World.write`
makes the file. resourceVersions grow with each write, as etcd's do, in the order in which things happened; the order of the lines is the
order in which they were seen.
"""

import copy
import json

SERVICE = "qwen"
NAMESPACE = "demo"
UID = "7c1e-isvc"
HASH = "5b0d1f2e9a"
OLD_HASH = "00aa11bb22"
COMMIT = "1f0c8a9be2d4c6f8a0b1c2d3e4f5061728394a5b"
OLD_COMMIT = "0000000000000000000000000000000000000001"
URI = f"hf://demo/qwen:{COMMIT}"
OLD_URI = f"hf://demo/qwen:{OLD_COMMIT}"
RUNTIME = "vllm-cuda-12"
IMAGE = "registry.example.com/aml/vllm:0.9.2"
INIT_IMAGE = "kserve/storage-initializer:v0.16.0"
HASH_ANNOTATION = "deploy-inference-service.cpaas.io/content-hash"
SOURCE_ANNOTATION = "internal.serving.kserve.io/storage-initializer-sourceuri"
LABEL = "serving.kserve.io/inferenceservice"
GPU = {"nvidia.com/gpualloc": "1", "nvidia.com/gpucores": "50", "nvidia.com/gpumem": "4096"}
START = 1764115200000  # 2025-11-26T00:00:00Z


def timestamp(ms):
    seconds = ms // 1000 - START // 1000
    return f"2025-11-26T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"


class World:
    def __init__(self, name, limits=None, **target):
        self.name = name
        self.lines = []
        self.now = START
        self.version = 100
        self.limits = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "10Gi", **(GPU if limits is None else limits)}
        self.serverless = target.get("serverless", False)
        self.target = {
            "name": SERVICE, "namespace": NAMESPACE, "uid": UID, "resourceVersion": "100", "contentHash": HASH, "storageUri": URI,
            "runtime": RUNTIME, "ephemeralStorageSize": "10Gi", "memoryLimit": "16Gi", "gpuMemory": "4096", "limits": self.limits,
            "minReplicas": 1, "serverless": False, "generation": 2, "changed": True, "hostIPC": True, **target}
        self.expected = None
        self.pods = 0
        self.objects = {}

    # ---- time and lines ----

    def after(self, seconds):
        self.now += int(seconds * 1000)
        return self

    def line(self, kind, change, item=None, text=None):
        entry = {"at": self.now, "kind": kind, "change": change}
        if item is not None:
            entry["object"] = copy.deepcopy(item)
        if text is not None:
            entry["text"] = text
        self.lines.append(entry)

    def event(self, kind, change, item):
        """A write of ITEM, seen at once."""
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.line(kind, change, item)
        return item

    def see(self, kind, item):
        uid = item["metadata"]["uid"]
        change = "MODIFIED" if uid in self.objects else "ADDED"
        self.objects[uid] = item
        return self.event(kind, change, item)

    def synced(self, *kinds):
        for kind in kinds or ("InferenceService", "Deployment", "ReplicaSet", "Pod", "Event"):
            self.line(kind, "SYNCED")

    def forbidden(self, kind, resource):
        self.line(kind, "FORBIDDEN", text=f'{resource} is forbidden: User "system:serviceaccount:demo:default" cannot list resource '
                                          f'"{resource}" in the namespace "demo"')

    def log(self, pod, container, text, previous=False):
        self.line("Log", "ADDED", {"pod": pod, "container": container, "previous": previous, "text": text})

    def confirmed(self, item):
        self.line("InferenceService", "CONFIRMED", item)

    def expect(self, state, reason="", failure="", cause="", hint="", evidence=(), at=None, **more):
        """AT: when it must be decided, in ms after START; None: when the last line has come."""
        self.expected = {"state": state, "class": failure, "reason": reason, "cause": cause, "hint": hint, "evidence": list(evidence),
                         "at": (self.now if at is None else START + at), **more}

    def write(self, folder):
        header = {"transcript": 1, "target": self.target}
        with open(folder / f"{self.name}.jsonl", "w", encoding="utf-8") as file:
            for entry in [header, {"expect": self.expected}, *self.lines]:
                file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")

    # ---- objects ----

    def service(self, ready="Unknown", model="InProgress", failure=None, hash=HASH, uri=URI, generation=None, conditions=(), uid=UID, **more):
        """The InferenceService; READY None: it has no status yet."""
        item = {
            "metadata": {"name": SERVICE, "namespace": NAMESPACE, "uid": uid, "generation": generation or self.target["generation"],
                         "annotations": {HASH_ANNOTATION: hash, "serving.kserve.io/deploymentMode":
                                         "Knative" if self.serverless else "Standard"}, **more.get("metadata", {})},
            "spec": {"predictor": {"minReplicas": self.target["minReplicas"], "maxReplicas": 3, "model": {
                "modelFormat": {"name": "transformers"}, "runtime": more.get("runtime", RUNTIME), "storageUri": uri,
                "resources": {"limits": more.get("limits", self.limits)}}}},
        }
        if "digest" in more:
            item["specDigest"] = more["digest"]
        if ready is not None:
            status = {"url": "http://qwen-demo.example.com", "address": {"url": "http://qwen-predictor.demo.svc.cluster.local"},
                      "conditions": [{"type": "IngressReady", "status": "True"},
                                     {"type": "PredictorReady", "status": ready},
                                     {"type": "Ready", "status": ready}, {"type": "Stopped", "status": "False"}],
                      "modelStatus": {"transitionStatus": model, "states": {"targetModelState": "Loaded" if model == "UpToDate" else "Pending"}}}
            for condition in conditions:
                status["conditions"] = [c for c in status["conditions"] if c["type"] != condition["type"]] + [condition]
            if failure:
                status["modelStatus"]["lastFailureInfo"] = failure
            status.update(more.get("status", {}))
            item["status"] = status
        return item

    def deployment(self, hash=HASH, uri=URI, generation=2, observed=None, wanted=1, replicas=None, updated=0, available=0, conditions=(),
                   revision="2", limits=None, **more):
        replicas = max(updated, available) if replicas is None else replicas
        status = {"observedGeneration": generation if observed is None else observed, "replicas": replicas, "updatedReplicas": updated,
                  "availableReplicas": available, "conditions": list(conditions)}
        if replicas > available:
            status["unavailableReplicas"] = replicas - available
        return {
            "metadata": {"name": "qwen-predictor", "namespace": NAMESPACE, "uid": "d-1", "generation": generation,
                         "labels": {LABEL: SERVICE}, "annotations": {"deployment.kubernetes.io/revision": revision},
                         "ownerReferences": [{"kind": "InferenceService", "name": SERVICE, "uid": UID}]},
            "spec": {"replicas": wanted, "progressDeadlineSeconds": 600,
                     "strategy": more.get("strategy", {"type": "RollingUpdate",
                                                       "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
                     "template": {"metadata": {"annotations": {HASH_ANNOTATION: hash, SOURCE_ANNOTATION: uri}},
                                  "spec": {"containers": [{"name": "kserve-container", "image": IMAGE,
                                                           "resources": {"limits": self.limits if limits is None else limits}}]}}},
            "status": status,
        }

    def replica_set(self, revision="2", template="6d5f", conditions=(), wanted=1):
        return {"metadata": {"name": f"qwen-predictor-{template}", "namespace": NAMESPACE, "uid": f"rs-{template}",
                             "labels": {LABEL: SERVICE, "pod-template-hash": template},
                             "annotations": {"deployment.kubernetes.io/revision": revision},
                             "creationTimestamp": timestamp(self.now),
                             "ownerReferences": [{"kind": "Deployment", "name": "qwen-predictor", "uid": "d-1"}]},
                "spec": {"replicas": wanted}, "status": {"replicas": 0, "conditions": list(conditions)}}

    def pod(self, suffix="x7k2p", template="6d5f", hash=HASH, uri=URI, node="gpu-1", limits=None, claim=None):
        """A pod that was just made; set_* changes it."""
        labels = {LABEL: SERVICE, "pod-template-hash": template}
        spec = {"containers": [{"name": "kserve-container", "image": IMAGE, "resources": {"limits": self.limits if limits is None else limits}}],
                "initContainers": [{"name": "storage-initializer", "image": INIT_IMAGE, "resources": {"limits": {"memory": "1Gi"}}}]}
        if node:
            spec["nodeName"] = node
        if claim:
            spec["volumes"] = [{"persistentVolumeClaim": {"claimName": claim}}]
        return {"metadata": {"name": f"qwen-predictor-{template}-{suffix}", "namespace": NAMESPACE, "uid": f"pod-{template}-{suffix}",
                             "labels": labels, "annotations": {HASH_ANNOTATION: hash, SOURCE_ANNOTATION: uri},
                             "creationTimestamp": timestamp(self.now),
                             "ownerReferences": [{"kind": "ReplicaSet", "name": f"qwen-predictor-{template}", "uid": f"rs-{template}"}]},
                "spec": spec, "status": {"phase": "Pending", "conditions": [], "initContainerStatuses": [waiting("storage-initializer", "PodInitializing")],
                                         "containerStatuses": [waiting("kserve-container", "PodInitializing")]}}

    def about(self, item, kind, reason, message, type_="Warning", count=1, name=None, component="kubelet"):
        """An Event about ITEM; the same NAME again is the same Event, counted once more."""
        name = name or f"{item['metadata']['name']}.{self.version:x}"
        return self.see("Event", {
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"ev-{name}"},
            "involvedObject": {"kind": kind, "name": item["metadata"]["name"], "namespace": NAMESPACE, "uid": item["metadata"]["uid"]},
            "type": type_, "reason": reason, "message": message, "source": {"component": component}, "count": count,
            "firstTimestamp": timestamp(self.now), "lastTimestamp": timestamp(self.now)})


# ---- parts of a pod's status ----

def waiting(name, reason, message=None, restarts=0, last=None):
    status = {"name": name, "ready": False, "restartCount": restarts, "state": {"waiting": {"reason": reason}}}
    if message:
        status["state"]["waiting"]["message"] = message
    if last:
        status["lastState"] = {"terminated": last}
    return status


def running(name, ready=False, restarts=0, last=None):
    status = {"name": name, "ready": ready, "restartCount": restarts, "state": {"running": {"startedAt": "2025-11-26T00:00:10Z"}}}
    if last:
        status["lastState"] = {"terminated": last}
    return status


def terminated(name, end, restarts=0):
    return {"name": name, "ready": False, "restartCount": restarts, "state": {"terminated": end}}


def ended(code, reason="Error", message=None):
    end = {"exitCode": code, "reason": reason}
    if message:
        end["message"] = message
    return end


DOWNLOADED = terminated("storage-initializer", ended(0, "Completed"))


def unscheduled(pod, message, reason="Unschedulable"):
    pod["spec"].pop("nodeName", None)
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]
    pod["status"].pop("containerStatuses", None)
    pod["status"].pop("initContainerStatuses", None)
    return pod


def scheduled(pod, node="gpu-1"):
    pod["spec"]["nodeName"] = node
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
    pod["status"]["initContainerStatuses"] = [waiting("storage-initializer", "PodInitializing")]
    pod["status"]["containerStatuses"] = [waiting("kserve-container", "PodInitializing")]
    return pod


def init_is(pod, status):
    pod["status"]["initContainerStatuses"] = [status]
    return pod


def server_is(pod, status):
    pod["status"]["initContainerStatuses"] = [DOWNLOADED]
    pod["status"]["containerStatuses"] = [status]
    pod["status"]["phase"] = "Running" if "running" in status["state"] or status["restartCount"] else "Pending"
    return pod


def serving(pod):
    server_is(pod, running("kserve-container", ready=True))
    pod["status"]["phase"] = "Running"
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]
    return pod


def finished(pod, reason, message):
    pod["status"].update({"phase": "Failed", "reason": reason, "message": message})
    return pod
