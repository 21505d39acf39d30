"""Starts the test servers for use by hand, and ends them on Ctrl-C or SIGTERM.

    PYTHONPATH=tests python3 -m harness [--kserve 0.16 | --no-kserve] [--namespace demo]

Prints what to export, and then waits. With --print-json it prints one JSON object instead, for scripts.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time

from . import alauda, servers
from .cluster import Cluster
from .kserve import KServe
from .node import Node
from .process import RunDir, exit_on_signals


def main() -> None:
    parser = argparse.ArgumentParser(prog="harness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kserve", default="0.16", metavar="VERSION", help="version of KServe (default 0.16)")
    parser.add_argument("--no-kserve", action="store_true", help="only Kubernetes")
    parser.add_argument("--namespace", default="demo", help="namespace to make, with the rights of the deploy step")
    parser.add_argument("--print-json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    exit_on_signals()
    wanted = ["etcd", "kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler"]
    servers.ensure(*wanted, *([] if options.no_kserve else [f"kserve-{options.kserve}"]))
    start = time.monotonic()
    with RunDir() as directory, Cluster(directory) as cluster:
        cluster.start()
        with Node(cluster) as node:
            node.start()
            if not options.no_kserve:
                KServe(cluster, options.kserve).start()
                alauda.install_runtimes(cluster)
            cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": options.namespace}})
            account = alauda.deployer(cluster, options.namespace, "deployer", diagnostics=True)
            facts = {"server": cluster.server, "admin_kubeconfig": str(cluster.admin_kubeconfig), "directory": str(directory),
                     "kubeconfig": str(account.kubeconfig()), "namespace": options.namespace}
            if options.print_json:
                print(json.dumps(facts), flush=True)
            else:
                print(f"# up in {time.monotonic() - start:.1f} s; logs are in {cluster.logs}; Ctrl-C ends it", file=sys.stderr)
                print(f"export KUBECONFIG={facts['admin_kubeconfig']}          # everything")
                print(f"export KUBECONFIG={facts['kubeconfig']}          # what the deploy step may do", flush=True)
            while True:
                signal.pause()



if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
