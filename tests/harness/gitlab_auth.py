"""Who is calling: GitLab's token rules for REST and GraphQL (lib/api/api_guard.rb, lib/gitlab/auth/auth_finders.rb)."""

from __future__ import annotations

import datetime
from typing import Optional

from .gitlab_message import Request, Response, credential
from .gitlab_store import Store, Token

EXPIRED = "Token is expired. You can either do re-authorization or token refresh."
REVOKED = "Token was revoked. You have to re-authorize from the user."
IMPERSONATION = "Token is an impersonation token but impersonation was disabled."
SCOPE = "The request requires higher privileges than provided by the access token."


class Refused(Exception):
    """An answer that ends the request."""

    def __init__(self, response: Response) -> None:
        self.response = response


def api_error(status: int, message: object) -> Refused:
    return Refused(Response.json(status, {"message": message}))


def _oauth(status: int, error: str, text: str, **more: str) -> Refused:
    response = Response.json(status, {"error": error, "error_description": text, **more})
    if status == 401:
        challenge = f'Bearer realm="Protected by OAuth 2.0", error="{error}", error_description="{text}"'
        response.headers.set("WWW-Authenticate", challenge)
        response.headers.set("Cache-Control", "no-store")
    return Refused(response)


def check_state(store: Store, token: Token) -> None:
    if token.revoked:
        raise _oauth(401, "invalid_token", REVOKED)
    if token.expired:
        raise _oauth(401, "invalid_token", EXPIRED)
    if token.impersonation and not store.impersonation_enabled:
        raise _oauth(401, "invalid_token", IMPERSONATION)


def authenticate(store: Store, request: Request, scopes: tuple[str, ...]) -> Optional[Token]:
    """The token behind an API request, or None for an anonymous one.

    scopes: any one of them lets the request in; empty: any token does. A request with a token that is unknown, over or
    too narrow is refused even where an anonymous one would be served.
    """
    kind, value = credential(request)
    if kind is None:
        return None
    token = store.tokens.get(value or "")
    if token is None or token.lfs_only or kind == "job-token":
        raise api_error(401, "401 Unauthorized")
    check_state(store, token)
    if scopes and not set(scopes) & set(token.scopes):
        raise _oauth(403, "insufficient_scope", SCOPE, scope=" ".join(scopes))
    if token.user.blocked:
        raise api_error(403, "403 Forbidden - Your account has been blocked.")
    token.last_used = datetime.datetime.now(datetime.timezone.utc)
    return token
