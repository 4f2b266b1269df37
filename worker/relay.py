"""How are the outputs of a program without transactions relayed: as results of which function?

To the lane the stage has a function like any other. It returns what the program has written for an
event to the raw topic; everything else (ids, headers, keys, entries) is made here, as for any
result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from farandole.events.envelope import UnreadableEventError
from farandole.events.raw_output import declared_type, output_place
from farandole.events.record import Partition, Record
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_port import LanePort, PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.raw_outputs import MAX_RAW_BYTES, RawOutputs
from farandole.lanes.relay_port import RelayPort
from farandole.stages.contract import To
from farandole.stages.function_loader import StageFunction
from farandole.stages.function_signature import StageSignature
from farandole.worker.codecs import InvalidResultError, PassedEvent, decode_json
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.limits import MAX_TRANSACTION_BYTES
from farandole.worker.transaction_buffer import OutputTooLargeError, TransactionBuffer

RELAY_SIGNATURE = StageSignature(
    input_schema=Any,
    takes_batch=False,
    context_parameter=None,
    output_schemas=(Any,),
    returns_many=True,
    names_outputs=True,
    kind="plain",
    is_passthrough=True,
    keeps_bytes=True,
    may_give_nothing=True,
    record_parameter="record",
)
"""That of the functions which `relay_function` returns."""


def relay_function(
    outputs: RawOutputs, emits: Sequence[str]
) -> Callable[..., list[To[PassedEvent]]]:
    """Return the function of a stage whose outputs are in `outputs`. An output that names no event
    type is of the only one in `emits`.

    The function raises InvalidResultError if the outputs of an event cannot be all of them, or are
    none of the stage's, and OutputTooLargeError."""

    def relay(_: Any, record: Record) -> list[To[PassedEvent]]:
        found = outputs.outputs_of(Partition(record.topic, record.partition), record.offset)
        if found is None:
            raise OutputTooLargeError(
                f"its outputs have more than {MAX_RAW_BYTES // 2**20} MiB; split the work into"
                " smaller events first"
            )
        missing = next((n for n, number in enumerate(found) if n != number), None)
        if missing is not None:
            raise InvalidResultError(
                f"the program wrote an output {max(found)}, and none with the number {missing}:"
                " it counts them from 0, and commits its offset after it has written all"
            )
        return [_result(output) for output in found.values()]

    def _result(output: Record) -> To[PassedEvent]:
        try:
            event_type = declared_type(output)
            if event_type is None and len(emits) == 1:
                (event_type,) = emits
            if event_type is None:
                raise InvalidResultError(
                    f"an output names no event type, and the stage emits {', '.join(emits)}"
                )
            value = output.value or b""
            return To(event_type, PassedEvent(value, decode_json(value)))
        except UnreadableEventError as error:
            place = f"{output.topic}/{output.partition}/{output.offset}"
            raise InvalidResultError(f"its output at {place} cannot be read: {error}") from None

    return relay


RELAY = StageFunction(relay_function, RELAY_SIGNATURE)
"""Stands for the functions of a relayed stage: each of its lanes has one of its own."""


class RelayedLanes:
    """The lanes of a relayed stage.

    Each assignment of a lane gets a work and a port that share what is read of the raw topic. They
    share nothing with those before, which may still be ending."""

    def __init__(
        self,
        raw_topic: str,
        program: str,
        emits: Sequence[str],
        make_processor: Callable[[int, Callable[..., Any]], LaneProcessor],
        remedy: str = "",
    ) -> None:
        """`program` is the group of the program. `make_processor` makes the processor of a lane
        with a function. `remedy`: what a person can do if the program has no offset."""
        self._raw_topic = raw_topic
        self._program = program
        self._emits = emits
        self._make_processor = make_processor
        self._remedy = remedy
        self._outputs: dict[int, RawOutputs] = {}

    def make_work(self, lane: int) -> RelayWork:
        """Return the work of a lane; the next call of `wrap_port` for the lane belongs to it."""
        outputs = self._outputs[lane] = RawOutputs(Partition(self._raw_topic, lane))
        return RelayWork(self._make_processor(lane, relay_function(outputs, self._emits)), outputs)

    def wrap_port(self, port: KafkaPort) -> LanePort:
        """Return the port that hands over only what can be relayed."""
        outputs = self._outputs[port.inputs[0].partition]
        return cast(LanePort, RelayPort(port, outputs, self._program, self._remedy))


class RelayWork:
    """`farandole.lanes.lane_work.LaneWork` of a relayed stage: events go to `lane`, and records of
    the raw topic that are outputs of no event become dead letters."""

    deferred = None
    throttle = drained = None
    """Neither stops the program, and the lane relays what the program has handled."""
    timed = None

    def __init__(self, lane: LaneProcessor, outputs: RawOutputs) -> None:
        self._lane = lane
        self._outputs = outputs

    def open(self, tables: StateTables) -> None:
        pass

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        if not self._is_stray(records[0]):
            return await self._lane.handle(records)
        buffer, done = self._lane.new_buffer(), 0
        while done < len(records) and buffer.bytes < MAX_TRANSACTION_BYTES:
            self._give_up_stray(buffer, records[done])
            done += 1
        return BatchResult(done, buffer.close(), buffer.counters)

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        if not self._is_stray(record):
            return await self._lane.give_up(record, deaths)
        buffer = self._lane.new_buffer()
        self._give_up_stray(buffer, record)
        return BatchResult(1, buffer.close(), buffer.counters)

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        self._lane.on_commit(done, offsets)

    async def close(self) -> BatchResult | None:
        return None

    def _is_stray(self, record: Record) -> bool:
        return (record.topic, record.partition) == self._outputs.raw

    def _give_up_stray(self, buffer: TransactionBuffer, record: Record) -> None:
        try:
            place = output_place(record)
        except UnreadableEventError as error:
            reason = error
        else:
            reason = UnreadableEventError(
                f"it names {place} as its cause, which is no event of this lane: the output of an"
                f" event goes to the partition of the raw topic that has the number of the event's"
            )
        self._lane.dead_letters.write_unowned(buffer, record, reason)
