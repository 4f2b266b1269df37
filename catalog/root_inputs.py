"""Which records of a stage's input are roots that have not begun a run yet?

While a pipeline is drained, such roots wait, and everything else goes on. Two questions decide it:

- *Is it the topic of a root?* In the newest version no stage emits the event type; or one does, and
  this is before the boundary of every version, not retired, that emits it.
- *Has the run begun?* Several stages may subscribe to a root. Once one of them has settled it, its
  run is open, and it ends only if the others settle it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf

from farandole.catalog.version_boundaries import (
    VersionStart,
    boundary_of,
    event_type_of,
    version_span,
    version_starts,
)
from farandole.events.topology_version import Version


def roots_end(versions: Mapping[int, Version], topic: str, partition: int) -> float:
    """Return the offset of a partition before which roots wait while the pipeline is drained:
    infinity if the topic is that of a root of the newest version, 0 if nothing waits there. Where
    every version has only events of stages before it, nothing waits, also if some are retired.

    Where an older version, not retired, emits what is a root now, events of its stages can stand
    among the roots: `is_mixed`."""
    newest = versions[max(versions)]
    event_type = event_type_of(newest, topic)
    if event_type is not None and not newest.emitters(event_type):
        return inf
    end = min(
        (
            boundary_of(version, event_type, partition)
            for version, event_type in _emitters(versions.values(), topic)
        ),
        default=inf,
    )
    has_roots = any(
        start.offset < end and not start.version.emitters(start.event_type)
        for start in version_starts(versions.values(), topic, partition)
    )
    return end if has_roots else 0


def is_mixed(versions: Mapping[int, Version], topic: str) -> bool:
    """Return True if a version that is not retired emits the event type of a topic: its events may
    stand behind roots that wait."""
    return any(True for _ in _emitters(versions.values(), topic))


def _emitters(versions: Iterable[Version], topic: str) -> Iterator[tuple[Version, str]]:
    """Yield the versions that are not retired and emit the event type of a topic, with that."""
    for version in versions:
        if version.retired is None:
            event_type = event_type_of(version, topic)
            if event_type is not None and version.emitters(event_type):
                yield version, event_type


def begun_before(
    starts: Sequence[VersionStart], position: int, stage: str, committed: Mapping[str, int]
) -> int:
    """Return the offset behind the last root, from `position` on, whose run has begun: another
    stage that subscribes to it has settled it. `position` itself if there is none. A root before
    that one may have begun none, and goes on all the same: a partition is read in order.

    `starts` are those of the partition, from `version_starts`; `committed` has the offset of each
    other stage there. A stage that subscribes under a later version alone stands behind the roots
    of the versions before, and has begun nothing."""
    found = first = position
    while True:
        start, end = version_span(starts, first)
        others = (s for s in start.version.subscribers(start.event_type) if s != stage)
        ahead = max((committed.get(each, 0) for each in others), default=0)
        if ahead > first:
            found = ahead if end is None else min(ahead, end)
        if end is None:
            return found
        first = end


def other_subscribers(versions: Iterable[Version], stage: str, topics: Iterable[str]) -> list[str]:
    """Return the other stages that read one of these topics under some version."""
    wanted = set(topics)
    found: dict[str, None] = {}
    for version in versions:
        for event_type, event in version.events.items():
            if event.topic in wanted:
                found |= dict.fromkeys(version.subscribers(event_type))
    return [each for each in found if each != stage]
