"""The main job against real servers: from parameters to a serving revision, with results."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest

from harness.gitlab_faults import Status
from harness.kubeconfig import token_file_user
from harness.model_repository import qwen_files, readme
from harness.process import AT_ONCE, free_port
from harness.scenario import Gate, Scenario

HASH = "deploy-inference-service.cpaas.io/content-hash"


def limits(service):
    return service["spec"]["predictor"]["model"]["resources"]["limits"]


def template(deployment):
    return deployment["spec"]["template"]


def writes(place):
    """The deployer's writes of InferenceServices that the API server stored or was to store."""
    return [entry["requestURI"] for entry in place.cluster.audit(place.account.user) if entry["verb"] in ("create", "update", "patch", "delete")
            and entry["objectRef"]["resource"] == "inferenceservices" and "dryRun=" not in entry["requestURI"]]


# ---- the ordinary run ----


def test_deploy_ends_when_the_revision_serves(place):
    run = place.deploy()
    assert run.code == 0, run.log
    service, deployment = place.service(), place.deployment()
    commit = place.project.repository.head()
    assert service["spec"]["predictor"]["model"]["storageUri"] == f"hf://{place.namespace}/qwen:{commit}"
    assert deployment["status"]["availableReplicas"] == 1
    assert template(deployment)["metadata"]["annotations"][HASH] == service["metadata"]["annotations"][HASH]
    assert run.results["state"] == "ready"
    assert run.results["commit"] == commit
    assert run.endpoints["IN_CLUSTER_ENDPOINT"].startswith(f"http://qwen-predictor.{place.namespace}")
    assert run.endpoints["OUT_CLUSTER_ENDPOINT"] == service["status"]["url"]


def test_every_declared_result_is_written_on_success(place, binary_help):
    run = place.deploy()
    assert run.code == 0, run.log
    assert set(run.results) == set(binary_help["results"])


def test_the_rendered_object_is_the_scripts_corrected(place):
    run = place.deploy(INFERENCE_SERVICE_DESCRIPTION='say "hi":\n- not yaml', RUNTIME_NAME="vllm-cuda-12")
    assert run.code == 0, run.log
    service = place.service()
    annotations, labels = service["metadata"]["annotations"], service["metadata"]["labels"]
    commit = place.project.repository.head()
    assert annotations["aml-model-repo"] == "qwen"
    assert annotations["aml-model-repo-branch"] == "main"
    assert annotations["aml-model-repo-id"] == str(place.project.id)
    assert annotations["aml-model-repo-tag-commit"] == commit
    assert annotations["aml-pipeline-tag"] == "text-generation"
    assert annotations["cpaas.io/description"] == 'say "hi":\n- not yaml'
    assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
    assert labels["aml-model-group"] == place.namespace
    assert labels["aml-model-subgroup"] == "amlmodels"
    assert labels["aml.cpaas.io/runtime-type"] == "vllm"
    predictor = service["spec"]["predictor"]
    assert predictor["hostIPC"] is True
    assert predictor["minReplicas"] == predictor["maxReplicas"] == 1
    model = predictor["model"]
    assert model["modelFormat"]["name"] == "transformers"
    assert model["runtime"] == "vllm-cuda-12"
    assert model["protocolVersion"] == "v2"
    assert not model.get("name")
    assert "args" not in model
    assert limits(service) == {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "10Gi", "nvidia.com/gpualloc": "1",
                               "nvidia.com/gpucores": "50", "nvidia.com/gpumem": "4096"}
    assert model["resources"]["requests"] == {"cpu": "1", "memory": "4Gi"}


def test_command_and_env_of_the_runtime_pass_untouched(place):
    from harness.alauda import runtimes
    run = place.deploy(RUNTIME_NAME="vllm-cuda-12")
    assert run.code == 0, run.log
    container = runtimes()["vllm-cuda-12"]["spec"]["containers"][0]
    model = place.service()["spec"]["predictor"]["model"]
    assert model["command"] == container["command"]
    by_name = {item["name"]: item for item in model["env"]}
    for item in container["env"]:
        got = by_name[item["name"]]
        for field in (got.get("valueFrom") or {}).values():
            field.pop("divisor", None), field.pop("apiVersion", None)  # the API server's defaults
        for field in (item.get("valueFrom") or {}).values():
            field.pop("apiVersion", None)
        assert got.get("valueFrom") == item.get("valueFrom"), item
        assert got.get("value", "") == item.get("value", "")


def test_args_of_the_runtime_are_not_doubled(place):
    run = place.deploy(RUNTIME_NAME="triton-cuda-12", RUNTIME_CLASS="triton", LIBRARY_NAME="triton")
    assert run.code == 0, run.log
    assert "args" not in place.service()["spec"]["predictor"]["model"]
    containers = {c["name"]: c for c in template(place.deployment())["spec"]["containers"]}
    assert containers["kserve-container"]["args"].count("tritonserver") == 1


def test_a_second_equal_run_changes_nothing(place):
    assert place.deploy().code == 0
    before, pods = place.service(), place.deployment()["metadata"]["generation"]
    run = place.deploy(PIPELINE_RUN="another-run")
    assert run.code == 0, run.log
    assert "unchanged" in run.took("apply")
    after = place.service()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"] or after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert place.deployment()["metadata"]["generation"] == pods


# ---- refs ----


@pytest.mark.parametrize("branch", ["release/1.0", "fix+plus", "issue#7", "ünïcode", "100%"])
def test_branch_names_that_need_escaping(place, branch):
    commit = place.project.commit({"README.md": readme("text-ranking")}, branch=branch)
    run = place.deploy(MODEL_REPO_BRANCH=branch)
    assert run.code == 0, run.log
    assert run.results["commit"] == commit
    assert place.service()["metadata"]["annotations"]["aml-model-repo-branch"] == branch
    assert place.service()["metadata"]["annotations"]["aml-pipeline-tag"] == "text-ranking"


@pytest.mark.parametrize("kind", ["light", "annotated"])
def test_tags_resolve_to_the_commit(place, kind):
    commit = place.project.repository.head()
    (place.project.annotated_tag if kind == "annotated" else place.project.tag)("v1.0")
    place.project.commit({"README.md": readme("text-ranking")})
    run = place.deploy(MODEL_REPO_TAG="v1.0")
    assert run.code == 0, run.log
    assert run.results["commit"] == commit
    assert place.service()["spec"]["predictor"]["model"]["storageUri"].endswith(f":{commit}")


def test_tag_and_branch_of_one_name_are_not_confused(place):
    first = place.project.repository.head()
    place.project.tag("stable", first)
    second = place.project.commit({"README.md": readme("text-ranking")}, branch="stable")
    run = place.deploy(MODEL_REPO_BRANCH="stable")
    assert run.code == 0, run.log
    assert run.results["commit"] == second
    assert place.service()["metadata"]["annotations"]["aml-pipeline-tag"] == "text-ranking"
    run = place.deploy(MODEL_REPO_TAG="stable")
    assert run.code == 0, run.log
    assert run.results["commit"] == first


def test_a_commit_can_be_asked_for(place):
    first = place.project.repository.head()
    place.project.commit({"README.md": readme("text-ranking")})
    run = place.deploy(MODEL_REPO_COMMIT=first)
    assert run.code == 0, run.log
    assert run.results["commit"] == first


def test_45_projects_of_one_name(place):
    place.gitlab.same_name_projects("qwen", 45)
    run = place.deploy()
    assert run.code == 0, run.log
    assert place.service()["metadata"]["annotations"]["aml-model-repo-id"] == str(place.project.id)


# ---- take-over, conflicts, create only ----


def test_take_over_from_kubectl_with_a_gpu_switch(place, kubectl):
    kubectl.apply({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                   "metadata": {"name": "qwen", "namespace": place.namespace, "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
                   "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "hostIPC": True, "model": {
                       "modelFormat": {"name": "transformers"}, "runtime": "vllm-cuda-12", "storageUri": f"hf://{place.namespace}/qwen:old",
                       "args": ["--left-over"],
                       "resources": {"limits": {"cpu": "2", "nvidia.com/gpualloc": "1", "nvidia.com/gpucores": "50", "nvidia.com/gpumem": "4096"}}}}}})
    place.cluster.client.wait_for("Deployment", "qwen-predictor", place.namespace, lambda deployment: True)
    run = place.deploy(NVIDIA_GPU="1")
    assert run.code == 0, run.log
    service = place.service()
    assert "nvidia.com/gpualloc" not in limits(service)
    assert limits(service)["nvidia.com/gpu"] == "1"
    assert "args" not in service["spec"]["predictor"]["model"]
    assert "kubectl.kubernetes.io/last-applied-configuration" not in service["metadata"]["annotations"]
    container = next(c for c in template(place.deployment())["spec"]["containers"] if c["name"] == "kserve-container")
    assert "nvidia.com/gpualloc" not in container["resources"]["limits"]


def test_fields_of_others_stay(place):
    assert place.deploy().code == 0
    place.cluster.client.apply({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                                "metadata": {"name": "qwen", "namespace": place.namespace, "labels": {"team": "search"}}}, manager="somebody")
    place.project.commit({"config.json": "{}"})
    assert place.deploy().code == 0
    assert place.service()["metadata"]["labels"]["team"] == "search"


def test_a_field_that_somebody_else_owns_is_a_conflict(place):
    assert place.deploy().code == 0
    place.cluster.client.apply({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                                "metadata": {"name": "qwen", "namespace": place.namespace},
                                "spec": {"predictor": {"maxReplicas": 5}}}, manager="autoscaling-team", force=True)
    run = place.deploy(MAX_REPLICAS="2")
    assert run.code == 6, run.log
    assert "autoscaling-team" in run.log and "maxReplicas" in run.log
    assert place.service()["spec"]["predictor"]["maxReplicas"] == 5


def test_create_only_refuses_an_existing_service(place):
    assert place.deploy().code == 0
    before, written = place.service(), writes(place)
    assert len(written) == 1
    run = place.deploy(UPDATE_IF_EXISTS="false")
    assert run.code == 6, run.log
    assert "UPDATE_IF_EXISTS" in run.log
    after = place.service()
    assert writes(place) == written, "KServe's own, to the status, may come at any time"
    assert after["spec"] == before["spec"] and after["metadata"]["annotations"] == before["metadata"]["annotations"]


def test_rights_of_the_scripts_document_are_enough_and_a_missing_one_is_named(place):
    account = place.cluster.service_account(place.namespace, "nobody")
    run = place.deploy(f"--kubeconfig={account.kubeconfig()}")
    assert run.code == 5, run.log
    for word in ("inferenceservices", "secrets", "configmaps", "clusterservingruntimes", place.namespace, "rbac"):
        assert word in run.log, word


def test_a_gitlab_that_does_not_answer_is_told_with_where_its_address_came_from(place, gitlab):
    closed = f"127.0.0.1:{free_port()}"
    place.cluster.client.patch("ConfigMap", "aml-image-builder-config", place.namespace, {"data": {"MODEL_REPO_GIT_BASE": closed}})
    run = place.deploy()
    assert run.code == 9, run.log
    text = " ".join(run.log.split())
    assert "connection refused" in text
    assert f"https://{closed} comes from ConfigMap {place.namespace}/aml-image-builder-config" in text


# ---- deadline, signals, API server restarts ----


def test_deadline_writes_results_and_names_the_last_cause(place, node):
    node.scenario(place.namespace, Scenario(load=Gate()))
    run = place.deploy(TIMEOUT="12s")
    assert run.code == 8, run.log
    assert run.seconds < 12 + AT_ONCE
    assert run.results["state"] == "timeout"
    assert run.results["commit"] == place.project.repository.head()
    assert run.endpoints["IN_CLUSTER_ENDPOINT"]


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_within_a_second_with_results(place, node, number, code):
    gate = Gate()
    node.scenario(place.namespace, Scenario(load=gate))
    running = place.start()
    assert gate.reached.wait(60), running.log()
    started = time.monotonic()
    running.signal(number)
    run = running.finish()
    assert run.code == code, run.log
    assert time.monotonic() - started < AT_ONCE
    assert run.results["state"] == "canceled"
    gate.open()
    again = place.deploy()
    assert again.code == 0, again.log


def test_an_api_server_restart_is_survived(place, node, cluster):
    gate = Gate()
    node.scenario(place.namespace, Scenario(load=gate))
    running = place.start(TIMEOUT="100s")
    assert gate.reached.wait(60), running.log()
    cluster.restart_apiserver()
    gate.open()
    run = running.finish(120)
    assert run.code == 0, run.log


def test_a_restart_that_forgets_old_revisions_and_a_token_that_was_replaced(place, node, cluster):
    """All at once, as after an hour of waiting: the watches begin with 410, and the credential of the start is refused."""
    gate = Gate()
    node.scenario(place.namespace, Scenario(load=gate))
    token = place.binary.directory / "token"
    token.write_text(place.account.short_token(15))
    kubeconfig = cluster.kubeconfig(place.binary.directory / "rotating", token_file_user(token), namespace=place.namespace)
    running = place.start(f"--kubeconfig={kubeconfig}", TIMEOUT="100s")
    started = time.monotonic()
    running.wait_for_log("created")
    token.write_text(place.account.token())  # the program goes on by the first one, for as long as that is taken
    assert gate.reached.wait(60), running.log()
    for index in range(3):  # something to forget
        cluster.client.patch("InferenceService", "qwen", place.namespace, {"metadata": {"labels": {"count": str(index)}}})
    time.sleep(max(0.0, started + 16 - time.monotonic()))
    cluster.compact()
    cluster.restart_apiserver(crash=True)
    gate.open()
    run = running.finish(120)
    assert run.code == 0, run.log
    assert place.deployment()["status"]["availableReplicas"] == 1


# ---- parameters ----


def test_all_problems_in_one_report_and_no_request(place):
    run = place.deploy(MIN_REPLICAS="3", MAX_REPLICAS="1", CPU_REQUEST="8", CPU_LIMIT="4", NVIDIA_GPUCORES="101",
                       INFERENCE_SERVICE_NAME="Qwen_7B", MODEL_REPO_BRANCH="a", MODEL_REPO_TAG="b", RUNTIME_CLASS="", UPDATE_IF_EXISTS="maybe")
    assert run.code == 2, run.log
    for name in ("MAX_REPLICAS", "CPU_REQUEST", "NVIDIA_GPUCORES", "INFERENCE_SERVICE_NAME", "MODEL_REPO_TAG", "RUNTIME_CLASS", "UPDATE_IF_EXISTS"):
        assert name in run.log, name
    assert not place.gitlab.requests
    assert run.results["state"] == "failed"


def test_unknown_names_suggest_the_nearest(place):
    run = place.deploy("MODEL_REPOO=x", "--kubconfig", "y")
    assert run.code == 2
    assert "did you mean MODEL_REPO?" in run.log and "did you mean --kubeconfig?" in run.log


# ---- the model source under attack ----


def test_the_token_never_shows(place):
    run = place.deploy("--log-level=debug")
    assert run.code == 0, run.log
    assert place.gitlab.saw(place.token)
    for text in (run.log, run.output, json.dumps(run.results), json.dumps(place.service())):
        assert str(place.token) not in text


def test_an_unknown_certificate_is_refused(place):
    broken = place.binary.directory / "broken.pem"
    broken.write_text("no certificate")
    run = place.deploy(env={"GITLAB_CA_FILE": str(broken)})
    assert run.code == 2 and f"GITLAB_CA_FILE: {broken} holds no PEM certificate" in " ".join(run.log.split()), run.log
    run = place.deploy(env={"GITLAB_CA_FILE": ""})
    assert run.code == 9, run.log
    assert "GITLAB_CA_FILE" in run.log
    assert not place.gitlab.saw(place.token)


def test_missing_front_matter_names_file_commit_and_override(place):
    commit = place.project.commit({"README.md": "# no front matter\n"})
    run = place.deploy()
    assert run.code == 3, run.log
    for word in ("README.md", commit[:8], "PIPELINE_TAG", "LIBRARY_NAME"):
        assert word in run.log, word
    assert place.deploy(PIPELINE_TAG="text-generation", LIBRARY_NAME="transformers").code == 0


def test_a_model_repository_that_is_not_there(place):
    run = place.deploy(MODEL_REPO="nope")
    assert run.code == 3, run.log
    assert f"{place.namespace}/amlmodels/nope" in run.log


def test_gitlab_that_hiccups_is_asked_again(place):
    place.gitlab.fault("file", Status(503), times=1)
    run = place.deploy()
    assert run.code == 0, run.log


# ---- results ----


def test_results_fit_the_termination_message(place):
    run = place.deploy(INFERENCE_SERVICE_DESCRIPTION="x" * 5000)
    assert run.code == 0, run.log
    entries = [{"key": name, "value": value, "type": 1} for name, value in run.results.items()]
    assert len(json.dumps(entries)) + 65 <= 4096


def test_storage_uri_needs_no_gitlab(kserve, cluster, namespace, tmp_path):
    from harness import alauda
    from harness.binary import Binary
    account = cluster.service_account(namespace, "plain")
    cluster.grant(account, [r for r in alauda.DOCUMENT_RULES if "secrets" not in r["resources"]], "deploy")
    alauda.install_view_role(cluster)
    cluster.grant(account, [{"apiGroups": ["serving.kserve.io"], "resources": ["clusterservingruntimes"], "verbs": ["get", "list"]}], f"rt-{namespace}", cluster_wide=True)
    run = Binary(tmp_path, account.kubeconfig()).run(INFERENCE_SERVICE_NAME="oci", STORAGE_URI="s3://models/qwen", PIPELINE_TAG="text-generation",
                                                     LIBRARY_NAME="transformers", RUNTIME_CLASS="vllm", NAMESPACE=namespace, TIMEOUT="60s")
    assert run.code == 0, run.log
    assert cluster.client.get("InferenceService", "oci", namespace)["spec"]["predictor"]["model"]["storageUri"] == "s3://models/qwen"
