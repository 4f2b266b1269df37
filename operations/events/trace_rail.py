"""In which order are the causes and effects of an event shown, as a rail from the root down?

An event is followed by the stages that read it, and each stage by what it emitted. The last stage
of an event, and the last event of a stage, go straight on; all before them turn off, one level
deeper. Beside the causes nothing is followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from farandole.catalog.ownership import VersionIndex
from farandole.events.record import Record
from farandole.events.record_time import known_time_ms
from farandole.events.topology_version import Version
from farandole.ledger.event_trace import RecordPosition, cause_range
from farandole.operations.errors import query
from farandole.operations.events.show_event import event_target
from farandole.operations.events.shown_data import masked_text
from farandole.operations.events.trace import (
    TracedRecord,
    TraceRequest,
    TraceResult,
    trace_event,
)
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.results import Result

MAX_UNFOLDED = 3
"""Events of one stage that are shown; more are folded."""

RailKind = Literal["event", "stage", "dead", "replay", "discard", "fold"]


class RailRow(Result):
    """One line of the rail."""

    kind: RailKind
    level: int
    """How often the way here has turned off."""
    turns_off: bool
    """True if more of what it comes from follows below."""
    event_type: str | None = None
    position: str | None = None
    """The event: `line.ingested/0/18604`; of a fold, of a dead letter and of a stage that of the
    event that is read."""
    stage: str | None = None
    """The stage that read it; of an event the one that emitted it, None for a root."""
    version: int | None = None
    at: int | None = None
    """When the event was emitted, when it died or was replayed, in milliseconds of the epoch."""
    emitted: int | None = None
    """Of a stage: how many events it emitted for the one that it read; None for a cause, beside
    which nothing was looked for (`effect_counts.py`)."""
    is_cause: bool = False
    """Of a stage: the event that it read is a cause of the one that was asked for."""
    emits: bool = True
    """Of a stage: False if it emits nothing, so that nothing can be seen of it here."""
    events: int | None = None
    """Of a fold: how many events are left out, `dead` of them with a dead letter below."""
    dead: int | None = None
    why: str | None = None
    """Why it died, or why a letter was replayed or discarded."""
    attempts: int | None = None
    by: str | None = None
    letter: int | None = None
    """The offset of the dead letter of `stage`."""
    is_target: bool = False
    """True for the event that was asked for."""
    is_root: bool = False


class RailResult(Result):
    """A trace as a rail."""

    pipeline: str
    rows: list[RailRow]
    run: str | None
    causes: int
    effects: int
    dead: int
    settled_letters: int
    """How many of the dead letters were replayed or discarded."""
    notes: list[str]
    """What could not be read, and why."""


@dataclass(frozen=True, slots=True)
class RailRequest:
    """Which event is traced, and how it is shown."""

    event: str
    """Its id, or its position."""
    limit: int = 200
    within: float = 20.0
    """As in TraceRequest."""
    fold: bool = True
    """Leave out events beside others of their kind, with their count."""
    reveal: bool = False
    """Show what is personal in messages."""


@query
async def trace_rail(installation: Installation, request: RailRequest) -> RailResult:
    """Return the causes and effects of an event as a rail. Raises as `trace_event`."""
    versions = await installation.versions()
    traced = await trace_event(
        installation, TraceRequest(event_target(request.event), request.limit, request.within)
    )
    index = VersionIndex(versions.values())
    shown = traced.event or (traced.causes[-1] if traced.causes else None)
    return RailResult(
        pipeline=index.newest.pipeline,
        rows=[*rail_rows(traced, index, fold=request.fold, reveal=request.reveal)],
        run=None if shown is None else shown.result.run,
        causes=len(traced.causes),
        effects=len(traced.effects),
        dead=len(traced.dead),
        settled_letters=sum(each.settlement is not None for each in traced.dead),
        notes=[reason_text(reason) for reason in traced.reasons],
    )


def rail_rows(
    traced: TraceResult, index: VersionIndex, *, fold: bool, reveal: bool
) -> Iterator[RailRow]:
    """Yield the rows of a trace, from its root down."""
    rail = _Rail(traced, index, fold=fold, reveal=reveal)
    for number, start in enumerate(rail.starts):
        yield from rail.event_rows(start, 0, turns_off=number < len(rail.starts) - 1)


class _Rail:
    """The tree of a trace."""

    def __init__(
        self, traced: TraceResult, index: VersionIndex, *, fold: bool, reveal: bool
    ) -> None:
        self._index = index
        self._fold = fold
        self._reveal = reveal
        self._target = traced.event
        events = [*traced.causes, *([traced.event] if traced.event else []), *traced.effects]
        self._causes = {RecordPosition.of(each.record) for each in traced.causes}
        places = {RecordPosition.of(each.record): each for each in events}
        self._below: dict[RecordPosition, list[TracedRecord]] = {}
        self.starts: list[TracedRecord] = []
        """The events of which no cause is known."""
        for each in events:
            cause = self._cause_of(each.record, places)
            if cause is None:
                self.starts.append(each)
            else:
                self._below.setdefault(cause, []).append(each)
        self._dead: dict[RecordPosition, list[TracedRecord]] = {}
        for letter in traced.dead:
            place = _place_of_letter(letter.result.failure())
            if place is not None:
                self._dead.setdefault(place, []).append(letter)

    def _cause_of(
        self, record: Record, places: Mapping[RecordPosition, TracedRecord]
    ) -> RecordPosition | None:
        """Return the first of its known causes."""
        owner = self._index.owner_of(record)
        if owner is None or owner.stage is None:
            return None
        causes = cause_range(dict(record.headers), owner.version)
        if causes is None:
            return None
        return min(
            (
                place
                for place in places
                if (place.topic, place.partition) == (causes.topic, causes.partition)
                and causes.first <= place.offset <= causes.last
            ),
            default=None,
        )

    def event_rows(self, event: TracedRecord, level: int, *, turns_off: bool) -> Iterator[RailRow]:
        """Yield an event, and all that came of it."""
        record = event.record
        place = RecordPosition.of(record)
        owner = self._index.owner_of(record)
        yield RailRow(
            kind="event",
            level=level,
            turns_off=turns_off,
            event_type=event.event_type,
            position=self._position(event),
            stage=event.stage,
            version=owner.version.version if owner else None,
            at=known_time_ms(record.timestamp),
            is_target=event is self._target,
            is_root=owner is not None and owner.stage is None,
        )
        below: dict[str, list[TracedRecord]] = {}
        for each in self._below.get(place, ()):
            below.setdefault(each.stage or "", []).append(each)
        letters: dict[str, list[TracedRecord]] = {}
        for letter in self._dead.get(place, ()):
            letters.setdefault(str(letter.result.failure().get("stage")), []).append(letter)
        readers: Iterable[str] = owner.version.subscribers(event.event_type) if owner else ()
        if place in self._causes:
            readers = ()  # what lies beside the way was not looked for
        stages = [*dict.fromkeys([*readers, *below, *letters])]
        for number, stage in enumerate(stages):
            yield from self._stage_rows(
                event,
                owner.version if owner else None,
                stage,
                below.get(stage, []),
                letters.get(stage, []),
                level,
                turns_off=number < len(stages) - 1,
            )

    def _stage_rows(
        self,
        event: TracedRecord,
        version: Version | None,
        stage: str,
        emitted: Sequence[TracedRecord],
        letters: Sequence[TracedRecord],
        level: int,
        *,
        turns_off: bool,
    ) -> Iterator[RailRow]:
        """Yield what a stage made of an event."""
        level += turns_off
        is_cause = RecordPosition.of(event.record) in self._causes
        spec = version.stages.get(stage) if version else None
        common: dict[str, Any] = {
            "stage": stage,
            "position": self._position(event),
            "version": version.version if version else None,
        }
        for letter in letters:
            goes_on = letter is not letters[-1] or letter.settlement is not None or bool(emitted)
            yield self._dead_row(event, letter, common, level + goes_on, turns_off=goes_on)
            settlement = letter.settlement
            if settlement is not None:
                yield RailRow(
                    kind="replay" if settlement.how == "replayed" else "discard",
                    level=level,
                    turns_off=False,
                    at=_milliseconds(settlement.at),
                    by=settlement.by,
                    why=settlement.reason or None,
                    emitted=len(emitted),
                    letter=letter.record.offset,
                    **common,
                )
        if not letters:
            yield RailRow(
                kind="stage",
                level=level,
                turns_off=turns_off,
                emitted=None if is_cause else len(emitted),
                is_cause=is_cause,
                emits=spec is None or bool(spec.emits),
                at=min(
                    (t for e in emitted if (t := known_time_ms(e.record.timestamp))), default=None
                ),
                **common,
            )
        yield from self._emitted_rows(emitted, level, common)

    def _emitted_rows(
        self, emitted: Sequence[TracedRecord], level: int, common: Mapping[str, Any]
    ) -> Iterator[RailRow]:
        folded: list[TracedRecord] = []
        if self._fold and len(emitted) > MAX_UNFOLDED:
            # What died is what somebody looks for.
            ranked = sorted(emitted, key=lambda each: not self._dead_below(each))
            shown = ranked[: MAX_UNFOLDED - 1]
            folded = [each for each in emitted if each not in shown]
            emitted = [each for each in emitted if each in shown]
        if folded:
            yield RailRow(
                kind="fold",
                level=level + 1,
                turns_off=True,
                event_type=folded[0].event_type,
                events=len(folded),
                dead=sum(self._dead_below(each) for each in folded),
                **common,
            )
        for number, each in enumerate(emitted):
            more = number < len(emitted) - 1
            yield from self.event_rows(each, level + more, turns_off=more)

    def _dead_below(self, event: TracedRecord) -> bool:
        """Return True if an event, or what came of it, died and was not replayed."""
        pending = [RecordPosition.of(event.record)]
        while pending:
            place = pending.pop()
            if any(letter.settlement is None for letter in self._dead.get(place, ())):
                return True
            pending += [RecordPosition.of(each.record) for each in self._below.get(place, ())]
        return False

    def _dead_row(
        self,
        event: TracedRecord,
        letter: TracedRecord,
        common: Mapping[str, Any],
        level: int,
        *,
        turns_off: bool,
    ) -> RailRow:
        account = letter.result.failure()
        why = f"{account.get('error')}: {account.get('message')}"
        owner = self._index.owner_of(event.record)
        spec = owner.version.events.get(owner.event_type) if owner else None
        if not self._reveal:
            why = masked_text(why, event.record, spec.data_schema if spec else None)
        attempts = account.get("attempts")
        return RailRow(
            kind="dead",
            level=level,
            turns_off=turns_off,
            at=known_time_ms(letter.record.timestamp),
            why=why,
            attempts=attempts if isinstance(attempts, int) else None,
            letter=letter.record.offset,
            **common,
        )

    def _position(self, event: TracedRecord) -> str:
        record = event.record
        return f"{event.event_type}/{record.partition}/{record.offset}"


def _place_of_letter(account: Mapping[str, Any]) -> RecordPosition | None:
    topic, partition, offset = (account.get(name) for name in ("topic", "partition", "offset"))
    if not (isinstance(topic, str) and isinstance(partition, int) and isinstance(offset, int)):
        return None
    return RecordPosition(topic, partition, offset)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
