"""Models through Git's own protocol (MODEL_GIT_URL), without a git program: refs, README.md, tokens, trouble."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from harness.gitlab import Attacker, GitLab
from harness.gitlab_faults import Body, Close, Endless, Html, Redirect, Reset, Stall, Status, Truncate, WrongType
from harness.model_repository import Lfs, qwen_files, readme
from harness.process import AT_ONCE

from model_source import CANCELED, DEADLINE, MODEL, PARAMETER, UNREACHABLE, by_git, finish, start


@pytest.fixture
def server(tmp_path):
    with GitLab(tmp_path) as server:
        yield server


@pytest.fixture
def token(server):
    return server.token(scopes=("read_repository",))


@pytest.fixture
def qwen(server):
    return server.project("demo-ns/amlmodels/qwen", files=qwen_files())


def leftovers() -> set[str]:
    return {str(path) for parent in ("/dev/shm", "/tmp") for path in Path(parent).glob("deploy-inference-service-??????")}


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = leftovers()
    yield
    assert leftovers() <= before


def test_default_branch(server, token, qwen):
    found = by_git(server, qwen, token)
    assert (found["path"], found["group"], found["subgroup"], found["name"]) == ("demo-ns/amlmodels/qwen", "demo-ns", "amlmodels", "qwen")
    assert (found["commit"], found["branch"], found["tag"], found["id"]) == (qwen.head(), "main", "", "")
    assert (found["pipeline_tag"], found["library_name"]) == ("text-generation", "transformers")
    assert found["storage_uri"] == f"hf://demo-ns/qwen:{qwen.head()}"
    assert found["git_url"] == server.git_url(qwen) and not found["web_url"].endswith(".git")
    assert {request.path.split(".git")[1] for request in server.requests} == {"/info/refs", "/git-upload-pack"}


def test_overrides_ask_for_refs_only(server, token, qwen):
    found = by_git(server, qwen, token, PIPELINE_TAG="a", LIBRARY_NAME="b")
    assert (found["commit"], found["pipeline_tag"]) == (qwen.head(), "a")
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["feature/x", "a+b", "fix#12", "\u7248\u672c-1", "v1.0", "50%", "x=y"])
def test_branches_and_tags(server, token, qwen, name):
    first = qwen.head()
    qwen.commit({"README.md": readme("text-ranking")}, branch="work")
    qwen.branch(name, qwen.head("work"))
    qwen.annotated_tag("a-" + name, first)
    qwen.tag("l-" + name, first)
    found = by_git(server, qwen, token, MODEL_REPO_BRANCH=name)
    assert (found["commit"], found["branch"], found["pipeline_tag"]) == (qwen.head("work"), name, "text-ranking")
    for tag in ("a-" + name, "l-" + name):
        found = by_git(server, qwen, token, MODEL_REPO_TAG=tag)
        assert (found["commit"], found["tag"], found["pipeline_tag"]) == (first, tag, "text-generation")


def test_tag_and_branch_of_one_name_and_tag_of_a_tag(server, token, qwen):
    first = qwen.head()
    inner = qwen.annotated_tag("v1", first)
    qwen.repository.annotated_tag("outer", inner, kind="tag")
    second = qwen.commit({"README.md": readme("text-ranking")})
    qwen.branch("v1", second)
    assert by_git(server, qwen, token, MODEL_REPO_BRANCH="v1")["commit"] == second
    assert by_git(server, qwen, token, MODEL_REPO_TAG="v1")["commit"] == first
    assert by_git(server, qwen, token, MODEL_REPO_TAG="outer")["commit"] == first


def test_other_default_branch(server, token, qwen):
    qwen.commit({"README.md": readme("text-ranking")}, branch="trunk")
    qwen.repository.set_default_branch("trunk")
    found = by_git(server, qwen, token)
    assert (found["branch"], found["commit"]) == ("trunk", qwen.head("trunk"))


def test_commits(server, token, qwen):
    first = qwen.head()
    tip = qwen.commit({"README.md": readme("text-ranking")})
    for given in (tip, tip[:8], tip.upper()):
        assert by_git(server, qwen, token, MODEL_REPO_COMMIT=given)["commit"] == tip
    by_git(server, qwen, token, MODEL_REPO_COMMIT=first[:8]).failed(MODEL, "begins with", "all 40 digits")
    by_git(server, qwen, token, MODEL_REPO_COMMIT="f" * 40).failed(MODEL, "f" * 12)
    found = by_git(server, qwen, token, MODEL_REPO_COMMIT=first, PIPELINE_TAG="a", LIBRARY_NAME="b")
    assert found["commit"] == first and "taken on trust" in found["warnings"][0]


def test_commit_that_is_no_tip_where_the_server_allows_it(server, token, qwen):
    first = qwen.head()
    qwen.commit({"README.md": readme("text-ranking")})
    qwen.repository.git("config", "uploadpack.allowReachableSHA1InWant", "true")
    found = by_git(server, qwen, token, MODEL_REPO_COMMIT=first)
    assert (found["commit"], found["pipeline_tag"]) == (first, "text-generation")


def test_commit_that_is_no_tip_where_the_server_refuses(server, token, qwen):
    first = qwen.head()
    qwen.commit({"README.md": readme("text-ranking")})
    for name in ("allowReachableSHA1InWant", "allowTipSHA1InWant", "allowAnySHA1InWant"):
        qwen.repository.git("config", f"uploadpack.{name}", "false")
    outcome = by_git(server, qwen, token, MODEL_REPO_COMMIT=first)
    if not outcome.ok:
        outcome.failed(MODEL, first[:12], "only the tips")
    else:  # the stand-in allows it for every repository, as GitLab does
        assert outcome["commit"] == first


def test_missing_refs(server, token, qwen):
    qwen.tag("v1.0")
    by_git(server, qwen, token, MODEL_REPO_BRANCH="v1.0").failed(MODEL, "no branch 'v1.0'", "It is a tag")
    by_git(server, qwen, token, MODEL_REPO_BRANCH="mian").failed(MODEL, "Did you mean 'main'")
    by_git(server, qwen, token, MODEL_REPO_TAG="main").failed(MODEL, "It is a branch")


def test_empty_repository(server, token):
    empty = server.project("demo-ns/amlmodels/empty", empty=True)
    by_git(server, empty, token).failed(MODEL, "no commit yet")


def test_paths(server, token, qwen):
    url = server.git_url(qwen)
    assert by_git(server, qwen, token, MODEL_GIT_URL=url.removesuffix(".git"))["path"] == "demo-ns/amlmodels/qwen"
    assert by_git(server, qwen, token, MODEL_REPO="qwen")["path"] == "demo-ns/amlmodels/qwen"
    assert by_git(server, qwen, token, MODEL_REPO="Qwen/Qwen3")["storage_uri"].startswith("hf://Qwen/Qwen3:")
    assert by_git(server, qwen, token, MODEL_REPO="other")["path"] == "demo-ns/amlmodels/other"


@pytest.mark.parametrize("files, words", [
    ({"model.bin": b"x"}, ["no README.md", "set PIPELINE_TAG"]),
    ({"readme.md": readme()}, ["no README.md", "readme.md"]),
    ({"README.md": b"# nothing"}, ["neither pipeline_tag nor library_name"]),
    ({"README.md": Lfs(readme(), stored=True)}, ["Git LFS pointer"]),
    ({"README.md/x": b"a directory"}, ["no README.md"]),
], ids=["none", "other-letters", "no-block", "lfs", "directory"])
def test_readmes(server, token, files, words):
    project = server.project("demo-ns/amlmodels/qwen", files=files)
    by_git(server, project, token).failed(MODEL, project.head()[:12], *words)


def test_anonymous_and_refused(server, qwen):
    public = server.project("demo-ns/amlmodels/open", visibility="public")
    assert by_git(server, public)["commit"] == public.head()
    by_git(server, qwen).failed(UNREACHABLE, "401", "GITLAB_TOKEN")
    by_git(server, qwen, "glpat-wrong-token").failed(UNREACHABLE, "401", "Check the token").hides("glpat-wrong-token")


def test_missing_project(server, token, qwen):
    outcome = by_git(server, qwen, token, MODEL_GIT_URL=server.url + "/demo-ns/amlmodels/nope.git")
    assert outcome.code in (10 + MODEL, 10 + UNREACHABLE) and "nope" in outcome.text


@pytest.mark.parametrize("url, words", [
    ("", "not set"), ("git@host:a/b.git", "MODEL_GIT_URL"), ("ssh://git@host/a/b", "MODEL_GIT_URL"), ("file:///etc", "MODEL_GIT_URL"),
    ("https://user:hunter2@127.0.0.1/a/b", "password"), ("https://127.0.0.1/a/b?token=hunter2", "query"),
])
def test_addresses_that_are_refused(server, token, qwen, url, words):
    by_git(server, qwen, token, MODEL_GIT_URL=url).failed(PARAMETER, words).hides("hunter2")
    assert server.requests == []


# ---- redirects ----


def test_redirect_within_the_server_keeps_the_token(server, token, qwen):
    server.fault("git", Redirect(location=f"{server.git_url(qwen)}/info/refs?service=git-upload-pack", code=301), times=1)
    assert by_git(server, qwen, token, MODEL_GIT_URL=server.url + "/old/name.git")["commit"] == qwen.head()
    server.fault("git", Redirect(location="/demo-ns/amlmodels/qwen.git/info/refs?service=git-upload-pack"), times=1)
    assert by_git(server, qwen, token, MODEL_GIT_URL=server.url + "/old/name.git")["commit"] == qwen.head()


def test_redirect_to_another_origin_goes_without_the_token(server, token, qwen, tmp_path):
    with GitLab(tmp_path, certificate=server.http.certificate) as other:
        public = other.project("moved/qwen", visibility="public")
        server.fault("git", Redirect(location=f"{other.git_url(public)}/info/refs?service=git-upload-pack"))
        assert by_git(server, qwen, token)["commit"] == public.head()
        assert other.tokens_seen() == set() and not other.saw(token)
        assert all(request.headers.get("authorization") is None for request in other.requests)


def test_redirect_to_plain_http_or_elsewhere_or_in_circles_is_not_followed(server, token, qwen, tmp_path):
    with Attacker(tmp_path, tls=False) as evil:
        server.fault("git", Redirect(base=evil.url))
        by_git(server, qwen, token).failed(UNREACHABLE, "redirects").hides(token)
        assert evil.connection_count == 0
    for fault in (Redirect(), Redirect(location=server.url + "/users/sign_in"), Redirect(location="https://a:b@127.0.0.1/info/refs")):
        server.clear_faults()
        server.clear_log()
        server.fault("git", fault)
        by_git(server, qwen, token).failed(UNREACHABLE, "redirects")
        assert len(server.requests) <= 4


# ---- trouble ----


def pack(request):
    return request.path.endswith("/git-upload-pack")


def listing(request):
    return request.path.endswith("/info/refs")


@pytest.mark.parametrize("fault", [Status(503), Reset(), Truncate()], ids=["503", "reset", "truncated"])
def test_listing_is_asked_for_again(server, token, qwen, fault):
    server.fault(listing, fault, times=1)
    assert by_git(server, qwen, token)["commit"] == qwen.head()


@pytest.mark.parametrize("fault", [Html(), Body("001e# service=git-upload-pack\n0000"), Body("zzzz"), Body(""), WrongType("text/plain"), Status(500),
                                   Endless(start=b"001e# service=git-upload-pack\n0000", content_type="application/x-git-upload-pack-advertisement"),
                                   Body("ffff" + "x" * 70000), Body("001e# service=git-upload-pack\n0000000cERR no\n")],
                         ids=["html", "cut", "garbage", "empty", "type", "500", "endless", "long-line", "ERR"])
def test_listings_that_are_none(server, token, qwen, fault):
    server.fault(listing, fault)
    began = time.monotonic()
    outcome = by_git(server, qwen, token, REQUEST_TIMEOUT_MS=2000)
    assert outcome.code in (10 + UNREACHABLE, 10 + MODEL), outcome.document
    assert time.monotonic() - began < 40
    outcome.hides(token)


@pytest.mark.parametrize("fault", [Html(), Body("zzzz"), Body(""), Status(500), Status(403), Reset(), Reset(after=300), Truncate(keep=200), Close(after=250),
                                   Body("0008NAK\nPACK\0\0\0\2\0\0\0\1garbage-garbage-garbage"), Body("0008NAK\n0013\x03remote: refused\n"),
                                   Body("0008NAK\n" + "0005\x01" * 100000)],
                         ids=["html", "garbage", "empty", "500", "403", "reset", "reset-inside", "truncated", "closed", "bad-pack", "side-band-error",
                              "empty-bands"])
def test_packs_that_are_none(server, token, qwen, fault):
    server.fault(pack, fault)
    outcome = by_git(server, qwen, token, REQUEST_TIMEOUT_MS=2000)
    assert outcome.code in (10 + UNREACHABLE, 10 + MODEL), outcome.document
    outcome.hides(token)


def test_endless_pack_ends_at_the_ceiling(server, token, qwen):
    # the request that ends the negotiation; a shallow fetch has one before it
    server.fault(lambda request: pack(request) and b"0009done" in request.body, Endless(chunk=b"fff0\x02" + b"x" * (0xfff0 - 5), start=b"0008NAK\n", limit=512 * 1024 * 1024,
                               content_type="application/x-git-upload-pack-result"))
    outcome = by_git(server, qwen, token).failed(MODEL, "64 MiB", "PIPELINE_TAG")
    assert outcome.document["max_rss_kib"] < 64 * 1024


def test_large_history_does_not_grow_memory(server, token):
    project = server.project("demo-ns/amlmodels/large", files={"README.md": readme(), "data.bin": os.urandom(20 * 1024 * 1024)})
    found = by_git(server, project, token)
    assert found["commit"] == project.head()
    assert found["max_rss_kib"] < 64 * 1024


def test_too_large_repository_says_how_to_go_on(server, token):
    files = {f"{n}.bin": os.urandom(14 * 1024 * 1024) for n in range(5)}
    project = server.project("demo-ns/amlmodels/huge", files={"README.md": readme(), **files})
    by_git(server, project, token).failed(MODEL, "64 MiB", "PIPELINE_TAG and LIBRARY_NAME")
    assert by_git(server, project, token, PIPELINE_TAG="a", LIBRARY_NAME="b")["commit"] == project.head()


def test_stalled_pack_ends_with_the_request_timeout_and_the_deadline(server, token, qwen):
    server.fault(pack, Stall(None))
    began = time.monotonic()
    by_git(server, qwen, token, REQUEST_TIMEOUT_MS=500).failed(UNREACHABLE, "no byte")
    by_git(server, qwen, token, REQUEST_TIMEOUT_MS=30000, TIMEOUT_MS=800).failed(DEADLINE)
    assert time.monotonic() - began < 25


def test_sigterm_ends_a_fetch_and_removes_its_files(server, token, qwen):
    server.fault(pack, Stall(None))
    process = start(SOURCE="git", MODEL_GIT_URL=server.git_url(qwen), GITLAB_CA_FILE=server.ca_file, GITLAB_TOKEN=token)
    server.wait_for_requests(2)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    finish(process).failed(CANCELED)
    assert time.monotonic() - began < AT_ONCE


def test_untrusted_server_never_sees_the_token(server, token, qwen, tmp_path):
    with Attacker(tmp_path) as other:
        by_git(server, qwen, token, GITLAB_CA_FILE=other.ca_file).failed(UNREACHABLE, "certificate").hides(token)
    assert server.tokens_seen() == set()
