"""Real Git clients, LFS and GraphQL against the GitLab stand-in; and that it leaves nothing behind."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from harness.gitlab import GitLab
from harness.gitlab_client import Answer, ask, connect, enc, exchange, git, trust, with_token
from harness.gitlab_faults import Stall, Status
from harness.model_repository import Lfs, ModelRepository, Symlink, qwen_files, readme, sharded_weights, weights

TESTS = Path(__file__).resolve().parent.parent


# -- Git ----------------------------------------------------------------------------------------------------------


def test_clone_over_https_push_and_read_back(g, model, tmp_path):
    token = g.token()
    clone = tmp_path / "clone"
    git(g, "clone", "--quiet", with_token(g.git_url(model), token), str(clone))
    assert (clone / "README.md").read_bytes() == model.repository.git("show", "main:README.md").encode()
    assert (clone / "model.safetensors").read_text().startswith("version https://git-lfs.github.com/spec/v1")
    head = git(g, "rev-parse", "HEAD", cwd=clone).stdout.strip()
    assert head == model.head()
    (clone / "README.md").write_bytes(readme("text-ranking"))
    git(g, "commit", "--quiet", "-am", "Change the card", cwd=clone)
    git(g, "tag", "-a", "-m", "pushed", "v9", cwd=clone)
    git(g, "push", "--quiet", "origin", "main", "v9", cwd=clone)
    pushed = git(g, "rev-parse", "HEAD", cwd=clone).stdout.strip()
    base = f"/projects/{model.id}/repository"
    assert ask(g, f"{base}/branches/main", token).json["commit"]["id"] == pushed
    assert ask(g, f"{base}/tags/v9", token).json["commit"]["id"] == pushed
    assert b"text-ranking" in base64.b64decode(ask(g, f"{base}/files/README.md?ref=main", token).json["content"])
    later = model.commit({"more.txt": "on top of a pushed commit"})
    assert model.repository.git("show", f"{later}:README.md").encode() == readme("text-ranking")


def test_git_reads_what_tokens_allow(g, model, tmp_path):
    def remote(url):
        return git(g, "ls-remote", url, check=False)

    url = g.git_url(model)
    ok = remote(with_token(url, g.token(scopes=("read_repository",))))
    assert ok.returncode == 0 and f"{model.head()}\trefs/heads/main" in ok.stdout
    assert remote(with_token(url, g.token(scopes=("read_api",)))).returncode == 0
    assert "HTTP Basic: Access denied" in remote(with_token(url, "wrong")).stderr
    assert remote(with_token(url, g.token(revoked=True))).returncode != 0
    assert "not allowed to download code" in remote(with_token(url, g.token(scopes=("read_user",)))).stderr
    assert "could not be found" in remote(with_token(url, g.token(member_of=["elsewhere"]))).stderr
    assert remote(url).returncode != 0, "a private project asks for credentials"
    model.visibility = "public"
    assert remote(url).returncode == 0
    assert remote(url.removesuffix(".git")).returncode == 0, "redirected to .git"
    push = git(g, "push", with_token(url, g.token(scopes=("read_repository",))), "HEAD:refs/heads/x", cwd=clone_of(g, url, tmp_path), check=False)
    assert push.returncode != 0 and "not allowed to push code" in push.stderr


def clone_of(g, url: str, tmp_path: Path) -> Path:
    git(g, "clone", "--quiet", url, str(tmp_path / "copy"))
    return tmp_path / "copy"


def test_git_follows_a_moved_project_and_fetches_one_commit_shallow(g, model, tmp_path):
    old, first = g.git_url(model), model.head()
    model.commit({"x": "y"})
    g.move(model, "other/place")
    repository = tmp_path / "shallow"
    git(g, "init", "--quiet", str(repository))
    git(g, "fetch", "--quiet", "--depth=1", with_token(old, g.token()), first, cwd=repository)
    assert git(g, "rev-parse", "FETCH_HEAD", cwd=repository).stdout.strip() == first
    assert git(g, "rev-list", "--count", "FETCH_HEAD", cwd=repository).stdout.strip() == "1"


def test_faults_reach_git_too(g, model):
    g.fault("git", Status(503))
    done = git(g, "ls-remote", with_token(g.git_url(model), g.token()), check=False)
    assert done.returncode != 0 and "503" in done.stderr


def test_built_repositories_are_sound_and_the_same_everywhere(tmp_path):
    heads = []
    for name in ("one", "two"):
        repo = ModelRepository.create(tmp_path / f"{name}.git")
        first = repo.commit(qwen_files())
        repo.commit({"a/b/c.txt": "1", "a.txt": "2", "a-b": "3", "l": Symlink("a.txt"), "config.json": None})
        repo.annotated_tag("v1", first)
        repo.commit({"only": "this"}, branch="orphan", parent="", replace=True)
        assert repo.git("fsck", "--strict", "--full") == ""
        heads.append(repo.head())
    assert heads[0] == heads[1]
    assert "config.json" not in repo.git("ls-tree", "-r", "--name-only", "main").splitlines()
    assert repo.git("ls-tree", "-r", "--name-only", "orphan") == "only\n"


# -- LFS ----------------------------------------------------------------------------------------------------------


def batch(g, project, objects, token=None, operation: str = "download") -> Answer:
    headers = {"Content-Type": "application/vnd.git-lfs+json", "Accept": "application/vnd.git-lfs+json"}
    if token is not None:
        headers["Authorization"] = token.basic()
    body = json.dumps({"operation": operation, "transfers": ["basic"], "objects": objects}).encode()
    return ask(g, f"//{project.full_path}.git/info/lfs/objects/batch", method="POST", headers=headers, body=body)


def test_lfs_batch_tells_which_objects_exist_and_echoes_the_size(g):
    stored, lost = Lfs(b"weights"), Lfs(b"never pushed", stored=False)
    project = g.project("a/lfs", files={"a.bin": stored, "b.bin": lost})
    token = g.token(scopes=("read_repository",))
    rows = [{"oid": stored.object_id, "size": 999}, {"oid": lost.object_id, "size": 12}]
    answer = batch(g, project, rows, token)
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/vnd.git-lfs+json")
    found, missing = answer.json["objects"]
    assert "transfer" not in answer.json and found["size"] == 999, "GitLab does not check the size"
    assert missing["error"]["code"] == 404 and "Object does not exist on the server" in missing["error"]["message"]
    action = found["actions"]["download"]
    assert action["href"] == f"{g.git_url(project)}/gitlab-lfs/objects/{stored.object_id}"
    assert action["header"]["Authorization"] != token.basic(), "a credential of its own"
    path = "/" + urlsplit(action["href"]).path
    assert ask(g, path, headers=action["header"]).body == b"weights"
    part = ask(g, path, headers={**action["header"], "Range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"igh", "bytes 2-4/7")
    assert ask(g, path, headers={**action["header"], "Range": "bytes=7-"}).status == 416
    g.lfs_ranges = False
    assert ask(g, path, headers={**action["header"], "Range": "bytes=2-4"}).status == 200
    lfs_pass = base64.b64decode(action["header"]["Authorization"].split()[1]).decode().split(":")[1]
    assert ask(g, "/projects/1001", lfs_pass).status == 401, "it is of no use to the API"


def test_lfs_refusals(g, model):
    rows = [{"oid": "0" * 64, "size": 1}]
    assert batch(g, model, rows).status == 401
    assert batch(g, model, [], g.token()).status == 404
    assert batch(g, model, rows, g.token(), operation="upload").status == 403
    model.lfs_enabled = False
    assert batch(g, model, rows, g.token()).status == 403
    g.lfs_enabled = False
    assert batch(g, model, rows, g.token()).status == 501


def test_lfs_from_object_storage(g):
    item = weights(4096)
    project, token = g.project("a/lfs", files={"model.safetensors": item}), g.token()
    g.lfs_direct_download = True
    action = batch(g, project, [{"oid": item.object_id, "size": 4096}], token).json["objects"][0]["actions"]["download"]
    assert "header" not in action and action["expires_in"] == 3600
    storage = g.object_storage.http
    target = action["href"].removeprefix(storage.origin)

    def fetch(method, headers):
        connection = http.client.HTTPSConnection("127.0.0.1", storage.port, context=trust(g), timeout=30)
        answer = exchange(connection, method, target, headers)
        connection.close()
        return answer

    assert fetch("GET", {"Range": "bytes=0-7"}).body == item.data[:8]
    assert fetch("HEAD", {}).status == 403, "signed for GET"
    assert b"Only one auth mechanism allowed" in fetch("GET", {"Authorization": "Bearer x"}).body
    raw = ask(g, f"/projects/{project.id}/repository/files/model.safetensors/raw?ref=main&lfs=true", token)
    assert raw.status == 302 and raw.headers["location"].startswith(storage.origin)


# -- GraphQL ------------------------------------------------------------------------------------------------------

BLOBS = """query($p: ID!, $paths: [String!]!, $ref: String) { project(fullPath: $p) { repository {
  blobs(paths: $paths, ref: $ref) { nodes { path oid mode size rawSize lfsOid storedExternally externalStorage } } } } }"""


def graphql(g, query: str, token=None, **variables) -> Answer:
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"query": query, "variables": variables}).encode()
    return ask(g, "//api/graphql", method="POST", headers=headers, body=body)


def test_graphql_gives_true_sizes_as_strings(g):
    files = sharded_weights([5_000_000_000, 4_000_000_001], stored=True, missing=(2,))
    project, token = g.project("a/b/model", files={**files, "config.json": "{}"}), g.token()
    paths = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    answer = graphql(g, BLOBS, token, p="a/b/model", paths=paths, ref=project.head())
    small, shard = answer.json["data"]["project"]["repository"]["blobs"]["nodes"]
    assert small["size"] == small["rawSize"] == "2" and small["storedExternally"] is False and small["lfsOid"] is None
    assert shard["rawSize"] == "5000000000" and 120 <= int(shard["size"]) <= 200
    assert shard["storedExternally"] is True and shard["externalStorage"] == "lfs" and shard["mode"] == "100644"
    project.lfs_enabled = False
    shard = graphql(g, BLOBS, token, p="a/b/model", paths=paths[1:2]).json["data"]["project"]["repository"]["blobs"]["nodes"][0]
    assert shard["rawSize"] == shard["size"] and shard["storedExternally"] is False
    project.lfs_enabled = True
    g.version = "15.6.0"
    old = graphql(g, BLOBS, token, p="a/b/model", paths=paths[:1]).json
    assert old["data"]["project"]["repository"]["blobs"]["nodes"][0]["rawSize"] == 2, "an Int before 15.7"
    assert "Integer out of bounds" in graphql(g, BLOBS, token, p="a/b/model", paths=paths).json["errors"][0]["message"]


def test_graphql_errors(g, model):
    token = g.token(member_of=["demo-ns"])
    refused = graphql(g, BLOBS, "wrong", p=model.full_path, paths=["README.md"])
    assert (refused.status, refused.json) == (401, {"errors": [{"message": "Invalid token"}]})
    assert graphql(g, BLOBS, g.token(scopes=("read_repository",)), p=model.full_path, paths=["x"]).status == 401
    hidden = graphql(g, BLOBS, p=model.full_path, paths=["README.md"])
    assert (hidden.status, hidden.json) == (200, {"data": {"project": None}})
    assert graphql(g, BLOBS, token, p=model.full_path, paths=["x"] * 50).status == 200
    assert "data" in graphql(g, BLOBS, token, p=model.full_path, paths=["x"] * 50).json
    heavy = graphql(g, BLOBS, token, p=model.full_path, paths=["x"] * 150).json
    assert re.fullmatch(r"Query has complexity of \d+, which exceeds max complexity of 250", heavy["errors"][0]["message"])
    unknown = graphql(g, '{ project(fullPath: "demo-ns/amlmodels/qwen") { fullpath } }', token).json["errors"]
    assert unknown[0]["extensions"]["code"] == "undefinedField"
    assert graphql(g, "{" + " " * 10_000 + "}", token).status == 422
    assert "Parse error" in graphql(g, "{ project(", token).json["errors"][0]["message"]
    assert "Ref is not valid" in graphql(g, BLOBS, token, p=model.full_path, paths=["x"], ref="a:b").json["errors"][0]["message"]


def test_graphql_tree_and_fragments(g):
    project = g.project("a/b", files={"d/one.txt": "1", "two.bin": Lfs(b"x" * 10)})
    query = """
      query Tree($p: ID!) { project(fullPath: $p) { fullPath repository { rootRef tree(ref: "main", recursive: true) {
        blobs { nodes { ...entry lfsOid } pageInfo { hasNextPage } } trees { nodes { ...entry } } lastCommit { sha } } } } }
      fragment entry on Entry { name path type }"""
    row = graphql(g, query, g.token(), p="a/b").json["data"]["project"]
    tree = row["repository"]["tree"]
    assert row["fullPath"] == "a/b" and row["repository"]["rootRef"] == "main"
    assert {node["path"] for node in tree["blobs"]["nodes"]} == {"d/one.txt", "two.bin"}
    assert [node["path"] for node in tree["trees"]["nodes"]] == ["d"]
    assert tree["lastCommit"]["sha"] == project.head() and tree["blobs"]["pageInfo"]["hasNextPage"] is False
    assert [n["lfsOid"] for n in tree["blobs"]["nodes"] if n["path"] == "two.bin"] == [Lfs(b"x" * 10).object_id]


# -- by hand, and tidiness ----------------------------------------------------------------------------------------


def test_demo_serves_until_sigterm_and_leaves_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "harness.gitlab", "--demo", "--json", "--projects", "3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        found = json.loads(process.stdout.readline())
        path = enc(found["PROJECT"])
        curl = ["curl", "-sS", "--fail", "--cacert", found["CA_FILE"], "-H", f"Authorization: Bearer {found['TOKEN']}"]
        tag = subprocess.run([*curl, f"{found['URL']}/api/v4/projects/{path}/repository/tags/v1.0"], capture_output=True, check=True)
        assert json.loads(tag.stdout)["name"] == "v1.0"
        branch = subprocess.run([*curl, f"{found['URL']}/api/v4/projects/{path}/repository/branches/main"], capture_output=True, check=True)
        assert json.loads(branch.stdout)["commit"]["id"] == found["COMMIT"]
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_stopping_ends_everything(tmp_path):
    g = GitLab(tmp_path).start()
    model, token = g.project("a/b"), g.token()
    ask(g, f"/projects/{model.id}", token)
    readers = list(g.objects._readers.values())
    assert readers, "a Git process serves the repository"
    g.fault("project", Stall(None))
    connection = connect(g)
    connection.request("GET", f"/api/v4/projects/{model.id}")
    g.wait_for_requests(2)
    g.stop()
    connection.close()
    assert all(reader.process.poll() is not None for reader in readers)
    assert not any(thread.name.startswith(f"http-{g.port}") for thread in threading.enumerate())
    assert list(tmp_path.iterdir()) == []
    g.stop()
