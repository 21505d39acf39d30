"""The faults of the GitLab stand-in, its log, and its connections."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import subprocess
import time

import pytest

from harness.gitlab import Attacker, GitLab
from harness.gitlab_client import ask, connect, exchange, raw_answer, trust
from harness.gitlab_faults import (
    Body,
    Close,
    Drip,
    Endless,
    GzipBomb,
    HeaderFlood,
    Hook,
    Html,
    InvalidJson,
    MangleJson,
    OversizedJson,
    Redirect,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongType,
)
from harness.gitlab_pki import Certificates
from harness.model_repository import readme
from harness.process import AT_ONCE, wait_until


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 20, 400, 2000])
def test_reset_and_close_after_a_number_of_bytes(plain, after):
    project, token = plain.project("a/b"), plain.token()
    plain.fault("project", Reset(after=after), times=1)
    data, error = raw_answer(plain, f"/projects/{project.id}", token)
    assert len(data) == after and isinstance(error, ConnectionResetError)
    plain.fault("project", Close(after=after), times=1)
    data, error = raw_answer(plain, f"/projects/{project.id}", token)
    assert len(data) == after and error is None
    data, error = raw_answer(plain, f"/projects/{project.id}", token)
    assert b"200 OK" in data and error is None, "the faults are used up"


def test_reset_under_tls(g, model):
    g.fault("project", Reset(after=600, body=True))
    curl = ["curl", "-sS", "--cacert", g.ca_file, "-H", f"PRIVATE-TOKEN: {g.token()}", f"{g.api_url}/projects/{model.id}"]
    done = subprocess.run(curl, capture_output=True, text=True)
    assert len(done.stdout) == 600 and "Connection reset by peer" in done.stderr


def test_truncation(plain):
    project, token = plain.project("a/b"), plain.token()
    path = f"/projects/{project.id}"
    whole = ask(plain, path, token).body
    for fault in (Truncate(missing=100), Truncate(keep=200)):
        plain.fault("project", fault, times=1)
        with pytest.raises(http.client.IncompleteRead):
            ask(plain, path, token)
    plain.fault("project", Truncate(keep=200), times=1)
    data, _ = raw_answer(plain, path, token)
    assert data.endswith(b"\r\n\r\n" + whole[:200]) and f"Content-Length: {len(whole)}".encode() in data


def test_stalls_and_drips(plain):
    project, token = plain.project("a/b"), plain.token()
    path = f"/projects/{project.id}"
    plain.fault("project", Stall(None), times=1)
    with pytest.raises(TimeoutError):
        ask(plain, path, token, timeout=0.3)
    wait_until(lambda: [r for r in plain.requests if r.aborted and r.duration], 30, "the server to notice that the client left")
    assert plain.requests[0].duration < AT_ONCE
    plain.fault("project", Stall(0.3), times=1)
    begun = time.monotonic()
    assert ask(plain, path, token).status == 200 and time.monotonic() - begun >= 0.3
    plain.fault("project", Stall(0.3, after=10, body=True), times=1)
    begun = time.monotonic()
    assert ask(plain, path, token).json["id"] == project.id and time.monotonic() - begun >= 0.3
    plain.fault("file", Drip(2000), times=1)
    begun = time.monotonic()
    assert ask(plain, f"{path}/repository/files/README.md?ref=main", token).status == 200
    assert 0.3 < time.monotonic() - begun < 3 + AT_ONCE


def test_endless_and_oversized_bodies(plain):
    project, token = plain.project("a/b"), plain.token()
    path = f"/projects/{project.id}"
    plain.fault("project", Endless(), times=1)
    connection = connect(plain)
    connection.request("GET", f"/api/v4{path}", headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    assert response.headers["Transfer-Encoding"] == "chunked" and len(response.read(5_000_000)) == 5_000_000
    response.close()
    connection.close()
    plain.fault("project", Endless(content_length=1 << 40), times=1)
    connection = connect(plain)
    connection.request("GET", f"/api/v4{path}", headers={"Authorization": f"Bearer {token}"})
    assert connection.getresponse().headers["Content-Length"] == str(1 << 40)
    connection.close()
    for shape in ("field", "keys"):
        plain.fault("project", OversizedJson(3_000_000, shape), times=1)
        answer = ask(plain, path, token)
        assert len(answer.body) > 3_000_000 and answer.json["id"] == project.id, shape
    plain.fault("project", OversizedJson(1_000_000, "depth"), times=1)
    assert ask(plain, path, token).body.count(b"[") >= 900_000
    plain.fault("projects", OversizedJson(3_000_000), times=1)
    assert isinstance(ask(plain, "/projects", token).json, list)
    plain.fault("project", HeaderFlood(200, 1000), times=1)
    assert len(raw_answer(plain, path, token)[0]) > 200_000


def test_wrong_bodies(plain):
    project, token = plain.project("a/b"), plain.token()
    path = f"/projects/{project.id}"
    plain.fault("project", Html(200), times=1)
    page = ask(plain, path, token)
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    plain.fault("project", InvalidJson(), times=1)
    with pytest.raises(ValueError):
        assert ask(plain, path, token).json
    plain.fault("project", WrongType("text/plain"), times=1)
    wrong = ask(plain, path, token)
    assert wrong.headers["content-type"] == "text/plain" and wrong.json["id"] == project.id
    plain.fault("project", Body("[]"), times=1)
    assert ask(plain, path, token).json == []
    plain.fault("project", MangleJson(lambda row: row.update(id="7; rm")), times=1)
    assert ask(plain, path, token).json["id"] == "7; rm"
    plain.fault("project", GzipBomb(20 << 20), times=1)
    bomb = ask(plain, path, token)
    assert bomb.headers["content-encoding"] == "gzip" and len(bomb.body) < 200_000
    assert len(gzip.decompress(bomb.body)) > 20 << 20
    plain.fault("project", Status(503), times=1)
    assert ask(plain, path, token).json == {"message": "503 Service Unavailable"}
    plain.fault("project", Status(502), times=1)
    assert ask(plain, path, token).headers["content-type"].startswith("text/html")
    plain.fault("project", Status(429, "Retry later", headers={"Retry-After": "1"}), times=1)
    assert ask(plain, path, token).headers["retry-after"] == "1"


def test_rules_choose_requests(plain):
    project, token = plain.project("a/b"), plain.token()
    path = f"/projects/{project.id}"
    rule = plain.fault("*/projects/*", Status(500), times=2, skip=1)
    assert [ask(plain, path, token).status for _ in range(5)] == [200, 500, 500, 200, 200] and rule.hits == 2
    plain.fault(lambda request: request.token is None, Status(418, "teapot"))
    assert ask(plain, path).status == 418 and ask(plain, path, token).status == 200
    plain.clear_faults()
    with pytest.raises(ValueError, match="no endpoint is called"):
        plain.fault("poject", Status(500))
    seen = []
    plain.fault("api", Hook(before=lambda request: seen.append(request.endpoint)))
    ask(plain, path, token), ask(plain, f"{path}/repository/branches/main", token), ask(plain, "/none", token)
    assert seen == ["project", "branch", "unrouted"]


def test_a_branch_moves_between_two_requests(g, model):
    token, first = g.token(), model.head()
    g.fault("branch", Hook(after=lambda *_: model.commit({"README.md": readme("other")}) and None), times=1)
    base = f"/projects/{model.id}/repository"
    assert ask(g, f"{base}/branches/main", token).json["commit"]["id"] == first
    assert ask(g, f"{base}/branches/main", token).json["commit"]["id"] == model.head() != first
    assert ask(g, f"{base}/files/README.md?ref={first}", token).json["commit_id"] == first


def test_redirects_and_the_attacker(g, model, tmp_path):
    token = g.token()
    with Attacker(tmp_path, tls=False) as evil:
        g.fault("project", Redirect(base=evil.url), times=2)
        location = ask(g, f"/projects/{model.id}", token).headers["location"]
        assert location == f"{evil.url}/api/v4/projects/{model.id}"
        curl = ["curl", "-sSL", "--cacert", g.ca_file, "-H", f"PRIVATE-TOKEN: {token}", f"{g.api_url}/projects/{model.id}"]
        done = subprocess.run(curl, capture_output=True, check=True)
        assert json.loads(done.stdout)["id"] == 666
        assert evil.saw(token) and evil.tokens_seen() == {str(token)}, "curl sends custom headers wherever it is sent"
        assert not evil.saw("some-other-secret")
    g.fault("project", Redirect(code=307))
    loop = ask(g, f"/projects/{model.id}", token)
    assert loop.status == 307 and loop.headers["location"] == f"{g.api_url}/projects/{model.id}"


# -- connections and TLS ------------------------------------------------------------------------------------------


def test_log_of_requests_and_connections(g, model):
    token = g.token()
    connection = connect(g)
    for _ in range(3):
        assert exchange(connection, "GET", f"/api/v4/projects/{model.id}", {"PRIVATE-TOKEN": str(token)}).status == 200
    connection.close()
    ask(g, "/projects?search=a%20b")
    rows = g.requests
    assert [r.connection for r in rows] == [1, 1, 1, 2] and [r.sequence for r in rows] == [0, 1, 2, 0]
    assert rows[3].target == "/api/v4/projects?search=a%20b" and rows[3].token is None and rows[0].token == str(token)
    assert {r.status for r in rows} == {200} and rows[0].bytes_sent > 1000 and rows[0].tls["version"] == "TLSv1.3"
    assert g.connection_count == 2 and g.tokens_seen() == {str(token)}
    g.clear_log()
    assert g.requests == [] and g.wait_for_requests(0) == []


def test_keep_alive_can_be_off(tmp_path):
    with GitLab(tmp_path, keep_alive=False) as g:
        assert ask(g, "/projects").headers["connection"] == "close"


@pytest.mark.parametrize("kind", ["expired", "not_yet_valid", "wrong_name", "self_signed", "other_authority"])
def test_bad_certificates_are_refused_by_a_careful_client(g, tmp_path, kind):
    careful = trust(g)
    bad = {
        "expired": lambda: g.certificates.issue("bad", expired=True),
        "not_yet_valid": lambda: g.certificates.issue("bad", not_yet_valid=True),
        "wrong_name": lambda: g.certificates.issue("bad", names=["wrong.example"]),
        "self_signed": lambda: g.certificates.self_signed("bad"),
        "other_authority": lambda: Certificates(tmp_path / "other", "Other").issue("bad"),
    }[kind]()
    g.set_certificate(bad)
    connection = http.client.HTTPSConnection("127.0.0.1", g.port, context=careful, timeout=30)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/")
    wait_until(lambda: g.connections[-1].handshake_error, 30, "the server to notice it")
    assert g.requests == []


def test_certificates_with_an_intermediate_and_rsa_are_accepted(g):
    for options in ({"intermediate": True}, {"key": "rsa"}, {"key": "ec384"}):
        g.set_certificate(g.certificates.issue("other", **options))
        assert ask(g, "/projects").status == 200, options
    g.set_certificate(g.certificates.self_signed("itself"))
    assert ask(g, "/projects").status == 200, "ca_file of a self-signed certificate is itself"


def test_connection_faults(g):
    for kind in ("reset", "close", "garbage"):
        g.on_connect(kind)
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(g, "/projects")
    stall = g.on_connect("stall")
    with pytest.raises(TimeoutError):
        ask(g, "/projects", timeout=0.3)
    wait_until(lambda: stall.times == 0, 30, "the stalled connection to have met its fault")
    g.on_connect("slow", seconds=0.3)
    begun = time.monotonic()
    assert ask(g, "/projects").status == 200 and time.monotonic() - begun >= 0.3
    assert ask(g, "/projects").status == 200


def test_tls_versions(tmp_path):
    with GitLab(tmp_path, tls_versions=("1.2", "1.2")) as g:
        ask(g, "/projects")
        assert g.connections[0].tls["version"] == "TLSv1.2"


def test_long_targets_and_bad_requests_get_the_front_servers_answers(plain):
    assert ask(plain, "/projects?search=" + "x" * 9000).status == 414
    with socket.create_connection(("127.0.0.1", plain.port), timeout=30) as sock:
        sock.sendall(b"NONSENSE\r\n\r\n")
        assert b"400 Bad Request" in sock.recv(1000)
