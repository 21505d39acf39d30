"""The binary itself: what kind of file it is, what it needs, and that the checks of container/build see what is wrong."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .conftest import ARCHS, NAME, NATIVE, ROOT, StaticBuild, container_build, run_prefix, sources_directory

CHECK = ROOT / "container/lib/check_elf.py"
SIZE_LIMIT = 2_200_000
pytestmark = pytest.mark.timeout(1800)


def check_elf(file: Path, arch: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECK), "--arch", arch, *options, str(file)], capture_output=True, text=True, check=False)


def test_is_a_hardened_static_pie_within_the_size_budget(binary: Path, arch: str):
    checked = check_elf(binary, arch, "--limit", str(SIZE_LIMIT))
    assert checked.returncode == 0, checked.stderr
    # A second opinion that does not share our code.
    segments = subprocess.run(["readelf", "-lW", str(binary)], check=True, capture_output=True, text=True).stdout
    assert "INTERP" not in segments
    assert "GNU_RELRO" in segments
    assert "NEEDED" not in subprocess.run(["readelf", "-dW", str(binary)], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["-pie", "-fPIE"], "asks for a dynamic linker"),
        (["-pie", "-fPIE"], "needs a shared library"),
        (["-static", "-no-pie"], "not position-independent"),
        (["-static-pie", "-fPIE", "-Wl,-z,execstack"], "executable stack"),
        (["-static-pie", "-fPIE", "-Wl,-z,norelro"], "no RELRO segment"),
        (["-static-pie", "-fPIE", "-Wl,-z,lazy"], "RELRO without immediate binding"),
        (["-shared", "-fPIC"], "a shared library, not an executable"),
    ],
)
def test_the_check_names_what_is_wrong_with_other_programs(tmp_path: Path, flags: list[str], fault: str):
    program = tmp_path / "program"
    subprocess.run(["gcc", *flags, "-x", "c", "-o", str(program), "-"], input="int main(void) { return 0; }", text=True, check=True)
    checked = check_elf(program, NATIVE)
    assert checked.returncode == 1
    assert fault in checked.stderr


def test_the_check_refuses_a_file_over_its_limit(native_binary: Path):
    size = native_binary.stat().st_size
    checked = check_elf(native_binary, NATIVE, "--limit", str(size - 1))
    assert checked.returncode == 1
    assert f"{size} bytes, over the limit of {size - 1}" in checked.stderr
    assert check_elf(native_binary, NATIVE, "--limit", str(size)).returncode == 0


def test_version_runs_alone_in_an_empty_root_as_another_user(native_binary: Path, tmp_path: Path):
    """No library, no /etc, no /tmp, no /proc, no HOME, nothing writable."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(native_binary, root / NAME)
    for parent in (root, *root.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(0o755)
    run = subprocess.run(
        ["chroot", "--userspec=65532:65532", "--groups=", str(root), f"/{NAME}", "version"],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "mbedTLS/3.6." in run.stdout
    assert sorted(path.name for path in root.iterdir()) == [NAME]


def test_version_runs_on_each_architecture(binary: Path, arch: str):
    run = subprocess.run([*run_prefix(arch), str(binary), "version"], env={}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert NAME in run.stdout


# ---- the start ----

COMMANDS = (["version"], ["help"], ["help", "deploy"], ["completion", "bash"], ["rbac", "-n", "demo"])


def traced(binary: Path, *arguments: str) -> list[str]:
    run = subprocess.run(["strace", "-f", "-qq", str(binary), *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [line for line in run.stderr.splitlines() if re.match(r"(\[pid +\d+\] )?\w+\(", line)]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_without_network_starts_no_tls_no_thread_and_reads_no_certificates(native_binary: Path, arguments: list[str]):
    """mbedTLS would seed its random numbers, libcurl would make a socket and read /etc/ssl; libgit2 would read its configuration."""
    calls = traced(native_binary, *arguments)
    opened = [call for call in calls if re.match(r"open(at)?\(", call)]
    assert all("/dev/urandom" in call for call in opened), opened  # jansson's hash seed, four bytes
    for unwanted in ("socket", "getrandom", "clone", "connect", "pipe", "eventfd2"):
        assert not [call for call in calls if call.startswith(unwanted + "(")], unwanted
    assert len(calls) <= 60, calls


def test_relocates_itself_without_symbols(binary: Path, arch: str):
    """Relative relocations only: a symbolic one would mean a look-up at each start. Packed where the linker can (Debian 12's: amd64)."""
    listed = subprocess.run(["readelf", "-rW", str(binary)], check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"\bR_\w+", listed)) <= {"R_X86_64_RELATIVE", "R_AARCH64_RELATIVE"}
    if arch == "amd64":
        assert re.findall(r"^Relocation section '(\S+)'", listed, re.M) == [".relr.dyn"]


def test_a_start_touches_few_pages(native_binary: Path):
    """A page fault is a microsecond and a page of memory. 72 as measured, Linux 6.18 on x86-64."""
    run = subprocess.run(["/usr/bin/time", "-f", "%R", str(native_binary), "version"], capture_output=True, text=True, check=True)
    assert int(run.stderr.split()[-1]) <= 100


def may_dump() -> None:
    """As in a shell: commands in the background of a script ignore SIGQUIT, and so do their children."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_leaves_no_core_file_whatever_the_limit(native_binary: Path):
    """Memory holds a token. A server that never answers keeps the program busy while it is killed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = json.dumps({"clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{silent.getsockname()[1]}"}}],
                             "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "demo"}}],
                             "users": [{"name": "u", "user": {"token": "secret"}}], "current-context": "c"})
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "kubeconfig").write_text(config)
            process = subprocess.Popen(
                [str(native_binary), "wait", "qwen", f"--kubeconfig={directory}/kubeconfig"], cwd=directory, stderr=subprocess.DEVNULL,
                preexec_fn=may_dump)
            connection, _ = silent.accept()
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            process.send_signal(signal.SIGQUIT)
            _, status = os.waitpid(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            connection.close()
            assert os.listdir(directory) == ["kubeconfig"]
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status)
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_says_nothing_about_the_machine_that_built_it(binary: Path):
    content = binary.read_bytes()
    home = os.environ.get("HOME", "/root").encode()
    for leak in (str(ROOT).encode() + b"/", home + b"/", b"/scratch.", b"build.static", b"/static/prefix-"):
        assert leak not in content


def test_unit_tests_pass_in_the_static_build(static_build: StaticBuild):
    """musl and mbedTLS under the same unit tests; the other architecture under qemu-user."""
    assert static_build.run.returncode == 0, static_build.run.stderr[-8000:]
    assert static_build.run.stderr.count("Fail:               0") == len(ARCHS)
    for arch in ARCHS:
        assert f"container/build: {arch}: unit tests" in static_build.run.stderr


def test_a_second_build_elsewhere_with_an_empty_cache_gives_the_same_bytes(dist: Path, tmp_path: Path):
    checkout = tmp_path / "another" / "checkout"
    tracked = ["container", "include", "src", "LICENSE", "meson.build", "meson.options", "meson_options.txt"]
    checkout.mkdir(parents=True)
    for name in tracked:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name)
        else:
            shutil.copy(source, checkout / name, follow_symlinks=True)
    cache = tmp_path / "cache"
    # The downloads may be shared; the libraries are built anew.
    shutil.copytree(sources_directory(), cache / "static/sources")
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--verify", "--quiet", "HEAD"], capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    date = subprocess.run([*git, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False).stdout.strip() or "0"
    output = tmp_path / "dist"
    options = [option for arch in reversed(ARCHS) for option in ("--arch", arch)]
    try:
        run = container_build(*options, "--output", str(output), root=checkout, SOURCE_COMMIT=commit, SOURCE_DATE_EPOCH=date,
                              DEPLOY_INFERENCE_SERVICE_CACHE=str(cache))
    finally:
        shutil.rmtree(cache)
    assert run.returncode == 0, run.stderr[-8000:]
    assert (output / "SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()
    listed = (output / "SHA256SUMS").read_text()
    assert "image.oci.tar" in listed
    assert all(f"linux-{arch}/{NAME}" in listed for arch in ARCHS)
