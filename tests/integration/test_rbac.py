"""Each right that ``rbac`` prints is enough together and needed alone: the program runs as an account that has exactly those rights,
and then without one of them after the other."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from harness import alauda
from harness.binary import Binary
from harness.client import NotFound
from harness.model_repository import qwen_files
from harness.scenario import CrashLoop

ROLE = "deploy-inference-service"
ACCOUNT = "pipeline"

# What notices that a right of the least role is missing. Reading the object alone is for wait, diff and rollback.
DEPLOY, BY_NAME, WAIT = ("deploy",), ("deploy", "RUNTIME_NAME=vllm-cuda-12"), ("wait",)
MINIMAL = {
    ("configmaps", "get"): DEPLOY,
    ("secrets", "get"): DEPLOY,
    ("inferenceservices", "get"): WAIT,
    ("inferenceservices", "list"): DEPLOY,
    ("inferenceservices", "watch"): DEPLOY,
    ("inferenceservices", "create"): DEPLOY,
    ("inferenceservices", "patch"): DEPLOY,
    ("deployments", "list"): DEPLOY,
    ("deployments", "watch"): DEPLOY,
    ("clusterservingruntimes", "get"): BY_NAME,
    ("clusterservingruntimes", "list"): DEPLOY,
}
DIAGNOSTICS = {(resource, verb) for resource in ("replicasets", "pods", "events") for verb in ("list", "watch")} | {("pods/log", "get")}
# What is skipped without the right, and the check that says so. Each is a read.
PREFLIGHT = {
    ("resourcequotas", "list"): "namespace/quota",
    ("limitranges", "list"): "namespace/limit-range",
    ("persistentvolumeclaims", "get"): "volume/claim",
    ("servingruntimes", "get"): "runtime/shadow",
    ("nodes", "list"): "nodes/capacity",
    ("namespaces", "get"): "namespace/pod-security",
    ("storageclasses", "get"): "volume/claim",
}
KNATIVE = {("revisions", "list"), ("revisions", "watch")}  # no Knative here: nothing asks for its kinds


def named(verb: str, resource: str) -> re.Pattern:
    """A line that names the right, in the words of the API server or in ours."""
    return re.compile(rf"\b{verb}\b[^\n]*\b{re.escape(resource)}\b|\b{re.escape(resource)}\b[^\n]*\b{verb}\b")


def less(rule, right):
    """The rule as several that lack the right."""
    if right is None or right[0] not in rule["resources"] or right[1] not in rule["verbs"]:
        return [rule]
    others = {**rule, "resources": [name for name in rule["resources"] if name != right[0]]}
    rest = {**rule, "resources": [right[0]], "verbs": [verb for verb in rule["verbs"] if verb != right[1]]}
    return [part for part in (others, rest) if part["resources"] and part["verbs"]]


@pytest.fixture
def site(kserve, cluster, namespace, gitlab, tmp_path):
    """A namespace where the program runs as an account with the rights that rbac printed."""
    gitlab.project(f"{namespace}/amlmodels/qwen", files=qwen_files())
    alauda.install_git_config(cluster, namespace, gitlab.authority, str(gitlab.token()))

    def printed(*options):
        run = Binary(Path(tempfile.mkdtemp(dir=tmp_path))).run("rbac", "-n", namespace, "--service-account", ACCOUNT, *options, results=False)
        assert run.code == 0, run.log
        return list(yaml.safe_load_all(run.output))

    def install(*options, without=None):
        """Applies what is printed, less one (resource, verb), and waits until it holds."""
        rules = []
        for item in printed(*options):
            if "rules" in item:
                item["rules"] = [part for rule in item["rules"] for part in less(rule, without)]
                rules += item["rules"]
            cluster.client.apply(item)
        account = cluster.service_account(namespace, ACCOUNT)
        cluster.wait_for_rules(account, rules)
        return account, Binary(Path(tempfile.mkdtemp(dir=tmp_path)), account.kubeconfig(), {"GITLAB_CA_FILE": str(gitlab.ca_file)})

    def deploy(program, *words, **changes):
        parameters = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": namespace, "TIMEOUT": "40s", **changes}
        command, *more = words or ("deploy",)
        arguments = [command, "qwen", "-n", namespace] if command == "wait" else [command, *more]
        return program.run(*arguments, timeout=90, results=command in ("deploy", "wait"), **(parameters if command != "wait" else {"TIMEOUT": "40s"}))

    def refused(account):
        """(resource, verb) of every request that RBAC forbade. The version probe is a dry run that KServe's webhook refuses, with 403 too."""
        found = set()
        for entry in cluster.audit(account.user):
            probe = "dryRun" in entry["requestURI"] and entry["verb"] == "create"
            if entry.get("responseStatus", {}).get("code") == 403 and not probe:
                reference = entry.get("objectRef", {})
                resource = reference.get("resource", entry["requestURI"])
                found.add((resource + ("/" + reference["subresource"] if "subresource" in reference else ""), entry["verb"]))
        return found

    yield SimpleNamespace(printed=printed, install=install, deploy=deploy, refused=refused, namespace=namespace, cluster=cluster)
    for kind in ("ClusterRoleBinding", "ClusterRole"):
        try:
            cluster.client.delete(kind, f"{ROLE}.{namespace}.{ACCOUNT}")
        except NotFound:
            pass


def rights(objects):
    """Every (resource, verb) of Roles and ClusterRoles, and none twice."""
    found = [(resource, verb) for item in objects for rule in item.get("rules", []) for resource in rule["resources"] for verb in rule["verbs"]]
    return found


class TestPrinted:
    @pytest.mark.parametrize("options", [(), ("--diagnostics",), ("--preflight",)], ids=" ".join)
    def test_the_api_server_takes_it(self, site, options):
        for item in site.printed(*options):
            resource = site.cluster.client.resource(f"{item['apiVersion']}/{item['kind']}")
            answer = site.cluster.client.request(
                "PATCH", resource.path(item["metadata"].get("namespace"), item["metadata"]["name"]), item,
                content_type="application/apply-patch+yaml", params={"dryRun": "All", "fieldManager": "test", "fieldValidation": "Strict"})
            assert answer["metadata"]["name"] == item["metadata"]["name"]

    def test_these_tests_know_every_right(self, site):
        assert set(rights(site.printed())) == set(MINIMAL)
        assert set(rights(site.printed("--diagnostics"))) == set(MINIMAL) | DIAGNOSTICS | KNATIVE
        assert set(rights(site.printed("--preflight"))) == set(MINIMAL) | set(PREFLIGHT)

    def test_only_the_own_namespace_can_be_read(self, site):
        rules = [rule for item in site.printed("--preflight") for rule in item.get("rules", []) if "namespaces" in rule["resources"]]
        assert [rule["resourceNames"] for rule in rules] == [[site.namespace]]

    def test_secrets_are_limited_by_name(self, site):
        rules = [rule for item in site.printed("--diagnostics") for rule in item.get("rules", [])
                 if {"configmaps", "secrets"} & set(rule["resources"])]
        assert sorted(rule["resourceNames"][0] for rule in rules) == ["aml-image-builder-config", "aml-image-builder-secret"]

    def test_default_account_is_not_made(self, tmp_path):
        run = Binary(tmp_path).run("rbac", "-n", "demo", results=False)
        objects = list(yaml.safe_load_all(run.output))
        assert [item["kind"] for item in objects] == ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]
        assert objects[1]["subjects"] == [{"kind": "ServiceAccount", "name": "default", "namespace": "demo"}]

    def test_accounts_do_not_take_each_others_rights(self, tmp_path, kserve, cluster, namespace):
        names = ["first", "second"]
        printed = [item for name in names for item in yaml.safe_load_all(
            Binary(Path(tempfile.mkdtemp(dir=tmp_path))).run("rbac", "-n", namespace, "--service-account", name, results=False).output)]
        try:
            for item in printed:
                cluster.client.apply(item)
            for name in names:
                account = cluster.service_account(namespace, name)
                cluster.wait_for_rules(account, [rule for item in printed for rule in item.get("rules", [])])
                client = account.client()
                assert client.list("InferenceService", namespace) == [] and client.list("ClusterServingRuntime")
        finally:
            for item in printed:
                if "namespace" not in item["metadata"]:
                    cluster.client.delete(item["kind"], item["metadata"]["name"])

    def test_json_is_one_list(self, tmp_path):
        run = Binary(tmp_path).run("rbac", "-n", "demo", "--service-account", "a", "-o", "json", results=False)
        document = json.loads(run.output)
        assert document["kind"] == "List" and [item["kind"] for item in document["items"]][0] == "ServiceAccount"


class TestDeploy:
    def test_enough(self, site):
        account, program = site.install()
        created = site.deploy(program)
        assert created.code == 0, created.log
        updated = site.deploy(program, CPU_LIMIT="5", RUNTIME_NAME="vllm-cuda-12")
        assert updated.code == 0, updated.log
        assert site.deploy(program, "wait").code == 0
        assert site.deploy(program, "diff", CPU_LIMIT="5", RUNTIME_NAME="vllm-cuda-12").code == 0
        assert site.refused(account) & set(MINIMAL) == set()

    @pytest.mark.parametrize("right", sorted(MINIMAL), ids=" ".join)
    def test_needed(self, site, right):
        resource, verb = right
        words = MINIMAL[right]
        if words == WAIT:
            assert site.deploy(site.install()[1]).code == 0
        _, program = site.install(without=right)
        run = site.deploy(program, *words)
        assert run.code == 5, run.log
        assert named(verb, resource).search(run.log), run.log
        if right == ("configmaps", "get"):
            assert f"`deploy-inference-service rbac -n {site.namespace} --service-account {ACCOUNT}` prints the Role" in run.log, run.log


class TestDiagnostics:
    def failing(self, site, node, program, timeout="60s"):
        node.scenario(site.namespace, CrashLoop(message="no GPU"))
        return site.deploy(program, TIMEOUT=timeout)

    def test_enough(self, site, node):
        account, program = site.install("--diagnostics")
        run = self.failing(site, node, program)
        assert run.code == 7, run.log
        assert site.refused(account) & DIAGNOSTICS == set()

    @pytest.mark.parametrize("right", sorted(DIAGNOSTICS), ids=" ".join)
    def test_without_one_the_run_still_tells_what_it_can_and_names_the_right(self, site, node, right):
        resource, verb = right
        _, program = site.install("--diagnostics", without=right)
        run = self.failing(site, node, program, "15s" if resource == "pods" else "60s")  # without pods nothing fails before the deadline
        if right == ("events", "list"):  # only a run that changes nothing looks at what happened before
            run = self.failing(site, node, program)
        assert run.code in (7, 8), run.log
        assert named(verb, resource).search(run.log), run.log


class TestPreflight:
    @pytest.fixture
    def claim(self, site):
        """One that is not bound, so that its storage class is looked at."""
        site.cluster.client.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}, "provisioner": "test",
                                   "volumeBindingMode": "WaitForFirstConsumer"})
        site.cluster.client.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models", "namespace": site.namespace},
                                   "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "late",
                                            "resources": {"requests": {"storage": "1Gi"}}}})

    def check(self, site, program):
        run = program.run("preflight", "-o", "json", results=False, INFERENCE_SERVICE_NAME="qwen", MODEL_REPO="qwen", RUNTIME_CLASS="vllm",
                          NAMESPACE=site.namespace, PVC_NAME="models")
        assert run.code == 0, run.log
        return {f"{check['group']}/{check['name']}": check for check in json.loads(run.output)["checks"]}

    def test_enough(self, site, claim):
        account, program = site.install("--diagnostics", "--preflight")
        checks = self.check(site, program)
        skipped = [name for name, check in checks.items() if check["state"] == "skipped"]
        assert skipped in ([], ["model/disk"])  # how large a claim that is not bound will be, nobody knows
        assert site.refused(account) == set()

    @pytest.mark.parametrize("right", sorted(PREFLIGHT), ids=" ".join)
    def test_without_one_the_check_is_skipped_and_names_it(self, site, claim, right):
        resource, verb = right
        account, program = site.install("--diagnostics", "--preflight", without=right)
        checks = self.check(site, program)
        check = checks[PREFLIGHT[right]]
        assert check["state"] == ("warn" if resource == "storageclasses" else "skipped"), check
        assert named(verb, resource).search(check["message"]), check
        assert "rbac --preflight" in check["hint"]
        others = [name for name, check in checks.items() if check["state"] == "skipped" and name != PREFLIGHT[right]
                  and not name.startswith("model/")]  # whether the model fits a volume that is not known is not known either
        assert others == []
        assert site.refused(account) == {right}
