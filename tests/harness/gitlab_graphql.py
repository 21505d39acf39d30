"""The part of GitLab's GraphQL API that reads repositories: parser, limits, executor.

    project(fullPath:) { id fullPath name repository { exists empty rootRef
        tree(ref:, path:, recursive:) { lastCommit { sha } blobs { nodes { … } } trees { nodes { … } } }
        paginatedTree(ref:, path:, recursive:, after:, first:) { pageInfo { … } nodes { blobs { nodes { … } } } }
        blobs(paths:, ref:) { nodes { path oid name mode size rawSize lfsOid storedExternally externalStorage rawBlob … } } } }
    currentUser { username }   metadata { version revision }   queryComplexity { score limit }

Sources: doc/api/graphql/_index.md (limits), app/graphql/types/repository/blob_type.rb, app/graphql/resolvers/blobs_resolver.rb,
app/controllers/graphql_controller.rb. size and rawSize are BigInt, which is a JSON string, since 15.7; before, an Int, and one file
beyond 2 GiB failed the query. A project that is absent or invisible is null with status 200.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from .gitlab_auth import Refused, authenticate
from .gitlab_message import Request, Response, credential
from .gitlab_objects import Commit, Entry, lfs_pointer
from .gitlab_store import Project, Token

if TYPE_CHECKING:
    from .gitlab import GitLab

MAX_QUERY = 10_000
MAX_DEPTH = {False: 15, True: 20}
PAGE = 100
INT_MAX = 2**31 - 1


class GraphqlError(Exception):
    def __init__(self, message: str, **extensions: str) -> None:
        super().__init__(message)
        self.extensions = extensions

    def row(self) -> dict:
        row: dict = {"message": str(self)}
        return {**row, "extensions": self.extensions} if self.extensions else row


# -- parsing (GraphQL specification, October 2021, section 2) ------------------------------------------------------

TOKEN = re.compile(
    r'(?P<skip>[\s,]+|#[^\n]*)|(?P<block>"""(?:[^"\\]|\\.|"(?!""))*""")|(?P<string>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[_A-Za-z]\w*)|(?P<mark>\.\.\.|[!$()\[\]{}:=@|&])"
)


@dataclass
class Variable:
    name: str


@dataclass
class Field:
    name: str
    alias: str
    arguments: dict = field(default_factory=dict)
    selection: list["Field"] = field(default_factory=list)
    fragment: Optional[str] = None

    def argument(self, name: str, variables: dict, default: object = None) -> object:
        value = self.arguments.get(name, default)
        if isinstance(value, list):
            return [variables.get(v.name) if isinstance(v, Variable) else v for v in value]
        return variables.get(value.name, default) if isinstance(value, Variable) else value


class Parser:
    def __init__(self, text: str) -> None:
        self.words: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            found = TOKEN.match(text, position)
            if found is None:
                raise GraphqlError(f"Parse error on {text[position]!r} (error)")
            if found.lastgroup != "skip":
                self.words.append((found.lastgroup or "", found[0]))
            position = found.end()
        self.fragments: dict[str, list[Field]] = {}
        self.defaults: dict[str, object] = {}

    def _peek(self) -> str:
        return self.words[0][1] if self.words else ""

    def _next(self, wanted: Optional[str] = None) -> tuple[str, str]:
        if not self.words or (wanted is not None and self.words[0][1] != wanted):
            raise GraphqlError(f"Parse error on {self._peek() or 'end of file'!r}")
        return self.words.pop(0)

    def document(self) -> list[Field]:
        selection: list[Field] = []
        while self.words:
            word = self._peek()
            if word == "fragment":
                self._next()
                name = self._next()[1]
                self._next("on")
                self._next()
                self.fragments[name] = self._selection()
                continue
            if word in ("query", "mutation", "subscription"):
                self._next()
                if word != "query":
                    raise GraphqlError("this stand-in answers queries only")
                if self._peek() not in ("(", "{"):
                    self._next()
                self._variables()
            selection = self._selection()
        return self._spread(selection)

    def _variables(self) -> None:
        if self._peek() != "(":
            return
        self._next("(")
        while self._peek() != ")":
            self._next("$")
            name = self._next()[1]
            self._next(":")
            while self._peek() in ("[", "]", "!") or self.words[0][0] == "name":
                self._next()
            if self._peek() == "=":
                self._next()
                self.defaults[name] = self._value()
        self._next(")")

    def _selection(self) -> list[Field]:
        self._next("{")
        rows = []
        while self._peek() != "}":
            if self._peek() == "...":
                self._next()
                rows.append(Field("...", "...", fragment=self._next()[1]))
                continue
            kind, name = self._next()
            if kind != "name":
                raise GraphqlError(f"Parse error on {name!r}")
            alias = name
            if self._peek() == ":":
                self._next()
                name = self._next()[1]
            row = Field(name, alias)
            if self._peek() == "(":
                row.arguments = self._arguments()
            if self._peek() == "{":
                row.selection = self._selection()
            rows.append(row)
        self._next("}")
        return rows

    def _arguments(self) -> dict:
        self._next("(")
        rows = {}
        while self._peek() != ")":
            name = self._next()[1]
            self._next(":")
            rows[name] = self._value()
        self._next(")")
        return rows

    def _value(self) -> object:
        kind, text = self._next()
        if text == "$":
            return Variable(self._next()[1])
        if text == "[":
            rows = []
            while self._peek() != "]":
                rows.append(self._value())
            self._next("]")
            return rows
        if kind == "string":
            return json.loads(text)
        if kind == "block":
            return text[3:-3]
        if kind == "number":
            return float(text) if "." in text else int(text)
        return {"true": True, "false": False, "null": None}.get(text, text)

    def _spread(self, rows: list[Field]) -> list[Field]:
        flat: list[Field] = []
        for row in rows:
            if row.fragment is not None:
                flat += self._spread(self.fragments.get(row.fragment, []))
            else:
                row.selection = self._spread(row.selection)
                flat.append(row)
        return flat


# -- execution ----------------------------------------------------------------------------------------------------

CONNECTIONS = {"blobs", "trees", "submodules", "paginatedTree"}


def complexity(rows: list[Field], variables: dict) -> int:
    """Each field costs 1; a connection costs its children, 2, its paths, and one per cent of that for each row of a page."""
    score = 0
    for row in rows:
        below = complexity(row.selection, variables)
        if row.name in CONNECTIONS:
            paths = row.argument("paths", variables) or []
            page = row.argument("first", variables) or PAGE
            score += int((below + len(paths) + 2) * (1 + 0.01 * int(page)))  # type: ignore[call-overload,arg-type]
        else:
            score += 1 + below
    return score


def depth(rows: list[Field]) -> int:
    return 1 + max((depth(row.selection) for row in rows), default=0) if rows else 0


@dataclass
class _Context:
    token: Optional[Token]
    variables: dict
    score: int
    limit: int


class Graphql:
    def __init__(self, server: "GitLab") -> None:
        self.server = server

    def answer(self, request: Request) -> Response:
        try:
            token = self._token(request)
        except Refused as refused:
            return refused.response
        try:
            asked = json.loads(request.plain_body() or b"{}")
            query, variables = str(asked.get("query") or ""), asked.get("variables") or {}
        except (ValueError, AttributeError):
            return Response.json(400, {"errors": [{"message": "Invalid JSON"}]})
        if len(query) > MAX_QUERY:
            return Response.json(422, {"errors": [{"message": "Query too large"}]})
        try:
            return Response.json(200, {"data": self._run(token, query, variables)})
        except GraphqlError as error:
            return Response.json(200, {"errors": [error.row()]})

    def _token(self, request: Request) -> Optional[Token]:
        """Any bad token, and one whose scopes do not allow reading the API, is "Invalid token"."""
        if credential(request)[0] is None:
            return None
        try:
            return authenticate(self.server.store, request, ("api", "read_api"))
        except Refused as refused:
            raise Refused(Response.json(401, {"errors": [{"message": "Invalid token"}]})) from refused

    def _run(self, token: Optional[Token], query: str, variables: dict) -> dict:
        parser = Parser(query)
        rows = parser.document()
        variables = {**parser.defaults, **variables}
        score = complexity(rows, variables)
        limit = 200 if token is None else 300 if token.user.admin else 250
        if score > limit:
            raise GraphqlError(f"Query has complexity of {score}, which exceeds max complexity of {limit}")
        deepest, allowed = depth(rows), MAX_DEPTH[token is not None]
        if deepest > allowed:
            raise GraphqlError(f"Query has depth of {deepest}, which exceeds max depth of {allowed}")
        return self._object(rows, "Query", self._query, _Context(token, variables, score, limit))

    def _object(self, rows: list[Field], kind: str, resolve, context: _Context) -> dict:
        return {row.alias: resolve(row, context) for row in rows if self._known(row, kind)}

    @staticmethod
    def _known(row: Field, kind: str) -> bool:
        if row.name not in TYPES[kind] and row.name != "__typename":
            text = f"Field '{row.name}' doesn't exist on type '{kind}'"
            raise GraphqlError(text, code="undefinedField", typeName=kind, fieldName=row.name)
        return True

    def _plain(self, rows: list[Field], kind: str, values: dict, context: _Context) -> dict:
        """An object of plain values."""
        named = {**values, "__typename": kind}
        return self._object(rows, kind, lambda row, _context: named.get(row.name), context)

    def _query(self, row: Field, context: _Context) -> object:
        if row.name == "currentUser":
            user = context.token.user if context.token else None
            values = {"username": user.username, "id": f"gid://gitlab/User/{user.id}"} if user else None
            return self._plain(row.selection, "CurrentUser", values, context) if values else None
        if row.name == "metadata":
            values = {"version": self.server.version, "revision": "c401a659d0c", "enterprise": True}
            return self._plain(row.selection, "Metadata", values, context) if context.token else None
        if row.name == "queryComplexity":
            return self._plain(row.selection, "QueryComplexity", {"score": context.score, "limit": context.limit}, context)
        if row.name == "__typename":
            return "Query"
        project = self.server.store.find(str(row.argument("fullPath", context.variables)))
        if project is None or not self.server.store.can_read_project(context.token, project):
            return None
        return self._object(row.selection, "Project", lambda f, c: self._project(project, f, c), context)

    def _project(self, project: Project, row: Field, context: _Context) -> object:
        if row.name == "repository":
            if not self.server.store.can_read_code(context.token, project):
                return None
            return self._object(row.selection, "Repository", lambda f, c: self._repository(project, f, c), context)
        values = {
            "id": f"gid://gitlab/Project/{project.id}",
            "name": project.name,
            "path": project.path,
            "fullPath": project.full_path,
            "visibility": project.visibility,
            "archived": project.archived,
            "lfsEnabled": project.lfs_enabled,
            "__typename": "Project",
        }
        return values[row.name]

    def _repository(self, project: Project, row: Field, context: _Context) -> object:
        values = {
            "exists": project.repository is not None,
            "empty": project.empty,
            "rootRef": None if project.empty else project.default_branch,
            "__typename": "Repository",
        }
        if row.name in values:
            return values[row.name]
        ref = str(row.argument("ref", context.variables) or "HEAD")
        if ref != "HEAD" and (":" in ref or ref.startswith("-") or any(c.isspace() for c in ref)):
            raise GraphqlError("Ref is not valid", code="argumentLiteralsIncompatible")
        commit = self.server.objects.resolve(project.repository, ref)
        if commit is None:
            return {"nodes": []} if row.name == "blobs" else None
        if row.name == "blobs":
            return self._blobs(project, commit, row, context)
        return self._tree(project, commit, row, context)

    # -- blobs ----------------------------------------------------------------------------------------------------

    def _blobs(self, project: Project, commit: Commit, row: Field, context: _Context) -> dict:
        paths = [str(path) for path in row.argument("paths", context.variables) or []]  # type: ignore[union-attr]
        assert project.repository
        found = [self.server.objects.entry(project.repository, commit, path) for path in paths]
        entries = [entry for entry in found if entry is not None and entry.kind == "blob"]
        show = lambda entry, rows: self._blob(project, entry, rows, context)  # noqa: E731
        return self._connection("RepositoryBlobConnection", row, entries, show, context)

    def _connection(self, kind: str, row: Field, items: list, show, context: _Context) -> dict:
        first = min(int(row.argument("first", context.variables) or PAGE), PAGE)  # type: ignore[call-overload]
        after = str(row.argument("after", context.variables) or "")
        start = int(after) if after.isdigit() else 0
        page = items[start : start + first]

        def resolve(inner: Field, _context: _Context) -> object:
            if inner.name == "nodes":
                return [show(item, inner.selection) for item in page]
            if inner.name == "edges":
                raise GraphqlError("this stand-in answers nodes, not edges")
            info = {
                "hasNextPage": start + first < len(items),
                "hasPreviousPage": start > 0,
                "startCursor": str(start) if page else None,
                "endCursor": str(start + len(page)) if page else None,
            }
            return self._plain(inner.selection, "PageInfo", info, context)

        return self._object(row.selection, kind, resolve, context)

    def _blob(self, project: Project, entry: Entry, rows: list[Field], context: _Context) -> dict:
        assert project.repository
        blob = self.server.objects.blob(project.repository, entry.sha) or b""
        pointer = lfs_pointer(blob)
        external = pointer is not None and project.lfs_enabled and self.server.lfs_enabled
        values = {
            "id": f"gid://gitlab/Blob/{entry.sha}",
            "oid": entry.sha,
            "path": entry.path,
            "name": entry.name,
            "mode": entry.mode,
            "size": self._big(len(blob), "size"),
            "rawSize": self._big(pointer[1] if external and pointer else len(blob), "rawSize"),
            "lfsOid": pointer[0] if pointer else None,
            "storedExternally": external,
            "externalStorage": "lfs" if external else None,
            "rawBlob": None,
            "rawTextBlob": None,
        }
        for name in ("rawBlob", "rawTextBlob"):
            if any(row.name == name for row in rows):
                values[name] = blob.decode("utf-8", "replace")
        if any(isinstance(value, GraphqlError) for name, value in values.items() if name in {row.name for row in rows}):
            raise next(value for value in values.values() if isinstance(value, GraphqlError))
        return self._plain(rows, "RepositoryBlob", values, context)

    def _big(self, number: int, name: str) -> object:
        if self.server.version_number >= (15, 7):
            return str(number)
        if number > INT_MAX:
            text = f"Integer out of bounds: {number}. Consider using ID or GraphQL::Types::BigInt instead."
            return GraphqlError(text)
        return number

    # -- trees ----------------------------------------------------------------------------------------------------

    def _tree(self, project: Project, commit: Commit, row: Field, context: _Context) -> object:
        assert project.repository
        recursive = bool(row.argument("recursive", context.variables, False))
        path = str(row.argument("path", context.variables) or "").strip("/")
        read = self.server.objects.walk if recursive else self.server.objects.tree
        entries = read(project.repository, commit, path)
        if entries is None:
            return None
        if row.name == "paginatedTree":
            show = lambda part, rows: self._tree_object(project, commit, part, rows, context)  # noqa: E731
            first = min(int(row.argument("first", context.variables) or PAGE), PAGE)  # type: ignore[call-overload]
            row.arguments = {"first": 1, "after": row.arguments.get("after")}
            pages = [entries[i : i + first] for i in range(0, len(entries), first)] or [[]]
            return self._connection("TreeConnection", row, pages, show, context)
        return self._tree_object(project, commit, entries, row.selection, context)

    def _tree_object(
        self, project: Project, commit: Commit, entries: list[Entry], rows: list[Field], context: _Context
    ) -> dict:
        def show(entry: Entry, inner: list[Field]) -> dict:
            blob = self.server.objects.blob(project.repository, entry.sha) if project.repository else None
            pointer = lfs_pointer(blob) if blob is not None and entry.kind == "blob" else None
            values = {
                "id": f"gid://gitlab/Entry/{entry.sha}",
                "sha": entry.sha,
                "name": entry.name,
                "path": entry.path,
                "type": entry.kind,
                "flatPath": entry.path,
                "mode": entry.mode,
                "lfsOid": pointer[0] if pointer else None,
            }
            kinds = {"blob": "TreeEntryBlob", "tree": "TreeEntry", "commit": "Submodule"}
            return self._plain(inner, "TreeItem", {**values, "__typename": kinds[entry.kind]}, context)

        def resolve(row: Field, _context: _Context) -> object:
            if row.name == "lastCommit":
                return self._plain(row.selection, "Commit", {"sha": commit.id, "id": commit.id}, context)
            kind = {"blobs": "blob", "trees": "tree", "submodules": "commit"}[row.name]
            chosen = [entry for entry in entries if entry.kind == kind]
            return self._connection("TreeItemConnection", row, chosen, show, context)

        return self._object(rows, "Tree", resolve, context)


TYPES = {
    "Query": {"project", "currentUser", "metadata", "queryComplexity"},
    "CurrentUser": {"username", "id"},
    "Metadata": {"version", "revision", "enterprise"},
    "QueryComplexity": {"score", "limit"},
    "Project": {"id", "name", "path", "fullPath", "visibility", "archived", "lfsEnabled", "repository"},
    "Repository": {"exists", "empty", "rootRef", "tree", "paginatedTree", "blobs"},
    "RepositoryBlobConnection": {"nodes", "edges", "pageInfo"},
    "TreeItemConnection": {"nodes", "edges", "pageInfo"},
    "TreeConnection": {"nodes", "edges", "pageInfo"},
    "PageInfo": {"hasNextPage", "hasPreviousPage", "startCursor", "endCursor"},
    "Tree": {"lastCommit", "blobs", "trees", "submodules"},
    "Commit": {"sha", "id"},
    "TreeItem": {"id", "sha", "name", "path", "type", "flatPath", "mode", "lfsOid"},
    "RepositoryBlob": set(
        "id oid path name mode size rawSize lfsOid storedExternally externalStorage rawBlob rawTextBlob".split()
    ),
}

