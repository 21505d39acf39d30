"""One transcript for each cause that must be told: what happened, in the true texts of kubelet, containerd, the scheduler, HAMi, admission,
KServe, its storage initializer and vLLM, and what must be said of it."""

import functools

from world import (
    COMMIT, DOWNLOADED, GPU, HASH, IMAGE, INIT_IMAGE, OLD_HASH, OLD_URI, RUNTIME, URI, World, ended, finished, init_is, running, scheduled,
    server_is, serving, terminated, unscheduled, waiting)

ALL = []


def cause(function):
    """A world named after the function; the docstring is for the reader."""
    ALL.append(function)
    return function


def create(name, pod=True, **options):
    """A new service: KServe made the Deployment, its ReplicaSet and a pod."""
    world = World(name, generation=1, **options)
    world.see("InferenceService", world.service(ready=None))
    world.synced()
    world.after(0.3).see("Deployment", world.deployment(generation=1, observed=0, revision="1"))
    world.see("InferenceService", world.service(ready="Unknown"))
    world.after(0.1).see("ReplicaSet", world.replica_set(revision="1"))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1))
    return (world, world.see("Pod", world.pod())) if pod else world


# ---- crashes of the model server ----


def crash_loop(world, pod, end, container="kserve-container", times=3, pauses=(2, 12, 25)):
    """Ends TIMES times, with the kubelet's back-off in between."""
    put = server_is if container == "kserve-container" else init_is
    world.after(5).see("Pod", scheduled(pod))
    world.after(20).see("Pod", put(pod, running(container)))
    for crash in range(times):
        world.after(pauses[crash % len(pauses)]).see("Pod", put(pod, terminated(container, end, restarts=crash)))
        if crash + 1 < times:
            world.after(1).see("Pod", put(pod, waiting(container, "CrashLoopBackOff",
                                                       f"back-off {10 << crash}s restarting failed container={container}", crash, end)))
            world.after(10 << crash).see("Pod", put(pod, running(container, restarts=crash + 1, last=end)))


def crash(name, end, log=None, container="kserve-container", times=3, world_options=None, **expected):
    world, pod = create(name, **(world_options or {}))
    crash_loop(world, pod, end, container, times)
    world.expect("failed", failure=expected.pop("failure", "repeated"), **expected)
    if log:
        world.log(pod["metadata"]["name"], container, log)
    return world


@cause
def oom_killed():
    return crash("oom-killed", ended(137, "OOMKilled"), times=2, reason="OOMKilled",
                 cause="The model server needs more main memory than its limit of 16Gi and was killed for it.", hint="MEMORY_LIMIT",
                 evidence=["ended 2 times, last with exit code 137 (OOMKilled)"])


@cause
def oom_killed_download():
    return crash("oom-killed-download", ended(137, "OOMKilled"), container="storage-initializer", times=2, reason="OOMKilled",
                 cause="The download of the model (storage-initializer) needs more main memory than its limit of 1Gi",
                 hint="administrator raise the memory limit of the storage initializer")


@cause
def exit_137_without_oom():
    return crash("exit-137", ended(137), reason="Killed", cause="was killed from outside (exit code 137)", hint="MEMORY_LIMIT")


@cause
def exit_139():
    return crash("exit-139", ended(139), reason="SegmentationFault", cause="crashed in its native code (exit code 139",
                 hint="RUNTIME_NAME")


@cause
def exit_143():
    return crash("exit-143", ended(143), reason="Terminated", cause="was told to end (exit code 143", hint="probes")


@cause
def exit_127():
    return crash("exit-127", ended(127), times=2, reason="CommandNotFound", cause="does not find the command that it should run (exit code 127)",
                 hint=f"Correct the command in the runtime {RUNTIME}")


@cause
def exit_0():
    return crash("exit-0", ended(0, "Completed"), reason="ServerEnded", cause="ends by itself without an error", hint="command")


@cause
def liveness_probe():
    world, pod = create("liveness-probe")
    end = ended(137)
    world.after(5).see("Pod", server_is(scheduled(pod), running("kserve-container")))
    for restarts in range(1, 4):
        world.after(60).about(pod, "Pod", "Unhealthy", 'Liveness probe failed: Get "http://10.244.0.7:8080/health": context deadline '
                              'exceeded (Client.Timeout exceeded while awaiting headers)', count=restarts, name="live")
        world.about(pod, "Pod", "Killing", "Container kserve-container failed liveness probe, will be restarted", "Normal", restarts, "kill")
        if restarts < 3:
            world.after(30).see("Pod", server_is(pod, running("kserve-container", restarts=restarts, last=end)))
    world.after(30).see("Pod", server_is(pod, running("kserve-container", restarts=3, last=end)))
    world.expect("failed", "LivenessProbeFailed", "repeated", "stopped answering its health check (liveness probe)", "probes",
                 ["container kserve-container of pod"], reasons=["Killed"])
    return world


@cause
def startup_probe_kills():
    world, pod = create("startup-probe-kills")
    end = ended(143)
    world.after(5).see("Pod", server_is(scheduled(pod), running("kserve-container")))
    world.after(30).about(pod, "Pod", "Unhealthy", "Startup probe failed: dial tcp 10.244.0.7:8080: connect: connection refused", name="start")
    for restarts in range(1, 4):
        world.after(600).about(pod, "Pod", "Killing", "Container kserve-container failed startup probe, will be restarted", "Normal", restarts,
                               "kill")
        world.after(30).see("Pod", server_is(pod, running("kserve-container", restarts=restarts, last=end)))
    world.expect("failed", "StartupProbeFailed", "repeated", "needs longer to load the model than its start-up probe allows",
                 "failureThreshold of the startupProbe", reasons=["Terminated"])
    return world


@cause
def slow_startup_probe():
    """The probe fails for a long time, and nothing ends: patience."""
    world, pod = create("slow-startup-probe")
    world.after(5).see("Pod", server_is(scheduled(pod), running("kserve-container")))
    for count in range(1, 30):
        world.after(30).about(pod, "Pod", "Unhealthy", "Startup probe failed: dial tcp 10.244.0.7:8080: connect: connection refused",
                              count=count, name="start")
    world.expect("progressing", "ProbeFailing", "impatient", "runs, but does not answer its health check yet", "TIMEOUT",
                 ["event Unhealthy"])
    return world


@cause
def readiness_probe():
    world, pod = create("readiness-probe")
    world.after(5).see("Pod", server_is(scheduled(pod), running("kserve-container")))
    world.after(90).about(pod, "Pod", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", name="ready")
    world.expect("progressing", "ProbeFailing", "impatient", "(Readiness probe failed: HTTP probe failed with statuscode: 503)", "TIMEOUT")
    return world


def server_log(name, log, reason, said, hint, **more):
    """A crash whose log tells why."""
    return crash(name, ended(1), log=log, reason=reason, cause=said, hint=hint, **more)


TRACE = ("INFO 11-26 00:00:41 [core.py:69] Initializing a V1 LLM engine (v0.9.2)\n"
         "Process EngineCore_0:\nTraceback (most recent call last):\n")
ROOT_CAUSE = ("Traceback (most recent call last):\n  File \"/usr/local/bin/vllm\", line 8, in <module>\n    sys.exit(main())\n"
              "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n")


@cause
def cuda_out_of_memory():
    return server_log("cuda-out-of-memory", TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB. GPU 0 has a total "
                      "capacity of 4.00 GiB of which 210.00 MiB is free.\n" + ROOT_CAUSE, "CudaOutOfMemory",
                      "The model does not fit the GPU memory that it was given (4096 MiB per card).", "NVIDIA_GPUMEM (now 4096)",
                      evidence=["log kserve-container: torch.OutOfMemoryError: CUDA out of memory",
                                "log kserve-container: RuntimeError: Engine core initialization failed"])


@cause
def hami_core_out_of_memory():
    return server_log("hami-core-out-of-memory", "[HAMI-core ERROR (pid:7 thread=140 allocator.c:52)]: Device 0 OOM 4563402752 / 4294967296\n"
                      "RuntimeError: Engine core initialization failed. See root cause above.\n", "CudaOutOfMemory",
                      "does not fit the GPU memory that HAMi gives it (4096 MiB per card)", "NVIDIA_GPUMEM")


@cause
def vllm_no_cache_blocks():
    return server_log("vllm-no-cache-blocks", TRACE + "ValueError: No available memory for the cache blocks. Try increasing "
                      "`gpu_memory_utilization` when initializing the engine.\n" + ROOT_CAUSE, "GpuMemoryTooSmall",
                      "leaves none to answer even one request", "NVIDIA_GPUMEM")


@cause
def tokenizer_missing():
    return server_log("tokenizer-missing", TRACE + "OSError: Can't load tokenizer for '/mnt/models'. If you were trying to load it from "
                      "'https://huggingface.co/models', make sure you don't have a local directory with the same name.\n" + ROOT_CAUSE,
                      "ModelFilesMissing", "lacks a file that the model server needs: OSError: Can't load tokenizer", "Add that file")


@cause
def too_few_gpus():
    return server_log("too-few-gpus", TRACE + "ValueError: The number of required GPUs exceeds the total number of available GPUs in the "
                      "placement group.\n" + ROOT_CAUSE, "TooFewGpus", "told to use more GPUs than its pod has", "Raise NVIDIA_GPUALLOC")


@cause
def gpu_faulty():
    return server_log("gpu-faulty", TRACE + "RuntimeError: CUDA error: uncorrectable ECC error encountered\n" + ROOT_CAUSE, "GpuFaulty",
                      "The GPU of the node is faulty", "administrator")


@cause
def nccl():
    return server_log("nccl", TRACE + "torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:77, "
                      "unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.21.5\n" + ROOT_CAUSE,
                      "GpuCommunicationFailed", "cannot exchange data (NCCL)", "HOST_IPC=true")


@cause
def triton_model_not_loaded():
    return server_log("triton-model-not-loaded", "| Model | Version | Status |\n| qwen  | 1       | UNAVAILABLE: Internal: unable to load shared "
                      "library: libtorch.so: cannot open shared object file |\nerror: creating server: Internal - failed to load all models\n",
                      "ModelNotLoaded", "UNAVAILABLE: Internal: unable to load shared library", "RUNTIME_NAME")


@cause
def cache_not_writable():
    """What libraries merely warn of is not the cause."""
    return server_log("cache-not-writable", "mkdir -p failed for path /.config/matplotlib: [Errno 13] Permission denied: '/.config/matplotlib'\n"
                      "Traceback (most recent call last):\nPermissionError: [Errno 13] Permission denied: '/.cache/vllm'\n", "NotWritable",
                      "may not write where it wants to: PermissionError: [Errno 13] Permission denied: '/.cache/vllm'", "ENV")


@cause
def warned_of_a_cache():
    return server_log("warned-of-a-cache", "mkdir -p failed for path /.config/matplotlib: [Errno 13] Permission denied: '/.config/matplotlib'\n"
                      "Traceback (most recent call last):\nKeyError: 'model.layers.0.self_attn.qkv_proj.weight'\n", "CrashLoopBackOff",
                      "crashes each time it is started: KeyError: 'model.layers.0", "last log lines")


@cause
def asks_the_hub():
    return server_log("asks-the-hub", TRACE + "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file "
                      "on the Hub and we cannot find the requested files in the local cache.\n" + ROOT_CAUSE, "ModelFilesMissing",
                      "wants something from the Hub that is not among the model's files", "/mnt/models")


@cause
def vllm_context_too_long():
    return server_log("vllm-context-too-long", TRACE + "ERROR 11-26 00:01:02 [core.py:632] ValueError: To serve at least one request with the "
                      "models's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.91 "
                      "GiB). Based on the available memory, the estimated maximum model length is 40208.\n" + ROOT_CAUSE, "ContextTooLong",
                      "for its full context length: ValueError: To serve at least one request", "--max-model-len")


@cause
def vllm_v0_context_too_long():
    return server_log("vllm-v0-context-too-long", "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that "
                      "can be stored in KV cache (12960). Try increasing `gpu_memory_utilization` or decreasing `max_model_len`.\n",
                      "ContextTooLong", "is too small for its full context length", "--max-model-len")


@cause
def vllm_gpu_in_use():
    return server_log("vllm-gpu-in-use", "ValueError: Free memory on device (1.9/4.0 GiB) on startup is less than desired GPU memory utilization "
                      "(0.95, 3.8 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.\n" + ROOT_CAUSE,
                      "GpuMemoryInUse", "Another program uses a part of the GPU memory", "--gpu-memory-utilization")


@cause
def vllm_tensor_parallel():
    return server_log("vllm-tensor-parallel", "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n  Value error, "
                      "Total number of attention heads (28) must be divisible by tensor parallel size (3).\n", "TensorParallelMismatch",
                      "cannot be spread evenly over this number of GPUs", "NVIDIA_GPUALLOC")


@cause
def cuda_driver_missing():
    return server_log("cuda-driver-missing", "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
                      "installed a driver from http://www.nvidia.com/Download/index.aspx\n", "GpuDriverMissing", "finds no NVIDIA driver",
                      "NVIDIA_GPUALLOC or NVIDIA_GPU")


@cause
def libcuda_missing():
    return server_log("libcuda-missing", "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory\n",
                      "GpuDriverMissing", "finds no NVIDIA driver", "NVIDIA_GPU")


@cause
def cuda_driver_too_old():
    return server_log("cuda-driver-too-old", "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your "
                      "GPU driver\n", "GpuDriverTooOld", "driver of the node is too old for the CUDA version of the runtime", "RUNTIME_NAME")


@cause
def no_gpu():
    return server_log("no-gpu", "RuntimeError: Failed to infer device type, please set the environment variable\n", "NoGpu",
                      "wants a GPU and sees none", "NVIDIA_GPUALLOC")


@cause
def lfs_pointer_as_weights():
    return server_log("lfs-pointer-as-weights", "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge\n",
                      "ModelFilesBroken", "are only pointers to the real files (Git LFS)", "git lfs push --all origin")


@cause
def model_unsupported():
    return server_log("model-unsupported", "ValueError: The checkpoint you are trying to load has model type `qwen9` but Transformers does not "
                      "recognize this architecture.\n", "ModelUnsupported", "does not know this kind of model", "RUNTIME_NAME")


@cause
def wrong_arguments():
    return server_log("wrong-arguments", "usage: vllm serve [model_tag] [options]\nvllm: error: unrecognized arguments: --max-modellen 4096\n",
                      "WrongArguments", "does not understand one of its arguments: vllm: error: unrecognized arguments", "args of the runtime",
                      times=2)


@cause
def model_files_missing():
    return server_log("model-files-missing", "OSError: /mnt/models/qwen does not appear to have a file named config.json. Checkout "
                      "'https://huggingface.co//mnt/models/qwen/tree/None' for available files.\n", "ModelFilesMissing",
                      "lacks a file that the model server needs", "Add that file to the repository")


@cause
def unknown_crash():
    world = server_log("unknown-crash", "Loading…\nSomething went wrong in module frobnicator\nServerError: cannot frobnicate the quux\nbye\n",
                       "CrashLoopBackOff", "crashes each time it is started: ServerError: cannot frobnicate the quux", "kserve-container",
                       evidence=["log kserve-container: bye", "log storage-initializer: INFO:root:Successfully copied"])
    world.log("qwen-predictor-6d5f-x7k2p", "storage-initializer", "INFO:root:Successfully copied hf://demo/qwen to /mnt/models\n")
    return world


@cause
def crash_that_was_over():
    """Restarted often before this run, runs now and is not ready yet: no failure."""
    world = World("crash-that-was-over", changed=False)
    pod = world.pod()
    server_is(scheduled(pod), running("kserve-container", restarts=5, last=ended(1)))
    world.see("InferenceService", world.service("Unknown"))
    world.see("Deployment", world.deployment(replicas=1, updated=1))
    world.see("ReplicaSet", world.replica_set())
    world.see("Pod", pod)
    world.synced()
    world.after(60).see("InferenceService", world.service("Unknown"))
    world.expect("progressing", "CrashLoopBackOff", "repeated", "crashes each time", "")
    return world


# ---- the download of the model ----


def download(name, message, reason, said, hint, **more):
    """The storage initializer fails with MESSAGE, which kubelet copies into the status."""
    return crash(name, ended(1, "Error", message), container="storage-initializer", reason=reason, cause=said, hint=hint, **more)


HUB = "https://hub.example.com/api/models/demo/qwen/revision/" + COMMIT


@cause
def hf_401():
    return download("hf-401", f"requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: {HUB}\n\nhuggingface_hub.errors."
                    "RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-67)\nRepository Not Found for url.\nInvalid username or "
                    "password.", "ModelDownloadUnauthorized", "refuses the login with which hf://demo/qwen:", "Renew the token",
                    evidence=["log storage-initializer: Invalid username or password."])


@cause
def hf_403_gated():
    return download("hf-403-gated", f"huggingface_hub.errors.GatedRepoError: 403 Client Error.\nCannot access gated repo for url {HUB}.\nAccess "
                    "to model demo/qwen is restricted and you are not in the authorized list.", "ModelDownloadForbidden", "is gated",
                    "Ask for access")


@cause
def hf_404():
    return download("hf-404", f"huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: Root=1-67)\n\nRepository Not "
                    f"Found for url: {HUB}.", "ModelNotFound", "is not there (404)", "MODEL_REPO")


@cause
def hf_no_such_revision():
    return download("hf-no-such-revision", f"huggingface_hub.errors.RevisionNotFoundError: 404 Client Error. (Request ID: Root=1-67)\n\nRevision "
                    f"Not Found for url: {HUB}.\nInvalid rev id: {COMMIT}", "ModelRevisionNotFound", "has no such revision of the model",
                    "MODEL_REPO_COMMIT")


@cause
def git_authentication():
    return download("git-authentication", "Cloning into '/mnt/models/qwen'...\nremote: HTTP Basic: Access denied. If a password was provided for "
                    "Git authentication, the password was incorrect\nfatal: Authentication failed for "
                    "'https://gitlab.example.com/demo/amlmodels/qwen.git/'", "ModelDownloadUnauthorized", "refuses the login", "token")


@cause
def git_lfs_object_missing():
    return download("git-lfs-object-missing", "Error downloading object: model.safetensors (a1b2c3d): Smudge error: Error downloading "
                    "model.safetensors (a1b2c3d): [404] Object does not exist on the server: [404] Object does not exist on the server\n"
                    "error: external filter 'git-lfs filter-process' failed\nfatal: model.safetensors: smudge filter lfs failed",
                    "LfsObjectMissing", "A large file of the model is missing on the server", "git lfs push --all origin")


@cause
def disk_full():
    return download("disk-full", "OSError: [Errno 28] No space left on device: '/mnt/models/model-00003-of-00004.safetensors'", "StorageFull",
                    "does not fit the disk that it is downloaded to", "EPHIMERAL_STORAGE_SIZE (now 10Gi)")


@cause
def download_tls():
    return download("download-tls", "requests.exceptions.SSLError: HTTPSConnectionPool(host='hub.example.com', port=443): Max retries exceeded "
                    "with url: /api/models/demo/qwen (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] "
                    "certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)')))", "ModelDownloadUntrusted",
                    "does not trust the TLS certificate of the model's server", "CA certificate")


@cause
def download_server_broken():
    return download("download-server-broken", "requests.exceptions.RetryError: HTTPSConnectionPool(host='hub.example.com', port=443): Max retries "
                    "exceeded with url: /api/models/demo/qwen (Caused by ResponseError('too many 502 error responses'))", "ModelServerBroken",
                    "answers with an error of its own", "Run again")


@cause
def download_lfs_off():
    return download("download-lfs-off", "batch response: Git LFS is not enabled on this GitLab server, contact your admin.\nerror: failed to fetch "
                    "some objects from 'https://gitlab.example.com/demo/qwen.git/info/lfs'", "LfsDisabled", "Git LFS is off there", "switched on")


@cause
def download_no_such_folder():
    return download("download-no-such-folder", "RuntimeError: Local path /mnt/pvc/qwen does not exist.", "ModelNotFound",
                    "no such folder in the claim", "pvc://CLAIM/FOLDER")


@cause
def download_dns():
    return download("download-dns", "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='hub.example.com', port=443): Max retries "
                    "exceeded with url: /api (Caused by NameResolutionError(\"<urllib3.connection.HTTPSConnection object>: Failed to resolve "
                    "'hub.example.com' ([Errno -2] Name or service not known)\"))", "ModelDownloadDns", "its name does not resolve (DNS)",
                    "DNS of the cluster")


@cause
def download_unreachable():
    return download("download-unreachable", "urllib3.exceptions.NewConnectionError: Failed to establish a new connection: [Errno 111] Connection "
                    "refused", "ModelDownloadUnreachable", "cannot reach the model's server", "network policies")


@cause
def download_bad_uri():
    return download("download-bad-uri", "ValueError: URI must contain exactly one '/' separating the repo and model name", "StorageUriInvalid",
                    "does not understand where the model is", "STORAGE_URI", times=2)


@cause
def download_log_with_numbers():
    """Sizes, times and hashes with 401 and 404 in them are no HTTP errors."""
    return download("download-log-with-numbers", "2025-11-26 00:00:12,404 INFO fetched 401 of 403 files, 404404 bytes, sha 40140340404\n"
                    "RuntimeError: short file", "ModelDownloadFailed", "The download of the model fails: RuntimeError: short file",
                    "storage-initializer")


# ---- images ----


def pull(name, message, reason, said, hint, wait=None, container="kserve-container", **more):
    """ErrImagePull, then ImagePullBackOff for as long as WAIT (s)."""
    world, pod = create(name)
    put = server_is if container == "kserve-container" else init_is
    image = IMAGE if container == "kserve-container" else INIT_IMAGE
    world.after(3).see("Pod", scheduled(pod))
    world.after(2).about(pod, "Pod", "Failed", f'Failed to pull image "{image}": {message}', name="failed")
    world.see("Pod", put(pod, waiting(container, "ErrImagePull", message)))
    first = world.now
    world.after(12).see("Pod", put(pod, waiting(container, "ImagePullBackOff", f'Back-off pulling image "{image}"')))
    expected = {"reason": reason, "failure": "repeated", "cause": said, "hint": hint, "evidence": [f"container {container} of pod"], **more}
    if wait:
        world.after(wait)
        world.line("Event", "SYNCED")
        world.expect("failed", at=first + 60000 - 1764115200000, **expected)
    else:
        world.expect("failed", **expected)
    return world


RESOLVE = f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '


@cause
def image_not_found():
    return pull("image-not-found", RESOLVE + f"{IMAGE}: not found", "ImageNotFound", f"The image {IMAGE} does not exist in its registry.",
                "RUNTIME_NAME")


@cause
def image_not_found_seen_late():
    """Only the back-off was seen; the event says why."""
    world, pod = create("image-not-found-seen-late")
    world.after(3).about(pod, "Pod", "Failed", f'Failed to pull image "{IMAGE}": {RESOLVE}{IMAGE}: not found', name="failed")
    world.see("Pod", server_is(scheduled(pod), waiting("kserve-container", "ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')))
    world.expect("failed", "ImageNotFound", "repeated", "does not exist in its registry", "RUNTIME_NAME")
    return world


@cause
def image_unauthorized():
    return pull("image-unauthorized", f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to resolve reference '
                f'"{IMAGE}": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to '
                "https://registry.example.com/token: 401 Unauthorized", "ImagePullUnauthorized",
                "The registry does not let this cluster pull the image", "imagePullSecret")


@cause
def image_private_or_missing():
    return pull("image-private-or-missing", f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to resolve '
                f'reference "{IMAGE}": pull access denied, repository does not exist or may require authorization: server message: '
                "insufficient_scope: authorization failed", "ImagePullUnauthorized", "it does not exist, or it is private", "imagePullSecret")


@cause
def image_rate_limit():
    return pull("image-rate-limit", f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to copy: httpReadSeeker: '
                "failed open: unexpected status code https://registry-1.example.com/v2/aml/vllm/manifests/sha256:a1: 429 Too Many Requests - "
                "Server message: toomanyrequests: You have reached your unauthenticated pull rate limit.", "ImagePullRateLimited",
                "has pulled too much (rate limit)", "Wait and run again", wait=60)


@cause
def image_tls():
    return pull("image-tls", f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
                'failed to do request: Head "https://registry.example.com/v2/aml/vllm/manifests/0.9.2": tls: failed to verify certificate: '
                "x509: certificate signed by unknown authority", "ImagePullUntrusted", "does not trust the TLS certificate of the registry",
                "CA certificate", wait=60)


@cause
def image_dns():
    return pull("image-dns", f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
                'failed to do request: Head "https://registry.example.com/v2/aml/vllm/manifests/0.9.2": dial tcp: lookup registry.example.com '
                "on 10.96.0.10:53: no such host", "ImagePullDns", "its name does not resolve (DNS)", "DNS of the nodes", wait=60)


@cause
def image_forbidden_by_crio():
    return pull("image-forbidden-by-crio", f"rpc error: code = Unknown desc = initializing source docker://{IMAGE}: Requesting bearer token: "
                "invalid status code from registry 403 (Forbidden)", "ImagePullUnauthorized", "asks for another login", "imagePullSecret")


@cause
def image_timeout():
    return pull("image-timeout", f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": failed to resolve reference '
                f'"{IMAGE}": failed to do request: Head "https://registry.example.com/v2/": dial tcp 192.0.2.7:443: i/o timeout',
                "ImagePullUnreachable", "cannot reach the registry", "network", wait=60)


@cause
def image_of_the_initializer():
    message = f'rpc error: code = NotFound desc = failed to pull and unpack image "{INIT_IMAGE}": {INIT_IMAGE}: not found'
    return pull("image-of-the-initializer", message, "ImageNotFound", f"The image {INIT_IMAGE} does not exist in its registry",
                "KServe's storage initializer (ClusterStorageContainer)", container="storage-initializer")


@cause
def image_recovers():
    """A hiccup of the registry: back-off, then it works. krane's false failures."""
    world, pod = create("image-recovers")
    world.after(3).see("Pod", server_is(scheduled(pod), waiting("kserve-container", "ErrImagePull", "dial tcp: i/o timeout")))
    world.after(12).see("Pod", server_is(pod, waiting("kserve-container", "ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')))
    world.after(20).see("Pod", server_is(pod, running("kserve-container")))
    world.after(600).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def invalid_image_name():
    world, pod = create("invalid-image-name")
    pod["spec"]["containers"][0]["image"] = "registry.example.com/AML/vLLM:0.9.2"
    world.after(3).see("Pod", server_is(scheduled(pod), waiting(
        "kserve-container", "InvalidImageName", 'Failed to apply default image tag "registry.example.com/AML/vLLM:0.9.2": couldn\'t parse image '
        'name "registry.example.com/AML/vLLM:0.9.2": invalid reference format: repository name must be lowercase')))
    world.expect("failed", "InvalidImageName", "terminal", "is not a valid image name", "RUNTIME_NAME")
    return world


# ---- containers that cannot be made ----


def config_error(name, message, reason, said, hint, waits=0, state="CreateContainerConfigError", failure="repeated"):
    world, pod = create(name)
    world.after(4).see("Pod", server_is(scheduled(pod), waiting("kserve-container", state, message)))
    first = world.now
    if waits:
        world.after(waits)
        world.line("Event", "SYNCED")
    world.expect("failed", reason, failure, said, hint, ["container kserve-container of pod"], at=first + waits * 1000 - 1764115200000)
    return world


@cause
def missing_key():
    return config_error("missing-key", "couldn't find key token in Secret demo/hub-credentials", "MissingConfigKey",
                        "a setting that it needs is missing: couldn't find key token in Secret demo/hub-credentials.", "Add that key",
                        failure="terminal")


@cause
def missing_secret():
    return config_error("missing-secret", 'secret "hub-credentials" not found', "MissingSecret", "a Secret that it needs does not exist",
                        "Make that Secret in namespace demo", waits=20)


@cause
def missing_secret_comes():
    """It was only made a little later than the service."""
    world, pod = create("missing-secret-comes")
    world.after(4).see("Pod", server_is(scheduled(pod), waiting("kserve-container", "CreateContainerConfigError",
                                                                'secret "hub-credentials" not found')))
    world.after(12).see("Pod", server_is(pod, running("kserve-container")))
    world.after(60).see("Pod", serving(pod))
    world.see("Deployment", world.deployment(generation=1, revision="1", replicas=1, updated=1, available=1))
    world.after(0.2).see("InferenceService", world.service("True", "UpToDate"))
    world.expect("ready")
    return world


@cause
def runs_as_root():
    return config_error("runs-as-root", 'container has runAsNonRoot and image will run as root (pod: "qwen-predictor-6d5f-x7k2p_demo(1)", '
                        "container: kserve-container)", "RunsAsRoot", "runs as root, which its security settings forbid", "numeric user",
                        waits=20)


@cause
def command_not_in_image():
    return config_error("command-not-in-image", 'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc '
                        'create failed: unable to start container process: exec: "vllm": executable file not found in $PATH: unknown',
                        "CommandNotFound", "its command is not in the image", "command or image", state="RunContainerError", failure="terminal")


@cause
def start_error_in_back_off():
    end = ended(128, "StartError", 'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: '
                'unable to start container process: exec: "/opt/serve": stat /opt/serve: no such file or directory: unknown')
    return crash("start-error-in-back-off", end, times=2, reason="CommandNotFound", cause="its command is not in the image",
                 hint="command or image")


@cause
def gpu_runtime_driver_too_old():
    return crash("gpu-runtime-driver-too-old", ended(128, "StartError", "failed to create containerd task: failed to create shim task: OCI "
                 "runtime create failed: runc create failed: unable to start container process: error during container init: error running "
                 "prestart hook #0: exit status 1, stderr: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.9, please "
                 "update your driver to a newer version, or use an earlier cuda container: unknown"), times=2, reason="GpuDriverTooOld",
                 cause="driver of the node is too old", hint="RUNTIME_NAME")


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
