"""A TCP relay that counts connections and bytes and can delay what passes, to show dependent round trips."""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
import time


class Relay:
    """Passes bytes to ``target`` (host, port). ``delay`` seconds are added in each direction; accepting costs nothing, so a client pays a
    real network's round trip of the TCP handshake nowhere here."""

    def __init__(self, target: tuple[str, int], delay: float = 0.0):
        self.target, self.delay = target, delay
        self.connections = self.sent = self.received = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def reset(self) -> None:
        self.connections = self.sent = self.received = 0

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ, None)
        peers: dict[socket.socket, socket.socket] = {}
        towards_server: dict[socket.socket, bool] = {}
        due: list[tuple[float, int, socket.socket, bytes]] = []
        count = 0

        def drop(one: socket.socket) -> None:
            other = peers.pop(one, None)
            for side in filter(None, (one, other)):
                peers.pop(side, None)
                try:
                    selector.unregister(side)
                except (KeyError, ValueError):
                    pass
                side.close()

        def pass_on(to: socket.socket, data: bytes) -> None:
            try:
                if data:
                    to.setblocking(True)
                    to.sendall(data)
                    to.setblocking(False)
                else:
                    to.shutdown(socket.SHUT_WR)
            except OSError:
                drop(to)

        while not self._stop.is_set():
            wait = 0.05 if not due else max(0.0, min(0.05, due[0][0] - time.monotonic()))
            for key, _ in selector.select(wait):
                if key.data is None:
                    client, _ = self._listener.accept()
                    server = socket.create_connection(self.target)
                    self.connections += 1
                    for one, other, is_client in ((client, server, True), (server, client, False)):
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        one.setblocking(False)
                        peers[one], towards_server[one] = other, is_client
                        selector.register(one, selectors.EVENT_READ, one)
                    continue
                source = key.data
                if source not in peers:
                    continue
                try:
                    data = source.recv(65536)
                except BlockingIOError:
                    continue
                except OSError:
                    drop(source)
                    continue
                if towards_server[source]:
                    self.sent += len(data)
                else:
                    self.received += len(data)
                if not data:
                    selector.unregister(source)
                if self.delay:
                    count += 1
                    heapq.heappush(due, (time.monotonic() + self.delay, count, peers[source], data))
                else:
                    pass_on(peers[source], data)
            while due and due[0][0] <= time.monotonic():
                _, _, to, data = heapq.heappop(due)
                if to in peers:
                    pass_on(to, data)
        for one in list(peers):
            drop(one)
        selector.close()
