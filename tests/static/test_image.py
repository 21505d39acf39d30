"""The image: what is in it, and that engines and registries take it without the internet."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ARCHS, NAME, NATIVE

PROGRAM = f"usr/bin/{NAME}"
SIZE_LIMIT = 2_600_000

pytestmark = pytest.mark.timeout(1800)


class Layout:
    """The OCI image layout inside image.oci.tar; every blob is checked against its name when it is read."""

    def __init__(self, file: Path):
        with tarfile.open(file) as archive:
            self.members = archive.getmembers()
            self.files = {member.name: archive.extractfile(member).read() for member in self.members if member.isfile()}

    def json(self, name: str) -> dict:
        return json.loads(self.files[name])

    def blob(self, descriptor: dict) -> bytes:
        algorithm, digest = descriptor["digest"].split(":")
        content = self.files[f"blobs/{algorithm}/{digest}"]
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) == descriptor["size"]
        return content

    def index(self) -> dict:
        [descriptor] = self.json("index.json")["manifests"]
        return json.loads(self.blob(descriptor))

    def manifest(self, arch: str) -> dict:
        [descriptor] = [entry for entry in self.index()["manifests"] if entry["platform"]["architecture"] == arch]
        return json.loads(self.blob(descriptor))

    def root(self, arch: str) -> dict[str, tarfile.TarInfo]:
        entries = {}
        for descriptor in self.manifest(arch)["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.blob(descriptor)))) as archive:
                entries.update({member.name: member for member in archive.getmembers()})
        return entries


@pytest.fixture(scope="module")
def layout(dist: Path) -> Layout:
    return Layout(dist / "image.oci.tar")


@pytest.fixture(scope="module")
def version(layout: Layout) -> str:
    return layout.json("index.json")["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]


def test_one_index_names_every_architecture_that_was_built(layout: Layout):
    assert layout.json("oci-layout") == {"imageLayoutVersion": "1.0.0"}
    platforms = [(entry["platform"]["os"], entry["platform"]["architecture"]) for entry in layout.index()["manifests"]]
    assert platforms == [("linux", arch) for arch in sorted(ARCHS)]


def test_configuration_suits_a_restricted_pod(layout: Layout, arch: str):
    config = json.loads(layout.blob(layout.manifest(arch)["config"]))
    assert config["architecture"] == arch
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == [f"/{PROGRAM}"]
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in config["config"]["Env"]
    assert config["config"]["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_layers_are_what_the_configuration_says(layout: Layout, arch: str):
    manifest = layout.manifest(arch)
    config = json.loads(layout.blob(manifest["config"]))
    found = ["sha256:" + hashlib.sha256(gzip.decompress(layout.blob(layer))).hexdigest() for layer in manifest["layers"]]
    assert found == config["rootfs"]["diff_ids"]


def test_holds_the_binary_certificates_and_licences_and_nothing_else(layout: Layout, dist: Path, arch: str):
    root = layout.root(arch)
    files = {name for name, member in root.items() if not member.isdir()}
    licenses = {f"usr/share/doc/{NAME}/licenses/{path.name}" for path in (dist / "licenses").iterdir()}
    assert files == {PROGRAM, "etc/ssl/certs/ca-certificates.crt"} | licenses
    tmp = root.pop("tmp")  # for the launcher of Kubeflow Pipelines, which makes /tmp/kfp/outputs as the image's user
    assert tmp.isdir() and tmp.mode == 0o1777 and (tmp.uid, tmp.gid) == (0, 0)
    assert all(member.uid == 0 and member.gid == 0 and not member.mode & 0o6022 for member in root.values())
    assert root[PROGRAM].mode == 0o755
    assert sum(member.size for member in root.values()) <= SIZE_LIMIT
    names = {path.name.removesuffix(".txt") for path in (dist / "licenses").iterdir()}
    assert names >= {NAME, "curl", "mbedtls", "libgit2", "jansson", "libyaml", "zlib", "musl", "ca-certificates"}


def test_certificate_bundle_is_readable_and_complete(layout: Layout, dist: Path, tmp_path: Path):
    [layer] = layout.manifest(NATIVE)["layers"][:1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layout.blob(layer)))) as archive:
        bundle = archive.extractfile("etc/ssl/certs/ca-certificates.crt").read()
    count = bundle.count(b"-----BEGIN CERTIFICATE-----\n")
    assert count > 100
    assert bundle.count(b"-----END CERTIFICATE-----\n") == count
    (tmp_path / "bundle.pem").write_bytes(bundle)
    parsed = subprocess.run(
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", str(tmp_path / "bundle.pem")], check=True, capture_output=True
    ).stdout
    listed = subprocess.run(["openssl", "pkcs7", "-print_certs", "-noout"], input=parsed, check=True, capture_output=True).stdout
    assert listed.count(b"subject=") == count


def test_sbom_names_the_binaries_and_everything_linked(dist: Path):
    document = json.loads((dist / "sbom.spdx.json").read_text())
    assert document["spdxVersion"] == "SPDX-2.3"
    packages = {package["SPDXID"]: package for package in document["packages"]}
    for arch in ARCHS:
        digest = hashlib.sha256((dist / f"linux-{arch}" / NAME).read_bytes()).hexdigest()
        identifier = f"SPDXRef-binary-{arch}"
        assert packages[identifier]["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
        linked = {
            entry["relatedSpdxElement"] for entry in document["relationships"]
            if entry["spdxElementId"] == identifier and entry["relationshipType"] == "STATIC_LINK"
        }
        assert linked == {f"SPDXRef-{name}" for name in ("curl", "jansson", "libgit2", "libyaml", "mbedtls", "musl", "zlib")}
        assert linked <= packages.keys()


def test_checksums_are_right(dist: Path):
    run = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    listed = {line.split(maxsplit=1)[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    present = {str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file()}
    assert listed == present - {"SHA256SUMS"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(ready, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator:
    """A containerd of our own: its own root, state and socket. Yields a function that runs ctr against it."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{tmp_path}/containerd.sock"\n[ttrpc]\naddress = "{tmp_path}/containerd.ttrpc"\n'
    )
    log = tmp_path / "containerd.log"
    with log.open("w") as output:
        process = subprocess.Popen(["containerd", "--config", str(config)], stdout=output, stderr=output)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["ctr", "--address", f"{tmp_path}/containerd.sock", "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    try:
        wait_until(lambda: (tmp_path / "containerd.sock").exists() and run("version").returncode == 0, process, log)
        yield run
    finally:
        stop(process)


def test_containerd_imports_and_runs_it_as_a_restricted_pod_would(ctr, dist: Path, version: str):
    """Read-only root, image's own user, no capabilities, no new privileges, default seccomp profile, no network."""
    image = f"docker.io/library/{NAME}:{version}"
    imported = ctr("images", "import", "--snapshotter", "native", str(dist / "image.oci.tar"))
    assert imported.returncode == 0, imported.stderr
    assert image in ctr("images", "list", "--quiet").stdout.split()
    default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
                            "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
    dropped = [option for name in default_capabilities for option in ("--cap-drop", f"CAP_{name}")]
    run = ctr("run", "--snapshotter", "native", "--read-only", "--seccomp", *dropped, image, "restricted", f"/{PROGRAM}", "version")
    assert run.returncode == 0, run.stderr
    assert NAME in run.stdout
    assert "mbedTLS/3.6." in run.stdout
    spec = json.loads(ctr("containers", "info", "restricted").stdout)["Spec"]
    assert (spec["process"]["user"]["uid"], spec["process"]["user"]["gid"]) == (65532, 65532)
    assert spec["root"]["readonly"] is True
    assert spec["process"]["noNewPrivileges"] is True
    assert not any(spec["process"].get("capabilities", {}).values())
    assert spec["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    ctr("containers", "rm", "restricted")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry of our own on the loopback: host:port."""
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path}/registry\nhttp:\n  addr: {address}\n  secret: test\n"
    )
    log = tmp_path / "registry.log"
    with log.open("w") as output:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=output, stderr=output)

    def answers() -> bool:
        host, port = address.split(":")
        with socket.socket() as connection:
            return connection.connect_ex((host, int(port))) == 0

    try:
        wait_until(answers, process, log)
        yield address
    finally:
        stop(process)


def skopeo(*arguments: str) -> str:
    run = subprocess.run(["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_skopeo_copies_every_architecture_to_a_local_registry_digest_unchanged(registry: str, dist: Path, layout: Layout, version: str):
    target = f"docker://{registry}/tools/{NAME}:{version}"
    skopeo("copy", "--all", "--quiet", "--dest-tls-verify=false", f"oci-archive:{dist}/image.oci.tar", target)
    raw = skopeo("inspect", "--raw", "--tls-verify=false", target).encode()
    assert "sha256:" + hashlib.sha256(raw).hexdigest() == layout.json("index.json")["manifests"][0]["digest"]
    assert {entry["platform"]["architecture"] for entry in json.loads(raw)["manifests"]} == set(ARCHS)


def test_older_engines_find_the_first_platform(dist: Path, tmp_path: Path):
    """manifest.json is what `docker load` reads before it knew OCI layouts; skopeo's docker-archive is that format."""
    skopeo("copy", "--quiet", f"docker-archive:{dist}/image.oci.tar", f"oci:{tmp_path}/copy:x")
    config = json.loads(skopeo("inspect", "--config", f"oci:{tmp_path}/copy:x"))
    assert config["architecture"] == sorted(ARCHS)[0]
    assert config["config"]["User"] == "65532:65532"
