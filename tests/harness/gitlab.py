"""A GitLab stand-in: GitLab's documented answers from real Git repositories, and every fault a client may meet.

    from harness.gitlab import GitLab, Attacker
    from harness.gitlab_faults import Status, Reset, Stall, Drip, Redirect, Truncate, Endless, Hook, MangleJson
    from harness.model_repository import Lfs, readme, qwen_files

    with GitLab(tmp_path) as g:
        p = g.project("demo-ns/amlmodels/qwen", files=qwen_files())
        p.annotated_tag("v1.0"); p.commit({"README.md": readme("text-ranking")}, branch="next")
        token = g.token()                            # an administrator's, scope api; str(token) is its value
        reader = g.token(scopes=("read_repository",), member_of=["demo-ns"])
        g.url, g.ca_file, g.authority                # https://127.0.0.1:PORT, CA file, host:port and base path

        g.fault("file", Status(503), times=2)        # see gitlab_faults for the list, the endpoint names and the patterns
        g.rate_limit("api", limit=10, period=60)     # 429 as Rack::Attack sends it; kind="application" for the other
        g.on_connect("reset")                        # the next connection, before TLS
        g.set_certificate(g.certificates.issue("late", expired=True))

        g.requests                                   # every request: method, target, headers, token, connection, time, status
        g.connection_count, g.tokens_seen(), g.saw(secret), g.clear_log(), g.wait_for_requests(3)

What is served: REST v4 for projects, branches, tags, commits, files, trees, blobs, metadata and the caller's token
(gitlab_rest), GraphQL for blobs and trees (gitlab_graphql), Git smart HTTP by ``git http-backend`` and LFS (gitlab_git,
gitlab_lfs). Repositories are plain bare ones (model_repository): what a Git client pushes is served at once.

Options of GitLab():

    tls              True; False serves plain HTTP
    certificate      a gitlab_pki.Certificate (cert_file, key_file, ca_file) instead of an own one
    host             "127.0.0.1"; "::1" listens on IPv6
    names            the names and addresses in the own certificate
    base_path        "/gitlab": a relative-URL install; everything else is nginx's HTML 404
    version          "18.5.1-ee"; behaviour follows it (redirects of moved projects, created_at of tags, BigInt, …)
    encoded_slashes  what a proxy in front does to %2F: "keep"; "decode"; "reject" (an HTML 404); "double" (%252F)
    tls_versions     ("1.2", "1.3")
    keep_alive       True

Attributes that may be changed while it runs: store.admin_mode, store.impersonation_enabled, lfs_enabled (False: 501),
lfs_direct_download (True: objects come from ``object_storage`` by signed URLs), lfs_ranges (False: Range is ignored),
moved_scheme ("http": the scheme in the Location of a moved project), encoded_slashes, and every attribute of a project, a token
or a user.

harness.gitlab_client is a plain client for tests of the stand-in itself.

By hand: ``python3 -m harness.gitlab --demo`` (with tests/ on PYTHONPATH) serves a demo repository and prints where.
"""

from __future__ import annotations

import atexit
import re
import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Callable, Iterable, Mapping, Optional, Union

from .gitlab_entities import Entities
from .gitlab_faults import Fault, Limits, Match, RateLimit, Rule, Rules
from .gitlab_git import GitHttp
from .gitlab_graphql import Graphql
from .gitlab_http import Connection, ConnectionFault, HttpServer
from .gitlab_lfs import ObjectStorage
from .gitlab_message import Request, Response
from .gitlab_objects import Objects
from .gitlab_pki import LOCAL_NAMES, Certificate, Certificates
from .gitlab_rest import Rest
from .gitlab_store import Project, Store, Token, User
from .model_repository import Content, ModelRepository, readme

ENCODED_SLASH = re.compile("%2[fF]")


class _Logged:
    """What a test may ask any of these servers; see HttpServer."""

    http: HttpServer

    @property
    def requests(self) -> list[Request]:
        return self.http.requests

    @property
    def connections(self) -> list[Connection]:
        return self.http.connections

    @property
    def connection_count(self) -> int:
        return self.http.connection_count

    @property
    def ca_file(self) -> Optional[str]:
        return self.http.ca_file

    @property
    def cert_file(self) -> Optional[str]:
        return self.http.certificate.cert_file if self.http.certificate else None

    @property
    def key_file(self) -> Optional[str]:
        return self.http.certificate.key_file if self.http.certificate else None

    @property
    def scheme(self) -> str:
        return "https" if self.http.certificate else "http"

    def tokens_seen(self) -> set[str]:
        return self.http.tokens_seen()

    def saw(self, secret: Union[str, Token]) -> bool:
        return self.http.saw(str(secret))

    def clear_log(self) -> None:
        self.http.clear_log()

    def wait_for_requests(self, count: int, timeout: float = 30.0) -> list[Request]:
        return self.http.wait_for_requests(count, timeout)

    def on_connect(self, kind: str, seconds: Optional[float] = None, times: Optional[int] = 1) -> ConnectionFault:
        """"reset", "close", "garbage", "stall" or "slow" for the next connections; see gitlab_http.ConnectionFault."""
        return self.http.on_connect(kind, seconds, times)

    def set_certificate(self, certificate: Certificate) -> None:
        """Serve another certificate from the next connection on."""
        self.http.set_certificate(certificate)


class GitLab(_Logged):
    def __init__(
        self,
        root_dir: Union[str, Path, None] = None,
        *,
        tls: bool = True,
        certificate: Optional[Certificate] = None,
        host: str = "127.0.0.1",
        port: int = 0,
        names: Iterable[str] = LOCAL_NAMES,
        base_path: str = "",
        version: str = "18.5.1-ee",
        encoded_slashes: str = "keep",
        tls_versions: tuple[str, str] = ("1.2", "1.3"),
        keep_alive: bool = True,
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="gitlab-", dir=root_dir))
        atexit.register(self.stop)
        self.base_path = "/" + base_path.strip("/") if base_path.strip("/") else ""
        self.version = version
        self.encoded_slashes = encoded_slashes
        self.moved_scheme: Optional[str] = None
        self.lfs_enabled = True
        self.lfs_direct_download = False
        self.lfs_ranges = True
        self.clock: Callable[[], float] = time.monotonic
        self.certificates = Certificates(self.root / "pki")
        if tls and certificate is None:
            certificate = self.certificates.issue("gitlab", names)
        self.store = Store(self.root)
        self.objects = Objects()
        self.http = HttpServer(
            self._handle, certificate if tls else None, host, port, tls_versions=tls_versions, keep_alive=keep_alive
        )
        self.faults = Rules()
        self.limits = Limits()
        self.git = GitHttp(self)
        self.rest = Rest(self)
        self.graphql = Graphql(self)
        self._object_storage: Optional[ObjectStorage] = None
        self._stopped = False

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> "GitLab":
        self.http.start()
        return self

    def stop(self) -> None:
        """Ends connections and child processes and removes the directory; may be called again."""
        if self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self.git.close()
        self.http.stop()
        if self._object_storage:
            self._object_storage.http.stop()
        self.objects.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> "GitLab":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- where it is ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self.http.origin + self.base_path

    @property
    def api_url(self) -> str:
        return self.url + "/api/v4"

    @property
    def authority(self) -> str:
        """host:port, and the base path of a relative-URL install."""
        return self.http.authority + self.base_path

    @property
    def port(self) -> int:
        return self.http.port

    @property
    def version_number(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def entities(self) -> Entities:
        return Entities(self.store, self.objects, self.url, self.version_number)

    @property
    def object_storage(self) -> ObjectStorage:
        """The S3-like store of lfs_direct_download; its ``http`` has the log of its own requests."""
        if self._object_storage is None:
            self._object_storage = ObjectStorage(self.http.certificate, self.http.host)
        return self._object_storage

    def git_url(self, project: Project) -> str:
        return self.entities.http_url(project)

    def cluster_settings(self, token: Union[Token, str], user: str = "root") -> tuple[dict[str, str], dict[str, str]]:
        """Data for the ConfigMap aml-image-builder-config and the Secret aml-image-builder-secret (as text)."""
        config = {"MODEL_REPO_GIT_BASE": self.authority, "MODEL_REPO_GIT_SCHEME": self.scheme}
        return config, {"MODEL_REPO_GIT_USER": user, "MODEL_REPO_GIT_TOKEN": str(token)}

    # -- content --------------------------------------------------------------------------------------------------

    def project(
        self,
        full_path: str,
        files: Optional[Mapping[str, Content]] = None,
        *,
        empty: bool = False,
        virtual: bool = False,
        repository: Optional[ModelRepository] = None,
        message: str = "Initial commit",
        **attributes: object,
    ) -> Project:
        """Makes a project, by default with one commit that holds a model card.

        files       the first commit's files (see model_repository)
        empty       a repository without commits; virtual: no repository at all; repository: share this one
        attributes  of gitlab_store.Project: name, visibility ("private"), description, topics, archived, lfs_enabled, …
        """
        backing: Union[ModelRepository, bool] = repository if repository is not None else not virtual
        project = self.store.project(full_path, backing, **attributes)
        if repository is not None:
            project.link_lfs()
        elif not empty and not virtual:
            project.commit({"README.md": readme()} if files is None else files, message=message)
        return project

    def same_name_projects(self, name: str, count: int = 45, below: str = "amlmodels", group: str = "team-{:02d}") -> list[Project]:
        """Projects of one display name and one path in as many groups; each README names its group."""
        rows = []
        for number in range(1, count + 1):
            above = f"{group.format(number)}/{below}" if below else group.format(number)
            card = readme(title=f"{name} of {group.format(number)}")
            rows.append(self.project(f"{above}/{name}", files={"README.md": card}))
        return rows

    def virtual_projects(
        self, count: int = 10_000, group: str = "bulk/amlmodels", name: str = "model-{:05d}", like: Optional[Project] = None, **attributes: object
    ) -> list[Project]:
        """Many projects for load. Without like they have no repository; with it they share that project's."""
        shared: Union[ModelRepository, bool] = like.repository if like and like.repository else False
        rows = range(1, count + 1)
        return [self.store.project(f"{group}/{name.format(n)}", shared, **attributes) for n in rows]

    def move(self, project: Project, full_path: str, redirect: bool = True) -> None:
        """Renames or transfers a project; its old path redirects here (GitLab 16.7 and later)."""
        self.store.move(project, full_path, redirect)

    def user(self, username: str, admin: bool = False, member_of: Union[Mapping[str, str], Iterable[str]] = ()) -> User:
        """member_of: full paths of groups or projects (role maintainer), or a mapping path -> role."""
        return self.store.user(username, admin, member_of)

    def token(
        self,
        scopes: Iterable[str] = ("api",),
        user: Optional[User] = None,
        member_of: Union[Mapping[str, str], Iterable[str], None] = None,
        value: Optional[str] = None,
        **attributes: object,
    ) -> Token:
        """A token: of user; or of a new user who is a member there; or, by default, of the administrator "root".

        attributes: name, expires_at (a date; past or today: expired), revoked, impersonation.
        """
        if user is None and member_of is not None:
            user = self.store.user(f"user-{len(self.store.users) + 1}", member_of=member_of)
        return self.store.token(user or self.store.user("root", admin=True), scopes, value, **attributes)

    # -- trouble --------------------------------------------------------------------------------------------------

    def fault(self, match: Match, fault: Fault, times: Optional[int] = None, skip: int = 0) -> Rule:
        """Puts a fault on matching requests: after skip of them, for times of them (None: all). See gitlab_faults."""
        return self.faults.add(match, fault, times, skip)

    def rate_limit(self, match: Match, limit: int, period: int = 60, **options: object) -> RateLimit:
        """Limits matching requests; see gitlab_faults.RateLimit for the options."""
        return self.limits.add(RateLimit(match, limit, period, **options))  # type: ignore[arg-type]

    def clear_faults(self) -> None:
        self.faults.clear()
        self.limits.clear()
        self.http.clear_connection_faults()

    # -- requests -------------------------------------------------------------------------------------------------

    def _handle(self, request: Request) -> Response:
        answer = self._route(request)
        response = self.faults.apply(request, lambda: self.limits.guard(request, answer))
        if "x-request-id" not in response.headers:
            response.headers.set("X-Request-Id", uuid.uuid4().hex[:26].upper())
        return response

    def _route(self, request: Request) -> Callable[[], Response]:
        """Names the request's endpoint and returns what makes its true answer."""
        request.endpoint = "web"
        path = request.path
        if ENCODED_SLASH.search(path) and self.encoded_slashes != "keep":
            if self.encoded_slashes == "reject":
                return lambda: Response.html(404, "404 Not Found", "<p>The requested URL was not found on this server.</p>")
            path = ENCODED_SLASH.sub("/" if self.encoded_slashes == "decode" else "%252F", path)
        if self.base_path and not (path + "/").startswith(self.base_path + "/"):
            return lambda: Response.html(404, "404 Not Found", "<hr><center>nginx</center>")
        path = path[len(self.base_path) :] or "/"
        if path == "/api/graphql" and request.method == "POST":
            request.endpoint = "graphql"
            return lambda: self._decorate(self.graphql.answer(request))
        if path.startswith("/api/v4/"):
            route, values = self.rest.locate(request, path[len("/api/v4/") :])
            return lambda: self._decorate(self.rest.answer(request, route, values))
        found = self.git.locate(request, path)
        if found:
            return lambda: self.git.answer(request, found)
        return lambda: self._web(path)

    def _web(self, path: str) -> Response:
        if path == "/users/sign_in":
            return Response.html(200, "Sign in · GitLab")
        if path.startswith("/api/"):
            return Response.json(404, {"error": "404 Not Found"})
        response = Response.html(302, "Redirecting", "You are being redirected.")
        response.headers.set("Location", f"{self.url}/users/sign_in")
        return response

    @staticmethod
    def _decorate(response: Response) -> Response:
        """The fields GitLab puts on every API answer."""
        defaults = {
            "Cache-Control": "max-age=0, private, must-revalidate",
            "Vary": "Origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "X-Gitlab-Meta": '{"correlation_id":"00000000000000000000000000","version":"1"}',
            "Strict-Transport-Security": "max-age=63072000",
        }
        for name, value in defaults.items():
            if name not in response.headers:
                response.headers.set(name, value)
        return response


class Attacker(_Logged):
    """A server that should never see a secret: it records everything and answers whatever it is asked.

    answer: a Response, or a function of the request; default: 200 with a plausible project. Use it as the target of Redirect:

        with Attacker(tmp_path) as evil:
            g.fault("project", Redirect(base=evil.url))
            ...
            assert not evil.saw(token)
    """

    def __init__(
        self,
        root_dir: Union[str, Path, None] = None,
        *,
        tls: bool = True,
        certificate: Optional[Certificate] = None,
        host: str = "127.0.0.1",
        answer: Union[Response, Callable[[Request], Response], None] = None,
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="attacker-", dir=root_dir))
        if tls and certificate is None:
            certificate = Certificates(self.root, "Authority of somebody else").issue("attacker")
        self._answer = answer
        self.http = HttpServer(self._handle, certificate if tls else None, host)

    def _handle(self, request: Request) -> Response:
        if callable(self._answer):
            return self._answer(request)
        if self._answer is not None:
            return self._answer
        project = {"id": 666, "path_with_namespace": "evil/amlmodels/model", "default_branch": "main", "empty_repo": False}
        return Response.json(200, project)

    @property
    def url(self) -> str:
        return self.http.origin

    def __enter__(self) -> "Attacker":
        self.http.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.stop()
        shutil.rmtree(self.root, ignore_errors=True)


if __name__ == "__main__":
    from .gitlab_demo import main

    sys.exit(main())
