"""Tekton on a Cluster: Pipelines' controller and webhook, its resolvers, and Triggers' interceptors and event listeners.

    tekton = Tekton(cluster, entrypoint_image="registry.test/entrypoint:1").start()
    tekton.start_resolvers()
    triggers = Triggers(tekton).start()
    url = triggers.listen("gitlab", namespace, account)         # an EventListener, as that ServiceAccount
    gate = ApprovalGate(tekton).start()                         # the custom task ApprovalTask

Everything runs beside the API server. Webhooks and conversions go through Services of type ExternalName that name localhost, so the
certificates that the programs make for themselves fit.
"""

from __future__ import annotations

from pathlib import Path

import requests
import yaml

from . import servers
from .client import ApiError, Client, condition
from .cluster import Cluster, ServiceAccount
from .process import Process, free_port, wait_until

NAMESPACE = "tekton-pipelines"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def manifests(server: str, *patterns: str) -> list[dict]:
    """The objects of the module's manifests that match, in the order of their file names."""
    base = servers.share(server, "config")
    files = [path for pattern in patterns for path in sorted(base.glob(pattern))]
    return [item for path in files for item in yaml.load_all(path.read_text(), Loader=LOADER) if item]


def install(cluster: Cluster, items: list[dict], ports: dict[str, int]) -> None:
    """Creates or replaces the objects; webhooks and conversions are sent to the given port of their Service."""
    client = cluster.client
    for item in items:
        _send_to_port(item, ports)
        live = client.find(f"{item['apiVersion']}/{item['kind']}", item["metadata"]["name"], item["metadata"].get("namespace"))
        if live is None:
            client.create(item)
        elif item["kind"] != "Secret":  # its owner has filled it
            item["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            client.replace(item)


def _send_to_port(item: dict, ports: dict[str, int]) -> None:
    configs = [hook["clientConfig"] for hook in item.get("webhooks", [])]
    conversion = item.get("spec", {}).get("conversion", {}).get("webhook") if item["kind"] == "CustomResourceDefinition" else None
    if conversion:
        configs.append(conversion["clientConfig"])
    for config in configs:
        if "service" in config:
            config["service"]["port"] = ports[config["service"]["name"]]


def wait_served(cluster: Cluster, items: list[dict]) -> None:
    kinds = [item["spec"] for item in items if item["kind"] == "CustomResourceDefinition"]

    def served() -> bool:
        try:
            for spec in kinds:
                for version in spec["versions"]:
                    if version["served"]:
                        cluster.client.resource(f"{spec['group']}/{version['name']}/{spec['names']['kind']}")
        except LookupError:
            return False
        return True

    wait_until(served, 60, "custom resources to be served")


def external_service(cluster: Cluster, name: str) -> None:
    cluster.client.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
                          "spec": {"type": "ExternalName", "externalName": "localhost"}})


class Tekton:
    """``flags`` are laid over the feature flags. With set-security-context what Tekton adds to a pod fits Pod Security "restricted"."""

    def __init__(self, cluster: Cluster, entrypoint_image: str, flags: dict[str, str] | None = None):
        self.cluster, self.entrypoint_image = cluster, entrypoint_image
        self.flags = {"set-security-context": "true", "set-security-context-read-only-root-filesystem": "true", **(flags or {})}
        self.webhook_port = free_port()

    def start(self) -> "Tekton":
        cluster = self.cluster
        cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        external_service(cluster, "tekton-pipelines-webhook")
        items = manifests("tekton", "300-crds/*.yaml", "config-*.yaml")
        for item in items:
            if item["metadata"]["name"] == "feature-flags":
                item["data"].update(self.flags)
        hooks = manifests("tekton", "500-webhooks.yaml")
        install(cluster, items + hooks, {"tekton-pipelines-webhook": self.webhook_port})
        wait_served(cluster, items)
        self._start_webhook()
        self._start_controller()
        return self

    def environment(self, **more: str) -> dict[str, str]:
        return {"SYSTEM_NAMESPACE": NAMESPACE, "METRICS_DOMAIN": "tekton.dev/pipeline", "KUBERNETES_MIN_VERSION": "v1.28.0",
                "CONFIG_DEFAULTS_NAME": "config-defaults", "CONFIG_LOGGING_NAME": "config-logging",
                "CONFIG_OBSERVABILITY_NAME": "config-observability", "CONFIG_FEATURE_FLAGS_NAME": "feature-flags",
                "CONFIG_LEADERELECTION_NAME": "config-leader-election-controller", "CONFIG_SPIRE": "config-spire",
                "PROBES_PORT": str(free_port()), **more}

    def _start_webhook(self) -> None:
        self.webhook = self.cluster.run("tekton-webhook", [
            servers.program("tekton", "webhook"), "-kubeconfig", str(self.cluster.component_kubeconfig("tekton-webhook"))],
            self.environment(CONFIG_LEADERELECTION_NAME="config-leader-election-webhook", WEBHOOK_PORT=str(self.webhook_port),
                             WEBHOOK_SERVICE_NAME="tekton-pipelines-webhook", WEBHOOK_SECRET_NAME="webhook-certs",
                             WEBHOOK_ADMISSION_CONTROLLER_NAME="webhook.pipeline.tekton.dev"))
        self.webhook.wait_ready(self._admits, timeout=60)

    def _admits(self) -> bool:
        """Whether a good Task is admitted and a bad one is not: the webhook answers, and the API server trusts it."""
        task = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "probe", "namespace": "default"},
                "spec": {"steps": [{"image": "x:1", "command": ["x"]}]}}
        try:
            self.cluster.client.create(task, dryRun="All")
            task["spec"]["steps"].append({"image": "x:1", "command": ["x"], "script": "x"})
            self.cluster.client.create(task, dryRun="All")
        except ApiError as error:
            return "script" in error.message
        return False

    def _start_controller(self) -> None:
        port = free_port()
        images = ["-entrypoint-image", self.entrypoint_image]
        for name in ("nop", "sidecarlogresults", "workingdirinit", "shell", "shell-win"):
            flag = "shell-image-win" if name == "shell-win" else f"{name}-image"
            images += [f"-{flag}", "registry.test/unused:1"]
        self.controller = self.cluster.run("tekton-controller", [
            servers.program("tekton", "controller"), "-kubeconfig", str(self.cluster.component_kubeconfig("tekton-controller")), "-disable-ha",
            "-kube-api-qps", "200", "-kube-api-burst", "400", *images], self.environment(PROBES_PORT=str(port)))
        self.controller.wait_ready(lambda: requests.get(f"http://127.0.0.1:{port}/readiness", timeout=1).ok, timeout=60)

    def start_resolvers(self, environment: dict[str, str] | None = None, **configs: dict[str, str]) -> Process:
        """``configs`` by ConfigMap, with _ for -: hubresolver_config={"default-type": "artifact"}. ``environment``: ARTIFACT_HUB_API."""
        self.cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tekton-pipelines-resolvers"}})
        items = [item for item in manifests("tekton", "resolvers/*.yaml") if item["kind"] == "ConfigMap"]
        for item in items:
            item["data"] = {**(item.get("data") or {}), **configs.get(item["metadata"]["name"].replace("-", "_"), {})}
        install(self.cluster, items, {})
        variables = {"SYSTEM_NAMESPACE": "tekton-pipelines-resolvers",
                     "CONFIG_LEADERELECTION_NAME": "config-leader-election-resolvers", **(environment or {})}
        self.resolvers = self.cluster.run("tekton-resolvers", [
            servers.program("tekton", "resolvers"), "-kubeconfig", str(self.cluster.component_kubeconfig("tekton-resolvers"))],
            self.environment(**variables))
        # One for each resolver: bundles, cluster, git, http, hub.
        self.resolvers.wait_ready(lambda: self.resolvers.log.read_text().count("has started leading") >= 5, timeout=60)
        return self.resolvers


class Triggers:
    """Tekton Triggers beside Pipelines: its webhook, and the interceptors cel and gitlab. They listen on port 8443, which is fixed."""

    def __init__(self, tekton: Tekton):
        self.tekton, self.cluster = tekton, tekton.cluster
        self.webhook_port = free_port()

    def start(self) -> "Triggers":
        external_service(self.cluster, "tekton-triggers-webhook")
        items = manifests("triggers", "300-*.yaml", "config-*.yaml", "interceptors/00-interceptor-secrets.yaml")
        hooks = manifests("triggers", "500-webhooks.yaml")
        install(self.cluster, items + hooks, {"tekton-triggers-webhook": self.webhook_port})
        wait_served(self.cluster, items)
        self._start_webhook()
        self._start_interceptors()
        return self

    def environment(self, **more: str) -> dict[str, str]:
        return self.tekton.environment(CONFIG_DEFAULTS_NAME="config-defaults-triggers", CONFIG_LOGGING_NAME="config-logging-triggers",
                                       CONFIG_OBSERVABILITY_NAME="config-observability-triggers",
                                       CONFIG_FEATURE_FLAGS_NAME="feature-flags-triggers", METRICS_DOMAIN="tekton.dev/triggers",
                                       CONFIG_LEADERELECTION_NAME="config-leader-election-triggers-webhook", **more)

    def _start_webhook(self) -> None:
        self.webhook = self.cluster.run("triggers-webhook", [
            servers.program("triggers", "webhook"), "-kubeconfig", str(self.cluster.component_kubeconfig("triggers-webhook"))],
            self.environment(WEBHOOK_PORT=str(self.webhook_port), WEBHOOK_SERVICE_NAME="tekton-triggers-webhook",
                             WEBHOOK_SECRET_NAME="triggers-webhook-certs", WEBHOOK_ADMISSION_CONTROLLER_NAME="triggers-webhook.tekton.dev"))
        self.webhook.wait_ready(self._admits, timeout=60)

    def _admits(self) -> bool:
        listener = {"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener", "metadata": {"name": "probe", "namespace": "default"},
                    "spec": {"serviceAccountName": "default", "triggers": [{"template": {"ref": "x"}}]}}
        try:
            self.cluster.client.create(listener, dryRun="All")
        except ApiError:
            return False
        return True

    def _start_interceptors(self) -> None:
        for name in ("cel", "gitlab"):
            self.cluster.client.apply({"apiVersion": "triggers.tekton.dev/v1alpha1", "kind": "ClusterInterceptor",
                                       "metadata": {"name": name, "labels": {"server/type": "https"}},
                                       "spec": {"clientConfig": {"url": f"https://localhost:8443/{name}"}}})
        self.interceptors = self.cluster.run("triggers-interceptors", [
            servers.program("triggers", "interceptors"), "-kubeconfig", str(self.cluster.component_kubeconfig("triggers-interceptors"))],
            self.environment(INTERCEPTOR_TLS_SVC_NAME="localhost", INTERCEPTOR_TLS_SECRET_NAME="tekton-triggers-core-interceptors-certs"))
        self.interceptors.wait_ready(self._trusted, timeout=60)

    def _trusted(self) -> bool:
        items = self.cluster.client.list("triggers.tekton.dev/v1alpha1/ClusterInterceptor")
        return all(item["spec"]["clientConfig"].get("caBundle") for item in items)

    def start_controller(self) -> Process:
        """What makes a Deployment and a Service of an EventListener. ``listen`` does without: it starts the listener itself."""
        variables = self.environment(METRICS_PROMETHEUS_PORT=str(free_port())) | {
            "CONFIG_LEADERELECTION_NAME": "config-leader-election-triggers-controllers"}
        return self.cluster.run("triggers-controller", [
            servers.program("triggers", "controller"), "-kubeconfig", str(self.cluster.component_kubeconfig("triggers-controller")),
            "-el-image", "registry.test/eventlistenersink:1"], variables)

    def listen(self, name: str, namespace: str, account: ServiceAccount) -> tuple[Process, str]:
        """Starts the event listener NAME with the rights of ``account``; returns it and its URL. It ignores SIGTERM: kill it."""
        port = free_port()
        listener: Process = self.cluster.run(f"eventlistener-{namespace}-{name}", [
            servers.program("triggers", "eventlistenersink"), "-kubeconfig", str(account.kubeconfig()), "-el-name", name,
            "-el-namespace", namespace, "-port", str(port), "-is-multi-ns=false"],
            self.environment(NAMESPACE=namespace, NAME=name, EL_EVENT="disable", K_LOGGING_CONFIG="", K_METRICS_CONFIG="{}"))
        listener.wait_ready(lambda: requests.get(f"http://127.0.0.1:{port}/live", timeout=1).ok, timeout=60)
        return listener, f"http://127.0.0.1:{port}"


class ApprovalGate:
    """The manual approval gate (openshift-pipelines): its controller makes an ApprovalTask of a CustomRun and ends the CustomRun when the
    approvers have decided; its webhook sees to it that everybody answers for himself."""

    API = "openshift-pipelines.org/v1alpha1"

    def __init__(self, tekton: Tekton):
        self.tekton, self.cluster = tekton, tekton.cluster
        self.webhook_port = free_port()

    def start(self) -> "ApprovalGate":
        external_service(self.cluster, "manual-approval-webhook")
        items = manifests("approval", "kubernetes/300-*.yaml", "kubernetes/config-info.yaml")
        hooks = [item for item in manifests("approval", "kubernetes/400-*.yaml", "kubernetes/500-*.yaml")
                 if item["kind"] in ("Secret", "ConfigMap", "ValidatingWebhookConfiguration")]
        install(self.cluster, items + hooks, {"manual-approval-webhook": self.webhook_port})
        wait_served(self.cluster, items)
        self.webhook = self._run("webhook", WEBHOOK_PORT=str(self.webhook_port), WEBHOOK_SERVICE_NAME="manual-approval-webhook",
                                 WEBHOOK_SECRET_NAME="manual-approval-gate-webhook-certs")
        self.controller = self._run("controller")
        self.webhook.wait_ready(self._trusted, timeout=60)
        return self

    def _run(self, program: str, **environment: str) -> Process:
        return self.cluster.run(f"approval-{program}", [
            servers.program("approval", program), "-kubeconfig", str(self.cluster.component_kubeconfig(f"approval-{program}"))],
            self.tekton.environment(CONFIG_LEADERELECTION_NAME="manual-approval-config-leader-election", **environment))

    def _trusted(self) -> bool:
        name = "validation.webhook.manual-approval.openshift-pipelines.org"
        item = self.cluster.client.get("ValidatingWebhookConfiguration", name)
        return bool(item["webhooks"][0].get("rules") and item["webhooks"][0]["clientConfig"].get("caBundle"))

    def waiting(self, namespace: str, run: str) -> dict:
        """The ApprovalTask of the PipelineRun, once it waits for an answer; LookupError when the run has ended without one."""
        def asked() -> dict | None:
            item = self.cluster.client.get("PipelineRun", run, namespace)
            if condition(item, "Succeeded").get("status") == "False":
                raise LookupError(condition(item, "Succeeded")["message"])
            tasks = self.cluster.client.list(f"{self.API}/ApprovalTask", namespace)
            return next((t for t in tasks if t["metadata"]["name"].startswith(run) and t.get("status", {}).get("state") == "pending"), None)

        return wait_until(asked, 300, f"{run} to ask for an approval")

    def answer(self, task: dict, user: str, word: str) -> None:
        """``word`` is approve or reject, said by ``user``, who may update ApprovalTasks in that namespace and nothing else."""
        namespace, rbac = task["metadata"]["namespace"], "rbac.authorization.k8s.io"
        client = self.cluster.client
        client.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "approver", "namespace": namespace},
                      "rules": [{"apiGroups": ["openshift-pipelines.org"], "resources": ["approvaltasks"], "verbs": ["get", "list", "update", "patch"]}]})
        client.apply({"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": f"approver-{user}", "namespace": namespace},
                      "subjects": [{"kind": "User", "name": user, "apiGroup": rbac}],
                      "roleRef": {"kind": "Role", "name": "approver", "apiGroup": rbac}})
        pair = self.cluster.client_ca.client(user, [])
        files = pair.write(self.cluster.dir / "approvers", user)
        person = Client(self.cluster.server, str(self.cluster.ca_file), cert=tuple(map(str, files)))
        wanted = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {}, "spec": {"resourceAttributes": {
            "namespace": namespace, "group": "openshift-pipelines.org", "resource": "approvaltasks", "verb": "patch"}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        wait_until(lambda: person.request("POST", path, wanted)["status"]["allowed"], 60, f"{user} to be an approver")
        approvers = [{**entry, "input": word} if entry["name"] == user else entry for entry in task["spec"]["approvers"]]
        person.patch(f"{self.API}/ApprovalTask", task["metadata"]["name"], namespace, {"spec": {"approvers": approvers}})
