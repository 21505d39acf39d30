"""A containerd and a registry of our own, on private paths and the loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.process import free_port

# What runtimes give a container that asks for nothing (containerd, oci/spec_opts.go); a restricted pod drops them all.
DEFAULT_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE",
                        "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
NAMESPACE = "k8s.io"


class Server:
    """A process in the background; ``with`` ends it."""

    def __init__(self, argv: Sequence[str], log: Path, ready: Callable[[], bool]):
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(argv, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(log.read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Containerd:
    def __init__(self, directory: Path):
        self.socket = directory / "containerd.sock"
        self.image = ""  # set by import_image
        config = directory / "config.toml"
        config.write_text(
            f'version = 2\nroot = "{directory}/root"\nstate = "{directory}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.socket}"\n[ttrpc]\naddress = "{directory}/containerd.ttrpc"\n'
        )
        self._server = Server(["containerd", "--config", str(config)], directory / "containerd.log",
                              lambda: self.socket.exists() and self.ctr("version").returncode == 0)

    def stop(self) -> None:
        self._server.stop()

    def ctr(self, *arguments: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
        command = ["ctr", "--address", str(self.socket), "--namespace", NAMESPACE, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def import_image(self, archive: Path, image: str) -> None:
        imported = self.ctr("images", "import", "--snapshotter", "native", str(archive))
        assert imported.returncode == 0, imported.stderr
        assert image in self.ctr("images", "list", "--quiet").stdout.split()
        self.image = image

    def run_restricted(self, name: str, arguments: Sequence[str], options: Sequence[str] = (), image: str = "") -> subprocess.CompletedProcess[str]:
        """As a pod of the Pod Security level "restricted" with a read-only root runs it, and checks that it was so."""
        program = "/usr/bin/deploy-inference-service"
        dropped = [option for capability in DEFAULT_CAPABILITIES for option in ("--cap-drop", f"CAP_{capability}")]
        run = self.ctr("run", "--snapshotter", "native", "--read-only", "--seccomp", *dropped, *options, image or self.image, name, program, *arguments)
        spec = json.loads(self.ctr("containers", "info", name).stdout)["Spec"]
        self.ctr("containers", "rm", name)
        process = spec["process"]
        assert (process["user"]["uid"], process["user"]["gid"]) == (65532, 65532)
        assert spec["root"]["readonly"] is True
        assert process["noNewPrivileges"] is True
        assert not any(process.get("capabilities", {}).values())
        assert spec["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
        return run


class Registry:
    """``address`` is host:port, plain HTTP."""

    def __init__(self, directory: Path):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        config = directory / "registry.yml"
        config.write_text(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {directory}/registry\nhttp:\n  addr: {self.address}\n  secret: test\n")
        self._server = Server(["docker-registry", "serve", str(config)], directory / "registry.log", self._answers)

    def _answers(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self._server.stop()


def skopeo(*arguments: str) -> str:
    run = subprocess.run(["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout
