"""Are the profiles that are kept those of the ledger entries, and of the events?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.quality_row import QualityKey
from farandole.events.record_time import known_time
from farandole.ledger.audit_comparison import AuditEdge
from farandole.ledger.data_verification import DataVerification, WholeSums
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.edge_figures import (
    FigureDifference,
    Part,
    Place,
    RowCounts,
    edge_figures,
    figure_differences,
)
from farandole.ledger.run_store import RUN_RETENTION_MS
from farandole.operations.audit.audit_reader import AuditReader, now_ms
from farandole.operations.audit.event_rows import EventRows
from farandole.operations.audit.kept_profiles import IsWanted, KeptProfiles
from farandole.operations.results import Result
from farandole.quality.profiles.figures import ROWS

NOT_OF_EVENTS: Set[Part] = frozenset({"keys"})
"""Parts that are not added up from the events: lanes say of keys what they remember."""

_AT_ONCE = 100  # profiles that are compared figure by figure at once
_MAX_FAULTS = 100  # profiles that are named
_MAX_FIGURES = 10  # of a profile that are named


class ProfileDifference(Result):
    """A figure of a profile that is another one by the entries, or by the events. A key is absent
    if they are not compared; its value is None if the figure is not there."""

    part: Part
    name: str | None
    """The column, or of checks the check; None for all rows."""
    figure: str
    kept: Any
    entries: Any = None
    events: Any = None


class AuditedProfile(Result):
    """A profile that is not that of its entries, or of its events."""

    run: str | None
    window: datetime | None
    """When its window begins."""
    edge: str
    """`event type>stage`, with the stage that profiles it."""
    differences: list[ProfileDifference]
    """The first ones."""
    more: int
    """How many figures differ beside these."""


class _Seen(NamedTuple):
    """What was read beside the parts of profiles."""

    ahead: set[QualityKey]
    """Profiles with parts that need not be added to them yet."""
    busy: set[QualityKey]
    """Profiles with parts of transactions after the beginning of the audit."""
    cut: set[QualityKey]
    """Profiles with an event whose dead letter was cut."""
    last: dict[QualityKey, int]
    """When the last part of each was written, in milliseconds of the epoch."""


class _Sums(NamedTuple):
    """A profile that was added up anew."""

    entries: EdgeData
    events: EdgeData


class ProfileAudit:
    """Adds up the profiles of a pipeline anew, from the ledger, and from the events that are still
    there, and compares them with those that are kept."""

    def __init__(self, settings: Settings, admin: ClusterAdmin, reader: AuditReader) -> None:
        """`reader` is prepared."""
        self._settings = settings
        self._reader = reader
        newest = reader.versions[max(reader.versions)]
        self._kept = KeptProfiles(settings, admin, newest, reader.retention.books)
        self.agreeing: set[QualityKey] = set()
        """Profiles that equal their entries."""
        self.agreeing_with_events: set[QualityKey] = set()
        """Profiles that equal their events."""
        self.faults: list[AuditedProfile] = []
        self.unverifiable: list[str] = []

    async def compare(self, run: str | None) -> None:
        """Compare all profiles, or those of one run. Raises BrokerError."""
        versions = self._reader.versions.values()
        if not any(event.is_profiled for each in versions for event in each.events.values()):
            return

        def of_run(key: QualityKey) -> bool:
            return run is None or key.run == run

        is_wanted: IsWanted = of_run
        kept = await self._kept.fingerprints(is_wanted)
        doubtful: set[QualityKey] = set()
        while True:
            entries = DataVerification(kept)
            events = DataVerification(kept, without=NOT_OF_EVENTS)
            await self._read(entries.add, events.add, is_wanted)
            self.agreeing |= entries.equal
            self.agreeing_with_events |= events.equal
            doubtful |= entries.different()
            for key in events.different():
                if self._has_events(key, kept[key].opened if key in kept else None):
                    doubtful.add(key)
            pending = entries.postponed | events.postponed
            if not pending:
                break
            kept = {key: each for key, each in kept.items() if key in pending}
            is_wanted = pending.__contains__
        # What differs is read once more, as a whole: it may have changed while it was read.
        left = iter(sorted(doubtful, key=lambda key: key.record_key))
        while len(self.faults) < _MAX_FAULTS and (some := {*islice(left, _AT_ONCE)}):
            await self._compare_wholly(some)

    async def _compare_wholly(self, keys: set[QualityKey]) -> None:
        kept = await self._kept.whole(keys)
        entries, events = WholeSums(keys), WholeSums(keys)
        seen = await self._read(entries.add, events.add, keys.__contains__)
        for key in sorted(keys, key=lambda key: key.record_key):
            data, opened = kept.get(key, (None, None))
            self._judge(key, data, opened, _Sums(entries[key], events[key]), seen)

    async def _read(
        self,
        add_entry: Callable[[EdgeData], None],
        add_events: Callable[[EdgeData], None],
        is_wanted: IsWanted,
    ) -> _Seen:
        """Read the parts of some profiles, from the ledger and from the events."""
        reader, positions = self._reader, self._kept.positions
        ahead: set[QualityKey] = set()
        busy: set[QualityKey] = set()
        last: dict[QualityKey, int] = {}
        async for entries in reader.entries():
            for record, entry in entries:
                for delta in entry.get("profiles", ()):
                    run, window = delta.get("run"), delta.get("window")
                    key = QualityKey(reader.pipeline, delta["event"], run, window)
                    if delta["version"] not in reader.versions or not is_wanted(key):
                        continue
                    part = EdgeData(key, delta["version"], delta["stage"])
                    with suppress(ValueError):  # the bookkeeper skips it too
                        part.add(delta)
                        add_entry(part)
                    last[key] = entry["at"]
                    if record.offset >= positions.get(record.partition, 0):
                        ahead.add(key)
                    if entry["at"] >= reader.began:
                        busy.add(key)
        rows = EventRows(self._settings, reader, add_events, is_wanted)
        await rows.read()
        return _Seen(ahead, busy, rows.cut, last)

    def _has_events(self, key: QualityKey, opened: int | None) -> bool:
        """Return True if all events of a profile should still be there. `opened`: as in
        `KeptProfile`; None if there is no such profile."""
        limit = self._reader.retention.topics.get(key.event)
        return key.run is not None and (limit is None or opened is None or opened > limit)

    def _judge(
        self, key: QualityKey, kept: EdgeData | None, opened: int | None, sums: _Sums, seen: _Seen
    ) -> None:
        """Record how a profile differs from its entries, and from its events."""
        limit = self._reader.retention.books
        may_have_lost = limit is not None and opened is not None and opened <= limit
        entries = sums.entries if key in seen.last or not may_have_lost else None
        events = sums.events if self._has_events(key, opened) and key not in seen.busy else None
        if key in seen.ahead or (kept is None and _is_old(seen.last.get(key))):
            return
        differences = _differences(kept, entries, events, has_letters=key not in seen.cut)
        if not differences:
            self.agreeing.add(key)
        elif may_have_lost and entries is not None:
            what = key.run or known_time(key.window or 0)
            self.unverifiable.append(
                f"{what}: its profile of {key.event}: entries of that time may be gone"
            )
        else:
            stage = (kept or sums.entries).stage or None
            self.faults.append(
                AuditedProfile(
                    run=key.run,
                    window=None if key.window is None else known_time(key.window),
                    edge=str(AuditEdge(key.event, stage)),
                    differences=differences[:_MAX_FIGURES],
                    more=max(0, len(differences) - _MAX_FIGURES),
                )
            )


def _is_old(last: int | None) -> bool:
    """Return True if the bookkeeper has forgotten a run whose last entry is of this time."""
    return last is not None and last < now_ms() - RUN_RETENTION_MS


def _differences(
    kept: EdgeData | None, entries: EdgeData | None, events: EdgeData | None, *, has_letters: bool
) -> list[ProfileDifference]:
    """Return the figures that differ. Entries or events that are None are not compared; nor are
    dead letters with the events, unless all of them are whole."""
    found: dict[tuple[Place, str], dict[str, Any]] = {}
    if entries is not None:
        for place, figure, own, its in _compared(kept, entries):
            found[place, figure] = {"kept": own, "entries": its}
    if events is not None:
        without: set[Part] = {*NOT_OF_EVENTS} if has_letters else {*NOT_OF_EVENTS, "dead letters"}
        for place, figure, own, its in _compared(kept, events, without):
            found.setdefault((place, figure), {"kept": own})["events"] = its
    return [
        ProfileDifference(part=place.part, name=place.name, figure=figure, **values)
        for (place, figure), values in found.items()
    ]


def _compared(
    kept: EdgeData | None, other: EdgeData, without: Set[Part] | None = None
) -> Iterable[FigureDifference]:
    """Return the figures that differ from those of entries or, `without` some parts, of events."""
    rows = Place("rows", ROWS)
    count = RowCounts.of(other).consumed
    if kept is None:
        return [FigureDifference(rows, "rows", None, count)]
    if without is not None and kept.mended:
        # The rows that a person has changed are in no topic: only how many there are is known.
        own = RowCounts.of(kept).consumed
        count += kept.mended
        return [FigureDifference(rows, "rows", own, count)] if own != count else []
    return figure_differences(edge_figures(kept), edge_figures(other), without or ())
