"""Which version owns an offset of a topic's partition, and where does it begin there?

A version's `boundaries` are offsets, one for each partition of an event type's topic. Roots from
that offset on belong to the version. `router/version_publisher.py` has the protocol that writes
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from farandole.events.topology_version import Version


class VersionStart(NamedTuple):
    """A version, and the offset from which on it owns the roots in one partition of a topic."""

    offset: int
    version: Version
    event_type: str
    """The event type whose topic it is, under this version."""


def event_type_of(version: Version, topic: str) -> str | None:
    """Return the event type that has this topic under a version; None if no event type has it."""
    for event_type, event in version.events.items():
        if event.topic == topic:
            return event_type
    return None


def boundary_of(version: Version, event_type: str, partition: int) -> int:
    """Return the first offset of a partition whose roots belong to this version or a newer one.

    0 for a partition without a boundary. An operator added it after the version was published, so
    all of its records are newer than the version.
    """
    boundaries = version.events[event_type].boundaries
    return boundaries[partition] if partition < len(boundaries) else 0


def version_starts(
    versions: Iterable[Version], topic: str, partition: int
) -> tuple[VersionStart, ...]:
    """Return where each of a pipeline's versions begins in a partition, the newest version first.

    Versions that do not have the topic are left out; the result is empty if none has it.
    """
    starts = []
    for version in sorted(versions, key=lambda v: v.version, reverse=True):
        event_type = event_type_of(version, topic)
        if event_type is not None:
            boundary = boundary_of(version, event_type, partition)
            starts.append(VersionStart(boundary, version, event_type))
    return tuple(starts)


def version_at(starts: Sequence[VersionStart], offset: int) -> VersionStart:
    """Return the newest version that begins at or before an offset; the oldest if none does.

    `starts` are those of one partition, from `version_starts`, and not empty.
    """
    return version_span(starts, offset)[0]


def version_span(starts: Sequence[VersionStart], offset: int) -> tuple[VersionStart, int | None]:
    """Return the result of `version_at`, and the next offset at which a version begins.

    Up to that offset the result is the same. None if no version begins after `offset`.
    """
    end: int | None = None
    for start in starts:
        if start.offset <= offset:
            return start, end
        end = start.offset if end is None else min(end, start.offset)
    return starts[-1], end


def version_end(later: Iterable[Version], topic: str, partition: int) -> int | None:
    """Return the offset at which the first of the `later` versions takes over a partition.

    None if no later version has a boundary in it: no later version has the topic, or the partition
    was added after the newest version was published. `later` is sorted, the oldest version first.
    """
    for version in later:
        event_type = event_type_of(version, topic)
        if event_type is not None and partition < len(version.events[event_type].boundaries):
            return version.events[event_type].boundaries[partition]
    return None
