"""Whose event is this record: which run, which version, and who comes after?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from farandole.broker.key_partitioner import partition_for_key
from farandole.catalog.ownership import (
    UnknownVersionError,
    VersionIndex,
    key_partitions,
    parse_root,
)
from farandole.catalog.version_boundaries import VersionStart, event_type_of, version_span
from farandole.events.envelope import (
    CORRELATION_ID,
    RUN_ID,
    TOPOLOGY_VERSION,
    TRACEPARENT,
    UnreadableEventError,
    attribute_header,
    parse_envelope,
)
from farandole.events.header_codec import (
    HeaderBlock,
    length_prefixed,
    make_header_block,
    varint_bytes,
)
from farandole.events.record import Header, Record
from farandole.events.run_ids import RUN_ID_BLOCK, RUN_ID_LENGTH, RunIdGenerator
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.worker.limits import MAX_CACHED_LINEAGES
from farandole.worker.output_routing import OutputRouter, holds_lines

_LOOKUP_PAUSE = 2.0  # seconds during which a version that was not found is not looked up again

Versions = Mapping[int, Version]


class UncheckedVersionsError(Exception):
    """A root was met, and a version may begin before it that we have not read: `refresh`, then ask
    again."""


class MisplacedRecordError(Exception):
    """A root whose key belongs into another partition: somebody's partitioner is not Kafka's."""

    def __init__(self, edge: InputEdge, home: int) -> None:
        super().__init__(home)
        self.edge = edge
        self.home = home


LOOKUP_ERRORS = (UnknownVersionError, UncheckedVersionsError, MisplacedRecordError)
"""No failures of the event."""


@dataclass(slots=True, eq=False)
class InputEdge:
    """One event type on its way into a stage, under one version."""

    version: Version
    event_type: str
    router: OutputRouter | None
    """Where the stage's results go; None if this version does not send the event to the stage."""
    version_header: Header
    """The version, as every descendant carries it."""
    key_partitions: int = 0
    """The number of partitions over which keys are spread; 0 if the event type has no key."""
    subscribers: list[str] = field(default_factory=list)
    """The stages that subscribe to it, under this version."""
    holds_lines: bool = False
    """One event holds several lines: its data are a list."""


@dataclass(slots=True)
class Lineage:
    """What an event hands down to all that it causes."""

    edge: InputEdge
    run: bytes
    inherited: HeaderBlock
    """The headers that each descendant carries, besides its version and those of its type."""
    data: bytes | None = None
    """The data, where it is not simply the record's value (structured mode)."""
    attributes: Mapping[str, str] | None = None
    """The attributes, where they are not simply the record's headers (structured mode)."""
    is_root: bool = True
    """It opens its run; otherwise a stage of this installation has emitted it."""


@dataclass(slots=True)
class _RootBlock:
    """Neighbours in one partition: the roots at the offsets from `first` on, before `ends`."""

    topic: str
    partition: int
    first: int
    ends: int
    edge: InputEdge
    run_ids: bytes


@dataclass(slots=True)
class _InputPartition:
    """One partition of an input: which version a root there belongs to, by its offset."""

    run_ids: RunIdGenerator
    starts: Sequence[VersionStart]  # newest first
    met: _RootBlock | None = None


class LineageResolver:
    """The lineage of each record that a stage reads.

    Bookkeeping headers are believed only of records that a stage of this installation emitted, by
    their `ce_source`; on any other record a run id is a correlation attribute.
    """

    def __init__(
        self,
        versions: Versions,
        read_again: Callable[[], Awaitable[Versions]],
        bind: Callable[[Version, str], OutputRouter | None],
    ) -> None:
        self._read_again = read_again
        self._bind = bind
        self._not_found: dict[bytes, float] = {}
        self._edges: dict[tuple[str, str], InputEdge | None] = {}
        self._checked = False
        self._know(versions)

    def _know(self, versions: Versions) -> None:
        self._read = versions
        self._index = VersionIndex(versions.values())
        self.newest = self._index.newest
        self._ours = self._index.source_prefix
        self._lineages: dict[tuple[bytes | str | None, ...], Lineage | None] = {}
        self._places: dict[tuple[str, int], _InputPartition] = {}
        self._met: _RootBlock | None = None

    def _edge(self, version: Version, topic: str) -> InputEdge | None:
        """Made at first use: of all the versions ever published, few are met, and to bind one takes
        milliseconds of the event loop."""
        key = version.name, topic
        if key not in self._edges:
            event_type = event_type_of(version, topic)
            self._edges[key] = None
            if event_type is not None:
                router = self._bound(version, event_type)
                version_header = attribute_header(TOPOLOGY_VERSION, version.name)
                event = version.events[event_type]
                self._edges[key] = InputEdge(
                    version,
                    event_type,
                    router,
                    version_header,
                    key_partitions(event),
                    list(version.subscribers(event_type)),
                    holds_lines(event),
                )
        return self._edges[key]

    def _bound(self, version: Version, event_type: str) -> OutputRouter | None:
        try:
            return self._bind(version, event_type)
        except Exception as error:
            if version is not self.newest:
                raise
            # Made for code that is newer than ours: others will work it, and we shall not be asked.
            raise OutcomeUnknownError(f"{version.name} cannot be bound here: {error}") from None

    async def find_version(self, unknown: UnknownVersionError) -> None:
        """Read the published versions again. Raises UnreadableEventError if that one is not among
        them, and OutcomeUnknownError if Kafka did not tell."""
        name: bytes = unknown.args[0]
        if self._not_found.get(name, 0.0) < time.monotonic():
            await self.refresh()
            if name in self._index.by_name:
                return
            if len(self._not_found) >= MAX_CACHED_LINEAGES:
                self._not_found.clear()
            self._not_found[name] = time.monotonic() + _LOOKUP_PAUSE
        raise UnreadableEventError(
            f"topology version {name.decode(errors='replace')!r} was never published here"
        )

    def start_batch(self) -> None:
        """New records have been fetched: what was read before does not tell which version the roots
        among them belong to."""
        self._checked = False
        self._met = None

    async def refresh(self) -> None:
        """Know every version that a record fetched before this call can belong to: one at or behind
        a version's boundary can be read only after the version can (`router/version_publisher.py`).
        Raises OutcomeUnknownError if Kafka did not tell."""
        try:
            versions = await self._read_again()
        except Exception as error:  # noqa: BLE001 -- whatever it was, Kafka did not tell
            # No reason to bury the event: the lane is born again, and asks again.
            raise OutcomeUnknownError(str(error)) from None
        if versions is not self._read:
            self._know(versions)
        self._checked = True

    def lineage(self, record: Record) -> Lineage:
        """Raises UnreadableEventError, UnknownVersionError, UncheckedVersionsError and
        MisplacedRecordError."""
        if not record.headers:
            edge, inherited = self.root_edge(record)
            return Lineage(edge, root_run_id(inherited), inherited)
        headers = dict(record.headers)
        source = headers.get("ce_source")
        if source is not None and source.startswith(self._ours):
            key = (
                source,
                headers.get("ce_topologyversion"),
                headers.get("ce_runid"),
                headers.get("ce_correlationid"),
                headers.get(TRACEPARENT),
                record.topic,
            )
            try:
                lineage = self._lineages[key]
            except KeyError:
                lineage = self._emitted(record, headers)
                if len(self._lineages) >= MAX_CACHED_LINEAGES:
                    self._lineages.clear()
                self._lineages[key] = lineage
            if lineage is not None:
                return lineage
        return self._root(record)

    def _emitted(self, record: Record, headers: Mapping[str, bytes]) -> Lineage | None:
        """Return the lineage of an event that a stage of this installation emitted; None if the
        record is a root. Raises UnknownVersionError."""
        owner = self._index.claimed_owner(headers, record.topic)
        if owner is None:
            return None
        edge = self._edge(owner.version, record.topic)
        assert edge is not None  # the owner's version has the topic
        run = headers["ce_runid"]
        inherited = [(RUN_HEADER, run)]
        inherited += [(n, headers[n]) for n in (CORRELATION_HEADER, TRACEPARENT) if n in headers]
        return Lineage(edge, run, make_header_block(inherited), is_root=False)

    def stray(self, record: Record) -> Lineage:
        """The lineage of a record that cannot be read any better: that of a root in its place.
        Nothing is believed of it but where it stands."""
        place = self._place(record)
        start, _ = version_span(place.starts, record.offset)
        edge = self._edge(start.version, record.topic)
        assert edge is not None  # the version has the topic: it begins somewhere in it
        run = place.run_ids.run_id(record.partition, record.offset).encode()
        return Lineage(edge, run, make_header_block([(RUN_HEADER, run)]))

    def lineage_or_stray(self, record: Record) -> Lineage:
        """Return the lineage of a record; that of a root in its place if it cannot be read."""
        try:
            return self.lineage(record)
        except (UnreadableEventError, *LOOKUP_ERRORS):
            return self.stray(record)

    def is_input_topic(self, topic: str) -> bool:
        """Return True if the topic is that of an event type under some version."""
        return self._index.has_topic(topic)

    def root_edge(self, record: Record) -> tuple[InputEdge, HeaderBlock]:
        """The edge of a root by its position alone, as kcat writes it with no headers at all, and
        what its descendants inherit: the run. Raises UnreadableEventError, UncheckedVersionsError
        and MisplacedRecordError."""
        if record.value is None:
            parse_envelope(record)  # says what is wrong
        roots, offset = self._met, record.offset
        if (
            roots is None
            or not roots.first <= offset < roots.ends
            or record.partition != roots.partition
            or record.topic != roots.topic
        ):
            roots = self._met = self._roots(record)
        if roots.edge.key_partitions and record.key is not None:
            home = partition_for_key(record.key, roots.edge.key_partitions)
            if home != record.partition:
                raise MisplacedRecordError(roots.edge, home)
        at = RUN_ID_LENGTH * (offset - roots.first)
        return roots.edge, (1, _RUN_HEADER_PREFIX + roots.run_ids[at : at + RUN_ID_LENGTH])

    def _roots(self, record: Record) -> _RootBlock:
        """A bare record and those after it. Raises UncheckedVersionsError."""
        if not self._checked:
            raise UncheckedVersionsError
        partition, first = record.partition, record.offset
        place = self._place(record)
        if place.met is not None and place.met.first <= first < place.met.ends:
            return place.met
        start, ends = version_span(place.starts, first)
        ends = first + RUN_ID_BLOCK if ends is None else min(ends, first + RUN_ID_BLOCK)
        edge = self._edge(start.version, record.topic)
        assert edge is not None  # the version has the topic: it begins somewhere in it
        run_ids = place.run_ids.block_of_ids(partition, first)
        place.met = _RootBlock(record.topic, partition, first, ends, edge, run_ids)
        return place.met

    def _root(self, record: Record) -> Lineage:
        """A root with headers: somebody's CloudEvent, or somebody's forgery."""
        envelope = parse_root(record)
        edge, inherited = self.root_edge(record)
        run = root_run_id(inherited)
        handed_down = [(RUN_HEADER, run)]
        attributes = envelope.attributes
        correlation = attributes.get(CORRELATION_ID) or attributes.get(RUN_ID)
        if correlation:
            handed_down.append(attribute_header(CORRELATION_ID, correlation))
        if envelope.traceparent:
            handed_down.append((TRACEPARENT, envelope.traceparent.encode()))
        return Lineage(edge, run, make_header_block(handed_down), envelope.data, attributes)

    def _place(self, record: Record) -> _InputPartition:
        """Return the partition that a record stands in."""
        key = record.topic, record.partition
        try:
            return self._places[key]
        except KeyError:
            run_ids = RunIdGenerator(self.newest.installation, record.topic)
            place = _InputPartition(run_ids, self._index.starts(*key))
            self._places[key] = place
            return place


RUN_HEADER = f"ce_{RUN_ID}"
CORRELATION_HEADER = f"ce_{CORRELATION_ID}"
_RUN_HEADER_PREFIX = length_prefixed(RUN_HEADER.encode()) + varint_bytes(
    RUN_ID_LENGTH
)  # the run id's header, up to its value


def root_run_id(inherited: HeaderBlock) -> bytes:
    """The run of a root, which it hands down as its only header so far."""
    return inherited[1][-RUN_ID_LENGTH:]
