"""Images, and containers that cannot be made: the words of containerd, CRI-O, runc and kubelet, and what must be said of them."""

from cause import cause, create
from causes_server import crash
from world import IMAGE, INIT_IMAGE, ended, init_is, running, scheduled, server_is, serving, waiting

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
