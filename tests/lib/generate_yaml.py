"""Fills the generated parts of tasks/ and pipelines/ from the program's own help, so that names, defaults and texts cannot drift.

    generate_yaml.py BINARY [--check]

A generated part stands between a line "# NAME: generated" and the next line "# end" of the same indentation.
pipelines/kubeflow-component.yaml is generated whole.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TASK = ROOT / "tasks" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
STEP_ACTION = ROOT / "tasks" / "stepaction" / "deploy-inference-service" / "0.1" / "deploy-inference-service.yaml"
PIPELINE = ROOT / "pipelines" / "deploy-inference-service.yaml"
PROMOTE = ROOT / "pipelines" / "promote.yaml"
COMPONENT = ROOT / "pipelines" / "kubeflow-component.yaml"

# A secret is no Task parameter (it would be readable in the TaskRun), a local clone is for people, and the run's name comes
# from the pod's label.
NOT_IN_TASK = {"GITLAB_TOKEN", "MODEL_DIR", "PIPELINE_RUN"}
# The script's Pipeline deploys to the namespace that it runs in.
NOT_IN_PIPELINE = NOT_IN_TASK | {"NAMESPACE"}
# No TLS files are mounted in a Kubeflow component.
NOT_IN_COMPONENT = NOT_IN_TASK | {"GITLAB_TOKEN_FILE", "GITLAB_CA_FILE", "VERIFY_CA_FILE", "VERIFY_CERTIFICATE_FILE",
                                  "VERIFY_KEY_FILE"}
REQUIRED = ("INFERENCE_SERVICE_NAME", "MODEL_REPO", "RUNTIME_CLASS")

RESULT_TEXTS = {
    "string-result": ("JSON with IN_CLUSTER_ENDPOINT and OUT_CLUSTER_ENDPOINT, and a newline at its end", "访问地址（JSON）"),
    "in-cluster-url": ("URL of the service inside the cluster", "集群内访问地址"),
    "out-cluster-url": ("URL of the service from outside; empty when there is none", "集群外访问地址"),
    "commit": ("commit of the model repository that was deployed", "部署的模型提交"),
    "runtime": ("name of the ClusterServingRuntime", "推理运行时名称"),
    "state": ("ready, failed, timeout or canceled", "状态：ready、failed、timeout 或 canceled"),
    "failure-class": ("terminal, repeated, impatient, or empty", "失败类别"),
    "reason": ("why it is not ready: a stable word, a colon and one sentence; empty when ready", "未就绪的原因"),
    "model_ARTIFACT_INPUTS": ("the model's repository and commit, for Tekton Chains", "模型仓库与提交，用于 Tekton Chains"),
    "overview-markdown": ("the run in Markdown, shown on the PipelineRun's page", "运行概览（Markdown）"),
}
OBJECT_RESULTS = {"model_ARTIFACT_INPUTS": ("uri", "digest")}
# Form fields other than a line of text, by name or type.
FIELDS = {"ENV": "textarea", "array": "tagsInput"}


class Parameters:
    """The program's NAME=VALUE parameters, in the order of its help."""

    def __init__(self, binary: str):
        text = subprocess.run([binary, "help", "json"], check=True, capture_output=True, text=True).stdout
        data = json.loads(text)
        self.all = [p for p in data["parameters"] if not p["option"]]
        self.results: list[str] = data["results"]
        unknown = set(self.results) ^ set(RESULT_TEXTS)
        if unknown:
            sys.exit(f"{Path(__file__).name}: no texts, or texts for nothing: {', '.join(sorted(unknown))}")

    def without(self, names: set[str]) -> list[dict]:
        return [p for p in self.all if p["name"] not in names]

    def of_pipeline(self) -> list[dict]:
        """The script's first and in its order; what is new comes after."""
        items = self.without(NOT_IN_PIPELINE)
        return [p for p in items if p["of_script"]] + [p for p in items if not p["of_script"]]


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def first_words(text: str) -> str:
    """A form label of a Chinese help line: what stands before its first aside."""
    label = re.split("[，；（]", text)[0]
    head, _, rest = label.partition("：")
    return label if not rest or head in ("HAMi", "NVIDIA GPU 插件") else head


def title(name: str) -> str:
    words = name.replace("EPHIMERAL", "EPHEMERAL").lower().replace("_", " ").replace("-", " ")
    for word in ("cpu", "gpu", "gpualloc", "gpucores", "gpumem", "url", "uri", "pvc", "ca", "ipc", "tls"):
        words = re.sub(rf"\b{word}\b", word.upper(), words)
    return (words[0].upper() + words[1:]).replace("nvidia", "NVIDIA").replace("Nvidia", "NVIDIA").replace("gitlab", "GitLab").replace("Gitlab", "GitLab")


def help_of(parameter: dict) -> str:
    return f"{parameter['help']} ({parameter['help_zh']})"


# ---- the parts ----


def params(items: list[dict], required: tuple[str, ...] = ()) -> list[str]:
    lines = []
    for item in items:
        lines += [f"- name: {item['name']}", "  type: string", f"  description: {quoted(help_of(item))}"]
        if item["name"] not in required:
            lines.append(f"  default: {quoted(item['default'] or '')}")
    return lines


def descriptors(items: list[dict], required: tuple[str, ...] = ()) -> list[str]:
    """Form fields of the console, with labels in English and Chinese."""
    prefix = "urn:alm:descriptor:"
    lines = ["style.tekton.dev/descriptors: |-"]
    for item in items:
        field = [f"label:en:{title(item['name'])}", f"label:zh:{first_words(item['help_zh'])}",
                 f"description:en:{item['help']}", f"description:zh:{item['help_zh']}"]
        choices = ["true", "false"] if item["type"] == "boolean" else [c for c in item["choices"] if c]
        field += [f"com.tectonic.ui:radio:{choice}" for choice in choices]
        if not choices:
            field.append(f"com.tectonic.ui:{FIELDS.get(item['name'], FIELDS.get(item['type'], 'text'))}")
        if item["name"] in required:
            field.append("com.tectonic.ui:validation:required")
        lines += [f"  - path: params.{item['name']}", "    x-descriptors:"]
        lines += [f"      - {quoted(prefix + text)}" for text in field]
    return lines


def results(names: list[str]) -> list[str]:
    lines = []
    for name in names:
        english, chinese = RESULT_TEXTS[name]
        keys = OBJECT_RESULTS.get(name)
        lines += [f"- name: {name}", f"  type: {'object' if keys else 'string'}", f"  description: {quoted(f'{english} ({chinese})')}"]
        if keys:
            lines.append("  properties:")
            for key in keys:
                lines += [f"    {key}:", "      type: string"]
    return lines


def environment(items: list[dict]) -> list[str]:
    lines = []
    for item in items:
        lines += [f"- name: {item['name']}", f"  value: $(params.{item['name']})"]
    return lines


def passed_on(items: list[dict]) -> list[str]:
    lines = []
    for item in items:
        lines += [f"- name: {item['name']}", f"  value: $(params.{item['name']})"]
    return [*lines, "- name: NAMESPACE", "  value: $(context.pipelineRun.namespace)"]


def written_by_hand(path: Path) -> list[dict]:
    """The parameters of a Pipeline that are no parameters of the program, as the program's help would list them."""
    items = []
    for parameter in yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["params"]:
        english, chinese = re.fullmatch(r"(.*) \((.*)\)", parameter["description"]).groups()
        items.append({"name": parameter["name"], "help": english, "help_zh": chinese, "type": parameter["type"], "choices": [],
                      "required": "default" not in parameter})
    return items


def parts(parameters: Parameters) -> dict[Path, dict[str, list[str]]]:
    task, pipeline = parameters.without(NOT_IN_TASK), parameters.of_pipeline()
    promote = [item for item in written_by_hand(PROMOTE) if item["name"] != "image"]
    return {
        TASK: {"descriptors": descriptors(task), "params": params(task), "results": results(parameters.results), "env": environment(task)},
        STEP_ACTION: {"params": params(task), "results": results(parameters.results), "env": environment(task)},
        PROMOTE: {"descriptors": descriptors(promote, tuple(item["name"] for item in promote if item["required"]))},
        PIPELINE: {"descriptors": descriptors(pipeline, REQUIRED), "params": params(pipeline, REQUIRED), "task params": passed_on(pipeline)},
    }


def filled(path: Path, sections: dict[str, list[str]]) -> str:
    text = path.read_text(encoding="utf-8")
    for name, lines in sections.items():
        pattern = re.compile(rf"^( *)# {name}: generated\n.*?^\1# end$", re.M | re.S)
        found = pattern.search(text)
        if not found:
            sys.exit(f"{path}: no generated part {name!r}")
        indent = found.group(1)
        body = "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)
        text = text[:found.start()] + f"{indent}# {name}: generated\n{body}{indent}# end" + text[found.end():]
    return text


# ---- the Kubeflow component ----

COMPONENT_HEAD = """\
# A Kubeflow Pipelines v2 component: deploys a model as one step of a Kubeflow pipeline.
# 用于 Kubeflow Pipelines v2 的组件：在流水线中部署推理服务。
#
#   from kfp import components
#   deploy = components.load_component_from_file("kubeflow-component.yaml")
#
# Outputs are the program's results; the launcher reads them from /tmp/kfp/outputs. Call set_caching_options(False) on the task: a
# cached deploy would not deploy. Generated by tests/lib/generate_yaml.py; do not edit.
"""


def component(parameters: Parameters, image: str) -> str:
    name = "deploy-inference-service"
    items = parameters.without(NOT_IN_COMPONENT)
    outputs = [result for result in parameters.results if result not in OBJECT_RESULTS]
    inputs = {}
    for item in items:
        entry: dict = {"description": help_of(item), "parameterType": "STRING"}
        if item["name"] not in REQUIRED:
            entry |= {"defaultValue": item["default"] or "", "isOptional": True}
        inputs[item["name"]] = entry
    output_definitions = {"parameters": {o: {"description": RESULT_TEXTS[o][0], "parameterType": "STRING"} for o in outputs}}
    arguments = [f"{item['name']}={{{{$.inputs.parameters['{item['name']}']}}}}" for item in items]
    document = {
        "components": {f"comp-{name}": {"executorLabel": f"exec-{name}", "inputDefinitions": {"parameters": inputs},
                                        "outputDefinitions": output_definitions}},
        "deploymentSpec": {"executors": {f"exec-{name}": {"container": {
            "image": image, "command": ["/usr/bin/deploy-inference-service"], "args": ["--results-dir=/tmp/kfp/outputs", *arguments]}}}},
        "pipelineInfo": {"name": name, "description": "Deploys a model for inference on KServe and waits until that revision serves."},
        "root": {
            "dag": {
                "outputs": {"parameters": {o: {"valueFromParameter": {"outputParameterKey": o, "producerSubtask": name}} for o in outputs}},
                "tasks": {name: {"cachingOptions": {}, "componentRef": {"name": f"comp-{name}"}, "taskInfo": {"name": name},
                                 "inputs": {"parameters": {i["name"]: {"componentInputParameter": i["name"]} for i in items}}}}},
            "inputDefinitions": {"parameters": inputs}, "outputDefinitions": output_definitions},
        "schemaVersion": "2.1.0", "sdkVersion": "kfp-2.16.1"}

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

        def increase_indent(self, flow=False, indentless=False):
            return super().increase_indent(flow, False)

    body = yaml.dump(document, Dumper=Plain, allow_unicode=True, sort_keys=False, width=10_000)
    return f"{COMPONENT_HEAD}---\n{body}"


def image_of_task() -> str:
    task = yaml.safe_load(TASK.read_text(encoding="utf-8"))
    return next(p["default"] for p in task["spec"]["params"] if p["name"] == "image")


def main() -> None:
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    parameters = Parameters(arguments[0])
    made = {path: filled(path, sections) for path, sections in parts(parameters).items()}
    made[COMPONENT] = component(parameters, image_of_task())
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        listed = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"not what tests/lib/generate_yaml.py BINARY makes of the program's help: {listed}" if stale else 0)
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
