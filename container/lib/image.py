"""Writes the container image: an OCI image layout in one tar file, without a container engine.

    image.py --version V --revision COMMIT --ca-bundle FILE --licenses DIR --output FILE [--root DIR] DIR...

Each DIR is .../linux-ARCH with the binary in it. All platforms are in one image index (OCI image specification 1.0:
image-layout.md, image-index.md, manifest.md, config.md). For one engine that cannot read OCI layouts (`docker load` before 25)
the tar also carries manifest.json, which names the same blobs for the first platform.

The same input gives the same bytes: times are SOURCE_DATE_EPOCH, owners are 0:0, entries are sorted, gzip has no name or time.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import tarfile
from typing import NamedTuple

NAME = "deploy-inference-service"
PROGRAM = f"usr/bin/{NAME}"
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
LICENSES = f"usr/share/doc/{NAME}/licenses"
USER = "65532:65532"
# The program needs none; the launcher of Kubeflow Pipelines, which runs in the image as its user, makes /tmp/kfp/outputs.
TMP, TMP_MODE = "tmp", 0o1777
OCI = "application/vnd.oci.image"


class Entry(NamedTuple):
    name: str
    content: bytes
    mode: int


class Blob(NamedTuple):
    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def path(self) -> str:
        return f"blobs/sha256/{self.digest}"

    def describe(self, **more: object) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": f"sha256:{self.digest}", "size": len(self.content), **more}


class Layer(NamedTuple):
    blob: Blob
    diff_id: str
    size: int
    comment: str


def to_json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def directories_of(names: list[str]) -> list[str]:
    found = {str(parent) for name in names for parent in pathlib.PurePosixPath(name).parents}
    return sorted(found - {"."})


def make_tar(entries: list[Entry], epoch: int, tmp: bool = False) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        directories = [(name, 0o755) for name in directories_of([entry.name for entry in entries])]
        for name, mode in sorted(directories + ([(TMP, TMP_MODE)] if tmp else [])):
            information = tarfile.TarInfo(name)
            information.type, information.mode, information.mtime = tarfile.DIRTYPE, mode, epoch
            archive.addfile(information)
        for entry in sorted(entries):
            information = tarfile.TarInfo(entry.name)
            information.mode, information.mtime, information.size = entry.mode, epoch, len(entry.content)
            archive.addfile(information, io.BytesIO(entry.content))
    return stream.getvalue()


def make_layer(entries: list[Entry], epoch: int, comment: str, tmp: bool = False) -> Layer:
    tar = make_tar(entries, epoch, tmp)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write(tar)
    blob = Blob(f"{OCI}.layer.v1.tar+gzip", packed.getvalue())
    return Layer(blob, hashlib.sha256(tar).hexdigest(), len(tar), comment)


def make_config(arch: str, layers: list[Layer], given: argparse.Namespace, created: str) -> Blob:
    labels = {
        "org.opencontainers.image.title": NAME,
        "org.opencontainers.image.description": "Deploys a model for inference on KServe: one step of a Tekton task",
        "org.opencontainers.image.version": given.version,
        "org.opencontainers.image.revision": given.revision,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": created,
    }
    platform = {"architecture": arch, "os": "linux"}
    if arch == "arm64":
        platform["variant"] = "v8"
    config = {
        **platform,
        "created": created,
        "config": {
            "User": USER,
            "Env": ["PATH=/usr/bin", f"SSL_CERT_FILE=/{CA_BUNDLE}"],
            "Entrypoint": [f"/{PROGRAM}"],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
        "history": [{"created": created, "created_by": "container/build", "comment": layer.comment} for layer in layers],
    }
    return Blob(f"{OCI}.config.v1+json", to_json(config))


class Platform(NamedTuple):
    arch: str
    layers: list[Layer]
    config: Blob
    manifest: Blob


def program_of(directory: pathlib.Path) -> Entry:
    return Entry(PROGRAM, (directory / NAME).read_bytes(), 0o755)


def make_platform(directory: pathlib.Path, base: Layer, given: argparse.Namespace, epoch: int, created: str) -> Platform:
    arch = directory.name.removeprefix("linux-")
    program = make_layer([program_of(directory)], epoch, NAME)
    layers = [base, program]
    config = make_config(arch, layers, given, created)
    manifest = Blob(
        f"{OCI}.manifest.v1+json",
        to_json({
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": config.describe(),
            "layers": [layer.blob.describe() for layer in layers],
        }),
    )
    return Platform(arch, layers, config, manifest)


def make_layout(platforms: list[Platform], version: str) -> list[Entry]:
    manifests = []
    for platform in platforms:
        selector = {"architecture": platform.arch, "os": "linux"}
        if platform.arch == "arm64":
            selector["variant"] = "v8"
        manifests.append(platform.manifest.describe(platform=selector))
    index_type = f"{OCI}.index.v1+json"
    index = Blob(index_type, to_json({"schemaVersion": 2, "mediaType": index_type, "manifests": manifests}))
    # containerd takes the image's name from the first annotation, every OCI tool the tag from the second.
    names = {
        "io.containerd.image.name": f"docker.io/library/{NAME}:{version}",
        "org.opencontainers.image.ref.name": version,
    }
    blobs = {blob.path: blob.content for platform in platforms for blob in
             [platform.config, platform.manifest, *(layer.blob for layer in platform.layers)]}
    blobs[index.path] = index.content
    first = platforms[0]
    docker = [{
        "Config": first.config.path,
        "RepoTags": [f"{NAME}:{version}"],
        "Layers": [layer.blob.path for layer in first.layers],
    }]
    files = {
        **blobs,
        "index.json": to_json({"schemaVersion": 2, "mediaType": index_type, "manifests": [index.describe(annotations=names)]}),
        "manifest.json": to_json(docker),
        "oci-layout": to_json({"imageLayoutVersion": "1.0.0"}),
    }
    return [Entry(name, content, 0o644) for name, content in files.items()]


def write_root(root: pathlib.Path, entries: list[Entry]) -> None:
    (root / TMP).mkdir(parents=True, exist_ok=True)
    (root / TMP).chmod(TMP_MODE)
    for entry in entries:
        path = root / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.content)
        path.chmod(entry.mode)


def main() -> None:
    parser = argparse.ArgumentParser(prog="image.py")
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--ca-bundle", type=pathlib.Path, required=True)
    parser.add_argument("--licenses", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--root", type=pathlib.Path, help="also write the first platform's root file system there")
    parser.add_argument("directories", type=pathlib.Path, nargs="+")
    given = parser.parse_args()
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    base_entries = [Entry(CA_BUNDLE, given.ca_bundle.read_bytes(), 0o644)]
    for file in sorted(given.licenses.iterdir()):
        base_entries.append(Entry(f"{LICENSES}/{file.name}", file.read_bytes(), 0o644))
    base = make_layer(base_entries, epoch, "certificates of Debian's ca-certificates, licences", tmp=True)
    platforms = [make_platform(directory, base, given, epoch, created) for directory in given.directories]
    partial = given.output.with_name(given.output.name + ".new")
    partial.write_bytes(make_tar(make_layout(platforms, given.version), epoch))
    os.replace(partial, given.output)
    if given.root:
        write_root(given.root, [*base_entries, program_of(given.directories[0])])
    for platform in platforms:
        packed = sum(len(layer.blob.content) for layer in platform.layers)
        unpacked = sum(layer.size for layer in platform.layers)
        print(f"container/build: image linux/{platform.arch}: {packed} bytes to pull, {unpacked} unpacked")


if __name__ == "__main__":
    main()
