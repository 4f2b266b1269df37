"""What does the monitor know, are its figures up to date, and if not, why?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from farandole.events.number_format import grouped
from farandole.events.throttled_stages import ThrottledStages
from farandole.monitor.faust_app import MonitorApp
from farandole.monitor.lag_watchdog import PROBE_INTERVAL, LagStatus

STALE_AFTER = 5 * PROBE_INTERVAL
"""Seconds without an answer of Kafka after which the figures are out of date."""

StalenessCode = Literal[
    "no_ledger", "kafka_silent", "loading", "lag_unknown", "shared_partitions", "catching_up"
]


@dataclass(slots=True)
class MonitorState:
    """What the monitor knows. `counting` is None until the ledger exists."""

    lag: LagStatus = field(default_factory=LagStatus)
    counting: MonitorApp | None = None
    throttled: ThrottledStages = field(default_factory=lambda: ThrottledStages(None))


class StalenessReason(NamedTuple):
    """Why the figures are out of date."""

    code: StalenessCode
    failure: str | None = None
    """Why Kafka did not answer, if that is known."""
    silent_seconds: float | None = None
    """How long ago Kafka last answered; None if it never has."""
    missing_partitions: int = 0
    """Partitions of the ledger that another monitor counts."""
    partitions: int = 0
    unread: int = 0
    """Offsets of the ledger that are not counted yet."""

    def text(self) -> str:
        """Return the reason as a sentence for people."""
        match self.code:
            case "no_ledger":
                return f"the monitor waits: {self.failure or 'it has just begun'}"
            case "kafka_silent":
                seconds = self.silent_seconds
                since = f"for {seconds:.0f} s" if seconds is not None else "yet"
                failure = self.failure or "no word of it"
                return f"Kafka has not answered the monitor {since}: {failure}"
            case "loading":
                return "the monitor reads back the windows that it had"
            case "lag_unknown":
                return "the monitor does not know how much it has not counted"
            case "shared_partitions":
                return (
                    f"{self.missing_partitions} of {self.partitions} partitions of the ledger are "
                    "counted by another monitor of this Kafka and namespace: let one alone run"
                )
            case "catching_up":
                unread = grouped(self.unread)
                return f"the monitor is catching up, {unread} offsets of the ledger unread"


def staleness_reason(
    counting: MonitorApp | None, lag: LagStatus, now: float
) -> StalenessReason | None:
    """Return why the figures are out of date at `now` (seconds of the epoch); None if they are
    not."""
    if counting is None:
        return StalenessReason("no_ledger", lag.failure)
    if lag.answered_at is None or now - lag.answered_at > STALE_AFTER:
        silent = now - lag.answered_at if lag.answered_at is not None else None
        return StalenessReason("kafka_silent", lag.failure, silent)
    if not counting.windows_loaded:
        return StalenessReason("loading")
    if lag.unread is None:
        return StalenessReason("lag_unknown")
    missing = counting.partitions - len(lag.owned_partitions)
    if missing:
        return StalenessReason(
            "shared_partitions", missing_partitions=missing, partitions=counting.partitions
        )
    if lag.late:
        return StalenessReason("catching_up", unread=lag.unread)
    return None
