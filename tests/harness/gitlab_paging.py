"""GitLab's two ways to page (doc/api/rest/_index.md#pagination, lib/gitlab/pagination/)."""

from __future__ import annotations

from typing import Optional
from urllib.parse import parse_qsl, urlencode

from .gitlab_auth import Refused
from .gitlab_message import Request, Response

DEFAULT_SIZE = 20
LARGEST_SIZE = 100
COUNTED_ROWS = 10_000  # beyond, GitLab does not count: no x-total, x-total-pages, rel="last"


def page_numbers(parameters: dict[str, str]) -> tuple[int, int]:
    """(page, per_page); per_page above 100 is 100."""
    numbers = []
    for name, default in (("page", 1), ("per_page", DEFAULT_SIZE)):
        text = parameters.get(name) or str(default)
        if not text.lstrip("-").isdigit():
            raise Refused(Response.json(400, {"error": f"{name} is invalid"}))
        numbers.append(int(text) if int(text) > 0 else default)
    return numbers[0], min(numbers[1], LARGEST_SIZE)


def page_url(base: str, request: Request, changes: dict[str, Optional[str]]) -> str:
    """The request's URL on the instance's own external address, with other parameters. Secrets in the query stay out."""
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    parameters.update({name: value for name, value in changes.items() if value is not None})
    for secret in ("private_token", "access_token", "job_token"):
        parameters.pop(secret, None)
    path = request.path[request.path.index("/api/v4") :]
    return f"{base}{path}?{urlencode(sorted(parameters.items()))}"


def offset_headers(base: str, request: Request, page: int, size: int, total: int) -> list[tuple[str, str]]:
    pages = max(1, -(-total // size))
    following = page + 1 if page < pages else None
    previous = page - 1 if page > 1 else None
    counted = total <= COUNTED_ROWS

    def link(number: int, name: str) -> str:
        return f'<{page_url(base, request, {"page": str(number), "per_page": str(size)})}>; rel="{name}"'

    links = [link(previous, "prev")] if previous else []
    links += [link(following, "next")] if following else []
    links += [link(1, "first")] + ([link(pages, "last")] if counted else [])
    headers = [
        ("Link", ", ".join(links)),
        ("X-Next-Page", str(following or "")),
        ("X-Page", str(page)),
        ("X-Per-Page", str(size)),
        ("X-Prev-Page", str(previous or "")),
    ]
    return headers + ([("X-Total", str(total)), ("X-Total-Pages", str(pages))] if counted else [])


def keyset_link(base: str, request: Request, position: dict[str, str]) -> tuple[str, str]:
    return "Link", f'<{page_url(base, request, dict(position))}>; rel="next"'
