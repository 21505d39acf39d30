"""The image: what is in it, and that engines and registries take it without the internet."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from .conftest import ARCHS, NAME, NATIVE, ROOT
from .engines import Containerd, Registry, skopeo

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


def test_containerd_imports_and_runs_it_as_a_restricted_pod_would(containerd: Containerd):
    """Read-only root, the image's own user, no capabilities, no new privileges, default seccomp profile, no network."""
    run = containerd.run_restricted("restricted", ["version"])
    assert run.returncode == 0, run.stderr
    assert NAME in run.stdout
    assert "mbedTLS/3.6." in run.stdout


def test_skopeo_copies_every_architecture_to_a_local_registry_digest_unchanged(registry: Registry, dist: Path, layout: Layout, version: str):
    target = f"docker://{registry.address}/tools/{NAME}:{version}"
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


def documented_commands(section: str) -> list[str]:
    """The shell blocks of a section of container/README.md, with comments and all."""
    text = (ROOT / "container/README.md").read_text().split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


def test_the_documented_air_gapped_commands_work_as_written(registry: Registry, dist: Path, layout: Layout, version: str, tmp_path: Path):
    """Every command of container/README.md, in order. Only the registry's name and the version are put in, and where the engines listen."""
    directory = tmp_path / "engine"
    directory.mkdir()
    insecure = tmp_path / "registries.conf"
    insecure.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    work = tmp_path / "work"
    work.mkdir()
    (work / "dist").symlink_to(dist)
    engine = Containerd(directory)
    try:
        prelude = f"""set -euo pipefail
            ctr() {{ command ctr --address {engine.socket} "$@"; }}
            skopeo() {{ command skopeo --insecure-policy --registries-conf {insecure} "$@"; }}
            """
        blocks = documented_commands("Loading it without the internet")
        assert len(blocks) >= 4
        digest = layout.json("index.json")["manifests"][0]["digest"]
        for block in blocks:
            script = block.replace("registry.example.com", registry.address).replace("VERSION", version).replace("DIGEST", digest)
            script = re.sub(r"ctr (--namespace \S+ )?images (import|pull)", r"\g<0> --snapshotter native --plain-http", script).replace(
                "import --snapshotter native --plain-http", "import --snapshotter native")
            run = subprocess.run(["bash", "-c", prelude + script], cwd=work, capture_output=True, text=True, timeout=300, check=False)
            assert run.returncode == 0, f"{block}\n{run.stdout}{run.stderr}"
        named = engine.ctr("images", "list", "--quiet").stdout.split()
        assert f"docker.io/library/{NAME}:{version}" in named
        assert f"{registry.address}/tools/{NAME}@{digest}" in named
        run = engine.run_restricted("pulled", ["version"], image=f"{registry.address}/tools/{NAME}@{digest}")
        assert run.returncode == 0, run.stderr
    finally:
        engine.stop()
