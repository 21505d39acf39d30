"""A node that runs no containers: it reports on its pods what kubelet would, through the API server's pod status.

Everything around it is real: the scheduler binds pods to it by their requests, the Deployment controller counts them, and the API
server asks it for logs over TLS as it asks kubelet. What becomes of a pod is a Scenario:

    node = Node(cluster, capacity={"nvidia.com/gpu": "1"}).start()
    node.scenario(namespace, CrashLoop(exit_code=1, logs={"kserve-container": "no such model"}))
    node.scenario(namespace, lambda pod: ImagePullError() if "v2" in pod["metadata"]["name"] else None)

The newest rule of a namespace that gives a scenario is taken; then the pod annotation ``harness/scenario`` (a name from
scenario.BY_NAME); else the pod comes up at once.
"""

from __future__ import annotations

import datetime
import heapq
import http.server
import itertools
import json
import logging
import secrets
import ssl
import threading
import time
import urllib.parse

import requests

from .client import ApiError, Conflict, NotFound
from .cluster import Cluster
from .scenario import BY_NAME, Gate, Rule, Scenario

log = logging.getLogger("harness.node")

CAPACITY = {
    "cpu": "256", "memory": "2Ti", "ephemeral-storage": "4Ti", "pods": "500", "nvidia.com/gpu": "16",
    "nvidia.com/gpualloc": "160", "nvidia.com/gpucores": "16000", "nvidia.com/gpumem": "1638400",
}
GATE_POLL = 0.02


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class PodDriver:
    """One pod's status, and the words in which a Scenario changes it. Each call is one or two requests."""

    def __init__(self, node: "Node", pod: dict, scenario: Scenario):
        self._node = node
        self.pod = pod
        self.scenario = scenario
        self.namespace, self.name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.uid = pod["metadata"]["uid"]
        self.init_containers = [c["name"] for c in pod["spec"].get("initContainers", [])]
        self.containers = [c["name"] for c in pod["spec"]["containers"]]
        self._images = {c["name"]: c["image"] for c in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]}
        self._status: dict[str, dict] = {}
        self._conditions: dict[str, dict] = {c["type"]: c for c in pod.get("status", {}).get("conditions", [])}
        self._ip = None
        self._started = None
        self.ending = False  # its deletion has begun
        self.over: tuple[str, str, str] | None = None  # phase, reason and message of a pod that has ended

    # --- words for scenarios

    def image(self, container: str) -> str:
        return self._images[container]

    def accept(self, sandbox: bool = True) -> None:
        """The node takes the pod: start time, address, every container waiting."""
        self._started = now()
        self._ip = self._node.next_ip() if sandbox else None
        waiting = "PodInitializing" if self.init_containers else "ContainerCreating"
        for name in [*self.init_containers, *self.containers]:
            self._status[name] = {"name": name, "image": self._images[name], "imageID": "", "ready": False, "started": False,
                                  "restartCount": 0, "lastState": {}, "state": {"waiting": {"reason": waiting}}}
        self._condition("PodReadyToStartContainers", sandbox)
        self._write()

    def running(self, *containers: str) -> None:
        for name in containers:
            status = self._status[name]
            if status["lastState"] or "terminated" in status["state"]:
                status["restartCount"] += 1  # with the restart, as kubelet counts, not with the end before it
            status["state"] = {"running": {"startedAt": now()}}
            status["started"] = name in self.containers
            status["containerID"] = f"containerd://{secrets.token_hex(32)}"
            status["imageID"] = f"{self._images[name]}@sha256:{'0' * 64}"
            self.event("Normal", "Created", f"Created container: {name}", name)
            self.event("Normal", "Started", f"Started container {name}", name)
        if containers:
            self._write()

    def waiting(self, container: str, reason: str, message: str = "") -> None:
        self._status[container]["state"] = {"waiting": {"reason": reason, "message": message}}
        self._status[container].update(ready=False, started=False)
        self._write()

    def terminated(self, container: str, exit_code: int, reason: str, message: str = "") -> None:
        status = self._status[container]
        started = status["state"].get("running", {}).get("startedAt", now())
        status["state"] = {"terminated": {"exitCode": exit_code, "reason": reason, "message": message, "startedAt": started,
                                          "finishedAt": now(), "containerID": status.get("containerID", "")}}
        status["started"] = False
        status["ready"] = container in self.init_containers and exit_code == 0
        self._write()

    def crash_back_off(self, container: str, seconds: float) -> None:
        """The container's end becomes its last state, and it waits for its next start."""
        status = self._status[container]
        status["lastState"] = {k: v for k, v in status["state"].items() if k == "terminated"}
        pod = f"{self.name}_{self.namespace}({self.uid})"
        self.event("Warning", "BackOff", f"Back-off restarting failed container {container} in pod {pod}", container)
        self.waiting(container, "CrashLoopBackOff",
                     f"back-off {max(1, round(seconds))}s restarting failed container={container} pod={pod}")

    def ready(self) -> None:
        for name in self.containers:
            self._status[name].update(ready=True, started=True)
        self._write()

    def not_ready(self) -> None:
        for name in self.containers:
            self._status[name]["ready"] = False
        self._write()

    def evicted(self, message: str) -> None:
        for name in self.containers:
            self.terminated(name, 137, "Error")
        self.over = ("Failed", "Evicted", message)
        self._write()

    def event(self, type: str, reason: str, message: str, container: str | None = None, component: str = "kubelet") -> None:
        """A core event about the pod. The same one again raises its count, as kubelet's recorder does."""
        path = None
        if container:
            kind = "initContainers" if container in self.init_containers else "containers"
            path = f"spec.{kind}{{{container}}}"
        self._node.record(self.pod, type, reason, message, path, component)

    # --- status

    def _condition(self, type: str, value: bool, reason: str = "", message: str = "") -> None:
        status = "True" if value else "False"
        before = self._conditions.get(type)
        changed = now() if before is None or before["status"] != status else before.get("lastTransitionTime")
        entry = {"type": type, "status": status, "lastProbeTime": None, "lastTransitionTime": changed}
        if reason:
            entry.update(reason=reason, message=message)
        self._conditions[type] = entry

    def _phase(self) -> str:
        if self.over:
            return self.over[0]
        if not all(self._status[c]["ready"] for c in self.init_containers):
            return "Pending"
        never_started = ["waiting" in self._status[c]["state"] and not self._status[c]["lastState"] for c in self.containers]
        return "Pending" if any(never_started) else "Running"

    def _write(self) -> None:
        unready_init = [c for c in self.init_containers if not self._status[c]["ready"]]
        unready = [c for c in self.containers if not self._status[c]["ready"]]
        self._condition("Initialized", not unready_init, "" if not unready_init else "ContainersNotInitialized",
                        f"containers with incomplete status: [{' '.join(unready_init)}]")
        detail = f"containers with unready status: [{' '.join(unready)}]"
        for type in ("ContainersReady", "Ready"):
            self._condition(type, not unready and not unready_init, "ContainersNotReady" if unready else "", detail)
        status = {
            "phase": self._phase(), "startTime": self._started, "hostIP": self._node.address, "podIP": self._ip,
            "podIPs": [{"ip": self._ip}] if self._ip else None,
            "conditions": list(self._conditions.values()),
            "initContainerStatuses": [self._status[c] for c in self.init_containers] or None,
            "containerStatuses": [self._status[c] for c in self.containers],
        }
        if self.over:
            status.update(reason=self.over[1], message=self.over[2])
        status["qosClass"] = self.pod.get("status", {}).get("qosClass", "Burstable")  # set on creation, never changes
        self._node.client.patch_status("Pod", self.name, self.namespace, status)


class Node:
    def __init__(self, cluster: Cluster, name: str = "node-1", capacity: dict[str, str | None] | None = None,
                 labels: dict[str, str] | None = None):
        self.cluster, self.client, self.name = cluster, cluster.client, name
        self.address = "127.0.0.1"
        self._capacity = {k: v for k, v in {**CAPACITY, **(capacity or {})}.items() if v is not None}
        self._labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        self._labels.update(labels or {})
        self._rules: list[tuple[str | None, Rule]] = []
        self._pods: dict[str, PodDriver] = {}
        self._timers: list = []
        self._sequence = itertools.count()
        self._wake = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._events: dict[tuple, str] = {}
        self._ips = itertools.count(2)
        self._watch_session: requests.Response | None = None

    # --- for tests

    def scenario(self, namespace: str | None, rule: Scenario | Rule) -> None:
        """Says what becomes of the pods of a namespace (None: of every namespace) that are started from now on."""
        chosen: Rule = (lambda _pod: rule) if isinstance(rule, Scenario) else rule
        self._rules.append((namespace, chosen))

    def clear(self, namespace: str | None) -> None:
        """Forgets a namespace's rules."""
        self._rules = [r for r in self._rules if r[0] != namespace]

    def set_capacity(self, **resources) -> None:
        """Changes what the node offers: ``set_capacity(**{"nvidia.com/gpu": "0"})``; None removes a resource."""
        self._capacity = {k: v for k, v in {**self._capacity, **resources}.items() if v is not None}
        gone = {k: None for k, v in resources.items() if v is None}
        self.client.patch_status("Node", self.name, None, {"capacity": {**self._capacity, **gone},
                                                           "allocatable": {**self._capacity, **gone}})

    # --- life

    def start(self) -> "Node":
        self._start_kubelet_server()
        self.client.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": self._labels}})
        self.client.patch_status("Node", self.name, None, {
            "capacity": self._capacity, "allocatable": self._capacity,
            "addresses": [{"type": "InternalIP", "address": self.address}, {"type": "Hostname", "address": self.name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._kubelet.server_address[1]}},
            "nodeInfo": {k: "" for k in ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "operatingSystem",
                                         "containerRuntimeVersion", "kubeProxyVersion", "architecture")}
            | {"kubeletVersion": "v1.34.4", "operatingSystem": "linux", "architecture": "amd64"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now(),
                            "message": "kubelet is posting ready status", "lastTransitionTime": now()}]})
        self._remove_taints()
        for target in (self._watch_loop, self._timer_loop, self._kubelet.serve_forever):
            thread = threading.Thread(target=target, daemon=True, name=f"{self.name}-{target.__name__}")
            thread.start()
            self._threads.append(thread)
        return self

    def _remove_taints(self) -> None:
        """Admission taints every new node as not ready; the life cycle controller, which does not run here, removes that."""
        self.client.patch("Node", self.name, None, {"spec": {"taints": None}})

    def stop(self) -> None:
        self._stopping.set()
        with self._wake:
            self._wake.notify_all()
        self._kubelet.shutdown()
        self._kubelet.server_close()
        for thread in self._threads[1:]:  # not the watch, which the server ends after some seconds
            thread.join(timeout=5)

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    # --- pods come and go

    def _watch_loop(self) -> None:
        version = ""
        while not self._stopping.is_set():
            try:
                if not version:
                    version = self._relist()
                path = self.client.resource("Pod").path(None)
                params = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "5",
                          "fieldSelector": f"spec.nodeName={self.name}"}
                with self.client.raw("GET", path, params=params, stream=True, timeout=10) as answer:
                    version = self._consume(answer, version)
            except (OSError, ApiError):  # the API server restarts; requests' exceptions are OSErrors
                version = ""
                self._stopping.wait(0.1)

    def _relist(self) -> str:
        path = self.client.resource("Pod").path(None)
        answer = self.client.request("GET", path, params={"fieldSelector": f"spec.nodeName={self.name}"})
        seen = set()
        for pod in answer["items"]:
            seen.add(pod["metadata"]["uid"])
            self._observe(pod)
        for uid in set(self._pods) - seen:
            self._pods.pop(uid, None)
        return answer["metadata"]["resourceVersion"]

    def _consume(self, answer: requests.Response, version: str) -> str:
        for line in answer.iter_lines(chunk_size=None):
            if self._stopping.is_set():
                break
            if not line:
                continue
            event = json.loads(line)
            if event["type"] == "ERROR":
                return ""
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] == "DELETED":
                self._pods.pop(event["object"]["metadata"]["uid"], None)
            elif event["type"] != "BOOKMARK":
                self._observe(event["object"])
        return version

    def _observe(self, pod: dict) -> None:
        uid = pod["metadata"]["uid"]
        driver = self._pods.get(uid)
        if driver is None:
            scenario = self._choose(pod)
            driver = PodDriver(self, pod, scenario)
            self._pods[uid] = driver
            if not pod["metadata"].get("deletionTimestamp"):
                self._after(0, driver, scenario.life(driver))
        if pod["metadata"].get("deletionTimestamp") and not driver.ending:
            driver.ending = True
            self._after(driver.scenario.terminate, driver, self._end(driver))

    def _end(self, driver: PodDriver):
        if False:
            yield  # a generator, as the lives are
        try:
            path = self.client.resource("Pod").path(driver.namespace, driver.name)
            self.client.request("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": driver.uid}})
        except (NotFound, Conflict):
            pass

    def _choose(self, pod: dict) -> Scenario:
        namespace = pod["metadata"]["namespace"]
        for wanted, rule in reversed(self._rules):
            if wanted in (None, namespace):
                scenario = rule(pod)
                if scenario is not None:
                    return scenario
        name = pod["metadata"].get("annotations", {}).get("harness/scenario", "ready")
        return BY_NAME.get(name, Scenario)()

    # --- time

    def _after(self, seconds: float, driver: PodDriver, life, gate: Gate | None = None) -> None:
        with self._wake:
            heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._sequence), driver, life, gate))
            self._wake.notify()

    def _timer_loop(self) -> None:
        while not self._stopping.is_set():
            with self._wake:
                if not self._timers:
                    self._wake.wait(1)
                    continue
                wait = self._timers[0][0] - time.monotonic()
                if wait > 0:
                    self._wake.wait(wait)
                    continue
                _, _, driver, life, gate = heapq.heappop(self._timers)
            self._step(driver, life, gate)

    def _step(self, driver: PodDriver, life, gate: Gate | None) -> None:
        """Takes a pod one step on. A life ends with its pod; only the ending itself goes on then."""
        if driver.uid not in self._pods or (driver.ending and life.__name__ != "_end"):
            return
        if gate is not None and not gate.is_open():
            self._after(GATE_POLL, driver, life, gate)
            return
        try:
            step = next(life)
        except StopIteration:
            return
        except NotFound:
            return  # the pod has been deleted
        except (OSError, ApiError) as error:
            # A step that failed half-way (the API server was away) cannot be repeated in a generator: begin anew.
            log.warning("%s/%s: %s", driver.namespace, driver.name, error)
            again = self._end(driver) if life.__name__ == "_end" else driver.scenario.life(driver)
            self._after(0.3, driver, again)
            return
        if isinstance(step, Gate):
            step.reached.set()
            self._after(0, driver, life, step)
        else:
            self._after(step, driver, life)

    # --- what drivers need

    def next_ip(self) -> str:
        number = next(self._ips)
        return f"10.244.{number // 250 % 250}.{number % 250 + 2}"

    def record(self, target: dict, type: str, reason: str, message: str, path: str | None = None,
               component: str = "kubelet") -> None:
        """Writes an event about a pod."""
        metadata = target["metadata"]
        key = (metadata["uid"], type, reason, message, path)
        name = self._events.get(key)
        if name:
            event = self.client.find("v1/Event", name, metadata["namespace"])
            if event:
                again = {"count": event.get("count", 1) + 1, "lastTimestamp": now()}
                self.client.patch("v1/Event", name, metadata["namespace"], again)
                return
        name = f"{metadata['name'][:200]}.{secrets.token_hex(8)}"
        involved = {"apiVersion": "v1", "kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"],
                    "uid": metadata["uid"], "resourceVersion": metadata.get("resourceVersion", "")}
        if path:
            involved["fieldPath"] = path
        try:
            self.client.create({
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": metadata["namespace"]},
                "involvedObject": involved, "type": type, "reason": reason, "message": message, "count": 1,
                "firstTimestamp": now(), "lastTimestamp": now(), "source": {"component": component, "host": self.name},
                "reportingComponent": component, "reportingInstance": self.name})
        except ApiError as error:
            if error.code != 403:  # the namespace is being deleted
                raise
            return
        self._events[key] = name

    # --- the API server asks kubelet for logs

    def container_log(self, namespace: str, pod: str, container: str, previous: bool) -> str | None:
        for driver in list(self._pods.values()):
            if (driver.namespace, driver.name) == (namespace, pod) and container in driver._images:
                logs = driver.scenario.previous_logs if previous else driver.scenario.logs
                if previous and container not in logs:
                    status = driver._status.get(container, {})
                    return driver.scenario.logs.get(container, "") if status.get("restartCount") else None
                return logs.get(container, "")
        return None

    def _start_kubelet_server(self) -> None:
        node = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                node._answer(self)

            def log_message(self, *_):
                pass

        pki = self.cluster.dir / "pki"
        cert, key = self.cluster.ca.server(f"system:node:{self.name}", [self.address, self.name]).write(pki, f"kubelet-{self.name}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.load_verify_locations(self.cluster.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        self._kubelet = http.server.ThreadingHTTPServer((self.address, 0), Handler)
        self._kubelet.daemon_threads = True
        self._kubelet.socket = context.wrap_socket(self._kubelet.socket, server_side=True, do_handshake_on_connect=False)

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        url = urllib.parse.urlsplit(request.path)
        parts = url.path.strip("/").split("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        text, code = "not found\n", 404
        if len(parts) == 4 and parts[0] == "containerLogs":
            found = self.container_log(*parts[1:], previous=query.get("previous") == "true")
            if found is None:
                text, code = f'previous terminated container "{parts[3]}" in pod "{parts[2]}" not found', 400
            else:
                text, code = _tail(found, query), 200
        data = text.encode()
        request.send_response(code)
        request.send_header("Content-Type", "text/plain")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)


def _tail(text: str, query: dict[str, str]) -> str:
    if "tailLines" in query:
        lines = text.splitlines(keepends=True)
        count = int(query["tailLines"])
        text = "".join(lines[-count:]) if count else ""
    if query.get("timestamps") == "true":
        text = "".join(f"{now()} {line}" for line in text.splitlines(keepends=True))
    if "limitBytes" in query:
        text = text.encode()[:int(query["limitBytes"])].decode(errors="ignore")
    return text
