"""A plain client for the GitLab stand-in: one request a connection, any path as it is given, and the git command."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from urllib.parse import quote, urlsplit

from harness.model_repository import git_environment


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def trust(g) -> Optional[ssl.SSLContext]:
    return ssl.create_default_context(cafile=g.ca_file) if g.ca_file else None


def connect(g, timeout: float = 30.0) -> http.client.HTTPConnection:
    url = urlsplit(g.url)
    if g.scheme == "https":
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout, context=trust(g))
    return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)


def exchange(connection, method: str, target: str, headers: Optional[dict] = None, body: Optional[bytes] = None) -> Answer:
    connection.request(method, target, body=body, headers=headers or {})
    response = connection.getresponse()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def ask(g, path: str, token=None, method: str = "GET", headers: Optional[dict] = None, body=None, timeout: float = 30.0) -> Answer:
    """A request for an API path (or, with a leading "//", a path below the base path) over its own connection."""
    target = urlsplit(g.url).path + (path[1:] if path.startswith("//") else "/api/v4" + path)
    fields = dict(headers or {})
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    connection = connect(g, timeout)
    try:
        return exchange(connection, method, target, fields, body)
    finally:
        connection.close()


def enc(text: str) -> str:
    return quote(text, safe="")


def raw_answer(g, path: str, token, timeout: float = 30.0) -> tuple[bytes, Optional[Exception]]:
    """All bytes of an answer, and the error that ended it."""
    url = urlsplit(g.url)
    received = b""
    with socket.create_connection((url.hostname, url.port), timeout=timeout) as plain:
        sock = trust(g).wrap_socket(plain, server_hostname=url.hostname) if g.scheme == "https" else plain
        try:
            request = f"GET /api/v4{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            sock.sendall(request.encode())
            while data := sock.recv(65536):
                received += data
            return received, None
        except OSError as error:
            return received, error
        finally:
            sock.close()


def ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def git(g, *arguments: str, cwd: Optional[Path] = None, check: bool = True) -> subprocess.CompletedProcess:
    environment = git_environment(GIT_SSL_CAINFO=g.ca_file or "")
    who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    return subprocess.run(["git", *who, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=check)


def with_token(url: str, token, user: str = "any-name") -> str:
    return url.replace("://", f"://{user}:{token}@")
