"""What is easily taken for a failure and is none, and what is easily taken for another cause: the texts around it hold the words of that one."""

from cause import ALL, cause, create
from causes_image import RESOLVE, pull
from causes_pod import refused
from causes_server import ROOT_CAUSE, crash, server_log
from causes_serverless import knative_service, serverless
from world import (
    HASH, HASH_ANNOTATION, IMAGE, LABEL, RUNTIME, START, World, ended, finished, running, scheduled, server_is, terminated, unscheduled, waiting)


def among(name, build, *more, **named):
    """A world of a row of a table."""
    ALL.append(lambda: build(name, *more, **named))


# ---- logs that mention something else in passing ----

VLLM = ("INFO 11-26 00:00:41 [core.py:69] Initializing a V1 LLM engine (v0.9.2) with config: model='/mnt/models', speculative_config=None, "
        "tokenizer='/mnt/models', tokenizer_mode=auto, revision=None, trust_remote_code=False, dtype=torch.float16, max_seq_len=4096, "
        "tensor_parallel_size=1, device_config=cuda\nTraceback (most recent call last):\n")
TENSORFLOW_GPU = ("I tensorflow/core/common_runtime/gpu/gpu_device.cc:1639] Created device /job:localhost/replica:0/task:0/device:GPU:0 with "
                  "13598 MB memory:  -> device: 0, name: Tesla T4, pci bus id: 0000:00:04.0, compute capability: 7.5\n")
TENSORFLOW_CPU = ("W tensorflow/tsl/platform/default/dso_loader.cc:67] Could not load dynamic library 'libcuda.so.1'; dlerror: libcuda.so.1: "
                  "cannot open shared object file: No such file or directory\nE tensorflow/compiler/xla/stream_executor/cuda/cuda_driver.cc:268] "
                  "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n")

for row in [
    ("log-config-then-port", VLLM + "OSError: [Errno 98] Address already in use\n" + ROOT_CAUSE, "PortInUse", "in use already",
     f"ports of the runtime {RUNTIME}"),
    ("log-config-then-tokenizer", VLLM + "OSError: Can't load tokenizer for '/mnt/models'.\n" + ROOT_CAUSE, "ModelFilesMissing",
     "lacks a file that the model server needs", "Add that file"),
    ("log-config-then-unknown", VLLM + "RuntimeError: a plugin of this image does not start\n" + ROOT_CAUSE, "CrashLoopBackOff",
     "crashes each time it is started: RuntimeError: a plugin of this image does not start", "last log lines"),
    ("log-remote-code", VLLM + "RuntimeError: Failed to load the model config. If the model is a custom model not yet available in the "
     "HuggingFace transformers library, consider setting `trust_remote_code=True` in LLM or using the `--trust-remote-code` flag in the "
     "CLI.\n" + ROOT_CAUSE, "RemoteCodeNotTrusted", "brings its own program code", "--trust-remote-code"),
    ("log-tensorflow-on-gpu", TENSORFLOW_GPU + "F external/org_tensorflow/main.cc:51] Error: servable qwen did not become available: Op type "
     "not registered 'DecodeProtoSparseV4'\n", "CrashLoopBackOff", "Op type not registered", "last log lines"),
    ("log-tensorflow-on-cpu", TENSORFLOW_CPU + "OSError: [Errno 98] Address already in use\n", "PortInUse", "in use already", "ports"),
    ("log-vllm-on-cpu", "WARNING 11-26 00:00:09 [interface.py:389] Failed to import from vllm._C with ImportError('libcuda.so.1: cannot open "
     "shared object file: No such file or directory')\nValueError: Model architectures ['Qwen9ForCausalLM'] are not supported for now.\n",
     "ModelUnsupported", "does not know this kind of model", "newer runtime"),
    ("log-driver-missing", "Traceback (most recent call last):\nImportError: libcuda.so.1: cannot open shared object file: No such file or "
     "directory\n", "GpuDriverMissing", "finds no NVIDIA driver", "NVIDIA_GPUALLOC"),
    ("log-warns-of-oom", "WARNING 11-26 00:00:40 [gpu_model_runner.py:2000] If you see an OOM on the device lower --max-num-seqs\n"
     "ValueError: the prompt adapter of this image is broken\n", "CrashLoopBackOff", "the prompt adapter of this image is broken",
     "last log lines"),
]:
    among(row[0], server_log, *row[1:])


# ---- ends while a start-up probe fails, as it does for as long as a model loads ----


def ends_while_loading(name, code, killing, expected):
    world, pod = create(name)
    world.after(5).see("Pod", server_is(scheduled(pod), running("kserve-container")))
    world.after(3).about(pod, "Pod", "Unhealthy", "Startup probe failed: dial tcp 10.244.0.7:8080: connect: connection refused", name="start")
    if killing:
        world.about(pod, "Pod", "Killing", "Container kserve-container failed startup probe, will be restarted", "Normal", name="kill")
    for crash in range(expected.get("times", 3)):
        world.after(40).see("Pod", server_is(pod, terminated("kserve-container", ended(code), restarts=crash)))
        if crash + 1 < expected.get("times", 3):
            world.after(20).see("Pod", server_is(pod, running("kserve-container", restarts=crash + 1, last=ended(code))))
    world.expect("failed", expected["reason"], "repeated", expected["cause"], expected["hint"])
    return world


LOADS_TOO_LONG = {"reason": "StartupProbeFailed", "cause": "needs longer to load the model than its start-up probe allows",
                  "hint": "failureThreshold"}
among("loading-exit-139", ends_while_loading, 139, False,
      {"reason": "SegmentationFault", "cause": "crashed in its native code (exit code 139", "hint": "RUNTIME_NAME"})
among("loading-exit-127", ends_while_loading, 127, False,
      {"reason": "CommandNotFound", "cause": "does not find the command", "hint": "Correct the command", "times": 2})
among("loading-exit-0", ends_while_loading, 0, False, {"reason": "ServerEnded", "cause": "ends by itself without an error", "hint": "command"})
among("loading-exit-0-when-told", ends_while_loading, 0, True, LOADS_TOO_LONG)
among("loading-exit-1-when-told", ends_while_loading, 1, True, LOADS_TOO_LONG)


# ---- images ----

PULL = f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": '
HEAD = f'{RESOLVE}failed to do request: Head "https://registry.example.com/v2/aml/vllm/manifests/0.9.2": '

for row in [
    ("image-store-of-the-node", PULL + "failed to extract layer sha256:a1: failed to get reader from content store: content digest sha256:b2: "
     "not found", "NodeImageStoreBroken", "missing in the node's own store", "crictl rmi"),
    ("image-snapshot-missing", PULL + 'failed to prepare extraction snapshot "extract-7 sha256:a1": parent snapshot sha256:b2 does not exist: '
     "not found", "NodeImageStoreBroken", "missing in the node's own store", "crictl rmi"),
    ("image-layer-missing", PULL + "failed to copy: httpReadSeeker: failed open: content at https://registry.example.com/v2/aml/vllm/blobs/"
     "sha256:b2 not found: not found", "ImageIncomplete", "a layer of it is missing", "Push the image again"),
    ("image-proxy-dns", HEAD + "proxyconnect tcp: dial tcp: lookup proxy.example.com on 10.0.0.2:53: no such host", "ImagePullProxy",
     "cannot reach the proxy", "proxy that the nodes"),
    ("image-certificate-expired", HEAD + "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time "
     "2025-11-26T00:00:00Z is after 2025-10-01T00:00:00Z", "ImagePullUntrusted", "has expired, or the node's clock is wrong", "renewed"),
    ("image-certificate-name", HEAD + "tls: failed to verify certificate: x509: certificate is valid for ingress.local, not "
     "registry.example.com", "ImagePullUntrusted", "was made for another name", "as its certificate has it"),
    ("image-unsigned", "SignatureValidationFailed: Source image rejected: A signature was required, but no signature exists", "ImageNotSigned",
     "only images with a signature", "signature policy"),
]:
    among(row[0], pull, *row[1:], wait=60)
for row in [
    ("image-architecture-crio", 'choosing image instance: no image found in image index for architecture "arm64", variant "v8", OS "linux"',
     "ImageWrongPlatform", "not made for the processor", "RUNTIME_NAME"),
    ("image-short-name-crio", 'short-name "vllm:0.9.2" did not resolve to an alias and no unqualified-search registries are defined in '
     '"/etc/containers/registries.conf"', "InvalidImageName", "does not say which registry has it", "with its registry"),
    ("image-schema-1", PULL + 'media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd '
     "v2.1", "ImageFormatTooOld", "an old format that the node no longer takes", "current tool"),
]:
    among(row[0], pull, *row[1:])


@cause
def image_pulled_again_slowly():
    """One broken connection; the node pulls again for minutes, and the pod's status still says ImagePullBackOff."""
    world, pod = create("image-pulled-again-slowly")
    message = PULL + "failed to copy: httpReadSeeker: failed open: unexpected EOF"
    world.after(3).about(scheduled(pod), "Pod", "Pulling", f'Pulling image "{IMAGE}"', "Normal", name="pulling")
    world.after(20).see("Pod", server_is(pod, waiting("kserve-container", "ErrImagePull", message)))
    world.about(pod, "Pod", "Failed", f'Failed to pull image "{IMAGE}": {message}', name="failed")
    world.after(12).see("Pod", server_is(pod, waiting("kserve-container", "ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')))
    world.about(pod, "Pod", "BackOff", f'Back-off pulling image "{IMAGE}"', "Normal", name="backoff")
    world.after(12).about(pod, "Pod", "Pulling", f'Pulling image "{IMAGE}"', "Normal", 2, "pulling")
    world.after(300)
    world.line("Event", "SYNCED")
    world.expect("progressing", "ImagePullFailed", "repeated", "cannot pull the image", "registry")
    return world


# ---- volumes ----


@cause
def volume_attached_after_all():
    """The old pod gave its disk back after a minute; the node then works on it without a word."""
    world, pod = create("volume-attached-after-all")
    world.after(5).see("Pod", scheduled(pod))
    world.after(1).about(pod, "Pod", "FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) '
                         "qwen-predictor-5c4d-old", name="attach", component="attachdetach-controller")
    world.after(60).about(pod, "Pod", "SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "pvc-1" ', "Normal", name="attached",
                          component="attachdetach-controller")
    world.after(200)
    world.line("Event", "SYNCED")
    world.expect("progressing")
    return world


def mount_times_out(name, times):
    world, pod = create(name)
    world.after(5).see("Pod", scheduled(pod))
    for count in range(times):
        world.after(130 if count else 1).about(
            pod, "Pod", "FailedMount", 'MountVolume.SetUp failed for volume "kube-api-access-x7k2p" : failed to sync configmap cache: timed out '
            "waiting for the condition", count=count + 1, name="mount")
    return world


@cause
def volume_cache_not_filled_yet():
    """What a kubelet says once of many pods, and which is over half a second later."""
    world = mount_times_out("volume-cache-not-filled-yet", 1).after(200)
    world.line("Event", "SYNCED")
    world.expect("progressing", "VolumeCannotBeMounted", "repeated", "failed to sync configmap cache", "storage")
    return world


@cause
def volume_times_out_again():
    world = mount_times_out("volume-times-out-again", 2)
    world.expect("failed", "VolumeCannotBeMounted", "repeated", "failed to sync configmap cache", "storage")
    return world


# ---- pods that end as a whole ----

NO_MEMORY = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 1Mi. "
SHUT_DOWN = "Pod was terminated in response to imminent node shutdown."
NO_DISK = "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. "
NO_DEVICE = ("Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpualloc, which "
             "is unexpected")


def pods_end(name, why, message, count, replicas=1, gap=0.0, lying_there=False, after=20, **expected):
    """COUNT pods end, and another one is started."""
    world = World(name, generation=1, minReplicas=replicas, changed=not lying_there)
    world.see("InferenceService", world.service())
    world.see("Deployment", world.deployment(generation=1, revision="1", wanted=replicas, updated=replicas))
    world.see("ReplicaSet", world.replica_set(revision="1", wanted=replicas))
    if not lying_there:
        world.synced()
    for index in range(count):
        world.after(gap).see("Pod", finished(scheduled(world.pod(suffix=f"end{index}")), why, message))
    if lying_there:
        world.synced()
    decided = world.now
    world.after(after).see("Pod", scheduled(world.pod()))
    world.expect(**expected, at=decided - START if expected["state"] == "failed" else None)
    return world


among("node-shut-down-under-three", pods_end, "Terminated", SHUT_DOWN, 3, replicas=3, state="progressing", reason="NodeShutdown",
      failure="repeated", cause="made anew elsewhere")
among("nodes-shut-down-one-by-one", pods_end, "Terminated", SHUT_DOWN, 4, gap=60, state="progressing", reason="NodeShutdown",
      failure="repeated", cause="made anew elsewhere")
among("evicted-all-replicas-once", pods_end, "Evicted", NO_MEMORY, 3, replicas=3, gap=10, state="progressing", reason="NodeMemoryPressure",
      failure="repeated", cause="ran out of memory", hint="MEMORY_REQUEST")
among("evicted-again-and-again", pods_end, "Evicted", NO_MEMORY, 3, gap=30, state="failed", reason="NodeMemoryPressure", failure="repeated",
      cause="ran out of memory", hint="MEMORY_REQUEST")
among("evicted-last-week", pods_end, "Evicted", NO_MEMORY, 3, lying_there=True, state="progressing")
among("evicted-for-disk-last-week", pods_end, "Evicted", NO_DISK, 1, lying_there=True, state="progressing")
among("device-plugin-starts-anew", pods_end, "UnexpectedAdmissionError", NO_DEVICE, 3, gap=0.1, after=3, state="progressing",
      reason="DeviceAllocationFailed", failure="repeated", cause="could not hand its GPU", hint="device plugin")


# ---- schedulers ----


def no_node(name, text, reason, cause, hint, events=(), why="Unschedulable", evidence=()):
    world, pod = create(name)
    world.after(1).see("Pod", unscheduled(pod, text, why))
    for index, (kind, message, component) in enumerate(events):
        world.about(pod, "Pod", kind, message, name=f"e{index}", component=component)
    world.after(300)
    world.line("Event", "SYNCED")
    world.expect("progressing", reason, "impatient", cause, hint, evidence)
    return world


for row in [
    ("volume-elsewhere-in-1-34", "0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity. no new claims to "
     "deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.", "VolumeOnOtherNode",
     "is on a node or in a zone that cannot take the pod", "PVC_NAME"),
    ("hami-unreachable", 'Post "https://127.0.0.1:443/filter": dial tcp 127.0.0.1:443: connect: connection refused', "HamiUnreachable",
     "No node can take the pod: the scheduler cannot ask HAMi", "hami-scheduler"),
]:
    among(row[0], no_node, *row[1:])
among("volume-not-made-in-time", no_node, 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded', "PvcNotBound",
      "was not made in time", "describe pvc", why="SchedulerError")
among("hami-node-locked", no_node, "", "GpuNodeLocked", "busy giving a GPU to another pod (HAMi's lock)", "device plugin",
      [("BindingFailed", "node gpu-1 has been locked within 5 minutes", "hami-scheduler")], why="SchedulerError")
among("autoscaler-at-its-limit", no_node, "0/2 nodes are available: 2 Insufficient nvidia.com/gpualloc.", "InsufficientGpu",
      "None of the 2 nodes can take the pod", "NVIDIA_GPUALLOC",
      [("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", "cluster-autoscaler")],
      evidence=["autoscaler: pod didn't trigger scale-up: 1 max node group size reached"])


# ---- pods that are refused ----

for row in [
    ("refused-by-policy", "pods \"qwen-predictor-6d5f-\" is forbidden: ValidatingAdmissionPolicy 'no-host-ipc' with binding 'all' denied request: "
     "hostIPC is not allowed", "PodDenied", "A rule of the cluster refuses the pods: ValidatingAdmissionPolicy 'no-host-ipc'", "set the rule"),
    ("refused-namespace-ends", 'pods "qwen-predictor-6d5f-" is forbidden: unable to create new content in namespace demo because it is being '
     "terminated", "NamespaceBeingDeleted", "Namespace demo is being deleted", "NAMESPACE"),
    ("refused-limit-ratio", 'pods "qwen-predictor-6d5f-" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is '
     "4.000000", "LimitRange", "limits how much one container may ask for", "CPU_REQUEST"),
]:
    among(row[0], refused, *row[1:])
for row in [
    ("refused-priority-class", 'pods "qwen-predictor-6d5f-" is forbidden: no PriorityClass with name gpu-high was found', "PriorityClassMissing",
     "priority class of the pods does not exist", "priorityClassName"),
    ("refused-runtime-class", 'pods "qwen-predictor-6d5f-" is forbidden: pod rejected: RuntimeClass "nvidia" not found', "RuntimeClassMissing",
     "RuntimeClass of the pods does not exist", "runtimeClassName"),
]:
    among(row[0], refused, *row[1:], failure="repeated", waits=60)


# ---- what only a Knative revision tells, when pods cannot be read ----


def revision_fails(name, why, message, reason, cause, hint, failure="repeated", of_revision=True):
    world = serverless(name)
    if of_revision:
        world.see("Revision", {
            "metadata": {"name": "qwen-predictor-00002", "namespace": "demo", "uid": "rev-2", "labels": {LABEL: "qwen"},
                         "annotations": {HASH_ANNOTATION: HASH}},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": why, "message": message}]}})
    else:
        world.see("InferenceService", knative_service(world, "qwen-predictor-00002", "qwen-predictor-00001", ready="True", conditions=[
            {"type": "LatestDeploymentReady", "status": "False", "reason": "RevisionFailed", "severity": "Info",
             "message": f'Revision "qwen-predictor-00002" failed with message: {message}.'}]))
    decided = world.now + (0 if failure == "terminal" else 60000)
    world.after(65).line("Pod", "SYNCED")
    world.expect("failed", reason, failure, cause, hint, at=decided - START)
    return world


HOST_IPC = 'pods "qwen-predictor-00002-deployment-" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostIPC=true)'

for row in [
    ("serverless-pod-security", "FailedCreate", HOST_IPC, "PodSecurityHostIpc", "forbids pods that share memory", "HOST_IPC=false", "terminal"),
    ("serverless-pod-security-small-role", "", HOST_IPC, "PodSecurityHostIpc", "forbids pods that share memory", "HOST_IPC=false", "terminal",
     False),
    ("serverless-oom-killed", "OOMKilled", "Container failed with: ", "OOMKilled", "more main memory than its limit of 16Gi", "MEMORY_LIMIT"),
    ("serverless-exit-139", "ExitCode139", "Container failed with: ", "SegmentationFault", "exit code 139", "RUNTIME_NAME"),
    ("serverless-image-back-off", "ErrImagePull", f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": failed to '
     f'resolve reference "{IMAGE}": {IMAGE}: not found', "ImageNotFound", f"The image {IMAGE} does not exist", "RUNTIME_NAME"),
    ("serverless-missing-secret", "CreateContainerConfigError", 'secret "hf-token" not found', "MissingSecret",
     "The model server cannot start because a Secret that it needs does not exist", "Make that Secret"),
]:
    among(row[0], revision_fails, *row[1:])


# ---- downloads from other places than a Git server ----

INITIALIZER = ("2025-11-26 00:00:10.1 1 kserve INFO [storage.py:download():78] Copying contents of the model to local\n"
               "Traceback (most recent call last):\n  File \"/storage-initializer/scripts/initializer-entrypoint\", line 20, in <module>\n")

for row in [
    ("download-s3-unreachable", "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "
     '"http://minio.example.com:9000/models?list-type=2&prefix=qwen"', "ModelDownloadUnreachable", "cannot reach the model's server", "proxies"),
    ("download-gs-anonymous", "google.api_core.exceptions.Unauthorized: 401 GET https://storage.googleapis.com/storage/v1/b/x/o: Anonymous caller "
     "does not have storage.objects.list access to the Google Cloud Storage bucket.", "ModelDownloadUnauthorized", "refuses the login", "token"),
    ("download-gs-no-bucket", "google.api_core.exceptions.NotFound: 404 GET https://storage.googleapis.com/storage/v1/b/x: The specified bucket "
     "does not exist.", "ModelNotFound", "is not there (404)", "STORAGE_URI"),
    ("download-azure-no-container", "azure.core.exceptions.ResourceNotFoundError: The specified container does not exist.\nRequestId:7\n"
     "ErrorCode:ContainerNotFound", "ModelNotFound", "is not there (404)", "STORAGE_URI"),
    ("download-azure-forbidden", "azure.core.exceptions.HttpResponseError: This request is not authorized to perform this operation using this "
     "permission.\nErrorCode:AuthorizationPermissionMismatch", "ModelDownloadForbidden", "may not read it (403)", "access"),
    ("download-http-404", "RuntimeError: URI: https://files.example.com/qwen.tar.gz returned a 404 response code.", "ModelNotFound",
     "is not there (404)", "STORAGE_URI"),
    ("download-pvc-folder", "FileNotFoundError: [Errno 2] No such file or directory: '/mnt/pvc/qwen'", "ModelNotFound",
     "no such folder in the claim", "pvc://CLAIM/FOLDER"),
    ("download-hub-xet", "RuntimeError: Data processing error: CAS service error : Reqwest Error: error sending request for url "
     "(https://cas-server.example.com/reconstruction/1f), domain: https://cas-server.example.com", "ModelDownloadUnreachable",
     "cannot reach the model's server", "network policies"),
    ("download-wrong-size", "OSError: Consistency check failed: file should be of size 4976698672 but has size 134 (model.safetensors).",
     "ModelDownloadIncomplete", "another size than its server says", "git lfs push"),
    ("download-git-untrusted", "fatal: unable to access 'https://gitlab.example.com/demo/qwen.git/': server certificate verification failed. "
     "CAfile: none CRLfile: none", "ModelDownloadUntrusted", "does not trust the TLS certificate", "CA certificate"),
]:
    among(row[0], lambda name, log, reason, cause, hint: crash(name, ended(1), log=INITIALIZER + log + "\n", container="storage-initializer",
                                                               reason=reason, cause=cause, hint=hint), *row[1:])


# ---- clocks ----


def changed_just_now_elsewhere(name, applied, answered, seen_acting=True):
    """`kubectl apply`, then `wait`, where the API server's clock is minutes from ours."""
    world = World(name, contentHash="", changed=False, resourceVersion="")

    def service(status_at):
        return world.service("True", "UpToDate", hash="", metadata={"managedFields": [
            {"manager": "kubectl", "operation": "Apply", "time": applied},
            {"manager": "manager", "operation": "Update", "subresource": "status", "time": status_at}]})

    item = world.see("InferenceService", service(answered))
    world.see("Deployment", world.deployment("", generation=1, updated=1, available=1, revision="1"))
    world.see("ReplicaSet", world.replica_set("1", "77aa"))
    world.synced()
    world.confirmed(item)
    world.after(0.5)
    if seen_acting:
        world.see("Deployment", world.deployment("", generation=2, observed=1, updated=1, available=1, revision="1"))
        world.after(0.1).see("ReplicaSet", world.replica_set("2", "6d5f"))
        world.see("Deployment", world.deployment("", replicas=2, updated=1, available=1))
        world.after(40).see("Deployment", world.deployment("", updated=1, available=1))
        world.see("InferenceService", service("2025-11-26T00:00:41Z"))
        world.expect("ready")
    else:
        world.line("Event", "SYNCED")
        world.expect("progressing")
    return world


among("clock-five-minutes-behind", changed_just_now_elsewhere, "2025-11-25T23:55:00Z", "2025-11-25T23:50:00Z")
among("clock-five-minutes-ahead", changed_just_now_elsewhere, "2025-11-26T00:05:00Z", "2025-11-26T00:01:00Z")
among("clock-ahead-and-no-answer", changed_just_now_elsewhere, "2025-11-26T00:05:00Z", "2025-11-26T00:01:00Z", seen_acting=False)
