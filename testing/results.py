"""What has a pipeline in memory emitted, dropped and given up, and do its books balance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from farandole.events.envelope import UnreadableEventError, parse_envelope
from farandole.events.flag_counts import FlagCounts, added_flag_counts
from farandole.events.json_text import parse_json
from farandole.events.outcome import RECORDED, Outcome, OutcomeCounts, handled_count
from farandole.events.record import Record
from farandole.events.run_row import RUN_STATUSES, RunRow, edges_balance
from farandole.worker.codecs import codec_for

T = TypeVar("T")


@dataclass(eq=False)  # not frozen: there are many, and that would make each one dearer
class Event:
    """An event as it stands in its topic."""

    event_type: str
    stage: str | None
    """The stage that emitted it; None if the test sent it."""
    run: str
    record: Record

    @cached_property
    def _envelope(self) -> tuple[Mapping[str, str], bytes]:
        try:
            envelope = parse_envelope(self.record)
        except UnreadableEventError:
            return {}, self.record.value or b""
        return envelope.attributes, envelope.data

    @cached_property
    def data(self) -> Any:
        """The data as JSON has them: dicts, lists, text, numbers; text if they are no JSON."""
        raw = self.raw
        try:
            return parse_json(raw)
        except ValueError:
            return raw.decode(errors="backslashreplace")

    @property
    def raw(self) -> bytes:
        """The JSON text of the data."""
        return self._envelope[1]

    @property
    def attributes(self) -> Mapping[str, str]:
        """The CloudEvents attributes, as `context.attributes` has them."""
        return self._envelope[0]

    def read(self, model: type[T]) -> T:
        """Return the data as a stage gets them that takes `model`."""
        read: T = codec_for(model).decoder()(self.raw)
        return read

    @property
    def key(self) -> str | None:
        key = self.record.key
        return None if key is None else key.decode(errors="backslashreplace")

    @property
    def id(self) -> str:
        """The event's id, such as `line.ingested/3/10482/0`: where its cause stands, and which of
        the results of that cause it is."""
        return self.attributes.get("id", "")

    @property
    def position(self) -> str:
        """Where the event stands: `line.ingested/3/10482`, as `farandole trace` takes it."""
        return f"{self.event_type}/{self.record.partition}/{self.record.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a stage gave up on."""

    event: Event
    stage: str
    error: str
    """The name of the exception's class."""
    message: str
    attempts: int
    traceback: str
    """The frames of the user's code; empty for a Reject and for data that do not fit."""


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """An event that waits until a person decides, because its data break a check that parks it."""

    event: Event
    stage: str
    checks: Sequence[str]
    message: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """An event that a stage consumed without emitting or giving up anything: the function returned
    nothing (`dropped`), or `when:` did not let it in (`filtered`)."""

    event: Event
    stage: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the file has found about the data of one run, or of one window."""

    event_type: str
    check: str
    """Its name."""
    run: str | None
    window: datetime | None
    """When the window begins, of an event type that is profiled in windows."""
    verdict: str
    """`passed`, `warned`, `failed`, `skipped` or `not judged`."""
    severity: str
    why: str
    """Why it has not passed; empty if it has."""
    value: float | int | None
    """What was measured: a share of rows, a number of them, a distance."""
    rows: int | None
    """Of a rule of rows, how many were judged, and `failed` how many of them have broken it."""
    failed: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """The balance sheets of all runs of a pipeline, as its bookkeeper has written them."""

    runs: Sequence[RunRow]
    """In the order in which their roots were sent."""

    @property
    def status(self) -> str:
        """The least favourable status of all runs: `completed`, `completed with dead letters`,
        `failed` or `running`, for instance."""
        return max((row["status"] for row in self.runs), key=_gravity, default="completed")

    @property
    def is_balanced(self) -> bool:
        """True if every event that was emitted was settled once, by each stage that subscribes."""
        return all(row["closed"] and edges_balance(row["edges"]) for row in self.runs)

    @property
    def edges(self) -> dict[str, dict[str, int]]:
        """The counts of all runs by edge, `event type>stage`: `emitted`, `consumed`, `handled` and
        each outcome in `farandole.events.outcome`."""
        total: dict[str, dict[str, int]] = {}
        for row in self.runs:
            for name, edge in row["edges"].items():
                counts = total.setdefault(name, {})
                outcomes = OutcomeCounts.from_fields(edge)
                found = {
                    "emitted": edge["emitted"],
                    "consumed": edge["consumed"],
                    "handled": handled_count(edge["consumed"], outcomes),
                    **{outcome.value: outcomes[outcome] for outcome in RECORDED},
                }
                for key, count in found.items():
                    counts[key] = counts.get(key, 0) + count
        return total

    @property
    def flags(self) -> dict[str, FlagCounts]:
        """How often the functions of each stage read each flag, by value as JSON:
        `report.flags["price"]["vip"]["true"]`."""
        total: dict[str, FlagCounts] = {}
        for row in self.runs:
            for stage, counts in row.get("flags", {}).items():
                total[stage] = added_flag_counts(total.get(stage, {}), counts)
        return total


_GRAVITY = ("completed", "cancelled", "completed with dead letters", "failed")


def _gravity(status: str) -> int:
    return _GRAVITY.index(status) if status in _GRAVITY else len(RUN_STATUSES)
