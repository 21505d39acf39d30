"""What starting the program costs: relocations, page faults, system calls and time of a command that needs no network."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
from pathlib import Path

RUNS = 50


def relocations(binary: str) -> int:
    listed = subprocess.run(["readelf", "-rW", binary], check=True, capture_output=True, text=True).stdout
    return sum(int(count) for count in re.findall(r"^\s*(\d+) offsets", listed, re.M)) + sum(
        int(count) for count in re.findall(r"'\.rela\.\S+' at offset \S+ contains (\d+) entr", listed))


def system_calls(binary: str) -> int | None:
    if shutil.which("strace") is None:
        return None
    traced = subprocess.run(["strace", "-f", binary, "version"], capture_output=True, text=True, check=True).stderr
    return len(re.findall(r"^\w+\(", traced, re.M))


def lines(binary: str, account: Path, directory: Path) -> list[str]:
    costs = []
    for _ in range(RUNS):
        report = directory / "cold.json"
        subprocess.run([str(account), str(report), binary, "version"], check=True, stdout=subprocess.DEVNULL)
        costs.append(json.loads(report.read_text()))
    wall = statistics.median(cost["ended_us"] - cost["started_us"] for cost in costs)
    cpu = statistics.median(cost["user_us"] + cost["system_us"] for cost in costs)
    faults = statistics.median(cost["page_faults"] for cost in costs)
    memory = statistics.median(cost["peak_kib"] for cost in costs)
    calls = system_calls(binary)
    return [f"`version`: {wall / 1000:.2f} ms, CPU {cpu / 1000:.2f} ms, {faults:.0f} page faults, peak memory {memory / 1024:.2f} MiB, "
            f"{calls if calls is not None else '–'} system calls; {relocations(binary)} relocations (relative ones only). "
            f"The binary: {Path(binary).stat().st_size / 1e6:.2f} MB."]
