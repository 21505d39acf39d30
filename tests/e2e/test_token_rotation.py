"""A ServiceAccount token that becomes worthless while a run waits. Last of all files: it restarts the API server."""

from __future__ import annotations

from e2e.place import PATIENCE, SMALL
from harness.pki import key_pem, new_key, public_pem, write_secret
from harness.process import wait_until


def answers(cluster, namespace: str) -> list[int]:
    """The codes of the API server's answers to everybody's requests for InferenceServices of the namespace, but the cluster's own
    programs'; a refused token has no user."""
    path = f"/namespaces/{namespace}/inferenceservices"
    return [entry["responseStatus"]["code"] for entry in cluster.audit()
            if path in entry["requestURI"] and entry.get("user", {}).get("username") in (None, "", f"system:serviceaccount:{namespace}:default")
            and entry.get("responseStatus")]


def test_the_token_changes_during_a_long_wait(place, cluster, node):
    """The cluster signs tokens with another key from some moment on: the old token is refused, kubelet brings a new one."""
    place.project.commit({"behaviour": "wait"})
    name = place.start(**SMALL)
    place.wait_for_log(name, "rollout  ")
    key, pki = new_key("rsa"), cluster.dir / "pki"
    write_secret(pki / "sa.key", key_pem(key))
    (pki / "sa.pub").write_bytes(public_pem(key))
    before = len(answers(cluster, place.namespace))
    cluster.restart_apiserver()
    wait_until(lambda: 401 in answers(cluster, place.namespace)[before:], PATIENCE, "the old token to be refused")
    node.restart_kubelet()  # it renews tokens that are old, and knows of no other reason
    wait_until(lambda: answers(cluster, place.namespace)[-1] == 200, PATIENCE, "the new token to be used", every=0.5)
    place.load_model()
    run = place.finish(name)
    assert run.succeeded, run.log
    assert run.results["COMMIT"] == place.served_commit()
