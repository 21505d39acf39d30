"""GitLab's JSON objects, field by field as lib/api/entities/ and doc/api/ of GitLab describe them."""

from __future__ import annotations

import base64
import datetime
import hashlib
from typing import Optional
from urllib.parse import quote

from .gitlab_objects import Commit, Entry, Objects, TagObject
from .gitlab_store import Group, Project, Store, Token, timestamp

ACCESS_LEVELS = {"guest": 10, "reporter": 20, "developer": 30, "maintainer": 40, "owner": 50}


def git_time(seconds: int, zone: str) -> str:
    offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-1 if zone.startswith("-") else 1)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone(datetime.timedelta(minutes=offset)))
    return moment.isoformat(timespec="milliseconds")


class Entities:
    """url: the instance's external URL, base path included; version: (major, minor)."""

    def __init__(self, store: Store, objects: Objects, url: str, version: tuple[int, int]) -> None:
        self.store, self.objects, self.url, self.version = store, objects, url, version

    # -- projects -------------------------------------------------------------------------------------------------

    def namespace(self, group: Group) -> dict:
        return {
            "id": group.id,
            "name": group.name,
            "path": group.path,
            "kind": group.kind,
            "full_path": group.full_path,
            "parent_id": group.parent.id if group.parent else None,
            "avatar_url": None,
            "web_url": f"{self.url}/groups/{group.full_path}",
        }

    def http_url(self, project: Project) -> str:
        return f"{self.url}/{project.full_path}.git"

    def _identity(self, project: Project) -> dict:
        return {
            "id": project.id,
            "description": project.description,
            "name": project.name,
            "name_with_namespace": project.full_name,
            "path": project.path,
            "path_with_namespace": project.full_path,
            "created_at": project.created_at,
        }

    def basic_project(self, project: Project, token: Optional[Token]) -> dict:
        """BasicProjectDetails: what simple=true and an anonymous caller get."""
        code = self.store.can_read_code(token, project)
        row = self._identity(project)
        if code:
            row["default_branch"] = self._default_branch(project)
        row["tag_list"] = sorted(project.topics)
        row["topics"] = sorted(project.topics)
        host = self.url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]
        row["ssh_url_to_repo"] = f"git@{host}:{project.full_path}.git"
        row["http_url_to_repo"] = self.http_url(project)
        row["web_url"] = f"{self.url}/{project.full_path}"
        if code:
            row["readme_url"] = self._readme_url(project)
            row["forks_count"] = 0
        row["avatar_url"] = None
        row["star_count"] = 0
        row["last_activity_at"] = project.created_at
        row["visibility"] = project.visibility
        row["namespace"] = self.namespace(project.group)
        return row

    def _default_branch(self, project: Project) -> Optional[str]:
        # default_branch_or_main since GitLab 14; before, an empty repository had none.
        return project.default_branch if self.version >= (14, 0) or not project.empty else None

    def _readme_url(self, project: Project) -> Optional[str]:
        if project.repository is None:
            return None
        commit = self.objects.branch(project.repository, project.default_branch)
        rows = self.objects.tree(project.repository, commit) or [] if commit else []
        names = [row.name for row in rows if row.kind == "blob" and row.name.lower().split(".")[0] == "readme"]
        preferred = sorted(names, key=lambda name: (not name.lower().endswith(".md"), name))
        return f"{self.url}/{project.full_path}/-/blob/{project.default_branch}/{preferred[0]}" if preferred else None

    def project(self, project: Project, token: Optional[Token], single: bool = False) -> dict:
        """ProjectWithAccess: what a signed-in caller gets."""
        api = f"{self.url}/api/v4/projects/{project.id}"
        row = self.basic_project(project, token)
        del row["visibility"]
        row["_links"] = {
            "self": api,
            "issues": f"{api}/issues",
            "merge_requests": f"{api}/merge_requests",
            "repo_branches": f"{api}/repository/branches",
            "labels": f"{api}/labels",
            "events": f"{api}/events",
            "members": f"{api}/members",
            "cluster_agents": f"{api}/cluster_agents",
        }
        row.update(
            marked_for_deletion_at=project.marked_for_deletion_on,
            marked_for_deletion_on=project.marked_for_deletion_on,
            packages_enabled=True,
            empty_repo=project.empty,
            archived=project.archived,
            visibility=project.visibility,
            resolve_outdated_diff_discussions=False,
            issues_enabled=True,
            merge_requests_enabled=True,
            wiki_enabled=True,
            jobs_enabled=True,
            snippets_enabled=True,
            container_registry_enabled=False,
            service_desk_enabled=False,
            can_create_merge_request_in=True,
            issues_access_level="enabled",
            repository_access_level=project.repository_access_level,
            merge_requests_access_level="enabled",
            forking_access_level="enabled",
            wiki_access_level="enabled",
            builds_access_level="enabled",
            snippets_access_level="enabled",
            pages_access_level="private",
            emails_disabled=False,
            emails_enabled=True,
            shared_runners_enabled=True,
            lfs_enabled=project.lfs_enabled,
            creator_id=1,
            import_url=None,
            import_type=None,
            import_status=project.import_status,
            open_issues_count=0,
            ci_default_git_depth=20,
            public_jobs=True,
            shared_with_groups=[],
            only_allow_merge_if_pipeline_succeeds=False,
            request_access_enabled=True,
            remove_source_branch_after_merge=True,
            merge_method="merge",
            squash_option="default_off",
            autoclose_referenced_issues=True,
            repository_storage="default",
            mirror=project.mirror,
        )
        if single:
            row["import_error"] = None
        row["permissions"] = self._permissions(project, token)
        row.update(project.extra)
        return row

    def _permissions(self, project: Project, token: Optional[Token]) -> dict:
        role = self.store.role(token, project)
        if role is None:
            return {"project_access": None, "group_access": None}
        access = {"access_level": ACCESS_LEVELS[role], "notification_level": 3}
        direct = token is not None and project.full_path in token.user.member_of
        return {"project_access": access if direct else None, "group_access": None if direct else access}

    # -- commits, branches, tags ----------------------------------------------------------------------------------

    def commit(self, project: Project, commit: Commit) -> dict:
        committed = git_time(commit.committer[2], commit.committer[3])
        return {
            "id": commit.id,
            "short_id": commit.id[:8],
            "created_at": committed,
            "parent_ids": list(commit.parents),
            "title": commit.message.split("\n", 1)[0],
            "message": commit.message,
            "author_name": commit.author[0],
            "author_email": commit.author[1],
            "authored_date": git_time(commit.author[2], commit.author[3]),
            "committer_name": commit.committer[0],
            "committer_email": commit.committer[1],
            "committed_date": committed,
            "trailers": {},
            "extended_trailers": {},
            "web_url": f"{self.url}/{project.full_path}/-/commit/{commit.id}",
        }

    def commit_detail(self, project: Project, commit: Commit, stats: bool) -> dict:
        row = self.commit(project, commit)
        if stats and project.repository:
            row["stats"] = self.objects.stats(project.repository, commit)
        row.update(status=None, project_id=project.id, last_pipeline=None)
        return row

    def branch(self, project: Project, name: str, commit: Commit, token: Optional[Token]) -> dict:
        protected = name == project.default_branch
        role = self.store.role(token, project)
        return {
            "name": name,
            "commit": self.commit(project, commit),
            "merged": False,
            "protected": protected,
            "developers_can_push": False,
            "developers_can_merge": False,
            "can_push": self.store.sees_all(token) or role in ("maintainer", "owner"),
            "default": protected,
            "web_url": f"{self.url}/{project.full_path}/-/tree/{quote(name, safe='/')}",
        }

    def tag(self, project: Project, name: str, tag: TagObject, commit: Optional[Commit]) -> dict:
        annotated = tag.tagged_at is not None
        row = {
            "name": name,
            # A light tag has null or "", by version (doc/api/tags.md and what is seen in the field).
            "message": tag.message if annotated else (None if self.version >= (17, 0) else ""),
            "target": tag.id,
            "commit": self.commit(project, commit) if commit else None,
            "release": None,
            "protected": False,
        }
        if self.version >= (16, 11):
            row["created_at"] = git_time(tag.tagged_at, tag.zone) if annotated else None
        return row

    # -- files ----------------------------------------------------------------------------------------------------

    def file(self, project: Project, commit: Commit, entry: Entry, blob: bytes, ref: str) -> dict:
        """blob_data of lib/api/files.rb, without the content."""
        assert project.repository
        return {
            "file_name": entry.name,
            "file_path": entry.path,
            "size": len(blob),
            "encoding": "base64",
            "content_sha256": hashlib.sha256(blob).hexdigest(),
            "ref": ref,
            "blob_id": entry.sha,
            "commit_id": commit.id,
            "last_commit_id": self.objects.last_commit(project.repository, commit, entry.path),
            "execute_filemode": entry.mode == "100755",
        }

    @staticmethod
    def file_headers(row: dict) -> list[tuple[str, str]]:
        """X-Gitlab-* of the row (lib/api/helpers/headers_helpers.rb)."""
        names = [(key, "X-Gitlab-" + "-".join(word.capitalize() for word in key.split("_"))) for key in row]
        texts = {True: "true", False: "false"}
        return [
            (name, texts.get(row[key], str(row[key])) if isinstance(row[key], bool) else str(row[key]))
            for key, name in names
            if key != "content"
        ]

    @staticmethod
    def content(blob: bytes) -> str:
        return base64.b64encode(blob).decode()

    @staticmethod
    def tree_entry(entry: Entry) -> dict:
        return {"id": entry.sha, "name": entry.name, "type": entry.kind, "path": entry.path, "mode": entry.mode}

    # -- tokens ---------------------------------------------------------------------------------------------------

    @staticmethod
    def token(token: Token) -> dict:
        return {
            "id": token.id,
            "name": token.name,
            "revoked": token.revoked,
            "created_at": timestamp(token.created),
            "description": None,
            "scopes": list(token.scopes),
            "user_id": token.user.id,
            "last_used_at": timestamp(token.last_used) if token.last_used else None,
            "active": token.active,
            "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        }
