"""Which rows of a stage wait for a person, by the rows of its retry topic?

A row that an order has freed may still be listed until its lane has read the order: then the order
stands beside it.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import Owner, VersionIndex
from farandole.events.event_position import living_name
from farandole.events.parked_order import ParkedOrder, parse_order
from farandole.events.record import Record
from farandole.events.retry_record import (
    ORDER_PREFIX,
    PARKED_PREFIX,
    ParkedEvent,
    parse_retry_row,
)
from farandole.events.row_format import NewerFormatError
from farandole.events.topology_version import Version


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """An event that waits for a person."""

    stage: str
    event: ParkedEvent
    owner: Owner
    run: bytes
    order: ParkedOrder | None
    """The last order about it, which its lane has not read yet; None if there is none."""

    @property
    def position(self) -> str:
        """Its name, as commands take it: `line.ingested/3/10482`."""
        name = living_name(self.owner.event_type, self.event.life)
        return f"{name}/{self.event.partition}/{self.event.offset}"

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of the checks that it breaks."""
        return tuple(self.event.checks.split(", "))

    def handling_version(self, index: VersionIndex) -> Version:
        """Return the version whose stage handles it."""
        return index.by_name.get(self.event.wired_by.encode(), self.owner.version)


@dataclass(slots=True)
class _Rows:
    waiting: dict[bytes, ParkedEvent] = field(default_factory=dict)
    """By row name."""
    orders: dict[bytes, ParkedOrder] = field(default_factory=dict)
    """By the key of their row."""

    def take(self, record: Record) -> None:
        """Take the next record of the topic."""
        key = record.key or b""
        if key.startswith(PARKED_PREFIX):
            self._take_event(key.removeprefix(PARKED_PREFIX), record.value)
        elif key.startswith(ORDER_PREFIX):
            self.orders.pop(key, None)
            try:
                if record.value is not None:
                    self.orders[key] = parse_order(record.value).order
            except (ValueError, NewerFormatError):
                return  # its lane says what is wrong with it

    def _take_event(self, name: bytes, value: bytes | None) -> None:
        self.waiting.pop(name, None)
        if value is None:
            return
        try:
            event = parse_retry_row(value)
        except (ValueError, NewerFormatError):
            return  # as a lane skips it, or a newer release wrote it
        if event.waits_for_person:
            self.waiting[name] = event


async def read_parked_rows(
    settings: Settings, pipeline: str, stage: str, index: VersionIndex
) -> list[ParkedRow]:
    """Return the rows of a stage that wait for a person, those that have waited longest first.
    Raises BrokerError."""
    rows = _Rows()
    topic = settings.names.retry_topic(pipeline, stage)
    async with aclosing(scan(settings, [topic])) as batches:
        async for records in batches:
            for record in records:
                rows.take(record)
    orders = {order.event: order for order in rows.orders.values()}
    found = []
    for event in rows.waiting.values():
        owner = index.owner_of(event)
        if owner is not None:
            order = orders.get(event.row_name.decode())
            found.append(ParkedRow(stage, event, owner, index.run_of(event, owner), order))
    return sorted(found, key=lambda row: (row.event.since, row.event.row_name))
