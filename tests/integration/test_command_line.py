"""What a new user sees first: help, completion, the manual page. No servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import binary
from harness.binary import Binary

COMMANDS = ["deploy", "render", "diff", "wait", "rbac", "version", "help", "completion"]
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

    @pytest.mark.parametrize("arguments", [("rendr",), ("--nmaespace", "x"), ("render", "--output", "xml"), ("completion",), ("wait",)], ids=" ".join)
    def test_wrong_usage_is_exit_code_2_with_a_hint_and_nothing_on_stdout(self, tmp_path, arguments):
        shown = run(tmp_path, *arguments, NAMESPACE="demo")
        assert (shown.code, shown.output) == (2, "")
        assert "error: " in shown.log and re.search(r"hint: |; did you mean|; see |takes one of", shown.log), shown.log


class TestCompletion:
    def complete(self, directory, *words):
        """What bash offers for the last word; words are split at = as readline does."""
        script = run(directory, "completion", "bash").output
        split = [part for word in words for part in (re.split(r"(=)", word) if "=" in word else [word])]
        if split and split[-1] == "" and len(split) > 1 and split[-2] == "=":
            split = split[:-1]
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in ["deploy-inference-service", *split])
        probe = f'{script}\ncompopt() {{ :; }}\nCOMP_WORDS=({quoted}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n' \
                "_deploy_inference_service\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
        done = subprocess.run(["bash", "--norc", "-u", "-c", probe], capture_output=True, text=True, check=True, cwd=directory,
                              env={"PATH": os.environ["PATH"]})
        assert done.stderr == ""
        return done.stdout.split()

    def test_commands_and_parameters_come_first(self, tmp_path):
        offered = self.complete(tmp_path, "")
        assert set(COMMANDS) <= set(offered) and "MODEL_REPO=" in offered and "--kubeconfig" in offered

    @pytest.mark.parametrize("words, expected", [
        (("rend",), {"render"}),
        (("render", "--run"), {"--runtime-file"}),
        (("diff", "--run"), set()),
        (("render", "MODEL_REPO_"), {"MODEL_REPO_BRANCH=", "MODEL_REPO_TAG=", "MODEL_REPO_COMMIT="}),
        (("render", "UPDATE_IF_EXISTS="), {"true", "false"}),
        (("deploy", "ON_FAILURE=r"), {"rollback"}),
        (("wait", "qwen", "--for", ""), {"ready", "deleted", "failed"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("help", "ren"), {"render"}),
    ], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
    def test_words(self, tmp_path, words, expected):
        assert set(self.complete(tmp_path, *words)) == expected

    def test_files(self, tmp_path):
        (tmp_path / "my-runtime.yaml").touch()
        assert self.complete(tmp_path, "render", "--runtime-file", "my-") == ["my-runtime.yaml"]

    def test_no_secret_is_offered(self, tmp_path):
        assert "GITLAB_TOKEN=" not in self.complete(tmp_path, "deploy", "GITLAB_")

    @pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])])
    def test_script_parses(self, tmp_path, shell, check):
        script = tmp_path / "script"
        script.write_text(run(tmp_path, "completion", shell).output)
        assert "deploy-inference-service" in script.read_text()
        if shutil.which(check[0]) is None:
            assert shell != "bash"
            return
        done = subprocess.run([*check, str(script)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


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
