"""Our binary and the shell script it replaces, side by side on the same servers in the same run; prints ratios.

    tests/bench/run [--script DOCUMENT.md] [--runs N] [--binary FILE] [--kserve VERSION] [--keys rsa|ec] [--only PART]...

DOCUMENT.md is the page "How to Use Pipeline to Deploy Inference Service", whose Pipeline holds the script; without it that column is left
out. What is measured, how, and what it was: tests/bench/README.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from harness.process import exit_on_signals

from . import cold_start, round_trips, side_by_side, sizes
from .place import Place, open_place

Part = Callable[[Place, argparse.Namespace], list[str]]

# One measurement a module. A part gets the servers and the options and returns lines of Markdown.
PARTS: dict[str, tuple[str, Part]] = {
    "side-by-side": ("Side by side", lambda place, options: side_by_side.compare(place, options.binary, options.text, options.runs)),
    "round-trips": ("Round trips", lambda place, options: round_trips.count(place, options.binary)),
    "cold-start": ("Cold start", lambda place, options: cold_start.lines(options.binary, place.account, place.directory)),
    "sizes": ("Cost against size", lambda place, options: sizes.table(place, options.binary)),  # last: what it adds stays
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, help="the document whose Pipeline holds the script")
    parser.add_argument("--runs", type=int, default=11, help="runs of each program, in turn")
    parser.add_argument("--binary", default=os.environ.get("DEPLOY_INFERENCE_SERVICE", ""))
    parser.add_argument("--kserve", default="0.14", help="0.14 (default) is the newest here that takes the script's InferenceService")
    parser.add_argument("--keys", default="rsa", choices=("rsa", "ec"), help="of the cluster's certificates; rsa (default) as kubeadm makes them")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; repeatable")
    options = parser.parse_args()
    options.text = side_by_side.extract_script(options.script) if options.script else None
    exit_on_signals()
    with open_place(options.kserve, options.keys) as place:
        print(f"KServe {options.kserve}, {options.keys} keys, {options.runs} runs each; load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        for name, (title, part) in PARTS.items():
            if options.only is None or name in options.only:
                print(f"\n## {title}\n\n" + "\n".join(part(place, options)), flush=True)


if __name__ == "__main__":
    main()
