"""GitLab's webhooks start the Pipeline: pipelines/triggers-gitlab.yaml with Triggers' own EventListener and interceptors."""

from __future__ import annotations

import time

import pytest
import requests
import yaml

from e2e.place import ROOT
from harness.client import condition
from harness.cluster import ServiceAccount

SECRET = "the-secret-token-of-the-webhook"
NOBODY = "0" * 40


@pytest.fixture
def listener(place, triggers, cluster):
    """The file as its head says to install it: the namespace replaced, the secret made."""
    text = (ROOT / "pipelines" / "triggers-gitlab.yaml").read_text().replace("namespace: models", f"namespace: {place.namespace}")
    for item in yaml.safe_load_all(text):
        place.client.apply(item)
    place.client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gitlab-webhook", "namespace": place.namespace},
                        "stringData": {"token": SECRET}})
    account = ServiceAccount(cluster, place.namespace, "gitlab-listener", cluster.dir / "accounts" / place.namespace)
    server, url = triggers.listen("gitlab", place.namespace, account)
    yield url
    server.kill()


def event(place, ref: str, commit: str, message: str = "Add weights", **changes) -> dict:
    """The body of a push or tag push event (GitLab documentation, "Webhook events"), as far as anything reads it."""
    kind = "tag_push" if ref.startswith("refs/tags/") else "push"
    return {"object_kind": kind, "event_name": kind, "before": "95790bf891e76fee5e1747ab589903a6a1f80f22", "after": commit, "ref": ref,
            "checkout_sha": commit, "user_username": "jsmith", "project_id": place.project.id,
            "project": {"id": place.project.id, "name": "Qwen", "path_with_namespace": place.project.full_path, "namespace": "Models",
                        "default_branch": "main", "git_http_url": place.gitlab.git_url(place.project)},
            "commits": [{"id": commit, "message": message, "added": [], "modified": ["config.json"], "removed": []}],
            "total_commits_count": 1, **changes}


def send(url: str, body: dict, token: str = SECRET) -> None:
    name = "Tag Push Hook" if body["object_kind"] == "tag_push" else "Push Hook"
    answer = requests.post(url, json=body, headers={"X-Gitlab-Event": name, "X-Gitlab-Token": token}, timeout=10)
    assert answer.status_code == 202, answer.text


def runs(place) -> list[str]:
    return [item["metadata"]["name"] for item in place.client.list("PipelineRun", place.namespace)]


def the_run(place, timeout: float = 15) -> str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if runs(place):
            return runs(place)[0]
        time.sleep(0.1)
    raise AssertionError("no PipelineRun was made")


def test_a_push_deploys_the_pushed_commit(place, listener):
    pushed = place.project.commit({"config.json": '{"pushed": true}'})
    place.project.commit({"config.json": '{"later": true}'})
    send(listener, event(place, "refs/heads/main", pushed))
    send(listener, event(place, "refs/heads/main", pushed))
    run = place.finish(the_run(place))
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == pushed == place.served_commit()
    assert place.service()["metadata"]["annotations"]["aml-model-repo-branch"] == "main"
    assert len(runs(place)) == 1, "one event delivered twice is one run"


def test_a_tag_deploys_its_commit(place, listener):
    commit = place.project.repository.head()
    place.project.annotated_tag("v1.0")
    place.project.commit({"config.json": "{}"})
    send(listener, event(place, "refs/tags/v1.0", commit, after="f" * 40, checkout_sha=commit))
    run = place.finish(the_run(place))
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == commit == place.served_commit()


def test_what_must_start_nothing(place, listener):
    """Wrong token, other refs, deletions, injection, our own commits; then a good event, to see that it was the filters."""
    commit = place.project.repository.head()
    send(listener, event(place, "refs/heads/main", commit), token="wrong")
    send(listener, event(place, "refs/heads/feature/x", commit))
    send(listener, event(place, "refs/heads/main", NOBODY, checkout_sha=None))
    send(listener, event(place, "refs/tags/nightly", commit))
    send(listener, event(place, "refs/heads/release/$(context.pipelineRun.uid)", commit))
    send(listener, event(place, "refs/heads/main", commit, message="Update the model card [skip deploy]"))
    send(listener, event(place, "refs/heads/main", commit, checkout_sha="$(context.pipelineRun.name)"))
    time.sleep(3)
    assert runs(place) == []
    send(listener, event(place, "refs/heads/release/1.0", commit))
    name = the_run(place)
    parameters = {p["name"]: p["value"] for p in place.client.get("PipelineRun", name, place.namespace)["spec"]["params"]}
    assert parameters["MODEL_REPO_BRANCH"] == "release/1.0"
    assert parameters["MODEL_REPO"] == place.project.full_path
    assert parameters["MODEL_REPO_COMMIT"] == commit
