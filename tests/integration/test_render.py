"""What render prints: text that every YAML reader understands the same, without a network when told so, and as the API server takes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from harness import alauda, binary
from harness.binary import Binary

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Texts that YAML 1.1 or 1.2 would read as something else when they stand without quotes, and layouts that a block could lose.
STRANGE = ["true", "false", "yes", "no", "on", "off", "y", "n", "Yes", "NO", "null", "Null", "~", "", "1", "-1", "+1", "012", "0o7", "0x1f", "0b1", "1_000", "1.0", ".5", "1.",
           "1e3", "1e", ".inf", "-.INF", ".nan", "1:30", "190:20:30", "2020-01-01", "2020-01-01T00:00:00Z", "=", "<<", "- x", "? x", ": x", "a: b", "a:", "a #b", "#", "[", "]",
           "{", "}", ",", "|", ">", "%x", "@x", "`x", "!x", "&x", "*x", "'", '"', "\\", "---", "...", "--- a", " lead", "trail ", "tab\there", "\t", "\n", "\n\n", "a\n", "a\n\n",
           "\na", "a\n  b\n c\n", "a \nb", "  a\nb\n", "# no\nb\n", "a\rb", "\u001b[31m", "\u0085", "\u2028", "\ufeff", "\u00e9", "\ud55c\uae00", "\U0001f600", "$(VAR)", "$$(VAR)",
           "$(unclosed", "${X}", "x" * 3000, "word " * 600, "key: |\n  text\n", "{{ .Name }}", '{{ index .Annotations "aml-model-repo" }}', "set -e\nexec \"$@\" --a='b'  \n\n"]


def runtime(command, env=()):
    item = json.loads(json.dumps(alauda.runtimes()["vllm-cuda-12"]))
    container = item["spec"]["containers"][0]
    container["command"], container["env"] = command, list(env)
    return item


def offline(directory, item, *options, program=None, **changes):
    file = directory / "runtime.json"
    file.write_text(json.dumps(item))
    parameters = {"INFERENCE_SERVICE_NAME": "qwen", "NAMESPACE": "demo", "MODEL_REPO": "qwen", "RUNTIME_CLASS": "vllm", "MODEL_REPO_COMMIT": COMMIT,
                  "PIPELINE_TAG": "text-generation", "LIBRARY_NAME": "transformers", **changes}
    return (program or Binary(directory)).run("render", "--offline", "--runtime-file", str(file), *options, results=False,
                                              **{name: value for name, value in parameters.items() if value is not None})


@pytest.fixture(scope="module")
def strange():
    return runtime(["bash", "-c", *STRANGE], [{"name": f"E{number}", "value": text} for number, text in enumerate(STRANGE)])


class TestText:
    def test_every_text_comes_back_as_it_was(self, tmp_path, strange):
        program = Binary(tmp_path)
        run = offline(tmp_path, strange, program=program)
        assert run.code == 0, run.log
        model = yaml.safe_load(run.output)["spec"]["predictor"]["model"]
        container = strange["spec"]["containers"][0]
        assert model["command"] == container["command"]
        assert {entry["name"]: entry["value"] for entry in container["env"]} == {entry["name"]: entry["value"] for entry in model["env"]}
        assert yaml.safe_load(run.output) == json.loads(offline(tmp_path, strange, "-o", "json", program=program).output)

    def test_go_reads_it_the_same(self, place, tmp_path, strange):
        """kubectl reads it with sigs.k8s.io/yaml, and the API server takes it: a server-side dry run."""
        from harness.servers import program

        run = offline(tmp_path, strange, NAMESPACE=place.namespace)
        done = subprocess.run([str(program("kubernetes", "kubectl")), "--kubeconfig", str(place.cluster.admin_kubeconfig), "create", "--dry-run=server",
                               "--validate=strict", "-o", "json", "-f", "-"], input=run.output, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        model = json.loads(done.stdout)["spec"]["predictor"]["model"]
        container = strange["spec"]["containers"][0]
        assert model["command"] == container["command"]
        assert {entry["name"]: entry.get("value", "") for entry in model["env"]} == {entry["name"]: entry["value"] for entry in container["env"]}

    def test_comments_stay_out_of_the_texts(self, tmp_path, strange):
        program = Binary(tmp_path)
        plain, commented = offline(tmp_path, strange, program=program), offline(tmp_path, strange, "--comments", program=program)
        assert commented.code == 0 and commented.output != plain.output
        assert yaml.safe_load(commented.output) == yaml.safe_load(plain.output)

    def test_the_same_bytes_whatever_the_environment(self, tmp_path, strange):
        first = offline(tmp_path, strange).output
        (tmp_path / "other").mkdir()
        program = Binary(tmp_path / "other", environment={"LC_ALL": "C", "TZ": "Asia/Shanghai", "COLUMNS": "40", "TERM": "xterm"})
        assert offline(tmp_path, strange, program=program).output == first
        # the order of the parameters says nothing
        arguments = ["LIBRARY_NAME=transformers", "PIPELINE_TAG=text-generation", f"MODEL_REPO_COMMIT={COMMIT}", "RUNTIME_CLASS=vllm", "MODEL_REPO=qwen", "-n", "demo",
                     "--inference-service-name=qwen"]
        assert program.run("render", "--runtime-file", str(tmp_path / "runtime.json"), *arguments, "--offline", results=False).output == first

    def test_fields_come_in_the_order_in_which_people_read(self, tmp_path):
        lines = offline(tmp_path, alauda.runtimes()["vllm-cuda-12"]).output.splitlines()
        order = [lines.index(line) for line in ("apiVersion: serving.kserve.io/v1beta1", "kind: InferenceService", "metadata:", "  name: qwen", "  namespace: demo", "  labels:",
                                                "  annotations:", "spec:", "  predictor:", "    minReplicas: 1", "    model:", "      modelFormat:", "      resources:", "      command:")]
        assert order == sorted(order), "\n".join(lines)


class TestOfflineAlone:
    def test_in_a_namespace_without_a_network(self, tmp_path):
        """Not even the loopback interface is up there."""
        unshare = shutil.which("unshare")
        probe = subprocess.run([unshare, "-rn", sys.executable, "-c", "import socket\ntry: socket.create_connection(('127.0.0.1', 1), 1)\nexcept OSError as e: print(e.errno)"],
                               capture_output=True, text=True) if unshare else None
        if probe is None or probe.returncode != 0:
            pytest.skip("no network namespace can be made here")
        assert probe.stdout.strip() == "101", "the namespace has a network"
        (tmp_path / "runtime.json").write_text(json.dumps(alauda.runtimes()["vllm-cuda-12"]))
        done = subprocess.run([unshare, "-rn", binary.path(), "render", "--offline", "--runtime-file", str(tmp_path / "runtime.json"), "INFERENCE_SERVICE_NAME=qwen",
                               "NAMESPACE=demo", "MODEL_REPO=qwen", "RUNTIME_CLASS=vllm", f"MODEL_REPO_COMMIT={COMMIT}", "PIPELINE_TAG=text-generation",
                               "LIBRARY_NAME=transformers"], env={"HOME": str(tmp_path), "KUBECONFIG": "/nonexistent"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load(done.stdout)["kind"] == "InferenceService"

    @pytest.mark.parametrize("uri", ["oci://registry.example.com/models/qwen:1", "s3://bucket/qwen", "gs://bucket/qwen", "pvc://claim/qwen", "hf://owner/name:rev",
                                     "https://host/qwen.tar.gz", "hdfs://name/qwen", "file:///models/qwen", "abfs://c@account.dfs.core.windows.net/qwen"])
    def test_any_scheme_of_storage_uri(self, tmp_path, uri):
        run = offline(tmp_path, alauda.runtimes()["vllm-cuda-12"], MODEL_REPO=None, MODEL_REPO_COMMIT=None, STORAGE_URI=uri)
        assert run.code == 0, run.log
        assert yaml.safe_load(run.output)["spec"]["predictor"]["model"]["storageUri"] == uri
        assert ("ClusterStorageContainer" in run.log) is uri.startswith("abfs"), run.log

    @pytest.mark.parametrize("uri", ["qwen", "s3:/a", "s3://", "https://me:secret@host/a", "oci://a b", "://a"])
    def test_bad_storage_uri(self, tmp_path, uri):
        run = offline(tmp_path, alauda.runtimes()["vllm-cuda-12"], MODEL_REPO=None, MODEL_REPO_COMMIT=None, STORAGE_URI=uri)
        assert run.code == 2 and "STORAGE_URI" in run.log and "secret" not in run.log, run.log

    def test_a_runtime_of_a_plain_cluster_has_no_class(self, tmp_path):
        run = offline(tmp_path, alauda.runtimes()["plain"], RUNTIME_CLASS=None, RUNTIME_NAME="plain", LIBRARY_NAME=alauda.runtimes()["plain"]["spec"]["supportedModelFormats"][0]["name"])
        assert run.code == 0, run.log
        labels = yaml.safe_load(run.output)["metadata"]["labels"]
        assert all(isinstance(value, str) for value in labels.values())
