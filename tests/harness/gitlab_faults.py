"""Faults and limits for the GitLab stand-in.

A fault is put on requests by endpoint name, path pattern or predicate, for a number of times:

    g.fault("file", Status(503))                       # every README request
    g.fault("branch", Reset(after=0), times=1)         # the first branch request
    g.fault("*/repository/*", Stall(30), skip=2)       # from the third on
    g.fault(lambda request: request.sequence > 0, Close())

Endpoint names: project, projects, branch, branches, tag, tags, commit, file, raw, tree, blob, blob-raw, metadata,
version, token, graphql, lfs-batch, lfs-object, git, web, unrouted; "api" stands for all of REST and "any" for
everything. A pattern with ``*``, ``?``, ``[`` or ``/`` is matched (fnmatch, ``*`` crosses slashes) against the request
target as it was sent; a name without them must be one of those above.

Faults that match one request are applied in the order they were added, each to what the one before it made, so
``Mangle`` and ``Drip`` combine. What the real server would have answered is produced first, unless the fault replaces
it entirely. ``rule.hits`` counts the requests a fault was applied to; ``rule.remove()`` ends it.

Not here: faults before the first request of a connection (TLS): ``g.on_connect``.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Callable, Iterator, Optional, Union

from .gitlab_message import Headers, Request, Response, gzip_bomb

ENDPOINTS = frozenset(
    "project projects branch branches tag tags commit file raw tree blob blob-raw metadata version token graphql "
    "lfs-batch lfs-object git web unrouted api any".split()
)
NOT_REST = frozenset("graphql lfs-batch lfs-object git web".split())

Next = Callable[[], Response]
Match = Union[str, Callable[[Request], bool]]


class Fault:
    """One behaviour. answer() may call normal() for the true answer, change it, or make its own."""

    def answer(self, request: Request, normal: Next) -> Response:
        raise NotImplementedError


class _OnWire(Fault):
    """The true answer, written badly."""

    def answer(self, request: Request, normal: Next) -> Response:
        response = normal()
        self.arrange(response)
        return response

    def arrange(self, response: Response) -> None:
        raise NotImplementedError


# -- answers of another kind --------------------------------------------------------------------------------------


@dataclass
class Status(Fault):
    """This status. body: str, bytes, or a document for JSON; default: GitLab's own body for the status."""

    code: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: Optional[str] = None

    TEXTS = {
        401: {"message": "401 Unauthorized"},
        403: {"message": "403 Forbidden"},
        404: {"message": "404 Not Found"},
        405: {"message": "405 Method Not Allowed"},
        409: {"message": "409 Conflict: Resource lock"},
        429: {"message": "429 Too Many Requests"},
        500: {"message": "500 Internal Server Error"},
        503: {"message": "503 Service Unavailable"},
    }

    def answer(self, request: Request, normal: Next) -> Response:
        if isinstance(self.body, (str, bytes)):
            data = self.body.encode() if isinstance(self.body, str) else self.body
            response = Response(self.code, data, Headers([("Content-Type", self.content_type or "text/plain")]))
        elif self.body is None and self.code not in self.TEXTS:  # what nginx says in front of GitLab
            response = Response.html(self.code, f"{self.code} Error")
        else:
            response = Response.json(self.code, self.TEXTS.get(self.code) if self.body is None else self.body)
        for name, value in self.headers.items():
            response.headers.set(name, value)
        return response


@dataclass
class Redirect(Fault):
    """location: the whole URL; or base: another origin, with this request's target appended; or neither: this very URL
    again (a loop). The answer depends on nothing else."""

    location: Optional[str] = None
    base: Optional[str] = None
    code: int = 302

    def answer(self, request: Request, normal: Next) -> Response:
        scheme = "https" if request.tls else "http"
        base = self.base or f"{scheme}://{request.headers.get('host')}"
        response = Response.text(self.code, "redirected", "text/html")
        response.headers.set("Location", self.location or base.rstrip("/") + request.target)
        return response


@dataclass
class Html(Fault):
    """A page instead of JSON: a sign-in page, a proxy's error page."""

    status: int = 200
    title: str = "Sign in · GitLab"

    def answer(self, request: Request, normal: Next) -> Response:
        return Response.html(self.status, self.title, "<p>You need to sign in or sign up before continuing.</p>")


@dataclass
class Body(Fault):
    """This body under the true status and headers: broken JSON, JSON of another type, empty, wrong encoding."""

    body: Union[str, bytes]
    content_type: Optional[str] = None
    status: Optional[int] = None

    def answer(self, request: Request, normal: Next) -> Response:
        response = normal()
        response.body = self.body.encode() if isinstance(self.body, str) else self.body
        response.status = self.status or response.status
        if self.content_type is not None:
            response.headers.set("Content-Type", self.content_type)
        return response


def InvalidJson() -> Body:
    return Body('{"id": 7, "path_with_namespace": "demo')


def WrongType(content_type: str = "application/octet-stream") -> Fault:
    """The true body under another Content-Type."""
    return Mangle(lambda response: response.headers.set("Content-Type", content_type))


@dataclass
class Mangle(Fault):
    """Changes the true answer: change(response), or, with document=True, change(parsed JSON), whose result (or the
    changed object itself, when it returns None) becomes the body."""

    change: Callable
    document: bool = False

    def answer(self, request: Request, normal: Next) -> Response:
        response = normal()
        if not self.document:
            return self.change(response) or response
        parsed = response.document()
        result = self.change(parsed)
        response.body = json.dumps(parsed if result is None else result).encode()
        return response


def MangleJson(change: Callable) -> Mangle:
    return Mangle(change, document=True)


@dataclass
class OversizedJson(Fault):
    """Valid JSON of at least this many bytes: the true object with one huge extra field (or one huge list)."""

    size: int = 64 * 1024 * 1024
    shape: str = "field"  # "field": one long string; "depth": nested arrays; "keys": very many keys

    def answer(self, request: Request, normal: Next) -> Response:
        response = normal()
        if response.status != 200:
            return response
        body = response.body.strip() if isinstance(response.body, bytes) else b""
        if body.startswith(b"["):  # a list: one huge element
            response.body = self._stream(b"[{", b"}]")
        else:
            response.body = self._stream(body[:-1] + b"," if len(body) > 2 else b"{", b"}")
        return response

    def _stream(self, start: bytes, end: bytes) -> Iterator[bytes]:
        yield start
        left = self.size
        block = 65536
        if self.shape == "depth":
            yield b'"padding":'
            for _ in range(left // block):
                yield b"[" * block
            for _ in range(left // block):
                yield b"]" * block
        elif self.shape == "keys":
            for number in itertools.count():
                row = b'"k%d":0,' % number
                left -= len(row)
                if left < 0:
                    break
                yield row
            yield b'"end":0'
        else:
            yield b'"padding":"'
            for _ in range(left // block + 1):
                yield b"x" * block
            yield b'"'
        yield end


@dataclass
class GzipBomb(Fault):
    """A small gzip-encoded body that unpacks to size bytes. asked_only: only for clients that accept gzip."""

    size: int = 256 * 1024 * 1024
    asked_only: bool = False

    def answer(self, request: Request, normal: Next) -> Response:
        response = normal()
        if self.asked_only and "gzip" not in (request.headers.get("accept-encoding") or ""):
            return response
        response.body = gzip_bomb(self.size)
        response.headers.set("Content-Encoding", "gzip")
        return response


@dataclass
class Endless(Fault):
    """A chunked body that does not end (or a Content-Length far beyond it): chunk is repeated until the peer leaves or
    limit bytes went out. start comes first, so that the body can begin as valid JSON."""

    chunk: bytes = b" " * 16384
    start: bytes = b'{"name":"'
    limit: int = 1 << 30
    content_length: Optional[int] = None
    status: int = 200
    content_type: str = "application/json"
    pause: float = 0.0  # seconds between chunks

    def answer(self, request: Request, normal: Next) -> Response:
        response = Response(self.status, self._stream(), Headers([("Content-Type", self.content_type)]))
        if self.content_length is not None:
            response.headers.set("Content-Length", str(self.content_length))
            response.wire.close = True
        return response

    def _stream(self) -> Iterator[bytes]:
        yield self.start
        sent = 0
        while sent < self.limit:
            yield self.chunk
            sent += len(self.chunk)
            if self.pause:
                time.sleep(self.pause)


@dataclass
class HeaderFlood(Fault):
    """The true answer with this many extra header fields of this size."""

    count: int = 10_000
    size: int = 1_000

    def answer(self, request: Request, normal: Next) -> Response:
        response = normal()
        for number in range(self.count):
            response.headers.add(f"X-Flood-{number}", "x" * self.size)
        return response


# -- the true answer, written badly -------------------------------------------------------------------------------


@dataclass
class Reset(_OnWire):
    """TCP reset after this many bytes of the answer (head included; body=True: of the body). 0: instead of an answer."""

    after: int = 0
    body: bool = False

    def arrange(self, response: Response) -> None:
        response.wire.cut_at, response.wire.reset, response.wire.body_positions = self.after, True, self.body


@dataclass
class Close(_OnWire):
    """Orderly TCP end after this many bytes of the answer (head included; body=True: of the body)."""

    after: int = 0
    body: bool = False

    def arrange(self, response: Response) -> None:
        response.wire.cut_at, response.wire.reset, response.wire.body_positions = self.after, False, self.body


@dataclass
class Truncate(_OnWire):
    """Content-Length says missing more bytes than come; then the connection ends (reset=False) or stays open (hang)."""

    missing: int = 100
    keep: Optional[int] = None  # send only this much of the body, under its true length
    hang: bool = False

    def arrange(self, response: Response) -> None:
        body = response.body if isinstance(response.body, bytes) else b"".join(response.body or ())
        response.body = body
        if self.keep is not None:
            response.wire.declared_length = len(body)
            response.body = body[: self.keep]
        else:
            response.wire.declared_length = len(body) + self.missing
        if self.hang:
            response.wire.body_positions = True
            response.wire.stall_at, response.wire.stall_seconds = len(response.body) - 1, None


@dataclass
class Stall(_OnWire):
    """Waits seconds (None: until the peer leaves) before the answer, or after this many bytes of it, then goes on."""

    seconds: Optional[float] = None
    after: Optional[int] = None
    body: bool = False

    def arrange(self, response: Response) -> None:
        if self.after is None:
            response.wire.stall_before = self.seconds
        else:
            response.wire.stall_at, response.wire.stall_seconds = self.after, self.seconds
            response.wire.body_positions = self.body


@dataclass
class Drip(_OnWire):
    """The answer at this many bytes a second."""

    bytes_per_second: float = 10.0

    def arrange(self, response: Response) -> None:
        response.wire.rate = self.bytes_per_second


@dataclass
class Hook(Fault):
    """Runs before(request) and after(request, response) around the true answer: a branch moves between two requests,
    a token is revoked, the test takes a note. Whatever after returns, unless None, is the answer."""

    before: Optional[Callable[[Request], object]] = None
    after: Optional[Callable[[Request, Response], Optional[Response]]] = None

    def answer(self, request: Request, normal: Next) -> Response:
        if self.before:
            self.before(request)
        response = normal()
        return (self.after(request, response) if self.after else None) or response


# -- rules --------------------------------------------------------------------------------------------------------


def _is_pattern(match: str) -> bool:
    return any(c in match for c in "*?[/")


def check_match(match: Match) -> None:
    if isinstance(match, str) and not _is_pattern(match) and match not in ENDPOINTS:
        raise ValueError(f"no endpoint is called {match!r}; known: {', '.join(sorted(ENDPOINTS))}")


def matches(match: Match, request: Request) -> bool:
    if callable(match):
        return match(request)
    if _is_pattern(match):
        return fnmatch.fnmatchcase(request.target, match)
    if match == "api":
        return request.endpoint not in NOT_REST
    return match in ("any", request.endpoint)


class Rule:
    def __init__(self, rules: "Rules", match: Match, fault: Fault, times: Optional[int], skip: int) -> None:
        check_match(match)
        self.match, self.fault, self.times, self.skip = match, fault, times, skip
        self.hits = 0
        self._rules = rules

    def take(self) -> bool:
        """Counts one matching request; True when the fault applies to it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True

    def remove(self) -> None:
        self._rules.remove(self)


class Rules:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, match: Match, fault: Fault, times: Optional[int] = None, skip: int = 0) -> Rule:
        rule = Rule(self, match, fault, times, skip)
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        with self._lock:
            self._rules = [other for other in self._rules if other is not rule]

    def clear(self) -> None:
        with self._lock:
            self._rules = []

    def apply(self, request: Request, normal: Next) -> Response:
        with self._lock:
            chosen = [rule for rule in self._rules if matches(rule.match, request) and rule.take()]
        answer = normal
        for rule in chosen:
            answer = _bind(rule.fault, request, answer)
        return answer()


def _bind(fault: Fault, request: Request, normal: Next) -> Next:
    return lambda: fault.answer(request, normal)


# -- rate limits --------------------------------------------------------------------------------------------------


@dataclass
class RateLimit:
    """GitLab's two limiters (doc/administration/settings/user_and_ip_rate_limits.md, lib/gitlab/rack_attack.rb,
    lib/gitlab/application_rate_limiter.rb).

    kind="rack-attack"   plain text "Retry later", RateLimit-* and Retry-After; before routing and authentication
    kind="application"   JSON whose message is an object; retry_after=True adds the header that GitLab 18.5 sends

    limit requests a period (seconds) for each token, or address when there is none. always_headers: RateLimit-* on
    every answer, not only on 429.
    """

    match: Match
    limit: int
    period: int = 60
    kind: str = "rack-attack"
    retry_after: bool = True
    always_headers: bool = False
    text: str = "Retry later\n"
    object_message: bool = True
    _seen: dict = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def check(self, request: Request) -> tuple[Optional[Response], list[tuple[str, str]]]:
        """(the 429 or None, headers to add to the answer)."""
        now = time.time()
        window = int(now // self.period)
        with self._lock:
            key = (request.token or "anonymous", window)
            self._seen[key] = observed = self._seen.get(key, 0) + 1
        headers = self._headers(now, window, observed)
        if observed <= self.limit:
            return None, headers if self.always_headers else []
        if self.kind == "application":
            return self._application(now, window), []
        response = Response.text(429, self.text)
        for name, value in headers:
            response.headers.set(name, value)
        response.headers.set("RateLimit-ResetTime", formatdate((window + 1) * self.period, usegmt=True))
        if self.retry_after:
            response.headers.set("Retry-After", str(self._left(now, window)))
        return response, []

    def _left(self, now: float, window: int) -> int:
        return max(1, int((window + 1) * self.period - now))

    def _headers(self, now: float, window: int, observed: int) -> list[tuple[str, str]]:
        return [
            ("RateLimit-Limit", str(-(-self.limit * 60 // self.period))),
            ("RateLimit-Name", "throttle_authenticated_api"),
            ("RateLimit-Observed", str(observed)),
            ("RateLimit-Remaining", str(max(0, self.limit - observed))),
            ("RateLimit-Reset", str(int((window + 1) * self.period))),
        ]

    def _application(self, now: float, window: int) -> Response:
        text = "This endpoint has been requested too many times. Try again later."
        response = Response.json(429, {"message": {"error": text} if self.object_message else text})
        if self.retry_after:
            response.headers.set("Retry-After", str(self.period))
        return response


class Limits:
    def __init__(self) -> None:
        self._limits: list[RateLimit] = []

    def add(self, limit: RateLimit) -> RateLimit:
        check_match(limit.match)
        self._limits.append(limit)
        return limit

    def clear(self) -> None:
        self._limits = []

    def guard(self, request: Request, normal: Next) -> Response:
        added: list[tuple[str, str]] = []
        for limit in self._limits:
            if not matches(limit.match, request):
                continue
            refused, headers = limit.check(request)
            if refused:
                return refused
            added += headers
        response = normal()
        for name, value in added:
            response.headers.set(name, value)
        return response
