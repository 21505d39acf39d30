"""The model check against a GitLab: what it finds about the files of a commit, what it costs, and what it does without an answer."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from harness import alauda
from harness.gitlab import GitLab
from harness.gitlab_faults import Html, InvalidJson, MangleJson, Reset, Stall, Status, Truncate
from harness.model_repository import Lfs, qwen_config, qwen_files, sharded_weights, weights
from harness.process import AT_ONCE

GIB = 1 << 30
CANCELED = 9
VLLM = alauda.runtimes()["vllm-cuda-12"]


def vllm(*more: str, command=("vllm", "serve", "/mnt/models")) -> dict:
    """A runtime that starts vLLM with further arguments."""
    return alauda.runtime("own", "vllm", ["transformers"], {"image": "registry.test/vllm-openai:1", "command": [*command, *more]})


def llama_config(**changes) -> str:
    """config.json of Llama-3-8B's shape: 131,072 bytes of cache a token."""
    return qwen_config(**{"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
                          "num_key_value_heads": 8, "max_position_embeddings": 8192, "vocab_size": 128256, **changes})


class Found:
    def __init__(self, document: dict, log: str) -> None:
        self.document, self.log = document, log
        self.by_name = {item["name"]: item for item in document["findings"]}
        assert len(self.by_name) == len(document["findings"]) and {item["group"] for item in document["findings"]} == {"model"}

    def state(self, name: str) -> str:
        return self.by_name[name]["state"]

    def text(self, name: str) -> str:
        return f"{self.by_name[name]['message']} | {self.by_name[name]['hint'] or ''}"

    def is_(self, name: str, state: str, *words: str) -> "Found":
        assert self.state(name) == state, json.dumps(self.document, indent=1)
        for word in words:
            assert word in self.text(name), self.text(name)
        return self


def start(server, token, runtime=VLLM, **parameters) -> subprocess.Popen:
    program = Path(os.environ["BUILD_DIR"]) / "tests/unit/deploy/check_tool"
    given = {"GITLAB_BASE_URL": server.url, "GITLAB_TOKEN": str(token or ""), "GITLAB_CA_FILE": str(server.ca_file),
             "RUNTIME": json.dumps(runtime), **parameters}
    return subprocess.Popen([str(program), *(f"{name}={value}" for name, value in given.items() if value is not None)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"})


def check(server, token, runtime=VLLM, **parameters) -> Found:
    process = start(server, token, runtime, **parameters)
    output, log = process.communicate(timeout=60)
    assert process.returncode == 0, f"{process.returncode}\n{output}\n{log}"
    if token:
        assert str(token) not in output and str(token) not in log
    return Found(json.loads(output), log)


@pytest.fixture
def server(tmp_path):
    with GitLab(tmp_path) as server:
        yield server


@pytest.fixture
def token(server):
    return server.token()


def model(server, files=None, **more):
    """A model repository; the files of Qwen2.5-0.5B with others in place or beside (None: without)."""
    files = {**qwen_files(), **(files or {}), **more}
    return server.project("demo-ns/amlmodels/qwen", files={path: data for path, data in files.items() if data is not None})


# ---- what is found ----


def test_a_whole_small_model_fits(server, token):
    model(server)
    found = check(server, token)
    found.is_("files", "ok", "6 files", "942.3 MiB").is_("disk", "ok", "EPHIMERAL_STORAGE_SIZE=10Gi")
    found.is_("weights", "ok", "942.3 MiB of weights", "3.8 GiB").is_("context", "ok", "384 MiB", "32768 tokens")


def test_three_rounds_of_few_requests(server, token):
    model(server)
    found = check(server, token)
    assert (found.document["requests"], found.document["rounds"]) == (5, 3)  # tree; sizes, two texts; LFS batch
    assert [request.endpoint for request in server.requests].count("lfs-batch") == 1
    assert found.document["max_rss_kib"] < 24 * 1024


def test_an_object_that_was_never_pushed(server, token):
    model(server, {"model.safetensors": weights(988_097_824, stored=False)})
    check(server, token).is_("files", "fail", "1 file of Git LFS without an object", "model.safetensors", "git lfs push --all origin")


def test_a_missing_object_beside_the_weights_counts_too(server, token):
    model(server, {"tokenizer.json": Lfs(b"{}", size=11_000_000, stored=False)})
    check(server, token).is_("files", "fail", "tokenizer.json")


def test_a_shard_that_the_index_names_and_the_tree_lacks(server, token):
    model(server, {"model.safetensors": None, **sharded_weights([2048, 2048, 2048], missing=(2,))})
    found = check(server, token)
    found.is_("files", "fail", "model-00002-of-00003.safetensors", "model.safetensors.index.json", "push was incomplete")
    found.is_("weights", "skipped", "weights are missing")


def test_both_kinds_of_missing_files_are_told_at_once(server, token):
    model(server, {"model.safetensors": None, **sharded_weights([2048, 2048, 2048], missing=(2,), stored=False)})
    check(server, token).is_("files", "fail", "model-00002-of-00003", "2 files of Git LFS without an object", "git lfs push")


def test_the_index_of_a_bin_model(server, token):
    index = json.dumps({"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}})
    model(server, {"model.safetensors": None, "pytorch_model.bin.index.json": index, "pytorch_model-00001-of-00002.bin": Lfs(b"x", size=GIB)})
    check(server, token).is_("files", "fail", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json")


def test_pointers_where_lfs_is_off_for_the_project(server, token):
    model(server).lfs_enabled = False
    check(server, token).is_("files", "fail", "only a pointer of Git LFS", "switch Git LFS on")


def test_lfsconfig_may_name_another_server(server, token):
    model(server, {".lfsconfig": "[lfs]\n\turl = https://lfs.example.com/\n", "model.safetensors": weights(4096, stored=False)})
    check(server, token).is_("files", "skipped", ".lfsconfig")


# ---- disk ----


def test_too_large_for_the_disk_of_the_pod(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376)})
    found = check(server, token)
    found.is_("disk", "fail", "does not fit", "15 GiB", "EPHIMERAL_STORAGE_SIZE=10Gi", "evicted", "EPHIMERAL_STORAGE_SIZE=31Gi")
    check(server, token, EPHIMERAL_STORAGE_SIZE="31Gi").is_("disk", "ok")


def test_a_second_copy_makes_it_tight(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376)})
    check(server, token, EPHIMERAL_STORAGE_SIZE="20Gi").is_("disk", "warn", "tight", "second copy", "EPHIMERAL_STORAGE_SIZE=31Gi")


def test_files_that_the_server_does_not_load_take_disk_all_the_same(server, token):
    model(server, {"original/consolidated.00.pth": Lfs(b"x", size=16 * GIB)})
    found = check(server, token)
    found.is_("disk", "fail", "16.9 GiB").is_("weights", "ok", "942.3 MiB")


@pytest.mark.parametrize("capacity, state, words", [(10 * GIB, "fail", "PVC_NAME=models"), (20 * GIB, "warn", "tight"), (40 * GIB, "ok", "fits"),
                                                    (None, "skipped", "the size of the claim PVC_NAME=models is not known")])
def test_a_claim(server, token, capacity, state, words):
    model(server, {"model.safetensors": weights(16_060_556_376)})
    check(server, token, PVC_NAME="models", EPHIMERAL_STORAGE_SIZE="", CLAIM_BYTES=capacity).is_("disk", state, words)


# ---- GPU memory ----


def test_weights_too_large_for_the_card(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376), "config.json": llama_config()})
    found = check(server, token, NVIDIA_GPUMEM=8192).is_("weights", "fail", "does not fit", "15 GiB", "7.6 GiB", "NVIDIA_GPUMEM=")
    assert "context" not in found.by_name
    advised = found.text("weights").split("NVIDIA_GPUMEM=")[1].split()[0]
    check(server, token, NVIDIA_GPUMEM=advised).is_("weights", "ok").is_("context", "ok", "8192 tokens")
    check(server, token, NVIDIA_GPUMEM=int(advised) * 9 // 10).is_("weights", "warn").is_("context", "warn")


def test_a_context_too_long_for_what_is_left(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376), "config.json": llama_config(max_position_embeddings=131072)})
    found = check(server, token, vllm("--gpu-memory-utilization=0.92"), NVIDIA_GPUMEM=23030)
    found.is_("weights", "ok").is_("context", "fail", "131072 tokens (the model's maximum)", "16 GiB of KV cache", "--max-model-len")
    longest = int(found.text("context").split("--max-model-len ")[1].split()[0])
    assert longest % 16 == 0
    shorter = vllm("--gpu-memory-utilization=0.92", "--max-model-len", str(longest))
    check(server, token, shorter, NVIDIA_GPUMEM=23030).is_("context", "ok", f"{longest} tokens (--max-model-len)")


def test_a_length_from_the_environment_is_named(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376), "config.json": llama_config(max_position_embeddings=131072)})
    runtime = vllm(command=["sh", "-c", "exec vllm serve /mnt/models --max-model-len ${MAX_MODEL_LEN:-131072}"])
    check(server, token, runtime, NVIDIA_GPUMEM=23030).is_("context", "fail", "ENV=MAX_MODEL_LEN=")


def test_heads_that_cannot_be_split(server, token):
    model(server)
    split = vllm("--tensor-parallel-size", "$(nvidia-smi -L | wc -l)")
    check(server, token, split, NVIDIA_GPUALLOC=4).is_("parallel", "fail", "14", "4 cards", "NVIDIA_GPUALLOC=2")
    check(server, token, split, NVIDIA_GPUALLOC=2).is_("parallel", "ok", "14 heads", "2 cards")
    check(server, token, NVIDIA_GPUALLOC=2).is_("parallel", "warn", "uses 1", "NVIDIA_GPUALLOC=1")


def test_more_cards_are_offered_where_they_help(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376), "config.json": llama_config()})
    split = vllm("--tensor-parallel-size", "$(nvidia-smi -L | wc -l)")
    found = check(server, token, split, NVIDIA_GPUMEM=16384).is_("weights", "fail", "NVIDIA_GPUALLOC=2")
    check(server, token, split, NVIDIA_GPUMEM=16384, NVIDIA_GPUALLOC=2).is_("weights", "ok").is_("context", "ok")


def test_float32_weights_are_halved_on_load(server, token):
    model(server, {"model.safetensors": weights(4 * GIB), "config.json": qwen_config(torch_dtype="float32")})
    check(server, token, NVIDIA_GPUMEM=8192).is_("weights", "ok", "2 GiB of weights")


@pytest.mark.parametrize("changes, words", [
    ({"runtime": alauda.runtimes()["mlserver"]}, "the runtime is not vLLM"),
    ({"NVIDIA_GPUALLOC": "", "NVIDIA_GPUCORES": "", "NVIDIA_GPUMEM": ""}, "no NVIDIA GPU is asked for"),
    ({"NVIDIA_GPU": 1, "NVIDIA_GPUALLOC": "", "NVIDIA_GPUCORES": "", "NVIDIA_GPUMEM": ""}, "memory of a whole card is not known"),
    ({"runtime": vllm("--cpu-offload-gb", "8")}, "--cpu-offload-gb"),
    ({"runtime": vllm("--quantization", "bitsandbytes")}, "--quantization"),
])
def test_what_cannot_be_judged_says_why(server, token, changes, words):
    model(server)
    check(server, token, **changes).is_("weights", "skipped", words).is_("files", "ok")


def test_a_whole_card_whose_memory_is_known(server, token):
    model(server, {"model.safetensors": weights(16_060_556_376), "config.json": llama_config()})
    whole = {"NVIDIA_GPU": 1, "NVIDIA_GPUALLOC": "", "NVIDIA_GPUCORES": "", "NVIDIA_GPUMEM": ""}
    check(server, token, CARD_BYTES=24 * GIB, **whole).is_("weights", "ok").is_("context", "ok")
    check(server, token, CARD_BYTES=12 * GIB, **whole).is_("weights", "fail", "use cards with")


def test_an_unknown_architecture_is_no_failure(server, token):
    model(server, {"config.json": '{"model_type": "mystery"}'})
    check(server, token).is_("weights", "ok").is_("context", "skipped", "config.json")


# ---- GGUF ----


def gguf(size: int) -> Lfs:
    """The beginning of Qwen2.5-7B as llama.cpp converts it, then nothing up to SIZE."""
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    numbers = {"block_count": 28, "context_length": 32768, "embedding_length": 3584, "attention.head_count": 28, "attention.head_count_kv": 4}
    keys = [text("general.architecture") + struct.pack("<I", 8) + text("qwen2")]
    keys += [text(f"qwen2.{name}") + struct.pack("<II", 4, value) for name, value in numbers.items()]
    keys += [text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 152064) + text("!")]
    return Lfs(b"GGUF" + struct.pack("<IQQ", 3, 339, len(keys)) + b"".join(keys), size=size)


@pytest.mark.parametrize("direct", [False, True], ids=["from-gitlab", "from-object-storage"])
def test_a_gguf_model_says_itself_what_it_needs(server, token, direct):
    server.lfs_direct_download = direct
    model(server, {"config.json": None, "tokenizer_config.json": None, "model.safetensors": None, "qwen-q4_k_m.gguf": gguf(4_683_073_536)})
    found = check(server, token, NVIDIA_GPUMEM=8192)
    found.is_("weights", "ok", "4.4 GiB").is_("context", "warn", "32768 tokens", "1.8 GiB")


def test_a_server_without_ranges_leaves_it_unknown(server, token):
    server.lfs_ranges = False
    model(server, {"config.json": None, "model.safetensors": None, "qwen-q4_k_m.gguf": gguf(4_683_073_536)})
    check(server, token, NVIDIA_GPUMEM=8192).is_("weights", "ok").is_("context", "skipped", "config.json")


# ---- other ways to the sizes ----


def test_without_graphql_the_pointers_are_read(server, token):
    model(server, {"model.safetensors": None, **sharded_weights([GIB, GIB, GIB])})
    server.fault("graphql", Status(403))
    found = check(server, token, NVIDIA_GPUMEM=8192)
    found.is_("files", "ok").is_("disk", "ok", "3 GiB").is_("weights", "ok", "3 GiB")
    assert [request.endpoint for request in server.requests].count("raw") == 6  # three texts, three pointers


def test_an_old_gitlab_that_cannot_say_large_sizes(tmp_path):
    with GitLab(tmp_path, version="15.4.0-ee") as server:
        model(server, {"model.safetensors": weights(16_060_556_376)})
        check(server, server.token()).is_("disk", "fail", "15 GiB").is_("weights", "fail", "15 GiB")


@pytest.mark.parametrize("fault", [Status(500), Html(), InvalidJson(), Reset(after=0), Truncate(40),
                                   Status(200, {"errors": [{"message": "Query has complexity of 300"}]}), Status(200, {"data": None})])
def test_bad_answers_of_graphql_fall_back_too(server, token, fault):
    model(server)
    server.fault("graphql", fault)
    check(server, token).is_("weights", "ok", "942.3 MiB").is_("disk", "ok")


def test_a_token_for_the_repository_alone(server):
    model(server, {"model.safetensors": None, **sharded_weights([GIB, GIB, GIB], missing=(3,))})
    token = server.token(scopes=("read_repository",))
    found = check(server, token, NVIDIA_GPUMEM=8192)
    found.is_("files", "fail", "model-00003-of-00003.safetensors")


def test_a_token_for_the_repository_alone_and_a_whole_model(server):
    model(server, {"model.safetensors": weights(16_060_556_376), "config.json": llama_config()})
    token = server.token(scopes=("read_repository",))
    found = check(server, token, NVIDIA_GPUMEM=8192)
    found.is_("files", "skipped", "only 1 files", "scope").is_("disk", "fail", "at least 15 GiB").is_("weights", "fail")


@pytest.mark.parametrize("endpoint, fault", [("tree", Status(500)), ("tree", Status(403)), ("tree", InvalidJson()), ("tree", Html()),
                                             ("lfs-batch", Status(501)), ("lfs-batch", Status(403)), ("lfs-batch", InvalidJson()),
                                             ("lfs-batch", Reset(after=0)), ("raw", Status(500)), ("raw", InvalidJson())])
def test_no_answer_is_never_a_failure(server, token, endpoint, fault):
    model(server)
    server.fault(endpoint, fault)
    found = check(server, token)
    assert not [item for item in found.document["findings"] if item["state"] == "fail"], found.document


def test_a_refused_batch_says_why_nothing_is_known(server, token):
    model(server)
    server.fault("lfs-batch", Status(501, {"message": "Git LFS is not enabled on this GitLab server"}))
    check(server, token).is_("files", "skipped", "Git LFS is not enabled").is_("weights", "ok")


def test_an_object_error_other_than_missing_is_unknown(server, token):
    model(server)
    server.fault("lfs-batch", MangleJson(lambda body: {"objects": [{**row, "actions": None, "error": {"code": 422, "message": "x"}}
                                                                   for row in body["objects"]]}))
    check(server, token).is_("files", "skipped")


# ---- bounds ----


def test_a_repository_of_ten_thousand_files(server, token):
    many = {f"data/part-{number:05d}.json": "{}" for number in range(10_000)}
    model(server, {**many, "model.safetensors": weights(16_060_556_376)})
    found = check(server, token)
    # the weights are found though the list was cut off long before them
    found.is_("disk", "fail", "at least 15 GiB").is_("weights", "fail", "15 GiB").is_("files", "skipped", "only")
    assert found.document["requests"] <= 30  # 13 pages of the tree, 8 of sizes, two texts, the batch
    assert found.document["max_rss_kib"] < 32 * 1024


def test_a_server_that_stalls_ends_at_the_deadline(server, token):
    model(server)
    server.fault("graphql", Stall(30))
    found = check(server, token, TIMEOUT_MS=6000)  # the request before the one that stalls must be answered by then
    assert 5900 <= found.document["took_ms"] < 15_000
    assert not [item for item in found.document["findings"] if item["state"] == "fail"]
    found.is_("files", "skipped").is_("disk", "skipped", "the time was up")


def test_a_signal_ends_the_wait(server, token):
    model(server)
    server.fault("tree", Stall(30))
    process = start(server, token)
    deadline = time.monotonic() + 20
    while not [request for request in server.requests if request.endpoint == "tree"] and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=2 * AT_ONCE)
    assert process.returncode == 10 + CANCELED, output


# ---- other sources ----


def test_a_git_url(server, token):
    project = model(server, {"model.safetensors": weights(16_060_556_376, stored=False)})
    url = f"{server.url}/{project.full_path}.git"
    found = check(server, token, MODEL_GIT_URL=url, MODEL_REPO="")
    found.is_("files", "fail", "model.safetensors").is_("disk", "fail", "15 GiB").is_("weights", "fail", "15 GiB")
    assert not [request for request in server.requests if "/api/" in request.path]


def test_a_git_url_whose_objects_are_there(server, token):
    project = model(server)
    found = check(server, token, MODEL_GIT_URL=f"{server.url}/{project.full_path}.git", MODEL_REPO="")
    found.is_("files", "ok", "6 files").is_("disk", "ok").is_("weights", "ok", "942.3 MiB").is_("context", "ok", "384 MiB")


def test_a_git_url_of_which_nothing_was_fetched(server, token):
    project = model(server)
    found = check(server, token, MODEL_GIT_URL=f"{server.url}/{project.full_path}.git", MODEL_REPO="", PIPELINE_TAG="a", LIBRARY_NAME="b")
    found.is_("files", "skipped", "MODEL_GIT_URL")
    assert list(found.by_name) == ["files"]


def test_a_storage_uri(server, token):
    found = check(server, token, STORAGE_URI="oci://registry/models/qwen:1", PIPELINE_TAG="a", LIBRARY_NAME="b")
    found.is_("files", "skipped", "STORAGE_URI")
    assert list(found.by_name) == ["files"]


def test_a_public_project_without_a_token(server):
    model(server).visibility = "public"
    check(server, None).is_("files", "ok").is_("weights", "ok")


def test_the_token_goes_to_gitlab_alone(server, token):
    server.lfs_direct_download = True
    model(server)
    check(server, token).is_("files", "ok")
    assert {request.headers.get("host") for request in server.requests} == {server.authority}
