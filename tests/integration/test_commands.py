"""The commands that people use by hand, against real servers: render, diff, local use."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness import alauda, binary
from harness.binary import Binary
from harness.cluster import Cluster
from harness.kserve import inference_service
from harness.model_repository import weights
from harness.process import wait_until
from kube_tool import Webhook

SCHEMAS = Path(__file__).parent / "schemas"


def show(place, command, *arguments, env=None, **changes):
    """A command that has no results and no TIMEOUT to end it."""
    ordinary = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": place.namespace}
    parameters = {name: value for name, value in {**ordinary, **changes}.items() if value is not None}
    return place.binary.run(command, *arguments, env=env, results=False, **parameters)


def apply(place, **changes):
    """Applies what render prints under the program's own manager, as deploy does."""
    run = show(place, "render", "-o", "json", **changes)
    assert run.code == 0, run.log
    return place.cluster.client.apply(json.loads(run.output), manager="deploy-inference-service")


def without_ours(document):
    """As an interface would write it: without what only this program notes."""
    annotations = document["metadata"]["annotations"]
    for name in [name for name in annotations if name.startswith("deploy-inference-service")]:
        del annotations[name]


def validate(name, document):
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.schema.json").read_text()))


class TestCommitWithARef:
    """A Git event knows the commit and the branch or tag: the commit is deployed, the rest is noted."""

    def rendered(self, place, **changes):
        run = show(place, "render", "-o", "json", **changes)
        assert run.code == 0, run.log
        return json.loads(run.output)

    def test_branch_that_has_moved_on(self, place):
        pushed = place.project.repository.head()
        now = self.rendered(place, MODEL_REPO_BRANCH="main")
        same = self.rendered(place, MODEL_REPO_BRANCH="main", MODEL_REPO_COMMIT=pushed)
        assert same == now, "as if the branch had been given"
        place.project.commit({"config.json": '{"later": true}'})
        item = self.rendered(place, MODEL_REPO_BRANCH="main", MODEL_REPO_COMMIT=pushed)
        assert item["spec"]["predictor"]["model"]["storageUri"].endswith(f":{pushed}")
        assert item["metadata"]["annotations"]["aml-model-repo-branch"] == "main"

    def test_tag(self, place):
        commit = place.project.repository.head()
        place.project.annotated_tag("v1.0")
        assert self.rendered(place, MODEL_REPO_TAG="v1.0", MODEL_REPO_COMMIT=commit) == self.rendered(place, MODEL_REPO_TAG="v1.0")

    def test_branch_that_is_gone(self, place):
        item = self.rendered(place, MODEL_REPO_BRANCH="gone", MODEL_REPO_COMMIT=place.project.repository.head())
        assert item["metadata"]["annotations"]["aml-model-repo-branch"] == "gone"

    def test_commit_that_is_not_there(self, place):
        run = show(place, "render", MODEL_REPO_BRANCH="main", MODEL_REPO_COMMIT="1" * 40)
        assert run.code == 3 and "1" * 12 in run.log, run.log

    def test_branch_and_tag_still_exclude_each_other(self, place):
        run = show(place, "render", MODEL_REPO_BRANCH="main", MODEL_REPO_TAG="v1", MODEL_REPO_COMMIT="1" * 40)
        assert run.code == 2 and "cannot be set at the same time" in run.log, run.log

    def test_storage_uri_leaves_them_unused_as_it_says(self, place):
        run = show(place, "render", "-o", "json", STORAGE_URI="oci://registry.test/m:1", PIPELINE_TAG="text-generation", LIBRARY_NAME="transformers",
                   MODEL_REPO_BRANCH="main", MODEL_REPO_COMMIT="1" * 40)
        assert run.code == 0, run.log
        assert "branch, tag and commit are not used" in run.log
        assert json.loads(run.output)["spec"]["predictor"]["model"]["storageUri"] == "oci://registry.test/m:1"


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


class TestRender:
    def test_same_bytes_each_time_and_yaml_equals_json(self, place):
        first, second = show(place, "render"), show(place, "render")
        assert first.code == 0 and first.output == second.output
        assert yaml.safe_load(first.output) == json.loads(show(place, "render", "-o", "json").output)
        assert list(yaml.safe_load(first.output)) == ["apiVersion", "kind", "metadata", "spec"]

    def test_comments_explain_and_change_nothing(self, place):
        plain, run = show(place, "render"), show(place, "render", "--comments")
        assert yaml.safe_load(run.output) == yaml.safe_load(plain.output)
        assert "".join(line for line in run.output.splitlines(True) if not line.lstrip().startswith("# ")) == plain.output
        assert "        # MEMORY_LIMIT\n" in run.output or re.search(r"# MEMORY_LIMIT\n +memory: 16Gi", run.output), run.output
        assert re.search(r"# the first by name of class vllm .*\n +runtime: vllm-cuda-12", run.output), run.output
        assert "#" not in plain.output.split("command:")[0]
        assert show(place, "render", "--comments", "-o", "json").code == 2

    def test_kubectl_takes_what_it_prints(self, place, kubectl):
        kubectl.apply(yaml.safe_load(show(place, "render", "--comments").output))
        assert place.service()["spec"]["predictor"]["model"]["runtime"] == "vllm-cuda-12"


class TestParametersAndConfigMap:
    def test_gitlab_by_its_host_alone(self, place):
        run = show(place, "render", GITLAB_BASE_URL=place.gitlab.authority, env={"GITLAB_TOKEN": str(place.token)})
        assert run.code == 0 and place.project.head() in run.output, run.log

    def test_line_break_at_the_end_of_the_token(self, place, tmp_path):
        """As an environment filled from a Secret, or a file that an editor wrote, has it."""
        address = {"GITLAB_BASE_URL": place.gitlab.authority}
        run = show(place, "render", env={"GITLAB_TOKEN": f"{place.token}\n"}, **address)
        assert run.code == 0 and place.project.head() in run.output, run.log
        file = tmp_path / "token"
        file.write_text(f"{place.token}\r\n")
        run = show(place, "render", GITLAB_TOKEN_FILE=str(file), **address)
        assert run.code == 0 and place.project.head() in run.output, run.log

    def test_a_token_file_that_is_empty(self, place, tmp_path):
        """It was named on purpose: another token in its place would be a surprise."""
        file = tmp_path / "token"
        file.write_text("\n")
        run = show(place, "render", GITLAB_TOKEN_FILE=str(file))
        assert run.code == 2 and f"GITLAB_TOKEN_FILE: {file} is empty" in run.log, run.log

    def test_line_break_at_the_end_of_the_address(self, place):
        """As `kubectl create configmap --from-file` keeps it; a shell's $(...) drops it."""
        data = {"MODEL_REPO_GIT_BASE": place.gitlab.authority + "\n", "MODEL_REPO_GIT_SCHEME": "https\n"}
        place.cluster.client.patch("ConfigMap", "aml-image-builder-config", place.namespace, {"data": data})
        run = show(place, "render")
        assert run.code == 0 and place.project.head() in run.output, run.log

    def test_memory_that_is_no_whole_number_of_bytes_is_deployed(self, place):
        run = place.deploy(MEMORY_REQUEST="1.3Gi", MEMORY_LIMIT="16.3Gi", EPHIMERAL_STORAGE_SIZE="10.1Gi")
        assert run.code == 0 and "is rounded up" in run.log, run.log
        resources = place.deployment()["spec"]["template"]["spec"]["containers"][0]["resources"]
        assert (resources["requests"]["memory"], resources["limits"]["memory"]) == ("1395864371200m", "17501991731200m")
        again = place.deploy(MEMORY_REQUEST="1.3Gi", MEMORY_LIMIT="16.3Gi", EPHIMERAL_STORAGE_SIZE="10.1Gi")
        assert again.code == 0 and "unchanged" in again.took("apply"), again.log


class TestRuntimeOfTheNamespace:
    """KServe prefers a ServingRuntime of the namespace to the ClusterServingRuntime of the same name."""

    @pytest.fixture
    def shadow(self, place):
        def make(name="vllm-cuda-12", **spec):
            place.cluster.grant(place.account, name="look", rules=[{"apiGroups": ["serving.kserve.io"], "resources": ["servingruntimes"], "verbs": ["get", "list"]}])
            runtime = json.loads(json.dumps(alauda.runtimes()["vllm-cuda-12"]))
            container = runtime["spec"]["containers"][0]
            container["command"], container["env"] = ["serve-mine"], [{"name": "MINE", "value": "1"}]
            place.cluster.client.create({**runtime, "kind": "ServingRuntime", "metadata": {"name": name, "namespace": place.namespace}, "spec": {**runtime["spec"], **spec}})
        return make

    @pytest.mark.parametrize("by", [{"RUNTIME_CLASS": "vllm"}, {"RUNTIME_NAME": "vllm-cuda-12", "RUNTIME_CLASS": None}], ids=["class", "name"])
    def test_its_command_and_environment_are_taken(self, place, shadow, by):
        shadow()
        run = show(place, "render", **by)
        assert run.code == 0, run.log
        document = yaml.safe_load(run.output)
        model = document["spec"]["predictor"]["model"]
        assert (model["runtime"], model["command"]) == ("vllm-cuda-12", ["serve-mine"])
        assert {"name": "MINE", "value": "1"} in model["env"]
        assert document["metadata"]["labels"]["aml.cpaas.io/runtime-type"] == "vllm"
        assert f"ServingRuntime vllm-cuda-12 of namespace {place.namespace}" in run.log

    def test_one_that_does_not_fit_is_refused_before_anything_is_applied(self, place, shadow):
        shadow(disabled=True)
        run = place.deploy()
        assert run.code == 4 and "is disabled" in run.log and "rename or delete it" in run.log, run.log
        assert place.cluster.client.find("InferenceService", "qwen", place.namespace) is None

    def test_a_runtime_that_only_the_namespace_has_serves(self, place, shadow):
        shadow(name="mine")
        run = place.deploy(RUNTIME_NAME="mine", RUNTIME_CLASS=None)
        assert run.code == 0, run.log
        assert place.deployment()["spec"]["template"]["spec"]["containers"][0]["command"] == ["serve-mine"]

    def test_others_of_the_namespace_change_nothing(self, place, shadow):
        before = show(place, "render").output
        shadow(name="other")
        run = show(place, "render")
        assert run.output == before and "ServingRuntime other" not in run.log

    def test_without_the_right_to_look_nothing_fails(self, place):
        run = show(place, "render")
        assert run.code == 0 and "servingruntimes" not in run.log.replace("clusterservingruntimes", ""), run.log


class TestOffline:
    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def run(self, tmp_path, *arguments, **parameters):
        file = tmp_path / "runtime.yaml"
        file.write_text(yaml.safe_dump(alauda.runtimes()["vllm-cuda-12"]))
        given = {"INFERENCE_SERVICE_NAME": "qwen", "NAMESPACE": "demo", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "MODEL_REPO_COMMIT": self.COMMIT,
                 "PIPELINE_TAG": "text-generation", "LIBRARY_NAME": "transformers", **parameters}
        return Binary(tmp_path).run("render", "--offline", *(arguments or ("--runtime-file", str(file))), results=False,
                                    **{name: value for name, value in given.items() if value is not None})

    def test_needs_no_server_and_no_kubeconfig(self, tmp_path):
        run = self.run(tmp_path)
        assert run.code == 0, run.log
        document = yaml.safe_load(run.output)
        assert document["spec"]["predictor"]["model"]["storageUri"] == f"hf://demo/qwen:{self.COMMIT}"
        assert document["spec"]["predictor"]["model"]["runtime"] == "vllm-cuda-12"
        assert document["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
        assert "KServe 0.16 or later is assumed" in run.log
        assert "aml-model-repo-id" not in document["metadata"]["annotations"]

    def test_all_that_is_missing_is_said_at_once(self, tmp_path):
        run = self.run(tmp_path, "--log-level", "notice", MODEL_REPO_COMMIT=None, PIPELINE_TAG=None, LIBRARY_NAME=None, NAMESPACE=None)
        assert run.code == 2
        for name in ("MODEL_REPO_COMMIT", "PIPELINE_TAG", "LIBRARY_NAME", "--runtime-file", "NAMESPACE"):
            assert f"{name} is not set" in run.log, run.log

    @pytest.mark.parametrize("version, mode", [("0.14", "RawDeployment"), ("0.15.2", "RawDeployment"), ("v0.16.0", "Standard"), ("1.0", "Standard")])
    def test_kserve_version(self, tmp_path, version, mode):
        run = self.run(tmp_path, "--runtime-file", str(self.runtime_file(tmp_path)), "--kserve-version", version)
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == mode
        assert "assumed" not in run.log

    def runtime_file(self, tmp_path):
        file = tmp_path / "other.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(alauda.runtimes().values())}))
        return file

    @pytest.mark.parametrize("content, said", [("kind: Pod\nmetadata: {name: a}\n", "holds no ClusterServingRuntime"), ("a: [", "other.json"), ("", "holds no")])
    def test_bad_runtime_file(self, tmp_path, content, said):
        (tmp_path / "other.json").write_text(content)
        run = self.run(tmp_path, "--runtime-file", str(tmp_path / "other.json"))
        assert run.code == 2 and said in run.log, run.log

    def test_abbreviated_commit_and_branch_are_refused(self, tmp_path):
        run = self.run(tmp_path, MODEL_REPO_COMMIT="0123456", MODEL_REPO_BRANCH="main")
        assert run.code == 2 and "abbreviated" in run.log and "MODEL_REPO_BRANCH" in run.log

    def test_storage_uri_needs_neither_repository_nor_commit(self, tmp_path):
        run = self.run(tmp_path, MODEL_REPO=None, MODEL_REPO_COMMIT=None, STORAGE_URI="s3://bucket/models/qwen")
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["spec"]["predictor"]["model"]["storageUri"] == "s3://bucket/models/qwen"

    @pytest.mark.parametrize("version, tested", [("0.13", False), ("0.14", True), ("0.20.1", True), ("0.21", False), ("1.16", False)])
    def test_a_version_that_is_not_tested_is_told_as_such(self, tmp_path, version, tested):
        run = self.run(tmp_path, "--runtime-file", str(self.runtime_file(tmp_path)), "--kserve-version", version)
        assert run.code == 0 and ("tested with KServe 0.14 to 0.20" in run.log) is not tested, run.log

    @pytest.mark.parametrize("parameters, said", [({"RUNTIME_NAME": "other", "RUNTIME_CLASS": None}, "holds vllm-cuda-12, not other (RUNTIME_NAME)"),
                                                  ({"RUNTIME_CLASS": "other"}, "holds vllm-cuda-12 (class vllm), none of class other")])
    def test_a_runtime_that_the_file_does_not_hold(self, tmp_path, parameters, said):
        run = self.run(tmp_path, **parameters)
        log = " ".join(run.log.split())
        assert run.code == 4 and f"runtime.yaml {said}" in log and "kubectl" not in log, run.log

    def test_a_git_url_does_not_go_with_offline(self, tmp_path):
        run = self.run(tmp_path, MODEL_REPO=None, MODEL_GIT_URL="https://git.example.com/a/qwen.git")
        assert run.code == 2 and "MODEL_GIT_URL does not go with --offline" in run.log, run.log

    def test_runtime_from_standard_input(self, tmp_path):
        """A pipe and a file, and not without bounds."""
        self.run(tmp_path)  # writes the file
        command = [binary.path(), "render", "--offline", "--runtime-file", "-", "-n", "demo", "INFERENCE_SERVICE_NAME=qwen", "RUNTIME_CLASS=vllm",
                   "STORAGE_URI=s3://bucket/qwen", "PIPELINE_TAG=text-generation", "LIBRARY_NAME=transformers"]
        options = {"env": {"PATH": os.environ["PATH"]}, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        piped = subprocess.run(command, input=(tmp_path / "runtime.yaml").read_bytes(), **options)
        assert piped.returncode == 0 and b"runtime: vllm-cuda-12" in piped.stdout, piped.stderr
        with open(tmp_path / "runtime.yaml", "rb") as file:
            assert subprocess.run(command, stdin=file, **options).stdout == piped.stdout
        long = subprocess.run(command, input=b"#" * (5 << 20), **options)
        assert long.returncode == 2 and b"longer than 4194304 bytes" in long.stderr, long.stderr

    def test_runtime_file_without_offline_is_refused(self, tmp_path):
        run = Binary(tmp_path).run("render", "--runtime-file", "x", results=False, NAMESPACE="demo")
        assert run.code == 2 and "--runtime-file" in run.log and "--offline" in run.log


def git(directory, *arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
                   "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(["git", *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(place, tmp_path):
    """A developer's clone of the model, as `git clone` leaves it, and a kubeconfig with the rights of the script."""
    home = tmp_path / "home"
    home.mkdir()
    directory = home / "qwen"
    authority = place.gitlab.authority
    url = f"https://oauth2:{place.token}@{authority}/{place.project.full_path}.git"
    git(home, "-c", f"http.sslCAInfo={place.gitlab.ca_file}", "clone", url, "qwen")
    git(directory, "remote", "set-url", "origin", f"https://{authority}/{place.project.full_path}.git")
    return directory


class TestLocalUse:
    def test_the_model_check_looks_at_the_commit_of_the_clone(self, place, clone):
        place.project.commit({"model.safetensors": weights(988_097_900, stored=False)}, message="weights that were not pushed")
        arguments = ("deploy", "--model-dir", str(clone))
        assert place.deploy(*arguments, MODEL_REPO=None, MODEL_CHECK="fail").code == 0, "the clone does not have that commit yet"
        url = f"https://oauth2:{place.token}@{place.gitlab.authority}/{place.project.full_path}.git"
        git(clone, "-c", f"http.sslCAInfo={place.gitlab.ca_file}", "pull", url, "main")
        run = place.deploy(*arguments, MODEL_REPO=None, MODEL_CHECK="fail")
        assert run.code == 3 and "model.safetensors" in run.log and "git lfs push" in run.log, run.log

    def test_project_branch_and_commit_of_the_clone(self, place, clone):
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        document = yaml.safe_load(run.output)
        assert document["spec"]["predictor"]["model"]["storageUri"].endswith(":" + git(clone, "rev-parse", "HEAD"))
        assert document["metadata"]["annotations"]["aml-model-repo-branch"] == "main"
        assert "warning" not in run.log

    def test_unpushed_commit_is_refused_with_the_count(self, place, clone):
        for number in range(2):
            git(clone, "commit", "--allow-empty", "-m", f"change {number}")
        (clone / "README.md").write_text("changed")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 3, run.log
        assert "2 commits are not pushed" in run.log and "1 file is not committed" in run.log
        assert f"git -C {clone} push" in run.log and run.output == ""

    def test_uncommitted_files_are_a_warning(self, place, clone):
        (clone / "README.md").write_text("changed")
        (clone / "new.txt").write_text("new")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        assert "warning: " in run.log and "1 file is not committed, 1 file is not tracked" in run.log

    def test_branch_beside_model_dir_is_refused(self, place, clone):
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, MODEL_REPO_BRANCH="main")
        assert run.code == 2 and "MODEL_DIR" in run.log

    @pytest.mark.parametrize("remote", ["git@gitlab.example.com:{path}.git", "ssh://git@gitlab.example.com:2222/{path}.git", "ssh://gitlab.example.com/{path}",
                                        "https://me@gitlab.example.com:8443/{path}.git/", "short:{path}.git"],
                             ids=["scp-like", "ssh with port", "ssh", "https with user and port", "insteadOf"])
    def test_every_spelling_of_a_remote_gives_the_project(self, place, clone, remote):
        """GitLab itself is that of the ConfigMap."""
        git(clone, "remote", "set-url", "origin", remote.format(path=place.project.full_path))
        git(clone, "config", "url.https://gitlab.example.com/.insteadOf", "short:")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["metadata"]["annotations"]["aml-model-repo"] == "qwen"

    def test_the_branchs_own_remote_comes_before_origin(self, place, clone):
        git(clone, "remote", "rename", "origin", "platform")
        git(clone, "remote", "add", "origin", "https://elsewhere.example.com/some/fork.git")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log

    def test_worktree_and_detached_head(self, place, clone):
        git(clone, "worktree", "add", "-q", "../side", "-b", "side")
        run = show(place, "render", "--model-dir", str(clone.parent / "side"), MODEL_REPO=None)
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["metadata"]["annotations"]["aml-model-repo-branch"] == "side"
        git(clone, "checkout", "-q", "--detach")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 0, run.log
        document = yaml.safe_load(run.output)
        assert document["metadata"]["annotations"]["aml-model-repo-branch"] == ""
        assert document["spec"]["predictor"]["model"]["storageUri"].endswith(git(clone, "rev-parse", "HEAD"))

    def test_a_model_that_is_a_submodule(self, place, clone, tmp_path):
        outer = tmp_path / "home" / "outer"
        outer.mkdir()
        git(outer, "init", "-q")
        git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(clone), "model")
        git(outer / "model", "remote", "set-url", "origin", f"git@gitlab.example.com:{place.project.full_path}.git")
        run = show(place, "render", "--model-dir", str(outer / "model"), MODEL_REPO=None)
        assert run.code == 0, run.log

    @pytest.mark.parametrize("make, said", [(("init", "-q", "it"), "no commit yet"), (("clone", "-q", "--bare", "qwen", "it"), "bare repository")], ids=["unborn", "bare"])
    def test_what_cannot_be_deployed_says_why(self, place, clone, make, said):
        git(clone.parent, *make)
        run = show(place, "render", "--model-dir", str(clone.parent / "it"), MODEL_REPO=None)
        assert run.code == 2 and said in run.log, run.log

    def test_no_remote(self, place, clone):
        git(clone, "remote", "remove", "origin")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None)
        assert run.code == 2 and "git remote add origin" in run.log, run.log
        assert show(place, "render", "--model-dir", str(clone)).code == 0, "MODEL_REPO says what the remote would"

    def test_no_clone(self, place, tmp_path):
        run = show(place, "render", "--model-dir", str(tmp_path), MODEL_REPO=None)
        assert run.code == 2 and "is not in a Git clone" in run.log

    @pytest.fixture
    def bare_namespace(self, place):
        """As on a plain KServe cluster: nobody put GitLab's address and token there."""
        for kind, name in (("ConfigMap", "aml-image-builder-config"), ("Secret", "aml-image-builder-secret")):
            place.cluster.client.delete(kind, name, place.namespace)
        return place

    def test_remote_and_credential_helper(self, bare_namespace, clone, tmp_path):
        place = bare_namespace
        helper = "!f() { cat > /dev/null; echo username=oauth2; echo password=$(cat %s); }; f" % (tmp_path / "secret")
        (tmp_path / "secret").write_text(str(place.token))
        (tmp_path / "gitconfig").write_text(f'[credential]\n\thelper = "{helper}"\n')
        env = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, env=env)
        assert run.code == 0, run.log
        assert "git credential" in run.log, "where the login came from is said"
        assert str(place.token) not in run.log + run.output

    def test_netrc(self, bare_namespace, clone):
        place = bare_namespace
        host = place.gitlab.authority.split(":")[0]
        netrc = place.binary.directory / ".netrc"
        netrc.write_text(f"machine other login a password b\nmachine {host}\n  login me\n  password {place.token}\n")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, env={"GIT_CONFIG_NOSYSTEM": "1"})
        assert run.code == 0, run.log
        assert ".netrc" in run.log and str(place.token) not in run.log + run.output

    def test_token_of_the_environment_comes_first(self, bare_namespace, clone):
        place = bare_namespace
        (place.binary.directory / ".netrc").write_text("default login me password wrong-wrong-wrong\n")
        run = show(place, "render", "--model-dir", str(clone), MODEL_REPO=None, env={"GITLAB_TOKEN": str(place.token), "GIT_CONFIG_NOSYSTEM": "1"})
        assert run.code == 0, run.log

    def test_without_any_login_git_asks_nobody(self, bare_namespace, clone):
        run = show(bare_namespace, "render", "--model-dir", str(clone), MODEL_REPO=None, env={"GIT_CONFIG_NOSYSTEM": "1"})
        assert run.code in (3, 9), run.log
        assert "without a token" in run.log and "GITLAB_TOKEN" in run.log
        assert "fatal:" not in run.log, "what git prints is not ours"
        assert run.seconds < 30

    def test_in_a_pipeline_the_machine_is_not_asked(self, place):
        """Where the platform gave a token, a netrc of the image must not take its place."""
        (place.binary.directory / ".netrc").write_text("default login me password wrong-wrong-wrong\n")
        assert show(place, "render").code == 0


class TestWithoutTheConfiguration:
    def test_storage_uri_needs_no_config_map_and_no_secret(self, place):
        for kind, name in (("ConfigMap", "aml-image-builder-config"), ("Secret", "aml-image-builder-secret")):
            place.cluster.client.delete(kind, name, place.namespace)
        run = show(place, "render", MODEL_REPO=None, STORAGE_URI="pvc://models/qwen", PIPELINE_TAG="text-generation", LIBRARY_NAME="transformers")
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["spec"]["predictor"]["model"]["storageUri"] == "pvc://models/qwen"
        assert "STORAGE_URI" in run.log, "which way was taken is said"
        assert place.gitlab.requests == []

    def test_gitlab_is_named_with_where_its_address_came_from(self, place):
        run = show(place, "render")
        assert f"ConfigMap {place.namespace}/aml-image-builder-config" in run.log, run.log


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A cluster without KServe."""
    with Cluster(tmp_path_factory.mktemp("bare"), controllers=False, scheduler=False).start() as cluster:
        cluster.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}})
        yield cluster


class TestWithoutKServe:
    """KFServing's days, and neither of the two."""

    def run(self, bare, tmp_path, command, account=None):
        kubeconfig = account.kubeconfig() if account else bare.admin_kubeconfig
        program = Binary(tmp_path, kubeconfig)
        if command == "wait":
            return program.run("wait", "qwen", "-n", "demo", results=False, TIMEOUT="60s")
        return program.run(command, results=False, INFERENCE_SERVICE_NAME="qwen", RUNTIME_NAME="vllm", NAMESPACE="demo", STORAGE_URI="pvc://a/b",
                           PIPELINE_TAG="text-generation", LIBRARY_NAME="transformers")

    @pytest.mark.parametrize("command", ["render", "diff", "deploy", "wait"])
    def test_no_kserve_at_all(self, bare, tmp_path, command):
        run = self.run(bare, tmp_path, command)
        assert run.code == 5 and "KServe is not installed" in run.log and "0.14 or later" in run.log, run.log

    @pytest.mark.parametrize("command", ["render", "wait"])
    @pytest.mark.parametrize("rights", ["admin", "none"])
    def test_kfserving(self, bare, tmp_path, command, rights):
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "inferenceservices.serving.kubeflow.org"},
               "spec": {"group": "serving.kubeflow.org", "scope": "Namespaced", "names": {"plural": "inferenceservices", "kind": "InferenceService"},
                        "versions": [{"name": "v1beta1", "served": True, "storage": True,
                                      "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
        bare.client.apply(crd)
        wait_until(lambda: any(group["name"] == "serving.kubeflow.org" for group in bare.client.raw("GET", "/apis").json()["groups"]), 60, "the group")
        account = bare.service_account("demo", "nobody") if rights == "none" else None
        run = self.run(bare, tmp_path, command, account)
        assert run.code == 5 and "KServe 0.8 or later is needed" in run.log and "serving.kubeflow.org" in run.log, run.log


class TestWait:
    def wait(self, place, *words, env=None):
        return place.binary.run("wait", *words, "-n", place.namespace, env=env, TIMEOUT="60s")

    def test_missing_service_is_named(self, place):
        run = self.wait(place, "nothing")
        assert run.code == 5 and "nothing" in run.log and "does not exist" in run.log, run.log
        assert "kubectl get inferenceservices" in run.log
        assert run.results["state"] == "failed"

    def test_missing_service_is_deleted(self, place):
        run = self.wait(place, "nothing", "--for", "deleted")
        assert run.code == 0 and "is deleted" in run.log, run.log

    def test_service_of_somebody_else(self, place):
        place.cluster.client.create(inference_service("other", place.namespace, "vllm-cuda-12", "transformers"))
        run = self.wait(place, "other")
        assert run.code == 0, run.log
        assert run.results["state"] == "ready" and run.endpoints["IN_CLUSTER_ENDPOINT"].startswith("http://other-predictor."), run.results
        assert self.wait(place, "other", "--for=failed").code == 7

    def test_deletion_is_followed(self, place):
        place.cluster.client.create(inference_service("other", place.namespace, "vllm-cuda-12", "transformers"))
        running = place.binary.start("wait", "other", "--for=deleted", "-n", place.namespace, TIMEOUT="60s")
        wait_until(lambda: any(entry["verb"] == "watch" and entry["objectRef"]["resource"] == "inferenceservices"
                               for entry in place.cluster.audit(place.account.user)), 60, "its watch")
        place.cluster.client.delete("InferenceService", "other", place.namespace)
        assert running.finish().code == 0

    def test_two_names_are_refused(self, place):
        assert self.wait(place, "a", "b").code == 2


class TestPrograms:
    @pytest.mark.parametrize("command, schema", [(("version", "-o", "json"), "version"), (("help", "json"), "help")])
    def test_output_follows_its_schema(self, tmp_path, command, schema):
        run = Binary(tmp_path).run(*command, results=False)
        assert run.code == 0, run.log
        validate(schema, json.loads(run.output))
