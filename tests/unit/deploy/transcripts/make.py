#!/usr/bin/env python3
"""Writes the transcripts of this folder: `python3 make.py` after a change of one of the others; then read the diff."""

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

import cause  # noqa: E402
import causes_download  # noqa: E402, F401
import causes_image  # noqa: E402, F401
import causes_node  # noqa: E402, F401
import causes_pod  # noqa: E402, F401
import causes_server  # noqa: E402, F401
import causes_serverless  # noqa: E402, F401
import causes_service  # noqa: E402, F401
import mistakable  # noqa: E402, F401
import versions  # noqa: E402, F401


def main():
    for old in FOLDER.glob("*.jsonl"):
        if not old.name.startswith("live-"):  # recorded on real clusters
            old.unlink()
    names = set()
    for build in cause.ALL:
        world = build()
        if world.name in names:
            raise SystemExit(f"two transcripts are named {world.name}")
        if world.expected is None:
            raise SystemExit(f"{world.name} expects nothing")
        names.add(world.name)
        world.write(FOLDER)
    print(f"{len(names)} transcripts")


main()
