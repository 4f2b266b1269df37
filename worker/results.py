"""How do a function's results become the records of one transaction?"""

from __future__ import annotations

from datetime import UTC, datetime

from broker.partitioner import partition_of
from events.envelope import constant_headers
from events.ids import Position
from events.record import Header, Outgoing, Record
from lanes.port import Partition, Writes
from worker.binding import Output, Outputs, key_of
from worker.caps import EVENT_BYTES, HEADER_BYTES, RECORD_BYTES
from worker.tally import Tally
from worker.wiring import Lineage


class TooMuch(ValueError):  # noqa: N818 -- what was emitted
    """An event caused more than one transaction can carry."""


class Draft:
    """The records of one transaction, as they gather; `bytes` of them, about."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.now = datetime.now(UTC)
        self.bytes = 0
        self.tally = Tally()
        self._writes: dict[str, dict[int, list[Outgoing]]] = {}
        self._constant: dict[tuple[int, str], list[Header]] = {}

    def writes(self) -> Writes:
        return {
            Partition(topic, number): out
            for topic, partitions in self._writes.items()
            for number, out in partitions.items()
        }

    def write(self, topic: str, partition: int, outgoing: Outgoing, size: int) -> None:
        try:
            self._writes[topic][partition].append(outgoing)
        except KeyError:
            self._writes.setdefault(topic, {})[partition] = [outgoing]
        self.bytes += size

    def emit(self, record: Record, lineage: Lineage, outputs: Outputs, result: object) -> None:
        """The one result of one event."""
        topic, partition, outgoing = self._made(record, lineage, outputs, result, 0, 0)
        self.write(topic, partition, outgoing, len(outgoing.value or b"") + HEADER_BYTES)
        self.tally.emitted += 1

    def many(self, record: Record, lineage: Lineage, outputs: Outputs, more: int = 0) -> Many:
        """The results of one event, or of it and `more` after it: written together or not at all."""
        return Many(self, record, lineage, outputs, more)

    def _made(
        self,
        record: Record,
        lineage: Lineage,
        outputs: Outputs,
        result: object,
        index: int,
        more: int,
    ) -> tuple[str, int, Outgoing]:
        output, data = outputs.of(result)
        value = output.encode(data)
        if len(value) > RECORD_BYTES:
            raise TooMuch(
                f"a {output.event_type} of {len(value)} bytes is larger than the {RECORD_BYTES} "
                "bytes that an event may have"
            )
        key = record.key if output.key is None else key_of(data, output.key)
        version = lineage.version
        try:
            constant = self._constant[version.version, output.event_type]
        except KeyError:
            constant = constant_headers(version.source(self._stage), output.event_type, self.now)
            self._constant[version.version, output.event_type] = constant
        # Position, spelt out: this line runs for every event.
        position = (
            f"{lineage.event_type}/{record.partition}/{record.offset}/{index}"
            if not more
            else str(Position(lineage.event_type, record.partition, record.offset, index, more))
        )
        headers = [*constant, *lineage.inherited, ("ce_id", position.encode())]
        if key is not None:
            partition = partition_of(key, output.partitions)
        else:
            partition = _spread(record, lineage, output, index)
        return output.topic, partition, Outgoing(key, value, headers)


class Many:
    """Several results, not yet in the draft."""

    def __init__(
        self, draft: Draft, record: Record, lineage: Lineage, outputs: Outputs, more: int
    ) -> None:
        self._draft = draft
        self._cause = record, lineage, outputs
        self._more = more
        self._made: list[tuple[str, int, Outgoing, int]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._made)

    def add(self, result: object) -> None:
        """Raises TooMuch and WrongResult."""
        topic, partition, outgoing = self._draft._made(
            *self._cause, result, len(self._made), self._more
        )
        size = len(outgoing.value or b"") + HEADER_BYTES
        self._made.append((topic, partition, outgoing, size))
        self._bytes += size
        if self._bytes > EVENT_BYTES:
            raise TooMuch(
                f"more than {EVENT_BYTES // 2**20} MiB were emitted at once "
                f"({len(self._made)} events so far); split the work into smaller events first"
            )

    def write(self) -> None:
        for made in self._made:
            self._draft.write(*made)
        self._draft.tally.emitted += len(self._made)


def _spread(record: Record, lineage: Lineage, output: Output, index: int) -> int:
    """Where an event without a key goes: one result for one event stays on its lane's index, so
    that a path without keys keeps its order too; several, or a change of width, are dealt out."""
    same_width = lineage.version.events[lineage.event_type].partitions == output.partitions
    dealt = record.partition + index + (0 if same_width else record.offset)
    return dealt % output.partitions


