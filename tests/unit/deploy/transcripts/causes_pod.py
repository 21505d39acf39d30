"""Pods that end, and pods that are refused: the words of kubelet, admission and webhooks, and what must be said of them."""

from cause import cause, create
from world import finished, init_is, running, scheduled

# ---- pods that end ----


@cause
def evicted_for_disk():
    world, pod = create("evicted-for-disk")
    world.after(3).see("Pod", init_is(scheduled(pod), running("storage-initializer")))
    world.after(400).see("Pod", finished(pod, "Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. "))
    world.expect("failed", "EphemeralStorageExceeded", "terminal", "the node threw the pod out when it went over 10Gi",
                 "EPHIMERAL_STORAGE_SIZE (now 10Gi)", ["pod qwen-predictor-6d5f-x7k2p ended: Evicted"])
    return world


@cause
def evicted_by_node():
    world, pod = create("evicted-by-node")
    for index in range(3):
        if index:
            pod = world.after(5).see("Pod", world.pod(suffix=f"n{index}"))
        world.after(3).see("Pod", init_is(scheduled(pod), running("storage-initializer")))
        world.after(60).see("Pod", finished(pod, "Evicted", "The node was low on resource: ephemeral-storage. Threshold quantity: 5Gi, available: "
                                            "1Gi. Container storage-initializer was using 12Gi, request is 0, has larger consumption of "
                                            "ephemeral-storage. "))
    world.expect("failed", "NodeDiskPressure", "repeated", "The node ran out of disk and threw the pod out", "PVC_NAME")
    return world


@cause
def device_allocation():
    world, pod = create("device-allocation")
    for index in range(3):
        if index:
            pod = world.after(2).see("Pod", world.pod(suffix=f"n{index}"))
        world.after(2).see("Pod", finished(scheduled(pod), "UnexpectedAdmissionError", "Allocate failed due to requested number of devices "
                                           "unavailable for nvidia.com/gpualloc. Requested: 1, Available: 0, which is unexpected"))
    world.expect("failed", "DeviceAllocationFailed", "repeated", "could not hand its GPU to the pod", "device plugin")
    return world


# ---- refused pods ----


def refused(name, message, reason, said, hint, failure="terminal", waits=0, rights=True, **expected):
    """The ReplicaSet cannot make pods."""
    world = create(name, pod=False)
    failing = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]
    if rights:
        replica_set = world.after(0.1).see("ReplicaSet", world.replica_set(revision="1", conditions=failing))
        world.about(replica_set, "ReplicaSet", "FailedCreate", f"Error creating: {message}", component="replicaset-controller", name="create")
    else:
        world.forbidden("ReplicaSet", "replicasets.apps")
        world.after(0.1).see("Deployment", world.deployment(generation=1, revision="1", conditions=failing))
    first = world.now
    if waits:
        world.after(waits + 5)
        world.line("InferenceService", "SYNCED")
    world.expect("failed", reason, failure, said, hint, ["condition ReplicaFailure=True"], at=first + waits * 1000 - 1764115200000, **expected)
    return world


POD = 'pods "qwen-predictor-6d5f-x7k2p" is forbidden: '


@cause
def pod_security_host_ipc():
    return refused("pod-security-host-ipc", POD + 'violates PodSecurity "baseline:latest": host namespaces (hostIPC=true)', "PodSecurityHostIpc",
                   "Namespace demo forbids pods that share memory with their node", "Set HOST_IPC=false")


@cause
def pod_security_host_ipc_without_rights():
    return refused("pod-security-host-ipc-without-rights", POD + 'violates PodSecurity "restricted:latest": host namespaces (hostIPC=true), '
                   "allowPrivilegeEscalation != false", "PodSecurityHostIpc", "Pod Security refuses hostIPC", "Set HOST_IPC=false", rights=False)


@cause
def pod_security():
    return refused("pod-security", POD + 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container '
                   '"kserve-container" must set securityContext.allowPrivilegeEscalation=false)', "PodSecurity",
                   "forbids the pods of this service: allowPrivilegeEscalation != false", "runtime")


@cause
def pod_security_of_the_download():
    return refused("pod-security-of-the-download", POD + 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container '
                   '"storage-initializer" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container '
                   '"storage-initializer" must set securityContext.capabilities.drop=["ALL"])', "PodSecurity",
                   "with the container that downloads the model: allowPrivilegeEscalation != false", "ClusterStorageContainer")


@cause
def quota():
    return refused("quota", POD + "exceeded quota: gpu, requested: limits.nvidia.com/gpumem=4096, used: limits.nvidia.com/gpumem=8192, limited: "
                   "limits.nvidia.com/gpumem=8192", "QuotaExceeded",
                   "The quota of namespace demo does not allow another pod: gpu, requested: limits.nvidia.com/gpumem=4096", "NVIDIA_GPUMEM")


@cause
def quota_needs_values():
    return refused("quota-needs-values", POD + "failed quota: compute: must specify limits.cpu for: kserve-container", "QuotaNeedsValues",
                   "wants every pod to say what it needs", "CPU_LIMIT")


@cause
def quota_needs_values_of_the_initializer():
    return refused("quota-needs-values-of-the-initializer",
                   POD + "failed quota: compute: must specify limits.cpu for: storage-initializer", "QuotaNeedsValues",
                   "KServe's storage initializer does not", "ClusterStorageContainer")


@cause
def limit_range():
    return refused("limit-range", POD + "maximum memory usage per Container is 8Gi, but limit is 16Gi", "LimitRange",
                   "limits how much one container may ask for (LimitRange): maximum memory usage per Container is 8Gi", "MEMORY_LIMIT")


@cause
def webhook_denies_pods():
    return refused("webhook-denies-pods", 'admission webhook "validate.kyverno.svc-fail" denied the request: image registry is not allowed',
                   "PodDenied", "A rule of the cluster (admission webhook validate.kyverno.svc-fail) refuses the pods: image registry is not "
                   "allowed.", "ask whoever set the rule")


@cause
def hami_denies_privileged():
    return refused("hami-denies-privileged", 'admission webhook "vgpu.hami.io" denied the request: container kserve-container is privileged',
                   "HamiPrivileged", "HAMi gives no GPU share to a privileged container", "NVIDIA_GPU")


@cause
def hami_quota():
    return refused("hami-quota", 'admission webhook "vgpu.hami.io" denied the request: exceeding resource quota', "QuotaExceeded",
                   "The quota of namespace demo does not allow another pod", "NVIDIA_GPUMEM")


@cause
def webhook_down():
    return refused("webhook-down", 'Internal error occurred: failed calling webhook "inferenceservice.kserve-webhook-server.pod-mutator": failed '
                   'to call webhook: Post "https://kserve-webhook-server-service.kserve.svc:443/mutate-pods?timeout=10s": no endpoints available',
                   "WebhookUnavailable", "does not answer", "administrator", failure="repeated", waits=60)


@cause
def service_account_missing():
    return refused("service-account-missing", 'error looking up service account demo/sa-models: serviceaccount "sa-models" not found',
                   "ServiceAccountMissing", "The ServiceAccount under which the pods are to run does not exist", "namespace demo",
                   failure="repeated", waits=60)


@cause
def replica_set_refused():
    world = create("replica-set-refused", pod=False)
    world.after(0.1).see("Deployment", world.deployment(generation=1, revision="1", conditions=[
        {"type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError", "message": 'Failed to create new replica set '
         '"qwen-predictor-6d5f": admission webhook "rules.example.com" denied the request: no owner label'}]))
    world.expect("failed", "PodDenied", "terminal", "admission webhook rules.example.com", "ask whoever set the rule")
    return world
