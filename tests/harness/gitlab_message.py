"""HTTP messages of the test servers: what arrived, and what goes back.

``Request``   what arrived, and, once answered, what became of it (status, bytes_sent, duration, aborted).
``Response``  status, headers, body (bytes, or an iterator of bytes: sent chunked) and a ``Wire``.
``Wire``      how the answer is written; positions count bytes of the whole answer, head included, unless said otherwise.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Iterable, Iterator, Optional, Union
from urllib.parse import parse_qsl


class Headers:
    """Header fields in order; names compare case-insensitively."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items = list(items)

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        return next((value for key, value in self.items if key.lower() == name.lower()), default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.items if key.lower() == name.lower()]

    def set(self, name: str, value: str) -> None:
        self.remove(name)
        self.items.append((name, value))

    def add(self, name: str, value: str) -> None:
        self.items.append((name, value))

    def remove(self, name: str) -> None:
        self.items = [(key, value) for key, value in self.items if key.lower() != name.lower()]

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __repr__(self) -> str:
        return repr(self.items)


@dataclass
class Wire:
    """How an answer goes out. Seconds may be None: until the peer leaves or the server stops."""

    stall_before: Union[float, None, bool] = False  # wait before the first byte (False: no)
    stall_at: Optional[int] = None  # wait after this many bytes ...
    stall_seconds: Optional[float] = None  # ... for this long
    body_positions: bool = False  # stall_at and cut_at count body bytes instead
    cut_at: Optional[int] = None  # end the connection after this many bytes
    reset: bool = False  # ... by TCP reset instead of an orderly end
    rate: Optional[float] = None  # bytes a second
    declared_length: Optional[int] = None  # Content-Length to announce instead of the true one
    close: bool = False  # end the connection after the answer


@dataclass
class Response:
    status: int
    body: Union[bytes, Iterator[bytes], None] = b""
    headers: Headers = field(default_factory=Headers)
    reason: Optional[str] = None
    wire: Wire = field(default_factory=Wire)

    @classmethod
    def json(cls, status: int, document: object, headers: Iterable[tuple[str, str]] = ()) -> "Response":
        # GitLab's serializer writes no spaces and escapes the characters that matter in HTML.
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        for plain, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
            text = text.replace(plain, escaped)
        return cls(status, text.encode("utf-8", "replace"), Headers([("Content-Type", "application/json"), *headers]))

    @classmethod
    def text(cls, status: int, text: str, content_type: str = "text/plain") -> "Response":
        return cls(status, text.encode(), Headers([("Content-Type", content_type)]))

    @classmethod
    def html(cls, status: int, title: str, text: str = "") -> "Response":
        page = f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1>{text}</body>\n</html>\n"
        return cls(status, page.encode(), Headers([("Content-Type", "text/html; charset=utf-8")]))

    def document(self) -> object:
        if not isinstance(self.body, bytes):
            raise TypeError("a streamed body has no document")
        return json.loads(self.body)


@dataclass
class Request:
    method: str
    target: str  # as sent: path and query, not decoded
    version: str
    headers: Headers
    connection: int
    sequence: int  # 0 for the first request of its connection
    time: float  # Unix time
    body: bytes = b""
    tls: Optional[dict] = None  # {"version", "cipher", "sni"} or None
    head: bytes = b""
    endpoint: Optional[str] = None  # name of the answering endpoint
    status: Optional[int] = None
    bytes_sent: int = 0
    duration: float = 0.0  # seconds from the request to the last byte or the end of the connection
    aborted: bool = False  # the peer left before the answer was complete
    context: dict = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def token(self) -> Optional[str]:
        """The token this request carried, wherever it was (header, Basic password, query), or None."""
        return credential(self)[1]

    def carries(self, secret: Union[str, bytes]) -> bool:
        needle = secret.encode() if isinstance(secret, str) else secret
        return needle in self.head or needle in self.body

    def plain_body(self) -> bytes:
        if (self.headers.get("content-encoding") or "").lower() == "gzip":
            return gzip.decompress(self.body)
        return self.body


def credential(request: Request) -> tuple[Optional[str], Optional[str]]:
    """(kind, token) of a request in GitLab's order: private-token, query, job-token, bearer, basic; or (None, None)."""
    private = request.headers.get("private-token")
    if private is not None:
        return "private-token", private
    parameters = request.parameters
    for name in ("private_token", "access_token"):
        if name in parameters:
            return "query", parameters[name]
    if request.headers.get("job-token") is not None:
        return "job-token", request.headers.get("job-token")
    scheme, _, value = (request.headers.get("authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return "bearer", value.strip()
    if scheme.lower() == "basic":
        try:
            return "basic", base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except ValueError:
            return "basic", value.strip()
    return None, None


@lru_cache(maxsize=4)
def gzip_bomb(size: int, filler: bytes = b"0") -> bytes:
    """A gzip stream of a JSON string that unpacks to about size bytes (1000 to 1)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'{"name":"')]
    block = filler * (1 << 20)
    for _ in range(max(1, size >> 20)):
        parts.append(packer.compress(block))
    parts += [packer.compress(b'"}'), packer.flush()]
    return b"".join(parts)
