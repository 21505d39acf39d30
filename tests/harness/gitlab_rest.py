"""GitLab's REST API, version 4, for reading projects and repositories.

Routes are matched on the path as it was sent: a segment may not contain a plain slash
(lib/api/api.rb NO_SLASH_URL_PART_REGEX), so an unencoded project path, a wrong base path, or a proxy that decodes %2F ends in
``{"error":"404 Not Found"}``, while a project that is absent or invisible is ``{"message":"404 Project Not Found"}``.

Sources, in the GitLab repository: lib/api/{projects,branches,tags,commits,files,repositories,metadata}.rb, lib/api/helpers.rb,
lib/api/personal_access_tokens/self_information.rb, doc/api/. Each handler names nothing else than what it does there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Optional
from urllib.parse import parse_qsl, unquote

from .gitlab_auth import Refused, api_error, authenticate
from .gitlab_entities import Entities
from .gitlab_message import Headers, Request, Response
from .gitlab_objects import Commit, Entry, lfs_pointer
from .gitlab_paging import keyset_link, offset_headers, page_numbers
from .gitlab_search import filter_projects, matches_search
from .gitlab_store import Project, Token
from .model_repository import ModelRepository, check_ref_format

if TYPE_CHECKING:
    from .gitlab import GitLab

READ = ("api", "read_api")
READ_FILES = ("read_repository", "api", "read_api")
READ_METADATA = ("read_user", "api", "read_api")
ANY_TOKEN: tuple[str, ...] = ()

LARGE_BLOB = 10 * 1024 * 1024  # 5 requests a minute from here on
NO_CACHE = [
    ("Cache-Control", "max-age=0, private, must-revalidate, no-store, no-cache"),
    ("Pragma", "no-cache"),
    ("Expires", "Fri, 01 Jan 1990 00:00:00 GMT"),
]


@dataclass(frozen=True)
class Route:
    endpoint: str
    pattern: tuple[str, ...]
    handler: str
    scopes: tuple[str, ...]
    since: tuple[int, int] = (0, 0)


def _route(endpoint: str, pattern: str, handler: str, scopes: tuple[str, ...] = READ, since=(0, 0)) -> Route:
    return Route(endpoint, tuple(pattern.strip("/").split("/")), handler, scopes, since)


ROUTES = (
    _route("projects", "/projects", "list_projects"),
    _route("project", "/projects/:id", "get_project"),
    _route("branches", "/projects/:id/repository/branches", "list_branches"),
    _route("branch", "/projects/:id/repository/branches/:branch", "get_branch"),
    _route("tags", "/projects/:id/repository/tags", "list_tags"),
    _route("tag", "/projects/:id/repository/tags/:tag_name", "get_tag"),
    _route("commit", "/projects/:id/repository/commits/:sha", "get_commit"),
    _route("file", "/projects/:id/repository/files/:file_path", "get_file", READ_FILES),
    _route("raw", "/projects/:id/repository/files/:file_path/raw", "get_raw", READ_FILES),
    _route("tree", "/projects/:id/repository/tree", "get_tree"),
    _route("blob", "/projects/:id/repository/blobs/:sha", "get_blob"),
    _route("blob-raw", "/projects/:id/repository/blobs/:sha/raw", "get_blob_raw"),
    _route("metadata", "/metadata", "get_metadata", READ_METADATA, (15, 2)),
    _route("version", "/version", "get_metadata", READ_METADATA),
    _route("token", "/personal_access_tokens/self", "get_token", ANY_TOKEN, (15, 5)),
)


def find_route(segments: list[str], version: tuple[int, int]) -> tuple[Optional[Route], dict[str, str]]:
    for route in ROUTES:
        if len(route.pattern) != len(segments) or version < route.since:
            continue
        values: dict[str, str] = {}
        for wanted, given in zip(route.pattern, segments):
            if wanted.startswith(":") and given:
                values[wanted[1:]] = unquote(given, errors="surrogateescape")
            elif wanted != given:
                break
        else:
            return route, values
    return None, {}


@dataclass
class Call:
    """One request on its way through a handler."""

    request: Request
    route: Route
    values: dict[str, str]
    parameters: dict[str, str]
    token: Optional[Token] = None

    def flag(self, name: str, default: bool = False) -> bool:
        text = self.parameters.get(name)
        return default if text is None else text.lower() in ("true", "1", "t", "yes", "on")


class Rest:
    def __init__(self, server: "GitLab") -> None:
        self.server = server
        self.store = server.store
        self.objects = server.objects
        self._large_blobs: dict[tuple[int, str], list[float]] = {}

    @property
    def entities(self) -> Entities:
        return self.server.entities

    def locate(self, request: Request, path: str) -> tuple[Optional[Route], dict[str, str]]:
        """The route of a path below /api/v4, as sent; names the request's endpoint."""
        route, values = find_route(path.strip("/").split("/"), self.server.version_number)
        request.endpoint = route.endpoint if route else "unrouted"
        return route, values

    def answer(self, request: Request, route: Optional[Route], values: dict[str, str]) -> Response:
        if route is None:
            return Response.json(404, {"error": "404 Not Found"})
        if request.method not in ("GET", "HEAD"):
            return Response.json(405, {"error": "405 Not Allowed"}, [("Allow", "OPTIONS, GET, HEAD")])
        parameters = dict(parse_qsl(request.query, keep_blank_values=True, errors="surrogateescape"))
        call = Call(request, route, values, parameters)
        try:
            self._validate(call)
            call.token = authenticate(self.store, request, route.scopes)
            handler: Callable[[Call], Response] = getattr(self, route.handler)
            return handler(call)
        except Refused as refused:
            return refused.response

    def _validate(self, call: Call) -> None:
        path = call.values.get("file_path")
        if path is not None:
            if path.startswith("/") and call.route.endpoint != "raw" or ".." in path.split("/") or "\0" in path:
                raise Refused(Response.json(400, {"error": "file_path should be a valid file path"}))
        if call.route.endpoint == "file":
            if "ref" not in call.parameters:
                raise Refused(Response.json(400, {"error": "ref is missing, ref is empty"}))
            if not call.parameters["ref"].strip():
                raise Refused(Response.json(400, {"error": "ref is empty"}))

    # -- projects -------------------------------------------------------------------------------------------------

    def _project(self, call: Call) -> Project:
        """find_project! of lib/api/helpers.rb."""
        wanted = call.values["id"]
        moved = False
        if wanted.lstrip("-").isdigit():
            project = self.store.projects.get(int(wanted))
        elif "/" in wanted:
            project = self.store.find(wanted)
            if project is None and self.server.version_number >= (16, 7):
                project = self.store.find_moved(wanted)
                moved = project is not None
        else:
            project = None
        if project is None or not self.store.can_read_project(call.token, project):
            raise api_error(404, "404 Project Not Found")
        if moved:
            raise self._moved(call, project)
        return project

    def _moved(self, call: Call, project: Project) -> Refused:
        if call.request.method != "GET":
            return api_error(405, "Non GET methods are not allowed for moved projects")
        before, _, rest = call.request.target.partition("/projects/")
        tail = rest[len(rest.split("?")[0].split("/")[0]) :]
        scheme = self.server.moved_scheme or ("https" if call.request.tls else "http")
        location = f"{scheme}://{call.request.headers.get('host')}{before}/projects/{project.id}{tail}"
        response = Response.text(301, f"This resource has been moved permanently to {location}")
        response.headers.set("Location", location)
        return Refused(response)

    def get_project(self, call: Call) -> Response:
        project = self._project(call)
        if call.token is None:
            return Response.json(200, self.entities.basic_project(project, None))
        return Response.json(200, self.entities.project(project, call.token, single=True))

    def list_projects(self, call: Call) -> Response:
        visible = [p for p in self.store.projects.values() if self.store.can_read_project(call.token, p)]
        rows = filter_projects(self.store, visible, call.parameters, call.token)
        simple = call.token is None or call.flag("simple")
        show = self.entities.basic_project if simple else self.entities.project
        page, size = page_numbers(call.parameters)
        if call.parameters.get("pagination") == "keyset":
            return self._keyset_projects(call, rows, size, show)
        if page * size > 50_000:
            text = (
                "Offset pagination has a maximum allowed offset of 50000 for requests that return objects of type "
                "Project. Remaining records can be retrieved using keyset pagination."
            )
            raise Refused(Response.json(405, {"error": text}))
        chosen = rows[(page - 1) * size : page * size]
        headers = offset_headers(self.server.url, call.request, page, size, len(rows))
        return Response.json(200, [show(p, call.token) for p in chosen], headers)

    def _keyset_projects(self, call: Call, rows: list[Project], size: int, show: Callable) -> Response:
        if call.parameters.get("order_by") != "id":
            text = "Keyset pagination is not yet available for this type of request"
            raise Refused(Response.json(405, {"error": text}))
        chosen = rows[:size]
        headers = []
        if chosen:  # the last full page still has a Link; the page behind it is empty
            name = "id_after" if call.parameters.get("sort") == "asc" else "id_before"
            headers = [keyset_link(self.server.url, call.request, {name: str(chosen[-1].id)})]
        return Response.json(200, [show(p, call.token) for p in chosen], headers)

    # -- refs -----------------------------------------------------------------------------------------------------

    def _repository(self, project: Project) -> ModelRepository:
        if project.repository is None:
            raise api_error(404, "404 Not Found")
        return project.repository

    def _enabled_project(self, call: Call) -> Project:
        """For branches and commits: a switched-off repository is "not found"; no right to the code is 403."""
        project = self._project(call)
        if not self.store.repository_enabled(call.token, project):
            raise api_error(404, "404 Repository Not Found")
        return self._may_read_code(call, project)

    def _may_read_code(self, call: Call, project: Project) -> Project:
        if not self.store.can_read_code(call.token, project):
            raise api_error(403, "403 Forbidden")
        return project

    def _code_project(self, call: Call) -> Project:
        return self._may_read_code(call, self._project(call))

    def get_branch(self, call: Call) -> Response:
        project = self._enabled_project(call)
        name = call.values["branch"]
        if call.request.method == "HEAD":
            exists = project.repository is not None and project.repository.ref(f"refs/heads/{name}")
            return Response(204, b"") if exists else Response.json(404, {"message": "404 Not Found"})
        # lib/gitlab/git_ref_validator.rb
        if name == "HEAD" or name.startswith(("refs/heads/", "refs/remotes/")) or not check_ref_format(name):
            raise api_error(400, "The branch refname is invalid")
        commit = self.objects.branch(self._repository(project), name)
        if commit is None:
            raise api_error(404, "404 Branch Not Found")
        return Response.json(200, self.entities.branch(project, name, commit, call.token))

    def list_branches(self, call: Call) -> Response:
        project = self._enabled_project(call)
        repository = self._repository(project)
        names = self._refs(repository, "refs/heads/", call.parameters.get("search"))
        return self._ref_page(call, names, lambda name: self._branch_row(project, name, call.token))

    def _branch_row(self, project: Project, name: str, token: Optional[Token]) -> dict:
        commit = self.objects.branch(self._repository(project), name)
        assert commit
        return self.entities.branch(project, name, commit, token)

    def get_tag(self, call: Call) -> Response:
        project = self._code_project(call)
        found = self.objects.tag(self._repository(project), call.values["tag_name"])
        if found is None:
            raise api_error(404, "404 Tag Not Found")
        return Response.json(200, self.entities.tag(project, call.values["tag_name"], *found))

    def list_tags(self, call: Call) -> Response:
        project = self._code_project(call)
        repository = self._repository(project)
        names = self._refs(repository, "refs/tags/", call.parameters.get("search"))
        return self._ref_page(call, names, lambda name: self._tag_row(project, name))

    def _tag_row(self, project: Project, name: str) -> dict:
        found = self.objects.tag(self._repository(project), name)
        assert found
        return self.entities.tag(project, name, *found)

    def _refs(self, repository: ModelRepository, prefix: str, search: Optional[str]) -> list[str]:
        listing = repository.git("for-each-ref", "--format=%(refname)", prefix)
        names = [ref.removeprefix(prefix) for ref in listing.splitlines()]
        return [name for name in names if matches_search(name, search)]

    def _ref_page(self, call: Call, names: list[str], row: Callable[[str], dict]) -> Response:
        page, size = page_numbers(call.parameters)
        chosen = names[(page - 1) * size : page * size]
        headers = offset_headers(self.server.url, call.request, page, size, len(names))
        return Response.json(200, [row(name) for name in chosen], headers)

    def get_commit(self, call: Call) -> Response:
        project = self._enabled_project(call)
        commit = self.objects.resolve(project.repository, call.values["sha"])
        if commit is None:
            raise api_error(404, "404 Commit Not Found")
        return Response.json(200, self.entities.commit_detail(project, commit, call.flag("stats", True)))

    # -- files ----------------------------------------------------------------------------------------------------

    def _file(self, call: Call) -> tuple[Project, Commit, Entry, bytes]:
        project = self._code_project(call)
        commit = self.objects.resolve(project.repository, call.parameters.get("ref") or "HEAD")
        if commit is None or project.repository is None:
            raise api_error(404, "404 Commit Not Found")
        entry = self.objects.entry(project.repository, commit, call.values["file_path"].lstrip("/"))
        if entry is None or entry.kind != "blob":
            raise api_error(404, "404 File Not Found")
        blob = self.objects.blob(project.repository, entry.sha)
        assert blob is not None
        return project, commit, entry, blob

    def _limit_large(self, project: Project, sha: str, size: int) -> None:
        if size <= LARGE_BLOB:
            return
        now = self.server.clock()
        recent = [t for t in self._large_blobs.get((project.id, sha), []) if now - t < 60]
        self._large_blobs[(project.id, sha)] = recent + [now]
        if len(recent) >= 5:
            text = "This endpoint has been requested too many times. Try again later."
            raise api_error(429, {"error": text})

    def get_file(self, call: Call) -> Response:
        project, commit, entry, blob = self._file(call)
        row = self.entities.file(project, commit, entry, blob, call.parameters["ref"])
        headers = self.entities.file_headers(row)
        if call.request.method == "HEAD":
            return Response(200, b"", Headers([("Content-Type", "application/json"), *headers]))
        self._limit_large(project, entry.sha, len(blob))
        return Response.json(200, {**row, "content": self.entities.content(blob)}, headers)

    def get_raw(self, call: Call) -> Response:
        project, commit, entry, blob = self._file(call)
        pointer = lfs_pointer(blob) if call.flag("lfs") and project.lfs_enabled else None
        if pointer:
            if pointer[0] not in project.lfs_objects:
                raise api_error(404, "404 Not Found")
            return self.server.git.lfs_object(call.request, project, pointer[0], entry.name)
        row = self.entities.file(project, commit, entry, blob, call.parameters.get("ref", ""))
        headers = [("Content-Type", "text/plain"), *NO_CACHE, *self.entities.file_headers(row)]
        return Response(200, blob, Headers(headers))

    def get_tree(self, call: Call) -> Response:
        project = self._code_project(call)
        commit = self.objects.resolve(project.repository, call.parameters.get("ref") or "HEAD")
        if commit is None or project.repository is None:
            raise api_error(404, "404 Tree Not Found")
        path = call.parameters.get("path", "").strip("/")
        read = self.objects.walk if call.flag("recursive") else self.objects.tree
        entries = read(project.repository, commit, path)
        if entries is None:
            raise api_error(404, "404 invalid revision or path Not Found")
        order = {"tree": 0, "blob": 1, "commit": 2}
        rows = [self.entities.tree_entry(e) for e in sorted(entries, key=lambda e: order[e.kind])]
        return self._tree_page(call, rows)

    def _tree_page(self, call: Call, rows: list[dict]) -> Response:
        """lib/gitlab/pagination/gitaly_keyset_pager.rb"""
        mode = call.parameters.get("pagination", "legacy")
        if mode not in ("legacy", "keyset", "none"):
            raise Refused(Response.json(400, {"error": "pagination does not have a valid value"}))
        if mode == "none":
            if not call.flag("recursive"):
                text = 'pagination cannot be "none" unless "recursive" is true'
                raise Refused(Response.json(400, {"error": text}))
            return Response.json(200, rows)
        page, size = page_numbers(call.parameters)
        if mode == "legacy":
            chosen = rows[(page - 1) * size : page * size]
            headers = offset_headers(self.server.url, call.request, page, size, len(rows))
            return Response.json(200, chosen, headers)
        start = 0
        cursor = call.parameters.get("page_token")
        if cursor:
            found = next((i for i, row in enumerate(rows) if self._cursor(row) == cursor), None)
            if found is None:
                raise api_error(422, "Invalid page token")
            start = found + 1
        chosen = rows[start : start + size]
        headers = []
        if len(chosen) == size:  # also on the last page when it is full: the next one is then empty
            headers = [keyset_link(self.server.url, call.request, {"page_token": self._cursor(chosen[-1])})]
        return Response.json(200, chosen, headers)

    @staticmethod
    def _cursor(row: dict) -> str:
        return hashlib.sha1(row["path"].encode("utf-8", "surrogateescape")).hexdigest()

    def _blob(self, call: Call) -> tuple[Project, str, bytes]:
        project = self._code_project(call)
        sha = call.values["sha"]
        valid = len(sha) >= 7 and all(c in "0123456789abcdef" for c in sha) and project.repository
        blob = self.objects.blob(project.repository, sha) if valid and project.repository else None
        if blob is None:
            raise api_error(404, "404 Blob Not Found")
        return project, sha, blob

    def get_blob(self, call: Call) -> Response:
        project, sha, blob = self._blob(call)
        self._limit_large(project, sha, len(blob))
        row = {"size": len(blob), "encoding": "base64", "content": self.entities.content(blob), "sha": sha}
        return Response.json(200, row)

    def get_blob_raw(self, call: Call) -> Response:
        _, _, blob = self._blob(call)
        return Response(200, blob, Headers([("Content-Type", "text/plain"), *NO_CACHE]))

    # -- the instance ---------------------------------------------------------------------------------------------

    def get_metadata(self, call: Call) -> Response:
        if call.token is None:
            raise api_error(401, "401 Unauthorized")
        row: dict[str, object] = {"version": self.server.version, "revision": "c401a659d0c"}
        if self.server.version_number >= (15, 2):
            row["kas"] = {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None}
            row["enterprise"] = self.server.version.endswith("-ee")
        return Response.json(200, row)

    def get_token(self, call: Call) -> Response:
        if call.token is None:
            raise api_error(401, "401 Unauthorized")
        return Response.json(200, self.entities.token(call.token))
