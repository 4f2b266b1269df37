"""Which events of a type arrive, for somebody who looks on?

Who looks on need not see every event: what would cost too much is skipped, and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.tail_reader import Arrived, follow_newest
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.json_text import compact_json
from farandole.events.personal_data_masking import PERSONAL_MASK
from farandole.events.personal_fields import (
    IMPERSONAL_HEADERS,
    PersonalFields,
    personal_fields,
)
from farandole.events.record import Record
from farandole.events.record_time import known_time_ms
from farandole.events.safe_text import short_line
from farandole.operations.errors import (
    InvalidRequestError,
    NotFoundError,
    operation_stream,
    query,
)
from farandole.operations.events.event_content import EventContent, read_content
from farandole.operations.events.record_result import RecordReader
from farandole.operations.events.shown_data import masked_data, shown_data
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.stages.cel_expression import (
    ExpressionError,
    Undecided,
    compile_expression,
)
from farandole.worker.isolated_condition import (
    Condition,
    CostlyExpressionError,
    isolated_condition,
)

MAX_EVENTS = 25
"""Events of one batch that are shown; there are four batches a second at most."""
_READ = 50  # records of a tick that are read without a filter
_READ_FILTERED = 2_000
_BACK = 100  # offsets before the end at which it begins
_BACK_FILTERED = 5_000
_MAX_BYTES = 256 * 1024  # of data in one batch
TAIL_SECONDS = 0.05
"""For which the events of one batch may be read and chosen."""
_LINE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class TailRequest:
    """Which events are shown."""

    event_type: str
    run: str | None = None
    """Only those of this run."""
    where: str = ""
    """A CEL expression over `data` and `attributes`; only those for which it is true. What is
    personal is masked before."""


class TailEvent(Result):
    """An event that has arrived."""

    topic: str
    partition: int
    offset: int
    key: str | None
    run: str | None
    time: int | None
    """When it was written, in milliseconds of the epoch; None if its producer gave no time."""
    line: str
    """The beginning of its data in one line."""
    data: str
    """Its data, as `shown_data` has them."""
    cut: bool
    size: int
    """Bytes of the data."""
    unreadable: str | None
    """Why the record is no event; None if it is one."""


class TailBatch(Result):
    """What has arrived since the batch before."""

    events: list[TailEvent]
    """By time, and in the order of each partition."""
    skipped: int
    """How many were not looked at, or not shown, because there were too many. Offsets are counted
    where nobody has read the records."""
    undecided: int
    """For how many the expression is neither true nor false."""
    reason: str
    """Why, of the last of them."""


@dataclass(frozen=True, slots=True)
class PreparedTail:
    """A request that can be followed."""

    request: TailRequest
    topic: str
    versions: VersionsByNumber


@query
async def prepare_tail(installation: Installation, request: TailRequest) -> PreparedTail:
    """Check a request. Raises InvalidRequestError (`invalid_request`: the expression cannot be
    compiled), NotFoundError (`unknown_event_type`, `nothing_applied`) and UnavailableError."""
    versions = await installation.versions()
    newest_first = [each for _, each in sorted(versions.items(), reverse=True)]
    version = next((v for v in newest_first if request.event_type in v.events), newest_first[0])
    name = require_known(request.event_type, version.events, "event type", "unknown_event_type")
    if request.where.strip():
        try:
            compile_expression(request.where)
        except ExpressionError as error:
            place = f" (column {error.column})" if error.column else ""
            raise InvalidRequestError("invalid_request", f"{error}{place}") from None
    return PreparedTail(request, version.events[name].topic, versions)


@operation_stream
async def tail_events(
    installation: Installation,
    prepared: PreparedTail,
    seconds: Callable[[], float] = lambda: TAIL_SECONDS,
) -> AsyncGenerator[TailBatch]:
    """Yield the events that arrive, beginning a little before the end. `seconds`: for how long the
    events of the next batch may be chosen. Raises NotFoundError (`unknown_event_type`: its topic is
    gone), InvalidRequestError (`invalid_request`: the expression takes too much for an event) and
    UnavailableError."""
    settings, where = installation.settings, prepared.request.where.strip()
    is_filtered = bool(where) or prepared.request.run is not None
    async with ClusterAdmin.open(settings) as admin:
        count = (await admin.topics([prepared.topic])).get(prepared.topic, 0)
        if not count:
            raise NotFoundError("unknown_event_type", f"there is no topic {prepared.topic}")
        partitions = [TopicPartition(prepared.topic, index) for index in range(count)]
        firsts = await admin.start_offsets(partitions)
        ends = await admin.end_offsets(partitions, stable=True)
    back = max(1, (_BACK_FILTERED if is_filtered else _BACK) // count)
    starts = {each: max(firsts[each], ends[each] - back) for each in partitions}
    read = _READ_FILTERED if is_filtered else _READ
    with ExitStack() as stack:
        condition = stack.enter_context(isolated_condition(where)) if where else None
        if condition is not None:
            await asyncio.to_thread(_try, condition)
        choose = EventChoice(prepared, condition, time.monotonic)
        async with aclosing(follow_newest(settings, starts, read)) as arrivals:
            async for arrived in arrivals:
                # In a thread, since a large event takes a second, and a costly expression as long.
                batch = await asyncio.to_thread(choose.batch, arrived, seconds())
                if batch.events or batch.skipped or batch.undecided:
                    yield batch


class EventChoice:
    """Chooses the events that are shown, within a budget of time."""

    def __init__(
        self, prepared: PreparedTail, condition: Condition | None, clock: Callable[[], float]
    ) -> None:
        """`condition`: that of `where`; None if there is none."""
        self._request = prepared.request
        self._condition = condition
        self._clock = clock
        self._reader = RecordReader(prepared.versions.values())
        self._fields = _fields_of(prepared.versions, prepared.request.event_type)

    def batch(self, arrived: Arrived, seconds: float = TAIL_SECONDS) -> TailBatch:
        """Return what is shown of some records; the newest, if there are too many, or `seconds` are
        not enough for all. Raises InvalidRequestError (`invalid_request`)."""
        until = self._clock() + seconds
        events: list[TailEvent] = []
        skipped, undecided, reason, size = arrived.skipped, 0, "", 0
        # From the newest back: what the budget does not reach is the oldest.
        records = _by_time(arrived.records)
        for number, record in enumerate(reversed(records)):
            is_full = len(events) >= MAX_EVENTS or size > _MAX_BYTES
            if is_full or self._clock() > until:
                skipped += len(records) - number
                break
            try:
                event = self._event(record)
            except Undecided as error:
                undecided, reason = undecided + 1, reason or short_line(str(error))
                continue
            except CostlyExpressionError as error:
                raise _costly(error) from None
            if event is not None:
                events.append(event)
                size += len(event.data)
        return TailBatch(events=events[::-1], skipped=skipped, undecided=undecided, reason=reason)

    def _event(self, record: Record) -> TailEvent | None:
        """Return an event as it is shown; None if the filters leave it out. Raises Undecided and
        CostlyExpressionError."""
        run = self._reader.read(record).run
        if self._request.run is not None and run != self._request.run:
            return None
        content = read_content(record)
        if self._condition is not None and not _is_true(self._condition, content, self._fields):
            return None
        shown = shown_data(content, self._fields.schema)
        return TailEvent(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=_key_text(record.key, hide=self._fields.has_key),
            run=run,
            time=known_time_ms(record.timestamp),
            line=_line(shown.text, shown.kind == "json"),
            data=shown.text,
            cut=shown.cut,
            size=shown.size,
            unreadable=content.unreadable,
        )


def _by_time(records: Sequence[Record]) -> list[Record]:
    """Return records of several partitions by their times; those of one partition stay in order,
    also where the clock of a producer went back."""
    latest: dict[int, int] = {}
    times = []
    for record in records:
        at = max(latest.get(record.partition, record.timestamp), record.timestamp)
        latest[record.partition] = at
        times.append(at)
    order = sorted(range(len(records)), key=times.__getitem__)
    return [records[index] for index in order]


def _try(condition: Condition) -> None:
    """Wait until a condition can be worked out. Raises InvalidRequestError (`invalid_request`)."""
    try:
        condition(None, {})
    except Undecided:
        pass
    except CostlyExpressionError as error:
        raise _costly(error) from None


def _costly(error: CostlyExpressionError) -> InvalidRequestError:
    return InvalidRequestError("invalid_request", f"{error}; ask for less")


def _fields_of(versions: VersionsByNumber, event_type: str) -> PersonalFields:
    """Return what may be personal in an event type, by the newest version that has it."""
    newest_first = [each for _, each in sorted(versions.items(), reverse=True)]
    return personal_fields(next(v for v in newest_first if event_type in v.events), event_type)


def _is_true(condition: Condition, content: EventContent, fields: PersonalFields) -> bool:
    """Return whether a condition is true of what may be shown of an event: else somebody could find
    out the rest by asking. Raises Undecided and CostlyExpressionError."""
    data, _ = masked_data(content, fields.schema)
    attributes = {
        name: value
        for name, value in content.attributes.items()
        if not fields.hides_headers or f"ce_{name}" in IMPERSONAL_HEADERS
    }
    return condition(data, attributes)


def _line(text: str, is_json: bool) -> str:
    """Return the beginning of a text in one line."""
    begin = text[: 4 * _LINE_CHARACTERS]
    line = compact_json(begin) if is_json else " ".join(begin.split())
    return line[:_LINE_CHARACTERS]


def _key_text(key: bytes | None, *, hide: bool) -> str | None:
    if key is None:
        return None
    return PERSONAL_MASK if hide else key.decode(errors="backslashreplace")[:_LINE_CHARACTERS]
