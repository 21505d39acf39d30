"""diff against real servers: what a deploy would change, and what webhooks would say to it."""

from __future__ import annotations

import base64
import json
import re

import pytest

from by_hand import apply, show, validate, without_ours
from kube_tool import Webhook


class TestDiff:
    def test_new_service_is_shown_whole_and_nothing_is_stored(self, place):
        run = show(place, "diff")
        assert run.code == 10, run.log
        assert run.output.startswith(f"--- {place.namespace}/qwen (does not exist)\n+++ {place.namespace}/qwen (after deploy)\n")
        assert "+kind: InferenceService\n" in run.output
        for noise in ("managedFields", "resourceVersion", "creationTimestamp", "uid:"):
            assert noise not in run.output
        assert "would create" in run.log
        assert place.cluster.client.find("InferenceService", "qwen", place.namespace) is None

    def test_no_difference_after_deploy(self, place):
        apply(place)
        run = show(place, "diff")
        assert (run.code, run.output) == (0, ""), run.output + run.log
        assert "would change nothing" in run.log
        machine = show(place, "diff", "-o", "json")
        validate("diff", json.loads(machine.output))
        assert (machine.code, json.loads(machine.output)) == (0, {"changed": False, "changes": []})

    def test_changed_parameter_is_one_change_in_text_and_json(self, place):
        apply(place)
        run = show(place, "diff", MEMORY_LIMIT="17Gi")
        assert run.code == 10, run.log
        assert re.search(r"^-  +memory: 16Gi$", run.output, re.M) and re.search(r"^\+  +memory: 17Gi$", run.output, re.M), run.output
        assert run.output.startswith(f"--- {place.namespace}/qwen (live)\n")
        assert "\033[" not in run.output
        changes = json.loads(show(place, "diff", "-o", "json", MEMORY_LIMIT="17Gi").output)
        validate("diff", changes)
        assert {"path": "/spec/predictor/model/resources/limits/memory", "before": "16Gi", "after": "17Gi"} in changes["changes"]
        assert {change["path"].rsplit("/", 1)[0] for change in changes["changes"]} == {"/spec/predictor/model/resources/limits", "/metadata/annotations"}
        assert place.service()["spec"]["predictor"]["model"]["resources"]["limits"]["memory"] == "16Gi"

    def test_hunk_headers_count_their_lines(self, place):
        apply(place)
        run = show(place, "diff", MIN_REPLICAS="2", MAX_REPLICAS="3", ENV="A=1\nB=2", CPU_LIMIT="5")
        counts = re.findall(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@$", run.output, re.M)
        assert counts, run.output
        hunks = re.split(r"^@@ .* @@\n", run.output, flags=re.M)[1:]
        for (_, before, _, after), hunk in zip(counts, hunks, strict=True):
            lines = hunk.splitlines()
            assert sum(line[0] in " -" for line in lines) == int(before or 1)
            assert sum(line[0] in " +" for line in lines) == int(after or 1)

    def test_color_only_when_asked_for(self, place):
        apply(place)
        assert "\033[32m+" in show(place, "diff", "--color", "always", MIN_REPLICAS="0").output
        assert "\033[" not in show(place, "diff", MIN_REPLICAS="0", env={"TERM": "xterm"}).output

    def test_fields_that_kubectl_apply_left_are_shown_as_removed(self, place, kubectl):
        document = json.loads(show(place, "render", "-o", "json").output)
        limits = document["spec"]["predictor"]["model"]["resources"]["limits"]
        for name in [name for name in limits if name.startswith("nvidia.com/")]:
            del limits[name]
        limits["nvidia.com/gpu"] = "1"
        kubectl.apply(document)
        run = show(place, "diff")
        assert run.code == 10, run.log
        assert re.search(r"^- +nvidia.com/gpu: '?\"?1", run.output, re.M), run.output
        assert re.search(r"^\+ +nvidia.com/gpualloc:", run.output, re.M), run.output
        assert "last-applied" not in run.output
        managers = {entry["manager"] for entry in place.service()["metadata"]["managedFields"]}
        assert "deploy-inference-service" not in managers, "diff must not take anything over"

    def test_object_made_by_a_user_interface_is_no_conflict_where_it_agrees(self, place):
        """KServe's webhook adds a zero divisor to the runtime's resourceFieldRef, which the interface's manager then owns."""
        document = json.loads(show(place, "render", "-o", "json").output)
        assert "resourceFieldRef" in json.dumps(document)
        without_ours(document)
        place.cluster.client.create(document, fieldManager="Mozilla")
        run = show(place, "diff", "-o", "json")
        assert run.code == 10, run.log
        assert {change["path"].split("/")[3].split(".")[0] for change in json.loads(run.output)["changes"]} == {"deploy-inference-service"}, run.output
        assert show(place, "diff", MIN_REPLICAS="0", MAX_REPLICAS="1").code == 6
        run = show(place, "diff", ENV="A=1")
        assert run.code == 10 and "+      - name: A" in run.output, run.log
        assert place.deploy(ENV="A=1").code == 0

    def test_value_that_somebody_set_is_named_as_a_conflict_alone(self, place):
        document = json.loads(show(place, "render", "-o", "json").output)
        document["spec"]["predictor"]["maxReplicas"] = 3
        without_ours(document)
        place.cluster.client.create(document, fieldManager="Mozilla")
        run = show(place, "diff")
        assert run.code == 6, run.log
        assert '"Mozilla" owns .spec.predictor.maxReplicas\n' in run.log, run.log
        assert show(place, "diff", MAX_REPLICAS="3").code == 10
        assert place.deploy(MAX_REPLICAS="3").code == 0

    def test_update_if_exists_false_still_shows_and_says_that_deploy_would_refuse(self, place):
        apply(place)
        run = show(place, "diff", UPDATE_IF_EXISTS="false", MIN_REPLICAS="0")
        assert run.code == 10 and "UPDATE_IF_EXISTS is false: deploy would refuse" in run.log
        assert show(place, "render", UPDATE_IF_EXISTS="false").code == 0

    def test_mode_that_cannot_be_changed_is_refused(self, place):
        apply(place)
        run = show(place, "diff", ENABLE_SERVERLESS="true")
        assert run.code == 6, run.log
        assert "mode" in run.log

    @pytest.mark.parametrize("new", [True, False], ids=["new", "live"])
    def test_webhook_refusal_is_the_result(self, place, tmp_path, new):
        document = json.loads(show(place, "render", "-o", "json").output)
        if not new:
            apply(place)

        def answer(request):
            few = request["object"]["spec"]["predictor"].get("minReplicas") == 0
            return {"allowed": not few, "status": {"code": 403, "message": "nothing may scale to zero here"}}

        with Webhook(place.cluster, place.namespace, "serving.kserve.io", "inferenceservices", answer, directory=tmp_path).listen() as hook:
            hook.wait_active(document)
            run = show(place, "diff", MIN_REPLICAS="0")
            assert (run.code, run.output) == (5, ""), run.output
            assert "nothing may scale to zero here" in run.log and "hook.example.com" in run.log, run.log
            assert show(place, "diff").code == (10 if new else 0)

    def test_what_a_webhook_changes_is_shown(self, place, tmp_path):
        document = json.loads(show(place, "render", "-o", "json").output)
        apply(place)

        def answer(request):
            if request["userInfo"]["username"] != place.account.user:
                return {"allowed": True}  # KServe's controller writes too, and the live object would have the label
            labels = {**request["object"]["metadata"].get("labels", {}), "team": "red"}
            add = [{"op": "add", "path": "/metadata/labels", "value": labels}]
            return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(add).encode()).decode()}

        with Webhook(place.cluster, place.namespace, "serving.kserve.io", "inferenceservices", answer, mutating=True, directory=tmp_path).listen() as hook:
            hook.wait_active(document)
            run = show(place, "diff", MEMORY_LIMIT="17Gi")
            assert run.code == 10 and re.search(r"^\+ +team: red$", run.output, re.M), run.output + run.log
            changes = json.loads(show(place, "diff", "-o", "json", MEMORY_LIMIT="17Gi").output)["changes"]
            assert {"path": "/metadata/labels/team", "before": None, "after": "red"} in changes, changes

    def test_missing_right_is_named(self, place):
        place.cluster.grant(place.account, name="deploy-model", rules=[{"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": ["get", "list", "create"]},
                                            {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get"]}])
        run = show(place, "diff")
        assert run.code == 5, run.log
        assert "patch" in run.log and "inferenceservices" in run.log

    def test_unknown_format_is_refused_before_any_request(self, place):
        run = show(place, "diff", "-o", "table", MIN_REPLICAS="x")
        assert run.code == 2
        assert 'diff prints text or json' in run.log and "MIN_REPLICAS" in run.log
