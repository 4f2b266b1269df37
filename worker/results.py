"""How do a function's results become the records of one transaction?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from broker.partitioner import partition_of
from events.envelope import constant_headers
from events.ids import Position
from events.record import Header, Outgoing, Record
from lanes.port import Partition, Writes
from worker.binding import Output, Outputs, key_of
from worker.caps import EVENT_BYTES, HEADER_BYTES, RECORD_BYTES
from worker.tally import Tally
from worker.wiring import Edge, Lineage

new_tuple = tuple.__new__


class TooMuch(ValueError):  # noqa: N818 -- what was emitted
    """An event caused more than one transaction can carry."""


@dataclass(slots=True)
class _Route:
    """From one event type to an output: all that is the same for each event of a batch."""

    constant: list[Header]
    into: list[list[Outgoing]]
    same_width: bool
    """A path whose topics are equally wide keeps to its lane where there is no key."""


class Draft:
    """The records of one transaction, as they gather; `bytes` of them, about."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.now = datetime.now(UTC)
        self.bytes = 0
        self.tally = Tally()
        self._topics: dict[str, list[list[Outgoing]]] = {}
        self._routes: dict[Output, _Route] = {}  # an output belongs to one edge

    def writes(self) -> Writes:
        return {
            Partition(topic, number): out
            for topic, partitions in self._topics.items()
            for number, out in enumerate(partitions)
            if out
        }

    def write(self, topic: str, outgoing: Outgoing, size: int, partition: int = 0) -> None:
        """A record of `size` bytes, as it is."""
        self._lists(topic, partition + 1)[partition].append(outgoing)
        self.bytes += size

    def emit(self, record: Record, lineage: Lineage, outputs: Outputs, result: object) -> None:
        """The one result of one event. Raises TooMuch and WrongResult."""
        into, outgoing, size = self.made(
            record, lineage.edge, lineage.inherited, outputs, result, 0, 0
        )
        into.append(outgoing)
        self.bytes += size
        self.tally.emitted += 1

    def many(self, record: Record, lineage: Lineage, outputs: Outputs, more: int = 0) -> Many:
        """The results of one event, or of it and `more` after it: all are written, or none."""
        return Many(self, record, lineage, outputs, more)

    def made(
        self,
        record: Record,
        edge: Edge,
        inherited: tuple[Header, ...],
        outputs: Outputs,
        result: Any,
        index: int,
        more: int,
    ) -> tuple[list[Outgoing], Outgoing, int]:
        """A result as a record: into which partition's list, what, of how many bytes. This runs for
        every event: it is written to be short, not to be pretty."""
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
            raise TooMuch(
                f"a {output.event_type} of {size} bytes is larger than the {RECORD_BYTES} bytes "
                "that an event may have"
            )
        number, offset = record.partition, record.offset
        if key is not None:
            partition = partition_of(key, output.partitions)
        else:
            dealt = number + index if route.same_width else number + index + offset
            partition = dealt % output.partitions
        position = (
            str(Position(edge.event_type, number, offset, index, more))
            if more
            else f"{edge.event_type}/{number}/{offset}/{index}"
        )
        headers = [*route.constant, *inherited, ("ce_id", position.encode())]
        # A quarter of what Outgoing(...) costs.
        outgoing: Outgoing = new_tuple(Outgoing, (key, value, headers))
        return route.into[partition], outgoing, size + HEADER_BYTES

    def _route(self, edge: Edge, output: Output) -> _Route:
        version = edge.version
        route = _Route(
            constant_headers(version.source(self._stage), output.event_type, self.now),
            self._lists(output.topic, output.partitions),
            version.events[edge.event_type].partitions == output.partitions,
        )
        self._routes[output] = route
        return route

    def _lists(self, topic: str, partitions: int) -> list[list[Outgoing]]:
        lists = self._topics.setdefault(topic, [])
        # Two versions at work in one transaction may know the topic in two widths.
        lists.extend([] for _ in range(partitions - len(lists)))
        return lists


class Many:
    """Several results, not yet in the draft."""

    def __init__(
        self, draft: Draft, record: Record, lineage: Lineage, outputs: Outputs, more: int
    ) -> None:
        self._draft = draft
        self._cause = record, lineage.edge, lineage.inherited, outputs
        self._more = more
        self._made: list[tuple[list[Outgoing], Outgoing]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._made)

    def add(self, result: object) -> None:
        """Raises TooMuch and WrongResult."""
        into, outgoing, size = self._draft.made(*self._cause, result, len(self._made), self._more)
        self._made.append((into, outgoing))
        self._bytes += size
        if self._bytes > EVENT_BYTES:
            raise TooMuch(
                f"more than {EVENT_BYTES // 2**20} MiB were emitted at once "
                f"({len(self._made)} events so far); split the work into smaller events first"
            )

    def write(self) -> None:
        for into, outgoing in self._made:
            into.append(outgoing)
        self._draft.bytes += self._bytes
        self._draft.tally.emitted += len(self._made)
