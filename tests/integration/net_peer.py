"""A peer whose every byte a test decides, and the program that talks to it (tests/unit/net/http_tool.c).

    def answer(connection):
        request = connection.request()
        connection.answer(200, b"hello")

    with Peer(answer) as peer:
        run = fetch({"url": peer.url("/")})

The handler runs once a connection, in a thread of its own; what it raises fails the test when the peer closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 60


def tool() -> str:
    """$HTTP_TOOL, or the program in $BUILD_DIR, or in the usual build directory."""
    build = Path(os.environ.get("BUILD_DIR") or ROOT / "build")
    path = os.environ.get("HTTP_TOOL") or str(build / "tests/unit/net/http_tool")
    assert os.access(path, os.X_OK), f"{path} is missing: run `meson setup build && meson compile -C build` or set HTTP_TOOL"
    return path


@dataclass
class Request:
    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes
    at: float

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Connection:
    def __init__(self, peer: "Peer", sock: socket.socket, number: int):
        self.peer, self.socket, self.number, self.buffer = peer, sock, number, b""

    def request(self) -> Request | None:
        """The next request, or None when the client has closed the connection."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._read():
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        fields = [(name, value.strip()) for name, value in (line.split(":", 1) for line in lines)]
        request = Request(method, target, fields, b"", time.monotonic())
        length = int(request.get("Content-Length") or 0)
        while len(self.buffer) < length and self._read():
            pass
        request.body, self.buffer = self.buffer[:length], self.buffer[length:]
        self.peer.requests.append(request)
        return request

    def _read(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return False
        self.buffer += data
        return bool(data)

    def send(self, data: bytes) -> bool:
        """False when the client is gone."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return False

    def answer(self, status: int = 200, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def chunked(self, *headers: str) -> None:
        self.send("\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]).encode() + b"\r\n\r\n")

    def chunk(self, data: bytes) -> bool:
        return self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def reset(self) -> None:
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Peer:
    def __init__(self, handler, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
        self.handler, self.context, self.host = handler, context, host
        self.requests: list[Request] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._listener.getsockname()[1]

    def url(self, path: str = "/", host: str | None = None) -> str:
        host = host or self.host
        name = f"[{host}]" if ":" in host else host
        return f"{'https' if self.context else 'http'}://{name}:{self.port}{path}"

    def __enter__(self) -> "Peer":
        self._start(self._accept)
        return self

    def __exit__(self, kind, *_rest) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(30)  # who has been accepted until now is in the list
        for sock in list(self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a handler hangs"
        if kind is None and self.errors:
            raise self.errors[0]

    def _start(self, function, *arguments) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._open.append(sock)
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                self._open.append(sock)
                try:
                    sock.do_handshake()
                except OSError:
                    # an alert is on its way; hanging up with bytes unread would send RST after it
                    plain = socket.socket(fileno=sock.detach())
                    self._open.append(plain)
                    with contextlib.suppress(OSError):  # unless the client was the first to go
                        plain.shutdown(socket.SHUT_WR)
                        while plain.recv(65536):
                            pass
                    plain.close()
                    return
            self.handler(Connection(self, sock, number))
        except (ssl.SSLError, ConnectionError):
            pass  # the client refused us: the test looks at the client
        except BaseException as error:  # noqa: B902 - handed to the test
            self.errors.append(error)
        finally:
            try:
                sock.close()
            except OSError:
                pass


def always(status: int = 200, body: bytes = b"ok", *headers: str):
    """A handler that answers every request alike."""

    def handler(connection: Connection) -> None:
        while connection.request() is not None:
            connection.answer(status, body, *headers)

    return handler


def in_turn(*answers):
    """A handler with one answer a request, over all connections; a callable gets the connection."""
    left = list(answers)
    lock = threading.Lock()

    def handler(connection: Connection) -> None:
        while connection.request() is not None:
            with lock:
                answer = left.pop(0)
            if callable(answer):
                answer(connection)
                return
            connection.answer(*answer)

    return handler


@dataclass
class Run:
    events: list[dict]
    text: str
    results: list[dict] = field(init=False)
    statistics: dict = field(init=False)

    def __post_init__(self) -> None:
        self.results = self.of("result")
        self.statistics = next(iter(self.of("statistics")), {})

    def of(self, name: str) -> list[dict]:
        return [event for event in self.events if event["event"] == name]

    @property
    def result(self) -> dict:
        assert len(self.results) == 1, self.events
        return self.results[0]

    @property
    def error(self) -> dict:
        assert self.result["error"] is not None, self.result
        return self.result["error"]

    @property
    def stream_text(self) -> str:
        return "".join(event["data"] for event in self.of("stream_data"))

    @property
    def stream_end(self) -> dict:
        ends = self.of("stream_end")
        assert len(ends) == 1, self.events
        return ends[0]


class Tool:
    """The program, running; ``events()`` as they come, ``finish()`` for all of them."""

    def __init__(self, script: dict, env: dict[str, str] | None = None, cancelable: bool = False):
        command = [tool(), "--debug"]
        self.cancel_descriptor = None
        inherited = []
        if cancelable:
            read, self.cancel_descriptor = os.pipe()
            inherited = [read]
            command += ["--cancel-descriptor", str(read)]
        environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS") if name in os.environ}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        pass_fds=inherited, env={**environment, **(env or {})})
        for descriptor in inherited:
            os.close(descriptor)
        self.process.stdin.write(json.dumps(script).encode())
        self.process.stdin.close()
        self.process.stdin = None

    def cancel(self) -> float:
        os.write(self.cancel_descriptor, b"x")
        return time.monotonic()

    def finish(self) -> Run:
        try:
            out, err = self.process.communicate(timeout=TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()
            if self.cancel_descriptor is not None:
                os.close(self.cancel_descriptor)
        text = out.decode() + err.decode()
        assert self.process.returncode == 0 and not err, text
        return Run([json.loads(line) for line in out.decode().splitlines()], text)


def run(script: dict, env: dict[str, str] | None = None) -> Run:
    return Tool(script, env).finish()


def fetch(*requests: dict, env: dict[str, str] | None = None, **script) -> Run:
    """One batch."""
    return run({"batches": [list(requests)], **script}, env)


def one_by_one(*requests: dict, env: dict[str, str] | None = None, **script) -> Run:
    """A batch a request."""
    return run({"batches": [[request] for request in requests], **script}, env)
