"""The bodies and headers of GitLab's webhooks (doc/user/project/integrations/webhook_events.md, lib/gitlab/data_builder/push.rb).

    send(url, push(project, "refs/heads/main", commit), token="the secret token")
"""

from __future__ import annotations

import uuid

import requests

from .gitlab_store import Project

NO_COMMIT = "0" * 40
LISTED_COMMITS = 20  # the newest; total_commits_count counts all


def _commit(identifier: str, message: str) -> dict:
    return {"id": identifier, "message": f"{message}\n", "title": message, "timestamp": "2026-01-01T08:00:00+00:00",
            "url": f"https://gitlab.test/-/commit/{identifier}", "author": {"name": "Jane Smith", "email": "[REDACTED]"},
            "added": [], "modified": ["config.json"], "removed": []}


def _event(project: Project, kind: str, ref: str, before: str, after: str, commits: list[dict], total: int, message: str | None) -> dict:
    web = f"https://gitlab.test/{project.full_path}"
    deleted = after == NO_COMMIT
    return {
        "object_kind": kind, "event_name": kind, "before": before, "after": after, "ref": ref, "ref_protected": True,
        "checkout_sha": None if deleted else commits[-1]["id"] if commits else after, "message": message,
        "user_id": 4, "user_name": "Jane Smith", "user_username": "jsmith", "user_email": "", "user_avatar": None,
        "project_id": project.id,
        "project": {"id": project.id, "name": "Qwen 2.5", "description": "", "web_url": web, "avatar_url": None,
                    "git_ssh_url": f"git@gitlab.test:{project.full_path}.git", "git_http_url": f"{web}.git", "namespace": "Models of Team A",
                    "visibility_level": 0, "path_with_namespace": project.full_path, "default_branch": "main", "ci_config_path": None,
                    "homepage": web, "url": f"git@gitlab.test:{project.full_path}.git", "ssh_url": f"git@gitlab.test:{project.full_path}.git",
                    "http_url": f"{web}.git"},
        "commits": commits[-LISTED_COMMITS:], "total_commits_count": total, "push_options": {},
        "repository": {"name": "Qwen 2.5", "url": f"git@gitlab.test:{project.full_path}.git", "description": "", "homepage": web,
                       "git_http_url": f"{web}.git", "git_ssh_url": f"git@gitlab.test:{project.full_path}.git", "visibility_level": 0}}


def push(project: Project, ref: str, commit: str, before: str = "95790bf891e76fee5e1747ab589903a6a1f80f22", message: str = "Add weights",
         count: int = 1, **changes) -> dict:
    """A push of ``count`` commits whose last is ``commit``. ``changes`` are laid over the body."""
    earlier = [_commit(f"{number:040x}", f"Commit {number}") for number in range(1, count)]
    return _event(project, "push", ref, before, commit, [*earlier, _commit(commit, message)], count, None) | changes


def new_branch(project: Project, ref: str, commit: str) -> dict:
    """A branch that begins at a commit that is there already: no commits are listed."""
    return _event(project, "push", ref, NO_COMMIT, commit, [], 0, None)


def tag_push(project: Project, ref: str, commit: str, tag_object: str | None = None, message: str | None = None) -> dict:
    """A new tag; ``tag_object`` and ``message`` for an annotated one: ``after`` is then the tag's id, ``checkout_sha`` the commit's."""
    return _event(project, "tag_push", ref, NO_COMMIT, tag_object or commit, [_commit(commit, "Add weights")], 1, message)


def deletion(project: Project, ref: str, last: str) -> dict:
    """A branch or tag that was deleted: ``after`` is all zeros, ``checkout_sha`` null."""
    kind = "tag_push" if ref.startswith("refs/tags/") else "push"
    return _event(project, kind, ref, last, NO_COMMIT, [], 0, None)


def headers(body: dict, token: str | None) -> dict[str, str]:
    name = {"push": "Push Hook", "tag_push": "Tag Push Hook"}[body["object_kind"]]
    sent = {"User-Agent": "GitLab/17.5.1", "X-Gitlab-Event": name, "X-Gitlab-Webhook-UUID": str(uuid.uuid4()), "X-Gitlab-Instance": "https://gitlab.test",
            "X-Gitlab-Event-UUID": str(uuid.uuid4()), "Idempotency-Key": str(uuid.uuid4())}
    return sent if token is None else {**sent, "X-Gitlab-Token": token}


def send(url: str, body: dict, token: str | None) -> requests.Response:
    return requests.post(url, json=body, headers=headers(body, token), timeout=10)
