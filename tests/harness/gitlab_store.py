"""What a GitLab instance holds: groups, projects, users, tokens; and who may see what.

Rules (GitLab: doc/user/permissions.md, lib/gitlab/visibility_level.rb):

- public projects are for everybody, internal ones for every signed-in user, private ones for members and admins
- a guest of a private or internal project sees the project but not its code; any other member sees both
- repository_access_level: "enabled", "private" (members only) or "disabled" (nobody)
- an instance in admin mode treats an admin's token without the scope admin_mode as an ordinary user's
"""

from __future__ import annotations

import base64
import datetime
import itertools
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Mapping, Optional, Union

from .model_repository import Content, Lfs, ModelRepository

FIRST_PROJECT = 1001
CREATED = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)


def timestamp(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass
class Group:
    id: int
    path: str
    full_path: str
    name: str
    parent: Optional["Group"] = None
    kind: str = "group"

    @property
    def full_name(self) -> str:
        return f"{self.parent.full_name} / {self.name}" if self.parent else self.name


@dataclass(eq=False)
class Project:
    """A project. Its attributes may be changed at any time and count for the next request.

    repository None: the project exists, its repository was never created (a virtual project, for load).
    redirects  old full paths that lead here.
    extra      further fields of the project's JSON, or other values for existing ones.
    """

    id: int
    group: Group
    path: str
    name: str
    repository: Optional[ModelRepository] = None
    visibility: str = "private"
    description: Optional[str] = None
    topics: tuple[str, ...] = ()
    archived: bool = False
    lfs_enabled: bool = True
    mirror: bool = False
    repository_access_level: str = "enabled"
    import_status: str = "none"
    marked_for_deletion_on: Optional[str] = None
    deleted: bool = False
    redirects: list[str] = field(default_factory=list)
    lfs_objects: dict[str, Lfs] = field(default_factory=dict)
    extra: dict = field(default_factory=dict)

    @property
    def full_path(self) -> str:
        return f"{self.group.full_path}/{self.path}"

    @property
    def full_name(self) -> str:
        return f"{self.group.full_name} / {self.name}"

    @property
    def created_at(self) -> str:
        return timestamp(CREATED + datetime.timedelta(minutes=self.id - FIRST_PROJECT))

    @property
    def default_branch(self) -> str:
        return self.repository.default_branch if self.repository else "main"

    @property
    def empty(self) -> bool:
        if self.repository is None:
            return True
        refs = self.repository.path / "refs" / "heads"
        packed = self.repository.path / "packed-refs"
        return not any(p.is_file() for p in refs.rglob("*")) and not (packed.is_file() and packed.stat().st_size)

    # -- building: the repository's calls, with LFS objects linked to this project --------------------------------

    def _repo(self) -> ModelRepository:
        if self.repository is None:
            raise ValueError(f"{self.full_path} has no repository")
        return self.repository

    def commit(self, files: Mapping[str, Content], **options: object) -> str:
        """See ModelRepository.commit; LFS files become objects of this project when they are stored."""
        sha = self._repo().commit(files, **options)  # type: ignore[arg-type]
        self.link_lfs()
        return sha

    def link_lfs(self) -> None:
        for oid, item in self._repo().lfs.items():
            if item.stored:
                self.lfs_objects.setdefault(oid, item)

    def branch(self, name: str, commit: Optional[str] = None) -> str:
        return self._repo().branch(name, commit)

    def tag(self, name: str, commit: Optional[str] = None) -> str:
        return self._repo().tag(name, commit)

    def annotated_tag(self, name: str, commit: Optional[str] = None, message: str = "") -> str:
        return self._repo().annotated_tag(name, commit, message)

    def head(self, branch: Optional[str] = None) -> str:
        return self._repo().head(branch)


@dataclass(eq=False)
class User:
    id: int
    username: str
    admin: bool = False
    member_of: dict[str, str] = field(default_factory=dict)  # full path of a group or project -> role
    blocked: bool = False


@dataclass(eq=False)
class Token:
    """A personal, impersonation, project or group access token; str(token) is its value."""

    id: int
    value: str
    user: User
    name: str
    scopes: tuple[str, ...]
    expires_at: Optional[datetime.date] = None
    revoked: bool = False
    impersonation: bool = False
    lfs_only: bool = False  # issued by the LFS batch endpoint; good for Git and LFS over HTTP alone
    created: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))
    last_used: Optional[datetime.datetime] = None

    def __str__(self) -> str:
        return self.value

    @property
    def expired(self) -> bool:
        """Tokens end at 00:00 UTC of their date."""
        today = datetime.datetime.now(datetime.timezone.utc).date()
        return self.expires_at is not None and self.expires_at <= today

    @property
    def active(self) -> bool:
        return not self.revoked and not self.expired

    def basic(self, user: Optional[str] = None) -> str:
        """The value of an Authorization header for Git and LFS."""
        pair = f"{user or self.user.username}:{self.value}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


class Store:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.groups: dict[str, Group] = {}
        self.projects: dict[int, Project] = {}
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.admin_mode = False
        self.impersonation_enabled = True
        self._by_path: dict[str, Project] = {}
        self._group_ids = itertools.count(101)
        self._project_ids = itertools.count(FIRST_PROJECT)
        self._user_ids = itertools.count(1)
        self._token_ids = itertools.count(1)
        self._lock = threading.RLock()

    # -- making ---------------------------------------------------------------------------------------------------

    def group(self, full_path: str, name: Optional[str] = None) -> Group:
        """The group of this full path; it and its parents are made when absent."""
        with self._lock:
            group = self.groups.get(full_path.lower())
            if group is None:
                above, _, path = full_path.rpartition("/")
                parent = self.group(above) if above else None
                group = Group(next(self._group_ids), path, full_path, name or path, parent)
                self.groups[full_path.lower()] = group
            elif name:
                group.name = name
            return group

    def project(self, full_path: str, repository: Union[ModelRepository, bool], **attributes: object) -> Project:
        with self._lock:
            if self.find(full_path):
                raise ValueError(f"{full_path} exists already")
            above, _, path = full_path.rpartition("/")
            if not above:
                raise ValueError(f"a project lives in a group: {full_path}")
            number = next(self._project_ids)
            attributes.setdefault("name", path)
            project = Project(id=number, group=self.group(above), path=path, **attributes)  # type: ignore[arg-type]
            if repository is True:
                project.repository = ModelRepository.create(self.root / "repositories" / f"{number}.git")
            elif repository:
                project.repository = repository
            self.projects[number] = project
            self._by_path[full_path.lower()] = project
            return project

    def move(self, project: Project, full_path: str, redirect: bool = True) -> None:
        with self._lock:
            old = project.full_path
            del self._by_path[old.lower()]
            above, _, path = full_path.rpartition("/")
            project.group, project.path = self.group(above), path
            self._by_path[full_path.lower()] = project
            if redirect:
                project.redirects.append(old)

    def user(self, username: str, admin: bool = False, member_of: Union[Mapping, Iterable[str]] = ()) -> User:
        with self._lock:
            user = self.users.get(username)
            if user is None:
                user = self.users[username] = User(next(self._user_ids), username)
            user.admin = admin
            roles = member_of if isinstance(member_of, Mapping) else {path: "maintainer" for path in member_of}
            user.member_of.update(roles)
            return user

    def token(self, user: User, scopes: Iterable[str], value: Optional[str] = None, **attributes: object) -> Token:
        with self._lock:
            number = next(self._token_ids)
            attributes.setdefault("name", f"token {number}")
            secret = value or "glpat-" + secrets.token_urlsafe(15)
            token = Token(number, secret, user, scopes=tuple(scopes), **attributes)  # type: ignore[arg-type]
            self.tokens[secret] = token
            return token

    # -- finding --------------------------------------------------------------------------------------------------

    def find(self, full_path: str) -> Optional[Project]:
        """By present path, whatever its case."""
        return self._by_path.get(full_path.lower())

    def find_moved(self, full_path: str) -> Optional[Project]:
        wanted = full_path.lower()
        for project in self.projects.values():
            if any(old.lower() == wanted for old in project.redirects):
                return project
        return None

    # -- rights ---------------------------------------------------------------------------------------------------

    def sees_all(self, token: Optional[Token]) -> bool:
        if token is None or not token.user.admin:
            return False
        return not self.admin_mode or "admin_mode" in token.scopes or token.lfs_only

    def role(self, token: Optional[Token], project: Project) -> Optional[str]:
        if token is None:
            return None
        path = project.full_path
        while path:
            for member, role in token.user.member_of.items():
                if member.lower() == path.lower():
                    return role
            path = path.rpartition("/")[0]
        return None

    def can_read_project(self, token: Optional[Token], project: Project) -> bool:
        if project.deleted:
            return False
        if self.sees_all(token) or self.role(token, project) or project.visibility == "public":
            return True
        return project.visibility == "internal" and token is not None

    def can_read_code(self, token: Optional[Token], project: Project) -> bool:
        if not self.can_read_project(token, project) or project.repository_access_level == "disabled":
            return False
        if self.sees_all(token):
            return True
        role = self.role(token, project)
        if project.repository_access_level == "private":
            return role not in (None, "guest")
        return project.visibility != "private" or role != "guest"

    def repository_enabled(self, token: Optional[Token], project: Project) -> bool:
        """Whether the feature "repository" exists for this caller (branches and commits say 404 otherwise)."""
        if project.repository_access_level == "disabled":
            return False
        return project.repository_access_level != "private" or self.can_read_code(token, project)
