"""How do a function's results become the records of one transaction?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from farandole.broker.partitioner import partition_of
from farandole.events.envelope import constant_headers
from farandole.events.headers import SMALL, Part, part, sized
from farandole.events.ids import Position
from farandole.events.record import Outgoing, Record
from farandole.lanes.port import Partition, Writes
from farandole.worker.accounts import Account, Accounts, lines_of
from farandole.worker.binding import Output, Outputs, Unwired, key_of
from farandole.worker.caps import EVENT_BYTES, HEADER_BYTES, RECORD_BYTES
from farandole.worker.tally import Tally
from farandole.worker.wiring import Edge, Lineage

new_tuple = tuple.__new__

_ID = sized(b"ce_id")
_FRAME = 32  # bytes, about, that a record takes besides its contents


class TooMuch(ValueError):  # noqa: N818 -- what was emitted
    """An event caused more than one transaction can carry."""


@dataclass(slots=True)
class _Route:
    """From one event type to an output: all that is the same for each event of a batch."""

    headers: int
    """How many each result has, besides those that it inherits."""
    constant: bytes
    """They, up to the name of the last, the id."""
    cause: bytes
    encode: Callable[[Any], bytes]
    key: str | None
    into: list[list[Outgoing]]
    partitions: int
    same_width: bool
    """A path whose topics are equally wide keeps to its lane where there is no key."""


class Draft:
    """The records of one transaction, as they gather; `bytes` of them, about."""

    __slots__ = ("_routes", "_stage", "_topics", "accounts", "bytes", "foreign", "now", "tally")

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.now = datetime.now(UTC)
        self.bytes = 0
        self.foreign = 0
        """Events to which the stage does not subscribe under their version."""
        self.tally = Tally()
        self.accounts = Accounts()
        self._topics: dict[str, list[list[Outgoing]]] = {}
        self._routes: dict[Output, _Route] = {}  # an output belongs to one edge

    def writes(self) -> Writes:
        return {
            Partition(topic, number): out
            for topic, partitions in self._topics.items()
            for number, out in enumerate(partitions)
            if out
        }

    def write(self, topic: str, outgoing: Outgoing, partition: int = 0) -> None:
        """A record as it is."""
        self._lists(topic, partition + 1)[partition].append(outgoing)
        self.bytes += _FRAME + sum(len(content or b"") for content in outgoing)

    def emit(
        self,
        record: Record,
        edge: Edge,
        inherited: Part,
        outputs: Outputs,
        account: Account,
        result: Any,
    ) -> None:
        """The one result of one event. Raises TooMuch, WrongResult and Unwired.

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
        key = record.key if route.key is None else key_of(result, route.key)
        size = len(value) if key is None else len(value) + len(key)
        if size > RECORD_BYTES:
            raise _too_large(output, size)
        number, offset = record.partition, record.offset
        if key is not None:
            if route.key is None and route.same_width and (edge.keyed or not account.root):
                partition = number  # where its cause stands by the same key
            else:
                partition = partition_of(key, route.partitions)
        else:
            partition = (number if route.same_width else number + offset) % route.partitions
        position = b"%b/%d/%d/0" % (route.cause, number, offset)
        count, handed_down = inherited
        headers = b"".join(
            (
                SMALL[route.headers + count],
                route.constant,
                SMALL[len(position)],  # names are short
                position,
                handed_down,
            )
        )
        # A quarter of what Outgoing(...) costs.
        outgoing: Outgoing = new_tuple(Outgoing, (key, value, headers))
        route.into[partition].append(outgoing)
        ids = account.outs.get(output)  # `account.emit`, without a call
        if ids is not None and not output.listed:
            ids.append(position)
        else:
            account.emit(output, position, lines_of(result) if output.listed else 0)
        self.bytes += size + HEADER_BYTES
        self.tally.emitted += 1

    def account(self, record: Record, lineage: Lineage) -> Account:
        """Where the books keep what becomes of an event."""
        return self.accounts.of(lineage.edge, lineage.run, record, root=lineage.root)

    def many(self, record: Record, lineage: Lineage, outputs: Outputs, more: int = 0) -> Many:
        """The results of one event, or of it and `more` after it: all are written, or none."""
        return Many(self, record, lineage, outputs, more)

    def made(
        self,
        record: Record,
        edge: Edge,
        inherited: Part,
        outputs: Outputs,
        result: Any,
        index: int,
        more: int,
    ) -> Made:
        """A result as a record."""
        output = outputs.by_class.get(type(result))
        if output is None:
            output, result = outputs.of(result)
        try:
            route = self._routes[output]
        except KeyError:
            route = self._route(edge, output)
        value = output.encode(result)
        key = record.key if output.key is None else key_of(result, output.key)
        size = len(value) if key is None else len(value) + len(key)
        if size > RECORD_BYTES:
            raise _too_large(output, size)
        number, offset = record.partition, record.offset
        if key is not None:
            partition = partition_of(key, output.partitions)
        else:
            dealt = number + index if route.same_width else number + index + offset
            partition = dealt % output.partitions
        position = (
            str(Position(edge.event_type, number, offset, index, more)).encode()
            if more
            else b"%b/%d/%d/%d" % (route.cause, number, offset, index)
        )
        count, handed_down = inherited
        headers = b"".join(
            (SMALL[route.headers + count], route.constant, sized(position), handed_down)
        )
        outgoing: Outgoing = new_tuple(Outgoing, (key, value, headers))
        lines = lines_of(result) if output.listed else 0
        return Made(route.into[partition], outgoing, size + HEADER_BYTES, output, position, lines)

    def _route(self, edge: Edge, output: Output) -> _Route:
        version = edge.version
        source = version.source(self._stage)
        count, constant = part([*constant_headers(source, output.event_type, self.now), edge.named])
        route = _Route(
            headers=count + 1,
            constant=constant + _ID,
            cause=edge.event_type.encode(),
            encode=output.encode,
            key=output.key,
            into=self._lists(output.topic, output.partitions),
            partitions=output.partitions,
            same_width=version.events[edge.event_type].partitions == output.partitions,
        )
        self._routes[output] = route
        return route

    def _lists(self, topic: str, partitions: int) -> list[list[Outgoing]]:
        lists = self._topics.setdefault(topic, [])
        # Two versions at work in one transaction may know the topic in two widths.
        lists.extend([] for _ in range(partitions - len(lists)))
        return lists


def _too_large(output: Output, size: int) -> TooMuch:
    return TooMuch(
        f"a {output.event_type} of {size} bytes is larger than the {RECORD_BYTES} bytes "
        "that an event may have"
    )


class Made(NamedTuple):
    """A result as a record that is not written yet."""

    into: list[Outgoing]
    """Its partition's list."""
    outgoing: Outgoing
    size: int
    output: Output
    position: bytes
    """Its id."""
    lines: int


class Many:
    """Several results, not yet in the draft."""

    def __init__(
        self, draft: Draft, record: Record, lineage: Lineage, outputs: Outputs, more: int
    ) -> None:
        self._draft = draft
        self._cause = record, lineage.edge, lineage.inherited, outputs
        self._more = more
        self._account = draft.account(record, lineage)
        self._made: list[Made] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._made)

    def add(self, result: object) -> None:
        """Raises TooMuch and WrongResult."""
        try:
            made = self._draft.made(*self._cause, result, len(self._made), self._more)
        except Unwired:
            return
        self._made.append(made)
        self._bytes += made.size
        if self._bytes > EVENT_BYTES:
            raise TooMuch(
                f"more than {EVENT_BYTES // 2**20} MiB were emitted at once "
                f"({len(self._made)} events so far); split the work into smaller events first"
            )

    def write(self) -> None:
        for made in self._made:
            made.into.append(made.outgoing)
            self._account.emit(made.output, made.position, made.lines)
        self._draft.bytes += self._bytes
        self._draft.tally.emitted += len(self._made)
