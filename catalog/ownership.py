"""Who owns a record: which version, which event type, which stage emitted it, and which run?

The workers decide by this rule, and all other code must follow it:

- A record counts as emitted by a stage only if its `ce_source` names a stage of this installation
  that emits the topic's event type under the version in `ce_topologyversion`, and if it has a
  `ce_runid`. It then belongs to that version and that run.
- Any other record is a root, even if its headers claim something else. It belongs to the newest
  version that begins at or before its offset (`catalog/version_boundaries.py`), and its run id is
  computed from its position.
- If a record counts as emitted by a stage, but its other headers cannot be used (an id without a
  value, a run that is no run id), the event becomes a dead letter, and is counted like a root at
  the same position.
- If a record's source is a stage of this installation but its version is not known, a worker reads
  the versions again. If that version was never published, the event becomes a dead letter, and is
  counted like a root at the same position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from farandole.catalog.version_boundaries import (
    VersionStart,
    event_type_of,
    version_at,
    version_starts,
)
from farandole.events.envelope import (
    Envelope,
    UnreadableEventError,
    check_bookkeeping,
    parse_envelope,
)
from farandole.events.key_partitioner import partition_for_key
from farandole.events.record import Record
from farandole.events.run_ids import RUN_ID_LENGTH, RunIdGenerator
from farandole.events.topology_version import EventSpec, Version

_MAX_CACHED_CLAIMS = 1_000  # bounded, because hostile headers can contain any number of claims


class UnknownVersionError(Exception):
    """A record claims to be a stage's output under a version that is not known, or not yet.

    The first argument is the version's name, as bytes.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """The version and the event type that a record belongs to. Compared by identity."""

    version: Version
    event_type: str
    stage: str | None
    """The stage that emitted the record; None if the record is a root."""


def emitting_stage(source: bytes | None, version: Version, event_type: str) -> str | None:
    """Return the stage that a `ce_source` names; None if it names none that emits the event type
    under this version."""
    for stage in version.emitters(event_type):
        if version.source(stage).encode() == source:
            return stage
    return None


class VersionIndex:
    """Finds the owners of records, by the published versions of one pipeline.

    A new index is made when a version is published. It caches its answers.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        """`versions` are all that were ever published, also retired ones; at least one."""
        ordered = sorted(versions, key=lambda version: version.version)
        self.by_name = {version.name.encode(): version for version in ordered}
        self.newest = ordered[-1]
        self.source_prefix = f"farandole://{self.newest.installation}/".encode()
        """The beginning of the `ce_source` of every event that a stage of this installation
        emits."""
        self._claims: dict[tuple[bytes, bytes, str], Owner | None] = {}
        self._starts: dict[tuple[str, int], tuple[VersionStart, ...]] = {}
        self._root_owners: dict[tuple[int, str], Owner] = {}
        self._run_ids: dict[str, _RunIdReader] = {}

    def claimed_owner(self, headers: Mapping[str, bytes], topic: str) -> Owner | None:
        """Return the owner of a record that a stage of this installation emitted.

        None if the record is a root. Raises UnknownVersionError if its source is of this
        installation and its version is not known, and UnreadableEventError if its headers cannot be
        used.
        """
        source, name = headers.get("ce_source"), headers.get("ce_topologyversion")
        if not source or not name or not headers.get("ce_runid"):
            return None
        key = source, name, topic
        try:
            owner = self._claims[key]
        except KeyError:
            owner = self._check_claim(source, name, topic)
            if len(self._claims) >= _MAX_CACHED_CLAIMS:
                self._claims.clear()
            self._claims[key] = owner
        if owner is not None:
            check_bookkeeping(headers)
        return owner

    def _check_claim(self, source: bytes, name: bytes, topic: str) -> Owner | None:
        if not source.startswith(self.source_prefix):
            return None
        version = self.by_name.get(name)
        if version is None:
            raise UnknownVersionError(name)
        event_type = event_type_of(version, topic)
        if event_type is None:
            return None
        stage = emitting_stage(source, version, event_type)
        return None if stage is None else Owner(version, event_type, stage)

    def starts(self, topic: str, partition: int) -> tuple[VersionStart, ...]:
        """Return where each version begins in a partition, the newest first; empty if no version
        has the topic."""
        key = topic, partition
        starts = self._starts.get(key)
        if starts is None:
            starts = version_starts(self.by_name.values(), topic, partition)
            if starts:  # hostile records can name any number of other topics
                self._starts[key] = starts
        return starts

    def has_topic(self, topic: str) -> bool:
        """Return True if the topic is that of an event type under some version."""
        return bool(self.starts(topic, 0))

    def life(self, topic: str) -> int:
        """Return the life of a topic: that which the newest version with the topic says; 1 if no
        version has it."""
        starts = self.starts(topic, 0)
        return starts[0].version.events[starts[0].event_type].life if starts else 1

    def root_owner(self, topic: str, partition: int, offset: int) -> Owner | None:
        """Return the owner of a root at this position; None if no version has the topic."""
        starts = self.starts(topic, partition)
        if not starts:
            return None
        _, version, event_type = version_at(starts, offset)
        key = version.version, topic
        if key not in self._root_owners:
            self._root_owners[key] = Owner(version, event_type, None)
        return self._root_owners[key]

    def owner_of(self, record: Record) -> Owner | None:
        """Return the owner of a record; None if no version has its topic.

        A record that claims a version which is not known, or whose headers cannot be used, is
        treated as a root, because a worker counts its dead letter as that of a root at the same
        position.
        """
        owner = None
        if record.headers:
            with suppress(UnknownVersionError, UnreadableEventError):
                owner = self.claimed_owner(dict(record.headers), record.topic)
        return owner or self.root_owner(record.topic, record.partition, record.offset)

    def is_forwarded(self, record: Record, owner: Owner) -> bool:
        """Return True if a stage does not handle this record of `owner` where it is, but forwards
        it unchanged to the partition of its key.

        That happens to roots whose producer did not choose the partition as Kafka does. A root that
        cannot be read is not forwarded: it becomes a dead letter.
        """
        if owner.stage is not None:
            return False
        home = home_partition(owner.version.events[owner.event_type], record.key)
        if home is None or home == record.partition:
            return False
        try:
            self.claimed_owner(dict(record.headers), record.topic)
            parse_root(record)
        except (UnknownVersionError, UnreadableEventError):
            return False
        return True

    def run_of(self, record: Record, owner: Owner) -> bytes:
        """Return the run of a record, whose owner is `owner`."""
        if owner.stage is not None:
            return dict(record.headers)["ce_runid"]
        return self.root_run(record.topic, record.partition, record.offset)

    def root_run(self, topic: str, partition: int, offset: int) -> bytes:
        """Return the run that a root at this position opens."""
        reader = self._run_ids.get(topic)
        if reader is None:
            generator = RunIdGenerator(self.newest.installation, topic, self.life(topic))
            reader = _RunIdReader(generator)
            self._run_ids[topic] = reader
        owner = self.root_owner(topic, partition, offset)
        version = self.newest if owner is None else owner.version
        return reader.run_id(partition, offset, version.format)


class _RunIdReader:
    """The run ids of one topic's roots, computed in blocks, because neighbours are read
    together."""

    def __init__(self, generator: RunIdGenerator) -> None:
        self._generator = generator
        self._blocks: dict[tuple[int, int], tuple[int, bytes]] = {}
        """By partition and format of versions: the first offset of the block, and its ids,
        concatenated."""

    def run_id(self, partition: int, offset: int, version_format: int) -> bytes:
        key = partition, version_format
        first, ids = self._blocks.get(key, (0, b""))
        at = RUN_ID_LENGTH * (offset - first)
        if not 0 <= at < len(ids):
            at, ids = 0, self._generator.block_of_ids(partition, offset, version_format)
            self._blocks[key] = offset, ids
        return ids[at : at + RUN_ID_LENGTH]


def key_partitions(event: EventSpec) -> int:
    """Return the number of partitions over which an event type's keys are spread; 0 if the event
    type declares no key."""
    return event.partitions if event.key else 0


def home_partition(event: EventSpec, key: bytes | None) -> int | None:
    """Return the partition that a key belongs to. None if the record may be in any partition,
    because the event type declares no key or the record has none."""
    partitions = key_partitions(event)
    return partition_for_key(key, partitions) if partitions and key is not None else None


def parse_root(record: Record) -> Envelope:
    """Return the envelope of a root. Raises UnreadableEventError if it is not an event, or if its
    content type is not JSON."""
    envelope = parse_envelope(record)
    media_type = envelope.content_type.partition(";")[0].strip().lower()
    if media_type not in ("application/json", "text/json") and not media_type.endswith("+json"):
        raise UnreadableEventError(f"content-type {media_type!r} is not JSON")
    return envelope
