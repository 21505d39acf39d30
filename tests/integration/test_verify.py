"""VERIFY_ENDPOINT: after Ready the service itself is asked, over real TLS. The InferenceServices are real and ready; who answers for them
is a peer of the test, since no containers run here."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from types import SimpleNamespace

import pytest

from harness import alauda
from harness.binary import Binary
from harness.kserve import inference_service
from harness.pki import Authority
from harness.process import AT_ONCE, free_port
from net_peer import Peer

V2 = {"/v2/health/ready": (200, b""), "/v2/models/v2/ready": (200, b'{"name": "v2", "ready": true}')}
V1 = {"/v1/models/v1": (200, b'{"name": "v1", "ready": true}')}
OPENAI = {"/v1/models": (200, b'{"object": "list", "data": [{"id": "qwen2"}]}')}
# TIMEOUT of runs that are to end at it, but not before they have asked: a busy machine takes a while to get there.
LATE_SECONDS = 8
LATE = f"{LATE_SECONDS}s"


def serving(paths, *before, headers=(), absent=b"not found"):
    """Answers by path, 404 else; the first requests get BEFORE, one after the other."""
    first = list(before)
    lock = threading.Lock()

    def handler(connection):
        while (request := connection.request()) is not None:
            with lock:
                status, body = first.pop(0) if first else paths.get(request.target, (404, absent))
            connection.answer(status, body, *headers)

    return handler


@pytest.fixture(scope="module")
def services(kserve, cluster, tmp_path_factory):
    """Three ready services, named after the protocol that they speak."""
    namespace = cluster.namespace("verify")
    account = alauda.deployer(cluster, namespace, "deployer")
    runtimes = {"v2": "mlserver", "v1": "mlserver", "openai": "plain"}
    for name, runtime in runtimes.items():
        protocol = {} if name == "openai" else {"protocolVersion": name}
        cluster.client.create(inference_service(name, namespace, runtime, "sklearn", model=protocol))
    binary = Binary(tmp_path_factory.mktemp("verify"), account.kubeconfig())
    for name in runtimes:
        run = binary.run("wait", name, "-n", namespace, TIMEOUT="60s")
        assert run.code == 0, run.log
    yield SimpleNamespace(namespace=namespace, binary=binary)
    cluster.delete_namespace(namespace)


@pytest.fixture
def verify(services):
    def start(name="v2", env=None, **parameters):
        return services.binary.start("wait", name, "-n", services.namespace, env=env, **{"TIMEOUT": "50s", **parameters})

    return SimpleNamespace(start=start, run=lambda *words, **parameters: start(*words, **parameters).finish())


@pytest.fixture(scope="module")
def authority():
    return Authority("models authority")


@pytest.fixture
def tls(tmp_path, authority):
    """The server side of TLS; ca is its authority's certificate as a file."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.cert)

    def context(names=("127.0.0.1",), client_authority=None, signer=authority, **options):
        cert, key = signer.server("ingress", list(names), **options).write(tmp_path, "ingress")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, key)
        if client_authority is not None:
            server.verify_mode = ssl.CERT_REQUIRED
            server.load_verify_locations(cadata=client_authority.cert.decode())
        return server

    return SimpleNamespace(context=context, ca=str(ca), directory=tmp_path)


def targets(peer):
    return [request.target for request in peer.requests]


# ---- what is asked ----


@pytest.mark.parametrize("name, paths", [("v2", V2), ("v1", V1), ("openai", OPENAI)])
def test_paths_of_the_protocol(verify, name, paths):
    with Peer(serving(paths)) as peer:
        run = verify.run(name, VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 0, run.log
    assert targets(peer) == list(paths)
    assert f"{peer.url('')}{list(paths)[-1]} answers" in run.took("verify")


def test_a_runtime_that_is_labelled_v2_and_speaks_openai(verify):
    with Peer(serving(OPENAI)) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 0, run.log
    assert targets(peer) == ["/v2/health/ready", "/v1/models"]


@pytest.mark.parametrize("name, paths, asked", [
    ("v2", {"/v1/models/v2": (200, b'{"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}')},
     ["/v2/health/ready", "/v1/models", "/v1/models/v2"]),  # TensorFlow Serving
    ("v1", {"/v2/health/ready": (200, b""), "/v2/models/v1/ready": (200, b"")},
     ["/v1/models/v1", "/v1/models", "/v2/health/ready", "/v2/models/v1/ready"]),  # Triton
    ("openai", {"/v1/models/openai": (200, b'{"name": "openai", "ready": true}')}, ["/v1/models", "/v2/health/ready", "/v1/models/openai"]),
])
def test_a_server_of_the_last_protocol_that_is_asked(verify, name, paths, asked):
    with Peer(serving(paths, absent=b'{"error":"Not Found"}')) as peer:
        run = verify.run(name, VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 0, run.log
    assert targets(peer) == asked


def test_a_ready_server_without_the_model_is_not_enough(verify):
    with Peer(serving({"/v2/health/ready": (200, b""), **OPENAI})) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), TIMEOUT=LATE)
    assert run.code == 8, run.log
    assert "/v2/models/v2/ready answers 404" in run.log and "VERIFY_MODEL_NAME" in run.log


@pytest.mark.parametrize("name, paths, answer", [
    ("v2", {"/v2/health/ready": (200, b"")}, "/v2/models/qwen3/ready answers 404"),
    ("v2", {"/v2/health/ready": (200, b""), "/v2/models/qwen3/ready": (400, b'{"error":"unknown model"}')}, "answers 400"),  # Triton
    ("openai", OPENAI, "serves qwen2, and no model named qwen3"),
    ("v1", {"/v1/models/qwen3": (404, b'{"error":"Could not find any versions of model qwen3"}')}, "does not know the model"),  # TensorFlow Serving
])
def test_a_model_that_the_server_does_not_know_ends_it_after_a_while(verify, name, paths, answer):
    with Peer(serving(paths)) as peer:
        run = verify.run(name, VERIFY_ENDPOINT=peer.url(""), VERIFY_MODEL_NAME="qwen3", PATIENCE="unknown-model=1s", TIMEOUT="60s")
    assert run.code == 7 and run.seconds < 30, run.log
    assert answer in run.log and "VERIFY_MODEL_NAME" in run.log and "PATIENCE=unknown-model" in run.log, run.log
    assert targets(peer).count(targets(peer)[-1]) > 1, "it may be loaded later"


def test_a_model_that_is_loaded_late(verify):
    late = [(200, b""), (404, b""), (503, b""), (200, b""), (404, b"")]
    with Peer(serving(V2, *late)) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), PATIENCE="unknown-model=700ms")
    assert run.code == 0, run.log


def test_model_of_another_name(verify):
    paths = {"/v2/health/ready": (200, b""), "/v2/models/Qwen%2FQwen2/ready": (200, b"")}
    with Peer(serving(paths)) as peer:
        assert verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_MODEL_NAME="Qwen/Qwen2").code == 0
    with Peer(serving(OPENAI)) as peer:
        run = verify.run("openai", VERIFY_ENDPOINT=peer.url(""), VERIFY_MODEL_NAME="qwen3", TIMEOUT=LATE)
        assert run.code == 8 and "qwen3" in run.log, run.log
        assert verify.run("openai", VERIFY_ENDPOINT=peer.url(""), VERIFY_MODEL_NAME="qwen2").code == 0


def test_a_web_page_is_no_model_server(verify):
    """The default page of an ingress, or of a login, comes with 200."""
    with Peer(serving({path: (200, b"<html>Sign in</html>") for path in (*V2, *V1, *OPENAI)})) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), TIMEOUT=LATE)
    assert run.code == 8 and "web page" in run.log, run.log


def test_base_path_of_the_url(verify):
    with Peer(serving({f"/serving{path}": answer for path, answer in V2.items()})) as peer:
        assert verify.run("v2", VERIFY_ENDPOINT=peer.url("/serving/")).code == 0


# ---- retries ----


def test_503_then_200(verify):
    with Peer(serving(V2, (503, b""), (503, b""))) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 0, run.log
    assert targets(peer) == ["/v2/health/ready"] * 3 + ["/v2/models/v2/ready"]
    assert "answers 503" in run.log


def test_connection_refused_then_up(verify):
    port = free_port()
    running = verify.start("v2", VERIFY_ENDPOINT=f"http://127.0.0.1:{port}")
    running.wait_for_log("connection refused")
    handler = serving(V2)

    class Fixed(Peer):
        def __init__(self):
            super().__init__(handler)
            self._listener.close()
            self._listener = socket.create_server(("127.0.0.1", port), reuse_port=False)

    with Fixed():
        run = running.finish()
    assert run.code == 0, run.log


def test_not_in_time(verify):
    started = time.monotonic()
    with Peer(serving({}, *[(503, b"")] * 100)) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), TIMEOUT=LATE)
    assert run.code == 8 and time.monotonic() - started < LATE_SECONDS + AT_ONCE, run.log
    assert run.results["state"] == "timeout"
    assert "Ready but did not answer in time" in run.log and "answers 503" in run.log
    assert 3 <= len(peer.requests) <= 6, "ever longer pauses"


def test_a_server_that_never_answers_is_bounded_by_the_deadline(verify):
    held = threading.Event()

    def silent(connection):
        connection.request()
        held.wait(20)

    with Peer(silent) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), TIMEOUT="2s")
        held.set()
    assert run.code == 8 and run.seconds < 2 + AT_ONCE, run.log


# ---- TLS ----


def test_authority_from_a_file(verify, tls):
    with Peer(serving(V2), tls.context()) as peer:
        assert verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_CA_FILE=tls.ca).code == 0


def refused(verify, peer, *said, **parameters):
    """What cannot pass by itself ends the run at once, and no request gets through."""
    with peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), **parameters)
        assert peer.requests == []
    assert run.code == 7 and run.seconds < AT_ONCE, run.log
    assert run.results["state"] == "failed" and run.results["reason"].startswith("EndpointNotVerified")
    for text in said:
        assert text in run.log, run.log
    return run


def test_wrong_authority(verify, tls):
    stranger = Authority("stranger")
    refused(verify, Peer(serving(V2), tls.context(signer=stranger)), "not trusted", "VERIFY_CA_FILE", VERIFY_CA_FILE=tls.ca)
    refused(verify, Peer(serving(V2), tls.context()), "not trusted", "VERIFY_CA_FILE")


def test_expired_certificate(verify, tls):
    refused(verify, Peer(serving(V2), tls.context(days=-1)), "expired", VERIFY_CA_FILE=tls.ca)


def test_wrong_name(verify, tls):
    refused(verify, Peer(serving(V2), tls.context(["qwen.models.internal"])), 'not for the name "127.0.0.1"', "VERIFY_SERVER_NAME",
            VERIFY_CA_FILE=tls.ca)
    refused(verify, Peer(serving(V2), tls.context()), 'not for the name "qwen.models.internal"', VERIFY_CA_FILE=tls.ca,
            VERIFY_SERVER_NAME="qwen.models.internal")


def test_ingress_that_terminates_tls_and_routes_by_an_internal_name(verify, tls):
    """One address for all services; certificate and route go by the name, as with gRPC's ssl_target_name_override."""
    seen = []
    context = tls.context(["*.models.internal"])
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    with Peer(serving(V2), context) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_CA_FILE=tls.ca, VERIFY_SERVER_NAME="qwen.models.internal")
    assert run.code == 0, run.log
    assert set(seen) == {"qwen.models.internal"}
    assert {request.get("Host").partition(":")[0] for request in peer.requests} == {"qwen.models.internal"}
    assert all(len(request.all("Host")) == 1 for request in peer.requests)


def test_name_for_a_route_without_tls(verify):
    with Peer(serving(V2)) as peer:
        assert verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_SERVER_NAME="qwen.models.internal").code == 0
    assert {request.get("Host").partition(":")[0] for request in peer.requests} == {"qwen.models.internal"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_address_as_host(verify, tls, host):
    with Peer(serving(V2), tls.context([host]), host=host) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_CA_FILE=tls.ca)
    assert run.code == 0, run.log


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate(verify, tls, authority, version):
    clients = Authority("clients")
    cert, key = clients.client("pipeline").write(tls.directory, "client")
    context = tls.context(client_authority=clients)
    context.minimum_version = context.maximum_version = version
    with Peer(serving(V2), context) as peer:
        both = {"VERIFY_CERTIFICATE_FILE": str(cert), "VERIFY_KEY_FILE": str(key)}
        assert verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_CA_FILE=tls.ca, **both).code == 0
        together = tls.directory / "both.pem"
        together.write_bytes(cert.read_bytes() + key.read_bytes())
        assert verify.run("v2", VERIFY_ENDPOINT=peer.url(""), VERIFY_CA_FILE=tls.ca, VERIFY_CERTIFICATE_FILE=str(together)).code == 0
    refused(verify, Peer(serving(V2), context), "client certificate", "VERIFY_CERTIFICATE_FILE", VERIFY_CA_FILE=tls.ca)


def test_client_certificate_of_a_stranger(verify, tls):
    cert, key = Authority("strangers").client("pipeline").write(tls.directory, "stranger")
    refused(verify, Peer(serving(V2), tls.context(client_authority=Authority("clients"))), "VERIFY_CERTIFICATE_FILE",
            VERIFY_CA_FILE=tls.ca, VERIFY_CERTIFICATE_FILE=str(cert), VERIFY_KEY_FILE=str(key))


# ---- what is not the service ----


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_ends_it(verify, status):
    with Peer(serving({}, (status, b""))) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 7 and run.seconds < AT_ONCE and f"answers {status}" in run.log and "login" in run.log, run.log


def test_redirect_to_https_of_the_same_host_is_followed(verify, tls):
    with Peer(serving(V2), tls.context()) as secure:
        def redirect(connection):
            while (request := connection.request()) is not None:
                connection.answer(308, b"", f"Location: {secure.url(request.target)}")

        with Peer(redirect) as plain:
            run = verify.run("v2", VERIFY_ENDPOINT=plain.url(""), VERIFY_CA_FILE=tls.ca)
    assert run.code == 0, run.log
    assert targets(secure) == list(V2)


def test_redirect_to_somewhere_else_ends_it(verify):
    with Peer(serving({}, (302, b""), headers=["Location: https://user:secret@login.example/auth?x=1"])) as peer:
        run = verify.run("v2", VERIFY_ENDPOINT=peer.url(""))
    assert run.code == 7 and run.seconds < AT_ONCE and "redirects to https://login.example/auth" in run.log, run.log
    assert "?x=1" not in run.log and "secret" not in run.log, run.log


# ---- where ----


def test_external_url_of_the_status(verify, services):
    """Through a proxy of the environment, which stands for its name."""
    with Peer(serving({f"http://v2-{services.namespace}.example.com{path}": answer for path, answer in V2.items()})) as proxy:
        run = verify.run("v2", VERIFY_ENDPOINT="external", env={"http_proxy": proxy.url("")})
    assert run.code == 0, run.log
    assert run.endpoints["OUT_CLUSTER_ENDPOINT"] == f"http://v2-{services.namespace}.example.com"


def test_in_cluster_url_is_never_asked_through_a_proxy(verify):
    with Peer(serving(V2)) as proxy:
        run = verify.run("v2", VERIFY_ENDPOINT="true", env={"http_proxy": proxy.url("")}, TIMEOUT=LATE)
    assert proxy.requests == []
    assert run.code == 8, run.log
    assert "v2-predictor" in run.log and "VERIFY_ENDPOINT=external" in run.log


# ---- parameters ----


@pytest.mark.parametrize("parameters, said", [
    ({"VERIFY_ENDPOINT": "yes"}, "VERIFY_ENDPOINT"),
    ({"VERIFY_ENDPOINT": "ftp://a"}, "VERIFY_ENDPOINT"),
    ({"VERIFY_ENDPOINT": "https://user:secret@a"}, "VERIFY_ENDPOINT"),
    ({"VERIFY_ENDPOINT": "true", "VERIFY_KEY_FILE": "/dev/null"}, "VERIFY_CERTIFICATE_FILE"),
    ({"VERIFY_ENDPOINT": "true", "VERIFY_SERVER_NAME": "https://a"}, "VERIFY_SERVER_NAME"),
    ({"VERIFY_ENDPOINT": "true", "VERIFY_CA_FILE": "/nowhere/ca.pem"}, "VERIFY_CA_FILE"),
    ({"VERIFY_ENDPOINT": "true", "VERIFY_CA_FILE": "/etc/hostname"}, "VERIFY_CA_FILE"),
])
def test_bad_parameters_are_told_before_anything_is_waited_for(verify, parameters, said):
    run = verify.run("v2", **parameters)
    assert run.code == 2 and said in run.log and "secret" not in run.log, run.log
    assert "verify" not in run.log.splitlines()[-1]


# ---- as a part of a deploy ----


def test_deploy_asks_after_ready(place, tls):
    with Peer(serving(OPENAI), tls.context(["qwen.models.internal"])) as peer:
        run = place.deploy(RUNTIME_CLASS="plain", VERIFY_ENDPOINT=peer.url(""), VERIFY_CA_FILE=tls.ca, VERIFY_SERVER_NAME="qwen.models.internal")
    assert run.code == 0, run.log
    assert run.results["state"] == "ready" and targets(peer) == ["/v1/models"]


def test_deploy_whose_service_does_not_answer_fails_with_results(place):
    with Peer(serving({}, *[(500, b"")] * 100)) as peer:
        run = place.deploy(RUNTIME_CLASS="plain", VERIFY_ENDPOINT=peer.url(""), TIMEOUT="15s")
    assert run.code == 8, run.log
    assert run.results["state"] == "timeout" and run.results["reason"].startswith("EndpointNotVerified") and run.results["commit"] and run.endpoints["IN_CLUSTER_ENDPOINT"]
    assert "answers 500" in run.log


def test_deploy_reads_the_files_before_it_applies(place, cluster):
    run = place.deploy(VERIFY_ENDPOINT="true", VERIFY_CA_FILE="/nowhere/ca.pem")
    assert run.code == 2 and "VERIFY_CA_FILE" in run.log, run.log
    assert cluster.client.find("InferenceService", "qwen", place.namespace) is None


def test_sigterm_while_asking(verify):
    import signal

    with Peer(serving({}, *[(503, b"")] * 100)) as peer:
        running = verify.start("v2", VERIFY_ENDPOINT=peer.url(""))
        running.wait_for_log("answers 503")
        time.sleep(0.5)
        started = time.monotonic()
        running.signal(signal.SIGTERM)
        run = running.finish()
    assert run.code == 143 and time.monotonic() - started < AT_ONCE, run.log
    assert json.loads(run.results["string-result"])
