"""A small Kubernetes REST client: real requests, plain dicts, no schema.

    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
    client.get("InferenceService", "iris", "a")
    client.apply(manifest)                                     # server-side apply
    client.patch("Deployment", "x", "a", {"spec": {"replicas": 2}})
    client.patch_status("Deployment", "x", "a", {...})
    client.wait_for("Deployment", "x", "a", lambda d: d["status"].get("readyReplicas"), timeout=20)

A kind is named by its Kind ("Pod"), or by "apiVersion/Kind" where two groups have it ("events.k8s.io/v1/Event").
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterator

import requests
import yaml


class ApiError(Exception):
    """An answer other than 2xx: ``code``, ``reason`` and the whole ``status`` object."""

    def __init__(self, method: str, path: str, response: requests.Response):
        self.code = response.status_code
        try:
            self.status = response.json()
        except ValueError:
            self.status = {"message": response.text[:2000]}
        self.reason = self.status.get("reason", "")
        self.message = self.status.get("message", "")
        super().__init__(f"{method} {path}: {self.code} {self.reason}: {self.message}")


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    """409, both AlreadyExists and Conflict."""


@dataclass(frozen=True)
class Resource:
    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        path = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        if self.namespaced and namespace:
            path += f"/namespaces/{namespace}"
        path += f"/{self.plural}"
        if name:
            path += f"/{name}"
        return path + (f"/{subresource}" if subresource else "")


PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Client:
    """Safe to use from several threads; each has its own connection. ``cert`` is a pair of files, ``token`` a bearer token."""

    def __init__(self, server: str, ca_file: str, cert: tuple[str, str] | None = None, token: str | None = None):
        self.server = server
        self._ca_file, self._cert, self._token = str(ca_file), cert, token
        self._local = threading.local()
        self._resources: dict[str, Resource] = {}
        self._lock = threading.Lock()

    # --- requests

    def _session(self) -> requests.Session:
        session = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False  # no proxy, no ~/.netrc
            session.verify = self._ca_file
            if self._cert:
                session.cert = tuple(str(c) for c in self._cert)
            if self._token:
                session.headers["Authorization"] = f"Bearer {self._token}"
            self._local.session = session
        return session

    def raw(self, method: str, path: str, body=None, content_type: str = "application/json", params: dict | None = None,
            stream: bool = False, timeout: float = 30, accept: str = "application/json", user: str | None = None) -> requests.Response:
        """One request, as ``user`` when one is given; raises ApiError unless the answer is 2xx."""
        data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": accept, **({"Impersonate-User": user} if user else {})}
        if stream:
            headers["Accept-Encoding"] = "identity"  # a compressed watch comes in blocks, late
        response = self._session().request(method, self.server + path, data=data, headers=headers, params=params,
                                           stream=stream, timeout=timeout)
        if response.status_code >= 300:
            kind = {404: NotFound, 409: Conflict}.get(response.status_code, ApiError)
            raise kind(method, path, response)
        return response

    def request(self, method: str, path: str, body=None, **kwargs) -> dict:
        return self.raw(method, path, body, **kwargs).json()

    # --- kinds

    def resource(self, kind: str) -> Resource:
        """Discovery; asked again when a kind is unknown, since custom resources come and go."""
        with self._lock:
            if kind not in self._resources:
                self._discover()
            if kind not in self._resources:
                raise LookupError(f"the API server knows no kind {kind}")
            return self._resources[kind]

    def _discover(self) -> None:
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        found: dict[str, Resource] = {}
        for path in ("/api", "/apis"):
            for group in self.request("GET", path, accept=accept)["items"]:
                name = group["metadata"].get("name", "")
                for version in group["versions"]:
                    api_version = f"{name}/{version['version']}" if name else version["version"]
                    for entry in version.get("resources", []):
                        kind = entry["responseKind"]["kind"]
                        resource = Resource(api_version, kind, entry["resource"], entry["scope"] == "Namespaced")
                        found[f"{api_version}/{kind}"] = resource
                        found.setdefault(kind, resource)  # core before the groups, the preferred version before the others
        self._resources = found

    def _of(self, manifest: dict) -> Resource:
        return self.resource(f"{manifest['apiVersion']}/{manifest['kind']}")

    # --- verbs

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict:
        return self.request("GET", self.resource(kind).path(namespace, name))

    def find(self, kind: str, name: str, namespace: str | None = None) -> dict | None:
        """As get, and None when it does not exist."""
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def list(self, kind: str, namespace: str | None = None, labels: str = "", fields: str = "") -> list[dict]:
        params = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        resource = self.resource(kind)
        items = self.request("GET", resource.path(namespace), params=params)["items"]
        return [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in items]

    def create(self, manifest: dict, namespace: str | None = None, **params) -> dict:
        namespace = namespace or manifest.get("metadata", {}).get("namespace")
        return self.request("POST", self._of(manifest).path(namespace), manifest, params=params)

    def apply(self, manifest: dict, namespace: str | None = None, manager: str = "harness", force: bool = True) -> dict:
        """Server-side apply."""
        metadata = manifest["metadata"]
        path = self._of(manifest).path(namespace or metadata.get("namespace"), metadata["name"])
        return self.request("PATCH", path, manifest, content_type=PATCH_TYPES["apply"],
                            params={"fieldManager": manager, "force": str(force).lower()})

    def replace(self, manifest: dict, subresource: str | None = None) -> dict:
        metadata = manifest["metadata"]
        path = self._of(manifest).path(metadata.get("namespace"), metadata["name"], subresource)
        return self.request("PUT", path, manifest)

    def patch(self, kind: str, name: str, namespace: str | None, body, type: str = "merge", subresource: str | None = None,
              **params) -> dict:
        path = self.resource(kind).path(namespace, name, subresource)
        return self.request("PATCH", path, body, content_type=PATCH_TYPES[type], params=params)

    def patch_status(self, kind: str, name: str, namespace: str | None, status: dict, type: str = "merge") -> dict:
        return self.patch(kind, name, namespace, {"status": status}, type=type, subresource="status")

    def delete(self, kind: str, name: str, namespace: str | None = None, **options) -> dict:
        return self.request("DELETE", self.resource(kind).path(namespace, name), options or None)

    def apply_all(self, text_or_items) -> list[dict]:
        """Applies YAML text (any number of documents) or a list of manifests, in order."""
        items = yaml.safe_load_all(text_or_items) if isinstance(text_or_items, str) else text_or_items
        return [self.apply(item) for item in items if item]

    def logs(self, pod: str, namespace: str, container: str, previous: bool = False, tail: int | None = None) -> str:
        params = {"container": container, "previous": str(previous).lower()}
        if tail is not None:
            params["tailLines"] = str(tail)
        return self.raw("GET", self.resource("Pod").path(namespace, pod, "log"), params=params, accept="*/*").text

    def events(self, namespace: str, name: str | None = None) -> list[dict]:
        """Core events, oldest first, of one object when ``name`` is given."""
        fields = f"involvedObject.name={name}" if name else ""
        return sorted(self.list("v1/Event", namespace, fields=fields), key=lambda e: int(e["metadata"]["resourceVersion"]))

    # --- watching

    def watch(self, kind: str, namespace: str | None = None, resource_version: str = "", labels: str = "", fields: str = "",
              timeout: float = 60, bookmarks: bool = False) -> Iterator[tuple[str, dict]]:
        """(type, object) pairs until the server ends the watch. Raises requests' exceptions when the connection breaks."""
        params = {"watch": "true", "timeoutSeconds": str(max(1, int(timeout)))}
        params.update({k: v for k, v in (("resourceVersion", resource_version), ("labelSelector", labels),
                                         ("fieldSelector", fields)) if v})
        if bookmarks:
            params["allowWatchBookmarks"] = "true"
        path = self.resource(kind).path(namespace)
        with self.raw("GET", path, params=params, stream=True, timeout=timeout + 5) as response:
            for line in response.iter_lines(chunk_size=None):
                if line:
                    event = json.loads(line)
                    yield event["type"], event["object"]

    def wait_for(self, kind: str, name: str, namespace: str | None, predicate: Callable[[dict], object],
                 timeout: float = 60) -> dict:
        """Returns the object as soon as ``predicate(object)`` is true. Missing keys (KeyError, TypeError) count as false."""
        deadline = time.monotonic() + timeout
        last = None
        while True:
            last = self.find(kind, name, namespace)
            if last is not None and _holds(predicate, last):
                return last
            if time.monotonic() >= deadline:
                raise TimeoutError(f"waited {timeout:g} s for {kind} {namespace or ''}/{name}; last seen:\n{yaml.safe_dump(last)}")
            time.sleep(0.05)

    def wait_gone(self, kind: str, name: str, namespace: str | None = None, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while self.find(kind, name, namespace) is not None:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"waited {timeout:g} s for {kind} {namespace or ''}/{name} to be gone")
            time.sleep(0.05)


def _holds(predicate: Callable[[dict], object], item: dict) -> bool:
    try:
        return bool(predicate(item))
    except (KeyError, TypeError, IndexError):
        return False


def condition(item: dict, type: str) -> dict:
    """The condition of that type, or {}."""
    for entry in item.get("status", {}).get("conditions") or []:
        if entry["type"] == type:
            return entry
    return {}


def is_true(item: dict, type: str) -> bool:
    return condition(item, type).get("status") == "True"
