"""A certificate authority for the test servers, and every kind of certificate that a test wants to see refused.

    ca = Authority("kubernetes")
    server = ca.server("apiserver", names=["localhost", "127.0.0.1"])
    admin = ca.client("admin", groups=["system:masters"])
    server.write(directory, "apiserver")                     # directory/apiserver.{crt,key}
    ca.server("late", names=["127.0.0.1"], days=-1)            # expired a day ago
    ca.server("early", names=["127.0.0.1"], starts_in_days=1)  # not valid yet
    ca.server("other", names=["wrong.example"])              # wrong name
    ca.intermediate("middle").server(...)                 # .cert then holds the chain
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate (with its chain, leaf first) and its private key, both PEM."""

    cert: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Writes NAME.crt and NAME.key (mode 0600) and returns their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        cert, key = directory / f"{name}.crt", directory / f"{name}.key"
        cert.write_bytes(self.cert)
        write_secret(key, self.key)
        return cert, key


def write_secret(path: Path, data: bytes | str) -> Path:
    """Writes a file that only its owner can read, from its first byte on."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return path


def new_key(kind: str = "ec"):
    """``ec`` (P-256), ``ec384``, ``rsa`` (2048) or ``rsa4096``."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ec384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind in ("rsa", "rsa4096"):
        return rsa.generate_private_key(public_exponent=65537, key_size=4096 if kind == "rsa4096" else 2048)
    raise ValueError(f"unknown kind of key: {kind}")


def key_pem(key, traditional: bool = False) -> bytes:
    """PKCS#8 ("PRIVATE KEY"), or the older PKCS#1/SEC1 form ("RSA PRIVATE KEY", "EC PRIVATE KEY")."""
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    def __init__(self, name: str, kind: str = "ec", _issuer: "Authority | None" = None):
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.kind = kind
        self._key = new_key(kind)
        self._issuer = _issuer
        signer = _issuer or self
        builder = signer._builder(self.name, self._key, days=3650)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                          key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                          decipher_only=False), critical=True)
        self.certificate = builder.sign(signer._key, hashes.SHA256())

    @property
    def cert(self) -> bytes:
        """The authority's own certificate, PEM: what a client trusts."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> bytes:
        return key_pem(self._key)

    def intermediate(self, name: str, kind: str | None = None) -> "Authority":
        return Authority(name, kind or self.kind, _issuer=self)

    def server(self, name: str, names: Iterable[str], days: float = 30, starts_in_days: float = 0,
               kind: str | None = None, traditional: bool = False) -> Pair:
        """A server certificate for DNS names and IP addresses. Negative ``days``: it ended that many days ago."""
        return self._issue(name, [], list(names), ExtendedKeyUsageOID.SERVER_AUTH, days, starts_in_days, kind, traditional)

    def client(self, name: str, groups: Iterable[str] = (), days: float = 30, starts_in_days: float = 0,
               kind: str | None = None, traditional: bool = False) -> Pair:
        """A client certificate: ``name`` is Kubernetes' user (CN), ``groups`` its groups (O)."""
        return self._issue(name, list(groups), [], ExtendedKeyUsageOID.CLIENT_AUTH, days, starts_in_days, kind, traditional)

    def _issue(self, name, groups, names, usage, days, starts_in_days, kind, traditional) -> Pair:
        key = new_key(kind or self.kind)
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, g) for g in groups]
                            + [x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, days, starts_in_days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
        leaf = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        chain = b"".join(a.cert for a in self._chain())
        return Pair(leaf + chain, key_pem(key, traditional))

    def _chain(self) -> list["Authority"]:
        """The intermediates that a server has to send along; the root is the client's to know."""
        authority, found = self, []
        while authority._issuer is not None:
            found.append(authority)
            authority = authority._issuer
        return found

    def _builder(self, subject, key, days: float, starts_in_days: float = 0) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        start = now + datetime.timedelta(days=starts_in_days) - datetime.timedelta(minutes=5)
        end = now + datetime.timedelta(days=days + max(starts_in_days, 0))
        if end <= start:
            start = end - datetime.timedelta(days=1)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False))
