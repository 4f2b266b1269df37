"""Whose event is this record: which run, which version, and who comes after?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

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
from farandole.worker.input_edge import ID_HEADER, ID_INDEX, InputEdge, Lineage
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
"""Raised before an event is tried; none is a failure of it."""


@dataclass(slots=True)
class _RootBlock:
    """Neighbouring roots of one partition: those at the offsets from `first` on, before `ends`."""

    topic: str
    partition: int
    first: int
    ends: int
    edge: InputEdge
    run_ids: bytes


@dataclass(slots=True)
class _LastEmitted:
    """The last event that a stage of this installation emitted. The next one is mostly of the same
    transaction and run: it differs in its id alone, and has the same lineage."""

    topic: str
    before_id: Sequence[Header]
    after_id: Sequence[Header]
    lineage: Lineage


@dataclass(slots=True)
class _InputPartition:
    """One partition of an input: which version a root there belongs to, by its offset."""

    run_ids: RunIdGenerator
    starts: Sequence[VersionStart]  # newest first
    last_roots: _RootBlock | None = None


class LineageResolver:
    """Returns the lineage of each record that a stage reads.

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
        self._set_versions(versions)

    def _set_versions(self, versions: Versions) -> None:
        self._read = versions
        self._index = VersionIndex(versions.values())
        self.newest = self._index.newest
        self._source_prefix = self._index.source_prefix
        self._lineages: dict[tuple[bytes | str | None, ...], Lineage | None] = {}
        self._places: dict[tuple[str, int], _InputPartition] = {}
        self._last_roots: _RootBlock | None = None
        self._last_emitted: _LastEmitted | None = None

    def _edge(self, version: Version, topic: str) -> InputEdge | None:
        """Return the edge of a topic under a version; None if the version has no such topic. Made
        at first use: few published versions are met, and binding one takes milliseconds."""
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
            # It was made for newer code: processes that have it take these events over.
            raise OutcomeUnknownError(f"{version.name} cannot be bound here: {error}") from None

    async def find_version(self, unknown: UnknownVersionError) -> None:
        """Read the published versions again. Raises UnreadableEventError if that one is not among
        them, and OutcomeUnknownError if they cannot be read."""
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
        """Forget that the versions are up to date: new records have been fetched, and a version may
        begin before the roots among them."""
        self._checked = False
        self._last_roots = None

    async def refresh(self) -> None:
        """Read every version that a record fetched before this call can belong to: a record at or
        behind a version's boundary can be read only after the version
        (`router/version_publisher.py`). Raises OutcomeUnknownError if they cannot be read."""
        try:
            versions = await self._read_again()
        except Exception as error:  # noqa: BLE001 -- whatever it was, they were not read
            # No reason to give the event up: the lane is opened again, and reads them again.
            raise OutcomeUnknownError(str(error)) from None
        if versions is not self._read:
            self._set_versions(versions)
        self._checked = True

    def lineage(self, record: Record) -> Lineage:
        """Return the lineage of a record. Raises UnreadableEventError, UnknownVersionError,
        UncheckedVersionsError and MisplacedRecordError."""
        found = record.headers
        if not found:
            edge, inherited = self.root_edge(record)
            return Lineage(edge, root_run_id(inherited), inherited)
        last = self._last_emitted
        if (
            last is not None
            and found[ID_INDEX + 1 :] == last.after_id
            and found[:ID_INDEX] == last.before_id
            and found[ID_INDEX][0] == ID_HEADER
            and record.topic == last.topic
        ):
            return last.lineage
        headers = dict(found)
        source = headers.get("ce_source")
        if source is not None and source.startswith(self._source_prefix):
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
                if len(found) > ID_INDEX + 1:
                    before_id, after_id = found[:ID_INDEX], found[ID_INDEX + 1 :]
                    self._last_emitted = _LastEmitted(record.topic, before_id, after_id, lineage)
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
        roots, offset = self._last_roots, record.offset
        if (
            roots is None
            or not roots.first <= offset < roots.ends
            or record.partition != roots.partition
            or record.topic != roots.topic
        ):
            roots = self._last_roots = self._roots(record)
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
        if place.last_roots is not None and place.last_roots.first <= first < place.last_roots.ends:
            return place.last_roots
        start, ends = version_span(place.starts, first)
        ends = first + RUN_ID_BLOCK if ends is None else min(ends, first + RUN_ID_BLOCK)
        edge = self._edge(start.version, record.topic)
        assert edge is not None  # the version has the topic: it begins somewhere in it
        run_ids = place.run_ids.block_of_ids(partition, first)
        place.last_roots = _RootBlock(record.topic, partition, first, ends, edge, run_ids)
        return place.last_roots

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
