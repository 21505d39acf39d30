"""preflight against real servers: a namespace where all is well, each thing that can be wrong, and all of it at once."""

from __future__ import annotations

import datetime
import json
import os
import pty
import re
import socket
import subprocess
import tempfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness import alauda
from harness.binary import Binary, path
from harness.cluster import Cluster
from harness.gitlab import GitLab
from harness.kserve import inference_service
from harness.model_repository import qwen_files
from harness.process import wait_until
from net_peer import Peer, always

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "preflight.schema.json").read_text())
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Report:
    """What ``preflight -o json`` printed; by(...) finds checks."""

    def __init__(self, run):
        self.run, self.code, self.log = run, run.code, run.log
        assert run.output, run.log
        document = json.loads(run.output)
        jsonschema.validate(document, SCHEMA)
        self.checks, self.verdict = document["checks"], document["verdict"]
        assert document["summary"] == {state: sum(c["state"] == state for c in self.checks) for state in ("ok", "warn", "fail", "skipped")}

    def by(self, check, state=None):
        group, _, name = check.partition("/")
        return [c for c in self.checks if c["group"] == group and c["name"] == name and state in (None, c["state"])]

    def one(self, check, state):
        found = self.by(check, state)
        assert found, f"no {state} for {check}: {json.dumps(self.by(check) or self.checks, indent=1)}"
        return found[0]["message"] + " | " + (found[0]["hint"] or "")

    def failed(self):
        return {f"{c['group']}/{c['name']}" for c in self.checks if c["state"] == "fail"}


@pytest.fixture
def site(kserve, cluster, namespace, gitlab, tmp_path):
    """site(**parameters) runs preflight as an account with every right that rbac prints."""
    token = gitlab.token()
    gitlab.project(f"{namespace}/amlmodels/qwen", files=qwen_files())
    alauda.install_git_config(cluster, namespace, gitlab.authority, str(token))
    printed = Binary(tmp_path).run("rbac", "-n", namespace, "--service-account", "checker", "--diagnostics", "--preflight", results=False)
    cluster.client.apply_all(printed.output)
    account = cluster.service_account(namespace, "checker")
    cluster.wait_for_rules(account, [rule for item in yaml.safe_load_all(printed.output) for rule in item.get("rules", [])])
    ordinary = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": namespace}

    class Site:
        def __init__(self):
            self.cluster, self.namespace, self.gitlab, self.account, self.client = cluster, namespace, gitlab, account, cluster.client
            self.binary = Binary(tmp_path / "runs", account.kubeconfig(), {"GITLAB_CA_FILE": str(gitlab.ca_file)})
            (tmp_path / "runs").mkdir()

        def run(self, *arguments, env=None, **changes):
            parameters = {name: value for name, value in {**ordinary, **changes}.items() if value is not None}
            return self.binary.run("preflight", *arguments, env=env, results=False, **parameters)

        def __call__(self, *arguments, env=None, **changes):
            return Report(self.run("-o", "json", *arguments, env=env, **changes))

        def make(self, kind, name, version="v1", **content):
            return self.client.apply({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content})

    yield Site()
    for kind in ("ClusterRoleBinding", "ClusterRole"):
        cluster.client.delete(kind, f"deploy-inference-service.{namespace}.checker")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A cluster of its own, without KServe."""
    cluster = Cluster(tmp_path_factory.mktemp("bare"), controllers=False, scheduler=False).start()
    yield cluster
    cluster.stop()


class TestAllIsWell:
    def test_nothing_fails_and_nothing_is_skipped(self, site):
        report = site()
        assert report.code == 0, report.log
        assert report.verdict in ("ok", "warn") and not report.failed()
        assert [c for c in report.checks if c["state"] == "skipped"] == []
        warned = {f"{c['group']}/{c['name']}" for c in report.checks if c["state"] == "warn"}
        assert warned <= {"gitlab/certificate"}, report.checks  # the stand-in's certificate lasts a month
        groups = [c["group"] for c in report.checks]
        assert [g for i, g in enumerate(groups) if g not in groups[:i]] == [
            "parameters", "cluster", "rights", "gitlab", "model", "service", "runtime", "apply", "namespace", "nodes"]
        assert "all 10 rights" in report.one("rights/deploy", "ok")
        assert "0.16 or later" in report.one("cluster/kserve", "ok") or os.environ.get("KSERVE_VERSION", "0.16") < "0.16"

    def test_nothing_is_changed(self, site):
        before = site.cluster.audit(site.account.user)
        report = site(PVC_NAME="models")
        assert report.by("apply/dry-run", "ok")
        entries = site.cluster.audit(site.account.user)[len(before):]
        assert len(entries) > 20
        for entry in entries:
            if entry["verb"] in ("get", "list"):
                continue
            resource = entry["objectRef"]["resource"]
            assert entry["verb"] in ("create", "patch"), entry
            assert resource == "selfsubjectaccessreviews" or (resource == "inferenceservices" and "dryRun=All" in entry["requestURI"]), entry
        assert site.client.find("InferenceService", "qwen", site.namespace) is None
        assert all(request.method == "GET" for request in site.gitlab.requests if not request.path.endswith("/graphql")
                   and "/info/lfs/" not in request.path)

    def test_table_for_people(self, site):
        run = site.run()
        assert run.code == 0, run.log
        lines = run.output.splitlines()
        assert lines[0].split() == ["STATE", "CHECK", "FOUND"]
        assert max(map(len, lines)) <= 100
        column = lines[0].index("FOUND")
        assert all(line[column - 1] == " " and line[column] != "" for line in lines if len(line) > column)
        assert re.search(r"^ok +cluster/api-server +Kubernetes v\d", run.output, re.M)
        assert "\x1b" not in run.output
        assert re.search(r"^\d+ ok, \d+ warn, 0 fail, 0 skipped: nothing was found that would stop a deploy$", run.log, re.M)

    def test_color_on_a_terminal_only(self, site):
        def on_terminal(**environment):
            main, child = pty.openpty()
            arguments = [path(), "preflight", "--kubeconfig", str(site.account.kubeconfig()), "-n", site.namespace, "INFERENCE_SERVICE_NAME=qwen",
                         "MODEL_REPO=qwen", "RUNTIME_CLASS=vllm"]
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=child, stderr=subprocess.PIPE,
                                       env={**site.binary.environment, **environment})
            os.close(child)
            shown = b""
            while True:
                try:
                    more = os.read(main, 65536)
                except OSError:
                    break
                if not more:
                    break
                shown += more
            os.close(main)
            process.communicate()
            assert process.returncode == 0
            return shown.decode()

        colored = on_terminal(TERM="xterm")
        assert "\x1b[32mok" in colored
        assert "\x1b" not in on_terminal(TERM="xterm", NO_COLOR="1")
        assert "\x1b" not in on_terminal(TERM="dumb")
        assert "\x1b[32mok" in site.run("--color=always").output

    def test_an_unknown_format_is_refused(self, site):
        run = site.run("-o", "yaml")
        assert (run.code, run.output) == (2, "") and "table or json" in run.log


class TestParameters:
    def test_every_problem_is_told_and_the_rest_is_still_checked(self, site):
        report = site(INFERENCE_SERVICE_NAME="Qwen", MIN_REPLICAS="3", CPU_LIMIT="lots", PVC_NAME="models")
        assert report.code == 2
        assert [c["message"].split()[0] for c in report.by("parameters/values", "fail")] == ["INFERENCE_SERVICE_NAME", "MIN_REPLICAS", "CPU_LIMIT"]
        assert report.by("cluster/kserve", "ok") and report.by("rights/deploy", "ok") and report.by("gitlab/version", "ok")
        assert "parameters come first" in report.one("model/source", "skipped")
        assert "does not exist" in report.one("volume/claim", "fail")


class TestCluster:
    def test_nobody_answers(self, site, tmp_path):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            config = site.cluster.kubeconfig(tmp_path / "nobody", None, server=f"https://127.0.0.1:{closed.getsockname()[1]}")
            report = site("--kubeconfig", str(config))
        assert report.code == 9
        assert report.failed() == {"cluster/api-server"}
        assert "nothing else" in report.one("cluster/further-checks", "skipped")

    def test_a_proxy_answers_in_another_character_set(self, site, tmp_path):
        with Peer(always(403, "Accès refusé".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1")) as proxy:
            report = site("--kubeconfig", str(site.cluster.kubeconfig(tmp_path / "proxy", None, server=proxy.url(""))))
        assert report.code != 1 and "out of memory" not in report.log, report.log
        assert any("Acc?s refus?" in check["message"] for check in report.checks if check["state"] == "fail"), report.checks

    def test_a_broken_kubeconfig(self, site, tmp_path):
        (tmp_path / "broken").write_text("apiVersion: [")
        report = site("--kubeconfig", str(tmp_path / "broken"), MIN_REPLICAS="x")
        assert report.code == 2
        assert report.failed() == {"parameters/values", "cluster/api-server"}

    def test_rejected_login(self, site):
        config = site.account.kubeconfig("token").read_text()
        rejected = site.binary.directory / "rejected"
        rejected.write_text(re.sub(r"(token: *\S{8})\S+", r"\1xxx", config))
        report = site("--kubeconfig", str(rejected))
        assert report.code == 9
        assert report.failed() == {"cluster/api-server"}
        assert "does not accept the credential" in report.one("cluster/api-server", "fail")

    def test_kserve_does_not_run(self, site, kserve):
        kserve.stop_manager()
        try:
            report = site()
        finally:
            kserve.start_manager()
        assert "controller" in report.one("cluster/kserve", "warn")
        assert "webhook" in report.one("apply/dry-run", "fail")
        assert report.code in (8, 9), report.checks
        assert report.by("nodes/capacity", "ok")

    def test_serverless_without_knative(self, site):
        report = site(ENABLE_SERVERLESS="true")
        assert report.code == 7
        assert "ENABLE_SERVERLESS=false" in report.one("cluster/knative", "fail")


class TestWithoutKServe:
    """A cluster that never had KServe, and one with its forerunner."""

    def check(self, bare, tmp_path):
        binary = Binary(Path(tempfile.mkdtemp(dir=tmp_path)), bare.admin_kubeconfig)  # a directory a run: it may be asked again
        return Report(binary.run("preflight", "-o", "json", results=False, INFERENCE_SERVICE_NAME="qwen", RUNTIME_CLASS="vllm", NAMESPACE="default",
                                 STORAGE_URI="oci://registry/model:1", PIPELINE_TAG="text-generation", LIBRARY_NAME="transformers"))

    def test_never(self, bare, tmp_path):
        report = self.check(bare, tmp_path)
        assert (report.code, report.failed()) == (5, {"cluster/kserve"}), report.checks
        assert "is not installed" in report.one("cluster/kserve", "fail")

    def test_kfserving(self, bare, tmp_path):
        schema = {"openAPIV3Schema": {"type": "object"}}
        bare.client.apply({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                           "metadata": {"name": "inferenceservices.serving.kubeflow.org"},
                           "spec": {"group": "serving.kubeflow.org", "scope": "Namespaced", "names": {"plural": "inferenceservices", "kind": "InferenceService"},
                                    "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": schema}]}})
        wait_until(lambda: "KFServing" in self.check(bare, tmp_path).one("cluster/kserve", "fail"), 60, "the group to be served")


class TestRights:
    def test_missing_ones_are_named(self, site):
        account = site.cluster.service_account(site.namespace, "poor")
        report = site("--kubeconfig", str(account.kubeconfig()))
        assert report.code == 5
        told = report.one("rights/deploy", "fail")
        for text in ("create, patch inferenceservices.serving.kserve.io", "get secrets aml-image-builder-secret", "list clusterservingruntimes",
                     f"rbac -n {site.namespace} --service-account poor |"):
            assert text in told
        assert "get pods/log" in report.one("rights/diagnostics", "warn")
        for check in ("namespace/pod-security", "namespace/quota", "namespace/limit-range", "nodes/capacity"):
            assert "rbac --preflight" in report.one(check, "skipped")


class TestNamespace:
    def test_pod_security(self, site):
        site.client.patch("Namespace", site.namespace, None, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})
        report = site()
        assert report.code == 7
        assert "HOST_IPC=false" in report.one("namespace/pod-security", "fail")
        assert site(HOST_IPC="false").by("namespace/pod-security", "ok")

    def test_quota_and_limits(self, site):
        site.make("ResourceQuota", "compute", spec={"hard": {"requests.nvidia.com/gpualloc": "1", "limits.memory": "100Gi"}})
        site.make("LimitRange", "bounds", spec={"limits": [{"type": "Container", "max": {"cpu": "2"}}]})
        wait_until(lambda: "hard" in (site.client.get("ResourceQuota", "compute", site.namespace).get("status") or {}), 60, "quota status")
        report = site(NVIDIA_GPUALLOC="2")
        assert report.code == 7
        assert "lower NVIDIA_GPUALLOC" in report.one("namespace/quota", "fail")
        assert "CPU_LIMIT" in report.one("namespace/limit-range", "fail")
        assert len(report.by("namespace/quota", "fail")) == 1
        fine = site(CPU_LIMIT="2", NVIDIA_GPUALLOC="", NVIDIA_GPUCORES="", NVIDIA_GPUMEM="")
        assert fine.code == 0, fine.checks

    def test_what_quota_said_comes_true(self, site):
        """The deploy that preflight warned of does fail for that reason."""
        site.make("ResourceQuota", "compute", spec={"hard": {"limits.memory": "1Gi"}})
        wait_until(lambda: "hard" in (site.client.get("ResourceQuota", "compute", site.namespace).get("status") or {}), 60, "quota status")
        report = site()
        assert "MEMORY_LIMIT" in report.one("namespace/quota", "fail")
        run = site.binary.run(results=False, INFERENCE_SERVICE_NAME="qwen", MODEL_REPO="qwen", RUNTIME_CLASS="vllm", NAMESPACE=site.namespace,
                              TIMEOUT="60s", timeout=90)
        assert (run.code, report.code) == (7, 7), run.log
        assert "quota" in run.log


class TestNodes:
    def test_devices_that_no_node_has(self, site, node):
        report = site(NVIDIA_GPUALLOC="", NVIDIA_GPUCORES="", NVIDIA_GPUMEM="", RESOURCE_LIMITS="huawei.com/Ascend910=1")
        assert report.code == 7
        told = report.one("nodes/capacity", "fail")
        assert "0 of 1 node" in told and "no huawei.com/Ascend910 (node-1)" in told

    def test_larger_than_any_node(self, site, node):
        assert "MEMORY_REQUEST" in site(MEMORY_REQUEST="9Ti", MEMORY_LIMIT="9Ti").one("nodes/capacity", "fail")

    def test_hami_registers_its_cards(self, site, node):
        register = "GPU-1,10,24576,100,NVIDIA-A10,0,true:"
        site.client.patch("Node", "node-1", None, {"metadata": {"annotations": {"hami.io/node-nvidia-register": register}}})
        try:
            assert site(NVIDIA_GPUMEM="24576").by("nodes/capacity", "ok")
            assert "largest 24576 MiB" in site(NVIDIA_GPUMEM="24577").one("nodes/capacity", "fail")
        finally:
            site.client.patch("Node", "node-1", None, {"metadata": {"annotations": {"hami.io/node-nvidia-register": None}}})


class TestVolume:
    def test_claims(self, site):
        site.make("PersistentVolumeClaim", "waiting", spec={"accessModes": ["ReadWriteOnce"], "storageClassName": "nobody",
                                                            "resources": {"requests": {"storage": "1Gi"}}})
        assert "storage class does not exist" in site(PVC_NAME="waiting").one("volume/claim", "fail")
        assert "does not exist" in site(PVC_NAME="absent").one("volume/claim", "fail")
        site.client.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}, "provisioner": "test",
                           "volumeBindingMode": "WaitForFirstConsumer"})
        site.make("PersistentVolumeClaim", "late", spec={"accessModes": ["ReadWriteOnce"], "storageClassName": "late",
                                                         "resources": {"requests": {"storage": "1Gi"}}})
        assert "when the first pod uses it" in site(PVC_NAME="late").one("volume/claim", "ok")


class TestService:
    def test_exists_and_may_not_be_updated(self, site):
        site.client.create(inference_service("qwen", site.namespace, "vllm-cuda-12", "transformers", "hf://a/b"))
        report = site(UPDATE_IF_EXISTS="false")
        assert report.code == 6
        assert "UPDATE_IF_EXISTS" in report.one("service/object", "fail")
        assert site().by("service/object", "ok")

    def test_another_manager_owns_a_field(self, site):
        item = inference_service("qwen", site.namespace, "vllm-cuda-12", "transformers", "hf://a/b", minReplicas=2, maxReplicas=2)
        site.client.apply(item, manager="scaler")
        report = site()
        assert report.code == 6, report.checks
        assert "scaler" in report.one("apply/dry-run", "fail")

    def test_a_webhook_refuses(self, site):
        rule = {"apiGroups": ["serving.kserve.io"], "apiVersions": ["v1beta1"], "operations": ["CREATE"], "resources": ["inferenceservices"]}
        name = f"refuse-{site.namespace}"
        site.client.apply({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
                           "spec": {"matchConstraints": {"resourceRules": [rule]},
                                    "validations": [{"expression": f"object.metadata.namespace != '{site.namespace}'", "message": "not on Fridays"}]}})
        site.client.apply({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
                           "spec": {"policyName": name, "validationActions": ["Deny"]}})
        try:
            wait_until(lambda: site().failed() == {"apply/dry-run"}, 60, "the policy to work")
            report = site()
            assert report.code == 5
            assert "not on Fridays" in report.one("apply/dry-run", "fail")
        finally:
            for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
                site.client.delete(kind, name)


class TestRuntime:
    def test_disabled(self, site):
        report = site(RUNTIME_CLASS="off", LIBRARY_NAME="sklearn")
        assert report.code == 4
        assert "is disabled" in report.one("runtime/runtime", "fail")

    def test_hidden_by_one_in_the_namespace(self, site):
        cluster_runtime = site.client.get("ClusterServingRuntime", "vllm-cuda-12")
        site.make("ServingRuntime", "vllm-cuda-12", version="serving.kserve.io/v1alpha1", spec=cluster_runtime["spec"])
        assert "in place of" in site().one("runtime/shadow", "warn")
        assert "in place of" in site(RUNTIME_NAME="vllm-cuda-12", RUNTIME_CLASS=None).one("runtime/shadow", "warn")

    def test_the_one_of_the_namespace_is_what_is_judged(self, site):
        spec = site.client.get("ClusterServingRuntime", "vllm-cuda-12")["spec"]
        spec["nodeSelector"] = {"disk": "none-has-this"}
        site.make("ServingRuntime", "vllm-cuda-12", version="serving.kserve.io/v1alpha1", spec=spec)
        assert site().by("nodes/capacity", "fail")

    def test_one_that_only_the_namespace_has(self, site):
        spec = site.client.get("ClusterServingRuntime", "vllm-cuda-12")["spec"]
        site.make("ServingRuntime", "ours", version="serving.kserve.io/v1alpha1", spec=spec)
        report = site(RUNTIME_NAME="ours", RUNTIME_CLASS=None)
        assert report.code == 0, report.checks
        assert report.one("runtime/runtime", "ok").startswith("ServingRuntime ours is enabled")
        assert not report.by("runtime/shadow")


class TestGitLab:
    def other(self, site, server, token=None, **changes):
        server.project(f"{site.namespace}/amlmodels/qwen", files=qwen_files())
        environment = {"GITLAB_TOKEN": str(token or server.token()), **({"GITLAB_CA_FILE": str(server.ca_file)} if server.scheme == "https" else {})}
        return site(env=environment, GITLAB_BASE_URL=server.url, **changes)

    def test_old_version(self, site, tmp_path):
        with GitLab(tmp_path, version="14.10.5-ee") as server:
            report = self.other(site, server)
            assert report.code == 3
            assert "14.10.5" in report.one("gitlab/version", "fail")
            assert "before 15.5" in report.one("gitlab/token", "skipped")
            assert report.by("model/source", "ok")

    def test_plain_http(self, site, tmp_path):
        with GitLab(tmp_path, tls=False) as server:
            report = self.other(site, server)
            assert report.failed() == {"gitlab/https"} and report.code == 3

    def test_untrusted_certificate(self, site):
        report = site(env={"GITLAB_CA_FILE": ""})
        assert report.code == 9
        assert "GITLAB_CA_FILE" in report.one("gitlab/certificate", "fail")
        assert report.by("model/source", "skipped")

    def test_tokens(self, site, gitlab):
        today = datetime.datetime.now(datetime.timezone.utc).date()
        soon = site(env={"GITLAB_TOKEN": str(gitlab.token(expires_at=today + datetime.timedelta(days=3)))})
        assert soon.code == 0
        assert "without an expiry date" in soon.one("gitlab/token-expiry", "warn")
        expired = site(env={"GITLAB_TOKEN": str(gitlab.token(expires_at=today))})
        assert expired.code == 9
        assert "expired" in expired.one("gitlab/token", "fail")
        unknown = site(env={"GITLAB_TOKEN": "glpat-unknown"})
        assert unknown.code == 9 and unknown.by("gitlab/token", "fail")
        assert "glpat-unknown" not in unknown.run.output + unknown.log
        reader = site(env={"GITLAB_TOKEN": str(gitlab.token(scopes=("read_repository",)))})
        assert reader.code == 0
        assert "read_repository" in reader.one("gitlab/scopes", "warn")
        user = site(env={"GITLAB_TOKEN": str(gitlab.token(scopes=("read_user",)))})
        assert user.code == 9
        assert "read_user" in user.one("gitlab/scopes", "fail")

    def test_project_without_lfs(self, site, gitlab):
        gitlab.project(f"{site.namespace}/amlmodels/plain", files=qwen_files(), lfs_enabled=False)
        report = site(MODEL_REPO="plain")
        assert "Git LFS is off" in report.one("gitlab/lfs", "fail")
        assert report.code == 3

    def test_no_such_project_or_branch(self, site):
        assert site(MODEL_REPO="qwem").code == 3
        report = site(MODEL_REPO_BRANCH="mian")
        assert report.code == 3 and "mian" in report.one("model/source", "fail")
        assert report.by("nodes/capacity", "ok")  # what the pod needs is known all the same

    def test_nothing_configured(self, site):
        site.client.delete("ConfigMap", "aml-image-builder-config", site.namespace)
        report = site()
        assert report.code == 3
        assert "GITLAB_BASE_URL" in report.one("gitlab/configuration", "fail")

    def test_without_gitlab(self, site):
        report = site(MODEL_REPO=None, STORAGE_URI="oci://registry/model:1", PIPELINE_TAG="text-generation", LIBRARY_NAME="transformers")
        assert report.code == 0, report.checks
        assert "STORAGE_URI" in report.one("gitlab/configuration", "skipped")


def test_everything_is_wrong_at_once(site, gitlab):
    """One report tells all of it; the exit code is that of what a deploy would meet first."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    site.client.create(inference_service("qwen", site.namespace, "vllm-cuda-12", "transformers", "hf://a/b"))
    site.client.patch("Namespace", site.namespace, None, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    site.make("ResourceQuota", "compute", spec={"hard": {"limits.memory": "1Gi", "pods": "0"}})
    site.make("LimitRange", "bounds", spec={"limits": [{"type": "Container", "max": {"cpu": "1"}}]})
    site.make("PersistentVolumeClaim", "models", spec={"accessModes": ["ReadWriteOnce"], "storageClassName": "nobody",
                                                       "resources": {"requests": {"storage": "1Gi"}}})
    account = site.cluster.service_account(site.namespace, "checker")
    site.cluster.grant(account, [], "unused")
    role = site.client.get("Role", "deploy-inference-service.checker", site.namespace)
    for rule in role["rules"]:
        if "inferenceservices" in rule["resources"]:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != "patch"]
    site.client.replace(role)
    site.cluster.wait_for_rules(account, role["rules"])
    report = site(env={"GITLAB_TOKEN": str(gitlab.token(expires_at=today))}, UPDATE_IF_EXISTS="false", ENABLE_SERVERLESS="true", PVC_NAME="models",
                  RUNTIME_CLASS="off", LIBRARY_NAME="transformers", PIPELINE_TAG="text-generation", NVIDIA_GPUALLOC="", NVIDIA_GPUCORES="",
                  NVIDIA_GPUMEM="", RESOURCE_LIMITS="huawei.com/Ascend910=1")
    assert report.failed() >= {"cluster/knative", "rights/deploy", "gitlab/token", "service/object", "runtime/runtime",
                               "namespace/pod-security", "volume/claim"}, report.checks
    first = next(c for c in report.checks if c["state"] == "fail")
    assert first["group"] == "cluster" and report.code == 7
    assert all(c["hint"] for c in report.checks if c["state"] == "fail"), report.checks
    table = site.run(RUNTIME_CLASS="off", UPDATE_IF_EXISTS="false")
    assert max(map(len, ANSI.sub("", table.output).splitlines())) <= 100
