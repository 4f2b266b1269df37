"""Dead letters as a stage would write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from farandole.events.deadletter import Death, letter
from farandole.events.headers import decoded
from farandole.events.record import Header, Outgoing
from farandole.lanes.simulation import SimulatedRecord

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Died(NamedTuple):
    """An event that died so many seconds after the start."""

    after: float
    error: str = "Reject"
    message: str = "nothing was paid"
    stage: str = "validate"
    value: bytes = b'{"n": 1}'


def outgoing(died: Died, at: int = 0) -> Outgoing:
    original = SimulatedRecord("p.line.read", 0, at, died.value, b"k")
    death = Death(died.stage, "p@1", "run", died.error, died.message, first_failed=START)
    return letter(original, death, largest=1_000_000)


def milliseconds(after: float) -> int:
    return int((START + timedelta(seconds=after)).timestamp() * 1000)


def record(died: Died, offset: int, topic: str = "") -> SimulatedRecord:
    out = outgoing(died, offset)
    headers: list[Header] = list(decoded(out.headers))
    return SimulatedRecord(
        topic or f"p.{died.stage}.dead",
        0,
        offset,
        out.value,
        out.key,
        headers,
        milliseconds(died.after),
    )


def nothing_personal(*_: str) -> None:
    """Of no event is anything personal."""
