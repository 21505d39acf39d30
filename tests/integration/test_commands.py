"""The commands that people use by hand, against real servers: render, wait, what they take and what they need."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import yaml

from by_hand import show, validate
from harness import alauda, binary
from harness.binary import Binary
from harness.cluster import Cluster
from harness.kserve import inference_service
from harness.process import wait_until


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
        again = self.wait(place, "other", "--for=failed")
        assert again.code == 7
        if again.seconds < 5:  # later it says what it waits for, whatever it has seen
            assert "waiting for KServe" not in again.log, "what half of the first lists would say"

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
