"""A network of its own with a small DNS server; runs inside `unshare --mount --net` (see test_dns.py).

    dns_world.py WORLD.json TOOL        prints one JSON object: results of the tool, and the questions the servers got

WORLD: {"resolv_conf": [line...], "hosts": [line...], "records": {name: {"A": [...], "AAAA": [...]}}, "truncate": bool,
"silent": [server...], "urls": [...]}. Name servers listen on 127.0.0.2 and 127.0.0.3, port 53, UDP and TCP; the web server on every
IPv4 loopback address and on ::1, port 8080, answers with the address that was asked.
"""

from __future__ import annotations

import http.server
import ipaddress
import json
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TYPES = {1: "A", 28: "AAAA"}
SERVERS = ("127.0.0.2", "127.0.0.3")
UDP_LIMIT = 512  # RFC 1035 4.2.1
NAME_ERROR, TRUNCATED = 3, 0x0200


class Zone:
    def __init__(self, world: dict):
        self.records = world["records"]
        self.truncate = world.get("truncate", False)
        self.silent = world.get("silent", [])
        self.questions: list[dict] = []

    def answer(self, query: bytes, server: str, transport: str) -> bytes | None:
        """RFC 1035 4.1: header, the question repeated, answers that point back at its name."""
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack_from(">H", query, at + 1)[0]
        question = query[12 : at + 5]
        name = ".".join(labels).lower()
        self.questions.append({"name": name, "type": TYPES.get(kind, str(kind)), "server": server, "transport": transport})
        if server in self.silent:
            return None
        known = self.records.get(name)
        addresses = [ipaddress.ip_address(text).packed for text in (known or {}).get(TYPES.get(kind, ""), [])]
        body = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(packed)) + packed for packed in addresses)
        flags = 0x8180 | (0 if known is not None else NAME_ERROR)
        count = len(addresses)
        if transport == "udp" and (self.truncate or 12 + len(question) + len(body) > UDP_LIMIT):
            flags, count, body = flags | TRUNCATED, 0, b""
        return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + question + body


def serve_dns(zone: Zone, address: str) -> list[socketserver.BaseServer]:
    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            answer = zone.answer(data, address, "udp")
            if answer is not None:
                sock.sendto(answer, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(length := self.rfile.read(2)) == 2:
                answer = zone.answer(self.rfile.read(int.from_bytes(length, "big")), address, "tcp")
                if answer is None:
                    return
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    return [socketserver.ThreadingUDPServer((address, 53), Udp), socketserver.ThreadingTCPServer((address, 53), Tcp)]


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        body = self.connection.getsockname()[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Web6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def mount_over(target: str, lines: list[str], directory: Path) -> None:
    file = directory / Path(target).name
    file.write_text("".join(line + "\n" for line in lines))
    subprocess.run(["mount", "--bind", str(file), target], check=True)


def main() -> None:
    world = json.loads(Path(sys.argv[1]).read_text())
    tool = sys.argv[2]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    zone = Zone(world)
    with tempfile.TemporaryDirectory() as name:
        mount_over("/etc/resolv.conf", world["resolv_conf"], Path(name))
        mount_over("/etc/hosts", world.get("hosts", []), Path(name))
        servers: list[socketserver.BaseServer] = [
            http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Web), Web6(("::1", 8080), Web)
        ]
        for address in SERVERS:
            servers += serve_dns(zone, address)
        for server in servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        script = {"batches": [[{"url": url, "attempts": 1, "timeout_ms": 20000}] for url in world["urls"]]}
        run = subprocess.run([tool], input=json.dumps(script), capture_output=True, text=True, timeout=60, check=False)
        subprocess.run(["umount", "/etc/resolv.conf", "/etc/hosts"], check=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    json.dump({"status": run.returncode, "stderr": run.stderr, "events": events, "questions": zone.questions}, sys.stdout)


if __name__ == "__main__":
    main()
