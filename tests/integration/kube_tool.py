"""Drives kube_tool (tests/unit/kube/kube_tool.c), and the peers that stand between it and the API server."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from pathlib import Path

from harness.client import ApiError
from harness.process import free_port

ROOT = Path(__file__).resolve().parents[2]

INTERNAL, PARAMETER, REFUSED, CONFLICT, DEADLINE, UNREACHABLE, CANCELED = 0, 1, 4, 5, 7, 8, 9

ISVC = "serving.kserve.io/v1beta1/inferenceservices/InferenceService"
THING = "minimal.example.com/v1/things/Thing"
MANAGER = "deploy-inference-service"

# As KServe's minimal custom resources: the whole spec is one field, nothing in it is checked.
MINIMAL_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.minimal.example.com"},
    "spec": {"group": "minimal.example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
             "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                 "type": "object", "properties": {
                     "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
                     "spec": {"type": "object", "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": True},
                     "status": {"type": "object", "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": True}}}}}]}}


def tool() -> str:
    """$KUBE_TOOL, or the program in $BUILD_DIR (which tests/run sets), or in the usual build directory."""
    build = os.environ.get("BUILD_DIR") or str(ROOT / "build")
    path = os.environ.get("KUBE_TOOL") or f"{build}/tests/unit/kube/kube_tool"
    assert os.access(path, os.X_OK), f"{path} is missing: run `meson setup build && meson compile -C build` or set KUBE_TOOL"
    return path


class Tool:
    """The program, running. Its lines come as dicts. With ``held`` an apply waits between its read and its write for go()."""

    def __init__(self, kubeconfig: Path, script: dict, held: bool = False):
        self._gate: int | None = None
        inherited: list[int] = []
        if held:
            read, self._gate = os.pipe()
            inherited = [read]
            script = {"apply": {**script["apply"], "gate": read}}
        environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS") if name in os.environ}
        self.process = subprocess.Popen([tool(), str(kubeconfig)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        pass_fds=inherited, env={"ASAN_OPTIONS": "quarantine_size_mb=1", **environment, "NO_PROXY": "*"})
        for descriptor in inherited:
            os.close(descriptor)
        self.lines: list[dict] = []
        self._queue: queue.Queue = queue.Queue()
        self._stderr = b""
        threading.Thread(target=self._read, daemon=True).start()
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._errors.start()
        self.process.stdin.write(json.dumps(script, ensure_ascii=False).encode())
        self.process.stdin.close()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def _read_errors(self) -> None:
        self._stderr = self.process.stderr.read()

    def go(self) -> None:
        """Lets an apply that is held write."""
        if self._gate is not None:
            os.close(self._gate)
            self._gate = None

    def _next(self, deadline: float) -> dict | None:
        """The next line of any kind; None at the end."""
        try:
            line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"nothing more in time; so far {self.lines[-20:]} {self._stderr.decode()}") from None
        if line is not None:
            self.lines.append(line)
        return line

    def next(self, timeout: float = 30) -> dict | None:
        """The next line that is no log line; None at the end."""
        deadline = time.monotonic() + timeout
        while (line := self._next(deadline)) is not None and "log" in line:
            pass
        return line

    def until_log(self, text: str, timeout: float = 30) -> None:
        """Waits for a log line that has the text."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._next(deadline)
            assert line is not None, f"ended without {text!r}: {self.lines[-20:]} {self._stderr.decode()}"
            if text in line.get("log", ""):
                return

    def until(self, what, timeout: float = 30) -> dict:
        """The next line of which ``what`` (a function, or a dict of values) is true."""
        matches = what if callable(what) else lambda line: all(line.get(k) == v for k, v in what.items())
        deadline = time.monotonic() + timeout
        while True:
            line = self.next(max(0.0, deadline - time.monotonic()))
            assert line is not None, f"ended without {what}: {self.lines[-20:]} {self._stderr.decode()}"
            if matches(line):
                return line

    def finish(self, timeout: float = 60) -> dict:
        """The last word: what was applied, or the error."""
        while self.next(timeout) is not None:
            pass
        code = self.process.wait(timeout)
        self._errors.join(timeout)
        assert not self._stderr, self._stderr.decode()
        words = [line for line in self.lines if "error" in line or "object" in line]
        assert code == (1 if words and "error" in words[-1] else 0), (code, self.lines[-5:])
        return words[-1] if words else {}

    @property
    def events(self) -> list[dict]:
        return [line for line in self.lines if "target" in line]

    @property
    def statistics(self) -> dict:
        return next(line["statistics"] for line in self.lines if "statistics" in line)

    @property
    def log(self) -> str:
        return "\n".join(line["log"] for line in self.lines if "log" in line)

    def stop(self) -> float:
        """SIGTERM; how long it took to end."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - started

    def __enter__(self) -> "Tool":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.go()


# ---- a proxy of TCP connections that goes wrong when told to

class Proxy:
    """Forwards 127.0.0.1:port to the API server. The bytes are TLS: it sees when they pass, not what they say."""

    def __init__(self, target: int):
        self.target = target
        self.open = True          # otherwise new connections are reset
        self.mute = False         # answers are swallowed, requests pass
        self.silent = False       # nothing passes, nothing is closed
        self.accepted = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                if not self.open:
                    raise OSError("closed")
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                server.settimeout(None)
            except OSError:
                self._reset(client)
                continue
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, True), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                while self.silent and not self._stopped:
                    time.sleep(0.01)
                if not (is_answer and self.mute):
                    sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _reset(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RD)
        end.close()

    def drop(self) -> None:
        """Resets every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            self._reset(client)
            self._reset(server)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_) -> None:
        self._stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()


# ---- an admission webhook

class Webhook:
    """A validating or mutating webhook for one resource of one namespace. ``answer`` makes its response from the request."""

    def __init__(self, cluster, namespace: str, group: str, resource: str, answer=lambda request: {"allowed": True}, mutating: bool = False,
                 directory: Path | None = None):
        self.cluster, self.answer, self.calls = cluster, answer, 0
        self.name = f"{namespace}-hook"
        self.kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
        self._server: http.server.ThreadingHTTPServer | None = None
        self._files = cluster.ca.server("webhook", ["127.0.0.1"]).write(directory, "webhook")
        self.port = free_port()  # nobody's connection takes it before we listen
        cluster.client.create({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": self.kind, "metadata": {"name": self.name},
            "webhooks": [{"name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
                          "timeoutSeconds": 10, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                          "clientConfig": {"url": f"https://127.0.0.1:{self.port}/", "caBundle": b64encode(cluster.ca.cert).decode()},
                          "rules": [{"apiGroups": [group], "apiVersions": ["*"], "resources": [resource],
                                     "operations": ["CREATE", "UPDATE"]}]}]})

    def wait_active(self, document: dict) -> "Webhook":
        """Until the API server asks us (or fails to) about a dry run of creating ``document``."""
        client = self.cluster.client
        resource = client.resource(f"{document['apiVersion']}/{document['kind']}")
        document = {**document, "metadata": {"name": "probe", "namespace": document["metadata"]["namespace"]}}
        deadline = time.monotonic() + 30
        while True:
            calls = self.calls
            try:
                client.request("POST", resource.path(document["metadata"]["namespace"]), document, params={"dryRun": "All"})
            except ApiError as error:
                if "hook.example.com" in error.message:
                    break
                raise
            if self.calls > calls:
                break
            assert time.monotonic() < deadline, "the API server does not use the webhook"
            time.sleep(0.1)
        self.calls = 0
        return self

    def listen(self) -> "Webhook":
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.calls += 1
                response = {"uid": review["request"]["uid"], **hook.answer(review["request"])}
                body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, self._files))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __enter__(self) -> "Webhook":
        return self

    def __exit__(self, *_) -> None:
        self.cluster.client.delete(self.kind, self.name)
        if self._server:
            self._server.shutdown()
            self._server.server_close()
