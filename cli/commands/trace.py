"""What caused an event, and what came of it?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.cli.rendering.tables import format_columns

if TYPE_CHECKING:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.broker.settings import Settings
    from farandole.cli.commands.tail import RecordFormatter
    from farandole.events.record import Record
    from farandole.events.topology_version import Version
    from farandole.ledger.event_trace import RecordPosition, TraceTarget

_CLOCK_SKEW_MS = 60_000  # ms by which the clocks of two workers may differ
_MAX_VALUE_CHARS = 72  # characters of a value that are shown
_MAX_CAUSES = 1_000  # causes above an event: no graph is so deep


@dataclass(slots=True)
class _EventTrace:
    """What is shown, from the root on."""

    causes: list[Record] = field(default_factory=list)
    event: Record | None = None
    effects: list[Record] = field(default_factory=list)
    dead: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""


@click.command()
@click.argument("event")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True,
              help="Effects that are shown.")  # fmt: skip
@click.option("--within", type=click.FloatRange(0, min_open=True), default=60.0,
              show_default=True, metavar="SECONDS", help="Look for effects no longer.")  # fmt: skip
@json_option
@click.pass_obj
def trace(context: CliContext, event: str, limit: int, within: float, as_json: bool) -> None:
    """Show what caused EVENT, up to the root, and what came of it, down to the leaves.

    EVENT is an id, `line.ingested/3/10482/0`, or the place of an event, its type or topic with
    partition and offset: `line.ingested/3/10482`. Causes are read one by one, each where the id
    before says; effects are looked for in the topics of the stages behind, from its time on.
    """
    from farandole.ledger.event_trace import parse_trace_target

    try:
        wanted = parse_trace_target(event)
    except ValueError:
        raise click.UsageError(
            f"{event!r} is neither an id (line.ingested/3/10482/0) nor a place (TYPE/3/10482)"
        ) from None
    context.configure_logs()
    run_async(_trace_event(context, wanted, limit, within, as_json))


async def _trace_event(
    context: CliContext, wanted: TraceTarget, limit: int, within: float, as_json: bool
) -> None:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.catalog.published_versions import read_versions
    from farandole.cli.commands.tail import RecordFormatter

    settings = await context.connect()
    versions = await read_versions(settings, await context.pipeline(settings))
    found = _EventTrace()
    async with ClusterAdmin.open(settings) as admin:
        tracing = _EventTracer(settings, admin, {v.name: v for v in versions.values()}, limit)
        start = await tracing.start(wanted)
        await tracing.up(start, found)
        try:
            async with asyncio.timeout(within):
                await tracing.down(start, wanted, found)
        except TimeoutError:
            found.notes.append(
                f"after {within:g} s there was more to look through (--within): effects are missing"
            )
    if wanted.id is not None and found.event is None:
        found.notes.append(
            f"{wanted.id} itself was not found: its cause was {_record_place(start)}"
        )
    shown = _TraceRenderer(RecordFormatter(versions[max(versions)]), tracing)
    if as_json:
        print_json(shown.data(found))
        return
    for line in shown.lines(found):
        print_line(line)


class _EventTracer:
    def __init__(
        self, settings: Settings, admin: ClusterAdmin, versions: Mapping[str, Version], limit: int
    ) -> None:
        self._settings = settings
        self._admin = admin
        from farandole.catalog.ownership import VersionIndex

        self._versions = versions
        self._index = VersionIndex(versions.values())
        self._limit = limit

    def version(self, record: Record) -> Version | None:
        """Return the version that a record belongs to; None if no version has its topic."""
        owner = self._index.owner_of(record)
        return None if owner is None else owner.version

    def stage(self, record: Record) -> str | None:
        """Return the stage that emitted a record; None if it is a root."""
        owner = self._index.owner_of(record)
        return None if owner is None else owner.stage

    def type(self, record: Record) -> str:
        """Return the record's event type; its topic if no version has it."""
        owner = self._index.owner_of(record)
        return record.topic if owner is None else owner.event_type

    async def start(self, wanted: TraceTarget) -> Record:
        """What the person has named a place of. Raises CommandError."""
        from farandole.events.kafka_names import MAX_TOPIC_LENGTH
        from farandole.ledger.event_trace import RecordPosition, event_topics

        names = event_topics(self._versions.values(), wanted.name[:MAX_TOPIC_LENGTH])
        if not names:
            types = dict.fromkeys(t for v in self._versions.values() for t in v.events)
            raise CommandError(f"farandole: no event type or topic {wanted.name!r}; there are "
                         f"{', '.join(types)}")  # fmt: skip
        why = ""
        for topic in names:
            record, why = await self.at(RecordPosition(topic, wanted.partition, wanted.offset))
            if record is not None:
                return record
        raise CommandError(f"farandole: {why}")

    async def at(self, place: RecordPosition) -> tuple[Record | None, str]:
        """The record that stands there, or why there is none."""
        from aiokafka import TopicPartition

        from farandole.broker.topic_reader import scan

        tp = TopicPartition(place.topic, place.partition)
        if place.partition >= (await self._admin.topics()).get(place.topic, 0):
            return None, f"there is no {place.topic}/{place.partition}"
        first = (await self._admin.start_offsets([tp]))[tp]
        end = (await self._admin.end_offsets([tp]))[tp]
        if place.offset < first:
            return None, f"{place} is gone: retention has taken everything before {first}"
        if place.offset >= end:
            return None, f"{place} is not written yet: the partition ends at {end}"
        async with aclosing(scan(self._settings, [tp.topic], start={tp: place.offset})) as batches:
            async for records in batches:
                if records[0].offset == place.offset:
                    return records[0], ""
                break
        return None, f"{place} is no event: a transaction's marker, or a record that was aborted"

    async def up(self, record: Record, found: _EventTrace) -> None:
        """The causes, one seek each; the record is taken as one of them."""
        from farandole.ledger.event_trace import cause_position

        found.causes.append(record)
        while self.stage(record) is not None and len(found.causes) < _MAX_CAUSES:
            version = self.version(record)
            assert version is not None  # it has a stage
            place = cause_position(dict(record.headers), version)
            if place is None:
                found.notes.append(f"the id of {_record_place(record)} names no cause")
                return
            above, why = await self.at(place)
            if above is None:
                found.notes.append(f"the cause of {_record_place(record)}: {why}")
                return
            record = above
            found.causes.insert(0, record)

    async def down(self, start: Record, wanted: TraceTarget, found: _EventTrace) -> None:
        """Level by level. Where an id was named, `start` is its cause, and of what that has caused
        the event alone is followed."""
        level: Sequence[Record] = [start]
        if wanted.id is None:
            found.event = found.causes.pop()
        else:
            level = [
                record
                for record in await self._caused(level, found, letters=False)
                if dict(record.headers).get("ce_id") == wanted.id.encode()
            ]
            if not level:
                return
            found.event, *others = level
            found.notes += [f"{wanted.id} stands in {_record_place(o)} too" for o in others]
        while level and len(found.effects) < self._limit:
            level = await self._caused(level, found)
            room = self._limit - len(found.effects)
            if len(level) > room:
                found.notes.append(f"there are more effects than {self._limit} (--limit)")
            level = level[:room]
            found.effects += level

    async def _caused(
        self, level: Sequence[Record], found: _EventTrace, *, letters: bool = True
    ) -> list[Record]:
        """What these have caused, and into `found` the letters of those that died."""
        from aiokafka import TopicPartition

        from farandole.broker.topic_reader import scan
        from farandole.ledger.event_trace import CauseMatcher, RecordPosition, effect_topics

        version = self.version(level[0])
        if version is None:
            return []
        wanted = effect_topics(version, self._settings.names, {self.type(r) for r in level})
        existing = await self._admin.topics()
        topics = [t for t in (*wanted.outputs, *(wanted.dead if letters else ())) if t in existing]
        partitions = [TopicPartition(t, i) for t in topics for i in range(existing[t])]
        since = min(record.timestamp for record in level) - _CLOCK_SKEW_MS
        start = await self._admin.offsets_at(partitions, since)
        causes = CauseMatcher(
            version.installation, [(self.type(r), RecordPosition.of(r)) for r in level]
        )
        caused: list[Record] = []
        if topics and sys.stderr.isatty():
            click.echo(f"reading {', '.join(topics)}", err=True)
        async with aclosing(scan(self._settings, topics, start=start)) as batches:
            async for records in batches:
                if records[0].topic in wanted.dead:
                    found.dead += [r for r in records if causes.buried(r.headers)]
                    continue
                if len(caused) <= self._limit:
                    caused += [r for r in records if causes.caused(r.headers)]
        return caused


class _TraceRenderer:
    """Records as they are shown."""

    def __init__(self, told: RecordFormatter, tracing: _EventTracer) -> None:
        self._told = told
        self._tracing = tracing

    def data(self, found: _EventTrace) -> dict[str, Any]:
        return {
            "causes": [self._one(r) for r in found.causes],
            "event": None if found.event is None else self._one(found.event),
            "effects": [self._one(r) for r in found.effects],
            "dead": [self._one(r) for r in found.dead],
            "notes": found.notes,
        }

    def _one(self, record: Record) -> dict[str, Any]:
        by = {"topic": record.topic, "stage": self._tracing.stage(record)}
        return by | self._told.full(record)

    def lines(self, found: _EventTrace) -> list[str]:
        from farandole.events.safe_text import single_line

        event = [] if found.event is None else [found.event]
        rows = [("", "event", "by", "place", "time (UTC)", "key", "data")]
        kinds = (("cause", found.causes), ("EVENT", event), ("effect", found.effects))
        for kind, records in kinds:
            for record in records:
                by = self._tracing.stage(record) or "(root)"
                rows.append((kind, self._tracing.type(record), by, *self._cells(record)))
        for record in found.dead:
            said = self._told.full(record)["dead"]
            why = _shorten(str(said.get("message")), _MAX_VALUE_CHARS)
            error, stage = str(said.get("error")), str(said.get("stage"))
            rows.append(("dead", error, stage, *self._cells(record)[:-1], why))
        table = [tuple(single_line(cell) for cell in row) for row in rows]
        return [*format_columns(table, left=7), *(single_line(note) for note in found.notes)]

    def _cells(self, record: Record) -> tuple[str, str, str, str]:
        value = (record.value or b"").decode(errors="backslashreplace")
        key = "" if record.key is None else record.key.decode(errors="backslashreplace")
        time = datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC)
        return (
            _record_place(record),
            f"{time:%m-%d %H:%M:%S}.{time.microsecond // 1000:03}",
            _shorten(key, 24),
            _shorten(value, _MAX_VALUE_CHARS),
        )


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _record_place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
