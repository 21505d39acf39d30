"""What is said in tasks/ and pipelines/: generated from the program's help, in the catalog's layout, loadable by who reads it."""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from harness.documentation import ROOT, block

TASK = ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
STEP_ACTION = ROOT / "tasks" / "stepaction" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
PIPELINE = ROOT / "pipelines" / "deploy-inference-service.yaml"
PROMOTE = ROOT / "pipelines" / "promote.yaml"
MIGRATED = ROOT / "tests" / "e2e" / "migrated_pipeline.yaml"
COMPONENT = ROOT / "pipelines" / "kubeflow-component.yaml"


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_yamllint():
    result = subprocess.run([sys.executable, "-m", "yamllint", "--strict", "-c", str(ROOT / ".yamllint"), "tasks", "pipelines"], cwd=ROOT,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_generated_parts_are_those_of_the_program():
    binary = Path(os.environ["BUILD_DIR"]) / "deploy-inference-service"
    script = ROOT / "tests" / "lib" / "generate_yaml.py"
    result = subprocess.run([sys.executable, str(script), str(binary), "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# ---- the drop-in promise ----


def test_the_pipeline_begins_with_the_parameters_of_the_script():
    """Same names, order, types, defaults and required ones as the document's Pipeline; what is new is optional; RESULT is there."""
    ours, theirs = load(PIPELINE)["spec"], load(MIGRATED)["spec"]
    count = len(theirs["params"])
    assert count == 21

    def kept(parameter):
        return {key: parameter[key] for key in ("name", "type", "default") if key in parameter}

    assert [kept(p) for p in ours["params"][:count]] == [kept(p) for p in theirs["params"]]
    assert all("default" in p for p in ours["params"][count:])
    result = next(r for r in ours["results"] if r["name"] == "RESULT")
    assert result["value"] == theirs["results"][0]["value"]
    assert ours["tasks"][0]["timeout"] == theirs["tasks"][0]["timeout"]


def test_the_pipeline_passes_every_parameter_on():
    spec = load(PIPELINE)["spec"]
    passed = {p["name"]: p["value"] for p in spec["tasks"][0]["params"]}
    assert passed.pop("NAMESPACE") == "$(context.pipelineRun.namespace)"
    assert passed == {p["name"]: f"$(params.{p['name']})" for p in spec["params"]}
    assert set(passed) <= {p["name"] for p in load(TASK)["spec"]["params"]}


def test_step_action_and_task_run_the_same_step():
    step, action = load(TASK)["spec"]["steps"][0], load(STEP_ACTION)["spec"]
    for key in ("image", "command", "env", "securityContext"):
        assert step[key] == action[key], key
    for key in ("params", "results"):
        assert load(TASK)["spec"][key] == action[key], key


# ---- the catalog's rules ----

# What `catlin validate` refuses (tektoncd/catlin pkg/validator) and the catalog's contributing guide demands, for each file in the
# path that the catalog gives it. Categories: config.yaml of tektoncd/hub.
CATEGORIES = {"Automation", "Build Tools", "CLI", "Cloud", "Code Quality", "Continuous Integration", "Deployment", "Developer Tools", "Git",
              "Image Build", "Integration & Delivery", "Kubernetes", "Messaging", "Monitoring", "Networking", "Openshift", "Publishing",
              "Security", "Storage", "Testing"}


@pytest.mark.parametrize("path, place", [(TASK, "task"), (STEP_ACTION, "stepaction")], ids=["task", "stepaction"])
def test_catalog_rules(path, place):
    item = load(path)
    version = item["metadata"]["labels"]["app.kubernetes.io/version"]
    annotations = item["metadata"]["annotations"]
    folders = path.relative_to(ROOT / "tasks").parts[-3:]
    assert item["kind"].lower() == place
    assert folders == (item["metadata"]["name"], version, f"{item['metadata']['name']}.yaml")
    assert path.with_name("README.md").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", annotations["tekton.dev/pipelines.minVersion"])
    assert {c.strip() for c in annotations["tekton.dev/categories"].split(",")} <= CATEGORIES
    assert all(re.fullmatch(r"[a-z0-9]+/[a-z0-9]+", p) for p in annotations["tekton.dev/platforms"].split(","))
    assert annotations["tekton.dev/displayName"] and annotations["tekton.dev/tags"]
    summary, more = item["spec"]["description"].split("\n", 1)
    assert summary.endswith(".") and more.strip(), "one line of summary, then paragraphs"
    image = next(p["default"] for p in item["spec"]["params"] if p["name"] == "image")
    assert re.fullmatch(r"[a-z0-9.]+\.[a-z]+/.+:\d+\.\d+\.\d+", image), "fully qualified, with a tag that is a version"


@pytest.mark.parametrize("path", [TASK, PIPELINE, PROMOTE], ids=lambda path: path.stem)
def test_catlin(path, tmp_path, monkeypatch):
    """The catalog's own gate, where it is installed. It wants its folder names, and a list of categories by HTTP."""
    catlin = shutil.which("catlin")
    if not catlin:
        pytest.skip("catlin is not on PATH (its module cannot be had from the Go module proxy); test_catalog_rules checks what it checks")
    item = load(path)
    name = item["metadata"]["name"]
    place = tmp_path / item["kind"].lower() / name / item["metadata"]["labels"]["app.kubernetes.io/version"] / f"{name}.yaml"
    place.parent.mkdir(parents=True)
    shutil.copy(path, place)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"categories": sorted(CATEGORIES)}))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def translate_path(self, _):
            return str(tmp_path / "config.yaml")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / ".env").write_text(f'CONFIG_FILE_URL="http://127.0.0.1:{server.server_address[1]}/config.yaml"\n')
    monkeypatch.chdir(tmp_path)
    try:
        for command in (["validate"], ["lint", "script"]):
            result = subprocess.run([catlin, *command, str(place)], capture_output=True, text=True)
            assert result.returncode == 0, result.stdout + result.stderr
            assert "ERROR" not in result.stdout
    finally:
        server.shutdown()
        server.server_close()


def test_every_parameter_has_a_type_and_texts_in_two_languages():
    for path in (TASK, STEP_ACTION, PIPELINE, PROMOTE):
        for parameter in load(path)["spec"]["params"]:
            assert parameter["type"] in ("string", "array"), parameter
            assert re.search(r"[\u4e00-\u9fff]", parameter["description"]), parameter["name"]


@pytest.mark.parametrize("path", [TASK, PIPELINE, PROMOTE], ids=["task", "pipeline", "promote"])
def test_form_descriptors_name_real_parameters_in_two_languages(path):
    item = load(path)
    names = {p["name"] for p in item["spec"]["params"]}
    descriptors = yaml.safe_load(item["metadata"]["annotations"]["style.tekton.dev/descriptors"])
    paths = [d["path"] for d in descriptors]
    assert len(paths) == len(set(paths))
    assert {p.removeprefix("params.") for p in paths} == names - {"args", "image"}
    for descriptor in descriptors:
        texts = descriptor["x-descriptors"]
        for language in ("en", "zh"):
            label = next(t for t in texts if t.startswith(f"urn:alm:descriptor:label:{language}:"))
            assert label.split(":", 5)[5].strip(), descriptor["path"]
            assert any(t.startswith(f"urn:alm:descriptor:description:{language}:") for t in texts), descriptor["path"]
        assert any(re.fullmatch(r"urn:alm:descriptor:com\.tectonic\.ui:(text|textarea|tagsInput|radio:.+)", t) for t in texts), descriptor["path"]
    required = {p["name"] for p in item["spec"]["params"] if "default" not in p}
    assert required == {d["path"].removeprefix("params.") for d in descriptors
                        if "urn:alm:descriptor:com.tectonic.ui:validation:required" in d["x-descriptors"]}


# ---- Kubeflow ----


@pytest.fixture
def kfp(monkeypatch):
    """The SDK, in the folder of the component."""
    for name in ("components", "compiler", "dsl"):
        pytest.importorskip(f"kfp.{name}", exc_type=ImportError)
    monkeypatch.chdir(COMPONENT.parent)
    import kfp
    return kfp


def test_the_kubeflow_component_is_what_the_sdk_compiles(kfp, tmp_path):
    """Loaded by the SDK and written by its compiler it is the same: nothing is lost, nothing is filled in."""
    deploy = kfp.components.load_component_from_file(str(COMPONENT))
    kfp.compiler.Compiler().compile(deploy, str(tmp_path / "again.yaml"))
    assert load(tmp_path / "again.yaml") == load(COMPONENT)


def test_the_kubeflow_example_compiles(kfp, tmp_path):
    """The example of the documentation, as it stands there."""
    names: dict = {}
    exec(compile(block(ROOT / "pipelines" / "README.md", "Kubeflow", "python").text, "README.md", "exec"), names)
    kfp.compiler.Compiler().compile(names["pipeline"], str(tmp_path / "pipeline.yaml"))
    compiled = load(tmp_path / "pipeline.yaml")
    first, second = (compiled["root"]["dag"]["tasks"][f"deploy-inference-service{suffix}"] for suffix in ("", "-2"))
    container = next(iter(compiled["deploymentSpec"]["executors"].values()))["container"]
    assert container == load(COMPONENT)["deploymentSpec"]["executors"]["exec-deploy-inference-service"]["container"]
    assert second["inputs"]["parameters"]["MODEL_REPO_COMMIT"]["taskOutputParameter"]["outputParameterKey"] == "commit"
    assert first["cachingOptions"] == second["cachingOptions"] == {}, "a cached deploy does not deploy"


def test_the_kubeflow_component_offers_the_programs_parameters():
    inputs = load(COMPONENT)["root"]["inputDefinitions"]["parameters"]
    defaults = {p["name"]: p.get("default") for p in load(TASK)["spec"]["params"]}
    assert {n for n, i in inputs.items() if not i.get("isOptional")} == {"INFERENCE_SERVICE_NAME", "MODEL_REPO", "RUNTIME_CLASS"}
    for name, item in inputs.items():
        if item.get("isOptional"):
            assert item["defaultValue"] == defaults[name], name
