"""HTTP exchanges of src/net against peers that answer, stall, break, lie and mistrust."""

from __future__ import annotations

import email.utils
import threading
import time

import pytest

from harness.process import AT_ONCE, free_port
from net_peer import Peer, Tool, always, fetch, in_turn, one_by_one, run

INTERNAL, PARAMETER, DEADLINE, UNREACHABLE, CANCELED = 0, 1, 7, 8, 9


# ---- plain exchanges ----

def test_get_sends_what_was_asked_and_nothing_else():
    with Peer(always(200, b"hello", "X-Kind: one", "x-kind: two")) as peer:
        result = fetch({"url": peer.url("/a%2Fb?x=1"), "headers": ["Accept: application/json"], "authorization": "Bearer s3cret"}).result
        request = peer.requests[0]
    assert (result["status"], result["body"], result["attempts"], result["error"]) == (200, "hello", 1, None)
    assert (request.method, request.target) == ("GET", "/a%2Fb?x=1")
    names = sorted(name.lower() for name, _ in request.fields)
    assert names == ["accept", "authorization", "host", "user-agent"]
    assert request.get("User-Agent") == "http-tool/1"
    assert request.get("Authorization") == "Bearer s3cret"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_body_has_one_content_type_and_no_expect(method):
    body = "x" * 1_500_000  # libcurl announces a body above 1 MiB with Expect: 100-continue
    with Peer(always()) as peer:
        fetch({"url": peer.url(), "method": method, "body": body, "content_type": "application/apply-patch+yaml"})
        request = peer.requests[0]
    assert request.method == method
    assert request.body.decode() == body
    assert request.all("Content-Type") == ["application/apply-patch+yaml"]
    assert request.all("Expect") == []


@pytest.mark.parametrize("method", ["POST", "DELETE", "HEAD"])
def test_methods_without_a_body(method):
    with Peer(always(200, b"" if method == "HEAD" else b"ok")) as peer:
        result = fetch({"url": peer.url(), "method": method}).result
        request = peer.requests[0]
    assert result["status"] == 200
    assert request.method == method
    assert request.all("Content-Type") == []


def test_answer_without_a_body():
    def handler(connection):
        connection.request()
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with Peer(handler) as peer:
        result = fetch({"url": peer.url()}).result
    assert (result["status"], result["body"]) == (204, "")


def test_interim_answers_and_trailers_are_not_the_answer():
    def handler(connection):
        connection.request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\n\r\n"
                        b"2\r\nok\r\n0\r\nTrailer-Field: late\r\n\r\n")

    with Peer(handler) as peer:
        result = fetch({"url": peer.url()}).result
    assert (result["status"], result["body"]) == (200, "ok")
    assert "A: 1" in result["headers"]
    assert "Link" not in result["headers"] and "Trailer-Field" not in result["headers"]


@pytest.mark.parametrize("size", [0, 1, 16384, 1 << 20])
def test_body_up_to_the_limit_arrives_whole(size):
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    with Peer(always(200, body)) as peer:
        result = fetch({"url": peer.url(), "body_limit": size}).result
    assert result["error"] is None
    assert result["body"].encode() == body


def test_ipv6_literal():
    with Peer(always(), host="::1") as peer:
        result = fetch({"url": peer.url()}).result
    assert result["status"] == 200


def test_redirect_is_handed_up_and_the_credential_stays_home():
    with Peer(always()) as other, Peer(always(302, b"", "Location: " + other.url("/stolen"))) as peer:
        result = fetch({"url": peer.url(), "authorization": "Bearer s3cret"}).result
        assert other.connections == 0
    assert result["status"] == 302
    assert result["location"] == other.url("/stolen")


def test_connection_is_kept_across_batches():
    with Peer(always()) as peer:
        outcome = one_by_one(*[{"url": peer.url(f"/{i}")} for i in range(4)])
        assert peer.connections == 1
    assert outcome.statistics["connections"] == 1
    assert outcome.statistics["requests"] == 4
    assert outcome.statistics["rounds"] == 4


def test_connection_that_the_server_dropped_meanwhile_is_replaced():
    def handler(connection):
        connection.request()
        connection.answer(200, b"ok")  # and hangs up without having said so

    with Peer(handler) as peer:
        outcome = one_by_one({"url": peer.url()}, {"url": peer.url()}, pause_ms=200)
    assert [result["status"] for result in outcome.results] == [200, 200]


def test_five_requests_of_a_batch_run_at_once():
    together = threading.Barrier(5)

    def handler(connection):
        connection.request()
        together.wait(10)  # nobody is answered before all five have asked
        connection.answer(200, b"ok")

    with Peer(handler) as peer:
        outcome = fetch(*[{"url": peer.url(f"/{i}")} for i in range(5)])
    assert [result["status"] for result in outcome.results] == [200] * 5
    assert outcome.statistics["rounds"] == 1


# ---- failures ----

def test_refused_connection():
    port = free_port()
    error = fetch({"url": f"http://127.0.0.1:{port}/", "server": "GitLab"}).error
    assert error["kind"] == UNREACHABLE
    assert error["message"] == f"GitLab (127.0.0.1:{port}): connection refused"


def test_unknown_host():
    error = fetch({"url": "https://model.invalid/", "ca": "unused"}).error
    assert error["kind"] == UNREACHABLE
    assert error["message"] == "the server (model.invalid): the host name cannot be resolved"


def test_connection_closed_without_an_answer():
    with Peer(lambda connection: connection.request()) as peer:
        error = fetch({"url": peer.url()}).error
    assert error["kind"] == UNREACHABLE
    assert "closed the connection without an answer" in error["message"]


def test_reset_before_the_answer():
    def handler(connection):
        connection.request()
        connection.reset()

    with Peer(handler) as peer:
        error = fetch({"url": peer.url()}).error
    assert "broke before an answer came (connection reset)" in error["message"]


def test_reset_in_the_middle_of_the_answer():
    def handler(connection):
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        time.sleep(0.2)
        connection.reset()

    with Peer(handler) as peer:
        error = fetch({"url": peer.url()}).error
    assert "middle of the answer, after 10 bytes (connection reset)" in error["message"]


@pytest.mark.parametrize("head,body", [
    (b"Content-Length: 100", b"0123456789"),
    (b"Transfer-Encoding: chunked", b"a\r\n0123456789\r\n"),
    (b"Transfer-Encoding: chunked", b"ff\r\n0123456789"),
], ids=["content-length", "between-chunks", "within-a-chunk"])
def test_truncated_answer_is_no_answer(head, body):
    def handler(connection):
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)

    with Peer(handler) as peer:
        error = fetch({"url": peer.url()}).error
    assert "cut off after 10 bytes" in error["message"]


@pytest.mark.parametrize("announced", [True, False])
def test_body_over_the_limit(announced):
    def handler(connection):
        connection.request()
        if announced:
            connection.answer(200, b"x" * 1001)
            return
        connection.chunked()
        while connection.chunk(b"x" * 100):  # endless
            time.sleep(0.001)

    with Peer(handler) as peer:
        outcome = fetch({"url": peer.url(), "body_limit": 1000})
    assert outcome.result["too_large"]
    assert outcome.error["kind"] == INTERNAL
    assert outcome.error["message"].endswith("the answer is larger than 1000 bytes")


def test_endless_header():
    def handler(connection):
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        while connection.send(b"X-Filler: " + b"y" * 1000 + b"\r\n"):
            pass

    with Peer(handler) as peer:
        error = fetch({"url": peer.url()}).error
    assert "the header of the answer is larger than 65536 bytes" in error["message"]


def test_stall_before_the_answer():
    def handler(connection):
        connection.request()
        connection.peer.stopping.wait()

    with Peer(handler) as peer:
        error = fetch({"url": peer.url(), "timeout_ms": 300}).error
    assert error["kind"] == UNREACHABLE
    assert "no answer within 0.3s" in error["message"]


def test_stall_within_the_answer():
    def handler(connection):
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        connection.peer.stopping.wait()

    with Peer(handler) as peer:
        error = fetch({"url": peer.url(), "timeout_ms": 3000}).error  # the ten bytes must have come by then
    assert "not complete within 3.0s (10 bytes came)" in error["message"]


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46"])
def test_peer_that_does_not_speak_http(words):
    def handler(connection):
        connection.request()
        connection.send(words)

    with Peer(handler) as peer:
        error = fetch({"url": peer.url()}).error
    assert "the answer is not HTTP" in error["message"]
    assert "scheme and port" in error["hint"]


def test_deadline_of_the_batch_ends_what_is_unfinished():
    def handler(connection):
        while (request := connection.request()) is not None:
            if request.target == "/slow":
                connection.peer.stopping.wait()
            connection.answer(200, b"ok")

    with Peer(handler) as peer:
        quick, slow = fetch({"url": peer.url("/quick")}, {"url": peer.url("/slow")}, deadline_ms=3000).results
    assert quick["status"] == 200
    assert slow["error"]["kind"] == DEADLINE
    assert 2950 <= slow["took_ms"] < 3000 + AT_ONCE * 1000


def test_cancel_descriptor_ends_a_batch_at_once():
    asked = threading.Event()

    def handler(connection):
        connection.request()
        asked.set()
        connection.peer.stopping.wait()

    with Peer(handler) as peer:
        tool = Tool({"batches": [[{"url": peer.url(), "server": "GitLab"}]]}, cancelable=True)
        assert asked.wait(10)
        start = tool.cancel()
        outcome = tool.finish()
        took = time.monotonic() - start
    assert outcome.error["kind"] == CANCELED
    assert "canceled while waiting" in outcome.error["message"]
    assert took < AT_ONCE


def test_cancel_descriptor_ends_a_pause_between_attempts():
    with Peer(always(503, b"", "Retry-After: 20")) as peer:
        tool = Tool({"batches": [[{"url": peer.url(), "attempts": 3, "longest_ms": 30000}]]}, cancelable=True)
        while not peer.requests:
            time.sleep(0.01)
        start = tool.cancel()
        outcome = tool.finish()
        took = time.monotonic() - start
    assert outcome.error["kind"] == CANCELED
    assert took < AT_ONCE


# ---- retries ----

def test_503_once_then_200():
    with Peer(in_turn((503, b"starting"), (200, b"ok"))) as peer:
        outcome = fetch({"url": peer.url(), "attempts": 3})
    assert (outcome.result["status"], outcome.result["body"], outcome.result["attempts"]) == (200, "ok", 2)
    assert outcome.result["retry_note"] == "HTTP 503"
    assert outcome.statistics["retries"] == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_429_waits_as_long_as_the_server_says(form):
    def handler(connection):
        while connection.request() is not None:
            if len(connection.peer.requests) > 1:
                connection.answer(200, b"ok")
                continue
            after = "1" if form == "seconds" else email.utils.formatdate(int(time.time()) + 3, usegmt=True)
            connection.answer(429, b"Retry later", f"Retry-After: {after}")

    with Peer(handler) as peer:
        result = fetch({"url": peer.url(), "attempts": 2}).result
        first, second = peer.requests
    assert result["status"] == 200
    assert second.at - first.at >= 0.99


def test_a_long_pause_is_told_once_for_a_batch_and_short_ones_are_not():
    def told(outcome):
        return [event["line"] for event in outcome.of("log") if event["level"] == "notice"]

    def busy_once(connection):
        while (request := connection.request()) is not None:
            first = [earlier.target for earlier in connection.peer.requests].count(request.target) == 1
            connection.answer(*((503, b"", "Retry-After: 2") if first else (200, b"ok")))

    with Peer(busy_once) as peer:
        outcome = fetch(*[{"url": peer.url(path), "server": "GitLab", "attempts": 3} for path in ("/a", "/b")])
    assert told(outcome) == ["GitLab: HTTP 503; trying again in 2.0s"]
    with Peer(in_turn((503, b""), (200, b"ok"))) as peer:
        assert told(fetch({"url": peer.url(), "attempts": 2})) == []


def test_retry_after_beyond_the_deadline_is_not_waited_for():
    with Peer(always(429, b"Retry later", "Retry-After: 20")) as peer:
        result = fetch({"url": peer.url(), "attempts": 4, "longest_ms": 30000}, deadline_ms=15000).result
        assert len(peer.requests) == 1
    assert (result["status"], result["body"], result["attempts"]) == (429, "Retry later", 1)
    assert result["took_ms"] < AT_ONCE * 1000


def test_last_answer_is_handed_up_when_attempts_are_used_up():
    with Peer(always(503, b"no")) as peer:
        result = fetch({"url": peer.url(), "attempts": 3, "first_ms": 10}).result
        assert len(peer.requests) == 3
    assert (result["status"], result["attempts"], result["retry_note"]) == (503, 3, "HTTP 503; HTTP 503")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_other_statuses_are_not_tried_again(status):
    with Peer(always(status)) as peer:
        result = fetch({"url": peer.url(), "attempts": 4}).result
        assert len(peer.requests) == 1
    assert result["status"] == status


def test_broken_read_is_tried_again_and_broken_write_only_when_idempotent():
    def broken(connection):
        connection.reset()

    for request, attempts in (({}, 2), ({"method": "POST", "body": "x"}, 1), ({"method": "PATCH", "body": "x", "idempotent": True}, 2)):
        with Peer(in_turn(broken, (200, b"ok"))) as peer:
            result = fetch({"url": peer.url(), "attempts": 4, "first_ms": 10, **request}).result
            assert len(peer.requests) == attempts, request
        assert result["attempts"] == attempts
        assert (result["error"] is None) == (attempts == 2)


def test_unreachable_server_is_tried_again_and_the_count_is_told():
    port = free_port()
    outcome = fetch({"url": f"http://127.0.0.1:{port}/", "method": "POST", "body": "x", "attempts": 3, "first_ms": 10})
    assert outcome.statistics["requests"] == 3
    assert outcome.error["message"].endswith("connection refused (attempt 3)")


def test_pause_of_one_request_does_not_hold_up_another():
    def handler(connection):
        while (request := connection.request()) is not None:
            if request.target == "/busy" and connection.peer.requests.count(request) and len(
                    [r for r in connection.peer.requests if r.target == "/busy"]) == 1:
                connection.answer(503, b"", "Retry-After: 4")
            else:
                time.sleep(0.2)
                connection.answer(200, b"ok")

    with Peer(handler) as peer:
        outcome = fetch({"url": peer.url("/busy"), "attempts": 2}, {"url": peer.url("/other")})
        log = [event["line"] for event in outcome.of("log")]
    assert [result["status"] for result in outcome.results] == [200, 200]
    other = next(i for i, line in enumerate(log) if "/other: HTTP 200" in line)
    busy = next(i for i, line in enumerate(log) if "/busy: HTTP 200" in line)
    assert other < busy


# ---- streams ----

def test_stream_hands_over_bytes_as_they_come():
    text = '{"type":"ADDED"}\n{"type":"BOOKMARK"}\n'
    gate = threading.Semaphore(0)

    def handler(connection):
        connection.request()
        connection.chunked("X-Kind: watch")
        for letter in text.encode():
            connection.chunk(bytes([letter]))
            time.sleep(0.002)
        connection.send(b"0\r\n\r\n")
        gate.release()

    with Peer(handler) as peer:
        outcome = run({"streams": [{"url": peer.url("/watch"), "authorization": "Bearer s3cret"}], "wait_ms": 10000})
    names = [event["event"] for event in outcome.events if event["event"].startswith("stream")]
    assert names[0] == "stream_status" and names[-1] == "stream_end"
    assert outcome.of("stream_status")[0]["status"] == 200
    assert outcome.stream_text == text
    assert len(outcome.of("stream_data")) > 5
    assert outcome.stream_end["complete"] and "X-Kind: watch" in outcome.stream_end["headers"]


def test_stream_that_ends_in_the_middle_is_broken():
    def handler(connection):
        connection.request()
        connection.chunked()
        connection.chunk(b"half")

    with Peer(handler) as peer:
        outcome = run({"streams": [{"url": peer.url()}], "wait_ms": 10000})
    assert outcome.stream_text == "half"
    assert not outcome.stream_end["complete"]
    assert "cut off after 4 bytes" in outcome.stream_end["error"]["message"]


@pytest.mark.parametrize("silent_from", ["start", "header", "data"])
def test_silent_stream_is_broken_after_the_idle_timeout(silent_from):
    def handler(connection):
        connection.request()
        if silent_from != "start":
            connection.chunked()
        if silent_from == "data":
            connection.chunk(b"x")
        connection.peer.stopping.wait()

    with Peer(handler) as peer:
        start = time.monotonic()
        outcome = run({"streams": [{"url": peer.url(), "idle_timeout_ms": 300}], "wait_ms": 25000})
        assert time.monotonic() - start < 0.3 + AT_ONCE
    assert "no byte came for 0.3s" in outcome.stream_end["error"]["message"]


def test_stream_lives_longer_than_the_idle_timeout_while_bytes_come():
    def handler(connection):
        connection.request()
        connection.chunked()
        for _ in range(8):
            connection.chunk(b".")
            time.sleep(0.5)
        connection.send(b"0\r\n\r\n")

    with Peer(handler) as peer:
        outcome = run({"streams": [{"url": peer.url(), "idle_timeout_ms": 3000}], "wait_ms": 25000})
    assert outcome.stream_end["complete"]
    assert outcome.stream_text == "." * 8


def test_streams_go_on_while_a_batch_waits():
    ticks = {"/one": 0, "/two": 0}

    def handler(connection):
        request = connection.request()
        if request.target == "/slow":
            while min(ticks.values()) < 10 and not connection.peer.stopping.wait(0.05):
                pass
            time.sleep(1)  # for what has been sent to be handed over
            connection.answer(200, b"ok")
            return
        connection.chunked()
        while connection.chunk(b"tick\n") and not connection.peer.stopping.wait(0.05):
            ticks[request.target] += 1

    with Peer(handler) as peer:
        outcome = run({"streams": [{"url": peer.url("/one")}, {"url": peer.url("/two")}], "batches": [[{"url": peer.url("/slow")}]]})
    assert outcome.result["status"] == 200
    before = outcome.events[:outcome.events.index(outcome.result)]
    for stream in (0, 1):
        assert sum(event["event"] == "stream_data" and event["stream"] == stream for event in before) >= 5


def test_stream_of_an_error_answer_has_its_status_and_body():
    with Peer(always(410, b'{"kind":"Status"}')) as peer:
        outcome = run({"streams": [{"url": peer.url()}], "wait_ms": 10000})
    assert outcome.of("stream_status")[0]["status"] == 410
    assert outcome.stream_text == '{"kind":"Status"}'
    assert outcome.stream_end["complete"] and outcome.stream_end["status"] == 410


def test_reader_can_give_a_stream_up():
    def handler(connection):
        connection.request()
        connection.chunked()
        while connection.chunk(b"x"):
            time.sleep(0.01)

    with Peer(handler) as peer:
        outcome = run({"streams": [{"url": peer.url(), "stop": True}], "wait_ms": 10000})
    assert len(outcome.of("stream_data")) == 1
    assert "given up" in outcome.stream_end["error"]["message"]


def test_cancel_descriptor_ends_the_wait_for_streams():
    asked = threading.Event()

    def handler(connection):
        connection.request()
        connection.chunked()
        asked.set()
        connection.peer.stopping.wait()

    with Peer(handler) as peer:
        tool = Tool({"streams": [{"url": peer.url()}], "wait_ms": 20000}, cancelable=True)
        assert asked.wait(10)
        start = tool.cancel()
        outcome = tool.finish()
        took = time.monotonic() - start
    assert outcome.of("wait")[0]["result"] == "canceled"
    assert took < AT_ONCE


def test_a_proxy_that_is_down_is_not_taken_for_the_server():
    closed = free_port()
    error = fetch({"url": "https://server.example.com:6443/", "proxy": f"http://127.0.0.1:{closed}", "server": "GitLab", "attempts": 1}).error
    assert error["message"] == f"GitLab (server.example.com:6443): the proxy 127.0.0.1:{closed} cannot be reached (connection refused)"
    assert "HTTPS_PROXY" in error["hint"]
    down = fetch({"url": f"https://127.0.0.1:{closed}/", "server": "GitLab", "attempts": 1}).error
    assert down["message"] == f"GitLab (127.0.0.1:{closed}): connection refused"


# ---- secrets ----

def test_credential_shows_nowhere():
    with Peer(always(503, b"no")) as peer:
        outcome = one_by_one({"url": peer.url("/?private=q1w2"), "authorization": "Bearer s3cret", "attempts": 2, "first_ms": 10},
                             {"url": f"http://user:s3cret@127.0.0.1:{peer.port}/"},
                             {"url": peer.url(), "proxy": "nonsense://user:s3cret@127.0.0.1:1"},
                             {"url": peer.url(), "proxy": "http://user:s3cret@127.0.0.1:1"})
    assert outcome.of("log")
    assert "s3cret" not in outcome.text
    assert "q1w2" not in outcome.text
    assert all(result["error"] for result in outcome.results[1:])


def test_credential_with_a_line_break_is_refused_before_it_is_sent():
    with Peer(always()) as peer:
        error = fetch({"url": peer.url(), "authorization": "Bearer s3cret\nX-Evil: 1", "server": "GitLab"}).error
        assert peer.connections == 0
    assert error["kind"] == PARAMETER
    assert error["message"] == "the credential for GitLab holds a line break"
