"""To which run, version and input edge does a record belong?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from farandole.catalog.ownership import (
    UnknownVersionError,
    VersionIndex,
    key_partitions,
    parse_root,
)
from farandole.catalog.profiled_events import profiling_stage
from farandole.catalog.version_boundaries import VersionStart, event_type_of, version_span
from farandole.events.envelope import (
    CORRELATION_ID,
    RUN_ID,
    TOPOLOGY_VERSION,
    TRACEPARENT,
    UnreadableEventError,
    attribute_header,
    check_bookkeeping,
    check_type,
    parse_envelope,
)
from farandole.events.event_position import living_name
from farandole.events.header_codec import (
    HeaderBlock,
    length_prefixed,
    make_header_block,
    varint_bytes,
)
from farandole.events.key_partitioner import partition_for_key
from farandole.events.record import Header, Record
from farandole.events.retry_record import ParkedEvent
from farandole.events.run_ids import RUN_ID_BLOCK, RUN_ID_LENGTH, RunIdGenerator
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.worker.input_edge import ID_HEADER, ID_INDEX, InputEdge, Lineage
from farandole.worker.limits import MAX_CACHED_LINEAGES
from farandole.worker.output_routing import OutputRouter, holds_lines

_LOOKUP_PAUSE = 2.0  # seconds during which a version that was not found is not looked up again

Versions = Mapping[int, Version]


class UncheckedVersionsError(Exception):
    """A record is a root, and a version that we have not read may begin before it. The caller calls
    `refresh` and asks again."""


class MisplacedRecordError(Exception):
    """A root is in another partition than the one of its key: its producer does not use Kafka's
    partitioner."""

    def __init__(self, edge: InputEdge, home: int) -> None:
        super().__init__(home)
        self.edge = edge
        self.home = home


LOOKUP_ERRORS = (UnknownVersionError, UncheckedVersionsError, MisplacedRecordError)
"""Errors that are raised before an event is tried. None of them is a failure of the event."""


@dataclass(slots=True)
class _RootBlock:
    """Consecutive offsets of one partition, from `first` to before `ends`: the roots there have the
    same edge."""

    topic: str
    partition: int
    first: int
    ends: int
    edge: InputEdge
    run_ids: bytes


@dataclass(slots=True)
class _LastEmitted:
    """The last event that a stage of this installation emitted. The next one is mostly of the same
    transaction and run: then only its id differs, and it has the same lineage."""

    topic: str
    before_id: Sequence[Header]
    after_id: Sequence[Header]
    lineage: Lineage


@dataclass(slots=True)
class _InputPartition:
    """One partition of an input: by its offset, the version that a root in it belongs to."""

    run_ids: RunIdGenerator
    starts: Sequence[VersionStart]  # newest first
    last_roots: _RootBlock | None = None


class LineageResolver:
    """Returns the lineage of each record that a stage reads.

    Run and version headers are trusted only if a stage of this installation emitted the record, as
    its `ce_source` shows; on any other record a run id is a correlation attribute.
    """

    def __init__(
        self,
        versions: Versions,
        read_again: Callable[[], Awaitable[Versions]],
        bind: Callable[[Version, str], OutputRouter | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read_again` returns the published versions, read now. `bind` returns the outputs of the
        stage for an event type under a version; None if that version does not send it there."""
        self._read_again = read_again
        self._bind = bind
        self._monotonic = monotonic
        self._not_found: dict[bytes, float] = {}
        self._edges: dict[tuple[str, str, int], InputEdge | None] = {}
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

    def versions(self) -> Iterable[Version]:
        """Return the versions as they were read last."""
        return self._read.values()

    def _edge(self, version: Version, topic: str) -> InputEdge | None:
        """Return the edge of a topic under a version; None if the version has no such topic. It is
        made at first use: few published versions occur, and binding one takes milliseconds."""
        # Not the life that this version says: its events may stand in a topic that is newer.
        life = self._index.life(topic)
        key = version.name, topic, life
        if key not in self._edges:
            event_type = event_type_of(version, topic)
            if event_type is None:
                self._edges[key] = None
            else:
                router, unbound = self._bound(version, event_type)
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
                    unbound,
                    living_name(event_type, life),
                    (profiling_stage(version, event_type) or "") if event.is_profiled else "",
                )
        return self._edges[key]

    def _bound(self, version: Version, event_type: str) -> tuple[OutputRouter | None, str]:
        """Return where the results go, and why that cannot be told. Raises OutcomeUnknownError."""
        try:
            return self._bind(version, event_type), ""
        except OutcomeUnknownError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever the stage's code raises
            reason = f"the code of the stage does not fit {version.name}: {error}"
            if version is not self.newest:
                return None, reason
            # The version was made for newer code: processes with that code handle these events.
            raise OutcomeUnknownError(reason) from None

    async def find_version(self, unknown: UnknownVersionError) -> None:
        """Read the published versions again. Raises UnreadableEventError if that one is not among
        them, and OutcomeUnknownError if they cannot be read."""
        name: bytes = unknown.args[0]
        pause_ends = self._not_found.get(name)
        if pause_ends is None or pause_ends < self._monotonic():
            await self.refresh()
            if name in self._index.by_name:
                return
            if len(self._not_found) >= MAX_CACHED_LINEAGES:
                self._not_found.clear()
            self._not_found[name] = self._monotonic() + _LOOKUP_PAUSE
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
            # This is no failure of the event: the lane opens again and reads the versions again.
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
            and found[ID_INDEX][1]
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
                if lineage is not None and not headers.get(ID_HEADER):
                    check_bookkeeping(headers)  # raises the error: the id is not part of the key
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
        record is a root. Raises UnknownVersionError and UnreadableEventError."""
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
        """Return the lineage of a root at the record's position, for a record whose own lineage
        cannot be read. Only its position is used."""
        place = self._place(record)
        start, _ = version_span(place.starts, record.offset)
        edge = self._edge(start.version, record.topic)
        assert edge is not None  # the version has the topic: it begins somewhere in it
        run = place.run_ids.run_id(record.partition, record.offset, start.version.format).encode()
        return Lineage(edge, run, make_header_block([(RUN_HEADER, run)]))

    def lineage_or_stray(self, record: Record) -> Lineage:
        """Return the lineage of a record; that of a root at its position if it cannot be read."""
        try:
            return self.lineage(record)
        except (UnreadableEventError, *LOOKUP_ERRORS):
            return self.stray(record)

    def handling_edge(self, record: Record, lineage: Lineage) -> InputEdge:
        """Return the edge by whose version a record is handled: that of its lineage, unless it was
        replayed by another version. Raises UnknownVersionError, and UnreadableEventError if that
        version does not have the event."""
        name = record.wired_by if isinstance(record, ParkedEvent) else ""
        if not name:
            return lineage.edge
        version = self._index.by_name.get(name.encode())
        if version is None:
            raise UnknownVersionError(name.encode())
        edge = self._edge(version, record.topic)
        if edge is None:
            raise UnreadableEventError(f"{name} has no topic {record.topic}")
        return edge

    def life(self, topic: str) -> int:
        """Return the life of a topic, by the newest version with it."""
        return self._index.life(topic)

    def is_input_topic(self, topic: str) -> bool:
        """Return True if the topic is that of an event type under some version."""
        return self._index.has_topic(topic)

    def root_edge(self, record: Record) -> tuple[InputEdge, HeaderBlock]:
        """Return the edge of a root by its position alone, and the header that its descendants
        inherit: the run. The root may be a record without any header, as kcat writes it. Raises
        UnreadableEventError, UncheckedVersionsError and MisplacedRecordError."""
        if record.value is None:
            parse_envelope(record)  # raises the error
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
        """Return the block of roots at the record's offset and after it. Raises
        UncheckedVersionsError."""
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
        run_ids = place.run_ids.block_of_ids(partition, first, start.version.format)
        place.last_roots = _RootBlock(record.topic, partition, first, ends, edge, run_ids)
        return place.last_roots

    def _root(self, record: Record) -> Lineage:
        """Return the lineage of a root with headers; run and version headers in it are not trusted.
        Raises UnreadableEventError, UncheckedVersionsError and MisplacedRecordError."""
        envelope = parse_root(record)
        edge, inherited = self.root_edge(record)
        run = root_run_id(inherited)
        handed_down = [(RUN_HEADER, run)]
        attributes = envelope.attributes
        # An event that waits was let in already: by a person who replays it, or an older release.
        if not isinstance(record, ParkedEvent):
            check_type(attributes, edge.event_type)
        correlation = attributes.get(CORRELATION_ID) or attributes.get(RUN_ID)
        if correlation:
            handed_down.append(attribute_header(CORRELATION_ID, correlation))
        if envelope.traceparent:
            handed_down.append((TRACEPARENT, envelope.traceparent.encode()))
        return Lineage(edge, run, make_header_block(handed_down), envelope.data, attributes)

    def _place(self, record: Record) -> _InputPartition:
        """Return what is known of the record's partition."""
        key = record.topic, record.partition
        try:
            return self._places[key]
        except KeyError:
            life = self._index.life(record.topic)
            run_ids = RunIdGenerator(self.newest.installation, record.topic, life)
            place = _InputPartition(run_ids, self._index.starts(*key))
            self._places[key] = place
            return place


RUN_HEADER = f"ce_{RUN_ID}"
CORRELATION_HEADER = f"ce_{CORRELATION_ID}"
_RUN_HEADER_PREFIX = length_prefixed(RUN_HEADER.encode()) + varint_bytes(
    RUN_ID_LENGTH
)  # the run id's header, up to its value


def root_run_id(inherited: HeaderBlock) -> bytes:
    """Return the run of a root, from the header block that `root_edge` returned."""
    return inherited[1][-RUN_ID_LENGTH:]
