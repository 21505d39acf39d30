"""Certificates of the GitLab stand-in, as files; made by harness.pki.

    certificates = Certificates(directory)
    good = certificates.issue("gitlab")                       # for localhost, 127.0.0.1 and ::1
    good.cert_file, good.key_file, good.ca_file               # PEM; cert_file holds the chain

Bad ones for tests: ``issue(label, expired=True)``, ``issue(label, not_yet_valid=True)``, ``issue(label, names=["wrong.example"])``,
any certificate of another ``Certificates``; and ``self_signed(label)``, whose ca_file is the certificate itself.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from .pki import Authority, Pair, key_pem, new_key

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Certificate:
    cert_file: str
    key_file: str
    ca_file: str


class Certificates:
    def __init__(self, directory: Union[str, Path], name: str = "Test authority for GitLab") -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(name)
        ca = self.directory / "ca.crt"
        ca.write_bytes(self.authority.cert)
        self.ca_file = str(ca)

    def issue(
        self,
        label: str,
        names: Iterable[str] = LOCAL_NAMES,
        expired: bool = False,
        not_yet_valid: bool = False,
        key: str = "ec",
        intermediate: bool = False,
    ) -> Certificate:
        """A server certificate. key: "ec", "ec384", "rsa", "rsa4096". intermediate: issued by one, which the server sends."""
        issuer = self.authority.intermediate(f"Intermediate for {label}") if intermediate else self.authority
        days, start = (-1, 0) if expired else (30, 1) if not_yet_valid else (30, 0)
        pair = issuer.server(label, list(names), days=days, starts_in_days=start, kind=key)
        cert, private = pair.write(self.directory, label)
        return Certificate(str(cert), str(private), self.ca_file)

    def self_signed(self, label: str, names: Iterable[str] = LOCAL_NAMES, key: str = "ec") -> Certificate:
        """A server certificate that vouches for itself, as many self-hosted installs have."""
        private = new_key(key)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
        )
        leaf = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        cert, key_file = Pair(leaf, key_pem(private)).write(self.directory, label)
        return Certificate(str(cert), str(key_file), str(cert))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
