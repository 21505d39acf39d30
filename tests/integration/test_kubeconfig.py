"""Every way to log in that a kubeconfig knows, against the real API server."""

from __future__ import annotations

import os
import signal
import time

import pytest
import yaml

from harness.process import AT_ONCE, wait_until


def render(place, kubeconfig, env=None):
    return place.binary.run("render", f"--kubeconfig={kubeconfig}", env=env, results=False, INFERENCE_SERVICE_NAME="qwen", MODEL_REPO="qwen",
                            RUNTIME_CLASS="vllm", NAMESPACE=place.namespace)


@pytest.mark.parametrize("auth", ["token", "tokenFile", "cert", "certFiles", "exec"])
def test_each_kind_of_login(place, auth):
    run = render(place, place.account.kubeconfig(auth))
    assert run.code == 0, run.log
    assert yaml.safe_load(run.output)["kind"] == "InferenceService"


def edited(place, tmp_path, change):
    document = yaml.safe_load(place.account.kubeconfig().read_text())
    change(document)
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def test_lists_of_kubeconfigs_the_first_file_wins(place, tmp_path):
    good = place.account.kubeconfig()
    other = tmp_path / "other"
    document = yaml.safe_load(good.read_text())
    document["users"][0]["user"] = {"token": "wrong"}
    other.write_text(yaml.safe_dump(document))
    parameters = {"INFERENCE_SERVICE_NAME": "qwen", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "NAMESPACE": place.namespace}
    place.binary.kubeconfig = None
    run = place.binary.run("render", env={"KUBECONFIG": f"{tmp_path}/none:{good}:{other}"}, results=False, **parameters)
    assert run.code == 0, run.log
    run = place.binary.run("render", env={"KUBECONFIG": f"{other}:{good}"}, results=False, **parameters)
    assert run.code == 9, run.log


def test_a_wrong_token_is_not_logged_in(place, tmp_path):
    run = render(place, edited(place, tmp_path, lambda d: d["users"][0].update(user={"token": "nonsense-token"})))
    assert run.code == 9, run.log
    assert "nonsense-token" not in run.log


def test_a_context_that_is_not_there_is_named(place, tmp_path):
    run = render(place, edited(place, tmp_path, lambda d: d.update({"current-context": "missing"})))
    assert run.code == 2, run.log
    assert "missing" in run.log


def test_an_unknown_ca_is_refused(place, tmp_path):
    def without_ca(document):
        document["clusters"][0]["cluster"].pop("certificate-authority-data", None)
        document["clusters"][0]["cluster"].pop("certificate-authority", None)

    run = render(place, edited(place, tmp_path, without_ca))
    assert run.code == 9, run.log
    assert "certificate" in run.log


def test_insecure_and_tls_server_name(place, tmp_path):
    def skip(document):
        cluster = document["clusters"][0]["cluster"]
        cluster.pop("certificate-authority-data", None)
        cluster.pop("certificate-authority", None)
        cluster["insecure-skip-tls-verify"] = True

    assert render(place, edited(place, tmp_path, skip)).code == 0
    run = render(place, edited(place, tmp_path, lambda d: d["clusters"][0]["cluster"].update({"tls-server-name": "other.example.com"})))
    assert run.code == 9, run.log
    assert "other.example.com" in run.log


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_an_exec_plugin_runs(place, tmp_path, number, code):
    """A plugin may wait for a person's login for a minute: the end of the run is the plugin's end."""
    plugin = tmp_path / "slow-login"
    plugin.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nsleep 300\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never", "installHint": "install it"}}
    running = place.binary.start("render", f"--kubeconfig={edited(place, tmp_path, lambda d: d['users'][0].update(user=user))}", results=False,
                                 INFERENCE_SERVICE_NAME="qwen", MODEL_REPO="qwen", RUNTIME_CLASS="vllm", NAMESPACE=place.namespace)
    wait_until((tmp_path / "pid").exists, 30, "the plugin runs")
    started = time.monotonic()
    running.signal(number)
    run = running.finish()
    assert time.monotonic() - started < AT_ONCE
    assert run.code == code and "canceled while" in run.log and "install it" not in run.log, run.log
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_exec_plugin_that_is_not_there_names_itself(place, tmp_path):
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never", "installHint": "install it"}}
    run = render(place, edited(place, tmp_path, lambda d: d["users"][0].update(user=plugin)))
    assert run.code == 9, run.log
    assert "no-such-plugin" in run.log and "install it" in run.log
