"""Every command line that the README shows to developers, and every example of `help COMMAND`, run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from harness import binary
from harness.servers import program

pytestmark = pytest.mark.timeout(600)  # a test runs several rollouts, one after the other

README = Path(__file__).resolve().parents[2] / "README.md"
COMMANDS = ["deploy", "render", "diff", "wait", "rbac", "version", "help", "completion", "preflight"]


def readme_blocks():
    section = re.search(r"^## For developers\n(.*?)^## ", README.read_text(encoding="utf-8"), re.M | re.S).group(1)
    return re.findall(r"^```bash\n(.*?)^```", section, re.M | re.S)


def joined(text):
    """Command lines, those that a backslash continues as one."""
    return [line for line in re.sub(r"\\\n *", "", text).splitlines() if line.strip()]


def examples_of(command):
    shown = subprocess.run([binary.path(), "help", command], capture_output=True, text=True).stdout
    found = re.search(r"^Examples:\n((?:  .*\n)+)", shown, re.M)
    return joined(re.sub(r"^  ", "", found.group(1), flags=re.M)) if found else []


@pytest.fixture
def desk(place, tmp_path):
    """A developer's: the tools on PATH, a kubeconfig whose context names the namespace, a clone as working directory."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "deploy-inference-service").symlink_to(binary.path())
    (tools / "kubectl").symlink_to(program("kubernetes", "kubectl"))
    place.project.tag("v2")
    document = yaml.safe_load(place.cluster.admin_kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = place.namespace
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "kubeconfig"), "GIT_CONFIG_NOSYSTEM": "1",
                   "GITLAB_CA_FILE": str(place.gitlab.ca_file), "GIT_SSL_CAINFO": str(place.gitlab.ca_file), "MANPAGER": "cat", "TERM": "dumb"}
    url = f"https://oauth2:{place.token}@{place.gitlab.authority}/{place.project.full_path}.git"
    subprocess.run(["git", "clone", "-q", url, str(tmp_path / "clone")], env=environment, check=True, capture_output=True)

    def run(script, shell="bash", timeout=120):
        script = re.sub(r"(?<=-n )demo\b", place.namespace, script)
        return subprocess.run([shell, "-c", script], env=environment, cwd=tmp_path / "clone", capture_output=True, text=True, timeout=timeout)

    return SimpleNamespace(run=run, place=place)


def check(desk, line, script=None, shell="bash"):
    done = desk.run(script or line, shell)
    expected = (0, 10) if re.search(r"deploy-inference-service diff\b(?!.*\|)", line) else (0,)
    assert done.returncode in expected, f"{line}\nexit code {done.returncode}\n{done.stderr}"
    return done


def deleted(desk):
    """`wait --for=deleted` follows a deletion that somebody else began."""
    desk.run("kubectl delete inferenceservice qwen -n demo --wait=false --ignore-not-found")


def test_readme(desk):
    blocks = readme_blocks()
    assert len(blocks) >= 3
    for block in blocks:
        prelude = ""
        for line in joined(block):
            if line.startswith("export "):
                prelude += line + "\n"
                continue
            if "--for=deleted" in line:
                deleted(desk)
            if "preflight" in line:  # this namespace lacks what a platform sets up; what counts is that each check is made
                assert desk.run(prelude + line).returncode in range(0, 10)
                continue
            check(desk, line, prelude + line)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(desk, command):
    lines = examples_of(command)
    assert lines, f"`help {command}` has no examples"
    if command == "wait":
        assert desk.place.deploy().code == 0
    for line in lines:
        shell = "zsh" if "${fpath" in line else "fish" if line.endswith("| source") else "bash"
        if shutil.which(shell) is None or (" man " in line and shutil.which("man") is None):
            continue
        if "--for=deleted" in line:
            deleted(desk)
        if command == "preflight":
            assert desk.run(line).returncode in range(0, 10), line
            continue
        script = f"fpath=($HOME $fpath); {line}" if shell == "zsh" else line
        check(desk, line, script, shell)
