"""Our program and the script it replaces, in turn on the same servers; ratios of medians."""

from __future__ import annotations

import io
import re
import statistics
import subprocess
import tarfile
from pathlib import Path

import yaml

from .place import Place
from .runs import Cost, Script, ours

ROWS = [("wall time to applied, ms", "applied", 1000), ("CPU to applied, ms", "cpu", 1000), ("peak memory to applied, MiB", "memory", 1 / 1024),
        ("requests to Kubernetes", "requests", 1), ("requests to GitLab", "gitlab_requests", 1), ("connections", "connections", 1),
        ("bytes on the wire, KiB", "bytes", 1 / 1024)]
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def extract_script(document: Path) -> str:
    """The `script` of the Pipeline in the document's YAML block."""
    block = re.search(r"```yaml\n(apiVersion: tekton\.dev/v1\nkind: Pipeline\n.*?)```", document.read_text(encoding="utf-8"), re.S)
    if block is None:
        raise SystemExit(f"{document} holds no Pipeline")
    task = yaml.safe_load(block.group(1))["spec"]["tasks"][0]
    return next(item["value"] for item in task["params"] if item["name"] == "script")


def median(costs: list[Cost], key: str) -> float:
    return statistics.median(getattr(cost, key) for cost in costs)


def row(title: str, mine: float, theirs: float | None) -> str:
    if theirs is None or theirs != theirs:  # not measured, or never applied
        return f"| {title} | {mine:.1f} | – | – |"
    return f"| {title} | {mine:.1f} | {theirs:.1f} | {theirs / mine:.1f} |"


def image_size(archive: Path) -> float | None:
    """MB of our image's layers, unpacked, of its first platform."""
    if not archive.is_file():
        return None
    with tarfile.open(archive) as layout:
        [first] = yaml.safe_load(layout.extractfile("manifest.json").read())
        total = 0
        for name in first["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(layout.extractfile(name).read())) as layer:
                total += sum(member.size for member in layer)
        return total / 1e6


def least_image_size(programs: list[str]) -> float:
    """MB of the least image that could run the script: the programs that it started, their libraries, a CA bundle."""
    files = {Path(program).resolve() for program in programs if not program.startswith("/tmp/")}
    for program in sorted(files):
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        files |= {Path(match).resolve() for match in re.findall(r"(/\S+) \(0x", listed)}
    return (sum(file.stat().st_size for file in files) + CA_BUNDLE.stat().st_size) / 1e6


def compare(place: Place, binary: str, text: str | None, runs: int) -> list[str]:
    script = Script(place, text) if text is not None else None
    ours(place, binary)  # warms the servers up
    mine, theirs = [], []
    for _ in range(runs):
        mine.append(ours(place, binary))
        if script is not None:
            theirs.append(script.run())
    lines = ["| what | ours | the script | script / ours |", "|---|---|---|---|"]
    for title, key, factor in ROWS:
        lines.append(row(title, median(mine, key) * factor, median(theirs, key) * factor if theirs else None))
    programs = script.trace() if script is not None else []
    lines.append(row("programs started", 1, len(programs) or None))
    image = image_size(Path(binary).parent.parent / "image.oci.tar")
    if image is not None:
        lines.append(row("image, unpacked, MB (the script's: the least that could run it)", image, least_image_size(programs) if programs else None))
    whole, other = ours(place, binary, to_applied=False), script.run(to_applied=False) if script is not None else None
    lines.append(row("one whole run, s", whole.wall, other.wall if other else None))
    lines.append(row("its CPU, ms", whole.cpu * 1000, other.cpu * 1000 if other else None))
    lines += ["", f"Exit code of the whole run: ours {whole.code}" + (f", the script {other.code}." if other else ".")]
    if any(cost.applied != cost.applied for cost in theirs):
        log = sorted(place.directory.glob("bench-*.log"), key=lambda path: path.stat().st_mtime)[-1]
        lines += ["", "**The script did not get to its apply, so its figures end earlier.** Its last lines:", "",
                  *("    " + line for line in log.read_text(errors="replace").splitlines()[-3:])]
    return lines
