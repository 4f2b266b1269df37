"""How do a function's results become the records of one transaction?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from farandole.broker.key_partitioner import partition_for_key
from farandole.events.envelope import constant_headers
from farandole.events.event_key import output_key
from farandole.events.event_position import EventPosition
from farandole.events.header_codec import (
    SMALL_VARINTS,
    HeaderBlock,
    length_prefixed,
    make_header_block,
)
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Partition, PartitionWrites, Record
from farandole.worker.counters import Counters
from farandole.worker.ledger_entries import EdgeAccount, TransactionAccounts, count_lines
from farandole.worker.limits import HEADER_BYTES_ESTIMATE, MAX_EVENT_BYTES, MAX_RECORD_BYTES
from farandole.worker.lineage import InputEdge, Lineage
from farandole.worker.output_routing import Output, OutputRouter, UndeclaredOutputError

_new_tuple = tuple.__new__

_ID_HEADER = length_prefixed(b"ce_id")
_RECORD_OVERHEAD = 32  # bytes, about, that a record takes besides its contents


class OutputTooLargeError(ValueError):
    """An event caused more than one transaction can carry."""

    published_name = "TooMuch"


@dataclass(slots=True)
class _BatchRoute:
    """From one event type to an output: all that is the same for each event of a batch."""

    headers: int
    """How many each result has, besides those that it inherits."""
    constant: bytes
    """They, up to the name of the last, the id."""
    cause: bytes
    encode: Callable[[Any], bytes]
    key: str | None
    into: list[list[OutgoingRecord]]
    partitions: int
    same_width: bool
    """A path whose topics are equally wide keeps to its lane where there is no key."""


class TransactionBuffer:
    """The records of one transaction, as they gather; `bytes` of them, about."""

    __slots__ = ("_routes", "_stage", "_topics", "accounts", "bytes", "counters", "foreign", "now")

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.now = datetime.now(UTC)
        self.bytes = 0
        self.foreign = 0
        """Events to which the stage does not subscribe under their version."""
        self.counters = Counters()
        self.accounts = TransactionAccounts()
        self._topics: dict[str, list[list[OutgoingRecord]]] = {}
        self._routes: dict[Output, _BatchRoute] = {}  # an output belongs to one edge

    def writes(self) -> PartitionWrites:
        return {
            Partition(topic, number): out
            for topic, partitions in self._topics.items()
            for number, out in enumerate(partitions)
            if out
        }

    def write(self, topic: str, outgoing: OutgoingRecord, partition: int = 0) -> None:
        """A record as it is."""
        self._lists(topic, partition + 1)[partition].append(outgoing)
        self.bytes += _RECORD_OVERHEAD + sum(len(content or b"") for content in outgoing)

    def emit(
        self,
        record: Record,
        edge: InputEdge,
        inherited: HeaderBlock,
        outputs: OutputRouter,
        account: EdgeAccount,
        result: Any,
    ) -> None:
        """The one result of one event. Raises TooMuch, WrongResult and UndeclaredOutputError.

        This runs for every event: it is written to be short, not to be pretty. It is `made` for the
        only result of one event, without its calls and its answer.
        """
        output = outputs.by_class.get(type(result))
        if output is None:
            output, result = outputs.of(result)
        try:
            route = self._routes[output]
        except KeyError:
            route = self._route(edge, output)
        value = route.encode(result)
        key = record.key if route.key is None else output_key(result, route.key)
        size = len(value) if key is None else len(value) + len(key)
        if size > MAX_RECORD_BYTES:
            raise _record_too_large(output, size)
        number, offset = record.partition, record.offset
        if key is not None:
            if route.key is None and route.same_width and (edge.keyed or not account.root):
                partition = number  # where its cause stands by the same key
            else:
                partition = partition_for_key(key, route.partitions)
        else:
            partition = (number if route.same_width else number + offset) % route.partitions
        position = b"%b/%d/%d/0" % (route.cause, number, offset)
        count, handed_down = inherited
        headers = b"".join(
            (
                SMALL_VARINTS[route.headers + count],
                route.constant,
                SMALL_VARINTS[len(position)],  # names are short
                position,
                handed_down,
            )
        )
        # A quarter of what Outgoing(...) costs.
        outgoing: OutgoingRecord = _new_tuple(OutgoingRecord, (key, value, headers))
        route.into[partition].append(outgoing)
        ids = account.outs.get(output)  # `account.emit`, without a call
        if ids is not None and not output.listed:
            ids.append(position)
        else:
            account.emit(output, position, count_lines(result) if output.listed else 0)
        self.bytes += size + HEADER_BYTES_ESTIMATE
        self.counters.emitted += 1

    def account(self, record: Record, lineage: Lineage) -> EdgeAccount:
        """Where the books keep what becomes of an event."""
        return self.accounts.of(lineage.edge, lineage.run, record, root=lineage.root)

    def settle(self, record: Record, lineage: Lineage, outcome: Outcome) -> EdgeAccount:
        """Book what became of one event; returns its account."""
        account = self.accounts.of(lineage.edge, lineage.run, record, root=lineage.root)
        account.settle(record)
        if outcome is not Outcome.HANDLED:
            self.count(account, outcome)
        return account

    def count(self, account: EdgeAccount, outcome: Outcome) -> None:
        """Count one event of `account` that had an outcome other than HANDLED."""
        account.count(outcome)
        self.counters.outcomes.count(outcome)

    def many(
        self, record: Record, lineage: Lineage, outputs: OutputRouter, more: int = 0
    ) -> ResultBatch:
        """The results of one event, or of it and `more` after it: all are written, or none."""
        return ResultBatch(self, record, lineage, outputs, more)

    def made(
        self,
        record: Record,
        edge: InputEdge,
        inherited: HeaderBlock,
        outputs: OutputRouter,
        result: Any,
        index: int,
        more: int,
    ) -> EncodedResult:
        """A result as a record."""
        output = outputs.by_class.get(type(result))
        if output is None:
            output, result = outputs.of(result)
        try:
            route = self._routes[output]
        except KeyError:
            route = self._route(edge, output)
        value = output.encode(result)
        key = record.key if output.key is None else output_key(result, output.key)
        size = len(value) if key is None else len(value) + len(key)
        if size > MAX_RECORD_BYTES:
            raise _record_too_large(output, size)
        number, offset = record.partition, record.offset
        if key is not None:
            partition = partition_for_key(key, output.partitions)
        else:
            dealt = number + index if route.same_width else number + index + offset
            partition = dealt % output.partitions
        position = (
            str(EventPosition(edge.event_type, number, offset, index, more)).encode()
            if more
            else b"%b/%d/%d/%d" % (route.cause, number, offset, index)
        )
        count, handed_down = inherited
        headers = b"".join(
            (
                SMALL_VARINTS[route.headers + count],
                route.constant,
                length_prefixed(position),
                handed_down,
            )
        )
        outgoing: OutgoingRecord = _new_tuple(OutgoingRecord, (key, value, headers))
        lines = count_lines(result) if output.listed else 0
        return EncodedResult(
            route.into[partition], outgoing, size + HEADER_BYTES_ESTIMATE, output, position, lines
        )

    def _route(self, edge: InputEdge, output: Output) -> _BatchRoute:
        version = edge.version
        source = version.source(self._stage)
        count, constant = make_header_block(
            [*constant_headers(source, output.event_type, self.now), edge.named]
        )
        route = _BatchRoute(
            headers=count + 1,
            constant=constant + _ID_HEADER,
            cause=edge.event_type.encode(),
            encode=output.encode,
            key=output.key,
            into=self._lists(output.topic, output.partitions),
            partitions=output.partitions,
            same_width=version.events[edge.event_type].partitions == output.partitions,
        )
        self._routes[output] = route
        return route

    def _lists(self, topic: str, partitions: int) -> list[list[OutgoingRecord]]:
        lists = self._topics.setdefault(topic, [])
        # Two versions at work in one transaction may know the topic in two widths.
        lists.extend([] for _ in range(partitions - len(lists)))
        return lists


def _record_too_large(output: Output, size: int) -> OutputTooLargeError:
    return OutputTooLargeError(
        f"a {output.event_type} of {size} bytes is larger than the {MAX_RECORD_BYTES} bytes "
        "that an event may have"
    )


class EncodedResult(NamedTuple):
    """A result as a record that is not written yet."""

    into: list[OutgoingRecord]
    """Its partition's list."""
    outgoing: OutgoingRecord
    size: int
    output: Output
    position: bytes
    """Its id."""
    lines: int


class ResultBatch:
    """Several results, not yet in the draft."""

    def __init__(
        self,
        draft: TransactionBuffer,
        record: Record,
        lineage: Lineage,
        outputs: OutputRouter,
        more: int,
    ) -> None:
        self._draft = draft
        self._cause = record, lineage.edge, lineage.inherited, outputs
        self._more = more
        self._account = draft.account(record, lineage)
        self._made: list[EncodedResult] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._made)

    def add(self, result: object) -> None:
        """Raises TooMuch and WrongResult."""
        try:
            made = self._draft.made(*self._cause, result, len(self._made), self._more)
        except UndeclaredOutputError:
            return
        self._made.append(made)
        self._bytes += made.size
        if self._bytes > MAX_EVENT_BYTES:
            raise OutputTooLargeError(
                f"more than {MAX_EVENT_BYTES // 2**20} MiB were emitted at once "
                f"({len(self._made)} events so far); split the work into smaller events first"
            )

    def write(self) -> None:
        for made in self._made:
            made.into.append(made.outgoing)
            self._account.emit(made.output, made.position, made.lines)
        self._draft.bytes += self._bytes
        self._draft.counters.emitted += len(self._made)
