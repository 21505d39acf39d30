"""Asserts that a program is what it should be: a hardened static position-independent executable.

    check_elf.py --arch ARCH [--limit BYTES] FILE

Reads the ELF64 structures itself (System V gABI, chapters 4 and 5), so that it says the same about every architecture.
Checked: PIE type, no INTERP segment, no NEEDED library, no text relocations, RELRO with immediate binding, a stack that is
not executable, no segment both writable and executable, no RPATH, and the size.
"""

import argparse
import pathlib
import struct
import sys

ET_DYN = 3
MACHINES = {"amd64": 62, "arm64": 183}
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
DT_NEEDED, DT_RPATH, DT_TEXTREL, DT_BIND_NOW, DT_RUNPATH, DT_FLAGS, DT_FLAGS_1 = 1, 15, 22, 24, 29, 30, 0x6FFFFFFB
DF_TEXTREL, DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 4, 8, 1, 0x08000000


def read_dynamic(data: bytes, segments: list[tuple[int, ...]]) -> dict[int, int]:
    for kind, _flags, offset, _vaddr, size in segments:
        if kind == PT_DYNAMIC:
            entries = struct.iter_unpack("<QQ", data[offset : offset + size - size % 16])
            tags: dict[int, int] = {}
            for tag, value in entries:
                if tag == 0:
                    break
                tags[tag] = value
            return tags
    return {}


def find_faults(data: bytes, arch: str) -> list[str]:
    if data[:6] != b"\x7fELF\x02\x01":
        return ["not a little-endian ELF64 file"]
    kind, machine = struct.unpack_from("<HH", data, 16)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = []
    for index in range(count):
        p_type, flags, offset, vaddr, _paddr, filesz = struct.unpack_from("<IIQQQQ", data, table + index * size)
        segments.append((p_type, flags, offset, vaddr, filesz))
    by_type = {segment[0]: segment for segment in segments}
    tags = read_dynamic(data, segments)
    flags, flags_1 = tags.get(DT_FLAGS, 0), tags.get(DT_FLAGS_1, 0)
    stack = by_type.get(PT_GNU_STACK)
    checks = [
        (machine == MACHINES[arch], f"machine {machine} is not {arch}"),
        (kind == ET_DYN, "not position-independent"),
        (bool(flags_1 & DF_1_PIE), "a shared library, not an executable (DF_1_PIE is missing)"),
        (PT_INTERP not in by_type, "asks for a dynamic linker (INTERP segment)"),
        (DT_NEEDED not in tags, "needs a shared library"),
        (DT_RPATH not in tags and DT_RUNPATH not in tags, "has a library search path"),
        (DT_TEXTREL not in tags and not flags & DF_TEXTREL, "has relocations in code"),
        (PT_GNU_RELRO in by_type, "no RELRO segment"),
        (DT_BIND_NOW in tags or bool(flags & DF_BIND_NOW) or bool(flags_1 & DF_1_NOW), "RELRO without immediate binding"),
        (stack is not None and not stack[1] & PF_X, "executable stack"),
        (all(not (s[1] & PF_W and s[1] & PF_X) for s in segments if s[0] == PT_LOAD), "a segment is writable and executable"),
    ]
    return [fault for passed, fault in checks if not passed]


def main() -> int:
    parser = argparse.ArgumentParser(prog="check_elf.py")
    parser.add_argument("--arch", required=True, choices=sorted(MACHINES))
    parser.add_argument("--limit", type=int)
    parser.add_argument("file", type=pathlib.Path)
    given = parser.parse_args()
    data = given.file.read_bytes()
    faults = find_faults(data, given.arch)
    if given.limit and len(data) > given.limit:
        faults.append(f"{len(data)} bytes, over the limit of {given.limit}")
    for fault in faults:
        print(f"{given.file}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
