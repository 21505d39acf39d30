"""What a new user sees first: help, completion, the manual page. No servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from harness import binary
from harness.binary import Binary

COMMANDS = ["deploy", "render", "diff", "preflight", "wait", "rbac", "version", "help", "completion"]
WIDTH = 100


def run(directory, *arguments, **parameters):
    return Binary(Path(tempfile.mkdtemp(dir=directory))).run(*arguments, results=False, **parameters)


class TestHelp:
    @pytest.mark.parametrize("arguments", [("help",), ("--help",), *(("help", command) for command in COMMANDS)], ids=" ".join)
    def test_fits_the_width_and_tells_every_parameter(self, tmp_path, arguments, binary_help):
        shown = run(tmp_path, *arguments)
        assert shown.code == 0 and shown.log == ""
        assert [line for line in shown.output.splitlines() if len(line) > WIDTH] == []
        assert [line for line in shown.output.splitlines() if line != line.rstrip()] == []
        for parameter in binary_help["parameters"]:
            if len(arguments) == 2 and arguments[1] in parameter["commands"]:
                name = "--" + parameter["name"] if parameter["option"] else parameter["name"] + "="
                assert name in shown.output, name

    @pytest.mark.parametrize("command", COMMANDS)
    def test_option_and_command_are_the_same(self, tmp_path, command):
        assert run(tmp_path, command, "--help").output == run(tmp_path, "help", command).output != ""

    def test_unknown_command_suggests(self, tmp_path):
        shown = run(tmp_path, "help", "rendr")
        assert shown.code == 2 and "rendr" in shown.log and "render" in shown.log

    @pytest.mark.parametrize("arguments", [("rendr",), ("--nmaespace", "x"), ("render", "--output", "xml"), ("completion",), ("wait",), ("help", "a", "b"),
                                           ("completion", "zhs"), ("wait", "../x"), ("wait", "a", "b"), ("rbac", "--service-account", "a b")], ids=" ".join)
    def test_wrong_usage_is_exit_code_2_with_a_hint_and_nothing_on_stdout(self, tmp_path, arguments):
        shown = run(tmp_path, *arguments, NAMESPACE="demo")
        assert (shown.code, shown.output) == (2, "")
        assert "error: " in shown.log and re.search(r"hint: |; did you mean|; see ", shown.log), shown.log

    @pytest.mark.parametrize("arguments, said", [
        (("template",), "did you mean the command render?"),
        (("aply",), "\"aply\" is no command"),
        (("deploy", "qwen"), "INFERENCE_SERVICE_NAME=qwen"),
        (("render", "BRANCH=main"), "did you mean MODEL_REPO_BRANCH?"),
        (("render", "model_repo=a"), "did you mean MODEL_REPO?"),
        (("render", "MODEL_GIT_URL=git@git.example.com:a/b.git"), "use https://git.example.com/a/b.git"),
        (("render", "MODEL_GIT_URL=/srv/clone"), "a clone on this machine is MODEL_DIR"),
        (("deploy", "--results-dir", "/does/not/exist"), "--results-dir /does/not/exist is no directory"),
        (("wait", "qwen", "--results-dir", "/dev/null"), "--results-dir /dev/null is no directory"),
        (("render", "kubeconfig=a"), "it is an option: --kubeconfig"),
        (("render", "=a"), "the parameter's name is missing"),
        (("deploy", "--dry-run"), "render prints"),
        (("render", "--cpu-limits", "5"), "did you mean --cpu-limit?"),
        (("render", "--replay", "a"), "it belongs to wait"),
        (("render", "-n"), "-n needs a value; write -n NAME"),
        (("render", "--", "--offline"), "takes no word \"--offline\""),
        (("help", "rendr"), "did you mean render?"),
        (("completion", "zhs"), "did you mean zsh?"),
        (("completion", "tcsh"), "it takes one of bash, zsh, fish"),
        (("help", "deploy", "-o", "json"), "tells of all commands"),
        (("rbac",), "error: NAMESPACE is not set"),
        (("rbac", "--kubeconfig", "nosuch"), "cannot read nosuch"),
    ], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
    def test_what_was_meant_is_suggested(self, tmp_path, arguments, said):
        shown = run(tmp_path, *arguments)
        assert shown.code == 2 and said in shown.log, shown.log

    def test_a_value_of_the_environment_is_told_as_such(self, tmp_path):
        shown = Binary(tmp_path).run("render", results=False, env={"CPU_LIMIT": "x", "ENV": "production"}, MEMORY_LIMIT="y")
        lines = [line for line in shown.log.splitlines() if "from the environment" in line]
        assert len(lines) == 2 and "CPU_LIMIT" in "".join(lines) and "ENV" in "".join(lines), shown.log

    @pytest.mark.parametrize("command", ["render", "diff", "preflight", "rbac", "version"])
    def test_an_unknown_format_is_told_once_with_those_that_there_are(self, tmp_path, command):
        shown = run(tmp_path, command, "-o", "xml", NAMESPACE="demo")
        assert (shown.code, shown.output) == (2, "")
        assert shown.log.count('-o is "xml"') == 1 and "json" in shown.log, shown.log

    def test_an_unknown_option_does_not_make_its_value_a_second_mistake(self, tmp_path):
        shown = run(tmp_path, "wait", "qwen", "--tiemout", "5m")
        assert "1 problem with" in shown.log, shown.log

    def test_another_shell_is_not_taken_for_a_typo(self, tmp_path):
        assert "did you mean" not in run(tmp_path, "completion", "tcsh").log

    def test_no_cluster_is_local_configuration_and_the_hint_says_what_to_do(self, tmp_path):
        shown = run(tmp_path, "deploy", "INFERENCE_SERVICE_NAME=qwen", "MODEL_REPO=qwen", "RUNTIME_CLASS=vllm")
        assert shown.code == 2 and "hint: name one with --kubeconfig or KUBECONFIG (looked at: " in shown.log, shown.log

    def test_the_number_of_problems_is_that_of_the_errors_shown(self, tmp_path):
        shown = run(tmp_path, "deploy", "INFERENCE_SERVICE_NAME=qwen")
        assert shown.log.count("error: ") == 4 and "no Kubernetes cluster" in shown.log and "error: 3 problems with" in shown.log, shown.log

    @pytest.mark.parametrize("arguments", [("deploy", "--dry-run"), ("deploy", "qwen"), ("render", "BRANCH=main"),
                                           ("render", "--offline", "--frobnicate")], ids=" ".join)
    def test_a_typo_is_not_buried_under_what_is_missing(self, tmp_path, arguments):
        shown = run(tmp_path, *arguments)
        assert shown.code == 2 and shown.log.count("error: ") == 2 and "error: 1 problem with" in shown.log, shown.log

    def test_a_typo_does_not_hide_what_is_wrong_with_other_parameters(self, tmp_path):
        shown = run(tmp_path, "render", "--frobnicate", "MODEL_REPO=/", "CPU_LIMIT=x")
        assert all(word in shown.log for word in ("--frobnicate", "MODEL_REPO", "CPU_LIMIT", "3 problems")), shown.log

    def test_a_bad_value_and_what_is_missing_are_told_together(self, tmp_path):
        shown = run(tmp_path, "deploy", "UPDATE_IF_EXISTS=maybe", "MODEL_REPO=qwen")
        assert all(word in shown.log for word in ("UPDATE_IF_EXISTS", "INFERENCE_SERVICE_NAME is not set", "RUNTIME_CLASS")), shown.log

    def test_json_of_all_parameters_as_other_commands_have_it(self, tmp_path):
        shown = run(tmp_path, "help", "-o", "json")
        assert shown.code == 0 and shown.output == run(tmp_path, "help", "json").output != ""

    def test_a_secret_is_shown_as_what_only_the_environment_gives(self, tmp_path):
        assert "  environment: GITLAB_TOKEN=TOKEN" in run(tmp_path, "help", "deploy").output

    def test_the_values_of_verify_endpoint_are_told_once(self, tmp_path):
        assert run(tmp_path, "render", "VERIFY_ENDPOINT=yes").log.count("external") == 1

    @pytest.mark.parametrize("arguments", [(), ("deploy", "qwen", "--dry-run"), ("rendr",), ("wait", "x" * 300, "-n", "A"), ("rbac", "-n", "A" * 90),
                                           ("render", "CPU_LIMIT=x", "MODEL_REPO=/", "STORAGE_URI=a b", "ENV=x", "NVIDIA_GPU=1.5", "TIMEOUT=1")], ids=" ".join)
    def test_messages_fit_the_width(self, tmp_path, arguments):
        shown = run(tmp_path, *arguments)
        assert shown.code == 2
        # a word is never broken: a name or path can be longer than a line
        assert [line for line in shown.raw_log.splitlines() if len(line) > WIDTH and " " in line.strip()[:WIDTH - 10].removeprefix("error: ")] == []

    def test_options_have_their_letters(self, tmp_path):
        shown = run(tmp_path, "help", "render").output
        assert "-n NAME, NAMESPACE=NAME" in shown and "-o, --output FORMAT" in shown and "yaml (default) or json" in shown
        page = run(tmp_path, "help", "man").output
        assert "\\-o, \\-\\-output FORMAT" in page

    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_has_examples(self, tmp_path, command):
        shown = run(tmp_path, "help", command).output
        assert re.search(rf"^Examples:\n(  .*\n)*?  .*deploy-inference-service {'' if command == 'deploy' else command}", shown, re.M), shown


TRANSCRIPTS = Path(__file__).resolve().parents[1] / "unit" / "deploy" / "transcripts"
HEADER = '{"transcript": 1, "target": {"name": "qwen", "namespace": "demo"}}'


def one_line(text):
    return " ".join(text.split())


def replay(directory, text, *arguments, **parameters):
    file = directory / "record.jsonl"
    file.write_text(text)
    return Binary(Path(tempfile.mkdtemp(dir=directory))).run("wait", "--replay", str(file), *arguments, **parameters)


class TestReplay:
    """Recorded rollouts judged again, without a cluster."""

    @pytest.mark.parametrize("name", ["nothing-created", "gpu-deadlock", "exit-137", "hami-CardCordoned"])
    def test_says_what_to_do_also_where_the_record_ends_undecided(self, tmp_path, name):
        record = (TRANSCRIPTS / f"{name}.jsonl").read_text()
        expect = next(line["expect"] for line in map(json.loads, record.splitlines()) if "expect" in line)
        shown = replay(tmp_path, record)
        assert shown.code == (7 if expect["state"] == "failed" else 8), shown.log
        hint = one_line(shown.log.partition("hint: ")[2])
        assert expect["hint"] and expect["hint"] in hint and expect["cause"] in one_line(shown.log), shown.log

    def test_the_example_of_the_format_is_true(self, tmp_path):
        page = (TRANSCRIPTS / "README.md").read_text()
        record = re.search(r"```jsonl\n(.*?)```", page, re.S).group(1)
        output = re.search(r"```text\n(.*?)```", page, re.S).group(1)
        shown = replay(tmp_path, record)
        assert (shown.code, shown.raw_log) == (7, output)
        assert shown.results["overview-markdown"].startswith("### \u274c demo/qwen failed")

    def test_every_patience_is_described(self, tmp_path):
        page = (TRANSCRIPTS / "README.md").read_text()
        told = dict(re.findall(r"^\| `(\w+)` \| `([a-z-]+)` \| \d", page, re.M))
        assert len(told) == 12
        for key, name in told.items():
            known = replay(tmp_path, f'{{"transcript": 1, "target": {{"name": "q"}}, "patience": {{"{key}": 1}}}}\n', PATIENCE=f"{name}={'1' if 'Ms' not in key else '1s'}")
            assert known.code == 8, known.log

    def test_for_is_as_on_a_cluster(self, tmp_path):
        failed, deleted = ((TRANSCRIPTS / f"{name}.jsonl").read_text() for name in ("exit-137", "deleted"))
        assert replay(tmp_path, failed, "--for=failed").code == 0
        assert replay(tmp_path, deleted, "--for=deleted").code == 0
        assert replay(tmp_path, failed, "--for=deleted").code == 8

    def test_patience_that_is_given_goes_before_the_recorded(self, tmp_path):
        lines = (TRANSCRIPTS / "exit-137.jsonl").read_text().splitlines(keepends=True)
        header = json.loads(lines[0]) | {"patience": {"crashRestarts": 50}}
        patient = json.dumps(header) + "\n" + "".join(lines[1:])
        assert replay(tmp_path, patient).code == 8
        assert replay(tmp_path, patient, PATIENCE="crash-restarts=3").code == 7
        assert replay(tmp_path, "".join(lines), PATIENCE="crash-restarts=50").code == 8
        assert replay(tmp_path, patient, PATIENCE="image-pull=3s").code == 8

    def test_what_cannot_apply_is_refused_in_one_report(self, tmp_path):
        shown = replay(tmp_path, HEADER + "\n", "other", "--record=x", VERIFY_ENDPOINT="true", PATIENCE="foo=1", NAMESPACE="elsewhere")
        assert shown.code == 2 and "5 problems" in shown.log, shown.log
        for said in ("--record", "VERIFY_ENDPOINT", '"foo"', "of qwen, not of other", "of demo, not of elsewhere"):
            assert said in one_line(shown.log), shown.log

    def test_the_environment_of_other_runs_does_not_matter(self, tmp_path):
        others = {"VERIFY_ENDPOINT": "true", "NAMESPACE": "elsewhere", "INFERENCE_SERVICE_NAME": "other"}
        shown = replay(tmp_path, (TRANSCRIPTS / "exit-137.jsonl").read_text(), env=others)
        assert shown.code == 7 and "demo/qwen" in shown.results["overview-markdown"], shown.log

    def test_results_name_the_service(self, tmp_path):
        shown = replay(tmp_path, (TRANSCRIPTS / "exit-137.jsonl").read_text())
        assert "demo/qwen" in shown.results["overview-markdown"] and shown.results["runtime"] == "vllm-cuda-12"

    @pytest.mark.parametrize("text, said", [
        ('{"transcript": 2}\n', "says version 2; this program reads version 1"),
        ('{"transcript": 1, "target": {"name": "q", "nmespace": "x"}}\n', "did you mean namespace?"),
        ('{"transcript": 1, "target": {"name": "q"}, "patience": {"image-pull": 2}}\n', "did you mean imagePullMs?"),
        ('{"transcript": 1, "target": {"name": "q"}, "patience": {"mountMs": "2m"}}\n', "patience.mountMs must be a whole number"),
        (HEADER + '\n{"at": 1, "kind": "Pid", "change": "ADDED"}\n', '"kind": "Pid" hint: one of InferenceService, Deployment'),
        (HEADER + '\n{"at": 1, "kind": "Pod", "change": "GONE"}\n', '"change": "GONE" hint: one of ADDED, MODIFIED'),
        (HEADER + '\n{"kind": "Pod", "change": "ADDED"}\n', 'line 2 of the transcript needs "at"'),
        (HEADER + '\nnonsense\n', "line 2 of the transcript is no JSON"),
    ])
    def test_a_mistake_is_named(self, tmp_path, text, said):
        shown = replay(tmp_path, text)
        assert shown.code == 2 and said in one_line(shown.log), shown.log

    def test_a_cut_last_line_is_passed_over(self, tmp_path):
        shown = replay(tmp_path, HEADER + '\n{"at": 1, "kind": "InferenceService", "change": "SYNCED"}\n{"at": 2, "ki')
        assert shown.code == 8 and "warning: line 3, the last one, is cut" in shown.log, shown.log
        assert "the record ends before the rollout was decided" in shown.log

    def test_standard_input(self, tmp_path):
        done = subprocess.run([binary.path(), "wait", "--replay", "-"], input=(TRANSCRIPTS / "exit-137.jsonl").read_text(), capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"]})
        assert done.returncode == 7 and "the recorded rollout failed" in done.stderr


ZSH_PROBE = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; autoload -Uz compinit && compinit -u -D; source $SCRIPT"
# what would be offered goes to a file instead of the terminal
zpty -w shell 'compadd () { if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
typeset -a hits; builtin compadd -A hits "$@"; (( $#hits )) && print -rl -- $hits >> $OFFERED; (( $#hits )); }'
zpty -w shell 'offered () { zle complete-word; print >> $OFFERED.done; }; zle -N offered; bindkey "^I" offered; print > $OFFERED.ready'
for i in {1..500}; do [[ -e $OFFERED.ready ]] && break; sleep 0.05; done
zpty -w -n shell "$1"$'\t'
for i in {1..500}; do [[ -e $OFFERED.done ]] && break; sleep 0.05; done
zpty -d shell
"""


def bash_offers(directory, script, words):
    """Words are split at = as readline does."""
    split = [part for word in words for part in (re.split(r"(=)", word) if "=" in word else [word])]
    if split and split[-1] == "" and len(split) > 1 and split[-2] == "=":
        split = split[:-1]
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in ["deploy-inference-service", *split])
    probe = f'{script.read_text()}\ncompopt() {{ :; }}\nCOMP_WORDS=({quoted}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n' \
            "_deploy_inference_service\n((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    done = subprocess.run(["bash", "--norc", "-u", "-c", probe], capture_output=True, text=True, check=True, cwd=directory,
                          env={"PATH": os.environ["PATH"]})
    assert done.stderr == ""
    return done.stdout.splitlines()


def zsh_offers(directory, script, words):
    offered = Path(tempfile.mkdtemp(dir=directory)) / "offered"
    subprocess.run(["zsh", "-f", "-c", ZSH_PROBE, "zsh", " ".join(["deploy-inference-service", *words])], check=True, cwd=directory, timeout=90,
                   env={"PATH": os.environ["PATH"], "HOME": str(directory), "TERM": "dumb", "SCRIPT": str(script), "OFFERED": str(offered)})
    assert Path(f"{offered}.done").exists(), "zsh did not come to the end"
    return offered.read_text().splitlines() if offered.exists() else []


def fish_offers(directory, script, words):
    line = " ".join(["deploy-inference-service", *words])
    done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], capture_output=True, text=True, check=True, cwd=directory,
                          env={"PATH": os.environ["PATH"], "HOME": str(directory), "TERM": "dumb"})
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


SHELLS = {"bash": bash_offers, "zsh": zsh_offers, "fish": fish_offers}


@pytest.fixture(params=list(SHELLS))
def shell(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


class TestCompletion:
    def offers(self, directory, shell, *words):
        script = directory / "completion"
        script.write_text(run(directory, "completion", shell).output)
        return SHELLS[shell](directory, script, words)

    def test_commands_and_parameters_come_first(self, tmp_path, shell):
        offered = self.offers(tmp_path, shell, "")
        assert set(COMMANDS) <= set(offered) and "MODEL_REPO=" in offered

    @pytest.mark.parametrize("words, expected", [
        (("rend",), {"render"}),
        (("render", "--run"), {"--runtime-file", "--runtime-name", "--runtime-class"}),
        (("diff", "--run"), {"--runtime-name", "--runtime-class"}),
        (("-n", "demo", "di"), {"diff"}),
        (("-n", "demo", "render", "--offl"), {"--offline"}),
        (("render", "MODEL_REPO_"), {"MODEL_REPO_BRANCH=", "MODEL_REPO_TAG=", "MODEL_REPO_COMMIT="}),
        (("deploy", "--color", ""), {"auto", "always", "never"}),
        (("wait", "qwen", "--for", "d"), {"deleted"}),
        (("render", "-o", ""), {"yaml", "json"}),
        (("diff", "--output", ""), {"text", "json"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("help", "ren"), {"render"}),
        (("help", ""), {*COMMANDS, "man", "json"}),
        (("help", "deploy", ""), set()),
        (("completion", "zsh", ""), set()),
        (("deploy", "GITLAB_TOK"), {"GITLAB_TOKEN_FILE="}),  # no secret
        (("render", "--runtime-file", "my-r"), {"my-runtime.yaml"}),
        (("render", "--model-dir", "mod"), {"models/"}),
    ], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
    def test_words(self, tmp_path, shell, words, expected):
        (tmp_path / "my-runtime.yaml").touch()
        (tmp_path / "models").mkdir()
        (tmp_path / "model.txt").touch()
        offered = {word.rstrip("/") + "/" if word.rstrip("/") == "models" else word for word in self.offers(tmp_path, shell, *words)}
        assert offered == expected

    @pytest.mark.parametrize("words, expected", [
        (("render", "UPDATE_IF_EXISTS="), {"true", "false"}),
        (("deploy", "ON_FAILURE=r"), {"rollback"}),
        (("wait", "qwen", "--for=f"), {"failed"}),
    ], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
    def test_values_behind_an_equals_sign(self, tmp_path, shell, words, expected):
        offered = {word.split("=")[-1] for word in self.offers(tmp_path, shell, *words)}
        assert offered - {""} == expected


class TestManualPage:
    def test_roff_has_no_warnings_and_tells_every_parameter(self, tmp_path, binary_help):
        page = run(tmp_path, "help", "man").output
        done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-P-cbou", "-rLL=100n"], input=page, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        text = done.stdout
        for parameter in binary_help["parameters"]:
            assert parameter["name"] in text, parameter["name"]
        for section in ("NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS"):
            assert re.search(rf"^{section}$", text, re.M), section
        assert [line for line in text.splitlines() if len(line) > WIDTH] == []


class TestTerminal:
    def colored(self, tmp_path, env):
        """Standard error on a pseudo terminal."""
        import pty

        master, slave = pty.openpty()
        with os.fdopen(master, "rb", buffering=0) as reader:
            process = subprocess.Popen([binary.path(), "render"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave,
                                       env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env})
            os.close(slave)
            shown = b""
            try:
                while chunk := reader.read(4096):
                    shown += chunk
            except OSError:  # the terminal is gone with its last writer
                pass
            process.communicate()
        assert process.returncode == 2
        return b"\033[" in shown

    @pytest.mark.parametrize("env, expected", [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
                             ids=["xterm", "NO_COLOR", "dumb", "no TERM"])
    def test_color_follows_the_terminal(self, tmp_path, env, expected):
        assert self.colored(tmp_path, env) is expected


    @pytest.mark.parametrize("columns", [40, 64])
    def test_lines_fit_a_narrow_terminal(self, tmp_path, columns):
        import fcntl
        import pty
        import struct
        import termios

        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([binary.path(), "version", "--frobnicate"], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                   env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"})
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 4096):
                shown += chunk
        except OSError:
            pass
        os.close(master)
        assert process.wait() == 2
        lines = shown.decode().splitlines()
        assert len(lines) > 3 and max(map(len, lines)) <= columns, lines


class TestStreams:
    def start(self, tmp_path, *arguments, **streams):
        return subprocess.run([binary.path(), *arguments], stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, **streams)

    @pytest.mark.parametrize("command", ["help", "version", "completion bash", "rbac -n demo"])
    def test_full_disk_is_an_error(self, tmp_path, command):
        with open("/dev/full", "w") as full:
            done = self.start(tmp_path, *command.split(), stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "No space left on device" in done.stderr

    def test_a_reader_that_has_seen_enough_ends_it_quietly(self, tmp_path):
        reader, writer = os.pipe()
        os.close(reader)
        done = self.start(tmp_path, "help", "man", stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")

    def test_closed_standard_output_is_an_error(self, tmp_path):
        done = subprocess.run(["sh", "-c", f"exec {binary.path()} version >&-"], capture_output=True, text=True)
        assert done.returncode == 1 and "standard output" in done.stderr

    def test_closed_standard_error_does_not_spoil_other_files(self, tmp_path):
        out = tmp_path / "out"
        done = subprocess.run(["sh", "-c", f"exec {binary.path()} rbac -n demo <&- >{out} 2>&-"], env={"PATH": os.environ["PATH"]})
        assert done.returncode == 0
        assert [item["kind"] for item in yaml.safe_load_all(out.read_text())] == ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]
