"""Git LFS as GitLab serves it: the batch endpoint, object downloads with Range, and an object storage.

Sources: git-lfs docs/api/batch.md and docs/spec.md; GitLab app/controllers/repositories/lfs_api_controller.rb,
app/controllers/concerns/lfs_request.rb, doc/administration/lfs/. GitLab echoes the size a client asks with and checks only that
the object exists and belongs to the project.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Iterator, Optional
from urllib.parse import parse_qs

from .gitlab_http import HttpServer
from .gitlab_message import Headers, Request, Response
from .gitlab_store import Project, Token
from .model_repository import Lfs

if TYPE_CHECKING:
    from .gitlab import GitLab

LFS_JSON = "application/vnd.git-lfs+json"
MISSING = "Object does not exist on the server or you don't have permissions to access it"
ZEROS = bytes(1 << 18)


def object_bytes(item: Lfs, start: int, end: int) -> Iterator[bytes]:
    """Bytes start..end (exclusive) of an object: its data, then zeros up to its size."""
    if start < len(item.data):
        yield item.data[start : min(end, len(item.data))]
        start = min(end, len(item.data))
    while start < end:
        step = min(len(ZEROS), end - start)
        yield ZEROS[:step]
        start += step


def send_object(item: Lfs, request: Request, ranges: bool = True) -> Response:
    """The object, or the one byte range that was asked for (RFC 9110, 14). ranges=False: a server that ignores Range."""
    size = item.object_size
    start, end, status = 0, size, 200
    headers = Headers([("Content-Type", "application/octet-stream")])
    if ranges:
        headers.add("Accept-Ranges", "bytes")
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range") or "")
        if asked and (asked[1] or asked[2]):
            start = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
            end = min(size, int(asked[2]) + 1) if asked[1] and asked[2] else size
            if start >= size or start >= end:
                response = Response.text(416, "")
                response.headers.set("Content-Range", f"bytes */{size}")
                return response
            status = 206
            headers.add("Content-Range", f"bytes {start}-{end - 1}/{size}")
    headers.add("Content-Length", str(end - start))
    return Response(status, object_bytes(item, start, end), headers)


def _lfs_error(status: int, message: str, help_url: str) -> Response:
    body = json.dumps({"message": message, "documentation_url": help_url}).encode()
    return Response(status, body, Headers([("Content-Type", LFS_JSON)]))


class LfsApi:
    def __init__(self, server: "GitLab") -> None:
        self.server = server

    def batch(self, request: Request, project: Project, token: Optional[Token]) -> Response:
        help_url = f"{self.server.url}/help"
        if not self.server.lfs_enabled:
            text = "Git LFS is not enabled on this GitLab server, contact your admin."
            return Response.json(501, {"message": text, "documentation_url": help_url})
        try:
            asked = json.loads(request.plain_body())
            rows = [{"oid": str(row["oid"]), "size": row["size"]} for row in asked.get("objects") or []]
            operation = asked.get("operation")
        except (ValueError, TypeError, KeyError, AttributeError):
            return _lfs_error(400, "Bad request.", help_url)
        if operation != "download" or not project.lfs_enabled or not self.server.store.can_read_code(token, project):
            return _lfs_error(403, "Access forbidden. Check your access level.", help_url)
        if not rows:
            return _lfs_error(404, "Not found.", help_url)
        answer = [self._object(row, project, token) for row in rows]
        return Response(200, json.dumps({"objects": answer}).encode(), Headers([("Content-Type", LFS_JSON)]))

    def _object(self, row: dict, project: Project, token: Optional[Token]) -> dict:
        if row["oid"] not in project.lfs_objects:
            return {**row, "error": {"code": 404, "message": MISSING}}
        if self.server.lfs_direct_download:
            href = self.server.object_storage.sign(project.lfs_objects[row["oid"]])
            action: dict = {"href": href, "expires_in": 3600}
        else:
            href = f"{self.server.entities.http_url(project)}/gitlab-lfs/objects/{row['oid']}"
            action = {"href": href, "header": {"Authorization": self._pass(token)} if token else {}}
        answer = {**row, "actions": {"download": action}}
        if project.visibility == "public":
            answer["authenticated"] = True
        return answer

    def _pass(self, token: Token) -> str:
        """A credential for the objects alone, so that the caller's own token need not be sent again."""
        value = "lfs-" + secrets.token_urlsafe(24)
        return self.server.store.token(
            token.user, ("read_repository",), value=value, name="lfs", lfs_only=True
        ).basic()


class ObjectStorage:
    """An S3-like store: pre-signed GET URLs, which answer 403 to HEAD and 400 to any Authorization header."""

    def __init__(self, certificate, host: str) -> None:
        self._signed: dict[str, Lfs] = {}
        self.http = HttpServer(self._answer, certificate=certificate, host=host, server_name="object-storage")
        self.http.start()

    def sign(self, item: Lfs) -> str:
        signature = secrets.token_hex(16)
        self._signed[signature] = item
        return f"{self.http.origin}/lfs-objects/{item.object_id}?X-Amz-Expires=3600&X-Amz-Signature={signature}"

    def _answer(self, request: Request) -> Response:
        if request.headers.get("authorization") is not None:
            return self._error(400, "InvalidArgument", "Only one auth mechanism allowed")
        signature = parse_qs(request.query).get("X-Amz-Signature", [""])[0]
        item = self._signed.get(signature)
        if item is None or request.method != "GET":
            return self._error(403, "SignatureDoesNotMatch", "The request signature does not match")
        return send_object(item, request)

    @staticmethod
    def _error(status: int, code: str, text: str) -> Response:
        xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message></Error>'
        return Response.text(status, xml, "application/xml")
