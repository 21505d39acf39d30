"""The binary itself: what kind of file it is, what it needs, and that the checks of container/build see what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import NAME, NATIVE, ROOT, container_build, sources_directory

CHECK = ROOT / "container/lib/check_elf.py"
SIZE_LIMIT = 2_200_000
EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}

pytestmark = pytest.mark.timeout(1800)


def check_elf(file: Path, arch: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECK), "--arch", arch, *options, str(file)], capture_output=True, text=True, check=False)


def run_prefix(arch: str) -> list[str]:
    return [] if arch == NATIVE else [EMULATORS[arch]]


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


def test_says_nothing_about_the_machine_that_built_it(binary: Path):
    content = binary.read_bytes()
    home = os.environ.get("HOME", "/root").encode()
    for leak in (str(ROOT).encode() + b"/", home + b"/", b"/scratch.", b"build.static", b"/static/prefix-"):
        assert leak not in content


def test_unit_tests_pass_in_the_static_build(dist: Path, arch: str, tmp_path: Path):
    """musl and mbedTLS under the same unit tests; the other architecture under qemu-user."""
    run = container_build("--arch", arch, "--test", "--output", str(tmp_path))
    assert run.returncode == 0, run.stderr[-8000:]
    assert "Fail:               0" in run.stderr


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
    given = {"SOURCE_COMMIT": commit, "SOURCE_DATE_EPOCH": date}
    outputs = []
    try:
        for root, environment in ((ROOT, given), (checkout, {**given, "DEPLOY_INFERENCE_SERVICE_CACHE": str(cache)})):
            output = tmp_path / f"dist{len(outputs)}"
            run = container_build("--arch", NATIVE, "--output", str(output), root=root, **environment)
            assert run.returncode == 0, run.stderr
            outputs.append((output / "SHA256SUMS").read_text())
    finally:
        shutil.rmtree(cache)
    assert outputs[0] == outputs[1]
    assert f"linux-{NATIVE}/{NAME}" in outputs[0]
    assert "image.oci.tar" in outputs[0]
