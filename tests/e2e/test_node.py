"""The one-node cluster itself, without the program under test."""

from e2e.place import PATIENCE, Place
from harness.client import is_true
from harness.kserve import inference_service


def test_a_pod_runs_from_an_image_of_the_registry(cluster, node):
    cluster.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hello", "namespace": "default"}, "spec": {
        "restartPolicy": "Never", "containers": [{"name": "server", "image": "registry.test/model-server:1"}]}})
    pod = cluster.client.wait_for("Pod", "hello", "default", lambda p: p["status"].get("containerStatuses", [{}])[0].get("ready"), PATIENCE)
    assert pod["status"]["podIP"].startswith("10.88.")
    cluster.client.delete("Pod", "hello", "default")
    cluster.client.wait_gone("Pod", "hello", "default", PATIENCE)


def test_an_inference_service_of_anybody_serves(cluster, kserve, node, gitlab):
    """KServe, the storage initializer, the model server and the advertised GPU, without the program under test."""
    place = Place(cluster, gitlab, cluster.namespace("anybody"), manifests=())
    commit = place.project.commit({"behaviour": "load 2"})
    limits = {"limits": {"cpu": "500m", "memory": "128Mi", "nvidia.com/gpualloc": "1"}, "requests": {"cpu": "50m", "memory": "32Mi"}}
    place.client.create(inference_service("qwen", place.namespace, runtime="model-server", model_format="transformers",
                                          storage_uri=f"hf://{place.namespace}/qwen:{commit}", model={"resources": limits}))
    cluster.client.wait_for("InferenceService", "qwen", place.namespace, lambda item: is_true(item, "Ready"), PATIENCE)
    assert place.served_commit() == commit
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello"]}
    assert place.ask(place.serving_pods()[0], "/v2/models/qwen/infer", {"inputs": [tensor]})["outputs"] == [tensor]
    place.clean()
