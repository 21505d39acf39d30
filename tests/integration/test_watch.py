"""List and watch of src/kube against a real API server that restarts, forgets, refuses, and hides behind bad connections."""

from __future__ import annotations

import random
import threading
import time

import pytest

from harness import kubeconfig
from harness.cluster import Cluster
from harness.process import AT_ONCE, wait_until
from kube_tool import MINIMAL_CRD, REFUSED, THING, UNREACHABLE, Proxy, Tool

RULES = [{"apiGroups": ["minimal.example.com"], "resources": ["things"], "verbs": ["get", "list", "watch"]}]
CONFIG_MAPS = "/v1/configmaps/ConfigMap"
# Seconds. The pauses between attempts grow to half a minute while an API server that starts on a busy machine stays away.
AFTER_A_RESTART = 90


@pytest.fixture(scope="module")
def plane(run_dir):
    """An API server of its own: these tests stop it."""
    with Cluster(run_dir / "watch", controllers=False, scheduler=False).start() as cluster:
        cluster.client.create(MINIMAL_CRD)
        deadline = time.monotonic() + 60
        while True:
            try:
                cluster.client.list("Thing", "default")
                break
            except Exception:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield cluster


class Place:
    def __init__(self, cluster: Cluster):
        self.cluster, self.client = cluster, cluster.client
        self.namespace = cluster.namespace("watch")
        self.account = cluster.service_account(self.namespace, "watcher", RULES)
        self.config = self.account.kubeconfig()

    def start(self, *targets, config=None, **options) -> Tool:
        targets = [{"resource": THING, "namespace": self.namespace, **target} for target in (targets or [{}])]
        return Tool(config or self.config, {"watch": {"targets": targets, **options}})

    def create(self, name: str = "a", labels=None, kind="Thing") -> dict:
        body = {"apiVersion": "minimal.example.com/v1", "kind": "Thing", "metadata": {"name": name, "namespace": self.namespace, "labels": labels or {}}}
        if kind == "ConfigMap":
            body.update(apiVersion="v1", kind="ConfigMap")
        return self.client.create(body)

    def touch(self, value, name: str = "a") -> str:
        """Changes an object; returns its new resourceVersion."""
        return self.client.patch("Thing", name, self.namespace, {"spec": {"value": value}})["metadata"]["resourceVersion"]

    def delete(self, name: str = "a") -> None:
        self.client.delete("Thing", name, self.namespace)


@pytest.fixture
def place(plane):
    return Place(plane)


@pytest.fixture
def proxied(plane, place):
    with Proxy(plane.port) as proxy:
        config = plane.kubeconfig(place.account.directory / "proxied.kubeconfig", kubeconfig.token_user(place.account.token()),
                                  server=f"https://127.0.0.1:{proxy.port}", namespace=place.namespace)
        yield proxy, config


def kinds(tool: Tool) -> list[str]:
    return [event["type"] for event in tool.events if event["type"] != "TROUBLE"]


def check_order(tool: Tool) -> None:
    """Nothing twice, nothing backwards, within what no list began anew."""
    last = 0
    for event in tool.events:
        if event["type"] == "RELISTED":
            last = 0
        if event["type"] in ("MODIFIED", "DELETED"):
            assert int(event["version"]) > last, tool.events
            last = int(event["version"])


# ---- the ordinary course

def test_list_then_events_in_order(place):
    place.create("old")
    with place.start() as tool:
        tool.until({"type": "SYNCED"})
        first = place.create()
        place.touch(1)
        place.delete()
        second = place.create()
        tool.until({"type": "ADDED", "uid": second["metadata"]["uid"]})
    assert kinds(tool) == ["RELISTED", "ADDED", "SYNCED", "ADDED", "MODIFIED", "DELETED", "ADDED"]
    assert [e.get("uid") for e in tool.events[3:]] == [first["metadata"]["uid"]] * 3 + [second["metadata"]["uid"]]
    assert {e.get("kind") for e in tool.events if e.get("name")} == {"Thing"}
    assert tool.events[0]["target"] == 0


def test_events_arrive_at_once(place):
    place.create()
    with place.start() as tool:
        tool.until({"type": "SYNCED"})
        delays = []
        for value in range(15):
            sent = time.time() * 1000
            version = place.touch(value)
            answered = time.time() * 1000
            event = tool.until({"version": version})
            delays.append(event["wall_ms"] - answered)
            assert event["wall_ms"] >= sent - 1
    delays.sort()
    print(f"event at the handler, ms after the writer's answer: median {delays[7]:.1f}, slowest {delays[-1]:.1f}")
    assert delays[7] < 1000  # how fast it is, tests/bench/run latency tells


def test_pages(place):
    for index in range(5):
        place.create(f"p{index}")
    with place.start(page=2) as tool:
        tool.until({"type": "SYNCED"})
        place.touch(1, "p3")
        tool.until({"type": "MODIFIED", "name": "p3"})
    assert kinds(tool) == ["RELISTED"] + ["ADDED"] * 5 + ["SYNCED", "MODIFIED"]
    assert sorted(e["name"] for e in tool.events if e["type"] == "ADDED") == [f"p{i}" for i in range(5)]


def test_selectors(place):
    place.create("a", {"x": "1"})
    place.create("b", {"x": "2"})
    with place.start({"selectors": "fieldSelector=metadata.name%3Da"}, {"selectors": "labelSelector=x%3D2"}) as tool:
        synced = {tool.until({"type": "SYNCED"})["target"] for _ in range(2)}
        place.touch(1, "a")
        place.touch(1, "b")
        tool.until({"type": "MODIFIED", "name": "b"})
        assert synced == {0, 1}
    assert {(e["target"], e["name"]) for e in tool.events if e.get("name")} == {(0, "a"), (1, "b")}


def test_start_at_a_version_loses_nothing(place):
    version = place.create()["metadata"]["resourceVersion"]
    place.touch(1)
    place.touch(2)
    with place.start({"start": version}) as tool:
        tool.until({"type": "MODIFIED"})
        tool.until({"type": "MODIFIED"})
        place.delete()
        tool.until({"type": "DELETED"})
    assert kinds(tool) == ["SYNCED", "MODIFIED", "MODIFIED", "DELETED"]
    assert len([e for e in place.cluster.audit(place.account.user) if e["verb"] == "list"]) == 0


def test_server_side_end_is_silent(place):
    def watches(count):
        return lambda: len([e for e in place.cluster.audit(place.account.user) if (e["verb"], e["stage"]) == ("watch", "ResponseStarted")]) >= count

    place.create()
    with place.start(timeout_seconds=1) as tool:
        tool.until({"type": "SYNCED"})
        wait_until(watches(3), 60, "the third watch")
        version = place.touch(1)
        tool.until({"type": "MODIFIED", "version": version})
        wait_until(watches(4), 60, "the fourth watch")
        tool.until({"version": place.touch(2)})
    assert kinds(tool) == ["RELISTED", "ADDED", "SYNCED", "MODIFIED", "MODIFIED"]
    assert [e for e in tool.events if e["type"] == "TROUBLE"] == []


# ---- the API server restarts and forgets

@pytest.mark.parametrize("crash", [False, True])
def test_api_server_restart(place, crash):
    place.create()
    with place.start() as tool:
        tool.until({"type": "SYNCED"})
        place.cluster.restart_apiserver(crash=crash, down=1)
        versions = [place.touch(value) for value in range(3)]
        tool.until({"version": versions[-1]}, AFTER_A_RESTART)
        check_order(tool)
        tool.until({"version": place.touch("last")})
    # the new server may not know the old version any more: then all is listed again
    began_anew = kinds(tool).count("RELISTED") > 1
    seen = [e["version"] for e in tool.events if e["type"] == "MODIFIED"]
    assert began_anew or seen[:3] == versions
    assert not began_anew or kinds(tool)[3:6] == ["RELISTED", "ADDED", "SYNCED"]


def test_expired_version_at_the_start_lists(place):
    version = place.create()["metadata"]["resourceVersion"]
    place.touch(1)
    place.cluster.compact()
    place.cluster.restart_apiserver()  # its watch cache, which remembers more than etcd, begins anew
    live = place.touch(2)
    with place.start({"start": version}) as tool:
        tool.until({"type": "RELISTED"})
        tool.until({"type": "ADDED", "version": live})
        tool.until({"type": "SYNCED"})
        check_order(tool)
        tool.until({"version": place.touch(3)})


def test_expired_while_cut_off(place, proxied):
    proxy, config = proxied
    place.create()
    place.create("b")
    with place.start(config=config) as tool:
        tool.until({"type": "SYNCED"})
        proxy.open = False
        proxy.drop()
        place.touch(1)
        place.delete("b")
        place.cluster.compact()
        place.cluster.restart_apiserver()
        live = place.touch(2)
        proxy.open = True
        tool.until({"type": "RELISTED"}, AFTER_A_RESTART)
        tool.until({"type": "SYNCED"})
        tail = tool.events[[e["type"] for e in tool.events].index("RELISTED", 2):]
        assert [(e["type"], e.get("name"), e.get("version")) for e in tail] == [
            ("RELISTED", None, None), ("ADDED", "a", live), ("SYNCED", None, None)]
        tool.until({"version": place.touch(3)})


def test_server_that_is_not_there_yet(place):
    place.create()
    place.cluster.stop_apiserver()
    try:
        with place.start() as tool:
            tool.until({"type": "TROUBLE"})
            place.cluster.start_apiserver()
            tool.until({"type": "SYNCED"}, AFTER_A_RESTART)
            assert kinds(tool) == ["RELISTED", "ADDED", "SYNCED"]
    finally:
        if not place.cluster.apiserver.alive():
            place.cluster.start_apiserver()


# ---- connections

def test_reset_connections_lose_nothing(place, proxied):
    proxy, config = proxied
    place.create()
    stop = threading.Event()

    def trouble():
        rng = random.Random(1)
        while not stop.wait(rng.uniform(0.05, 0.4)):
            proxy.drop()

    with place.start(config=config) as tool:
        tool.until({"type": "SYNCED"})
        thread = threading.Thread(target=trouble)
        thread.start()
        versions = []
        for value in range(40):
            versions.append(place.touch(value))
            time.sleep(0.05)
        stop.set()
        thread.join()
        tool.until({"version": versions[-1]}, timeout=60)
        check_order(tool)
    assert [e["version"] for e in tool.events if e["type"] == "MODIFIED"] == versions
    assert any(e["type"] == "TROUBLE" and e["message"] for e in tool.events)


def test_connection_that_fell_silent(place, proxied):
    """Half-open: nobody says that it is gone."""
    proxy, config = proxied
    place.create()
    with place.start(config=config, idle_ms=1200) as tool:
        tool.until({"type": "SYNCED"})
        proxy.silent = True
        versions = [place.touch(1), place.touch(2)]
        time.sleep(1.5)
        proxy.silent = False
        proxy.drop()
        tool.until({"version": versions[-1]})
        assert [e["version"] for e in tool.events if e["type"] == "MODIFIED"] == versions


def test_refused_connections_are_tried_until_it_works(place, proxied):
    proxy, config = proxied
    place.create()
    with place.start(config=config) as tool:
        tool.until({"type": "SYNCED"})
        proxy.open = False
        proxy.drop()
        version = place.touch(1)
        time.sleep(3.5)
        tries = proxy.accepted
        proxy.open = True
        tool.until({"version": version}, timeout=60)
    assert tries <= 7  # it does not hammer


# ---- credentials and rights

def test_token_rotation(place):
    """The file is replaced before the token ends; the copy that was read earlier is refused, and read again."""
    token_file = place.account.directory / "rotating.token"
    token_file.write_text(place.account.short_token(8))  # long enough to begin with on a busy machine
    config = place.cluster.kubeconfig(place.account.directory / "rotating.kubeconfig", kubeconfig.token_file_user(token_file),
                                      namespace=place.namespace)
    place.create()
    with place.start(config=config, timeout_seconds=1) as tool:
        tool.until({"type": "SYNCED"})
        token_file.write_text(place.account.token())
        deadline = time.monotonic() + 60
        while not any(e["responseStatus"].get("code") == 401 for e in place.cluster.audit() if place.namespace in e["requestURI"]):
            assert time.monotonic() < deadline, "the old token was never refused"
            time.sleep(0.2)
        version = place.touch(1)
        tool.until({"version": version})
    assert kinds(tool) == ["RELISTED", "ADDED", "SYNCED", "MODIFIED"]


def test_token_that_is_no_good(place):
    config = place.cluster.kubeconfig(place.account.directory / "bad.kubeconfig", kubeconfig.token_user("nonsense"))
    with place.start(config=config) as tool:
        error = tool.finish()["error"]
    assert (error["kind"], error["http_status"]) == (UNREACHABLE, 401)


def test_optional_target_without_the_right(place):
    place.create()
    with place.start({}, {"resource": CONFIG_MAPS, "optional": True}) as tool:
        refused = tool.until({"type": "FORBIDDEN"})
        assert refused["target"] == 1
        for word in ("list", "configmaps", place.namespace):
            assert word in refused["message"]
        tool.until({"version": place.touch(1)})  # the other one goes on


def test_optional_kind_that_is_not_served(place):
    with place.start({}, {"resource": "serving.knative.dev/v1/revisions/Revision", "optional": True}) as tool:
        assert tool.until({"type": "FORBIDDEN"})["target"] == 1
        place.create()
        tool.until({"type": "ADDED"})


def test_required_target_without_the_right(place):
    with place.start({}, {"resource": CONFIG_MAPS}) as tool:
        error = tool.finish()["error"]
    assert (error["kind"], error["http_status"]) == (REFUSED, 403)
    assert "configmaps" in error["message"]


def test_right_to_list_but_not_to_watch(place):
    place.cluster.grant(place.account, [{**RULES[0], "verbs": ["list"]}])
    with place.start() as tool:
        error = tool.finish(timeout=60)["error"]
    assert error["kind"] == REFUSED and "watch" in error["message"]


# ---- between two runs

def test_events_wait_for_the_caller(place):
    place.create()
    with place.start(pause_ms=700) as tool:
        tool.until({"type": "SYNCED"})
        versions = [place.touch(value) for value in range(10)]
        tool.until({"version": versions[-1]})
    assert [e["version"] for e in tool.events if e["type"] == "MODIFIED"] == versions


def test_more_than_fits_while_the_caller_is_away(place):
    """2 MB of events for a backlog of 1 MiB: connected anew from the last one that was handed over, silently."""
    place.create()
    with place.start(pause_ms=1500) as tool:
        tool.until({"type": "SYNCED"})
        time.sleep(0.2)
        versions = [place.touch("x" * 200_000 + str(value)) for value in range(10)]
        tool.until({"version": versions[-1]}, timeout=60)
        check_order(tool)
    assert [e["version"] for e in tool.events if e["type"] == "MODIFIED"] == versions
    assert not [e for e in tool.events if e["type"] == "TROUBLE"]


# ---- the end

def test_sigterm_ends_at_once(place):
    place.create()
    with place.start() as tool:
        tool.until({"type": "SYNCED"})
        assert tool.stop() < AT_ONCE


def test_sigterm_ends_at_once_while_the_server_is_away(place, proxied):
    proxy, config = proxied
    proxy.open = False
    with place.start(config=config) as tool:
        tool.until({"type": "TROUBLE"})
        assert tool.stop() < AT_ONCE


def test_run_ends_after_its_time(place):
    started = time.monotonic()
    with place.start(run_ms=300) as tool:
        tool.until({"type": "SYNCED"})
        tool.until({"timeout": True})
        assert 0.3 <= time.monotonic() - started < AT_ONCE


def test_memory_does_not_grow_with_events(place):
    peaks = []
    for count in (3, 40):
        place.create()
        with place.start() as tool:
            tool.until({"type": "SYNCED"})
            for value in range(count):
                version = place.touch("y" * 300_000 + str(value))
            tool.until({"version": version})
            tool.stop()
            tool.finish()
        place.delete()
        print(f"after {count} events of 300 kB: {tool.statistics}")
        assert tool.statistics["connections"] == 1
        peaks.append(tool.statistics["peak_kb"])
    assert peaks[1] < peaks[0] + 2000
