"""A small read-only container registry: images made on the spot, pulled by a real containerd as from any other registry.

    with Registry("10.88.0.1") as registry:
        registry.add("pause", "1", files={"pause": program}, entrypoint=["/pause"])
        digest = registry.add_oci_archive("library/deploy-inference-service", "0.1.0", Path("dist/image.oci.tar"))
        registry.add_bundle("catalog", "0.1", [manifest])            # a Tekton bundle

Serves what a pull needs of the OCI distribution specification 1.1 (end-1, end-2, end-3), over plain HTTP.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Mapping, Sequence

OCI = "application/vnd.oci.image"


def layer_of(files: Mapping[str, bytes]) -> bytes:
    """A layer with these files, all executable."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in sorted({str(parent) for file in files for parent in Path(file).parents} - {"."}):
            information = tarfile.TarInfo(name)
            information.type, information.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(information)
        for name, content in files.items():
            information = tarfile.TarInfo(name)
            information.size, information.mode = len(content), 0o755
            archive.addfile(information, io.BytesIO(content))
    return stream.getvalue()


class Registry:
    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        self._blobs: dict[str, tuple[str, bytes]] = {}  # digest -> media type, content
        self._manifests: dict[tuple[str, str], str] = {}  # name, tag -> digest
        self.pulls: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.answer(False)

            def do_GET(self):
                self.answer(True)

            def answer(self, with_body: bool):
                media_type, content, digest = registry._find(self.path)
                self.send_response(200 if media_type else 404)
                self.send_header("Content-Type", media_type or "application/json")
                self.send_header("Content-Length", str(len(content)))
                if digest:
                    self.send_header("Docker-Content-Digest", digest)
                self.end_headers()
                if with_body:
                    self.wfile.write(content)

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="registry", daemon=True)

    def start(self) -> "Registry":
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Registry":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    # --- content

    def _put(self, media_type: str, content: bytes) -> dict:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._blobs[digest] = (media_type, content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _tag(self, name: str, tag: str, digest: str) -> str:
        self._manifests[name, tag] = digest
        return digest

    def add(self, name: str, tag: str, files: Mapping[str, bytes], entrypoint: Sequence[str], user: str = "65532:65532") -> str:
        """An image of one layer; returns the digest of its manifest."""
        layer = layer_of(files)
        config = {"architecture": machine(), "os": "linux", "config": {"Entrypoint": list(entrypoint), "User": user},
                  "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}}
        manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
                    "config": self._put(f"{OCI}.config.v1+json", json.dumps(config).encode()),
                    "layers": [self._put(f"{OCI}.layer.v1.tar+gzip", gzip.compress(layer, mtime=0))]}
        return self._tag(name, tag, self._put(manifest["mediaType"], json.dumps(manifest).encode())["digest"])

    def add_oci_archive(self, name: str, tag: str, archive: Path) -> str:
        """An image from an OCI image layout in a tar file; returns the digest of what its index names."""
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.isfile() and member.name.startswith("blobs/sha256/"):
                    content = tar.extractfile(member).read()
                    self._put(_media_type(content), content)
            index = json.loads(tar.extractfile("index.json").read())
        return self._tag(name, tag, index["manifests"][0]["digest"])

    def add_bundle(self, name: str, tag: str, manifests: Sequence[dict]) -> str:
        """A Tekton bundle (tekton bundle contract v1: docs/tekton-bundle-contracts.md): a layer an object."""
        layers, diff_ids = [], []
        for manifest in manifests:
            tar = layer_of({manifest["metadata"]["name"]: json.dumps(manifest).encode()})
            diff_ids.append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
            layers.append({**self._put(f"{OCI}.layer.v1.tar+gzip", gzip.compress(tar, mtime=0)), "annotations": {
                "dev.tekton.image.name": manifest["metadata"]["name"], "dev.tekton.image.kind": manifest["kind"].lower(),
                "dev.tekton.image.apiVersion": manifest["apiVersion"].split("/")[1]}})
        config = {"architecture": machine(), "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        document = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "layers": layers,
                    "config": self._put(f"{OCI}.config.v1+json", json.dumps(config).encode())}
        return self._tag(name, tag, self._put(document["mediaType"], json.dumps(document).encode())["digest"])

    # --- requests

    def _find(self, target: str) -> tuple[str, bytes, str]:
        path = target.split("?")[0]
        if path in ("/v2", "/v2/"):
            return "application/json", b"{}", ""
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path)
        if not found:
            return "", b"", ""
        name, kind, reference = found.groups()
        digest = reference if reference.startswith("sha256:") else self._manifests.get((name, reference), "")
        media_type, content = self._blobs.get(digest, ("", b""))
        if media_type and kind == "manifests":
            self.pulls.append(f"{name}@{reference}" if ":" in reference else f"{name}:{reference}")
        return media_type, content, digest if media_type else ""


def machine() -> str:
    import platform

    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def _media_type(content: bytes) -> str:
    if content[:1] == b"{":
        document = json.loads(content)
        return document.get("mediaType") or (f"{OCI}.config.v1+json" if "rootfs" in document else f"{OCI}.manifest.v1+json")
    return f"{OCI}.layer.v1.tar+gzip"
