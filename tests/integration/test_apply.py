"""Server-side apply of src/kube against a real API server: KServe's own (full) custom resource, and one whose spec is atomic (minimal)."""

from __future__ import annotations

import copy
import json
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from harness import kubeconfig, servers
from harness.client import ApiError, NotFound
from harness.cluster import Cluster
from harness.kserve import KServe
from harness.process import AT_ONCE, wait_until
from kube_tool import (CANCELED, CONFLICT, DEADLINE, ISVC, MANAGER, MINIMAL_CRD, REFUSED, THING, UNREACHABLE, Proxy, Tool, Webhook)
from net_peer import Peer

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
RULES = [{"apiGroups": ["serving.kserve.io", "minimal.example.com"], "resources": ["inferenceservices", "things"],
          "verbs": ["get", "list", "watch", "create", "patch"]}]


@pytest.fixture(scope="module")
def plane(run_dir):
    """An API server of its own: these tests stop it."""
    with Cluster(run_dir / "apply", controllers=False, scheduler=False).start() as cluster:
        KServe(cluster, "0.16").install_crds()
        cluster.client.create(MINIMAL_CRD)
        deadline = time.monotonic() + 60
        while True:
            try:
                cluster.client.list("Thing", "default")
                break
            except (LookupError, ApiError):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield cluster


class Place:
    """A namespace, a kind, and the rights that a deploy has there."""

    def __init__(self, cluster: Cluster, resource: str):
        self.cluster, self.resource = cluster, resource
        self.client = cluster.client
        self.group, self.version, self.plural, self.kind = resource.split("/")
        self.namespace = cluster.namespace("apply")
        self.account = cluster.service_account(self.namespace, "deployer", RULES)
        self.config = self.account.kubeconfig()

    def document(self, limits=None, labels=None, annotations=None, **model) -> dict:
        model = {"modelFormat": {"name": "transformers"}, "storageUri": "hf://a/b:1", "resources": {"limits": limits or {"cpu": "1"}}, **model}
        return {"apiVersion": f"{self.group}/{self.version}", "kind": self.kind,
                "metadata": {"name": "qwen", "namespace": self.namespace, "labels": labels or {}, "annotations": annotations or {}},
                "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "model": model}}}

    def start(self, document: dict, config=None, held: bool = False, **more) -> Tool:
        return Tool(config or self.config, {"apply": {"resource": self.resource, "namespace": self.namespace, "name": "qwen",
                                                      "document": document, "manager": MANAGER, **more}}, held)

    def apply(self, document: dict, config=None, **more) -> SimpleNamespace:
        with self.start(document, config, **more) as tool:
            word = tool.finish()
        return SimpleNamespace(**{"error": None, "object": None, **word}, tool=tool)

    def live(self) -> dict:
        return self.client.get(self.kind, "qwen", self.namespace)

    def limits(self) -> dict:
        return self.live()["spec"]["predictor"]["model"]["resources"]["limits"]

    def path(self, subresource: str = "") -> str:
        return f"/apis/{self.group}/{self.version}/namespaces/{self.namespace}/{self.plural}/qwen{subresource}"

    def patch(self, body: dict, manager: str, subresource: str = "") -> None:
        self.client.request("PATCH", self.path(subresource), body, content_type="application/merge-patch+json", params={"fieldManager": manager})

    def post(self, document: dict, manager: str) -> dict:
        return self.client.request("POST", self.path().rsplit("/", 1)[0], document, params={"fieldManager": manager})

    def kubectl(self, document: dict, *arguments: str) -> None:
        command = [servers.program("kubernetes", "kubectl"), "--kubeconfig", str(self.cluster.admin_kubeconfig), "apply", *arguments, "-f", "-"]
        subprocess.run(command, input=json.dumps(document), text=True, check=True, capture_output=True)

    def managers(self) -> list[tuple[str, str]]:
        return [(e["manager"], e["operation"]) for e in self.live()["metadata"].get("managedFields", []) if not e.get("subresource")]

    def writes(self) -> list[dict]:
        """The writes of the deployer that the API server saw."""
        return [e for e in self.cluster.audit(self.account.user) if e["verb"] in ("patch", "create", "update", "delete")]


@pytest.fixture(params=[ISVC, THING], ids=["full", "minimal"])
def place(plane, request):
    return Place(plane, request.param)


@pytest.fixture
def isvc(plane):
    return Place(plane, ISVC)


# ---- create, update, nothing

def test_create_then_equal_then_changed(place):
    document = place.document(annotations={"hash": "1"})
    first = place.apply(document)
    assert (first.created, first.changed, first.migrated) == (True, True, False)
    assert place.managers() == [(MANAGER, "Apply")]
    assert first.object["metadata"]["uid"] == place.live()["metadata"]["uid"]

    before = place.live()
    again = place.apply(document)
    assert (again.created, again.changed, again.migrated) == (False, False, False)
    assert place.live() == before  # not even a new resourceVersion

    document["spec"]["predictor"]["model"]["storageUri"] = "hf://a/b:2"
    changed = place.apply(document)
    assert (changed.created, changed.changed) == (False, True)
    assert place.live()["spec"]["predictor"]["model"]["storageUri"] == "hf://a/b:2"
    assert [e["verb"] for e in place.writes()] == ["patch"] * 3
    assert changed.tool.statistics["connections"] == 1


def test_what_is_left_out_disappears(place):
    place.apply(place.document(limits={"nvidia.com/gpu": "1", "cpu": "1"}, env=[{"name": "A", "value": "1"}], annotations={"x": "1", "y": "2"}))
    place.apply(place.document(limits={"cpu": "1"}, annotations={"x": "1"}))
    live = place.live()
    assert live["spec"]["predictor"]["model"]["resources"]["limits"] == {"cpu": "1"}
    assert "env" not in live["spec"]["predictor"]["model"]
    assert live["metadata"]["annotations"] == {"x": "1"}


HOSTILE = ["plain", "a/b\\/c", "quote \" and \\ backslash", "emoji \U0001f600 \U0010fffd", "next line \x85 here", "del \x7f", "c1 \x80\x9f",
           " \u2028 separators \u2029 ", "bom \ufeff", "non \ufffe\uffff characters", "tab\tnewline\nreturn\r", "\u00e4\u4e2d\u6587",
           "{{ .Name }} $(VAR) %s", "- yaml: [", "x" * 70000]


def test_every_text_arrives_as_it_is(place):
    annotations = {f"k{i}": text for i, text in enumerate(HOSTILE)}
    result = place.apply(place.document(annotations=annotations, env=[{"name": "A", "value": text} for text in HOSTILE[:1]]))
    assert result.error is None, result.error
    assert place.live()["metadata"]["annotations"] == annotations


# ---- objects of kubectl apply

def test_take_over_from_kubectl_apply(place):
    old = place.document(limits={"nvidia.com/gpualloc": "1", "nvidia.com/gpumem": "4096", "cpu": "1"}, annotations={"old": "1"},
                         labels={"team": "a"}, env=[{"name": "OLD", "value": "1"}])
    place.kubectl(old)
    place.patch({"metadata": {"labels": {"theirs": "kept"}}}, "someone")
    place.patch({"status": {"url": "http://x"}}, "controller", "/status")
    assert place.managers()[0][0].startswith("kubectl") or ("kubectl-client-side-apply", "Update") in place.managers()

    result = place.apply(place.document(limits={"nvidia.com/gpu": "1", "cpu": "1"}, labels={"team": "a"}))
    assert result.error is None, result.error
    assert (result.created, result.changed, result.migrated) == (False, True, True)
    live = place.live()
    assert live["spec"]["predictor"]["model"]["resources"]["limits"] == {"nvidia.com/gpu": "1", "cpu": "1"}
    assert "env" not in live["spec"]["predictor"]["model"]
    assert live["metadata"]["labels"] == {"team": "a", "theirs": "kept"}
    assert live["metadata"].get("annotations", {}) == {}  # kubectl's note went too
    assert live["status"] == {"url": "http://x"}
    assert sorted(place.managers()) == [(MANAGER, "Apply"), ("someone", "Update")]

    assert place.apply(place.document(limits={"nvidia.com/gpu": "1", "cpu": "1"}, labels={"team": "a"})).migrated is False
    assert [e["verb"] for e in place.writes()] == ["patch"] * 3  # move, apply, equal apply


def test_take_over_of_an_unchanged_object_is_no_change_of_it(place):
    document = place.document(annotations={"hash": "1"})
    place.kubectl(document)
    generation = place.live()["metadata"]["generation"]
    result = place.apply(document)
    assert result.migrated
    assert place.live()["metadata"]["generation"] == generation  # nothing rolls out


def test_operations_go_with_the_migration(isvc):
    """As KServe 0.16 needs it: the annotation changes in the same request."""
    mode = "serving.kserve.io/deploymentMode"
    seen = []

    def answer(request):
        annotations = request["object"]["metadata"].get("annotations", {})
        seen.append(annotations.get(mode))
        return {"allowed": annotations.get(mode) == "Standard", "status": {"code": 403, "message": "update rejected: deploymentMode"}}

    document = isvc.document(annotations={mode: "RawDeployment"})
    isvc.kubectl(document)
    with Webhook(isvc.cluster, isvc.namespace, isvc.group, isvc.plural, answer, directory=isvc.account.directory).listen() as hook:
        hook.wait_active(document)
        seen.clear()
        document["metadata"]["annotations"][mode] = "Standard"
        operation = [{"op": "replace", "path": "/metadata/annotations/serving.kserve.io~1deploymentMode", "value": "Standard"}]
        result = isvc.apply(document, migration_operations=operation)
    assert result.error is None, result.error
    assert result.migrated and set(seen) == {"Standard"}
    assert isvc.live()["metadata"]["annotations"][mode] == "Standard"


def test_object_without_managed_fields(place):
    """Of a time before managedFields: the first apply makes before-first-apply, whose fields would stay for ever."""
    old = place.document(limits={"nvidia.com/gpu": "1", "cpu": "1"})
    old["metadata"]["annotations"][LAST_APPLIED] = "{}"
    place.post(old, "kubectl")
    place.client.request("PATCH", place.path(), [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}],
                         content_type="application/json-patch+json")
    assert place.managers() == []

    result = place.apply(place.document(limits={"cpu": "2"}))
    assert result.error is None, result.error
    assert result.migrated
    assert place.limits() == {"cpu": "2"}
    assert LAST_APPLIED not in place.live()["metadata"].get("annotations", {})
    assert place.managers() == [(MANAGER, "Apply")]


@pytest.mark.parametrize("manager", ["kubectl-create", "kubectl-replace", "kubectl"])
def test_whole_manifests_of_before_give_way(place, manager):
    place.post(place.document(limits={"cpu": "1"}), manager)
    result = place.apply(place.document(limits={"cpu": "2"}))
    assert result.error is None, result.error
    assert place.limits()["cpu"] == "2"


def test_kubectl_server_side_apply_gives_way(place):
    place.kubectl(place.document(limits={"cpu": "1"}), "--server-side")
    result = place.apply(place.document(limits={"cpu": "2"}))
    assert result.error is None, result.error
    assert place.limits() == {"cpu": "2"}


def test_our_own_post_is_ours(place):
    place.post(place.document(limits={"cpu": "1", "nvidia.com/gpu": "1"}), MANAGER)
    result = place.apply(place.document(limits={"cpu": "2"}))
    assert result.error is None, result.error
    assert place.limits() == {"cpu": "2"}


# ---- conflicts with people

@pytest.mark.parametrize("manager", ["kubectl-edit", "Mozilla"])
def test_decision_of_a_person_is_not_overwritten(place, manager):
    document = place.document()
    place.apply(document)
    place.patch({"spec": {"predictor": {"maxReplicas": 5}}}, manager)
    before = place.live()

    document["spec"]["predictor"]["maxReplicas"] = 2
    document["spec"]["predictor"]["model"]["storageUri"] = "hf://a/b:2"
    result = place.apply(document)
    error = result.error
    field = ".spec.predictor.maxReplicas" if place.resource == ISVC else ".spec"
    assert (error["kind"], error["http_status"], error["reason"]) == (CONFLICT, 409, "Conflict")
    assert f'"{manager}" owns {field}' in error["message"]
    assert f"InferenceService qwen in namespace {place.namespace}".replace("InferenceService", place.kind) in error["message"]
    assert f"--force-conflicts --field-manager={MANAGER}" in error["hint"]
    assert place.live() == before

    # the way out that the hint names
    place.kubectl(document, "--server-side", "--force-conflicts", f"--field-manager={MANAGER}")
    assert place.apply(document).error is None
    assert place.live()["spec"]["predictor"]["maxReplicas"] == 2


def test_equal_value_is_no_conflict(isvc):
    document = isvc.document()
    isvc.apply(document)
    isvc.patch({"spec": {"predictor": {"maxReplicas": 5}}}, "kubectl-edit")
    document["spec"]["predictor"]["maxReplicas"] = 5
    assert isvc.apply(document).error is None


def test_forcing_kubectl_does_not_force_people(isvc):
    isvc.post(isvc.document(limits={"cpu": "1"}), "kubectl-create")
    isvc.patch({"spec": {"predictor": {"maxReplicas": 5}}}, "kubectl-edit")
    document = isvc.document(limits={"cpu": "2"})
    error = isvc.apply(document).error
    assert error["kind"] == CONFLICT
    assert "kubectl-edit" in error["message"] and "kubectl-create" not in error["message"]
    assert isvc.limits() == {"cpu": "1"}


# ---- races

def test_create_only(place):
    document = place.document()
    assert place.apply(document, create_only=True).created
    before = place.live()
    error = place.apply(document, create_only=True).error
    assert (error["kind"], error["reason"]) == (CONFLICT, "AlreadyExists")
    assert "UPDATE_IF_EXISTS" in error["hint"]
    assert place.live() == before
    assert len(place.writes()) == 1  # the second run wrote nothing


def test_create_only_when_it_appears_meanwhile(place):
    with place.start(place.document(), create_only=True, held=True) as tool:
        tool.until({"read": True})
        theirs = place.post(place.document(limits={"cpu": "7"}), "someone")
        tool.go()
        error = tool.finish()["error"]
    assert (error["kind"], error["reason"]) == (CONFLICT, "AlreadyExists")
    assert place.live()["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]


def test_update_when_it_appears_meanwhile(place):
    with place.start(place.document(), held=True) as tool:
        tool.until({"read": True})
        place.kubectl(place.document(limits={"cpu": "7", "memory": "1Gi"}))
        tool.go()
        word = tool.finish()
    assert "error" not in word, word
    assert (word["created"], word["changed"], word["migrated"]) == (False, True, True)
    assert place.limits() == {"cpu": "1"}


def test_absent_without_a_list_is_looked_up(place):
    assert place.apply(place.document(), absent=True).created
    assert place.apply(place.document(), absent=True, create_only=True).error["reason"] == "AlreadyExists"


def test_one_of_two_creators_wins(place):
    tools = [place.start(place.document(annotations={"run": str(i)}), create_only=True, held=True) for i in range(2)]
    for tool in tools:
        tool.until({"read": True})
    for tool in tools:
        tool.go()
    words = [tool.finish() for tool in tools]
    for tool in tools:
        tool.__exit__()
    assert sorted("error" in word for word in words) == [False, True], words


def test_deleted_object_is_not_created_again(place):
    place.apply(place.document())
    with place.start(place.document(limits={"cpu": "2"}), held=True) as tool:
        tool.until({"read": True})
        place.client.delete(place.kind, "qwen", place.namespace)
        tool.go()
        error = tool.finish()["error"]
    assert error["kind"] == CONFLICT and "was deleted" in error["message"] and "run again" in error["hint"]
    with pytest.raises(NotFound):
        place.live()


def test_deleted_object_is_not_created_again_by_its_migration(place):
    place.kubectl(place.document())
    with place.start(place.document(limits={"cpu": "2"}), held=True) as tool:
        tool.until({"read": True})
        place.client.delete(place.kind, "qwen", place.namespace)
        tool.go()
        error = tool.finish()["error"]
    assert error["kind"] == CONFLICT and "was deleted" in error["message"]


def test_another_object_of_that_name_is_not_touched(place):
    place.apply(place.document())
    with place.start(place.document(limits={"cpu": "2"}), held=True) as tool:
        tool.until({"read": True})
        place.client.delete(place.kind, "qwen", place.namespace)
        place.post(place.document(limits={"cpu": "9"}), "someone")
        tool.go()
        error = tool.finish()["error"]
    assert error["kind"] == CONFLICT and "created anew" in error["message"]
    assert place.limits() == {"cpu": "9"}


def test_status_written_meanwhile_does_not_matter(place):
    place.apply(place.document())
    with place.start(place.document(limits={"cpu": "2"}), held=True) as tool:
        tool.until({"read": True})
        place.patch({"status": {"url": "http://x"}}, "controller", "/status")
        tool.go()
        assert "error" not in tool.finish()
    assert place.limits() == {"cpu": "2"}


def test_writer_during_the_migration(place):
    """The migration's resourceVersion is stale: read again, moved again, nobody's label lost."""
    place.kubectl(place.document(limits={"cpu": "1", "memory": "1Gi"}))
    with place.start(place.document(limits={"cpu": "2"}), held=True) as tool:
        tool.until({"read": True})
        place.patch({"metadata": {"labels": {"late": "1"}}}, "someone")
        tool.go()
        word = tool.finish()
    assert "error" not in word and word["migrated"]
    assert place.limits() == {"cpu": "2"}
    assert place.live()["metadata"]["labels"] == {"late": "1"}


# ---- refusals

def test_field_that_the_schema_does_not_know(isvc):
    document = isvc.document()
    document["spec"]["predictor"]["model"]["surprise"] = 1
    result = isvc.apply(document)
    assert result.error["kind"] == REFUSED
    assert "surprise" in result.error["message"]
    assert len(isvc.writes()) == 1


def test_invalid_label(place):
    result = place.apply(place.document(labels={"a": "b/c"}))
    assert (result.error["kind"], result.error["http_status"]) == (REFUSED, 422)
    assert "metadata.labels" in result.error["message"]


def test_missing_right_is_named(place):
    place.cluster.grant(place.account, [{**RULES[0], "verbs": ["get", "list", "watch", "patch"]}])
    error = place.apply(place.document()).error
    assert (error["kind"], error["http_status"]) == (REFUSED, 403)
    assert place.plural in error["message"] and place.namespace in error["message"]


def test_missing_namespace(plane):
    place = Place(plane, ISVC)
    place.namespace = "nowhere-at-all"
    error = place.apply(place.document(), config=plane.admin_kubeconfig).error
    assert error["kind"] == REFUSED and "nowhere-at-all" in error["message"]


@pytest.mark.parametrize("code", [403, 400, 422, 500])
def test_denial_is_final(isvc, code):
    deny = {"allowed": False, "status": {"code": code, "message": "not on a Friday"}}
    with Webhook(isvc.cluster, isvc.namespace, isvc.group, isvc.plural, lambda _: deny, directory=isvc.account.directory).listen() as hook:
        hook.wait_active(isvc.document())
        error = isvc.apply(isvc.document()).error
        assert hook.calls == 1
    assert error["kind"] == REFUSED and "not on a Friday" in error["message"]


def test_webhook_that_comes_back(isvc):
    with Webhook(isvc.cluster, isvc.namespace, isvc.group, isvc.plural, directory=isvc.account.directory) as hook:
        hook.wait_active(isvc.document())
        with isvc.start(isvc.document(), deadline_ms=30000) as tool:
            tool.until_log("hook.example.com does not answer")
            hook.listen()
            word = tool.finish()
    assert "error" not in word and word["created"]
    assert "hook.example.com does not answer" in tool.log


def test_webhook_that_stays_away(isvc):
    with Webhook(isvc.cluster, isvc.namespace, isvc.group, isvc.plural, directory=isvc.account.directory) as hook:
        hook.wait_active(isvc.document())
        started = time.monotonic()
        error = isvc.apply(isvc.document(), deadline_ms=7000).error  # it gives up after 3.5 s: no fifth try fits
        took = time.monotonic() - started
    assert error["kind"] == DEADLINE and "hook.example.com" in error["message"]
    assert took < 7 + AT_ONCE


def test_canceled_while_waiting_for_a_webhook(isvc):
    with Webhook(isvc.cluster, isvc.namespace, isvc.group, isvc.plural, directory=isvc.account.directory) as hook:
        hook.wait_active(isvc.document())
        with isvc.start(isvc.document()) as tool:
            tool.until_log("hook.example.com does not answer")
            assert tool.stop() < AT_ONCE


def test_canceled_while_a_conflict_is_looked_at(tmp_path):
    """The end that was asked for, not a conflict that was not looked at to its end. The server hangs between two answers."""
    live = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": "qwen", "namespace": "demo", "uid": "u", "resourceVersion": "5"}, "spec": {"predictor": {"minReplicas": 2}}}
    cause = {"reason": "FieldManagerConflict", "field": ".spec.predictor.minReplicas",
             "message": 'conflict with "ui" using serving.kserve.io/v1beta1 at 2026-01-02T03:04:05Z'}
    conflict = {"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409, "message": "Apply failed with 1 conflict",
                "details": {"causes": [cause]}}
    held = threading.Event()

    def answer(connection):
        while (request := connection.request()) is not None:
            patched = any(r.method == "PATCH" for r in connection.peer.requests)
            if request.method == "PATCH":
                connection.answer(409, json.dumps(conflict).encode(), "Content-Type: application/json")
            elif not patched:
                connection.answer(200, json.dumps({"kind": "InferenceServiceList", "metadata": {"resourceVersion": "9"}, "items": [live]}).encode(),
                                  "Content-Type: application/json")
            else:
                held.set()
                connection.request()

    document = {**live, "metadata": {"name": "qwen", "namespace": "demo"}, "spec": {"predictor": {"minReplicas": 1}}}
    with Peer(answer) as peer:
        config = tmp_path / "config"
        config.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "u", "user": {}}],
                                      "clusters": [{"name": "c", "cluster": {"server": peer.url("")}}],
                                      "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))
        script = {"apply": {"resource": ISVC, "namespace": "demo", "name": "qwen", "document": document, "manager": MANAGER}}
        with Tool(config, script) as tool:
            assert held.wait(30), tool.lines
            tool.process.terminate()
            assert tool.finish()["error"]["kind"] == CANCELED


def test_mutating_webhook_may_change_what_we_say(isvc):
    """KServe's defaulter rewrites the deployment mode: still one object, still ours, an equal run still equal."""
    from base64 import b64encode

    patch = b64encode(json.dumps([{"op": "add", "path": "/metadata/annotations", "value": {"mode": "Standard"}}]).encode()).decode()

    def answer(request):
        return {"allowed": True, "patchType": "JSONPatch", "patch": patch}

    with Webhook(isvc.cluster, isvc.namespace, isvc.group, isvc.plural, answer, mutating=True, directory=isvc.account.directory).listen() as hook:
        hook.wait_active(isvc.document(annotations={"mode": "x"}))
        assert isvc.apply(isvc.document(annotations={"mode": "RawDeployment"})).created
        before = isvc.live()
        assert before["metadata"]["annotations"] == {"mode": "Standard"}
        again = isvc.apply(isvc.document(annotations={"mode": "RawDeployment"}))
        assert (again.error, again.changed) == (None, False)


# ---- connections that break

@pytest.fixture
def proxied(plane, place):
    """The place behind a proxy: (proxy, kubeconfig)."""
    with Proxy(plane.port) as proxy:
        config = plane.kubeconfig(place.account.directory / "proxied.kubeconfig", kubeconfig.token_user(place.account.token()),
                                  server=f"https://127.0.0.1:{proxy.port}", namespace=place.namespace)
        yield proxy, config


def lose_the_answer(place, proxy, tool) -> None:
    """The write arrives and is done; its answer is lost with the connection."""
    tool.until({"read": True})
    proxy.mute = True
    known = len(place.writes())
    tool.go()
    wait_until(lambda: len(place.writes()) > known, 30, "the write to arrive")
    proxy.mute = False
    proxy.drop()


@pytest.mark.parametrize("create_only", [False, True])
def test_lost_answer_of_a_create(place, proxied, create_only):
    proxy, config = proxied
    with place.start(place.document(), config, create_only=create_only, held=True) as tool:
        lose_the_answer(place, proxy, tool)
        word = tool.finish()
    assert "error" not in word, word
    assert word["created"] and word["changed"]
    assert len(place.writes()) == 1  # read and compared, not written again


def test_lost_answer_of_an_update(place, proxied):
    proxy, config = proxied
    place.apply(place.document())
    with place.start(place.document(limits={"cpu": "2"}), config, held=True) as tool:
        lose_the_answer(place, proxy, tool)
        word = tool.finish()
    assert "error" not in word, word
    assert (word["created"], word["changed"]) == (False, True)
    assert place.limits() == {"cpu": "2"}
    assert len(place.writes()) == 2


def test_lost_answer_of_a_migration(place, proxied):
    proxy, config = proxied
    place.kubectl(place.document(limits={"cpu": "1", "memory": "1Gi"}))
    with place.start(place.document(limits={"cpu": "2"}), config, held=True) as tool:
        lose_the_answer(place, proxy, tool)
        word = tool.finish()
    assert "error" not in word, word
    assert place.limits() == {"cpu": "2"}
    assert len(place.writes()) == 2  # move, apply


def test_write_that_never_arrives_is_sent_again(place, proxied):
    proxy, config = proxied
    with place.start(place.document(), config, create_only=True, held=True) as tool:
        tool.until({"read": True})
        proxy.open = False
        proxy.drop()
        tool.go()
        tool.until_log("trying again")
        proxy.open = True
        word = tool.finish()
    assert "error" not in word and word["created"]
    assert len(place.writes()) == 1


def test_api_server_restart_between_read_and_apply(place):
    with place.start(place.document(), held=True) as tool:
        tool.until({"read": True})
        place.cluster.stop_apiserver(crash=True)
        tool.go()
        tool.until_log("trying again")  # it does so for some 15 s: the server needs a part of them to start
        place.cluster.start_apiserver()
        word = tool.finish()
    assert "error" not in word, word
    assert word["created"]


def test_server_that_stays_away_is_an_error(place, proxied):
    proxy, config = proxied
    with place.start(place.document(), config, held=True, deadline_ms=7000) as tool:
        tool.until({"read": True})
        proxy.open = False
        proxy.drop()
        tool.go()
        error = tool.finish()["error"]
    assert error["kind"] in (DEADLINE, UNREACHABLE)
    assert str(proxy.port) in error["message"] or "127.0.0.1" in error["message"]


# ---- dry run

def test_dry_run_of_a_create(place):
    result = place.apply(place.document(), dry_run=True)
    assert result.created and result.object["spec"]["predictor"]["minReplicas"] == 1
    with pytest.raises(NotFound):
        place.live()


def test_dry_run_of_an_update(place):
    place.apply(place.document(limits={"cpu": "1", "memory": "1Gi"}))
    before = place.live()
    result = place.apply(place.document(limits={"cpu": "2"}), dry_run=True)
    assert result.changed
    assert result.object["spec"]["predictor"]["model"]["resources"]["limits"] == {"cpu": "2"}
    assert place.live() == before


def test_dry_run_over_kubectl_shows_what_the_apply_will_do(place):
    old = place.document(limits={"cpu": "1", "nvidia.com/gpu": "1"}, labels={"gone": "1", "kept": "1"}, annotations={"a": "1"},
                         env=[{"name": "OLD", "value": "1"}, {"name": "NEW", "value": "0"}])
    place.kubectl(old)
    place.patch({"metadata": {"labels": {"kept": "2"}}}, "someone")
    before = place.live()
    document = place.document(limits={"cpu": "2"}, env=[{"name": "NEW", "value": "1"}])
    dry = place.apply(document, dry_run=True)
    assert dry.error is None, dry.error
    assert place.live() == before

    real = place.apply(copy.deepcopy(document))

    def said(item):
        metadata = item["metadata"]
        return item["spec"], metadata.get("labels", {}), metadata.get("annotations", {})

    assert said(dry.object) == said(real.object)
    assert said(dry.object)[1:] == ({"kept": "2"}, {})
