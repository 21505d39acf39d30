"""Dependent round trips from start to applied."""

from __future__ import annotations

import statistics

from .place import Place
from .runs import ours

DELAY = 0.05
HIDDEN = 2  # TCP handshakes with the API server and GitLab: the relay accepts at once, whatever its delay


def count(place: Place, binary: str, runs: int = 3) -> list[str]:
    """How much later a delay of each message makes the apply, in round trips."""
    plain = statistics.median(ours(place, binary).applied for _ in range(runs))
    place.api.delay = place.git.delay = DELAY
    slow = statistics.median(ours(place, binary).applied for _ in range(runs))
    place.api.delay = place.git.delay = 0.0
    trips = (slow - plain) / (2 * DELAY) + HIDDEN
    return [f"Dependent round trips from start to applied, TCP and TLS 1.3 handshakes included: {trips:.1f} (each message {DELAY * 1000:.0f} ms late: "
            f"{slow * 1000:.0f} ms instead of {plain * 1000:.0f} ms)."]
