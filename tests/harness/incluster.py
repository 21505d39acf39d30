"""Runs a program as a pod's container would find its world: the service account's directory at its fixed path.

    mounted = MountedAccount(directory, account)
    subprocess.run(mounted.command([binary, "deploy", ...]), env={**mounted.env, ...})
    mounted.rotate()                    # as kubelet does: an atomic switch of the ..data link

The path /var/run/secrets/kubernetes.io/serviceaccount is the same for everybody, so the program runs in a mount namespace
of its own (unshare(1); a user namespace as well where the caller is not root). Nothing of the machine is touched.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from .cluster import ServiceAccount
from .pki import write_secret

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"

# /run becomes an empty file system that only the program sees, since the mount point exists nowhere outside of pods. A /run
# that resolv.conf points into is kept readable.
SCRIPT = """
set -e
resolv=$(cat /etc/resolv.conf 2>/dev/null || :)
target=$(readlink -f /etc/resolv.conf 2>/dev/null || :)
run=$(readlink -f /var/run)
mount -t tmpfs -o mode=755 tmpfs "$run"
case $target in "$run"/*) mkdir -p "${target%/*}"; printf '%s\\n' "$resolv" >"$target" ;; esac
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
mount --bind "$1" /var/run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"""


class MountedAccount:
    """``token`` and ``ca`` replace the account's own, to see bad ones refused."""

    def __init__(self, directory: Path, account: ServiceAccount, token: str | None = None, ca: bytes | None = None):
        self.dir, self.account = Path(directory), account
        self.dir.mkdir(parents=True, exist_ok=True)
        self._ca = account.cluster.ca.cert if ca is None else ca
        self.rotate(token)

    def rotate(self, token: str | None = None) -> str:
        """Puts another token in place, in kubelet's way: a new directory, and one rename of the link ..data."""
        token = token or self.account.token()
        fresh = self.dir / f"..{secrets.token_hex(4)}"
        fresh.mkdir(mode=0o755)
        for name, data in (("token", token.encode()), ("ca.crt", self._ca), ("namespace", self.account.namespace.encode())):
            write_secret(fresh / name, data)
            link = self.dir / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        data = self.dir / "..data"
        previous = os.readlink(data) if data.is_symlink() else None
        temporary = self.dir / "..data_tmp"
        temporary.symlink_to(fresh.name)
        temporary.rename(data)
        if previous:
            for file in (self.dir / previous).iterdir():
                file.unlink()
            (self.dir / previous).rmdir()
        return token

    @property
    def env(self) -> dict[str, str]:
        """What kubelet puts into each container's environment."""
        cluster = self.account.cluster
        return {"KUBERNETES_SERVICE_HOST": cluster.host, "KUBERNETES_SERVICE_PORT": str(cluster.port),
                "KUBERNETES_SERVICE_PORT_HTTPS": str(cluster.port)}

    def command(self, argv: list[str]) -> list[str]:
        """The command line that runs ``argv`` with the directory in place; it becomes argv by exec, so signals arrive."""
        namespace = ["unshare", "--mount", "--propagation", "private"]
        if os.geteuid() != 0:
            namespace += ["--map-root-user"]
        return [*namespace, "--", "sh", "-c", SCRIPT, "sh", str(self.dir), *map(str, argv)]
