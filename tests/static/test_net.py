"""The same HTTP and TLS cases as in integration/, with musl and mbedTLS instead of glibc and OpenSSL; and name look-up by musl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import NATIVE, ROOT, StaticBuild

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def http_tool(static_build: StaticBuild) -> Path:
    return static_build.meson / NATIVE / "tests/unit/net/http_tool"


@pytest.mark.parametrize("module", ["test_net.py", "test_net_tls.py"])
def test_every_case_of_the_integration_suite_passes_with_musl_and_mbedtls(module: str, http_tool: Path, tmp_path: Path):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inner"), f"integration/{module}"],
        cwd=ROOT / "tests",
        env={**os.environ, "HTTP_TOOL": str(http_tool)}, capture_output=True, text=True, timeout=900, check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    assert " passed" in run.stdout


class World:
    """What the tool got, and what it asked the name servers."""

    def __init__(self, report: dict):
        assert report["status"] == 0, report
        self.results = [event for event in report["events"] if event["event"] == "result"]
        self.questions = report["questions"]

    @property
    def bodies(self) -> list[str | None]:
        return [result.get("body") if result["error"] is None else None for result in self.results]

    def asked(self, transport: str = "udp") -> list[str]:
        return [question["name"] for question in self.questions if question["transport"] == transport]


@pytest.fixture
def look_up(http_tool: Path, tmp_path: Path):
    def run(**world: object) -> World:
        file = tmp_path / "world.json"
        file.write_text(json.dumps(world))
        helper = Path(__file__).with_name("dns_world.py")
        run = subprocess.run(
            ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, str(helper), str(file), str(http_tool)],
            capture_output=True, text=True, timeout=90, check=False,
        )
        assert run.returncode == 0, run.stderr
        return World(json.loads(run.stdout))

    return run


CLUSTER = ["nameserver 127.0.0.2", "search team.svc.cluster.local svc.cluster.local cluster.local", "options ndots:5"]


def test_search_list_of_a_pod_finds_a_service_by_its_short_names(look_up):
    records = {"gitlab.team.svc.cluster.local": {"A": ["127.0.0.10"]}, "kserve.other.svc.cluster.local": {"A": ["127.0.0.11"]}}
    world = look_up(
        resolv_conf=CLUSTER, records=records,
        urls=["http://gitlab:8080/", "http://kserve.other.svc:8080/", "http://kserve.other.svc.cluster.local:8080/"],
    )
    assert world.bodies == ["127.0.0.10", "127.0.0.11", "127.0.0.11"]
    assert "gitlab.team.svc.cluster.local" in world.asked()


def test_a_final_dot_keeps_the_search_list_out(look_up):
    world = look_up(
        resolv_conf=CLUSTER, records={"gitlab.example": {"A": ["127.0.0.10"]}}, urls=["http://gitlab.example.:8080/"]
    )
    assert world.bodies == ["127.0.0.10"]
    assert set(world.asked()) == {"gitlab.example"}


def test_an_outside_name_is_found_after_the_search_list(look_up):
    world = look_up(resolv_conf=CLUSTER, records={"gitlab.example": {"A": ["127.0.0.10"]}}, urls=["http://gitlab.example:8080/"])
    assert world.bodies == ["127.0.0.10"]
    assert "gitlab.example.team.svc.cluster.local" in world.asked()


def test_a_truncated_answer_is_asked_for_again_over_tcp(look_up):
    many = [f"127.0.1.{number}" for number in range(1, 47)]
    world = look_up(resolv_conf=["nameserver 127.0.0.2"], records={"large.example": {"A": many}}, urls=["http://large.example:8080/"])
    assert world.bodies[0] in many
    assert "large.example" in world.asked("tcp")


def test_a_server_that_truncates_everything_still_resolves(look_up):
    world = look_up(
        resolv_conf=["nameserver 127.0.0.2"], truncate=True, records={"a.example": {"A": ["127.0.0.10"]}}, urls=["http://a.example:8080/"]
    )
    assert world.bodies == ["127.0.0.10"]


def test_a_name_with_only_an_ipv6_address(look_up):
    world = look_up(resolv_conf=["nameserver 127.0.0.2"], records={"six.example": {"AAAA": ["::1"]}}, urls=["http://six.example:8080/"])
    assert world.bodies == ["::1"]


def test_a_dead_ipv6_address_falls_back_to_ipv4(look_up):
    records = {"both.example": {"AAAA": ["2001:db8::1"], "A": ["127.0.0.10"]}}
    world = look_up(resolv_conf=["nameserver 127.0.0.2"], records=records, urls=["http://both.example:8080/"])
    assert world.bodies == ["127.0.0.10"]


def test_hosts_file_goes_before_the_servers(look_up):
    world = look_up(
        resolv_conf=["nameserver 127.0.0.2"], hosts=["127.0.0.20 gitlab.example alias"], records={"gitlab.example": {"A": ["127.0.0.10"]}},
        urls=["http://gitlab.example:8080/", "http://alias:8080/"],
    )
    assert world.bodies == ["127.0.0.20", "127.0.0.20"]
    assert world.asked() == []


def test_one_dead_name_server_of_two_does_not_matter(look_up):
    world = look_up(
        resolv_conf=["nameserver 127.0.0.2", "nameserver 127.0.0.3"], silent=["127.0.0.2"], records={"a.example": {"A": ["127.0.0.10"]}},
        urls=["http://a.example:8080/"],
    )
    assert world.bodies == ["127.0.0.10"]


def test_an_unknown_name_is_named(look_up):
    world = look_up(resolv_conf=["nameserver 127.0.0.2"], records={}, urls=["http://nowhere.example:8080/"])
    [result] = world.results
    assert "nowhere.example" in result["error"]["message"]
