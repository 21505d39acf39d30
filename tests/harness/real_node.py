"""A real node: kubelet, containerd, runc and CNI, in namespaces of their own, so that nothing of the machine is touched.

    with Machine(directory) as machine:                 # from here on this thread is in the machine's network
        cluster = Cluster(directory, host=machine.address, port=443, apiserver_flags=("--bind-address=0.0.0.0",)).start()
        with RealNode(machine, cluster, registry, pause="registry.test/pause:1") as node:
            cluster.client.create(pod)

The machine is one process that holds a network, a mount and a process namespace. When it ends, for whatever reason (SIGKILL of the
test run included), the kernel ends every container and takes back every mount and interface. Pods reach the node, and what listens
there, at ``address``; the API server is also at its Service's address. There is no DNS and no route to anywhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from . import kubeconfig, leftovers, process, servers
from .cluster import Cluster
from .process import Process, wait_until
from .registry import Registry

ADDRESS, SUBNET, SERVICE_ADDRESS = "10.88.0.1", "10.88.0.0/16", "10.96.0.1"
CLONE_NEWNET = 0x40000000
CGROUP_PREFIX = "deploy-inference-service-e2e-"

# The first process of the namespace: takes in orphans, waits for its end. What programs keep below /run, /var/lib and
# /var/log is theirs alone, and in memory: images and pods are small, and an overlay cannot lie on every file system. The size
# is what kubelet takes for the node's ephemeral storage; no memory is set aside for it.
HOLDER = """
import os, signal, subprocess
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
for path in ("/run", "/var/lib", "/var/log"):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=100G", "tmpfs", path], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""

PROBES = {
    "namespaces": "true",
    "a bridge and pairs of virtual Ethernet devices": "ip link add probe0 type bridge; ip link add probe1 type veth peer name probe2",
    "overlay file systems": "mount -t tmpfs tmpfs /run; cd /run; mkdir a b c d; mount -t overlay overlay -o lowerdir=a,upperdir=b,workdir=c d",
}


def missing() -> str:
    """Why no real node can run here, in one sentence; empty when it can."""
    if os.geteuid() != 0:
        return "a real node needs root"
    for program in ("containerd", "runc", "ip", "nsenter", "unshare"):
        if shutil.which(program) is None:
            return f"a real node needs {program}, which is not installed"
    if not Path("/usr/lib/cni/bridge").exists():
        return "a real node needs the CNI plugins in /usr/lib/cni"
    for what, attempt in PROBES.items():
        probe = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", attempt],
                               capture_output=True, text=True)
        if probe.returncode != 0:
            return f"a real node needs {what}, which this machine does not allow: {probe.stderr.strip()}"
    return _missing_cgroups()


def _missing_cgroups() -> str:
    name = f"{CGROUP_PREFIX}probe-{os.getpid()}"
    if not leftovers.CGROUPS.is_dir() or not leftovers.hierarchies():
        return "a real node needs cgroups, and none are mounted"
    try:
        for hierarchy in leftovers.hierarchies():
            (hierarchy / name).mkdir()
        if leftovers.unified():
            _hand_down()
    except OSError as error:
        return f"a real node needs cgroups of its own, which this machine does not allow: {error}"
    finally:
        leftovers.remove_cgroups(name)
    return ""


def _hand_down() -> None:
    """With cgroup v2 a controller is in a cgroup only if the one above hands it down, and kubelet wants all of these that there are."""
    root = leftovers.CGROUPS
    wanted = {"cpu", "cpuset", "hugetlb", "memory", "pids"} & set((root / "cgroup.controllers").read_text().split())
    for controller in sorted(wanted - set((root / "cgroup.subtree_control").read_text().split())):
        (root / "cgroup.subtree_control").write_text(f"+{controller}")


def _enter_network(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Machine:
    """Namespaces, with the calling thread (and every thread that it starts from then on) in the network one."""

    address = ADDRESS

    def __init__(self, directory: Path):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Machine":
        log = self.dir / "machine.log"
        self._holder = Process("machine", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
                                           sys.executable, "-c", HOLDER], log).start()
        try:
            self._holder.wait_ready(lambda: "ready" in log.read_text(), timeout=20)
            self.pid = self._first_process()
            self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
            self._make_network()
            with open(f"/proc/{self.pid}/ns/net") as network:
                _enter_network(network.fileno())
            process.renew_spawner()
        except BaseException:
            self._holder.stop()
            raise
        return self

    def _first_process(self) -> int:
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        return int(children[0])

    def _make_network(self) -> None:
        for command in ("link set lo up", "link add node0 type bridge", f"address add {ADDRESS}/16 dev node0", "link set node0 up",
                        f"address add {SERVICE_ADDRESS}/32 dev lo"):
            subprocess.run(["nsenter", "-t", str(self.pid), "-n", "ip", *command.split()], check=True, capture_output=True)

    def __exit__(self, *_) -> None:
        _enter_network(self._home)
        os.close(self._home)
        process.renew_spawner()
        self.kill()
        self._holder.wait(5)
        self._holder.kill()

    def kill(self) -> None:
        """Ends everything inside at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, 9)

    def inside(self, *argv: str) -> list[str]:
        """The command that runs ``argv`` among the machine's mounts and processes (the network is this thread's)."""
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "--", *map(str, argv)]

    def run(self, *argv: str, check: bool = True, **kwargs) -> subprocess.CompletedProcess:
        return subprocess.run(self.inside(*argv), check=check, capture_output=True, text=True, **kwargs)


class RealNode:
    """``registry`` answers for every registry name, docker.io included. ``resources``: extended resources to advertise."""

    def __init__(self, machine: Machine, cluster: Cluster, registry: Registry, pause: str, name: str = "node",
                 resources: dict[str, str] | None = None):
        self.machine, self.cluster, self.registry, self.name = machine, cluster, registry, name
        self.pause, self.resources = pause, resources or {}
        self.dir = machine.dir / name
        self.cgroup = f"{CGROUP_PREFIX}{os.getpid()}"
        # As the programs on the node and as this one see it.
        self.socket = Path("/run/containerd/containerd.sock")
        self.socket_from_here = Path(f"/proc/{machine.pid}/root{self.socket}")

    # --- life

    def __enter__(self) -> "RealNode":
        self.dir.mkdir(parents=True, exist_ok=True)
        try:
            self._make_cgroups()
            self._start_containerd()
            self._write_kubelet_files()
            self.start_kubelet()
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        """Everything that runs here ends with the machine's first process; only the cgroups outlive it."""
        self.machine.kill()
        for server in (getattr(self, "kubelet", None), getattr(self, "containerd", None)):
            if server:
                server.wait(5)  # nsenter ends by itself once it has seen its child's end
                server.kill()
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: leftovers.remove_cgroups(self.cgroup), 10, "the cgroups to be empty")

    # --- cgroups

    def _make_cgroups(self) -> None:
        leftovers.cgroups(self.cgroup)
        if leftovers.unified():
            _hand_down()
        for hierarchy in leftovers.hierarchies():
            group = hierarchy / self.cgroup
            group.mkdir(exist_ok=True)
            if hierarchy.name == "cpuset":  # a new cpuset is empty and holds no process before it is filled
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((hierarchy / name).read_text())

    # --- containerd

    def _start_containerd(self) -> None:
        hosts = self.dir / "certs.d" / "_default"
        hosts.mkdir(parents=True, exist_ok=True)
        server = f"http://{self.registry.address}"
        (hosts / "hosts.toml").write_text(f'server = "{server}"\n[host."{server}"]\n  capabilities = ["pull", "resolve"]\n')
        cni = self.dir / "cni"
        cni.mkdir(exist_ok=True)
        (cni / "node.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "node", "plugins": [
            {"type": "bridge", "bridge": "node0", "isGateway": True, "isDefaultGateway": True, "hairpinMode": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": SUBNET, "rangeStart": "10.88.1.1", "gateway": ADDRESS}]]}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]}))
        config = self.dir / "containerd.toml"
        config.write_text(f"""
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{self.socket}"
[debug]
  level = "info"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{self.pause}"
  disable_apparmor = true
  # Lowering the score needs a capability that containers with root often lack.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.dir / 'certs.d'}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
""")
        self.containerd = self.cluster.run("containerd", self.machine.inside("containerd", "--config", str(config)))
        self.containerd.wait_ready(self._containerd_answers, timeout=60)

    def _containerd_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket_from_here))
        return True

    # --- kubelet

    def _write_kubelet_files(self) -> None:
        certificate = self.cluster.ca.server(self.name, [self.name, ADDRESS])
        cert, key = certificate.write(self.dir, "kubelet")
        user = kubeconfig.certificate_user(self.cluster.ca.client(f"system:node:{self.name}", ["system:nodes"]))
        self.cluster.kubeconfig(self.dir / "kubelet.kubeconfig", user)
        (self.dir / "kubelet.yaml").write_text(yaml.safe_dump({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": ADDRESS, "port": 10250,
            "healthzPort": 0, "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.cgroup}", "failCgroupV1": False, "failSwapOn": False,
            "enforceNodeAllocatable": [], "containerRuntimeEndpoint": f"unix://{self.socket}", "resolvConf": "",
            "podLogsDir": str(self.dir / "pod-logs"), "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": str(self.cluster.ca_file)}},
            "authorization": {"mode": "Webhook"}, "tlsCertFile": str(cert), "tlsPrivateKeyFile": str(key),
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
            "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99, "nodeStatusUpdateFrequency": "4s",
            "syncFrequency": "10s", "serializeImagePulls": False, "registryPullQPS": 0, "kubeAPIQPS": 100, "kubeAPIBurst": 200,
            "eventRecordQPS": 0, "protectKernelDefaults": False}))

    def start_kubelet(self) -> None:
        self.kubelet = self.cluster.run("kubelet", self.machine.inside(
            servers.program("kubernetes", "kubelet"), f"--kubeconfig={self.dir / 'kubelet.kubeconfig'}", f"--config={self.dir / 'kubelet.yaml'}",
            "--root-dir=/var/lib/kubelet", f"--hostname-override={self.name}", f"--node-ip={ADDRESS}", "--v=1"))

    def restart_kubelet(self) -> None:
        """Containers go on running; kubelet forgets what it had in memory, the pods' tokens for one."""
        self.kubelet.stop()
        self.kubelet.start()

    def _wait_ready(self) -> None:
        client = self.cluster.client

        def ready() -> bool:
            if not self.kubelet.alive():
                raise RuntimeError(f"kubelet ended\n{self.kubelet.log_tail()}")
            node = client.find("Node", self.name)
            conditions = {c["type"]: c["status"] for c in (node or {}).get("status", {}).get("conditions", [])}
            return conditions.get("Ready") == "True"

        wait_until(ready, 60, "the node to be ready")
        # Nobody lifts the taint of a new node here: that is the node life cycle controller's.
        client.patch("Node", self.name, None, {"spec": {"taints": None}})
        if self.resources:
            client.patch("Node", self.name, None, {"status": {"capacity": self.resources, "allocatable": self.resources}}, subresource="status")
            wait_until(lambda: self.resources.keys() <= client.get("Node", self.name)["status"]["allocatable"].keys(), 20,
                       "the extended resources")
