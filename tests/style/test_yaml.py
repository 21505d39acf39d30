"""What is said in tasks/ and pipelines/: generated from the program's help, in the catalog's layout, loadable by who reads it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TASK = ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
STEP_ACTION = ROOT / "tasks" / "stepaction" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
PIPELINE = ROOT / "pipelines" / "deploy-inference-service.yaml"
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
    summary, blank = item["spec"]["description"].split("\n")[:2]
    assert summary.endswith(".") and blank == "" or summary, "one line of summary, then paragraphs"
    image = next(p["default"] for p in item["spec"]["params"] if p["name"] == "image")
    assert re.fullmatch(r"[a-z0-9.]+\.[a-z]+/.+:\d+\.\d+\.\d+", image), "fully qualified, with a tag that is a version"


def test_every_parameter_has_a_type_and_texts_in_two_languages():
    for path in (TASK, STEP_ACTION, PIPELINE):
        for parameter in load(path)["spec"]["params"]:
            assert parameter["type"] in ("string", "array"), parameter
            assert re.search(r"[\u4e00-\u9fff]", parameter["description"]), parameter["name"]


@pytest.mark.parametrize("path", [TASK, PIPELINE], ids=["task", "pipeline"])
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


# ---- Kubeflow ----


def test_the_kubeflow_component_loads_and_compiles_into_a_pipeline(tmp_path):
    components, dsl, compiler = (pytest.importorskip(f"kfp.{name}", exc_type=ImportError) for name in ("components", "dsl", "compiler"))
    deploy = components.load_component_from_file(str(COMPONENT))

    @dsl.pipeline(name="train-and-deploy")
    def pipeline(repository: str = "qwen"):
        first = deploy(INFERENCE_SERVICE_NAME="qwen", MODEL_REPO=repository, RUNTIME_CLASS="vllm").set_caching_options(False)
        deploy(INFERENCE_SERVICE_NAME="qwen-canary", MODEL_REPO=repository, RUNTIME_CLASS="vllm", MODEL_REPO_COMMIT=first.outputs["commit"])

    compiler.Compiler().compile(pipeline, str(tmp_path / "pipeline.yaml"))
    compiled = load(tmp_path / "pipeline.yaml")
    container = next(iter(compiled["deploymentSpec"]["executors"].values()))["container"]
    assert "MODEL_REPO={{$.inputs.parameters['MODEL_REPO']}}" in container["args"]
    task = compiled["root"]["dag"]["tasks"]["deploy-inference-service-2"]
    assert task["inputs"]["parameters"]["MODEL_REPO_COMMIT"]["taskOutputParameter"]["outputParameterKey"] == "commit"


def test_the_kubeflow_component_offers_the_programs_parameters():
    inputs = load(COMPONENT)["root"]["inputDefinitions"]["parameters"]
    defaults = {p["name"]: p.get("default") for p in load(TASK)["spec"]["params"]}
    assert {n for n, i in inputs.items() if not i.get("isOptional")} == {"INFERENCE_SERVICE_NAME", "MODEL_REPO", "RUNTIME_CLASS"}
    for name, item in inputs.items():
        if item.get("isOptional"):
            assert item["defaultValue"] == defaults[name], name
