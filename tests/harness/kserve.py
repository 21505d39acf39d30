"""KServe on a Cluster: its custom resources, its configuration, its controller manager and its webhooks, of a chosen version.

    kserve = KServe(cluster, version="0.16").start()
    runtime = alauda.install_runtimes(cluster)["vllm"]
    cluster.client.create(inference_service("iris", namespace, runtime="vllm-cuda", model_format="transformers"))

The manager runs beside the API server, as in KServe's own envtest suite; the webhook configurations name it by URL.
"""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path

import yaml

from . import servers
from .client import ApiError
from .cluster import Cluster
from .process import Process, free_port, listening, wait_until

NAMESPACE = "kserve"

# The manager ends or dereferences nil without any one of these. Knative, Istio, Gateway API and KEDA are probed for and not needed.
CRDS = ("inferenceservices", "clusterservingruntimes", "servingruntimes", "clusterstoragecontainers", "trainedmodels",
        "inferencegraphs")

INGRESS = {"enableGatewayApi": False, "disableIstioVirtualHost": True, "disableIngressCreation": True}


class KServe:
    """``versions`` with a server module: 0.14, 0.16, 0.19, 0.20. ``config`` is laid over the keys of the ConfigMap
    inferenceservice-config: {"deploy": {"defaultDeploymentMode": "Serverless"}}, {"ingress": {"ingressDomain": "models.test"}}."""

    def __init__(self, cluster: Cluster, version: str = "0.16", config: dict[str, dict] | None = None):
        self.cluster, self.version = cluster, version
        self.server = f"kserve-{version}"
        self.config = config or {}
        self.manager: Process | None = None
        self.webhook_port = free_port()

    # --- installation

    def install_crds(self) -> None:
        client, found = self.cluster.client, []
        for path in sorted(servers.share(self.server, "config/crd/full").rglob("serving.kserve.io_*.yaml")):
            if path.stem.removeprefix("serving.kserve.io_") in CRDS:
                manifest = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
                manifest.pop("status", None)
                found.append(manifest)
        missing = set(CRDS) - {m["spec"]["names"]["plural"] for m in found}
        if missing:
            raise LookupError(f"KServe {self.version} carries no custom resource for {', '.join(sorted(missing))}")
        for manifest in found:
            # A create, and a replace where it exists: far quicker than a server-side apply of a schema of this size.
            live = client.find("CustomResourceDefinition", manifest["metadata"]["name"])
            if live:
                manifest["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
                client.replace(manifest)
            else:
                client.create(manifest)
        for manifest in found:
            wait_until(lambda: self._served(manifest["spec"]), 60, f"{manifest['metadata']['name']} to be served")

    def _served(self, spec: dict) -> bool:
        """Whether objects can be listed and discovery names the kind, which comes a little later and which the manager looks
        at once. Cheaper than the custom resource's own conditions: a megabyte of schema comes with these."""
        version = next(v["name"] for v in spec["versions"] if v["served"])
        client = self.cluster.client
        try:
            client.request("GET", f"/apis/{spec['group']}/{version}/{spec['names']['plural']}", params={"limit": "1"})
            client.resource(f"{spec['group']}/{version}/{spec['names']['kind']}")
        except LookupError:
            return False
        except ApiError as error:
            if error.code in (404, 429, 503):
                return False
            raise
        return True

    def install_config(self) -> None:
        client = self.cluster.client
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        manifest = yaml.safe_load(servers.share(self.server, "config/configmap/inferenceservice.yaml").read_text())
        data = {k: v for k, v in manifest["data"].items() if k != "_example"}
        self._merge(data, "ingress", INGRESS)
        self._merge(data, "deploy", {"defaultDeploymentMode": "RawDeployment"})
        for key, values in self.config.items():
            self._merge(data, key, values)
        client.apply({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
                      "metadata": {"name": "inferenceservice-config", "namespace": NAMESPACE}})
        storage = yaml.safe_load(servers.share(self.server, "config/storagecontainers/default.yaml").read_text())
        storage["spec"]["container"]["image"] = f"kserve/storage-initializer:v{self.version}"
        client.apply(storage)

    @staticmethod
    def _merge(data: dict[str, str], key: str, values: dict) -> None:
        data[key] = json.dumps({**json.loads(data.get(key) or "{}"), **values})

    def install_webhooks(self) -> None:
        ca = base64.b64encode(self.cluster.ca.cert).decode()
        for manifest in yaml.safe_load_all(servers.share(self.server, "config/webhook/manifests.yaml").read_text()):
            if not manifest:
                continue
            resources = {r for hook in manifest["webhooks"] for rule in hook["rules"] for r in rule["resources"]}
            if not resources & {*CRDS, "pods"}:
                continue  # of a custom resource that is not installed
            manifest["metadata"].pop("creationTimestamp", None)
            for hook in manifest["webhooks"]:
                path = hook["clientConfig"]["service"]["path"]
                hook["clientConfig"] = {"url": f"https://127.0.0.1:{self.webhook_port}{path}", "caBundle": ca}
            self.cluster.client.apply(manifest)

    def remove_webhooks(self) -> None:
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
            for item in self.cluster.client.list(kind):
                if item["metadata"]["name"].endswith(".serving.kserve.io"):
                    self.cluster.client.delete(kind, item["metadata"]["name"])

    # --- life

    def start(self) -> "KServe":
        """Custom resources, configuration, manager, and then the webhooks: they refuse everything while nobody answers."""
        binary = servers.program(self.server, "manager")
        self.install_crds()
        self.install_config()
        temporary = self.cluster.dir / f"{self.server}-{self.webhook_port}"
        certs = temporary / "k8s-webhook-server" / "serving-certs"
        self.cluster.ca.server("kserve-webhook", ["127.0.0.1", "localhost"]).write(certs, "tls")
        self.manager = self.cluster.run(f"{self.server}-manager", [
            binary, "--kubeconfig", str(self.cluster.component_kubeconfig("kserve-controller-manager")),
            f"--metrics-addr=127.0.0.1:{free_port()}", f"--webhook-port={self.webhook_port}",
            f"--health-probe-addr=127.0.0.1:{free_port()}"], env={"TMPDIR": str(temporary), "POD_NAMESPACE": NAMESPACE})
        self.manager.wait_ready(self._ready, timeout=120)
        self.install_webhooks()
        return self

    def _ready(self) -> bool:
        return listening(self.webhook_port)

    def stop_manager(self, crash: bool = False) -> None:
        """From now on the webhooks refuse ("failed calling webhook ... connection refused") and nothing is reconciled."""
        self.manager.kill() if crash else self.manager.stop()

    def start_manager(self) -> None:
        self.manager.start()
        self.manager.wait_ready(self._ready, timeout=120)

    def stop(self) -> None:
        """Ends this version: webhooks gone, manager stopped. Custom resources and objects stay."""
        self.remove_webhooks()
        if self.manager:
            self.manager.stop()


def inference_service(name: str, namespace: str, runtime: str, model_format: str, storage_uri: str = "hf://demo/model:0123456",
                      annotations: dict[str, str] | None = None, **predictor) -> dict:
    """A plain InferenceService, for tests that need one which somebody else made. ``predictor`` is laid over spec.predictor."""
    model = {"modelFormat": {"name": model_format}, "runtime": runtime, "storageUri": storage_uri,
             "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}}
    model.update(predictor.pop("model", {}))
    return copy.deepcopy({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                          "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}},
                          "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "model": model, **predictor}}})
