"""What becomes of each event of a batch: results, another try, or a dead letter?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import structlog

from events.deadletter import Death, letter, size
from events.envelope import Unreadable, constant_headers
from events.ids import Position
from events.record import Header, Outgoing, Record
from events.topology import Retry, Version
from lanes.lane import Done
from lanes.port import Partition
from stages.contract import Reject
from stages.signature import Signature
from worker.binding import Decoder, Output, Outputs, WrongResult, key_of, place
from worker.wiring import Lineage, Wiring

log = structlog.get_logger()

SLICE = 0.05  # seconds that inline handlers may keep the event loop: heartbeats must live
TRANSACTION_BYTES = 8 * 1024 * 1024  # of results, at which a transaction takes no further event
EVENT_BYTES = 64 * 1024 * 1024  # of results that one event may cause
RECORD_BYTES = 1_000_000  # of one result; just below Kafka's default for a topic
DEAD_BYTES = 1024 * 1024 + 192 * 1024  # of one dead letter
TRANSACTION_AGE = 1.0  # seconds of handling after which a transaction takes no further event
_MOST_RESULTS = 500_000  # that a generator in a thread may yield for one event
BATCH = 5_000  # events that a `list` function gets at most


class TooMuch(ValueError):  # noqa: N818 -- what was emitted
    """The event caused more than one transaction can carry."""


# What no second try can change.
_FINAL = (Reject, Unreadable, WrongResult, TooMuch)


@dataclass(slots=True)
class Tally:
    """What was settled; counts of events."""

    consumed: int = 0
    emitted: int = 0
    dropped: int = 0
    dead: int = 0

    def add(self, other: Tally) -> None:
        self.consumed += other.consumed
        self.emitted += other.emitted
        self.dropped += other.dropped
        self.dead += other.dead


@dataclass(slots=True)
class _Batch:
    """The results of one transaction, as they gather."""

    now: datetime
    writes: dict[Partition, list[Outgoing]] = field(default_factory=dict)
    constant: dict[tuple[str, str], list[Header]] = field(default_factory=dict)
    bytes: int = 0
    tally: Tally = field(default_factory=Tally)

    def write(self, partition: Partition, outgoing: Outgoing) -> None:
        try:
            self.writes[partition].append(outgoing)
        except KeyError:
            self.writes[partition] = [outgoing]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """`stages.contract.Context` for one try at one event or batch."""

    run: str | None
    pipeline: str
    stage: str
    attempt: int
    deadline: float
    attributes: Mapping[str, str]

    @property
    def log(self) -> Any:
        return log.bind(pipeline=self.pipeline, stage=self.stage, run=self.run)


class Handling:
    """The work of one lane of a stage; `lanes.lane.Work`.

    `began` and `ended` tell the process which call is under way, so that it can be found hanging.
    """

    def __init__(
        self,
        stage: str,
        function: Callable[..., Any],
        signature: Signature,
        wiring: Wiring,
        dead_topic: str,
        *,
        threads: ThreadPoolExecutor | None,
        began: Callable[[float], object],
        ended: Callable[[object], None],
        settled: Callable[[Tally], None],
    ) -> None:
        self._stage = stage
        self._function = function
        self._signature = signature
        self._wiring = wiring
        self._dead = Partition(dead_topic, 0)
        self._decode = Decoder(signature.takes)
        self._threads = threads
        self._began = began
        self._ended = ended
        self._settled = settled
        self._outputs: dict[str, Outputs | None] = {}
        self._sources: dict[str, str] = {}
        self._slice_ends = 0.0
        self._inline = threads is None and signature.kind in ("plain", "generator")

    # -- lanes.lane.Work

    async def handle(self, records: Sequence[Record]) -> Done:
        batch = _Batch(datetime.now(UTC))
        ends = time.monotonic() + TRANSACTION_AGE
        settled = 0
        if self._signature.batch:
            while settled < len(records):
                settled += await self._many(batch, records[settled : settled + BATCH])
                if batch.bytes >= TRANSACTION_BYTES or time.monotonic() >= ends:
                    break
        else:
            for record in records:
                await self._one(batch, record)
                settled += 1
                now = time.monotonic()
                if now > self._slice_ends:
                    await self._breathe()
                if batch.bytes >= TRANSACTION_BYTES or now >= ends:
                    break
        batch.tally.consumed += settled
        return Done(settled, batch.writes, batch.tally)

    def give_up(self, record: Record, deaths: int) -> Done:
        batch = _Batch(datetime.now(UTC), tally=Tally(consumed=1))
        self._bury(
            batch,
            record,
            Death(
                stage=self._stage,
                version=self._wiring.newest.name,
                error="ProcessDied",
                message=(
                    f"the worker process died {deaths} times with this event at work: it exited, "
                    "ran out of memory, or was ended because the function held it for too long "
                    "(a function that is slow by nature wants `threads:` or `async def`)"
                ),
                attempts=deaths,
                last_failed=batch.now,
            ),
        )
        return Done(1, batch.writes, batch.tally)

    def committed(self, done: Done) -> None:
        self._settled(done.tally)

    # -- one event

    async def _one(self, batch: _Batch, record: Record) -> None:
        retry: Retry | None = None
        first = batch.now
        attempt = 0
        while True:
            attempt += 1
            try:
                lineage = self._wiring.known(record) or await self._wiring.of(record)
                outputs = self._bound(lineage.version)
                if outputs is None:
                    return  # under its version this stage does not subscribe to it
                retry = lineage.version.stages[self._stage].retry
                data = self._decode(
                    lineage.data if lineage.data is not None else record.value or b""
                )
                results = await self._call(data, lineage, attempt)
                await self._gather(batch, record, lineage, outputs, results)
            except Exception as error:  # noqa: BLE001 -- whatever a handler raises, the lane goes on
                failure: BaseException = error
            except BaseException as error:  # noqa: BLE001 -- see _from_outside
                if _from_outside(error):
                    raise
                failure = error
            else:
                return
            if isinstance(failure, _FINAL) or retry is None or attempt >= retry.attempts:
                self._fail(batch, record, failure, attempt, first)
                return
            log.info(
                "event.retried",
                stage=self._stage,
                position=f"{record.topic}/{record.partition}/{record.offset}",
                attempt=attempt,
                error=type(failure).__name__,
            )
            await asyncio.sleep(_backoff(retry, attempt))

    async def _call(self, data: Any, lineage: Lineage | None, attempt: int) -> Any:
        """The function's result: a value, None, or an iterable of values."""
        signature = self._signature
        timeout = self._wiring.newest.stages[self._stage].timeout
        call = self._function
        keywords: dict[str, Any] = {}
        if signature.context is not None:
            keywords[signature.context] = _Attempt(
                run=lineage.run if lineage else None,
                pipeline=self._wiring.newest.pipeline,
                stage=self._stage,
                attempt=attempt,
                deadline=time.monotonic() + timeout,
                attributes=lineage.attributes if lineage else {},
            )
        if self._inline:
            return call(data, **keywords)
        if signature.kind == "async":
            async with asyncio.timeout(timeout):
                return await call(data, **keywords)
        if signature.kind == "async generator":
            return _within(call(data, **keywords), timeout)
        watched = self._began(timeout)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, _called, call, data, keywords
            )
        finally:
            self._ended(watched)

    async def _gather(
        self, batch: _Batch, record: Record, lineage: Lineage, outputs: Outputs, results: Any
    ) -> None:
        """Encode the results of one event; all of them, or none."""
        signature = self._signature
        if not signature.many and signature.kind != "async generator":
            if results is None:
                if outputs.names:
                    batch.tally.dropped += 1
            else:
                partition, outgoing = self._encoded(batch, record, lineage, outputs, results, 0)
                batch.write(partition, outgoing)
                batch.bytes += len(outgoing.value or b"") + 400
                batch.tally.emitted += 1
            return
        gathered: list[tuple[Partition, Outgoing]] = []
        weight = 0
        async for result in _each(results):
            partition, outgoing = self._encoded(
                batch, record, lineage, outputs, result, len(gathered)
            )
            gathered.append((partition, outgoing))
            weight += len(outgoing.value or b"") + 400
            if weight > EVENT_BYTES:
                raise TooMuch(
                    f"it emitted more than {EVENT_BYTES // 2**20} MiB from one event "
                    f"({len(gathered)} events so far); split the work into smaller events first"
                )
            if time.monotonic() > self._slice_ends:
                await self._breathe()
        for partition, outgoing in gathered:
            batch.write(partition, outgoing)
        batch.bytes += weight
        batch.tally.emitted += len(gathered)
        if not gathered and outputs.names:
            batch.tally.dropped += 1

    def _encoded(
        self,
        batch: _Batch,
        record: Record,
        lineage: Lineage,
        outputs: Outputs,
        result: Any,
        index: int,
        more: int = 0,
    ) -> tuple[Partition, Outgoing]:
        output, data = outputs.of(result)
        value = output.encode(data)
        if len(value) > RECORD_BYTES:
            raise TooMuch(
                f"a {output.event_type} of {len(value)} bytes is larger than the {RECORD_BYTES} "
                "that a record may have"
            )
        key = key_of(data, output.key) if output.key is not None else record.key
        version = lineage.version
        try:
            constant = batch.constant[version.name, output.event_type]
        except KeyError:
            constant = batch.constant[version.name, output.event_type] = constant_headers(
                version.source(self._stage), output.event_type, batch.now
            )
        event_type = self._wiring.event_type(version, record.topic)
        position = Position(event_type, record.partition, record.offset, index, more)
        headers = [*constant, *lineage.inherited, ("ce_id", str(position).encode())]
        partition = place(output, key, record.partition + record.offset + index)
        return Partition(output.topic, partition), Outgoing(key, value, headers)

    # -- a list of events

    async def _many(self, batch: _Batch, records: Sequence[Record]) -> int:
        """Settle a run of records as one call; returns how many."""
        good: list[tuple[Record, Lineage, Outputs, Any]] = []
        settled = 0
        for record in records:
            try:
                lineage = self._wiring.known(record) or await self._wiring.of(record)
                outputs = self._bound(lineage.version)
                if outputs is not None:
                    if good and outputs.names and good[-1][1].run != lineage.run:
                        break  # what a batch emits belongs to one run
                    data = self._decode(
                        lineage.data if lineage.data is not None else record.value or b""
                    )
                    good.append((record, lineage, outputs, data))
            except Exception as error:  # noqa: BLE001 -- hostile bytes of any kind
                self._fail(batch, record, error, 1, batch.now)
            settled += 1
            if time.monotonic() > self._slice_ends:
                await self._breathe()
        if good:
            retry = good[0][1].version.stages[self._stage].retry
            await self._bisected(batch, good, retry.attempts, retry)
        return settled

    async def _bisected(
        self,
        batch: _Batch,
        good: Sequence[tuple[Record, Lineage, Outputs, Any]],
        attempts: int,
        retry: Retry,
    ) -> None:
        """Call with all; where that fails for good, with each half, down to the failing events."""
        first = datetime.now(UTC)
        failure: BaseException
        attempt = 0
        while True:
            attempt += 1
            try:
                runs = {lineage.run for _, lineage, _, _ in good}
                results = await self._call(
                    [data for *_, data in good], good[0][1] if len(runs) == 1 else None, attempt
                )
                await self._gather_many(batch, good, results)
            except Exception as error:  # noqa: BLE001 -- as for one event
                failure = error
            except BaseException as error:  # noqa: BLE001 -- see _from_outside
                if _from_outside(error):
                    raise
                failure = error
            else:
                return
            if isinstance(failure, _FINAL) or attempt >= attempts:
                break
            await asyncio.sleep(_backoff(retry, attempt))
        if len(good) == 1:
            self._fail(batch, good[0][0], failure, attempt, first)
            return
        half = len(good) // 2
        # The whole was tried in full; a part of it is tried once, or a dead dependency would cost
        # every backoff again at each level.
        await self._bisected(batch, good[:half], 1, retry)
        await self._bisected(batch, good[half:], 1, retry)

    async def _gather_many(
        self,
        batch: _Batch,
        good: Sequence[tuple[Record, Lineage, Outputs, Any]],
        results: Any,
    ) -> None:
        record, lineage, outputs, _ = good[0]
        gathered = []
        weight = 0
        async for result in _each(results if self._results_many else _single(results)):
            partition, outgoing = self._encoded(
                batch, record, lineage, outputs, result, len(gathered), len(good) - 1
            )
            gathered.append((partition, outgoing))
            weight += len(outgoing.value or b"") + 400
            if weight > EVENT_BYTES:
                raise TooMuch(f"it emitted more than {EVENT_BYTES // 2**20} MiB from one batch")
        for partition, outgoing in gathered:
            batch.write(partition, outgoing)
        batch.bytes += weight
        batch.tally.emitted += len(gathered)
        if not gathered and outputs.names:
            batch.tally.dropped += len(good)
        if time.monotonic() > self._slice_ends:
            await self._breathe()

    @property
    def _results_many(self) -> bool:
        return self._signature.many or self._signature.kind == "async generator"

    # -- around both

    def _bound(self, version: Version) -> Outputs | None:
        """Where results go under a version; None where the stage is not in it."""
        try:
            return self._outputs[version.name]
        except KeyError:
            bound = (
                Outputs(version, self._stage, self._signature)
                if self._stage in version.stages
                else None
            )
            self._outputs[version.name] = bound
            return bound

    async def _breathe(self) -> None:
        """Let heartbeats and the other lanes run."""
        await asyncio.sleep(0)
        self._slice_ends = time.monotonic() + SLICE

    def _fail(
        self, batch: _Batch, record: Record, error: BaseException, attempts: int, first: datetime
    ) -> None:
        self._bury(
            batch,
            record,
            Death.of(
                error,
                stage=self._stage,
                version=self._wiring.newest.name,
                attempts=attempts,
                first=first,
            ),
        )

    def _bury(self, batch: _Batch, record: Record, death: Death) -> None:
        dead = letter(record, death, largest=DEAD_BYTES)
        batch.write(self._dead, dead)
        batch.bytes += size(dead.key, dead.value, dead.headers)
        batch.tally.dead += 1
        log.debug(
            "event.died",
            stage=self._stage,
            position=f"{record.topic}/{record.partition}/{record.offset}",
            error=death.error,
            message=death.message[:200],
        )


def _backoff(retry: Retry, attempt: int) -> float:
    """Seconds before the next try: exponential with full jitter.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
    return random.uniform(0, min(retry.max_backoff, retry.backoff * 2 ** (attempt - 1)))  # noqa: S311


def _from_outside(error: BaseException) -> bool:
    """Is somebody ending the lane? A handler's own `sys.exit()` or stray cancellation is not that;
    only a signal ends this process."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError):
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit)


def _called(function: Callable[..., Any], data: Any, keywords: Mapping[str, Any]) -> Any:
    """In the thread: a generator does its work there too, not in the event loop."""
    results = function(data, **keywords)
    if not isinstance(results, Iterator):
        return results
    gathered = list(islice(results, _MOST_RESULTS + 1))
    if len(gathered) > _MOST_RESULTS:
        raise TooMuch(f"it emitted more than {_MOST_RESULTS} events from one")
    return gathered


def _single(result: Any) -> Iterable[Any]:
    return () if result is None else (result,)


async def _each(results: Any) -> AsyncIterator[Any]:
    if results is None:
        return
    if hasattr(results, "__aiter__"):
        async for result in results:
            if result is not None:
                yield result
        return
    try:
        iterator = iter(results)
    except TypeError:
        raise WrongResult(
            f"it gave a {type(results).__name__}, where it says that it gives several events"
        ) from None
    for result in iterator:
        if result is not None:
            yield result


async def _within(results: AsyncIterator[Any], timeout: float) -> AsyncIterator[Any]:
    """An async generator under one deadline for all of its results."""
    async with asyncio.timeout(timeout):
        async for result in results:
            yield result
