"""A small threaded HTTP/1.1 server whose every byte a test can control and see.

It exists because a test needs what ordinary server classes hide: the raw request target, the connection a request came
on, TLS handshakes that fail, and answers that stall, drip, stop in the middle or reset the connection.

    server = HttpServer(lambda request: Response.json(200, {"ok": True}), certificate=cert)
    server.start(); server.url; server.requests; server.stop()

Messages are in gitlab_message; ``ConnectionFault`` is what happens to a connection before its first request.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Callable, Iterator, Optional

from .gitlab_message import Headers, Request, Response
from .gitlab_pki import Certificate

HEAD_LIMIT = 64 * 1024
TARGET_LIMIT = 8 * 1024  # nginx: large_client_header_buffers 4 8k
BODY_LIMIT = 256 * 1024 * 1024
RECORDED_BODY_LIMIT = 1024 * 1024


@dataclass
class ConnectionFault:
    """One of: "reset", "close" (both before any byte), "garbage" (plain text where TLS is expected),
    "stall" (never answers the handshake) or "slow" (answers it after seconds)."""

    kind: str
    seconds: Optional[float] = None
    times: Optional[int] = 1


@dataclass
class Connection:
    number: int
    peer: tuple
    time: float
    tls: Optional[dict] = None
    handshake_error: Optional[str] = None
    requests: int = 0


class _Gone(Exception):
    """The connection is over."""


class _BadRequest(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


def _http_date() -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())


class HttpServer:
    """Serves handler on a free port of host (a literal address; "::1" listens on IPv6).

    certificate   None: plain HTTP
    tls_versions  (lowest, highest), each "1.2" or "1.3"
    keep_alive    False: every answer ends its connection
    server_name   the Server header
    """

    def __init__(
        self,
        handler: Callable[[Request], Response],
        certificate: Optional[Certificate] = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls_versions: tuple[str, str] = ("1.2", "1.3"),
        keep_alive: bool = True,
        idle_timeout: float = 65.0,
        server_name: str = "nginx",
    ) -> None:
        self.handler = handler
        self.host = host
        self.keep_alive = keep_alive
        self.idle_timeout = idle_timeout
        self.server_name = server_name
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._connections: list[Connection] = []
        self._count = 0
        self._connection_faults: list[ConnectionFault] = []
        self._sockets: dict[int, socket.socket] = {}
        self._threads: set[threading.Thread] = set()
        self._tls_versions = tls_versions
        self._tls: Optional[ssl.SSLContext] = None
        self.certificate: Optional[Certificate] = None
        self.set_certificate(certificate)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name=f"http-{self.port}", daemon=True)

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> "HttpServer":
        self._listener.listen(128)
        self._acceptor.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            sockets, threads = list(self._sockets.values()), list(self._threads)
        for sock in sockets:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads + [self._acceptor]:
            if thread.is_alive():
                thread.join(5)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def set_certificate(self, certificate: Optional[Certificate]) -> None:
        """Serve this certificate from the next connection on (a rotation, or a bad one)."""
        self.certificate = certificate
        self._tls = None
        if certificate is None:
            return
        names = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = (names[v] for v in self._tls_versions)
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = lambda tls_socket, name, _context: setattr(tls_socket, "asked_name", name)
        self._tls = context

    # -- what tests ask -------------------------------------------------------------------------------------------

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.authority}"

    @property
    def url(self) -> str:
        return self.origin

    @property
    def ca_file(self) -> Optional[str]:
        return self.certificate.ca_file if self.certificate else None

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order of arrival (a copy)."""
        with self._lock:
            return list(self._requests)

    @property
    def connections(self) -> list[Connection]:
        """Every TCP connection so far, with its TLS version or handshake error (a copy)."""
        with self._lock:
            return list(self._connections)

    @property
    def connection_count(self) -> int:
        return len(self.connections)

    def tokens_seen(self) -> set[str]:
        """The tokens any request carried."""
        return {request.token for request in self.requests if request.token is not None}

    def saw(self, secret: str) -> bool:
        """Whether any byte sent to this server contained the secret, also as Basic credentials."""
        return any(request.carries(secret) or secret == request.token for request in self.requests)

    def clear_log(self) -> None:
        with self._lock:
            self._requests.clear()
            self._connections.clear()

    def wait_for_requests(self, count: int, timeout: float = 30.0) -> list[Request]:
        """Waits until at least count requests were logged; raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while len(self.requests) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.requests)} of {count} requests after {timeout} s")
            time.sleep(0.005)
        return self.requests

    def on_connect(self, kind: str, seconds: Optional[float] = None, times: Optional[int] = 1) -> ConnectionFault:
        """Do this to the next connection(s): see ConnectionFault. times=None: to all."""
        fault = ConnectionFault(kind, seconds, times)
        with self._lock:
            self._connection_faults.append(fault)
        return fault

    def clear_connection_faults(self) -> None:
        with self._lock:
            self._connection_faults.clear()

    # -- connections ----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._count += 1
                connection = Connection(self._count, peer, time.time())
                self._connections.append(connection)
                self._sockets[connection.number] = sock
                thread = threading.Thread(
                    target=self._serve, args=(sock, connection), name=f"http-{self.port}-{connection.number}", daemon=True
                )
                self._threads.add(thread)
            thread.start()

    def _serve(self, sock: socket.socket, connection: Connection) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._apply_connection_fault(sock)
            if self._tls:
                sock = self._handshake(sock, connection)
            sock.settimeout(self.idle_timeout)
            buffer = bytearray()
            while not self.stopping.is_set() and self._one_request(sock, connection, buffer):
                pass
            _say_goodbye(sock)
        except (_Gone, OSError):
            pass
        finally:
            _close(sock)
            with self._lock:
                self._sockets.pop(connection.number, None)
                self._threads.discard(threading.current_thread())

    def _apply_connection_fault(self, sock: socket.socket) -> None:
        with self._lock:
            fault = next((f for f in self._connection_faults if f.times is None or f.times > 0), None)
            if fault is None:
                return
            if fault.times is not None:
                fault.times -= 1
        if fault.kind == "slow":
            self._wait(sock, fault.seconds)
            return
        if fault.kind == "stall":
            self._wait(sock, fault.seconds)
        elif fault.kind == "garbage":
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        elif fault.kind == "reset":
            _arm_reset(sock)
        elif fault.kind != "close":
            raise ValueError(f"no such connection fault: {fault.kind}")
        raise _Gone

    def _handshake(self, sock: socket.socket, connection: Connection) -> socket.socket:
        context = self._tls
        assert context is not None
        sock.settimeout(30)
        try:
            secure = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                if connection.number in self._sockets:
                    self._sockets[connection.number] = secure
            secure.do_handshake()
        except (ssl.SSLError, OSError) as error:
            connection.handshake_error = getattr(error, "reason", None) or str(error)
            raise _Gone from error
        name = getattr(secure, "asked_name", None)
        connection.tls = {"version": secure.version(), "cipher": secure.cipher()[0], "sni": name}
        return secure

    # -- one exchange ---------------------------------------------------------------------------------------------

    def _one_request(self, sock: socket.socket, connection: Connection, buffer: bytearray) -> bool:
        request: Optional[Request] = None
        try:
            request = self._read(sock, connection, buffer)
            if request is None:
                return False
            started = time.monotonic()
            response = self._answer(request)
        except _BadRequest as error:
            response, started = error.response, time.monotonic()
            response.wire.close = True
        request = request or Request("?", "?", "HTTP/1.1", Headers(), connection.number, 0, time.time())
        request.status = response.status
        try:
            return self._write(sock, request, response)
        except (OSError, _Gone):
            request.aborted = True
            raise
        finally:
            request.duration = time.monotonic() - started
            request.body = request.body[:RECORDED_BODY_LIMIT]
            _release(response)

    def _answer(self, request: Request) -> Response:
        try:
            return self.handler(request)
        except Exception as error:  # a defect of the stand-in must show in the test that met it
            import traceback

            traceback.print_exc()
            return Response.json(500, {"message": "500 Internal Server Error", "stand-in": repr(error)})

    def _read(self, sock: socket.socket, connection: Connection, buffer: bytearray) -> Optional[Request]:
        while b"\r\n\r\n" not in buffer:
            if len(buffer) > HEAD_LIMIT:
                raise _BadRequest(Response.html(400, "400 Request Header Or Cookie Too Large"))
            if not self._fill(sock, buffer):
                return None
        head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
        buffer[:] = rest
        request = _parse_head(head, connection)
        connection.requests += 1
        with self._lock:
            self._requests.append(request)
        if (request.headers.get("expect") or "").lower() == "100-continue":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = self._read_body(sock, request, buffer)
        return request

    def _fill(self, sock: socket.socket, buffer: bytearray) -> bool:
        try:
            data = sock.recv(65536)
        except (socket.timeout, ssl.SSLError, OSError):
            return False
        buffer += data
        return bool(data)

    def _read_body(self, sock: socket.socket, request: Request, buffer: bytearray) -> bytes:
        if "chunked" in (request.headers.get("transfer-encoding") or "").lower():
            return self._read_chunks(sock, buffer)
        length = request.headers.get("content-length") or "0"
        if not length.isdigit() or int(length) > BODY_LIMIT:
            raise _BadRequest(Response.html(413, "413 Request Entity Too Large"))
        return self._take(sock, buffer, int(length))

    def _take(self, sock: socket.socket, buffer: bytearray, count: int) -> bytes:
        while len(buffer) < count:
            if not self._fill(sock, buffer):
                raise _Gone
        data = bytes(buffer[:count])
        del buffer[:count]
        return data

    def _line(self, sock: socket.socket, buffer: bytearray) -> bytes:
        while b"\r\n" not in buffer:
            if not self._fill(sock, buffer):
                raise _Gone
        line, _, rest = bytes(buffer).partition(b"\r\n")
        buffer[:] = rest
        return line

    def _read_chunks(self, sock: socket.socket, buffer: bytearray) -> bytes:
        body = bytearray()
        while True:
            size = int(self._line(sock, buffer).split(b";")[0], 16)
            if size == 0:
                while self._line(sock, buffer):
                    pass
                return bytes(body)
            body += self._take(sock, buffer, size)
            self._take(sock, buffer, 2)
            if len(body) > BODY_LIMIT:
                raise _BadRequest(Response.html(413, "413 Request Entity Too Large"))

    # -- writing --------------------------------------------------------------------------------------------------

    def _write(self, sock: socket.socket, request: Request, response: Response) -> bool:
        wire = response.wire
        asked_close = (request.headers.get("connection") or "").lower() == "close" or request.version == "HTTP/1.0"
        keep = self.keep_alive and not wire.close and not asked_close
        head, body = self._frame(request, response, keep)
        if wire.stall_before is not False:
            self._wait(sock, wire.stall_before)
        base = len(head) if wire.body_positions else 0
        stall = None if wire.stall_at is None else wire.stall_at + base
        cut = None if wire.cut_at is None else wire.cut_at + base
        sent = 0
        sock.settimeout(60)
        for piece in _pieces(head, body):
            while piece:
                if stall is not None and sent >= stall:
                    self._wait(sock, wire.stall_seconds)
                    stall = None
                if cut is not None and sent >= cut:
                    self._cut(sock, wire.reset)
                stop_at = min(p for p in (stall, cut, sent + len(piece)) if p is not None)
                part, piece = piece[: stop_at - sent], piece[stop_at - sent :]
                self._send(sock, part, wire.rate)
                sent += len(part)
                request.bytes_sent = sent
        if cut is not None:
            self._cut(sock, wire.reset)
        sock.settimeout(self.idle_timeout)
        return keep and wire.declared_length is None

    def _frame(self, request: Request, response: Response, keep: bool) -> tuple[bytes, Iterator[bytes]]:
        fields = Headers([("Server", self.server_name), ("Date", _http_date()), *response.headers])
        bare = request.method == "HEAD" or response.status in (204, 304)
        streamed = response.body is not None and not isinstance(response.body, (bytes, bytearray))
        chunked = streamed and "content-length" not in fields
        if chunked:
            fields.set("Transfer-Encoding", "chunked")
        elif not streamed and response.status != 204:
            fields.set("Content-Length", str(len(response.body or b"")))
        if response.wire.declared_length is not None:
            fields.remove("Transfer-Encoding")
            fields.set("Content-Length", str(response.wire.declared_length))
        fields.set("Connection", "keep-alive" if keep else "close")
        reason = response.reason or _reason(response.status)
        lines = [f"HTTP/1.1 {response.status} {reason}"] + [f"{name}: {value}" for name, value in fields]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")
        if bare or response.body is None:
            return head, iter(())
        if not streamed:
            return head, iter((bytes(response.body),))  # type: ignore[arg-type]
        return head, _chunks(response.body) if chunked and "transfer-encoding" in fields else iter(response.body)

    def _send(self, sock: socket.socket, data: bytes, rate: Optional[float]) -> None:
        if rate is None:
            sock.sendall(data)
            return
        step = max(1, int(rate / 20))
        for start in range(0, len(data), step):
            part = data[start : start + step]
            sock.sendall(part)
            self._wait(sock, len(part) / rate)

    def _cut(self, sock: socket.socket, reset: bool) -> None:
        if reset:
            time.sleep(0.02)  # let the bytes before the reset be read
            _arm_reset(sock)
        raise _Gone

    def _wait(self, sock: socket.socket, seconds: Optional[float]) -> None:
        """Waits; ends early, as _Gone, when the peer leaves or the server stops."""
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            left = 0.05 if end is None else min(0.05, max(0.0, end - time.monotonic()))
            if self.stopping.is_set() or poll.poll(max(1, int(left * 1000))):
                raise _Gone


def _parse_head(head: bytes, connection: Connection) -> Request:
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _BadRequest(Response.html(400, "400 Bad Request"))
    if len(words[1]) > TARGET_LIMIT:
        raise _BadRequest(Response.html(414, "414 Request-URI Too Large"))
    fields = Headers((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    if words[2] == "HTTP/1.1" and "host" not in fields:
        raise _BadRequest(Response.html(400, "400 Bad Request"))
    return Request(
        method=words[0],
        target=words[1],
        version=words[2],
        headers=fields,
        connection=connection.number,
        sequence=connection.requests,
        time=time.time(),
        tls=connection.tls,
        head=head,
    )


def _pieces(head: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    """Head and first piece together: a small answer is one TCP segment, as from a real server."""
    first = next(body, b"")
    yield head + first
    yield from body


def _chunks(body: Iterator[bytes]) -> Iterator[bytes]:
    for part in body:
        if part:
            yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def _release(response: Response) -> None:
    close = getattr(response.body, "close", None)
    if close:
        close()


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _arm_reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _say_goodbye(sock: socket.socket) -> None:
    """TLS close_notify, without waiting for the peer's: what tells an orderly end from a truncation."""
    if isinstance(sock, ssl.SSLSocket):
        try:
            sock.settimeout(0)
            sock.unwrap()
        except (OSError, ValueError):
            pass


def _close(sock: socket.socket) -> None:
    try:
        linger = struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
        if not linger[0]:
            socket.socket.shutdown(sock, socket.SHUT_WR)
    except OSError:
        pass
    sock.close()
