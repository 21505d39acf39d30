"""A ServiceAccount token that becomes worthless while a run waits. Last of all files: it restarts the API server."""

from __future__ import annotations

from e2e.place import SMALL
from harness.pki import key_pem, new_key, public_pem, write_secret


def codes(cluster, name: str) -> list[int]:
    """What the API server answered to requests for the service from its namespace's accounts and from nobody."""
    return [entry["responseStatus"]["code"] for entry in cluster.audit() if name in entry["requestURI"] and "responseStatus" in entry]


def test_the_token_changes_during_a_long_wait(place, cluster, node):
    """The cluster signs tokens with another key from some moment on: the old token is refused, kubelet brings a new one."""
    place.project.commit({"behaviour": "load 100"})
    name = place.start(**SMALL)
    place.wait_for_log(name, "rollout  ")
    key, pki = new_key("rsa"), cluster.dir / "pki"
    write_secret(pki / "sa.key", key_pem(key))
    (pki / "sa.pub").write_bytes(public_pem(key))
    cluster.restart_apiserver()
    node.restart_kubelet()
    run = place.finish(name)
    assert run.succeeded, run.log
    refused = [c for c in codes(cluster, place.namespace) if c == 401]
    assert refused, "the old token was refused while the run waited"
    assert run.results["COMMIT"] == place.served_commit()
