"""Writes the software bill of materials, SPDX 2.3 JSON: the binaries, what is linked into them, from which source files.

    sbom.py --version V --lock FILE --project DIR --compiler TEXT --output FILE DIR...

Each DIR is .../linux-ARCH with the binary in it. The document says nothing that changes between two builds of the same input.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import uuid
from urllib.parse import quote

from sources import LockedFile, read_lock

NAME = "deploy-inference-service"

# Debian source package -> (upstream's name, SPDX licence expression of what is linked).
LINKED = {
    "curl": ("libcurl", "curl"),
    "jansson": ("jansson", "MIT"),
    "libgit2": ("libgit2", "GPL-2.0-only WITH GCC-exception-2.0 AND LGPL-2.1-or-later AND MIT AND BSD-3-Clause"),
    "libyaml": ("libyaml", "MIT"),
    "mbedtls": ("mbedtls", "Apache-2.0 OR GPL-2.0-or-later"),
    "musl": ("musl", "MIT"),
    "zlib": ("zlib", "Zlib"),
}
IN_IMAGE = {"ca-certificates": ("ca-certificates", "MPL-2.0 AND GPL-2.0-or-later")}


def package_of(files: list[LockedFile], upstream: str, license_expression: str) -> dict[str, object]:
    package, version = files[0].package, files[0].version
    kind = "arch=source" if files[0].name.endswith(".dsc") or len(files) > 1 else "arch=all"
    return {
        "SPDXID": f"SPDXRef-{package}",
        "name": upstream,
        "versionInfo": version,
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license_expression,
        "copyrightText": "NOASSERTION",
        "sourceInfo": "; ".join(f"{file.pool} sha256:{file.sha256}" for file in files),
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{package}@{quote(version, safe='')}?{kind}",
        }],
    }


def binary_of(directory: pathlib.Path, version: str, compiler: str) -> dict[str, object]:
    arch = directory.name.removeprefix("linux-")
    content = (directory / NAME).read_bytes()
    return {
        "SPDXID": f"SPDXRef-binary-{arch}",
        "name": NAME,
        "versionInfo": version,
        "packageFileName": f"linux-{arch}/{NAME}",
        "primaryPackagePurpose": "APPLICATION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "comment": f"Static position-independent executable for linux/{arch}, compiled by {compiler}",
    }


def relate(subject: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": subject, "relationshipType": kind, "relatedSpdxElement": other}


def main() -> None:
    parser = argparse.ArgumentParser(prog="sbom.py")
    parser.add_argument("--version", required=True)
    parser.add_argument("--lock", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("directories", type=pathlib.Path, nargs="+")
    given = parser.parse_args()
    locked: dict[str, list[LockedFile]] = {}
    for file in read_lock(given.lock):
        locked.setdefault(file.package, []).append(file)
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    binaries = [binary_of(directory, given.version, given.compiler) for directory in given.directories]
    parts = [package_of(locked[name], *described) for name, described in {**LINKED, **IN_IMAGE}.items()]
    relationships = []
    for binary in binaries:
        identifier = str(binary["SPDXID"])
        relationships.append(relate("SPDXRef-DOCUMENT", "DESCRIBES", identifier))
        relationships += [relate(identifier, "STATIC_LINK", f"SPDXRef-{name}") for name in LINKED]
    relationships += [relate("SPDXRef-DOCUMENT", "DESCRIBES", f"SPDXRef-{name}") for name in IN_IMAGE]
    body = {"packages": [*binaries, *parts], "relationships": relationships}
    fingerprint = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{NAME}-{given.version}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, fingerprint)}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: container/build"]},
        **body,
    }
    given.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
