"""A push and a tag in GitLab deploy: pipelines/triggers-gitlab.yaml with Triggers' own EventListener, and the run that it starts. Which
events start a run and which do not is tests/pipelines/test_git_events.py."""

from __future__ import annotations

import pytest
import yaml

from e2e.place import PATIENCE, ROOT
from harness import gitlab_webhook as webhook
from harness.cluster import ServiceAccount
from harness.process import wait_until

SECRET = "the-secret-token-of-the-webhook"


@pytest.fixture
def listener(place, triggers, cluster):
    """The file as its head says to install it: the namespace replaced, the secret made."""
    text = (ROOT / "pipelines" / "triggers-gitlab.yaml").read_text().replace(": models", f": {place.namespace}")
    items = [item for item in yaml.safe_load_all(text) if item]
    for item in items:
        place.client.apply(item)
    place.client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gitlab-webhook", "namespace": place.namespace},
                        "stringData": {"token": SECRET}})
    account = ServiceAccount(cluster, place.namespace, "gitlab-listener", cluster.dir / "accounts" / place.namespace)
    cluster.wait_for_rules(account, [rule for item in items for rule in item.get("rules", [])])
    server, url = triggers.listen("gitlab", place.namespace, account)
    yield url
    server.kill()


def runs(place) -> list[str]:
    return [item["metadata"]["name"] for item in place.client.list("PipelineRun", place.namespace)]


def the_run(place) -> str:
    return wait_until(lambda: runs(place), PATIENCE, "a PipelineRun")[0]


def test_a_push_deploys_the_pushed_commit(place, listener):
    pushed = place.project.commit({"config.json": '{"pushed": true}'})
    place.project.commit({"config.json": '{"later": true}'})
    body = webhook.push(place.project, "refs/heads/main", pushed)
    for _ in range(2):
        assert webhook.send(listener, body, SECRET).status_code == 202
    run = place.finish(the_run(place))
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == pushed == place.served_commit()
    assert place.service()["metadata"]["annotations"]["aml-model-repo-branch"] == "main"
    assert len(runs(place)) == 1, "one event delivered twice is one run"


def test_a_tag_deploys_its_commit(place, listener):
    commit = place.project.repository.head()
    tag = place.project.annotated_tag("v1.0")
    place.project.commit({"config.json": "{}"})
    webhook.send(listener, webhook.tag_push(place.project, "refs/tags/v1.0", commit, tag_object=tag, message="Release 1.0"), SECRET)
    run = place.finish(the_run(place))
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == commit == place.served_commit()
    assert place.service()["metadata"]["annotations"]["aml-model-repo-tag-commit"]
