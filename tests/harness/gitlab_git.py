"""Git over HTTP, by Git itself: ``git http-backend`` behind GitLab's authentication.

Sources: gitprotocol-http(5), git-http-backend(1); GitLab app/controllers/repositories/git_http_client_controller.rb and
git_http_controller.rb. Basic authentication with any user name and a token as the password; scopes read_repository, read_api or
api read, write_repository or api push. Anonymous callers read public projects. A project that is absent or invisible asks an
anonymous caller for credentials (401) and tells an authenticated one that it is not found (404).
"""

from __future__ import annotations

import re
import subprocess
import threading
from typing import TYPE_CHECKING, Iterator, Optional
from urllib.parse import unquote

from .gitlab_auth import Refused
from .gitlab_message import Headers, Request, Response, credential
from .gitlab_lfs import LfsApi, send_object
from .gitlab_store import Project, Token
from .model_repository import git_environment

if TYPE_CHECKING:
    from .gitlab import GitLab

PATH = re.compile(
    r"/(?P<project>.+?)(?P<suffix>\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack|info/lfs/objects/batch"
    r"|gitlab-lfs/objects/(?P<oid>[0-9a-f]{64}))"
)
DENIED = (
    "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or you're required "
    "to use a token instead of a password. If a token was provided, it was either incorrect, expired, or improperly scoped. See "
    "{url}/help/topics/git/troubleshooting_git.md#error-on-git-fetch-http-basic-access-denied"
)
NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."
READ = {"api", "read_api", "read_repository", "write_repository"}
PUSH = {"api", "write_repository"}


class GitHttp:
    def __init__(self, server: "GitLab") -> None:
        self.server = server
        self.lfs = LfsApi(server)
        self._processes: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    def locate(self, request: Request, path: str) -> Optional[re.Match]:
        """Whether this path, below the base path, is one of Git's; names the request's endpoint."""
        found = PATH.fullmatch(unquote(path))
        if found is None:
            return None
        rest = found["rest"]
        request.endpoint = "lfs-batch" if rest.startswith("info/lfs") else "lfs-object" if found["oid"] else "git"
        return found

    def answer(self, request: Request, found: re.Match) -> Response:
        try:
            return self._answer(request, found)
        except Refused as refused:
            return refused.response

    def _answer(self, request: Request, found: re.Match) -> Response:
        rest = found["rest"]
        if found["suffix"] is None and rest == "info/refs":
            query = f"?{request.query}" if request.query else ""
            response = Response.text(301, "", "text/html")
            response.headers.set("Location", f"{self.server.url}/{found['project']}.git/info/refs{query}")
            return response
        service = request.parameters.get("service") if rest == "info/refs" else rest
        pushing = service == "git-receive-pack"
        project, token = self._authorize(request, found["project"], pushing)
        if rest == "info/lfs/objects/batch":
            return self.lfs.batch(request, project, token)
        if found["oid"]:
            return self.lfs_object(request, project, found["oid"])
        if service not in ("git-upload-pack", "git-receive-pack"):
            return Response.text(403, "Git access over the dumb HTTP protocol is not allowed.")
        if project.repository is None:
            return Response.text(404, "A repository for this project does not exist yet.")
        return self._backend(request, project, rest, token)

    # -- authentication -------------------------------------------------------------------------------------------

    def _challenge(self) -> Refused:
        response = Response.text(401, DENIED.format(url=self.server.url))
        response.headers.set("Www-Authenticate", 'Basic realm="GitLab"')
        return Refused(response)

    def _authorize(self, request: Request, path: str, pushing: bool) -> tuple[Project, Optional[Token]]:
        store = self.server.store
        project = store.find(path) or store.find_moved(path)
        kind, value = credential(request)
        if kind != "basic":
            if project is None or pushing or not store.can_read_code(None, project):
                raise self._challenge()
            return project, None
        token = store.tokens.get(value or "")
        if token is None or not token.active or token.user.blocked:
            raise self._challenge()
        if project is None or not store.can_read_project(token, project):
            raise Refused(Response.text(404, NOT_FOUND))
        if not set(token.scopes) & READ or not store.can_read_code(token, project):
            raise Refused(Response.text(403, "You are not allowed to download code from this project."))
        may_push = set(token.scopes) & PUSH and (store.sees_all(token) or store.role(token, project) in ("maintainer", "owner"))
        if pushing and not may_push:
            raise Refused(Response.text(403, "You are not allowed to push code to this project."))
        return project, token

    # -- objects --------------------------------------------------------------------------------------------------

    def lfs_object(self, request: Request, project: Project, oid: str, name: Optional[str] = None) -> Response:
        """An LFS object of the project, or the redirect to object storage."""
        item = project.lfs_objects.get(oid)
        if item is None:
            return Response.text(404, "Not found.")
        if self.server.lfs_direct_download:
            response = Response.text(302, "", "text/html")
            response.headers.set("Location", self.server.object_storage.sign(item))
            return response
        response = send_object(item, request, self.server.lfs_ranges)
        if name:
            response.headers.set("Content-Disposition", f'attachment; filename="{name}"')
        return response

    # -- git http-backend -----------------------------------------------------------------------------------------

    def _backend(self, request: Request, project: Project, rest: str, token: Optional[Token]) -> Response:
        assert project.repository
        environment = git_environment(
            GIT_PROJECT_ROOT=str(project.repository.path.parent),
            GIT_HTTP_EXPORT_ALL="1",
            PATH_INFO=f"/{project.repository.path.name}/{rest}",
            QUERY_STRING=request.query,
            REQUEST_METHOD=request.method,
            CONTENT_TYPE=request.headers.get("content-type") or "",
            CONTENT_LENGTH=str(len(request.body)),
            REMOTE_ADDR="127.0.0.1",
        )
        if token is not None:
            environment["REMOTE_USER"] = token.user.username
        for field, variable in (("content-encoding", "HTTP_CONTENT_ENCODING"), ("git-protocol", "GIT_PROTOCOL")):
            if request.headers.get(field):
                environment[variable] = request.headers.get(field) or ""
        process = subprocess.Popen(
            ["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        with self._lock:
            self._processes.add(process)
        body = _Output(self, process, request.body)
        return _cgi_response(body)

    def forget(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._processes.discard(process)

    def close(self) -> None:
        with self._lock:
            left = list(self._processes)
        for process in left:
            process.kill()


class _Output:
    """What a running git http-backend writes; close() ends it."""

    def __init__(self, git: GitHttp, process: subprocess.Popen, stdin: bytes) -> None:
        self._git, self._process = git, process
        self._writer = threading.Thread(target=self._feed, args=(stdin,), daemon=True)
        self._writer.start()

    def _feed(self, data: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(data)
            self._process.stdin.close()
        except OSError:
            pass

    def line(self) -> bytes:
        assert self._process.stdout
        return self._process.stdout.readline()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        assert self._process.stdout
        data = self._process.stdout.read1(65536)  # type: ignore[attr-defined]
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        if self._process.poll() is None:
            try:
                self._process.wait(0.2)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._writer.join(5)
        if self._process.stdout:
            self._process.stdout.close()
        self._git.forget(self._process)


def _cgi_response(output: _Output) -> Response:
    """RFC 3875, 6: the header of a CGI answer, then the rest as it comes."""
    status, headers = 200, Headers()
    while True:
        line = output.line().rstrip(b"\r\n")
        if not line:
            break
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.add(name, value.strip())
    return Response(status, output, headers)  # type: ignore[arg-type]
