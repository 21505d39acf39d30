"""Crashes of the model server: what kubelet, the kernel, CUDA, HAMi, vLLM and Triton write, and what must be said of it."""

from cause import cause, create
from world import RUNTIME, World, ended, init_is, running, scheduled, server_is, terminated, waiting

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
def lfs_pointer_as_torch_weights():
    """pickle chokes on the pointer's first letter: "version https://git-lfs.github.com/spec/v1"."""
    return server_log("lfs-pointer-as-torch-weights", TRACE + "Traceback (most recent call last):\n_pickle.UnpicklingError: invalid load key, 'v'.\n"
                      + ROOT_CAUSE, "ModelFilesBroken", "only pointers to the real files (Git LFS)", "git lfs push --all origin")


@cause
def config_is_no_json():
    return server_log("config-is-no-json", TRACE + "OSError: It looks like the config file at '/mnt/models/config.json' is not a valid JSON file.\n"
                      + ROOT_CAUSE, "ModelFilesBroken", "is broken, or only a pointer to the real one", "Correct that file in the repository")


@cause
def ptx_of_a_newer_cuda():
    return server_log("ptx-of-a-newer-cuda", TRACE + "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.\n"
                      + ROOT_CAUSE, "GpuDriverTooOld", "driver of the node is too old", "RUNTIME_NAME")


@cause
def flash_attention():
    return server_log("flash-attention", TRACE + "RuntimeError: FlashAttention only supports Ampere GPUs or newer.\n" + ROOT_CAUSE, "GpuTooOld",
                      "The GPU is too old for what the model server wants to do on it: RuntimeError: FlashAttention", "VLLM_ATTENTION_BACKEND")


@cause
def model_folder_forbidden():
    return server_log("model-folder-forbidden", TRACE + "PermissionError: [Errno 13] Permission denied: '/mnt/models/config.json'\n" + ROOT_CAUSE,
                      "ModelFilesForbidden", "may not use the folder of the model", "fsGroup")


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
