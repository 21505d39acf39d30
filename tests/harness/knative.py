"""Knative's custom resources, and its controllers played by hand: KServe writes the Knative Service, the test says what becomes of it.

    knative = Knative(cluster, kserve.version).install()      # before KServe's manager starts: it looks for the kinds then
    service = knative.service(namespace, "qwen-predictor")    # as soon as KServe has made it
    revision = service.new_revision()                         # Configuration, Route, Revision and its Deployment
    service.ready(revision)

The objects and their status are what serving's reconcilers write (pkg/apis/serving/v1/*_lifecycle.go, pkg/reconciler/revision/resources/deploy.go).
"""

from __future__ import annotations

import copy
import datetime

import yaml

from . import servers
from .client import NotFound
from .cluster import Cluster
from .kserve import KServe
from .process import wait_until

VERSIONS = {"0.14": "0.42", "0.16": "0.44", "0.19": "0.48", "0.20": "0.48"}  # of serving, by KServe's go.mod
KINDS = ("configuration", "revision", "route", "service")
API = "serving.knative.dev/v1"


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(type: str, status: bool | None, reason: str = "", message: str = "", severity: str = "") -> dict:
    entry = {"type": type, "status": {True: "True", False: "False", None: "Unknown"}[status], "lastTransitionTime": now()}
    entry.update({key: value for key, value in (("reason", reason), ("message", message), ("severity", severity)) if value})
    return entry


class Knative:
    def __init__(self, cluster: Cluster, kserve_version: str):
        self.cluster = cluster
        self.server = f"knative-{VERSIONS[kserve_version]}"

    def install(self) -> "Knative":
        client = self.cluster.client
        for kind in KINDS:
            manifest = yaml.safe_load(servers.share(self.server, f"config/core/300-resources/{kind}.yaml").read_text())
            manifest["metadata"] = {"name": manifest["metadata"]["name"]}
            if client.find("CustomResourceDefinition", manifest["metadata"]["name"]) is None:
                client.create(manifest)
            wait_until(lambda: KServe._served(self, manifest["spec"]), 60, f"{manifest['metadata']['name']} to be served")
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "knative-serving"}})
        # KServe asks it whether an initial scale of zero is allowed
        client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config-autoscaler", "namespace": "knative-serving"}, "data": {}})
        return self

    def service(self, namespace: str, name: str, timeout: float = 60) -> "KnativeService":
        self.cluster.client.wait_for(f"{API}/Service", name, namespace, lambda item: True, timeout)
        return KnativeService(self.cluster, namespace, name)


class KnativeService:
    def __init__(self, cluster: Cluster, namespace: str, name: str):
        self.client, self.namespace, self.name = cluster.client, namespace, name
        self.count, self.generation = 0, 0
        self.created, self.serving = "", ""
        self.pinned = ""  # a revision that somebody gave all the traffic, whatever is ready

    def get(self) -> dict:
        return self.client.get(f"{API}/Service", self.name, self.namespace)

    def wait_for_change(self, timeout: float = 60) -> None:
        """KServe has written a template that no revision has."""
        self.client.wait_for(f"{API}/Service", self.name, self.namespace, lambda item: item["metadata"]["generation"] > self.generation, timeout)

    def _owner(self, item: dict) -> list[dict]:
        return [{"apiVersion": item["apiVersion"], "kind": item["kind"], "name": item["metadata"]["name"], "uid": item["metadata"]["uid"],
                 "controller": True, "blockOwnerDeletion": True}]

    def _apply(self, kind: str, owner: dict, name: str, spec: dict, labels: dict | None = None, annotations: dict | None = None) -> dict:
        return self.client.apply({"apiVersion": API, "kind": kind, "spec": spec, "metadata": {
            "name": name, "namespace": self.namespace, "ownerReferences": self._owner(owner), "labels": labels or {}, "annotations": annotations or {}}})

    def new_revision(self, replicas: int = 1, deployment: bool = True) -> str:
        """What follows a new template: a revision that is being deployed, while the one before goes on serving."""
        service = self.get()
        self.generation = service["metadata"]["generation"]
        self.count += 1
        self.created = f"{self.name}-{self.count:05}"
        template = copy.deepcopy(service["spec"]["template"])
        configuration = self._apply("Configuration", service, self.name, {"template": template})
        self._apply("Route", service, self.name, {"traffic": [{"configurationName": self.name, "latestRevision": True, "percent": 100}]})
        labels = {**template["metadata"].get("labels", {}), "serving.knative.dev/service": self.name, "serving.knative.dev/configuration": self.name,
                  "serving.knative.dev/configurationGeneration": str(self.count)}
        revision = self._apply("Revision", configuration, self.created, template["spec"], labels, template["metadata"].get("annotations"))
        self._revision(None, "Deploying")
        if deployment:
            self._deploy(revision, replicas)
        self._status(None, "", "")
        return self.created

    def _deploy(self, revision: dict, replicas: int) -> None:
        metadata, spec = revision["metadata"], copy.deepcopy(revision["spec"])
        labels = {**metadata["labels"], "serving.knative.dev/revision": metadata["name"], "serving.knative.dev/revisionUID": metadata["uid"],
                  "app": metadata["name"]}
        for name in ("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds", "enableServiceLinks"):
            spec.pop(name, None)
        for container in spec["containers"]:
            container.pop("readinessProbe", None)  # Knative hands it to its own container
        spec["containers"].append({"name": "queue-proxy", "image": "gcr.test/queue:1"})
        self.client.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": f"{metadata['name']}-deployment", "namespace": self.namespace, "labels": labels, "annotations": metadata.get("annotations", {}),
            "ownerReferences": self._owner(revision)}, "spec": {
                "replicas": replicas, "selector": {"matchLabels": {"serving.knative.dev/revisionUID": metadata["uid"]}},
                "template": {"metadata": {"labels": labels, "annotations": metadata.get("annotations", {})}, "spec": spec}}})

    def _revision(self, ready: bool | None, reason: str = "", message: str = "") -> None:
        conditions = [condition("Active", ready, reason if ready is not False else "NoTraffic", severity="Info" if ready is False else ""),
                      condition("ContainerHealthy", ready, reason, message), condition("Ready", ready, reason, message),
                      condition("ResourcesAvailable", ready, reason, message)]
        self.client.patch_status(f"{API}/Revision", self.created, self.namespace, {"observedGeneration": 1, "conditions": conditions})

    def _status(self, ready: bool | None, reason: str, message: str) -> None:
        """Configuration, Route and Service, as their reconcilers put it together."""
        host = f"{self.name}.{self.namespace}"
        fields = {"latestCreatedRevisionName": self.created, **({"latestReadyRevisionName": self.serving} if self.serving else {})}
        traffic = {"traffic": [{"latestRevision": not self.pinned, "percent": 100, "revisionName": self.pinned or self.serving}]} if self.serving else {}
        routed = True if self.serving else ready
        routes = condition("RoutesReady", routed, "" if routed else "RevisionMissing")
        self.client.patch_status(f"{API}/Configuration", self.name, self.namespace,
                                 {"observedGeneration": self.count, **fields, "conditions": [condition("Ready", ready, reason, message)]})
        self.client.patch_status(f"{API}/Route", self.name, self.namespace, {"observedGeneration": 1, **traffic, "conditions": [{**routes, "type": "Ready"}]})
        self.client.patch_status(f"{API}/Service", self.name, self.namespace, {
            "observedGeneration": self.generation, **fields, **traffic, "url": f"http://{host}.example.com",
            "address": {"url": f"http://{host}.svc.cluster.local"},
            "conditions": [condition("ConfigurationsReady", ready, reason, message), condition("Ready", ready, reason, message), routes]})

    def available(self, revision: str, timeout: float = 60) -> None:
        """Waits until the revision's pods are ready."""
        self.client.wait_for("Deployment", f"{revision}-deployment", self.namespace,
                             lambda item: item.get("status", {}).get("availableReplicas", 0) >= item["spec"]["replicas"], timeout)

    def ready(self, revision: str) -> None:
        """The newest revision takes all traffic."""
        self.serving = revision
        self._revision(True)
        self._status(True, "", "")

    def failed(self, revision: str, reason: str, message: str) -> None:
        """The newest revision failed; the one before goes on serving."""
        self._revision(False, reason, message)
        self._status(False, "RevisionFailed", f'Revision "{revision}" failed with message: {message}.')

    def scale(self, revision: str, replicas: int) -> None:
        try:
            self.client.patch("Deployment", f"{revision}-deployment", self.namespace, {"spec": {"replicas": replicas}})
        except NotFound:
            raise AssertionError(f"{revision} has no Deployment") from None
