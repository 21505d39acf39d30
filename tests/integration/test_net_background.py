"""Batches in the background of src/net: they go on while others wait, and end by themselves."""

from __future__ import annotations

import threading
import time

from harness.process import AT_ONCE
from net_peer import Peer, Tool, always, in_turn, run

DEADLINE, UNREACHABLE = 7, 8


def results(outcome, batch):
    return [event for event in outcome.results if event["batch"] == batch]


def test_the_background_goes_on_while_a_batch_waits():
    asked, answered = threading.Event(), threading.Event()

    def slow(connection):
        connection.request()
        asked.set()
        assert answered.wait(10)  # only once the foreground has its answer
        connection.answer(200, b"slow")

    def fast(connection):
        connection.request()
        assert asked.wait(10)  # the background was sent meanwhile
        connection.answer(200, b"fast")
        answered.set()

    with Peer(slow) as background, Peer(fast) as foreground:
        outcome = run({"background": [{"url": background.url()}], "batches": [[{"url": foreground.url()}]], "wait_ms": 10000})
    assert [event["body"] for event in results(outcome, 0)] == ["fast"]
    assert [event["body"] for event in results(outcome, -1)] == ["slow"]
    assert outcome.statistics["rounds"] == 1


def test_an_answer_that_came_during_a_batch_is_there_at_its_end():
    def slow(connection):
        connection.request()
        time.sleep(0.5)
        connection.answer(200, b"slow")

    with Peer(always(200, b"quick")) as background, Peer(slow) as foreground:
        outcome = run({"background": [{"url": background.url()}], "batches": [[{"url": foreground.url()}]], "wait_ms": 10000})
    assert [(event["batch"], event["body"]) for event in outcome.results] == [(0, "slow"), (-1, "quick")]


def test_it_retries_in_the_background():
    with Peer(in_turn((503, b"", "Retry-After: 0"), (200, b"second"))) as peer:
        outcome = run({"background": [{"url": peer.url(), "attempts": 3}], "wait_ms": 10000})
    (result,) = results(outcome, -1)
    assert (result["status"], result["body"], result["attempts"]) == (200, "second", 2)


def test_its_deadline_ends_it_without_anybody_waiting():
    def stall(connection):
        connection.request()
        connection.peer.stopping.wait(20)

    with Peer(stall) as peer:
        outcome = run({"background": [{"url": peer.url()}], "background_ms": 400, "wait_ms": 20000})
    (result,) = results(outcome, -1)
    assert result["error"]["kind"] == DEADLINE and 350 <= result["took_ms"] < 400 + AT_ONCE * 1000


def test_failures_are_results():
    with Peer(always()) as peer:
        outcome = run({"background": [{"url": "http://127.0.0.1:1/"}, {"url": peer.url()}], "wait_ms": 10000})
    first, second = results(outcome, -1)
    assert first["error"]["kind"] == UNREACHABLE and second["status"] == 200


def test_cancel_ends_the_wait_for_it():
    asked = threading.Event()

    def stall(connection):
        connection.request()
        asked.set()
        connection.peer.stopping.wait(20)

    with Peer(stall) as peer:
        tool = Tool({"background": [{"url": peer.url()}], "wait_ms": 20000}, cancelable=True)
        assert asked.wait(10)
        time.sleep(0.5)  # and waits
        canceled = tool.cancel()
        outcome = tool.finish()
        assert time.monotonic() - canceled < AT_ONCE
    assert results(outcome, -1) == [] and [event for event in outcome.events if event.get("result") == "canceled"]


def test_given_up_half_way_it_leaves_nothing():
    def stall(connection):
        connection.request()
        connection.peer.stopping.wait(20)

    with Peer(stall) as peer:
        outcome = run({"background": [{"url": peer.url()}], "wait_ms": 300})
    assert results(outcome, -1) == []
