"""How does a function's result become a record of the transaction?"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from farandole.events.envelope import constant_headers
from farandole.events.event_position import EventPosition
from farandole.events.header_codec import (
    SMALL_VARINTS,
    HeaderBlock,
    length_prefixed,
    make_header_block,
)
from farandole.events.key_partitioner import partition_for_key
from farandole.events.record import OutgoingRecord, Record
from farandole.worker.input_edge import InputEdge
from farandole.worker.ledger_entries import EdgeAccount
from farandole.worker.limits import HEADER_BYTES_ESTIMATE, MAX_RECORD_BYTES
from farandole.worker.output_routing import Output
from farandole.worker.transaction_buffer import OutputTooLargeError, TransactionBuffer

_new_tuple = tuple.__new__

_ID_HEADER = length_prefixed(b"ce_id")
_MAX_INHERITED = 8  # headers that an event hands down: its run, a correlation id, a trace


class EmittedResult(NamedTuple):
    """A result that was written, with what is needed to take it back."""

    partition: list[OutgoingRecord]
    """The records of the partition; the record of this result was the last one."""
    account: EdgeAccount
    output: Output
    size: int
    lines: int


Journal = list[EmittedResult]


class Emit(Protocol):
    """Writes one result into the transaction. Raises OutputTooLargeError and the errors of
    `Codec.encoder`; then nothing was written."""

    def __call__(
        self,
        record: Record,
        inherited: HeaderBlock,
        account: EdgeAccount,
        data: Any,
        index: int = 0,
        more: int = 0,
        journal: Journal | None = None,
        /,
    ) -> None:
        """Write the result `data`. `record` caused it; `account` is the account of that event, and
        `inherited` are the headers that it hands down. `index`: which of the results of that event
        this is. `more`: at how many further offsets are events that caused it. With a `journal` the
        result can be taken back."""


def make_emitter(buffer: TransactionBuffer, edge: InputEdge, output: Output) -> Emit:
    """Return what writes the results of an edge's events to one output.

    It is called for every event, so all that is the same for a transaction is computed here.
    """
    version, event_type = edge.version, edge.event_type
    count, constant = make_header_block(
        [
            *constant_headers(version.source(buffer.stage), output.event_type, buffer.now),
            edge.version_header,
        ]
    )
    # By number of inherited headers: the count of all, the constant ones, the name of the id.
    prefixes = [
        SMALL_VARINTS[count + 1 + inherited] + constant + _ID_HEADER
        for inherited in range(_MAX_INHERITED)
    ]
    cause = edge.id_name.encode() + b"/"
    encode, read_key, count_rows = output.encode, output.read_key, output.count_rows
    partitions = output.partitions
    by_partition = buffer.partition_lists(output.topic, partitions)
    # On a path whose topics have equally many partitions, an event without a key stays in its lane.
    same_width = version.events[event_type].partitions == partitions
    is_keyed_edge = bool(edge.key_partitions)
    counters = buffer.counters
    keeps_values = output.is_profiled

    def emit(
        record: Record,
        inherited: HeaderBlock,
        account: EdgeAccount,
        data: Any,
        index: int = 0,
        more: int = 0,
        journal: Journal | None = None,
    ) -> None:
        value = encode(data)
        number, offset = record.partition, record.offset
        key = record.key if read_key is None else read_key(data)
        size = len(value)
        if key is not None:
            size += len(key)
            if read_key is None and same_width and (is_keyed_edge or not account.is_root):
                partition = number  # the key was inherited, and so is its partition
            else:
                partition = partition_for_key(key, partitions)
        else:
            partition = (number + index if same_width else number + index + offset) % partitions
        if size > MAX_RECORD_BYTES:
            raise _record_too_large(output, size)
        if more:
            event_id = str(EventPosition(edge.id_name, number, offset, index, more)).encode()
        else:
            event_id = b"%b%d/%d/%d" % (cause, number, offset, index)
        inherited_count, handed_down = inherited
        headers = b"".join(
            (prefixes[inherited_count], SMALL_VARINTS[len(event_id)], event_id, handed_down)
        )
        lines = 0 if count_rows is None else count_rows(data)
        records = by_partition[partition]
        # A quarter of what OutgoingRecord(...) costs.
        records.append(_new_tuple(OutgoingRecord, (key, value, headers)))
        ids = account.emitted_ids.get(output)
        if ids is None:
            account.emitted_ids[output] = [event_id]
        else:
            ids.append(event_id)
        if lines:
            account.add_emitted_lines(output, lines)
        if keeps_values:
            account.keep_value(output, value)
        buffer.bytes += size + HEADER_BYTES_ESTIMATE
        counters.emitted += 1
        if journal is not None:
            size += HEADER_BYTES_ESTIMATE
            journal.append(EmittedResult(records, account, output, size, lines))

    return emit


def take_back(buffer: TransactionBuffer, journal: Journal) -> None:
    """Remove every result in a journal from the buffer, and clear it. Nothing else may have been
    emitted since."""
    for result in reversed(journal):
        result.partition.pop()
        result.account.emitted_ids[result.output].pop()
        if result.output.is_profiled:
            result.account.emitted_values[result.output].pop()
        if result.lines:
            result.account.add_emitted_lines(result.output, -result.lines)
        buffer.bytes -= result.size
        buffer.counters.emitted -= 1
    journal.clear()


def _record_too_large(output: Output, size: int) -> OutputTooLargeError:
    return OutputTooLargeError(
        f"a {output.event_type} of {size} bytes is larger than the {MAX_RECORD_BYTES} bytes "
        "that an event may have"
    )
