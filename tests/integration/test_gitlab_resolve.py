"""A model from GitLab's REST API: what is found, what it costs, and what every kind of trouble becomes."""

from __future__ import annotations

import datetime
import signal
import time

import pytest

from harness.gitlab import Attacker, GitLab
from harness.gitlab_faults import (Body, Close, Drip, Endless, GzipBomb, HeaderFlood, Hook, Html, InvalidJson, MangleJson, OversizedJson,
                                   Redirect, Reset, Stall, Status, Truncate, WrongType)
from harness.model_repository import Lfs, big_readme, qwen_files, readme
from harness.process import AT_ONCE

from model_source import CANCELED, DEADLINE, MODEL, PARAMETER, UNREACHABLE, api_requests, finish, resolve, start

PROJECT = "/projects/demo-ns%2Famlmodels%2Fqwen"


@pytest.fixture
def server(tmp_path):
    """A GitLab of this test alone."""
    with GitLab(tmp_path) as server:
        yield server


@pytest.fixture
def token(server):
    return server.token()


@pytest.fixture
def qwen(server):
    return server.project("demo-ns/amlmodels/qwen", files=qwen_files())


# ---- what is found, and in how many requests ----


def test_default_branch_takes_one_round_of_two_requests(server, token, qwen):
    found = resolve(server, token)
    assert found["path"] == "demo-ns/amlmodels/qwen"
    assert (found["group"], found["subgroup"], found["name"]) == ("demo-ns", "amlmodels", "qwen")
    assert (found["id"], found["branch"], found["tag"]) == (str(qwen.id), "main", "")
    assert found["commit"] == qwen.head()
    assert found["storage_uri"] == f"hf://demo-ns/qwen:{qwen.head()}"
    assert (found["pipeline_tag"], found["library_name"]) == ("text-generation", "transformers")
    assert found["card_origin"] == f"README.md at {qwen.head()[:12]}"
    assert found["git_url"].endswith("/demo-ns/amlmodels/qwen.git") and found["warnings"] == []
    assert (found["requests"], found["rounds"]) == (2, 1)
    assert sorted(api_requests(server)) == [PROJECT, f"{PROJECT}/repository/files/README.md?ref=HEAD"]


@pytest.mark.parametrize("parameters", [{"MODEL_REPO_BRANCH": "next"}, {"MODEL_REPO_TAG": "v1"}, {"MODEL_REPO_COMMIT": None}])
def test_a_ref_takes_one_round_of_three_requests(server, token, qwen, parameters):
    qwen.branch("next")
    qwen.annotated_tag("v1")
    parameters = {name: value or qwen.head() for name, value in parameters.items()}
    found = resolve(server, token, **parameters)
    assert found["commit"] == qwen.head()
    assert (found["requests"], found["rounds"]) == (3, 1)


def test_both_overrides_need_no_readme(server, token):
    project = server.project("demo-ns/amlmodels/qwen", files={"model.safetensors": b"x"})
    found = resolve(server, token, PIPELINE_TAG="text-ranking", LIBRARY_NAME="sklearn")
    assert (found["pipeline_tag"], found["library_name"], found["commit"]) == ("text-ranking", "sklearn", project.head())
    assert found["card_origin"] == "PIPELINE_TAG and LIBRARY_NAME"
    assert found["branch"] == "main" and found["rounds"] == 1
    assert not [path for path in api_requests(server) if "/files/" in path]


def test_one_override_still_reads_the_other_key(server, token):
    server.project("demo-ns/amlmodels/qwen", files={"README.md": readme(pipeline_tag=None)})
    found = resolve(server, token, PIPELINE_TAG="text-ranking")
    assert (found["pipeline_tag"], found["library_name"]) == ("text-ranking", "transformers")


def test_project_paths(server, token):
    own = server.project("demo-ns/amlmodels/qwen")
    shared = server.project("public/amlmodels/bert")
    flat = server.project("team/flat")
    deep = server.project("org/dept/amlmodels/Deep-1.5B_x.v2")
    assert resolve(server, token, MODEL_REPO="qwen")["id"] == str(own.id)
    assert resolve(server, token, MODEL_REPO="public/bert")["id"] == str(shared.id)
    assert resolve(server, token, MODEL_REPO="public/amlmodels/bert.git")["id"] == str(shared.id)
    found = resolve(server, token, MODEL_REPO="team/flat")
    assert (found["id"], found["group"], found["subgroup"], found["rounds"]) == (str(flat.id), "team", "", 2)
    found = resolve(server, token, MODEL_REPO="org/dept/amlmodels/Deep-1.5B_x.v2")
    assert (found["id"], found["subgroup"]) == (str(deep.id), "dept/amlmodels")
    assert found["storage_uri"] == f"hf://org/Deep-1.5B_x.v2:{deep.head()}"


def test_first_candidate_wins_over_the_flat_path(server, token):
    server.project("team/qwen")
    models = server.project("team/amlmodels/qwen")
    assert resolve(server, token, MODEL_REPO="team/qwen")["id"] == str(models.id)


def test_45_projects_of_one_name_cost_nothing_more(server, token):
    projects = server.same_name_projects("qwen", 45)
    for project in (projects[0], projects[21], projects[44]):
        group = project.full_path.split("/")[0]
        found = resolve(server, token, NAMESPACE=group)
        assert (found["path"], found["commit"], found["requests"]) == (project.full_path, project.head(), 2)


def test_display_names_do_not_matter(server, token):
    server.project("demo-ns/amlmodels/other", name="qwen")
    project = server.project("demo-ns/amlmodels/qwen", name="Q\u00fcen \u6a21\u578b (demo)")
    assert resolve(server, token)["id"] == str(project.id)


def test_base_path_and_trailing_slash(tmp_path):
    with GitLab(tmp_path, base_path="/gitlab") as server:
        project = server.project("demo-ns/amlmodels/qwen")
        found = resolve(server, server.token(), GITLAB_BASE_URL=server.url + "/")
        assert found["commit"] == project.head()
        assert found["git_url"].endswith("/gitlab/demo-ns/amlmodels/qwen.git")


# ---- refs ----

NAMES = ["feature/x", "a+b", "fix#12", "\u7248\u672c-1", "v1.0", "release/2024/q1", "50%", "a&ref=main", "x=y", "-dash-is-illegal"[1:], "@foo"]


@pytest.mark.parametrize("name", NAMES)
def test_ref_names_arrive_as_they_are(server, token, qwen, name):
    qwen.commit({"README.md": readme("text-ranking")}, branch="work")
    wanted = qwen.head("work")
    qwen.branch(name, wanted)
    found = resolve(server, token, MODEL_REPO_BRANCH=name)
    assert (found["commit"], found["branch"], found["pipeline_tag"]) == (wanted, name, "text-ranking")
    qwen.tag("t-" + name, wanted)
    found = resolve(server, token, MODEL_REPO_TAG="t-" + name)
    assert (found["commit"], found["tag"], found["branch"]) == (wanted, "t-" + name, "")


def test_names_that_no_ref_can_have_are_an_error_not_an_accident(server, token, qwen):
    for name in ("-x", "a b", "a..b", "a:b", "HEAD", "refs/heads/main", "../../../users", "main?x=1", "a\nb"):
        resolve(server, token, MODEL_REPO_BRANCH=name).failed(MODEL)
        resolve(server, token, MODEL_REPO_TAG=name).failed(MODEL)


def test_annotated_tags_give_the_commit_not_the_tag_object(server, token, qwen):
    first = qwen.head()
    tag_object = qwen.annotated_tag("v1")
    qwen.commit({"README.md": readme("text-ranking")})
    found = resolve(server, token, MODEL_REPO_TAG="v1")
    assert found["commit"] == first != tag_object
    assert found["pipeline_tag"] == "text-generation"


def test_tag_of_a_tag(server, token, qwen):
    inner = qwen.annotated_tag("inner")
    qwen.repository.annotated_tag("outer", inner, kind="tag")
    assert resolve(server, token, MODEL_REPO_TAG="outer")["commit"] == qwen.head()


def test_tag_and_branch_of_one_name(server, token, qwen):
    """The files endpoint takes the tag for either; one commit has to feed everything."""
    first = qwen.head()
    qwen.annotated_tag("v1", first)
    second = qwen.commit({"README.md": readme("text-ranking")})
    qwen.branch("v1", second)
    branch = resolve(server, token, MODEL_REPO_BRANCH="v1")
    assert (branch["commit"], branch["pipeline_tag"], branch["rounds"]) == (second, "text-ranking", 2)
    tag = resolve(server, token, MODEL_REPO_TAG="v1")
    assert (tag["commit"], tag["pipeline_tag"], tag["rounds"]) == (first, "text-generation", 1)


def test_tag_without_readme_hides_none_of_the_branch_of_its_name(server, token, qwen):
    bare = qwen.commit({"x": b"x"}, branch="bare", parent="", replace=True)
    qwen.tag("v1", bare)
    qwen.branch("v1", qwen.head())
    assert resolve(server, token, MODEL_REPO_BRANCH="v1")["pipeline_tag"] == "text-generation"


def test_branch_called_like_a_commit(server, token, qwen):
    qwen.commit({"README.md": readme("text-ranking")}, branch="work")
    qwen.branch("0" * 40, qwen.head("work"))
    assert resolve(server, token, MODEL_REPO_BRANCH="0" * 40)["commit"] == qwen.head("work")
    qwen.branch("abcdef1", qwen.head("work"))
    resolve(server, token, MODEL_REPO_COMMIT="abcdef1").failed(MODEL, "abcdef1", "MODEL_REPO_BRANCH")


def test_commits_whole_and_short_and_not_on_a_tip(server, token, qwen):
    first = qwen.head()
    qwen.commit({"README.md": readme("text-ranking")})
    for given in (first, first.upper(), first[:7], first[:20]):
        found = resolve(server, token, MODEL_REPO_COMMIT=given)
        assert (found["commit"], found["pipeline_tag"], found["branch"], found["tag"]) == (first, "text-generation", "", "")
    resolve(server, token, MODEL_REPO_COMMIT="f" * 40).failed(MODEL, "no commit " + "f" * 40)
    resolve(server, token, MODEL_REPO_COMMIT="main").failed(PARAMETER, "MODEL_REPO_COMMIT 'main'")
    resolve(server, token, MODEL_REPO_COMMIT=first, MODEL_REPO_TAG="v1").failed(PARAMETER, "MODEL_REPO_TAG", "MODEL_REPO_COMMIT")


def test_branch_that_moves_between_the_requests(server, token, qwen):
    """The commit that the branch answer named is the one whose README counts."""
    first = qwen.head()

    def move(_request):
        if qwen.head() == first:
            qwen.commit({"README.md": readme("text-ranking")})

    server.fault("branch", Hook(after=lambda request, _response: move(request)))
    server.fault("file", Stall(0.3), times=1)
    found = resolve(server, token, MODEL_REPO_BRANCH="main")
    assert (found["commit"], found["pipeline_tag"]) == (first, "text-generation")


def test_missing_refs_suggest_what_exists(server, token, qwen):
    qwen.branch("release-2024")
    qwen.tag("v1.0")
    resolve(server, token, MODEL_REPO_BRANCH="relaese-2024").failed(MODEL, "no branch 'relaese-2024'", "Did you mean 'release-2024'")
    resolve(server, token, MODEL_REPO_BRANCH="v1.0").failed(MODEL, "no branch 'v1.0'", "It is a tag", "MODEL_REPO_TAG")
    resolve(server, token, MODEL_REPO_TAG="main").failed(MODEL, "no tag 'main'", "It is a branch")
    resolve(server, token, MODEL_REPO_TAG="v1.1").failed(MODEL, "Did you mean 'v1.0'")


def test_ten_thousand_projects_do_not_add_requests(server, token, qwen):
    server.virtual_projects(10_000)
    found = resolve(server, token)
    assert (found["requests"], found["commit"]) == (2, qwen.head())


# ---- projects that are odd ----


def test_missing_project_says_what_is_near(server, token, qwen):
    server.project("other/amlmodels/bert")
    resolve(server, token, MODEL_REPO="qwenn").failed(MODEL, "demo-ns/amlmodels/qwenn", "Did you mean 'demo-ns/amlmodels/qwen'")
    resolve(server, token, MODEL_REPO="bert").failed(MODEL, "demo-ns/amlmodels/bert", "There is 'other/amlmodels/bert'")
    both = resolve(server, token, MODEL_REPO="no/where")
    both.failed(MODEL, "no/amlmodels/where", "no/where", "Check MODEL_REPO")
    assert both.document["http_status"] == 404


def test_project_of_others_is_not_there(server, qwen):
    stranger = server.token(member_of=["elsewhere"])
    resolve(server, stranger).failed(MODEL, "that the token may see").hides(stranger)
    resolve(server).failed(MODEL, "that is public", "GITLAB_TOKEN")


def test_public_project_without_a_token(server):
    project = server.project("demo-ns/amlmodels/qwen", visibility="public")
    assert resolve(server)["commit"] == project.head()


def test_guest_sees_the_project_but_not_the_code(server, qwen):
    guest = server.token(member_of={"demo-ns": "guest"})
    resolve(server, guest).failed(UNREACHABLE, "403", "Reporter")
    resolve(server, guest, MODEL_REPO_BRANCH="main").failed(UNREACHABLE, "403", "Reporter")


def test_switched_off_repository(server, token, qwen):
    qwen.repository_access_level = "disabled"
    resolve(server, token, MODEL_REPO_BRANCH="main").failed(UNREACHABLE, "not read its repository", "switched on")


def test_empty_repository(server, token):
    server.project("demo-ns/amlmodels/qwen", empty=True)
    for parameters in ({}, {"MODEL_REPO_BRANCH": "main"}, {"PIPELINE_TAG": "a", "LIBRARY_NAME": "b"}):
        resolve(server, token, **parameters).failed(MODEL, "no commit yet", "demo-ns/amlmodels/qwen")


def test_archived_and_doomed_projects_are_deployed_with_a_warning(server, token):
    server.project("demo-ns/amlmodels/qwen", archived=True)
    assert resolve(server, token)["warnings"] == ["project demo-ns/amlmodels/qwen is archived"]


def test_other_default_branch(server, token, qwen):
    qwen.commit({"README.md": readme("text-ranking")}, branch="trunk")
    qwen.repository.set_default_branch("trunk")
    found = resolve(server, token)
    assert (found["branch"], found["commit"], found["pipeline_tag"]) == ("trunk", qwen.head("trunk"), "text-ranking")


def test_moved_project_is_followed_by_its_number_and_reported(server, token, qwen):
    server.move(qwen, "new-home/amlmodels/qwen2")
    for parameters in ({}, {"MODEL_REPO_BRANCH": "main"}):
        server.clear_log()
        found = resolve(server, token, **parameters)
        assert (found["path"], found["id"]) == ("new-home/amlmodels/qwen2", str(qwen.id))
        assert found["storage_uri"] == f"hf://new-home/qwen2:{qwen.head()}"
        assert "has moved to new-home/amlmodels/qwen2" in found["warnings"][0]
        assert found["rounds"] == 2
        assert server.tokens_seen() == {str(token)}


def test_moved_project_with_http_in_location_stays_on_https(server, token, qwen):
    server.move(qwen, "new-home/amlmodels/qwen2")
    server.moved_scheme = "http"
    try:
        assert resolve(server, token)["path"] == "new-home/amlmodels/qwen2"
    finally:
        server.moved_scheme = None


def test_case_of_the_path_follows_gitlab(server, token, qwen):
    assert resolve(server, token, MODEL_REPO="QWEN")["path"] == "demo-ns/amlmodels/qwen"


def test_answer_about_another_project_is_refused(server, token, qwen):
    server.project("demo-ns/amlmodels/other")
    server.fault("project", MangleJson(lambda row: row.update(path_with_namespace="demo-ns/amlmodels/other")))
    resolve(server, token).failed(UNREACHABLE, "another one")


# ---- proxies that change encoded slashes ----


@pytest.mark.parametrize("way", ["decode", "reject", "double"])
def test_proxy_that_spoils_encoded_slashes(server, token, qwen, way):
    qwen.branch("feature/x")
    qwen.branch("feature/x-2", qwen.commit({"a": b"a"}, branch="work"))
    qwen.tag("releases/1.0")
    server.same_name_projects("qwen", 45)
    server.encoded_slashes = way
    for parameters in ({}, {"MODEL_REPO_BRANCH": "feature/x"}, {"MODEL_REPO_TAG": "releases/1.0"}, {"MODEL_REPO_COMMIT": qwen.head()},
                       {"PIPELINE_TAG": "a", "LIBRARY_NAME": "b"}):
        found = resolve(server, token, **parameters)
        assert (found["path"], found["id"], found["commit"]) == ("demo-ns/amlmodels/qwen", str(qwen.id), qwen.head()), parameters
        assert found["rounds"] <= 3
    resolve(server, token, MODEL_REPO_BRANCH="feature/y").failed(MODEL, "no branch 'feature/y'", "Did you mean 'feature/x'")
    resolve(server, token, MODEL_REPO="nothing").failed(MODEL)


def test_second_candidate_behind_such_a_proxy(server, token):
    project = server.project("team/flat")
    server.encoded_slashes = "decode"
    assert resolve(server, token, MODEL_REPO="team/flat")["id"] == str(project.id)


def test_short_names_are_found_by_the_search(server, token):
    project = server.project("a/amlmodels/x")
    server.encoded_slashes = "decode"
    assert resolve(server, token, MODEL_REPO="a/x")["id"] == str(project.id)


# ---- README.md ----


@pytest.mark.parametrize("content", [
    readme(newline="\r\n"),
    b"\xef\xbb\xbf" + readme(),
    b"---\n# the task\npipeline_tag: \"text-generation\" # quoted\nlibrary_name: 'transformers'\n---\n",
    b"---\n{pipeline_tag: text-generation, library_name: transformers}\n---\n",
    b"---\npipeline_tag: >-\n  text-generation\nlibrary_name: |\n  transformers\n---\n",
    readme() + b"\n---\npipeline_tag: wrong\nlibrary_name: wrong\n---\n",
    big_readme(1_000_000),
    readme() + b"\xff\xfe\x00 not text",
], ids=["crlf", "bom", "quotes", "flow", "blocks", "keys-below", "1-MB", "binary-below"])
def test_readmes_that_are_fine(server, token, content):
    server.project("demo-ns/amlmodels/qwen", files={"README.md": content})
    found = resolve(server, token)
    assert (found["pipeline_tag"], found["library_name"]) == ("text-generation", "transformers")


@pytest.mark.parametrize("content, words", [
    (b"# Qwen\n\npipeline_tag: x\nlibrary_name: y\n", ["neither pipeline_tag nor library_name", "PIPELINE_TAG and LIBRARY_NAME"]),
    (readme(pipeline_tag=None), ["has no pipeline_tag", "set PIPELINE_TAG"]),
    (readme(library_name=None), ["has no library_name", "set LIBRARY_NAME"]),
    (readme(pipeline_tag="[a, b]"), ["line 3: pipeline_tag is a list"]),
    (readme(extra="pipeline_tag: again"), ["pipeline_tag", "twice"]),
    (readme(library_name="~"), ["has no library_name"]),
    (b"---\n\tx: y\n---\n", ["README.md of demo-ns/amlmodels/qwen"]),
    (Lfs(readme(), stored=True), ["Git LFS pointer"]),
    (b"", ["neither"]),
], ids=["no-block", "no-tag", "no-library", "list", "twice", "null", "not-yaml", "lfs", "empty"])
def test_readmes_that_are_not(server, token, content, words):
    project = server.project("demo-ns/amlmodels/qwen", files={"README.md": content})
    resolve(server, token).failed(MODEL, "README.md", project.head()[:12], *words)


def test_missing_readme(server, token):
    server.project("demo-ns/amlmodels/qwen", files={"model.bin": b"x"})
    for parameters in ({}, {"MODEL_REPO_BRANCH": "main"}):
        resolve(server, token, **parameters).failed(MODEL, "no README.md", "set PIPELINE_TAG and LIBRARY_NAME")


def test_readme_in_other_letters_is_named(server, token):
    server.project("demo-ns/amlmodels/qwen", files={"README.MD": readme()})
    resolve(server, token).failed(MODEL, "no README.md", "README.MD")


def test_readme_of_10_megabytes_and_more(server, token):
    server.project("demo-ns/amlmodels/qwen", files={"README.md": readme() + b"x" * (10 * 1024 * 1024)})
    resolve(server, token).failed(MODEL, "10 MiB")
    server.project("demo-ns/amlmodels/huge", files={"README.md": readme() + b"x" * (14 * 1024 * 1024)})
    assert not resolve(server, token, MODEL_REPO="huge").ok
    assert resolve(server, token, MODEL_REPO="huge", PIPELINE_TAG="a", LIBRARY_NAME="b").ok


@pytest.mark.parametrize("change, words", [
    (lambda row: row.update(content=row["content"][:-8]), "size"),
    (lambda row: row.update(content="A" + row["content"][1:]), "damaged"),
    (lambda row: row.update(content="*" + row["content"][1:]), "base64"),
    (lambda row: row.update(encoding="text"), "base64"),
    (lambda row: row.pop("content"), "content"),
    (lambda row: row.update(content={}), "content"),
])
def test_damaged_readme_is_noticed(server, token, qwen, change, words):
    server.fault("file", MangleJson(lambda row: (change(row), row)[1]))
    resolve(server, token).failed(UNREACHABLE, words)


def test_a_large_readme_does_not_multiply_in_memory(server, token):
    server.project("demo-ns/amlmodels/qwen", files={"README.md": readme()})
    small = resolve(server, token)["max_rss_kib"]
    server.project("demo-ns/amlmodels/big", files={"README.md": big_readme(1_000_000)})
    big = resolve(server, token, MODEL_REPO="big")["max_rss_kib"]
    assert big - small < 6 * 1024


# ---- tokens ----


def test_expired_and_revoked_and_unknown_tokens(server, qwen):
    expired = server.token(expires_at=datetime.date(2020, 1, 1))
    revoked = server.token(revoked=True)
    resolve(server, expired).failed(UNREACHABLE, "401", "Token is expired", "aml-image-builder-secret").hides(expired)
    resolve(server, revoked).failed(UNREACHABLE, "401", "revoked").hides(revoked)
    unknown = resolve(server, "glpat-unknown-0123456789").failed(UNREACHABLE, "401", "Check the token")
    unknown.hides("glpat-unknown-0123456789")
    assert unknown.document["http_status"] == 401


def test_read_repository_token_resolves_through_git(server, qwen):
    reader = server.token(scopes=("read_repository",), member_of=["demo-ns"])
    first = qwen.head()
    qwen.annotated_tag("v1")
    qwen.branch("v1", qwen.commit({"README.md": readme("text-ranking")}))
    found = resolve(server, reader)
    assert (found["commit"], found["branch"], found["id"], found["pipeline_tag"]) == (qwen.head(), "main", "", "text-ranking")
    assert "id is not known" in found["warnings"][0]
    found = resolve(server, reader, MODEL_REPO_TAG="v1")
    assert (found["commit"], found["tag"], found["pipeline_tag"]) == (first, "v1", "text-generation")
    found = resolve(server, reader, MODEL_REPO_BRANCH="v1")
    assert (found["commit"], found["pipeline_tag"]) == (qwen.head(), "text-ranking")
    resolve(server, reader, MODEL_REPO_BRANCH="nope").failed(MODEL, "no branch 'nope'")
    resolve(server, reader, MODEL_REPO="nope").failed(UNREACHABLE, "403").hides(reader)


def test_tokens_with_line_breaks_are_refused_before_anything_is_sent(server, qwen):
    resolve(server, "glpat-abc\nX-Evil: 1").failed(PARAMETER, "token").hides("glpat-abc")
    assert server.requests == []


def test_a_server_that_repeats_the_token_does_not_get_it_into_messages(server, token, qwen):
    server.fault("project", Status(500, body={"message": f"you sent Bearer {token}"}))
    resolve(server, token, REQUEST_TIMEOUT_MS=2000).failed(UNREACHABLE, "you sent").hides(token)


# ---- redirects ----


def test_redirect_to_another_host_is_not_followed_and_the_token_stays(server, token, qwen, tmp_path):
    with Attacker(tmp_path) as evil:
        for code in (301, 302, 307, 308):
            for endpoint in ("project", "file", "branch"):
                server.clear_faults()
                server.fault(endpoint, Redirect(base=evil.url, code=code))
                parameters = {"MODEL_REPO_BRANCH": "main"} if endpoint == "branch" else {}
                resolve(server, token, **parameters).failed(UNREACHABLE, "redirects", str(code)).hides(token)
        assert evil.requests == [] and evil.connection_count == 0


def test_redirect_to_another_host_that_names_a_number_is_asked_at_home(server, token, qwen, tmp_path):
    with Attacker(tmp_path) as evil:
        server.fault("project", Redirect(location=f"{evil.url}/api/v4/projects/{qwen.id}", code=301), times=1)
        assert resolve(server, token)["id"] == str(qwen.id)
        assert evil.connection_count == 0


def test_redirect_loop_and_sign_in(server, token, qwen):
    server.fault("project", Redirect())
    resolve(server, token).failed(UNREACHABLE, "redirects")
    server.clear_faults()
    server.fault("project", Redirect(location=f"{server.url}/users/sign_in"))
    resolve(server, token).failed(UNREACHABLE, "redirects", "/users/sign_in")


# ---- answers that are none ----


@pytest.mark.parametrize("endpoint", ["project", "branch", "file"])
@pytest.mark.parametrize("fault, words", [
    (Html(), "HTML"),
    (InvalidJson(), "JSON"),
    (Body(""), "JSON"),
    (Body("null"), ""),
    (Body("[]"), ""),
    (Body("\xef\xbb\xbf{}"), "JSON"),
    (OversizedJson(64 * 1024 * 1024), ""),
    (OversizedJson(1024 * 1024, shape="depth"), ""),
    (Endless(limit=256 * 1024 * 1024), ""),
    (Endless(content_length=1 << 40, limit=256 * 1024 * 1024), ""),
    (HeaderFlood(), ""),
    (GzipBomb(), ""),
], ids=["html", "cut", "empty", "null", "list", "bom", "oversized", "deep", "endless", "endless-length", "header-flood", "gzip"])
def test_answers_that_are_none_end_in_a_clear_error(server, token, qwen, endpoint, fault, words):
    server.fault(endpoint, fault)
    began = time.monotonic()
    outcome = resolve(server, token, MODEL_REPO_BRANCH="main", REQUEST_TIMEOUT_MS=3000)
    assert outcome.code in (10 + UNREACHABLE, 10 + MODEL), outcome.document
    assert words in outcome.text and time.monotonic() - began < 50
    assert outcome.document["max_rss_kib"] < 120 * 1024
    outcome.hides(token)


def test_another_content_type_over_json_is_no_matter(server, token, qwen):
    server.fault("any", WrongType())
    assert resolve(server, token)["commit"] == qwen.head()


def test_plain_web_server_is_named_as_none_of_gitlabs(server, token, qwen):
    server.fault("any", Html(status=404, title="nginx"))
    resolve(server, token).failed(UNREACHABLE, "HTML page titled \"nginx\"", "GITLAB_BASE_URL")


def test_api_that_is_switched_off_is_replaced_by_git(server, token, qwen):
    server.fault("api", Html(status=404, title="nginx"))
    found = resolve(server, token)
    assert (found["commit"], found["id"], found["library_name"]) == (qwen.head(), "", "transformers")
    assert "Git's own protocol" in found["warnings"][0]


def test_wrong_base_path(server, token, qwen):
    resolve(server, token, GITLAB_BASE_URL=server.url + "/wrong").failed(UNREACHABLE, "GITLAB_BASE_URL")


@pytest.mark.parametrize("url", ["", "gitlab.example.com", "ftp://gitlab.example.com", "https://"])
def test_wrong_base_urls(url, server):
    resolve(server, "x" * 20, GITLAB_BASE_URL=url).failed(PARAMETER, "GITLAB_BASE_URL")


# ---- trouble on the way ----


@pytest.mark.parametrize("endpoint", ["project", "branch", "file"])
@pytest.mark.parametrize("fault", [Status(503), Status(502), Reset(), Close(), Close(after=40), Truncate(), Truncate(keep=30),
                                   Status(429, body="Retry later\n", headers={"Retry-After": "1"}),
                                   Status(429, body={"message": {"error": "This endpoint has been requested too many times."}})],
                         ids=["503", "502", "reset", "close", "cut-head", "truncated", "truncated-early", "429", "429-application"])
def test_one_failure_is_survived(server, token, qwen, endpoint, fault):
    rule = server.fault(endpoint, fault, times=1)
    found = resolve(server, token, MODEL_REPO_BRANCH="main")
    assert found["commit"] == qwen.head() and rule.hits == 1


@pytest.mark.parametrize("endpoint", ["project", "file"])
@pytest.mark.parametrize("fault, words", [(Status(503), ["503"]), (Status(500), ["500"]), (Reset(), []), (Truncate(), []), (Status(429), ["429"])],
                         ids=["503", "500", "reset", "truncated", "429"])
def test_lasting_failure_is_a_bounded_number_of_tries(server, token, qwen, endpoint, fault, words):
    rule = server.fault(endpoint, fault)
    resolve(server, token).failed(UNREACHABLE, *words).hides(token)
    assert 1 <= rule.hits <= 8


def test_long_retry_after_is_told_instead_of_waited_for(server, token, qwen):
    rule = server.fault("project", Status(429, body="Retry later\n", headers={"Retry-After": "600"}))
    began = time.monotonic()
    resolve(server, token).failed(UNREACHABLE, "429", "Retry later", "600 s")
    assert time.monotonic() - began < AT_ONCE and rule.hits == 1


def test_conflict_500_and_request_id(server, token, qwen):
    server.fault("project", Status(500, headers={"X-Request-Id": "01HXREQUEST"}))
    resolve(server, token).failed(UNREACHABLE, "500 Internal Server Error", "01HXREQUEST")


def test_stalled_and_dripping_servers_end_with_the_request_timeout(server, token, qwen):
    for fault in (Stall(None), Stall(None, after=100), Drip(20)):
        server.clear_faults()
        server.fault("file", fault)
        began = time.monotonic()
        resolve(server, token, REQUEST_TIMEOUT_MS=400).failed(UNREACHABLE)
        assert time.monotonic() - began < 25


def test_deadline_ends_everything(server, token, qwen):
    server.fault("file", Stall(None))
    began = time.monotonic()
    resolve(server, token, TIMEOUT_MS=700, REQUEST_TIMEOUT_MS=30000).failed(DEADLINE)
    assert time.monotonic() - began < AT_ONCE


def test_sigterm_ends_everything(server, token, qwen):
    server.fault("project", Stall(None))
    process = start(GITLAB_BASE_URL=server.url, GITLAB_CA_FILE=server.ca_file, GITLAB_TOKEN=token, NAMESPACE="demo-ns", MODEL_REPO="qwen")
    server.wait_for_requests(1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    finish(process).failed(CANCELED)
    assert time.monotonic() - began < AT_ONCE


def test_unreachable_and_untrusted_servers(server, token, qwen, tmp_path):
    resolve(server, token, GITLAB_BASE_URL="https://127.0.0.1:1").failed(UNREACHABLE, "127.0.0.1")
    resolve(server, token, GITLAB_BASE_URL="https://gitlab.invalid").failed(UNREACHABLE, "gitlab.invalid")
    with Attacker(tmp_path) as other:
        resolve(server, token, GITLAB_CA_FILE=other.ca_file).failed(UNREACHABLE, "certificate").hides(token)
        assert resolve(server, token, GITLAB_CA_FILE=other.ca_file, GITLAB_INSECURE_SKIP_TLS_VERIFY="true")["commit"] == qwen.head()
    assert server.tokens_seen() == {str(token)}


def test_token_goes_as_authorization_and_into_no_url(server, token, qwen):
    assert resolve(server, token).ok
    for request in server.requests:
        assert request.headers.get("authorization") == f"Bearer {token}"
        assert request.headers.get("private-token") is None and str(token) not in request.target
