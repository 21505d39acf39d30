"""A Kubernetes control plane: etcd, kube-apiserver, and by choice its controllers and scheduler. No node: see node.py.

    with RunDir() as directory, Cluster(directory).start() as cluster:
        cluster.client.list("Namespace")          # as cluster-admin
        namespace = cluster.namespace()
        account = cluster.service_account(namespace, "deployer")
        kubeconfig = account.kubeconfig()
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

from . import kubeconfig, servers
from .client import ApiError, Client
from .pki import Authority, Pair, key_pem, new_key, public_pem, write_secret
from .process import Process, free_port, wait_until

# What tests rely on, and nothing that needs a cloud or a real node: the node life cycle controller, for one, would
# evict pods from a node that sends no heartbeats.
CONTROLLERS = ("namespace-controller", "serviceaccount-controller", "serviceaccount-token-controller",
               "root-ca-certificate-publisher-controller", "deployment-controller", "replicaset-controller",
               "statefulset-controller", "job-controller", "horizontal-pod-autoscaler-controller",
               "garbage-collector-controller", "resourcequota-controller", "endpoints-controller",
               "endpointslice-controller", "persistentvolume-binder-controller", "clusterrole-aggregation-controller",
               "disruption-controller", "ephemeral-volume-controller")

AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: ["system:masters"]
- level: None
  users: ["system:apiserver", "system:anonymous"]
- level: Metadata
"""


@dataclass
class ServiceAccount:
    """A service account of a namespace, and the ways in which a program can act as it."""

    cluster: "Cluster"
    namespace: str
    name: str
    directory: Path = field(repr=False)

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def token(self, seconds: int = 3600) -> str:
        """A bound token by the TokenRequest API; 600 seconds is the shortest that the API server gives."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        return self.cluster.client.request("POST", path, body)["status"]["token"]

    def short_token(self, seconds: float) -> str:
        """A token as the API server signs it, which it refuses after that time (already, when negative). A token that was
        used stays good for up to 10 s longer: the API server remembers its answer."""
        return self.cluster.sign_token(self, seconds)

    def client(self) -> Client:
        return Client(self.cluster.server, self.cluster.ca_file, token=self.token())

    def certificate(self, **kwargs) -> Pair:
        """A client certificate whose user and groups are those of the service account."""
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        return self.cluster.client_ca.client(self.user, groups, **kwargs)

    def kubeconfig(self, auth: str = "token", **kwargs) -> Path:
        """Writes a kubeconfig and returns its path. ``auth``: token, tokenFile, cert (inline), certFiles or exec.
        Everything else goes to kubeconfig.build (namespace, context, proxy_url, tls_server_name, insecure, ...)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        name = f"{self.name}-{auth}-{secrets.token_hex(3)}"
        if auth == "token":
            user = kubeconfig.token_user(self.token())
        elif auth == "tokenFile":
            user = kubeconfig.token_file_user(write_secret(self.directory / f"{name}.token", self.token()))
        elif auth == "cert":
            user = kubeconfig.certificate_user(self.certificate())
        elif auth == "certFiles":
            user = kubeconfig.certificate_files_user(self.certificate(), self.directory, name)
        elif auth == "exec":
            user = kubeconfig.exec_user(self.directory / name, {"token": self.token()})
        else:
            raise ValueError(f"unknown form of credential: {auth}")
        return self.cluster.kubeconfig(self.directory / f"{name}.kubeconfig", user, **{"namespace": self.namespace, **kwargs})


class Cluster:
    """``controllers`` and ``scheduler`` say what runs beside the API server; ``apiserver_flags`` are added to its flags;
    ``keys`` "rsa" gives certificates as kubeadm makes them (they take longer to make)."""

    def __init__(self, directory: Path, controllers: bool = True, scheduler: bool = True, apiserver_flags: tuple[str, ...] = (),
                 host: str = "127.0.0.1", names: tuple[str, ...] = (), port: int | None = None, keys: str = "ec"):
        self.dir = Path(directory)
        self.host = host
        self.port = port or free_port()
        self.server = f"https://{host}:{self.port}"
        self.logs = self.dir / "logs"
        self.audit_log = self.dir / "audit.log"
        self._with_controllers, self._with_scheduler = controllers, scheduler
        self._extra_flags = apiserver_flags
        self._names = names
        self._keys = keys
        self._processes: list[Process] = []
        self._make_pki()

    # --- certificates

    def _make_pki(self) -> None:
        pki = self.dir / "pki"
        self.ca = Authority("kubernetes", self._keys)
        self.client_ca = self.ca
        self.ca_file = pki / "ca.crt"
        pki.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_bytes(self.ca.cert)
        names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                 "kubernetes.default.svc.cluster.local", "127.0.0.1", "::1", "10.96.0.1", *self._names]
        if self.host not in names:
            names.append(self.host)
        self.ca.server("kube-apiserver", names).write(pki, "apiserver")
        self.ca.client("kube-apiserver-kubelet-client", ["system:masters"]).write(pki, "kubelet-client")
        self._account_key = new_key("rsa")
        write_secret(pki / "sa.key", key_pem(self._account_key))
        (pki / "sa.pub").write_bytes(public_pem(self._account_key))
        self.admin = self.ca.client("admin", ["system:masters"])
        self.admin_files = self.admin.write(pki, "admin")
        self.client = Client(self.server, str(self.ca_file), cert=tuple(map(str, self.admin_files)))
        self.admin_kubeconfig = self.kubeconfig(self.dir / "admin.kubeconfig", kubeconfig.certificate_user(self.admin))

    def component_kubeconfig(self, name: str) -> Path:
        """For a server of the control plane: all rights, its own user name."""
        user = kubeconfig.certificate_user(self.ca.client(name, ["system:masters"]))
        return self.kubeconfig(self.dir / f"{name.replace(':', '-')}.kubeconfig", user)

    def kubeconfig(self, path: Path, user: dict, server: str | None = None, **kwargs) -> Path:
        """Writes a kubeconfig for this cluster: ``user`` from kubeconfig.py, the rest goes to kubeconfig.build."""
        if not kwargs.get("insecure") and kwargs.get("ca_file") is None:
            kwargs.setdefault("ca", self.ca.cert)
        return kubeconfig.write(path, kubeconfig.build(server or self.server, user, **kwargs))

    # --- life

    def start(self) -> "Cluster":
        try:
            self._start_etcd()
            self._start_apiserver()
            if self._with_controllers:
                self._start_controllers()
            if self._with_scheduler:
                self._start_scheduler()
        except BaseException:
            self.stop()
            raise
        return self

    def run(self, name: str, argv: list[str], env: dict[str, str] | None = None) -> Process:
        """Starts a further server that ends with the cluster, before those started earlier."""
        process = Process(name, argv, self.logs / f"{name}.log", env).start()
        self._processes.append(process)
        return process

    def _start_etcd(self) -> None:
        self.etcd_port, peer = free_port(), free_port()
        url, peer_url = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{peer}"
        self.etcd = self.run("etcd", [
            servers.program("etcd", "etcd"), "--data-dir", str(self.dir / "etcd"), "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={url}", f"--advertise-client-urls={url}", f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}", f"--initial-cluster=default={peer_url}"])

    def _start_apiserver(self) -> None:
        pki = self.dir / "pki"
        (self.dir / "audit-policy.yaml").write_text(AUDIT_POLICY)
        self.apiserver = self.run("kube-apiserver", [
            servers.program("kubernetes", "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}", f"--bind-address={self.host}", f"--advertise-address={self.host}",
            f"--cert-dir={self.dir / 'apiserver-certs'}", f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}", f"--client-ca-file={self.ca_file}",
            "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC", "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}", f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}", f"--kubelet-certificate-authority={self.ca_file}",
            # A loopback address may not be an endpoint of the Service kubernetes.
            f"--endpoint-reconciler-type={'none' if self.host.startswith('127.') else 'lease'}",
            "--kubelet-preferred-address-types=InternalIP", f"--audit-policy-file={self.dir / 'audit-policy.yaml'}", f"--audit-log-path={self.audit_log}",
            *self._extra_flags])
        self.apiserver.wait_ready(self._ready, timeout=120)

    def _ready(self) -> bool:
        answer = requests.get(f"{self.server}/readyz", verify=str(self.ca_file), cert=tuple(map(str, self.admin_files)), timeout=2)
        return answer.status_code == 200

    def _start_controllers(self) -> None:
        pki = self.dir / "pki"
        self.controllers = self.run("kube-controller-manager", [
            servers.program("kubernetes", "kube-controller-manager"),
            f"--kubeconfig={self.component_kubeconfig('system:kube-controller-manager')}", "--leader-elect=false",
            f"--secure-port={free_port()}", "--bind-address=127.0.0.1", f"--cert-dir={self.dir / 'kcm-certs'}",
            f"--controllers={','.join(CONTROLLERS)}", f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={self.ca_file}", "--kube-api-qps=500", "--kube-api-burst=1000",
            # The autoscaler looks at a new object only after one such period, 15 s by default.
            "--horizontal-pod-autoscaler-sync-period=2s"])
        wait_until(lambda: self.client.find("ServiceAccount", "default", "default"), 60, "the controllers to work")

    def _start_scheduler(self) -> None:
        self.scheduler = self.run("kube-scheduler", [
            servers.program("kubernetes", "kube-scheduler"),
            f"--kubeconfig={self.component_kubeconfig('system:kube-scheduler')}", "--leader-elect=false",
            f"--secure-port={free_port()}", "--bind-address=127.0.0.1", f"--cert-dir={self.dir / 'scheduler-certs'}",
            "--kube-api-qps=500", "--kube-api-burst=1000"])

    def restart_apiserver(self, crash: bool = False, down: float = 0) -> None:
        """Stops the API server (in order, or as a crash), stays away for ``down`` seconds, and starts it again at the same
        address with the same data. Watches break; resource versions go on."""
        self.stop_apiserver(crash)
        time.sleep(down)
        self.start_apiserver()

    def stop_apiserver(self, crash: bool = False) -> None:
        if crash:
            self.apiserver.kill()
        else:
            self.apiserver.stop(grace=3)  # open watches would keep it for a minute

    def start_apiserver(self) -> None:
        self.apiserver.start()
        self.apiserver.wait_ready(self._ready, timeout=120)

    def compact(self) -> None:
        """Makes etcd forget every old revision, so that a watch from an old resource version gets 410 Gone."""
        url = f"http://127.0.0.1:{self.etcd_port}/v3"
        key = base64.b64encode(b"/").decode()
        head = requests.post(f"{url}/kv/range", json={"key": key, "count_only": True}, timeout=10).json()
        requests.post(f"{url}/kv/compaction", json={"revision": head["header"]["revision"], "physical": True},
                      timeout=10).raise_for_status()

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    # --- things that tests make

    def namespace(self, prefix: str = "t", labels: dict[str, str] | None = None) -> str:
        """A new namespace with its default service account; returns the name, at most 16 characters long."""
        stem = re.sub(r"[^a-z0-9]+", "-", prefix.lower()).strip("-")[:8].strip("-") or "t"
        name = f"{stem}-{secrets.token_hex(3)}"
        self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
        if self._with_controllers:
            # After a restart of the API server the controllers look for it again only after ever longer pauses.
            wait_until(lambda: self.client.find("ServiceAccount", "default", name), 60, f"the default account of {name}")
        return name

    def delete_namespace(self, name: str, wait: bool = False) -> None:
        self.client.delete("Namespace", name)
        if wait:
            self.client.wait_gone("Namespace", name)

    def service_account(self, namespace: str, name: str, rules: list[dict] | None = None) -> ServiceAccount:
        """Makes the account where it is missing, with a Role of ``rules`` when there are some."""
        self.client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        account = ServiceAccount(self, namespace, name, self.dir / "accounts" / namespace)
        if rules:
            self.grant(account, rules)
        return account

    def grant(self, account: ServiceAccount, rules: list[dict], name: str | None = None, cluster_wide: bool = False) -> None:
        """Binds a (Cluster)Role of these rules to the account, and returns when they hold; repeating it with other rules replaces
        them."""
        name = name or f"{account.name}-test"
        kind, scope = ("ClusterRole", {}) if cluster_wide else ("Role", {"namespace": account.namespace})
        if cluster_wide:
            name = f"{account.namespace}.{name}"
        api = "rbac.authorization.k8s.io"
        self.client.apply({"apiVersion": f"{api}/v1", "kind": kind, "metadata": {"name": name, **scope}, "rules": rules})
        self.client.apply({
            "apiVersion": f"{api}/v1", "kind": f"{kind}Binding", "metadata": {"name": name, **scope},
            "roleRef": {"apiGroup": api, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}]})
        self.wait_for_rules(account, rules)

    def wait_for_rules(self, account: ServiceAccount, rules: list[dict], timeout: float = 60) -> None:
        """Until the API server judges the account by these rules, word for word: it learns of roles by watches of its own, a
        little after they were written. What they replaced in a role no longer holds then."""
        wanted = [_rule(rule) for rule in rules if rule.get("resources")]
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": account.namespace}}

        def hold() -> bool:
            try:
                answer = self.client.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review, user=account.user)
            except ApiError as error:
                if error.code == 403:  # it does not know its own roles yet
                    return False
                raise
            known = [_rule(rule) for rule in answer["status"]["resourceRules"]]
            return all(rule in known for rule in wanted)

        if wanted:
            wait_until(hold, timeout, f"the rights of {account.user}")

    def sign_token(self, account: ServiceAccount, seconds: float) -> str:
        """See ServiceAccount.short_token. The API server lets a token live 60 s past its end, for clocks that differ."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        uid = self.client.get("ServiceAccount", account.name, account.namespace)["metadata"]["uid"]
        real = json.loads(_unpad(account.token().split(".")[0]))
        now = int(time.time())
        claims = {"iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"], "sub": account.user,
                  "iat": now - 3600, "nbf": now - 3600, "exp": int(now + seconds - 60),
                  "kubernetes.io": {"namespace": account.namespace,
                                    "serviceaccount": {"name": account.name, "uid": uid}}}
        head = ".".join(_pad(json.dumps(part).encode()) for part in (real, claims))
        return head + "." + _pad(self._account_key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def audit(self, user: str | None = None) -> list[dict]:
        """What the API server was asked (verb, requestURI, objectRef, responseStatus, ...) by everybody who is not
        cluster-admin, or by one user, oldest first. A request is there once it is answered; a watch once it has begun."""
        if not self.audit_log.exists():
            return []
        with open(self.audit_log) as file:
            entries = [json.loads(line) for line in file if line.endswith("\n")]
        return [e for e in entries if user is None or e["user"].get("username") == user]


def _rule(rule: dict) -> dict:
    return {key: rule.get(key) or [] for key in ("apiGroups", "resources", "resourceNames", "verbs")}


def _pad(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpad(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
