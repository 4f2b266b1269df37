"""How are rows that wait for a person released, mended or discarded?

Each order is a row in the retry topic of the stage. The lane that has the event reads it once, so
it does not matter how often an order is given, or by how many people. This module writes the orders
and waits a moment for the lanes to read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import VersionIndex
from farandole.events.json_edit import apply_edit
from farandole.events.json_text import parse_json
from farandole.events.next_step import NextStep
from farandole.events.parked_order import ParkedOrder, make_order
from farandole.events.record import OutgoingRecord
from farandole.events.record_time import to_milliseconds
from farandole.events.safe_text import single_line
from farandole.operations.dead_letters.replay_builder import Replay
from farandole.operations.dead_letters.value_repair import (
    UnfitValueError,
    ValueAmender,
    letter_text,
    patch_amender,
    validate_value,
)
from farandole.operations.errors import (
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    operation,
)
from farandole.operations.installation import Installation
from farandole.operations.parked.list_parked import parking_stages, shown_row
from farandole.operations.parked.parked_rows import ParkedRow, read_parked_rows
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

TAKEN_SECONDS = 10.0
"""How long it is waited for the lanes to read the orders."""
_POLL_SECONDS = 0.3


Deed = Literal["release", "mend", "discard"]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """Which rows are meant, and who gives the order."""

    stage: str
    by: str
    positions: tuple[str, ...] = ()
    """`line.ingested/3/10482`; empty for all rows of the stage, or of `check`, that wait now."""
    check: str | None = None
    """Only rows that break this check."""
    reason: str = ""
    patch: str = ""
    """The text of the JSON merge patch (RFC 7396) that mends each row; of `mend_parked` alone, as
    is the next."""
    edited: str | None = None
    """Or the whole data of the only row; what was masked and was not touched is `•••`."""
    until: datetime | None = None
    """Only rows that waited by then."""


class OrderedRow(Result):
    """A row about which an order was given."""

    position: str
    taken: bool
    """False if its lane has not read the order yet: it does so as soon as it is worked."""


class OrderResult(Result):
    """The orders that were given."""

    stage: str
    do: Deed
    rows: list[OrderedRow]


@operation
@recorded("parked release", lambda request: request.stage)
async def release_parked(installation: Installation, request: OrderRequest) -> OrderResult:
    """Let the function get each of the rows, without asking their checks again. Raises
    NotFoundError `unknown_stage`, and `unknown_row` if one of the positions does not wait for a
    person: then no order was given."""
    return await _order(installation, request, "release")


@operation
@recorded("parked mend", lambda request: request.stage)
async def mend_parked(installation: Installation, request: OrderRequest) -> OrderResult:
    """Change the data of each of the rows, which are judged again. Raises as `release_parked`, and
    RefusedError `unfit_value` if the stage does not take what the patch makes of one of them."""
    return await _order(installation, request, "mend")


@operation
@recorded("parked discard", lambda request: request.stage)
async def discard_parked(installation: Installation, request: OrderRequest) -> OrderResult:
    """Let each of the rows become a dead letter that is settled already. Raises as
    `release_parked`."""
    return await _order(installation, request, "discard")


async def _order(installation: Installation, request: OrderRequest, do: Deed) -> OrderResult:
    settings = installation.settings
    pipeline = await installation.require_pipeline()
    index = VersionIndex((await installation.versions()).values())
    parking_stages(index, request.stage)
    rows = _selected(await read_parked_rows(settings, pipeline, request.stage, index), request)
    id_, at = uuid4().hex, datetime.now(UTC)
    amend = _amender(request, rows) if do == "mend" else None
    records = [
        (
            row.event.partition,
            make_order(
                ParkedOrder(
                    do=do,
                    event=row.event.row_name.decode(),
                    id=id_,
                    by=request.by,
                    at=at,
                    reason=request.reason,
                ),
                b"" if amend is None else _mended(row, index, amend),
            ),
        )
        for row in rows
    ]
    topic = settings.names.retry_topic(pipeline, request.stage)
    taken = await _give(settings, topic, records) if records else frozenset()
    installation.deed.after = {
        "rows": [f"{request.stage}/{row.position}" for row in rows[:100]],
        "count": len(rows),
    }
    return OrderResult(
        stage=request.stage,
        do=do,
        rows=[
            OrderedRow(position=row.position, taken=record.key in taken)
            for row, (_, record) in zip(rows, records, strict=True)
        ],
    )


def _amender(request: OrderRequest, rows: Sequence[ParkedRow]) -> ValueAmender:
    """Return what mends the rows. Raises InvalidRequestError."""
    edited = request.edited
    if edited is None:
        return patch_amender(request.patch)
    if len(rows) != 1 or request.patch:
        raise InvalidRequestError(
            "invalid_request", "edited data are for one row by its position, and not with a patch"
        )
    shown = shown_row(rows[0])

    def amend(replay: Replay) -> bytes:
        try:
            parse_json(edited)
            value = apply_edit(letter_text(replay), shown, edited)
        except ValueError as error:  # MaskedPartError is one
            raise UnfitValueError(single_line(str(error))[:300]) from None
        return validate_value(replay, value.encode())

    return amend


def _selected(rows: Sequence[ParkedRow], request: OrderRequest) -> list[ParkedRow]:
    if request.positions:
        by_position = {row.position: row for row in rows}
        for position in request.positions:
            if position not in by_position:
                raise NotFoundError(
                    "unknown_row",
                    f"{request.stage}/{position} does not wait for a person; no order was given",
                    next_steps=[NextStep("see", ("parked", request.stage))],
                    stage=request.stage,
                    position=position,
                )
        rows = [by_position[position] for position in dict.fromkeys(request.positions)]
    by = None if request.until is None else to_milliseconds(request.until)
    return [
        row
        for row in rows
        if request.check in (None, *row.checks) and (by is None or row.event.since <= by)
    ]


def _mended(row: ParkedRow, index: VersionIndex, amend: ValueAmender) -> bytes:
    version = row.handling_version(index)
    handled_by = None if version is row.owner.version else version
    event_type = row.owner.event_type
    replay = Replay(
        0, row.event.partition, row.event, row.run, row.owner.version, row.stage, event_type,
        handled_by,
    )  # fmt: skip
    try:
        return amend(replay)
    except UnfitValueError as error:
        raise RefusedError(
            "unfit_value",
            f"{row.stage}/{row.position}: {error}; no order was given",
            stage=row.stage,
            position=row.position,
            problem=str(error),
        ) from None


async def _give(
    settings: Settings, topic: str, records: Sequence[tuple[int, OutgoingRecord]]
) -> frozenset[bytes | None]:
    """Write the orders, and return the keys of those that the lanes have read by then. Raises
    BrokerError."""
    async with ClusterAdmin.open(settings) as admin:
        partitions = [TopicPartition(topic, number) for number in {n for n, _ in records}]
        start = await admin.end_offsets(partitions)
    async with open_client(make_producer(settings), settings) as producer:
        try:
            for partition, record in records:
                await with_deadline(
                    producer.send_and_wait(
                        topic, value=record.value, key=record.key, partition=partition
                    ),
                    settings.deadline,
                    f"writing to {topic}; some of the orders may have been given",
                )
        except KafkaError as error:
            raise RefusedError(
                "record_refused", f"Kafka refuses an order: {error}", topic=topic
            ) from None
    return await _taken(settings, topic, start, {record.key for _, record in records})


async def _taken(
    settings: Settings, topic: str, start: dict[TopicPartition, int], keys: set[bytes | None]
) -> frozenset[bytes | None]:
    """Return which of the orders the lanes have read within TAKEN_SECONDS: then they have removed
    their rows."""
    ends = asyncio.get_running_loop().time() + TAKEN_SECONDS
    while True:
        gone: set[bytes | None] = set()
        async with aclosing(scan(settings, [topic], start=start)) as batches:
            async for records in batches:
                gone |= {r.key for r in records if r.value is None}
        if keys <= gone or asyncio.get_running_loop().time() >= ends:
            return frozenset(keys & gone)
        await asyncio.sleep(_POLL_SECONDS)
