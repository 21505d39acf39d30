"""Pods without a node or a volume: the words of the scheduler, HAMi, Kueue and the storage controllers, and what must be said of them."""

from cause import ALL, cause, create
from world import RUNTIME, init_is, running, scheduled, serving, unscheduled

# ---- no node ----


def pending(name, message, reason, said, hint, events=(), waits=120, scheduler_reason="Unschedulable", limits=None, **target):
    """A pod that waits for a node: patience until the deadline."""
    world, pod = create(name, limits=limits, **target)
    world.after(1).see("Pod", unscheduled(pod, message, scheduler_reason))
    if scheduler_reason == "Unschedulable" and message:
        world.about(pod, "Pod", "FailedScheduling", message, component="default-scheduler", name="scheduling")
    for index, text in enumerate(events):
        world.about(pod, "Pod", "FilteringFailed", text, component="hami-scheduler", name=f"hami{index}")
    world.after(waits)
    world.line("ReplicaSet", "SYNCED")
    world.expect("progressing", reason, "impatient", said, hint, ["scheduler (pod qwen-predictor-6d5f-x7k2p)"])
    return world


PREEMPTION = " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."


@cause
def insufficient_gpu():
    return pending("insufficient-gpu", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu." + PREEMPTION, "InsufficientGpu",
                   "None of the 3 nodes can take the pod: all have no GPU left (nvidia.com/gpu).", "NVIDIA_GPU",
                   limits={"nvidia.com/gpu": "1"}, gpuMemory="")


@cause
def insufficient_gpu_and_more():
    return pending("insufficient-gpu-and-more", "0/5 nodes are available: 1 Insufficient cpu, 2 Insufficient nvidia.com/gpu, 1 node(s) had "
                   "untolerated taint {node-role.kubernetes.io/control-plane: }, 1 node(s) were unschedulable." + PREEMPTION,
                   "InsufficientGpu", "None of the 5 nodes can take the pod: 2 have no GPU left (nvidia.com/gpu), 1 has too little CPU left, 1 "
                   "is reserved for other pods (taint node-role.kubernetes.io/control-plane), 1 is closed for new pods by an administrator "
                   "(cordoned).", "NVIDIA_GPU", limits={"nvidia.com/gpu": "1"}, gpuMemory="")


@cause
def one_node():
    return pending("one-node", "0/1 nodes are available: 1 Insufficient memory.", "InsufficientMemory",
                   "The only node cannot take the pod: it has too little memory left.", "MEMORY_REQUEST")


@cause
def insufficient_npu():
    return pending("insufficient-npu", "0/3 nodes are available: 3 Insufficient huawei.com/Ascend910B3.", "InsufficientDevices",
                   "all have too little huawei.com/Ascend910B3 left", "RESOURCE_LIMITS", limits={"huawei.com/Ascend910B3": "1"}, gpuMemory="")


@cause
def old_taint_text():
    return pending("old-taint-text", "0/2 nodes are available: 2 node(s) had taint {dedicated: training}, that the pod didn't tolerate.",
                   "UntoleratedTaint", "all are reserved for other pods (taint dedicated: training)", "toleration")


@cause
def taints_without_names():
    """Kubernetes 1.34 no longer says which, and nodes that are not ready look the same."""
    return pending("taints-without-names", "0/2 nodes are available: 2 node(s) had untolerated taint(s). no new claims to deallocate, "
                   "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.", "UntoleratedTaint",
                   "all are reserved for other pods, or not ready (a taint)", "kubectl describe nodes")


@cause
def nodes_not_ready():
    return pending("nodes-not-ready", "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
                   "NodesNotReady", "all are not working (not ready)", "administrator")


@cause
def node_affinity():
    return pending("node-affinity", "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", "NodeAffinityMismatch",
                   "all lack the labels that the runtime asks for", f"runtime {RUNTIME}")


@cause
def hami_not_active():
    return pending("hami-not-active", "0/2 nodes are available: 2 Insufficient nvidia.com/gpucores, 2 Insufficient nvidia.com/gpumem.",
                   "HamiNotActive", "a share of a GPU that only HAMi can give", "NVIDIA_GPU")


def hami(code, reason, said, hint):
    """HAMi v2.7 and later: an event a code, then the sum; kube-scheduler repeats it."""
    name = f"hami-{code}"

    def build():
        return pending(name, f"0/3 nodes are available: 1 node unregistered, 2 {code}. preemption: 0/3 nodes are available: 1 Preemption is not "
                       "helpful for scheduling, 2 No preemption victims found for incoming pod.".replace("1 node unregistered, 2", "3"),
                       reason, said, hint, events=(f"2 nodes {code}(gpu-1,gpu-2)", "1 nodes NodeUnfitPod(gpu-3)",
                                                   "no available node, 3 nodes do not meet"))
    build.__name__ = name
    ALL.append(build)


for code, reason, said, hint in (
        ("CardInsufficientMemory", "GpuMemoryInsufficient", "have no GPU with 4096 MiB of memory left", "NVIDIA_GPUMEM (now 4096)"),
        ("CardInsufficientCore", "GpuCoresInsufficient", "have no GPU with the wanted share of computing power left", "NVIDIA_GPUCORES"),
        ("CardComputeUnitsExhausted", "GpuCoresInsufficient", "share of computing power", "NVIDIA_GPUCORES"),
        ("CardTypeMismatch", "GpuTypeMismatch", "have only GPUs of another type than wanted", "nvidia.com/use-gputype"),
        ("CardUuidMismatch", "GpuUuidMismatch", "the very GPUs that are asked for by their id", "nvidia.com/use-gpuuuid"),
        ("CardTimeSlicingExhausted", "GpuSharesExhausted", "as many pods share already as HAMi allows", "deviceSplitCount"),
        ("CardNotHealth", "GpuUnhealthy", "have only GPUs that are out of order", "administrator"),
        ("CardCordoned", "GpuCordoned", "that an administrator has taken out of use", "hami.io/device-cordon"),
        ("NumaNotFit", "GpuNumaMismatch", "that sit close together", "NVIDIA_GPUALLOC"),
        ("ExclusiveDeviceAllocateConflict", "GpuNotExclusive", "no GPU that nobody else uses", "NVIDIA_GPUCORES below 100"),
        ("CardNotFoundCustomFilterRule", "GpuFiltered", "no GPU that a filter rule of HAMi lets pods use", "filter rules"),
        ("CardMigTopologyInfeasible", "GpuMigInfeasible", "can be cut (MIG)", "NVIDIA_GPUMEM"),
        ("NodeInsufficientDevice", "GpuCardsInsufficient", "fewer suitable GPUs than NVIDIA_GPUALLOC asks for on one node", "NVIDIA_GPUALLOC"),
        ("AllocatedCardsInsufficientRequest", "GpuCardsInsufficient", "fewer suitable GPUs than NVIDIA_GPUALLOC", "NVIDIA_GPUALLOC"),
        ("NodeUnfitPod", "GpuUnfit", "have no GPU that fits what is asked for", "NVIDIA_GPUMEM"),
        ("ResourceQuotaNotFit", "QuotaExceeded", "the GPU quota of the namespace is used up", "quota raised"),
        ("ModeNotFit", "GpuModeMismatch", "no GPU in the wanted sharing mode", "nvidia.com/vgpu-mode")):
    hami(code, reason, said, hint)


@cause
def kueue():
    world = pending("kueue", "Scheduling is blocked due to non-empty scheduling gates", "QueuedForQuota", "waits in a queue until its quota",
                    "quota of the queue", scheduler_reason="SchedulingGated")
    return world


@cause
def autoscaler():
    """A node is coming: patience, although a threshold for unschedulable pods is set."""
    world, pod = create("autoscaler")
    world.after(1).see("Pod", unscheduled(pod, "0/3 nodes are available: 3 Insufficient nvidia.com/gpualloc."))
    world.after(5).about(pod, "Pod", "TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 0->1 (max: 4)}]", "Normal",
                         component="cluster-autoscaler")
    world.after(420).see("Pod", scheduled(pod, "gpu-9"))
    world.after(60).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


# ---- storage claims ----


@cause
def pvc_not_bound():
    return pending("pvc-not-bound", "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are "
                   "available: 3 Preemption is not helpful for scheduling.", "PvcNotBound",
                   "The storage that the pod names, PersistentVolumeClaim models, has no disk behind it yet (it is not bound).",
                   "kubectl describe pvc models -n demo", pvcName="models")


def volume_failure(name, message, reason, said, hint):
    """The scheduler names a claim that will not come right: two minutes."""
    world, pod = create(name, pvcName="models")
    world.after(1).see("Pod", unscheduled(pod, message))
    first = world.now
    world.after(130)
    world.line("ReplicaSet", "SYNCED")
    world.expect("failed", reason, "repeated", said, hint, ["scheduler (pod"], at=first + 120000 - 1764115200000)
    return world


@cause
def pvc_not_found():
    return volume_failure("pvc-not-found", '0/3 nodes are available: persistentvolumeclaim "models" not found. preemption: 0/3 nodes are '
                          "available: 3 Preemption is not helpful for scheduling.", "PvcNotFound",
                          "PersistentVolumeClaim models, does not exist in namespace demo", "PVC_NAME")


@cause
def pvc_lost():
    return volume_failure("pvc-lost", '0/3 nodes are available: 3 persistentvolumeclaim "models" bound to non-existent persistentvolume '
                          '"pvc-0d1e".', "PvcLost", "The disk behind PersistentVolumeClaim models is gone", "PVC_NAME")


def mount(name, reason_of_event, message, reason, said, hint):
    world, pod = create(name, pvcName="models")
    pod["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "models"}}]
    world.after(3).see("Pod", scheduled(pod))
    world.after(1).about(pod, "Pod", reason_of_event, message, name="mount")
    first = world.now
    world.after(60).about(pod, "Pod", reason_of_event, message, count=2, name="mount")
    world.after(70)
    world.line("ReplicaSet", "SYNCED")
    world.expect("failed", reason, "repeated", said, hint, [f"event {reason_of_event}"], at=first + 120000 - 1764115200000)
    return world


@cause
def pvc_access_mode():
    return mount("pvc-access-mode", "FailedAttachVolume", 'Multi-Attach error for volume "pvc-0d1e" Volume is already used by pod(s) '
                 "qwen-predictor-77aa-old", "VolumeInUse", "its access mode allows one node only", "ReadWriteMany")


@cause
def pvc_mount_not_found():
    return mount("pvc-mount-not-found", "FailedMount", 'MountVolume.SetUp failed for volume "kserve-pvc-source" : error processing PVC '
                 'demo/models: failed to fetch PVC from API server: persistentvolumeclaims "models" not found', "PvcNotFound",
                 "PersistentVolumeClaim models, does not exist", "PVC_NAME")


@cause
def nfs_refuses():
    return mount("nfs-refuses", "FailedMount", 'MountVolume.SetUp failed for volume "pv-nfs" : mount failed: exit status 32\nMounting command: '
                 "mount\nOutput: mount.nfs: access denied by server while mounting 192.0.2.4:/models", "VolumeCannotBeMounted",
                 "its storage server refuses or does not answer", "PVC_NAME (models)")


@cause
def sandbox():
    return mount("sandbox", "FailedCreatePodSandBox", 'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for '
                 'sandbox "a1": plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized',
                 "PodSandboxFailed", "cannot set up the pod's network", "network plugin")


@cause
def no_such_runtime_class():
    return mount("no-such-runtime-class", "FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get "
                 'sandbox runtime: no runtime for "nvidia" is configured', "RuntimeClassMissing",
                 "does not have the container runtime that the pod asks for", "runtimeClassName")


@cause
def mount_recovers():
    """A mount failed once; then the download runs for ten minutes. No failure."""
    world, pod = create("mount-recovers")
    world.after(3).see("Pod", scheduled(pod))
    world.after(1).about(pod, "Pod", "FailedMount", 'MountVolume.SetUp failed for volume "kube-api-access-x" : failed to sync configmap cache: '
                         "timed out waiting for the condition", name="mount")
    world.after(2).see("Pod", init_is(pod, running("storage-initializer")))
    world.after(600).see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, conditions=[
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
         "message": 'ReplicaSet "qwen-predictor-6d5f" has timed out progressing.'}]))
    world.after(60).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def progress_deadline_while_downloading():
    world, pod = create("progress-deadline-while-downloading")
    world.after(3).see("Pod", init_is(scheduled(pod), running("storage-initializer")))
    world.after(600).see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, conditions=[
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
         "message": 'ReplicaSet "qwen-predictor-6d5f" has timed out progressing.'}]))
    world.after(300).see("InferenceService", world.service("Unknown"))
    world.expect("progressing", "ProgressDeadlineExceeded", "impatient", "with a large model that alone is no failure", "TIMEOUT",
                 ["condition Progressing=False of the Deployment (ProgressDeadlineExceeded)"])
    return world
