"""Builds dead letters as a stage writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.header_codec import decode_headers
from farandole.events.parked_order import Discard
from farandole.events.personal_fields import NOTHING_PERSONAL, PersonalFields
from farandole.events.record import Header, OutgoingRecord
from farandole.lanes.simulated_kafka import SimulatedRecord

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Died(NamedTuple):
    """An event that died so many seconds after the start."""

    after: float
    error: str = "Reject"
    message: str = "nothing was paid"
    stage: str = "validate"
    value: bytes = b'{"n": 1}'
    discarded: Discard | None = None


def outgoing(died: Died, at: int = 0) -> OutgoingRecord:
    original = SimulatedRecord("p.line.read", 0, at, died.value, b"k")
    death = FailureAccount(
        died.stage,
        "p@1",
        "run",
        died.error,
        died.message,
        first_failed=START,
        discarded=died.discarded,
    )
    return build_dead_letter(original, death, largest=1_000_000)


def milliseconds(after: float) -> int:
    return int((START + timedelta(seconds=after)).timestamp() * 1000)


def record(died: Died, offset: int, topic: str = "") -> SimulatedRecord:
    out = outgoing(died, offset)
    headers: list[Header] = list(decode_headers(out.headers))
    return SimulatedRecord(
        topic or f"p.{died.stage}.dead",
        0,
        offset,
        out.value,
        out.key,
        headers,
        milliseconds(died.after),
    )


def nothing_personal(*_: str) -> PersonalFields:
    """Nothing is personal."""
    return NOTHING_PERSONAL
