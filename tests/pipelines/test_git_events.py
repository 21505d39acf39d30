"""GitLab's webhooks and pipelines/triggers-gitlab.yaml, with Triggers' own EventListener and interceptors: which events start a run, and
with which parameters. That such a run deploys is tests/e2e/test_git_events.py."""

from __future__ import annotations

import time

import pytest
import requests

from harness import gitlab_webhook as webhook
from harness.cluster import ServiceAccount
from harness.documentation import ROOT, block, manifests
from harness.process import wait_until

TRIGGERS = ROOT / "pipelines" / "triggers-gitlab.yaml"
SECRET = "the-secret-token-of-the-webhook"
A, B, C = "a" * 39 + "1", "b" * 39 + "2", "c" * 39 + "3"


class Listener:
    """An EventListener of one namespace, with the rights that the file gives it, and what came of the events sent to it."""

    def __init__(self, cluster, triggers, namespace: str):
        self.client, self.namespace = cluster.client, namespace
        text = TRIGGERS.read_text(encoding="utf-8").replace(": models", f": {namespace}")  # as its head says
        (cluster.dir / f"{namespace}.yaml").write_text(text)
        items = manifests(cluster.dir / f"{namespace}.yaml")
        for item in items:
            self.client.apply(item)
        self.client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gitlab-webhook", "namespace": namespace},
                           "stringData": {"token": SECRET}})
        for item in manifests(ROOT / "pipelines" / "deploy-inference-service.yaml"):
            self.client.apply(item, namespace)
        self.account = ServiceAccount(cluster, namespace, "gitlab-listener", cluster.dir / "accounts" / namespace)
        cluster.wait_for_rules(self.account, [rule for item in items for rule in item.get("rules", [])])
        self.process, self.url = triggers.listen("gitlab", namespace, self.account)

    def send(self, body: dict, token: str | None = SECRET) -> None:
        answer = webhook.send(self.url, body, token)
        assert answer.status_code == 202, answer.text

    def runs(self) -> list[dict]:
        return sorted(self.client.list("PipelineRun", self.namespace), key=lambda run: run["metadata"]["creationTimestamp"])

    def names(self) -> set[str]:
        return {run["metadata"]["name"] for run in self.runs()}

    def parameters(self, name: str) -> dict[str, str]:
        run = self.client.get("PipelineRun", name, self.namespace)
        return {item["name"]: item["value"] for item in run["spec"]["params"]}

    def starts(self, body: dict) -> dict[str, str]:
        """The parameters of the one run that the event starts."""
        before = self.names()
        self.send(body)
        wait_until(lambda: self.names() - before, 60, "a PipelineRun")
        (name,) = self.names() - before
        return self.parameters(name)

    def starts_nothing(self, body: dict, proof: dict, token: str | None = SECRET) -> None:
        """Sends the event and then ``proof``, which starts a run: that and no other."""
        before = self.names()
        self.send(body, token)
        time.sleep(0.5)  # events are worked on side by side
        self.send(proof)
        wait_until(lambda: self.names() - before, 60, "a PipelineRun")
        time.sleep(0.5)
        names = self.names() - before
        assert len(names) == 1, names
        assert self.parameters(names.pop())["MODEL_REPO_COMMIT"] == proof["checkout_sha"]

    def stop(self) -> None:
        self.process.kill()


@pytest.fixture(scope="module")
def listener(cluster, triggers):
    namespace = cluster.namespace("events")
    listener = Listener(cluster, triggers, namespace)
    yield listener
    listener.stop()
    cluster.delete_namespace(namespace)


class Project:
    """What a webhook says of a project; a new one a test, so that the names of runs differ."""

    last = 100

    def __init__(self, full_path: str = "team-a/amlmodels/qwen"):
        Project.last += 1
        self.id, self.full_path = Project.last, full_path


@pytest.fixture
def project():
    return Project()


@pytest.fixture
def good(project):
    return webhook.push(project, "refs/heads/main", C)


# ---- what starts a run ----


def test_a_push_starts_a_run_of_the_pushed_commit(listener, project):
    assert listener.starts(webhook.push(project, "refs/heads/main", A)) == {
        "INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "team-a/amlmodels/qwen", "MODEL_REPO_BRANCH": "main", "MODEL_REPO_TAG": "",
        "MODEL_REPO_COMMIT": A, "RUNTIME_CLASS": "vllm"}


def test_a_tag_starts_a_run_of_the_commit_it_points_to(listener, project):
    parameters = listener.starts(webhook.tag_push(project, "refs/tags/v1.0", A, tag_object=B, message="Release 1.0"))
    assert (parameters["MODEL_REPO_TAG"], parameters["MODEL_REPO_BRANCH"], parameters["MODEL_REPO_COMMIT"]) == ("v1.0", "", A)


def test_a_light_tag_starts_a_run(listener, project):
    assert listener.starts(webhook.tag_push(project, "refs/tags/v1.1", A))["MODEL_REPO_COMMIT"] == A


@pytest.mark.parametrize("branch", ["release/1.0", "release/2026/spring_1"])
def test_a_release_branch_starts_a_run_with_its_whole_name(listener, project, branch):
    assert listener.starts(webhook.push(project, f"refs/heads/{branch}", A))["MODEL_REPO_BRANCH"] == branch


def test_a_new_branch_lists_no_commits_and_starts_a_run(listener, project):
    assert listener.starts(webhook.new_branch(project, "refs/heads/release/2.0", A))["MODEL_REPO_COMMIT"] == A


def test_a_push_of_many_commits_starts_one_run_of_the_last(listener, project):
    body = webhook.push(project, "refs/heads/main", A, count=45)
    assert len(body["commits"]) == 20
    assert listener.starts(body)["MODEL_REPO_COMMIT"] == A


def test_an_earlier_commit_that_says_skip_does_not_hold_back_the_last(listener, project):
    body = webhook.push(project, "refs/heads/main", A, count=2)
    body["commits"][0]["message"] = "Update the card [skip deploy]\n"
    assert listener.starts(body)["MODEL_REPO_COMMIT"] == A


def test_commits_named_by_sha256(listener, project):
    assert listener.starts(webhook.push(project, "refs/heads/main", "d" * 64))["MODEL_REPO_COMMIT"] == "d" * 64


@pytest.mark.parametrize("path, service", [("team/Qwen2.5_7B", "qwen2-5-7b"), ("a/b/c/7b-chat", "model-7b-chat"), ("team/_x", "model--x")])
def test_the_service_is_named_after_the_repository(listener, path, service):
    parameters = listener.starts(webhook.push(Project(path), "refs/heads/main", A))
    assert (parameters["INFERENCE_SERVICE_NAME"], parameters["MODEL_REPO"]) == (service, path)


# ---- once, and again ----


def test_an_event_delivered_twice_is_one_run(listener, project, good):
    body = webhook.push(project, "refs/heads/main", A)
    listener.starts(body)
    listener.starts_nothing(body, good)


def test_a_branch_that_is_set_back_is_deployed_again(listener, project):
    first = webhook.push(project, "refs/heads/main", A, before=C)
    onward, back = webhook.push(project, "refs/heads/main", B, before=A), webhook.push(project, "refs/heads/main", A, before=B)
    assert [listener.starts(body)["MODEL_REPO_COMMIT"] for body in (first, onward, back)] == [A, B, A]


def test_a_moved_tag_is_deployed_again(listener, project):
    listener.starts(webhook.tag_push(project, "refs/tags/v1", A))
    assert listener.starts(webhook.tag_push(project, "refs/tags/v1", B))["MODEL_REPO_COMMIT"] == B


def test_a_push_and_a_tag_of_one_commit_are_two_runs(listener, project):
    listener.starts(webhook.push(project, "refs/heads/main", A))
    assert listener.starts(webhook.tag_push(project, "refs/tags/v3", A))["MODEL_REPO_TAG"] == "v3"


def test_two_projects_with_one_commit_are_two_runs(listener):
    listener.starts(webhook.push(Project(), "refs/heads/main", A))
    listener.starts(webhook.push(Project("team-b/amlmodels/qwen"), "refs/heads/main", A))


# ---- what must start nothing ----


@pytest.mark.parametrize("token", [None, "", "wrong", SECRET[:-1], SECRET + "x"])
def test_a_wrong_token_starts_nothing(listener, project, good, token):
    listener.starts_nothing(webhook.push(project, "refs/heads/main", A), good, token)


@pytest.mark.parametrize("ref", ["refs/heads/feature/x", "refs/heads/mainline", "refs/heads/release", "refs/heads/x/refs/heads/main",
                                 "refs/heads/release/$(context.pipelineRun.uid)", "refs/heads/main\nrefs/heads/release/x", "refs/heads/release/a b",
                                 "refs/merge-requests/1/head"])
def test_other_branches_start_nothing(listener, project, good, ref):
    listener.starts_nothing(webhook.push(project, ref, A), good)


@pytest.mark.parametrize("ref", ["refs/tags/nightly", "refs/tags/v", "refs/tags/v$(context.pipelineRun.name)", "refs/tags/v1/x", "refs/heads/v1"])
def test_other_tags_start_nothing(listener, project, good, ref):
    listener.starts_nothing(webhook.tag_push(project, ref, A), good)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1.0"])
def test_a_deletion_starts_nothing(listener, project, good, ref):
    body = webhook.deletion(project, ref, A)
    assert body["checkout_sha"] is None
    listener.starts_nothing(body, good)


@pytest.mark.parametrize("marker", ["[skip deploy]", "[skip ci]"])
def test_what_a_pipeline_commits_itself_starts_nothing(listener, project, good, marker):
    listener.starts_nothing(webhook.push(project, "refs/heads/main", A, message=f"Update the model card {marker}", count=3), good)


def test_a_push_with_the_option_skip_starts_nothing(listener, project, good):
    listener.starts_nothing(webhook.push(project, "refs/heads/main", A, push_options={"ci": {"skip": True}}), good)


@pytest.mark.parametrize("options", [None, [], {"mr": {"create": True}}, {"ci": {"variable": "A=b"}}])
def test_other_push_options_do_not_matter(listener, project, options):
    assert listener.starts(webhook.push(project, "refs/heads/main", A, push_options=options))["MODEL_REPO_COMMIT"] == A


def test_a_tag_whose_message_says_skip_starts_nothing(listener, project, good):
    listener.starts_nothing(webhook.tag_push(project, "refs/tags/v1.0", A, tag_object=B, message="Nightly [skip deploy]"), good)


@pytest.mark.parametrize("changes", [{"checkout_sha": "$(context.pipelineRun.name)"}, {"checkout_sha": "HEAD"}, {"object_kind": "tag_push"}, {"ref": None}])
def test_a_body_that_is_not_of_the_form_starts_nothing(listener, project, good, changes):
    listener.starts_nothing(webhook.push(project, "refs/heads/main", A) | changes, good)


def test_a_path_with_an_expression_starts_nothing(listener, good):
    listener.starts_nothing(webhook.push(Project("team/$(context.pipelineRun.uid)"), "refs/heads/main", A), good)


def test_what_is_no_json_is_refused(listener):
    answer = requests.post(listener.url, data=b"ref=main", headers={"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}, timeout=10)
    assert answer.status_code == 400


# ---- installing it ----


def allowed(cluster, account: ServiceAccount, verb: str, group: str, resource: str, namespace: str = "") -> bool:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": {
        "user": account.user, "groups": ["system:authenticated"],
        "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": resource}}}
    return cluster.client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def test_listeners_in_two_namespaces_do_not_take_each_others_rights(cluster, triggers, listener):
    namespace = cluster.namespace("events")
    other = Listener(cluster, triggers, namespace)
    try:
        assert other.starts(webhook.push(Project(), "refs/heads/main", A))
        for account in (other.account, listener.account):
            assert allowed(cluster, account, "list", "triggers.tekton.dev", "clusterinterceptors"), account.namespace
    finally:
        other.stop()
        cluster.delete_namespace(namespace)


def test_the_listener_can_do_no_more_than_it_needs(cluster, listener):
    for verb, group, resource in (("get", "", "secrets"), ("create", "", "pods"), ("create", "tekton.dev", "taskruns"),
                                  ("delete", "tekton.dev", "pipelineruns"), ("create", "rbac.authorization.k8s.io", "rolebindings")):
        assert not allowed(cluster, listener.account, verb, group, resource, listener.namespace), (verb, resource)


def test_triggers_makes_the_service_that_gitlab_is_told_of(cluster, triggers, listener):
    """The Service el-gitlab, before a Deployment that Pod Security "restricted" admits, as the file's account."""
    controller = triggers.start_controller()
    try:
        service = wait_until(lambda: cluster.client.find("Service", "el-gitlab", listener.namespace), 60, "the Service of the listener")
        deployment = wait_until(lambda: cluster.client.find("Deployment", "el-gitlab", listener.namespace), 60, "the Deployment of the listener")
    finally:
        controller.kill()
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert 8080 in [port["port"] for port in service["spec"]["ports"]]
    assert pod["spec"]["serviceAccountName"] == "gitlab-listener"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = cluster.namespace("strict", labels)
    try:
        cluster.client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gitlab-listener", "namespace": namespace}})
        cluster.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "el", "labels": pod["metadata"]["labels"]},
                               "spec": pod["spec"]}, namespace, dryRun="All")
    finally:
        cluster.delete_namespace(namespace)
