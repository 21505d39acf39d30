"""GitLab's list filters and its search (lib/gitlab/sql/pattern.rb, Project.search, app/finders/projects_finder.rb)."""

from __future__ import annotations

import re
from typing import Optional

from .gitlab_auth import Refused
from .gitlab_entities import ACCESS_LEVELS
from .gitlab_message import Response
from .gitlab_store import Project, Store, Token

SHORTEST_WORD = 3
QUOTED = re.compile(r'(?:^|(?<= ))"([^"]+)"(?= |$)')
ORDERS = ("id", "name", "path", "created_at", "updated_at", "last_activity_at", "similarity", "star_count")


def _fuzzy(text: Optional[str], query: str, words: list[str]) -> bool:
    if text is None:
        return False
    text = text.lower()
    return all(word in text for word in words) if words else text == query


def search_projects(projects: list[Project], query: str, namespaces: bool) -> list[Project]:
    """Words of three letters and more must all be in one column; shorter ones are dropped; when none is left, a column must
    equal the whole text. Columns: path, name, description; with namespaces the full path and the full name."""
    text = " ".join(query.split()).lower()
    if not text:
        return projects
    quoted = QUOTED.findall(text)
    words = [w for w in QUOTED.sub("", text).split() + quoted if len(w) >= SHORTEST_WORD]

    def matches(project: Project) -> bool:
        path, name = (project.full_path, project.full_name) if namespaces else (project.path, project.name)
        return any(_fuzzy(column, text, words) for column in (path, name, project.description))

    return [project for project in projects if matches(project)]


def matches_search(name: str, search: Optional[str]) -> bool:
    """The search of branch and tag lists: part of the name, ^start, end$."""
    if not search:
        return True
    text, name = search.lower(), name.lower()
    if text.startswith("^"):
        return name.startswith(text[1:])
    return name.endswith(text[:-1]) if text.endswith("$") else text in name


def _flag(parameters: dict[str, str], name: str) -> Optional[bool]:
    text = parameters.get(name)
    return None if text is None else text.lower() in ("true", "1", "t", "yes", "on")


def _number(parameters: dict[str, str], name: str) -> Optional[int]:
    text = parameters.get(name)
    if not text:
        return None
    if not text.isdigit():
        raise Refused(Response.json(400, {"error": f"{name} is invalid"}))
    return int(text)


def filter_projects(
    store: Store, projects: list[Project], parameters: dict[str, str], token: Optional[Token]
) -> list[Project]:
    rows = projects
    archived = _flag(parameters, "archived")
    if archived is not None:
        rows = [p for p in rows if p.archived == archived]
    if parameters.get("visibility"):
        rows = [p for p in rows if p.visibility == parameters["visibility"]]
    if parameters.get("topic"):
        wanted = {topic.strip().lower() for topic in parameters["topic"].split(",")}
        rows = [p for p in rows if wanted <= {topic.lower() for topic in p.topics}]
    if _flag(parameters, "membership") or _flag(parameters, "owned"):
        rows = [p for p in rows if store.role(token, p)]
    level = _number(parameters, "min_access_level")
    if level is not None:
        rows = [p for p in rows if ACCESS_LEVELS.get(store.role(token, p) or "", 0) >= level]
    after, before = _number(parameters, "id_after"), _number(parameters, "id_before")
    rows = [p for p in rows if (after is None or p.id > after) and (before is None or p.id < before)]
    if parameters.get("search"):
        rows = search_projects(rows, parameters["search"], bool(_flag(parameters, "search_namespaces")))
    return _sort(rows, parameters)


def _sort(rows: list[Project], parameters: dict[str, str]) -> list[Project]:
    order = parameters.get("order_by") or "created_at"
    if order not in ORDERS:
        raise Refused(Response.json(400, {"error": "order_by does not have a valid value"}))
    if parameters.get("sort", "desc") not in ("asc", "desc"):
        raise Refused(Response.json(400, {"error": "sort does not have a valid value"}))
    keys = {"name": lambda p: (p.name.lower(), p.id), "path": lambda p: (p.path.lower(), p.id)}
    key = keys.get(order, lambda p: p.id)  # all dates follow the id here
    return sorted(rows, key=key, reverse=parameters.get("sort", "desc") == "desc")
