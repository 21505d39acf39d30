"""Real servers for the tests: etcd, Kubernetes, KServe, a node that plays kubelet, and a GitLab stand-in.

See README.md in this folder. ``python3 -m harness`` (with tests/ on PYTHONPATH) starts them for use by hand.
"""
