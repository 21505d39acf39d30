"""The download of the model: what KServe's storage initializer, Hugging Face and GitLab write, and what must be said of it."""

from cause import cause
from causes_server import crash
from world import COMMIT, ended

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
