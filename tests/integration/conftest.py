"""Fixtures of the integration tests: a GitLab, a namespace prepared as the platform does, and the program."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import alauda
from harness.binary import Binary
from harness.gitlab import GitLab
from harness.model_repository import qwen_files


@pytest.fixture(scope="session")
def gitlab_server(run_dir: Path):
    with GitLab(run_dir) as server:
        yield server


@pytest.fixture
def gitlab(gitlab_server):
    """The shared GitLab, without the faults of the test before."""
    gitlab_server.clear_faults()
    gitlab_server.clear_log()
    yield gitlab_server
    gitlab_server.clear_faults()


@pytest.fixture
def place(kserve, cluster, node, namespace, gitlab, tmp_path):
    """A namespace with GitLab's address and token, a model repository of its own and the script's rights.

    place.deploy(**parameters) runs the program there with ordinary parameters; others replace or add to them.
    """
    token = gitlab.token()
    project = gitlab.project(f"{namespace}/amlmodels/qwen", files=qwen_files())
    alauda.install_git_config(cluster, namespace, gitlab.authority, str(token))
    account = alauda.deployer(cluster, namespace, "deployer")
    binary = Binary(tmp_path, account.kubeconfig(), {"GITLAB_CA_FILE": str(gitlab.ca_file)})
    ordinary = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": namespace, "TIMEOUT": "60s"}

    def parameters(changes):
        return {name: value for name, value in {**ordinary, **changes}.items() if value is not None}

    def deploy(*arguments, env=None, timeout=90, **changes):
        return binary.run(*arguments, env=env, timeout=timeout, **parameters(changes))

    def start(*arguments, env=None, **changes):
        return binary.start(*arguments, env=env, **parameters(changes))

    def service(name="qwen"):
        return cluster.client.get("InferenceService", name, namespace)

    def deployment(name="qwen"):
        return cluster.client.get("Deployment", f"{name}-predictor", namespace)

    return SimpleNamespace(namespace=namespace, gitlab=gitlab, token=token, project=project, account=account, binary=binary,
                           deploy=deploy, start=start, service=service, deployment=deployment, cluster=cluster, node=node)


@pytest.fixture
def rollout(place, cluster, tmp_path):
    """Runs of the program with the rights for diagnosis; finish() judges the record of a run again."""
    cluster.grant(place.account, alauda.DIAGNOSTIC_RULES, "diagnostics")
    judge, count = Binary(tmp_path / "judge"), iter(range(100))
    judge.directory.mkdir()

    def start(*arguments, **changes):
        record = tmp_path / f"record-{next(count)}"
        running = place.start(f"--record={record}", *arguments, **changes)
        running.record = record
        return running

    def finish(running, timeout=90):
        run = running.finish(timeout)
        again = judge.run("wait", f"--replay={running.record}")
        came_to = [(one.code, one.results["reason"].partition(":")[0], one.results["failure-class"]) for one in (run, again)]
        assert came_to[0] == came_to[1], f"{run.log}\n---- the record says:\n{again.log}"
        keep(running.record)
        return run

    def keep(record):
        """For the corpus of tests/unit: $KEEP_TRANSCRIPTS names a directory."""
        if directory := os.environ.get("KEEP_TRANSCRIPTS"):
            name = os.environ["PYTEST_CURRENT_TEST"].partition("::test_")[2].partition(" ")[0]
            (Path(directory) / f"{os.environ.get('KSERVE_VERSION', '0.16')}-{name}-{record.name}.jsonl").write_text(record.read_text())

    return SimpleNamespace(**vars(place), begin=start, finish=finish,
                           run=lambda *arguments, **changes: finish(start(*arguments, **changes)))


@pytest.fixture(scope="session")
def binary_help(tmp_path_factory) -> dict:
    """What the program says of its own parameters and results."""
    import json

    run = Binary(tmp_path_factory.mktemp("help")).run("help", "json", results=False)
    assert run.code == 0, run.log
    return json.loads(run.output)


@pytest.fixture
def kubectl(cluster, tmp_path):
    """The real kubectl: what it applies carries its annotation and its field manager."""
    import json
    import subprocess

    from harness import servers

    binary = servers.program("kubernetes", "kubectl")

    def apply(manifest):
        subprocess.run([str(binary), "--kubeconfig", str(cluster.admin_kubeconfig), "apply", "-f", "-"], input=json.dumps(manifest), text=True,
                       check=True, capture_output=True)

    return SimpleNamespace(apply=apply)
