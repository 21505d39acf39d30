"""The rules of the house, read from the tree: layers, who may see which library, mutable data, banned calls, sizes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.c")) + sorted((ROOT / "src").rglob("*.h"))
HEADERS = sorted((ROOT / "include").rglob("*.h"))

# A layer may include itself and the layers named here. `model` and `kube` do not know each other.
LAYERS = {
    "base": set(),
    "net": {"base"},
    "kube": {"net", "base"},
    "model": {"net", "base"},
    "deploy": {"model", "kube", "net", "base"},
    "cli": {"deploy", "model", "kube", "net", "base"},
}

# Who may see a library's header.
LIBRARIES = {
    "curl/": {"net"},
    "git2": {"model"},
    "yaml.h": {"base"},
}

BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "atof", "system", "popen", "gets", "getenv",
          "strtol", "strtoul", "alloca", "tmpnam", "mktemp"]


def layer_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 and parts[1] in LAYERS else None


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(encoding="utf-8"), re.M)


def test_layers_point_down_only():
    wrong = []
    for path in SOURCES + HEADERS:
        layer = layer_of(path)
        if layer is None:
            continue
        for name in includes(path):
            target = name.split("/")[0]
            if target in LAYERS and "/" in name and target != layer and target not in LAYERS[layer]:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong, "\n".join(wrong)


def test_each_library_is_seen_by_one_layer():
    wrong = []
    for path in SOURCES + HEADERS:
        for name in includes(path):
            for library, layers in LIBRARIES.items():
                if name.startswith(library) and layer_of(path) not in layers:
                    wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_each_header_compiles_alone(compiler, tmp_path):
    wrong = []
    for header in HEADERS:
        source = tmp_path / "alone.c"
        name = header.relative_to(ROOT / "include")
        source.write_text(f'#include "{name}"\n#include "{name}"\n')
        result = subprocess.run([compiler, "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                                 f"-I{ROOT / 'include'}", str(source)], capture_output=True, text=True)
        if result.returncode != 0:
            wrong.append(result.stderr)
    assert not wrong, "\n".join(wrong)


def test_no_mutable_globals():
    """Sections .data and .bss of our own objects are empty (constant tables with pointers are in .data.rel.ro)."""
    build = Path(os.environ["BUILD_DIR"])
    objects = [path for path in build.glob("src/**/*.o")]
    assert objects, f"no objects below {build}"
    wrong = []
    for path in objects:
        listing = subprocess.run(["size", "-A", str(path)], capture_output=True, text=True, check=True).stdout
        for section, size in re.findall(r"^(\.(?:data|bss)(?:\.(?!rel\.ro)\S+)?)\s+(\d+)", listing, re.M):
            if int(size) > 0:
                wrong.append(f"{path.name}: {section} has {size} bytes")
    assert not wrong, "\n".join(wrong)


def without_comments_and_strings(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group().count("\n"), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text)


def test_banned_functions_are_not_called():
    wrong = []
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for path in SOURCES + HEADERS:
        for number, line in enumerate(without_comments_and_strings(path.read_text(encoding="utf-8")).splitlines(), 1):
            for match in pattern.finditer(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {match.group(1)}")
    assert not wrong, "\n".join(wrong)


def test_library_code_does_not_print():
    wrong = []
    pattern = re.compile(r"(?<![\w.>])(printf|puts|putchar|fprintf|fputs|perror)\s*\(")
    for path in SOURCES:
        if layer_of(path) in (None, "cli"):
            continue
        for number, line in enumerate(without_comments_and_strings(path.read_text(encoding="utf-8")).splitlines(), 1):
            if pattern.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_files_stay_small():
    wrong = [f"{path.relative_to(ROOT)}: {count} lines" for path in SOURCES + HEADERS
             if (count := len(path.read_text(encoding="utf-8").splitlines())) > 600]
    assert not wrong, "\n".join(wrong)


def test_formatting():
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed")
    files = [str(path) for path in SOURCES + HEADERS + sorted((ROOT / "tests").rglob("*.c")) + sorted((ROOT / "tests").rglob("*.h"))]
    result = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[:4000]


@pytest.mark.timeout(900)
def test_clang_tidy():
    if shutil.which("clang-tidy") is None:
        pytest.skip("clang-tidy is not installed")
    build = Path(os.environ["CLANG_BUILD_DIR"])  # flags that clang itself takes
    files = [str(path) for path in sorted((ROOT / "src").rglob("*.c"))]
    half = (len(files) + 1) // 2
    runs = [subprocess.Popen(["clang-tidy", "--quiet", "-p", str(build), *part], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for part in (files[:half], files[half:]) if part]
    outputs = [run.communicate()[0] for run in runs]
    assert all(run.returncode == 0 for run in runs), "\n".join(outputs)[:8000]


def test_shell_scripts():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\n")
    scripts = []
    for name in filter(None, listed):
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        head = path.open("rb").readline(100)
        if name.endswith(".sh") or re.match(rb"#!.*\b(ba|da)?sh\b", head):
            scripts.append(str(path))
    assert scripts
    result = subprocess.run(["shellcheck", "-x", "-S", "warning", "-P", str(ROOT), *scripts], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[:4000]


def test_the_tree_names_no_machine():
    """Public tree: no home directories, no work directories, no package registry hosts."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\n")
    pattern = re.compile("/" + r"root/|/" + r"work/main|/" + r"home/\w+/|deb\." + r"debian\.org|proxy\." + r"golang\.org|files\." + r"pythonhosted\.org")
    wrong = []
    for name in filter(None, listed):
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        text = path.read_bytes()
        if b"\0" in text[:1024]:
            continue
        for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                wrong.append(f"{name}:{number}: {line.strip()[:120]}")
    assert not wrong, "\n".join(wrong)


def test_readme_tables_are_those_of_the_program():
    binary = Path(os.environ["BUILD_DIR"]) / "deploy-inference-service"
    script = ROOT / "tests" / "lib" / "generate_readme.py"
    result = subprocess.run([sys.executable, str(script), str(binary), "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
