"""What an Alauda AI installation adds to KServe and what the deploy step reads of it: where models are, the serving runtimes, and
the rights of the document "How to Use Pipeline to Deploy Inference Service"."""

from __future__ import annotations

from .cluster import Cluster, ServiceAccount

CONFIG, SECRET = "aml-image-builder-config", "aml-image-builder-secret"
VIEW_ROLE = "clusterservingruntimes.serving.kserve.io-v1alpha1-view"
READ = ["get", "list", "watch"]

# The Role deploy-model of the document's prepare_rbac.sh, verb for verb.
DOCUMENT_RULES = [
    {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": READ},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": READ},
    {"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": [*READ, "create", "update", "patch"]},
]

VIEW_RULES = [{"apiGroups": ["serving.kserve.io"], "resources": ["clusterservingruntimes"], "verbs": READ}]

# What the step can use beyond that to say why a rollout failed.
DIAGNOSTIC_RULES = [
    {"apiGroups": [""], "resources": ["pods", "events"], "verbs": READ},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": READ},
]


def install_git_config(cluster: Cluster, namespace: str, base: str, token: str, scheme: str | None = "https") -> None:
    """The ConfigMap and Secret that say where the namespace's GitLab is. ``base`` is host[:port][/path], without a scheme."""
    config = {"MODEL_REPO_GIT_BASE": base}
    if scheme is not None:
        config["MODEL_REPO_GIT_SCHEME"] = scheme
    cluster.client.apply({"apiVersion": "v1", "kind": "ConfigMap", "data": config,
                          "metadata": {"name": CONFIG, "namespace": namespace}})
    cluster.client.apply({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": {"MODEL_REPO_GIT_TOKEN": token},
                          "metadata": {"name": SECRET, "namespace": namespace}})


def deployer(cluster: Cluster, namespace: str, name: str = "default", diagnostics: bool = False) -> ServiceAccount:
    """A service account with exactly the rights of prepare_rbac.sh, and those for diagnosis when asked for."""
    client, rbac = cluster.client, "rbac.authorization.k8s.io"
    account = cluster.service_account(namespace, name)
    install_view_role(cluster)
    cluster.grant(account, DOCUMENT_RULES, "deploy-model")
    client.apply({"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding",
                  "metadata": {"name": f"{namespace}.deploy-model.clusterservingruntime-view"},
                  "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
                  "roleRef": {"kind": "ClusterRole", "name": VIEW_ROLE, "apiGroup": rbac}})
    cluster.wait_for_rules(account, VIEW_RULES)
    if diagnostics:
        cluster.grant(account, DIAGNOSTIC_RULES, "deploy-model-diagnostics")
    return account


def install_view_role(cluster: Cluster) -> None:
    """The ClusterRole that prepare_rbac.sh binds and that the platform brings: the OLM form of a view role for a kind."""
    cluster.client.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": VIEW_ROLE},
                          "rules": VIEW_RULES})


VLLM_COMMAND = [
    "bash", "-c",
    "set -ex\n"
    "\n"
    "MODEL_PATH=\"/mnt/models/${MODEL_NAME}\"\n"
    "if [ ! -d \"${MODEL_PATH}\" ]; then\n"
    "  MODEL_PATH=\"/mnt/models\"\n"
    "fi\n"
    "echo \"model path: ${MODEL_PATH}, cache: $(CACHE_DIR), 100% \\\"quoted\\\" and 'single' \\\\ back\"\n"
    "exec python3 -m vllm.entrypoints.openai.api_server \\\n"
    "  --port 8080 \\\n"
    "  --served-model-name ${MODEL_NAME} {{.Name}} \\\n"
    "  --model ${MODEL_PATH} \\\n"
    "  --dtype ${DTYPE} \\\n"
    "  --gpu-memory-utilization 0.95 \"$@\"\n",
    "bash",
]


def runtime(name: str, runtime_class: str, formats: list[str], container: dict, labels: dict[str, str] | None = None,
            annotations: dict[str, str] | None = None, protocols: list[str] | None = None, **spec) -> dict:
    """A ClusterServingRuntime; ``spec`` is laid over its spec. ``formats``: "name" or "name:version"."""
    supported = []
    for text in formats:
        format_name, _, version = text.partition(":")
        supported.append({"name": format_name, **({"version": version} if version else {})})
    return {
        "apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime",
        "metadata": {"name": name, "labels": {"cpaas.io/runtime-class": runtime_class, **(labels or {})},
                     "annotations": {"cpaas.io/display-name": name, **(annotations or {})}},
        "spec": {"supportedModelFormats": supported, "protocolVersions": ["v2"] if protocols is None else protocols,
                 "containers": [{"name": "kserve-container", **container}], **spec}}


def runtimes() -> dict[str, dict]:
    """One of each kind that has been trouble: a shell script as command with env by reference, a positional command in args, and a
    plain container without either."""
    vllm_env = [
        {"name": "MODEL_NAME", "value": "{{.Name}}"},
        {"name": "MODEL_REPO", "value": "model: {yes}\n- not yaml"},
        {"name": "DTYPE", "value": "half"},
        {"name": "EMPTY"},
        {"name": "CACHE_DIR", "value": "/tmp/$(POD_NAME)/cache"},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token", "optional": True}}},
        {"name": "MEMORY_LIMIT", "valueFrom": {"resourceFieldRef": {"containerName": "kserve-container",
                                                                    "resource": "limits.memory"}}},
        {"name": "EXTRA", "valueFrom": {"configMapKeyRef": {"name": "extra", "key": "flags", "optional": True}}},
    ]
    probe = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10, "failureThreshold": 60}
    nvidia = {"cpaas.io/accelerator-type": "nvidia", "cpaas.io/cuda-version": "12.4"}
    items = [
        runtime("vllm-cuda-12", "vllm", ["transformers", "huggingface"], {
            "image": "registry.test/mlops/vllm-openai:v0.9.2", "command": VLLM_COMMAND, "env": vllm_env,
            "ports": [{"containerPort": 8080, "protocol": "TCP"}], "startupProbe": probe,
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}},
            labels=nvidia, protocols=["v2"]),
        runtime("triton-cuda-12", "triton", ["triton", "onnx:1", "tensorrt"], {
            "image": "registry.test/mlops/tritonserver:24.12-py3",
            "args": ["tritonserver", "--model-store=/mnt/models", "--http-port=8080", "--allow-http=true",
                     "--strict-model-config=false"],
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}},
            labels=nvidia, protocols=["v2", "grpc-v2"]),
        runtime("mlserver", "mlserver", ["sklearn", "mlflow", "xgboost", "transformers"], {
            "image": "registry.test/mlops/mlserver:1.6.1", "args": ["--model={{.Name}}", "--workers=1"],
            "env": [{"name": "MLSERVER_HTTP_PORT", "value": "8080"}, {"name": "MODELS_DIR", "value": "/mnt/models"}]},
            protocols=["v1", "v2"]),
        runtime("plain", "plain", ["sklearn", "transformers"], {"image": "registry.test/mlops/plain:1"}, protocols=[]),
        runtime("off", "off", ["sklearn"], {"image": "registry.test/mlops/plain:1"}, disabled=True),
    ]
    return {item["metadata"]["name"]: item for item in items}


def install_runtimes(cluster: Cluster) -> dict[str, dict]:
    """Applies runtimes(); returns them by name."""
    items = runtimes()
    for item in items.values():
        cluster.client.apply(item)
    return items
