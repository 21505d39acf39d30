"""The GitLab stand-in against what GitLab documents: shapes, errors, limits."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import time

import pytest

from harness.gitlab import GitLab
from harness.gitlab_client import ask, connect, enc, exchange, ipv6
from harness.model_repository import Executable, Submodule, Symlink, big_readme
from harness.process import AT_ONCE


# -- projects -----------------------------------------------------------------------------------------------------


def test_project_is_found_by_encoded_path_id_and_any_case(g, model):
    token = g.token()
    for wanted in ("demo-ns%2Famlmodels%2Fqwen", str(model.id), "DEMO-ns%2famlmodels%2FQwen"):
        answer = ask(g, f"/projects/{wanted}", token)
        assert answer.status == 200, wanted
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"]
        row = answer.json
        assert row["id"] == model.id and row["path_with_namespace"] == "demo-ns/amlmodels/qwen"
        assert row["namespace"]["full_path"] == "demo-ns/amlmodels" and row["namespace"]["kind"] == "group"
        assert row["default_branch"] == "main" and row["empty_repo"] is False and row["archived"] is False
        assert row["lfs_enabled"] is True and row["repository_access_level"] == "enabled"
        assert row["readme_url"].endswith("/-/blob/main/README.md")
        assert row["http_url_to_repo"] == f"{g.url}/demo-ns/amlmodels/qwen.git"


def test_unencoded_slash_matches_no_route_and_a_missing_project_does(g, model):
    token = g.token()
    assert ask(g, "/projects/demo-ns/amlmodels/qwen", token).json == {"error": "404 Not Found"}
    missing = ask(g, "/projects/demo-ns%2Famlmodels%2Fother", token)
    assert (missing.status, missing.json) == (404, {"message": "404 Project Not Found"})
    assert ask(g, "/projects/qwen", token).json == {"message": "404 Project Not Found"}, "a bare name finds nothing"


def test_visibility(g):
    private = g.project("a/private")
    internal = g.project("a/internal", visibility="internal")
    public = g.project("a/public", visibility="public")
    stranger = g.token(member_of=["elsewhere"])
    member, guest = g.token(member_of=["a"]), g.token(member_of={"a": "guest"})

    def statuses(token):
        return [ask(g, f"/projects/{p.id}", token).status for p in (private, internal, public)]

    assert statuses(None) == [404, 404, 200]
    assert statuses(stranger) == [404, 200, 200]
    assert statuses(member) == [200, 200, 200]
    assert statuses(guest) == [200, 200, 200]
    assert ask(g, f"/projects/{private.id}").json == {"message": "404 Project Not Found"}


def test_a_guest_of_a_private_project_sees_no_default_branch_and_no_files(g, model):
    guest = g.token(member_of={"demo-ns": "guest"})
    row = ask(g, f"/projects/{model.id}", guest).json
    assert "default_branch" not in row and "readme_url" not in row and row["name"] == "qwen"
    for path in ("branches/main", "tags/v1", "files/README.md?ref=main", "tree"):
        answer = ask(g, f"/projects/{model.id}/repository/{path}", guest)
        assert (answer.status, answer.json) == (403, {"message": "403 Forbidden"}), path


def test_an_anonymous_caller_gets_the_simple_fields(g):
    project = g.project("a/public", visibility="public", topics=("text-generation", "aml_framework_transformers"))
    row = ask(g, f"/projects/{project.id}").json
    assert row["topics"] == ["aml_framework_transformers", "text-generation"] and row["default_branch"] == "main"
    assert not {"empty_repo", "archived", "lfs_enabled", "permissions"} & set(row)


def test_a_switched_off_repository(g, model):
    model.repository_access_level = "disabled"
    token = g.token()
    assert "default_branch" not in ask(g, f"/projects/{model.id}", token).json
    base = f"/projects/{model.id}/repository"
    assert ask(g, f"{base}/branches/main", token).json == {"message": "404 Repository Not Found"}
    assert ask(g, f"{base}/commits/main", token).json == {"message": "404 Repository Not Found"}
    assert ask(g, f"{base}/files/README.md?ref=main", token).json == {"message": "403 Forbidden"}


def test_empty_and_missing_repositories(g):
    empty, virtual = g.project("a/empty", empty=True), g.project("a/virtual", virtual=True)
    token = g.token()
    for project, branch in ((empty, "404 Branch Not Found"), (virtual, "404 Not Found")):
        row = ask(g, f"/projects/{project.id}", token).json
        assert row["empty_repo"] is True and row["default_branch"] == "main"
        base = f"/projects/{project.id}/repository"
        assert ask(g, f"{base}/branches/main", token).json == {"message": branch}
        assert ask(g, f"{base}/files/README.md?ref=main", token).json == {"message": "404 Commit Not Found"}
        assert ask(g, f"{base}/tree", token).json == {"message": "404 Tree Not Found"}


def test_a_moved_project_redirects_to_its_number_and_keeps_the_query(g, model):
    token = g.token()
    g.move(model, "other/amlmodels/qwen-new")
    old = "/projects/demo-ns%2Famlmodels%2Fqwen"
    answer = ask(g, old, token)
    assert answer.status == 301 and answer.headers["location"] == f"{g.api_url}/projects/{model.id}"
    assert answer.body.startswith(b"This resource has been moved permanently to "), "not JSON"
    below = ask(g, f"{old}/repository/files/README.md?ref=main", token)
    assert below.headers["location"] == f"{g.api_url}/projects/{model.id}/repository/files/README.md?ref=main"
    assert ask(g, old, token, method="HEAD").status == 405
    assert ask(g, old, g.token(member_of=["demo-ns"])).status == 404, "who cannot see it learns nothing"
    g.moved_scheme = "http"
    assert ask(g, old, token).headers["location"].startswith("http://")
    g.version = "16.6.0"
    assert ask(g, old, token).json == {"message": "404 Project Not Found"}


# -- lists --------------------------------------------------------------------------------------------------------


def test_search_pages_as_gitlab_does(g):
    g.same_name_projects("qwen", 45)
    token = g.token()
    first = ask(g, "/projects?search=qwen", token)
    assert len(first.json) == 20 and [p["id"] for p in first.json] == sorted((p["id"] for p in first.json), reverse=True)
    assert first.headers["x-total"] == "45" and first.headers["x-total-pages"] == "3"
    assert (first.headers["x-page"], first.headers["x-next-page"], first.headers["x-prev-page"]) == ("1", "2", "")
    seen, url = [], "/projects?search=qwen"
    while url:
        page = ask(g, url, token)
        seen += [row["path_with_namespace"] for row in page.json]
        link = re.search(r'<([^>]+)>; rel="next"', page.headers.get("link", ""))
        url = link[1].removeprefix(g.api_url) if link else None
    assert len(seen) == len(set(seen)) == 45
    assert len(ask(g, "/projects?search=qwen&per_page=1000", token).json) == 45, "per_page is at most 100"


def test_search_words(g):
    g.project("mlops/amlmodels/qa", name="QA")
    g.project("mlops/amlmodels/qa-large", name="Large", description="a bigger one")
    token = g.token()

    def found(query):
        return sorted(row["path"] for row in ask(g, f"/projects?{query}", token).json)

    assert found("search=qa") == ["qa"], "short words are dropped; the whole text must then match"
    assert found("search=qa&search_namespaces=true") == []
    assert found("search=mlops%2Famlmodels%2Fqa&search_namespaces=true") == ["qa", "qa-large"]
    assert found("search=amlmodels") == [], "namespaces count only when asked for"
    assert found("search=amlmodels&search_namespaces=true") == ["qa", "qa-large"]
    assert found("search=BIGGER+one") == ["qa-large"]
    assert found("search=bigger+absent") == []


def test_lists_hide_what_the_caller_cannot_see_and_are_simple_for_strangers(g):
    g.project("a/private")
    g.project("a/public", visibility="public")
    assert [row["path"] for row in ask(g, "/projects").json] == ["public"]
    assert "empty_repo" not in ask(g, "/projects").json[0]
    assert {row["path"] for row in ask(g, "/projects", g.token()).json} == {"private", "public"}
    assert "empty_repo" not in ask(g, "/projects?simple=true", g.token()).json[0]
    assert [row["path"] for row in ask(g, "/projects?membership=true", g.token(member_of=["a/private"])).json] == ["private"]


def test_ten_thousand_projects(g):
    like = g.project("bulk/amlmodels/like")
    g.virtual_projects(10_001, like=like)
    token = g.token()
    page = ask(g, "/projects?per_page=1000", token)
    assert len(page.json) == 100 == int(page.headers["x-per-page"]) and page.headers["x-next-page"] == "2"
    assert "x-total" not in page.headers and 'rel="last"' not in page.headers["link"]
    path = enc("bulk/amlmodels/model-09999")
    assert ask(g, f"/projects/{path}", token).json["path"] == "model-09999"
    assert ask(g, f"/projects/{path}/repository/branches/main", token).json["commit"]["id"] == like.head()
    capped = ask(g, "/projects?per_page=100&page=501", token)
    assert capped.status == 405 and "maximum allowed offset of 50000" in capped.json["error"]


def test_keyset_paging_of_projects_ends_with_an_empty_page(g):
    g.virtual_projects(40)
    token, sizes = g.token(), []
    url = "/projects?pagination=keyset&order_by=id&sort=asc&per_page=20"
    while url:
        page = ask(g, url, token)
        sizes.append(len(page.json))
        assert "x-next-page" not in page.headers
        link = re.search(r'<([^>]+)>; rel="next"', page.headers.get("link", ""))
        url = link[1].removeprefix(g.api_url) if link else None
    assert sizes == [20, 20, 0]
    assert ask(g, "/projects?pagination=keyset", token).status == 405


# -- refs ---------------------------------------------------------------------------------------------------------

NAMES = ["main", "feature/one", "a+b", "c#d", "release/v1.0+cu121", "вектор/модель", "模型", "50%", "x&y=z", "a'b\"c", "HEADLESS"]


@pytest.mark.parametrize("name", NAMES)
def test_branches_and_tags_of_any_name(g, model, name):
    token = g.token()
    first = model.head()
    second = model.commit({"new.txt": name}, branch="work")
    model.branch(name, second)
    model.annotated_tag(name, first)
    base = f"/projects/{enc(model.full_path)}/repository"
    branch = ask(g, f"{base}/branches/{enc(name)}", token)
    assert branch.status == 200 and branch.json["name"] == name and branch.json["commit"]["id"] == second
    tag = ask(g, f"{base}/tags/{enc(name)}", token)
    assert tag.json["name"] == name and tag.json["commit"]["id"] == first
    assert ask(g, f"{base}/commits/{enc(name)}", token).json["id"] == first, "Git's rule: the tag wins"
    assert ask(g, f"{base}/files/README.md?ref={enc(name)}", token).json["commit_id"] == first


def test_light_and_annotated_tags(g, model):
    token, commit = g.token(), model.head()
    tag = model.annotated_tag("v1.0", commit, "First release")
    model.tag("light", commit)
    model.repository.annotated_tag("twice", tag, kind="tag")
    base = f"/projects/{model.id}/repository/tags"
    annotated = ask(g, f"{base}/v1.0", token).json
    assert annotated["target"] == tag != commit and annotated["message"] == "First release"
    assert annotated["commit"]["id"] == commit and annotated["created_at"].startswith("2024-01-01T00:")
    light = ask(g, f"{base}/light", token).json
    assert light["target"] == commit == light["commit"]["id"] and light["message"] is None and light["created_at"] is None
    assert ask(g, f"{base}/twice", token).json["commit"]["id"] == commit
    assert ask(g, f"{base}/none", token).json == {"message": "404 Tag Not Found"}
    g.version = "16.0.0"
    old = ask(g, f"{base}/light", token).json
    assert old["message"] == "" and "created_at" not in old
    assert {row["name"] for row in ask(g, base, token).json} == {"v1.0", "light", "twice"}


def test_invalid_and_absent_branch_names(g, model):
    token = g.token()
    base = f"/projects/{model.id}/repository/branches"
    for name in ("a..b", "refs/heads/main", "HEAD", "-x", "a b", "x.lock"):
        answer = ask(g, f"{base}/{enc(name)}", token)
        assert (answer.status, answer.json) == (400, {"message": "The branch refname is invalid"}), name
    assert ask(g, f"{base}/none", token).json == {"message": "404 Branch Not Found"}
    assert ask(g, f"{base}/main", token, method="HEAD").status == 204
    assert ask(g, f"{base}/none", token, method="HEAD").status == 404
    assert [row["name"] for row in ask(g, base, token).json] == ["main"]


def test_commits_by_id_abbreviation_and_head(g, model):
    token, sha = g.token(), model.head()
    base = f"/projects/{model.id}/repository/commits"
    for revision in (sha, sha[:8], "HEAD", "main"):
        row = ask(g, f"{base}/{revision}", token).json
        assert row["id"] == sha and row["short_id"] == sha[:8] and row["parent_ids"] == [] and row["title"] == "Initial commit"
    assert row["stats"]["total"] == row["stats"]["additions"] > 0
    for revision in ("0" * 40, "main:README.md", "-x", "ma in"):
        assert ask(g, f"{base}/{enc(revision)}", token).json == {"message": "404 Commit Not Found"}, revision


# -- files --------------------------------------------------------------------------------------------------------


def test_file_is_what_git_has(g, model):
    token, first = g.token(), model.head()
    second = model.commit({"run.sh": Executable("#!/bin/sh\n"), "dir/ü +#.txt": "x"})
    base = f"/projects/{model.id}/repository/files"
    answer = ask(g, f"{base}/README%2Emd?ref=main", token)
    row = answer.json
    content = base64.b64decode(row["content"], validate=True)
    assert content == model.repository.git("show", "main:README.md").encode()
    assert row["size"] == len(content) and row["content_sha256"] == hashlib.sha256(content).hexdigest()
    assert row["encoding"] == "base64" and row["ref"] == "main" and row["file_path"] == "README.md"
    assert row["commit_id"] == second and row["last_commit_id"] == first, "the ref's commit; the file's last change"
    assert row["blob_id"] == model.repository.git("rev-parse", "main:README.md").strip()
    assert ask(g, f"{base}/run.sh?ref=main", token).json["execute_filemode"] is True
    assert ask(g, f"{base}/{enc('dir/ü +#.txt')}?ref={second}", token).json["file_name"] == "ü +#.txt"
    head = ask(g, f"{base}/README.md?ref=main", token, method="HEAD")
    assert head.status == 200 and head.body == b""
    for field in ("blob_id", "commit_id", "content_sha256", "last_commit_id", "file_name", "ref"):
        assert head.headers["x-gitlab-" + field.replace("_", "-")] == row[field]
    assert head.headers["x-gitlab-size"] == str(len(content)) and head.headers["x-gitlab-execute-filemode"] == "false"


def test_file_errors_can_be_told_apart(g, model):
    token = g.token()
    base = f"/projects/{model.id}/repository/files"
    cases = {
        f"{base}/README.md": (400, {"error": "ref is missing, ref is empty"}),
        f"{base}/README.md?ref=none": (404, {"message": "404 Commit Not Found"}),
        f"{base}/NONE.md?ref=main": (404, {"message": "404 File Not Found"}),
        f"{base}/dir%2Fnone?ref=main": (404, {"message": "404 File Not Found"}),
        f"{base}/dir/none?ref=main": (404, {"error": "404 Not Found"}),
        f"{base}/%2E%2E%2Fetc%2Fpasswd?ref=main": (400, {"error": "file_path should be a valid file path"}),
    }
    for path, expected in cases.items():
        answer = ask(g, path, token)
        assert (answer.status, answer.json) == expected, path


def test_raw_files_pointers_and_lfs_objects(g, model):
    token = g.token()
    files = f"/projects/{model.id}/repository/files"
    raw = ask(g, f"{files}/README.md/raw", token)
    assert raw.body == model.repository.git("show", "main:README.md").encode()
    assert raw.headers["content-type"] == "text/plain" and "no-store" in raw.headers["cache-control"]
    pointer = ask(g, f"{files}/model.safetensors/raw?ref=main", token).body
    assert pointer.startswith(b"version https://git-lfs.github.com/spec/v1\noid sha256:") and b"\nsize 988097824\n" in pointer
    assert ask(g, f"{files}/model.safetensors?ref=main", token).json["size"] == len(pointer)
    part = ask(g, f"{files}/model.safetensors/raw?ref=main&lfs=true", token, headers={"Range": "bytes=0-1023"})
    assert part.status == 206 and part.headers["content-range"] == "bytes 0-1023/988097824"
    length = int.from_bytes(part.body[:8], "little")
    end = json.loads(part.body[8 : 8 + length])["model.embed_tokens.weight"]["data_offsets"][1]
    assert 8 + length + end == 988097824, "a true safetensors header"
    blob = ask(g, f"{files}/README.md?ref=main", token).json["blob_id"]
    assert ask(g, f"/projects/{model.id}/repository/blobs/{blob}/raw", token).body == raw.body
    assert base64.b64decode(ask(g, f"/projects/{model.id}/repository/blobs/{blob}", token).json["content"]) == raw.body
    assert ask(g, f"/projects/{model.id}/repository/blobs/{'0' * 40}", token).json == {"message": "404 Blob Not Found"}


def test_a_big_readme_and_the_limit_on_bigger_ones(g):
    token = g.token()
    card = big_readme(1_000_000)
    project = g.project("a/big", files={"README.md": card, "huge.bin": bytes(11 * 1024 * 1024)})
    row = ask(g, f"/projects/{project.id}/repository/files/README.md?ref=main", token).json
    assert row["size"] == 1_000_000 and base64.b64decode(row["content"]) == card
    statuses = [ask(g, f"/projects/{project.id}/repository/files/huge.bin?ref=main", token).status for _ in range(6)]
    assert statuses == [200] * 5 + [429]


def test_tree(g):
    files = {f"f{n}": "x" for n in range(4)} | {"d/inner": "y", "l": Symlink("f1"), "s": Submodule("1" * 40)}
    project, token = g.project("a/tree", files=files), g.token()
    base = f"/projects/{project.id}/repository/tree"
    rows = ask(g, base, token).json
    assert [row["type"] for row in rows] == ["tree"] + ["blob"] * 5 + ["commit"]
    assert set(rows[0]) == {"id", "name", "type", "path", "mode"} and rows[0]["mode"] == "040000"
    assert {row["mode"] for row in rows} == {"040000", "100644", "120000", "160000"}
    everything = ask(g, f"{base}?recursive=true&pagination=none", token).json
    assert "d/inner" in {row["path"] for row in everything} and len(everything) == 8
    sizes, url = [], f"{base}?recursive=true&pagination=keyset&per_page=4"
    while url:
        page = ask(g, url, token)
        sizes.append(len(page.json))
        link = re.search(r'<([^>]+)>; rel="next"', page.headers.get("link", ""))
        url = link[1].removeprefix(g.api_url) if link else None
    assert sizes == [4, 4, 0], "the last full page still has a Link"
    assert ask(g, f"{base}?path=none", token).json == {"message": "404 invalid revision or path Not Found"}
    assert ask(g, f"{base}?ref=none", token).json == {"message": "404 Tree Not Found"}
    assert ask(g, f"{base}?pagination=none", token).status == 400


# -- tokens, limits, the instance ---------------------------------------------------------------------------------


def test_token_states(g, model):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    path = f"/projects/{model.id}"
    unknown = ask(g, path, "glpat-unknown")
    assert (unknown.status, unknown.json) == (401, {"message": "401 Unauthorized"})
    expired = ask(g, path, g.token(expires_at=today))
    assert expired.status == 401 and expired.json["error"] == "invalid_token" and "Token is expired." in expired.json["error_description"]
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert "Token was revoked." in ask(g, path, g.token(revoked=True)).json["error_description"]
    assert ask(g, path, g.token(expires_at=today + datetime.timedelta(days=1))).status == 200
    g.store.impersonation_enabled = False
    assert "impersonation was disabled" in ask(g, path, g.token(impersonation=True)).json["error_description"]


def test_scopes(g, model):
    reader = g.token(scopes=("read_repository",))
    refused = ask(g, f"/projects/{model.id}", reader)
    assert refused.status == 403 and refused.json["error"] == "insufficient_scope" and refused.json["scope"] == "api read_api"
    assert ask(g, f"/projects/{model.id}/repository/branches/main", reader).status == 403
    assert ask(g, f"/projects/{model.id}/repository/files/README.md?ref=main", reader).status == 200
    assert ask(g, f"/projects/{model.id}", g.token(scopes=("read_api",))).status == 200
    assert ask(g, "/personal_access_tokens/self", reader).json["scopes"] == ["read_repository"]
    assert ask(g, "/metadata", g.token(scopes=("read_user",))).status == 200


def test_token_headers(g, model):
    token = str(g.token())
    for headers in ({"PRIVATE-TOKEN": token}, {"Authorization": f"Bearer {token}"}):
        assert ask(g, f"/projects/{model.id}", headers=headers).status == 200
        assert g.requests[-1].token == token
    assert ask(g, f"/projects/{model.id}?private_token={token}").status == 200
    assert ask(g, f"/projects/{model.id}", headers={"JOB-TOKEN": token}).status == 401
    assert ask(g, f"/projects/{model.id}").status == 404, "without a token a private project is not there"


def test_admin_mode(g, model):
    g.store.admin_mode = True
    assert ask(g, f"/projects/{model.id}", g.token()).status == 404
    assert ask(g, f"/projects/{model.id}", g.token(scopes=("api", "admin_mode"))).status == 200


def test_metadata_and_token_by_version(g):
    token = g.token(name="deploy", expires_at=datetime.date(2999, 1, 1))
    assert ask(g, "/metadata", token).json["version"] == "18.5.1-ee"
    assert ask(g, "/metadata").status == 401
    row = ask(g, "/personal_access_tokens/self", token).json
    assert row["expires_at"] == "2999-01-01" and row["active"] is True and row["revoked"] is False and row["name"] == "deploy"
    g.version = "15.0.0"
    assert ask(g, "/version", token).json["version"] == "15.0.0"
    assert ask(g, "/metadata", token).json == {"error": "404 Not Found"}
    assert ask(g, "/personal_access_tokens/self", token).status == 404


def test_rate_limits(g, model):
    token = g.token()
    g.rate_limit("project", limit=2, period=10**9)  # windows begin by the clock, whatever the test is at
    g.rate_limit("branch", limit=0, period=600, kind="application")
    answers = [ask(g, f"/projects/{model.id}", token) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.body == b"Retry later\n" and refused.headers["content-type"] == "text/plain"
    assert refused.headers["ratelimit-remaining"] == "0" and refused.headers["ratelimit-observed"] == "3"
    left = int(refused.headers["ratelimit-reset"]) - time.time()
    assert abs(left - int(refused.headers["retry-after"])) <= AT_ONCE
    assert ask(g, f"/projects/{model.id}", g.token()).status == 200, "each token has its own count"
    application = ask(g, f"/projects/{model.id}/repository/branches/main", token)
    assert application.status == 429 and application.headers["retry-after"] == "600"
    assert application.json == {"message": {"error": "This endpoint has been requested too many times. Try again later."}}
    assert "ratelimit-limit" not in application.headers


# -- proxies and paths --------------------------------------------------------------------------------------------


def test_proxies_that_touch_encoded_slashes(g, model):
    token, path = g.token(), "/projects/demo-ns%2Famlmodels%2Fqwen"
    g.encoded_slashes = "decode"
    assert ask(g, path, token).json == {"error": "404 Not Found"}
    assert ask(g, f"/projects/{model.id}/repository/files/README.md?ref=main", token).status == 200
    found = ask(g, "/projects?search=demo-ns%2Famlmodels%2Fqwen&search_namespaces=true", token).json
    assert [row["id"] for row in found] == [model.id], "a slash in the query is left alone"
    g.encoded_slashes = "double"
    assert ask(g, path, token).json == {"message": "404 Project Not Found"}
    g.encoded_slashes = "reject"
    assert ask(g, path, token).headers["content-type"].startswith("text/html")


def test_relative_url_install(tmp_path):
    with GitLab(tmp_path, base_path="/tools/gitlab/") as g:
        project, token = g.project("a/b"), g.token()
        assert g.url.endswith("/tools/gitlab") and g.authority.endswith(f":{g.port}/tools/gitlab")
        row = ask(g, "/projects/a%2Fb", token).json
        assert row["http_url_to_repo"] == f"{g.url}/a/b.git"
        connection = connect(g)
        outside = exchange(connection, "GET", "/api/v4/projects/a%2Fb")
        assert outside.status == 404 and outside.headers["content-type"].startswith("text/html")
        g.move(project, "a/c")
        assert exchange(connection, "GET", "/tools/gitlab/api/v4/projects/a%2Fb", {"PRIVATE-TOKEN": str(token)}).headers[
            "location"
        ] == f"{g.api_url}/projects/{project.id}"
        connection.close()


def test_plain_http_ipv6_and_sign_in_pages(tmp_path):
    with GitLab(tmp_path, tls=False) as g:
        g.project("a/b", visibility="public")
        assert g.url.startswith("http://127.0.0.1:") and ask(g, "/projects/a%2Fb").status == 200
        page = ask(g, "//a/b")
        assert page.status == 302 and page.headers["location"].endswith("/users/sign_in")
    if not ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    with GitLab(tmp_path, host="::1") as g:
        g.project("a/b", visibility="public")
        assert g.url.startswith("https://[::1]:") and ask(g, "/projects/a%2Fb").status == 200
