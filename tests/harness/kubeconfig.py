"""Writes kubeconfig files, in every form of credential that the format knows."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path

import yaml

from .pki import Pair, write_secret


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def token_user(token: str) -> dict:
    return {"token": token}


def token_file_user(path: Path) -> dict:
    return {"tokenFile": str(path)}


def certificate_user(pair: Pair) -> dict:
    """The certificate and key inline."""
    return {"client-certificate-data": _b64(pair.cert), "client-key-data": _b64(pair.key)}


def certificate_files_user(pair: Pair, directory: Path, name: str) -> dict:
    cert, key = pair.write(directory, name)
    return {"client-certificate": str(cert), "client-key": str(key)}


def basic_user(username: str, password: str) -> dict:
    return {"username": username, "password": password}


def exec_user(directory: Path, status: dict, api_version: str = "client.authentication.k8s.io/v1", exit_code: int = 0,
              stderr: str = "", install_hint: str = "", env: dict[str, str] | None = None) -> dict:
    """An exec plugin: a program that prints an ExecCredential with ``status`` (token, or clientCertificateData and
    clientKeyData, and expirationTimestamp). Each call appends a line to DIRECTORY/exec-plugin.calls, with the
    KUBERNETES_EXEC_INFO that it was given."""
    directory.mkdir(parents=True, exist_ok=True)
    credential = {"apiVersion": api_version, "kind": "ExecCredential", "status": status}
    answer = write_secret(directory / "exec-plugin.json", json.dumps(credential))
    calls = directory / "exec-plugin.calls"
    program = directory / "exec-plugin"
    program.write_text("#!/bin/sh\n"
                       f'printf "%s\\n" "${{KUBERNETES_EXEC_INFO-}}" >>{shlex.quote(str(calls))}\n'
                       + (f"printf '%s\\n' {shlex.quote(stderr)} >&2\n" if stderr else "")
                       + (f"exit {exit_code}\n" if exit_code else f"exec cat {shlex.quote(str(answer))}\n"))
    program.chmod(0o755)
    plugin = {"apiVersion": api_version, "command": str(program), "interactiveMode": "Never", "provideClusterInfo": False}
    if install_hint:
        plugin["installHint"] = install_hint
    if env:
        plugin["env"] = [{"name": k, "value": v} for k, v in env.items()]
    return {"exec": plugin}


def build(server: str, user: dict, ca: bytes | None = None, ca_file: Path | None = None, namespace: str | None = None,
          context: str = "test", tls_server_name: str | None = None, proxy_url: str | None = None,
          insecure: bool = False) -> dict:
    """A kubeconfig with one cluster, one user and one context, all named ``context``."""
    cluster: dict = {"server": server}
    if ca is not None:
        cluster["certificate-authority-data"] = _b64(ca)
    if ca_file is not None:
        cluster["certificate-authority"] = str(ca_file)
    if tls_server_name:
        cluster["tls-server-name"] = tls_server_name
    if proxy_url:
        cluster["proxy-url"] = proxy_url
    if insecure:
        cluster["insecure-skip-tls-verify"] = True
    settings = {"cluster": context, "user": context}
    if namespace:
        settings["namespace"] = namespace
    return {"apiVersion": "v1", "kind": "Config", "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": settings}]}


def write(path: Path, config: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_secret(path, yaml.safe_dump(config, sort_keys=False))
