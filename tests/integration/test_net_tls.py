"""Trust: which certificates src/net takes, which it refuses and what it says; and the way through proxies."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
from pathlib import Path

import pytest

from harness.pki import Authority, Pair
from net_peer import Connection, Peer, always, fetch, one_by_one

UNREACHABLE = 8


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("test authority")


@pytest.fixture(scope="module")
def stranger() -> Authority:
    return Authority("another authority")


@pytest.fixture
def tls(tmp_path: Path):
    """Makes the server side of TLS from a certificate."""

    def context(pair: Pair, client_authority: Authority | None = None) -> ssl.SSLContext:
        cert, key = pair.write(tmp_path, "server")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, key)
        if client_authority is not None:
            server.verify_mode = ssl.CERT_REQUIRED
            server.load_verify_locations(cadata=client_authority.cert.decode())
        return server

    return context


def pem(data: bytes) -> str:
    return data.decode()


def refusal(peer: Peer, **request) -> dict:
    """The error of a request that must not get through, nor be tried twice."""
    with peer:
        outcome = fetch({"url": peer.url(), "attempts": 3, "first_ms": 10, "server": "GitLab", **request})
        assert peer.requests == []
    assert outcome.statistics["requests"] == 1, outcome.error
    assert outcome.error["kind"] == UNREACHABLE
    assert outcome.error["message"].startswith("GitLab (")
    assert "\n" not in outcome.error["message"]
    return outcome.error


def test_a_certificate_refused_at_a_later_attempt(tls, authority, stranger):
    """The reason, by which callers name GITLAB_CA_FILE and the like, is that of the attempt that ended it."""
    server, seen = tls(authority.server("a", ["127.0.0.1"])), []

    def first_hangs_up(connection):
        seen.append(connection)
        if len(seen) > 1:
            with contextlib.suppress(OSError):
                server.wrap_socket(connection.socket, server_side=True).recv(1)

    with Peer(first_hangs_up) as peer:
        outcome = fetch({"url": peer.url().replace("http:", "https:"), "attempts": 3, "first_ms": 10, "ca": pem(stranger.cert)})
    assert len(seen) == 2
    assert outcome.error["message"].endswith("(attempt 2)")
    assert outcome.error["reason"] == "Untrusted"
    assert "CA certificate" in outcome.error["hint"]


@pytest.mark.parametrize("kind", ["ec", "ec384", "rsa", "rsa4096"])
def test_certificate_of_the_given_authority(tls, authority, kind):
    with Peer(always(), tls(authority.server("a", ["localhost", "127.0.0.1"], kind=kind))) as peer:
        by_address, by_name = one_by_one({"url": peer.url(), "ca": pem(authority.cert)},
                                         {"url": peer.url(host="localhost"), "ca": pem(authority.cert)}).results
    assert (by_address["status"], by_name["status"]) == (200, 200)


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
def test_tls_versions(tls, authority, version):
    context = tls(authority.server("a", ["127.0.0.1"]))
    context.minimum_version = context.maximum_version = version
    with Peer(always(), context) as peer:
        assert fetch({"url": peer.url(), "ca": pem(authority.cert)}).result["status"] == 200


@VERSIONS
@pytest.mark.parametrize("group", ["X25519", "prime256v1", "secp384r1", "secp521r1"])
def test_key_exchange_groups(tls, authority, version, group):
    """A server that knows one group only: with TLS 1.3 it asks for another key share unless the first one fits."""
    context = tls(authority.server("a", ["127.0.0.1"]))
    context.minimum_version = context.maximum_version = version
    context.set_ecdh_curve(group)
    with Peer(always(), context) as peer:
        assert fetch({"url": peer.url(), "ca": pem(authority.cert)}).result["status"] == 200


@VERSIONS
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_tls_versions_with_each_kind_of_authority(tls, version, kind):
    authority = Authority("of one kind", kind)
    context = tls(authority.server("a", ["127.0.0.1"]))
    context.minimum_version = context.maximum_version = version
    with Peer(always(), context) as peer:
        assert fetch({"url": peer.url(), "ca": pem(authority.cert)}).result["status"] == 200


def test_one_authority_of_many_in_a_bundle(tls, authority, stranger):
    bundle = pem(stranger.cert) + "# a comment between\n" + pem(authority.cert)
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        assert fetch({"url": peer.url(), "ca": bundle}).result["status"] == 200


def test_old_tls_is_refused(tls, authority):
    context = tls(authority.server("a", ["127.0.0.1"], kind="rsa"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    error = refusal(Peer(always(), context), ca=pem(authority.cert))
    assert "TLS handshake failed" in error["message"]


def test_intermediate_authority(tls, authority):
    with Peer(always(), tls(authority.intermediate("middle").server("a", ["127.0.0.1"]))) as peer:
        assert fetch({"url": peer.url(), "ca": pem(authority.cert)}).result["status"] == 200


def test_another_authority(tls, authority, stranger):
    error = refusal(Peer(always(), tls(stranger.server("a", ["127.0.0.1"]))), ca=pem(authority.cert))
    assert "signed by an authority that is not trusted" in error["message"]
    assert "give the right one" in error["hint"]


def test_expired(tls, authority):
    error = refusal(Peer(always(), tls(authority.server("a", ["127.0.0.1"], days=-1))), ca=pem(authority.cert))
    assert "certificate has expired" in error["message"]


def test_not_yet_valid(tls, authority):
    error = refusal(Peer(always(), tls(authority.server("a", ["127.0.0.1"], starts_in_days=1))), ca=pem(authority.cert))
    assert "not valid yet" in error["message"]


@pytest.mark.parametrize("names,host", [(["wrong.example"], "localhost"), (["*.localhost"], "localhost"), (["::1"], "127.0.0.1"), (["127.0.0.2"], "127.0.0.1"), (["localhost"], "127.0.0.1")])
def test_wrong_name(tls, authority, names, host):
    peer = Peer(always(), tls(authority.server("a", names)))
    error = refusal(peer, ca=pem(authority.cert), url=peer.url(host=host))
    assert f'not for the name "{host}"' in error["message"]


def test_server_name_replaces_the_verified_name_only(tls, authority):
    seen = []
    context = tls(authority.server("a", ["kubernetes.default.svc"]))
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    with Peer(always(), context) as peer:
        result = fetch({"url": peer.url(), "ca": pem(authority.cert), "server_name": "kubernetes.default.svc"}).result
        host = peer.requests[0].get("Host")
    assert result["status"] == 200
    assert seen == ["kubernetes.default.svc"]
    assert host == f"127.0.0.1:{peer.port}"


def test_server_name_that_the_certificate_lacks(tls, authority):
    error = refusal(Peer(always(), tls(authority.server("a", ["127.0.0.1"]))), ca=pem(authority.cert), server_name="other.example")
    assert 'not for the name "other.example"' in error["message"]
    assert "GitLab (127.0.0.1:" in error["message"]


def test_skip_verification_is_what_it_says(tls, stranger):
    with Peer(always(), tls(stranger.server("a", ["wrong.example"], days=-1))) as peer:
        assert fetch({"url": peer.url(), "skip_verification": True}).result["status"] == 200


# ---- the system's roots ----

def test_system_roots_count_when_no_authority_is_given(tls, authority, tmp_path):
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(authority.cert)
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        assert fetch({"url": peer.url()}, env={"SSL_CERT_FILE": str(bundle)}).result["status"] == 200


def test_given_authority_replaces_the_systems(tls, authority, stranger, tmp_path):
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(authority.cert)
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        error = fetch({"url": peer.url(), "ca": pem(stranger.cert)}, env={"SSL_CERT_FILE": str(bundle)}).error
    assert "not trusted" in error["message"]


def test_given_authority_can_be_added_to_the_systems(tls, authority, stranger, tmp_path):
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(authority.cert)
    both = {"ca": pem(stranger.cert).rstrip("\n"), "add_system_roots": True}
    env = {"SSL_CERT_FILE": str(bundle)}
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        assert fetch({"url": peer.url(), **both}, env=env).result["status"] == 200
    with Peer(always(), tls(stranger.server("a", ["127.0.0.1"]))) as peer:
        assert fetch({"url": peer.url(), **both}, env=env).result["status"] == 200


def test_authority_that_is_not_pem(tls, authority):
    error = refusal(Peer(always(), tls(authority.server("a", ["127.0.0.1"]))), ca="no certificate at all")
    assert "CA certificates that were given cannot be read" in error["message"]


# ---- client certificates ----

@VERSIONS
def test_missing_client_certificate(tls, authority, version):
    context = tls(authority.server("a", ["127.0.0.1"]), authority)
    context.minimum_version = context.maximum_version = version
    error = refusal(Peer(always(), context), ca=pem(authority.cert))
    assert "client certificate" in error["hint"]


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("traditional", [False, True])
def test_client_certificate(tls, authority, kind, traditional):
    client = authority.client("admin", kind=kind, traditional=traditional)
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]), authority)) as peer:
        request = {"url": peer.url(), "ca": pem(authority.cert), "certificate": pem(client.cert), "key": pem(client.key)}
        assert fetch(request).result["status"] == 200


def test_client_certificate_of_an_intermediate_sends_its_chain(tls, authority):
    client = authority.intermediate("middle").client("admin")
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]), authority)) as peer:
        request = {"url": peer.url(), "ca": pem(authority.cert), "certificate": pem(client.cert), "key": pem(client.key)}
        assert fetch(request).result["status"] == 200


def test_client_key_that_cannot_be_read(tls, authority):
    client = authority.client("admin")
    peer = Peer(always(), tls(authority.server("a", ["127.0.0.1"]), authority))
    error = refusal(peer, ca=pem(authority.cert), certificate=pem(client.cert), key="not a key s3cret")
    assert "client certificate or its key cannot be used" in error["message"]
    assert "s3cret" not in error["message"]


# ---- wrong doors ----

def test_https_url_on_a_plain_port(authority):
    def handler(connection):
        connection.socket.recv(1000)
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with Peer(handler) as peer:
        error = fetch({"url": f"https://127.0.0.1:{peer.port}/", "ca": pem(authority.cert)}).error
    assert "TLS handshake failed" in error["message"]
    assert "seems not to speak TLS" in error["hint"]


def test_connection_cut_during_the_handshake_is_tried_again(tls, authority):
    context = tls(authority.server("a", ["127.0.0.1"]))

    def handler(connection):
        if connection.number == 1:
            connection.socket.recv(1000)
            connection.reset()
            return
        secure = context.wrap_socket(connection.socket, server_side=True)
        always()(Connection(connection.peer, secure, connection.number))

    with Peer(handler) as peer:
        url = f"https://127.0.0.1:{peer.port}/"
        result = fetch({"url": url, "ca": pem(authority.cert), "method": "POST", "body": "x", "attempts": 2, "first_ms": 10}).result
    assert (result["status"], result["attempts"]) == (200, 2)
    assert "closed during the TLS handshake" in result["retry_note"]


# ---- many connections ----

def test_requests_with_different_trust_do_not_share_a_connection(tls, authority, stranger):
    with Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        good, bad = one_by_one({"url": peer.url(), "ca": pem(authority.cert)}, {"url": peer.url(), "ca": pem(stranger.cert)}).results
    assert good["status"] == 200
    assert "not trusted" in bad["error"]["message"]


def test_requests_with_another_client_certificate_do_not_share_a_connection(tls, authority):
    seen = []

    def handler(connection):
        while connection.request() is not None:
            subject = dict(part[0] for part in connection.socket.getpeercert()["subject"])
            seen.append(subject["commonName"])
            connection.answer(200, b"ok")

    pairs = [authority.client("first"), authority.client("second")]
    with Peer(handler, tls(authority.server("a", ["127.0.0.1"]), authority)) as peer:
        one_by_one(*[{"url": peer.url(), "ca": pem(authority.cert), "certificate": pem(p.cert), "key": pem(p.key)} for p in pairs])
    assert seen == ["first", "second"]


def test_sessions_are_resumed(tls, authority):
    resumed = []

    def handler(connection):
        connection.request()
        resumed.append(connection.socket.session_reused)
        connection.answer(200, b"ok", "Connection: close")

    with Peer(handler, tls(authority.server("a", ["127.0.0.1"]))) as peer:
        one_by_one(*[{"url": peer.url(), "ca": pem(authority.cert)}] * 3)
        assert peer.connections == 3
    assert resumed[0] is False
    assert any(resumed[1:])


# ---- proxies ----

def proxy_handler(status: int = 200):
    """A CONNECT proxy."""

    def handler(connection: Connection) -> None:
        request = connection.request()
        if status != 200:
            connection.answer(status, b"", "Proxy-Authenticate: Basic realm=x")
            return
        assert request.method == "CONNECT", request
        host, port = request.target.rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port))) as server:
            connection.send(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
            while True:
                ready, _, _ = select.select([server, connection.socket], [], [], 0.1)
                if connection.peer.stopping.is_set():
                    return
                for sock in ready:
                    try:
                        data = sock.recv(65536)
                    except ConnectionError:
                        return
                    if not data:
                        return
                    (connection.socket if sock is server else server).sendall(data)

    return handler


def test_proxy_of_the_environment_sees_the_address_but_not_the_credential(tls, authority):
    with Peer(proxy_handler()) as proxy, Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        result = fetch({"url": peer.url(), "ca": pem(authority.cert), "authorization": "Bearer s3cret"},
                       env={"HTTPS_PROXY": f"http://user:pass@127.0.0.1:{proxy.port}"}).result
        connect = proxy.requests[0]
    assert result["status"] == 200
    assert "X-Proxy" not in result["headers"]
    assert connect.target == f"127.0.0.1:{peer.port}"
    assert connect.get("Authorization") is None
    assert base64.b64decode(connect.get("Proxy-Authorization").split()[1]) == b"user:pass"


@pytest.mark.parametrize("exception", ["127.0.0.1", "127.0.0.0/8", "*", "example.com,127.0.0.1"])
def test_no_proxy_exceptions(tls, authority, exception):
    with Peer(proxy_handler()) as proxy, Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        result = fetch({"url": peer.url(), "ca": pem(authority.cert)},
                       env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": exception}).result
        assert proxy.connections == 0
    assert result["status"] == 200


def test_given_proxy_goes_before_the_environment(tls, authority):
    with Peer(proxy_handler()) as proxy, Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        common = {"url": peer.url(), "ca": pem(authority.cert)}
        named = fetch({**common, "proxy": f"http://127.0.0.1:{proxy.port}"}, env={"NO_PROXY": "*"}).result
        assert proxy.connections == 1
        none = fetch({**common, "proxy": ""}, env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}).result
        assert proxy.connections == 1
    assert (named["status"], none["status"]) == (200, 200)


def test_proxy_and_server_name_together(tls, authority):
    with Peer(proxy_handler()) as proxy, Peer(always(), tls(authority.server("a", ["kubernetes.default"]))) as peer:
        result = fetch({"url": peer.url(), "ca": pem(authority.cert), "server_name": "kubernetes.default",
                        "proxy": f"http://127.0.0.1:{proxy.port}"}).result
        assert proxy.requests[0].target == f"127.0.0.1:{peer.port}"
    assert result["status"] == 200


@pytest.mark.parametrize("status,hint", [(407, "user and password"), (403, "NO_PROXY")])
def test_proxy_that_refuses(tls, authority, status, hint):
    with Peer(proxy_handler(status)) as proxy, Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        error = fetch({"url": peer.url(), "ca": pem(authority.cert), "proxy": f"http://127.0.0.1:{proxy.port}"}).error
    assert f"the proxy refused the connection with HTTP {status}" in error["message"]
    assert hint in error["hint"]


def test_tls_proxy_is_verified_with_the_systems_roots(tls, authority, stranger, tmp_path):
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(stranger.cert)
    proxy_context = tls(stranger.server("proxy", ["127.0.0.1"]))
    with Peer(proxy_handler(), proxy_context) as proxy, Peer(always(), tls(authority.server("a", ["127.0.0.1"]))) as peer:
        request = {"url": peer.url(), "ca": pem(authority.cert), "proxy": f"https://127.0.0.1:{proxy.port}"}
        trusted = fetch(request, env={"SSL_CERT_FILE": str(bundle)})
        bundle.write_bytes(authority.cert)
        untrusted = fetch(request, env={"SSL_CERT_FILE": str(bundle)})
    assert trusted.result["status"] == 200, trusted.result
    assert "not trusted" in untrusted.error["message"]
