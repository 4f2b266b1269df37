"""Which lanes share the rate of a stage, and that of a pipeline's roots?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from farandole.events.share_row import ShareKind
from farandole.events.topology_version import Version

Versions = Mapping[int, Version]
"""The published versions of one pipeline, by number."""


class LimitMembers:
    """The members of the limits of one stage, by the versions that are known at the time."""

    def __init__(self, stage: str, versions: Callable[[], Versions]) -> None:
        """`versions` returns the same mapping until there is another one."""
        self._stage = stage
        self._versions = versions
        self._read: Versions | None = None
        self._counts: Mapping[ShareKind, int] = {}
        self._root_topics: Set[str] = frozenset()

    def count(self, kind: ShareKind) -> int:
        """Return how many lanes share a limit; 1 at least."""
        self._refresh()
        return self._counts[kind]

    def root_topics(self) -> Set[str]:
        """Return the topics of the roots to which the stage subscribes, in any version."""
        self._refresh()
        return self._root_topics

    def _refresh(self) -> None:
        versions = self._versions()
        if versions is self._read:
            return
        self._read = versions
        newest = max((v for v in versions.values()), key=lambda version: version.version)
        self._counts = {
            "throttle": max(
                (_widest(each, self._stage) for each in versions.values() if not each.retired),
                default=1,
            ),
            "roots": max(1, sum(_widest_root(newest, stage) for stage in newest.stages)),
        }
        self._root_topics = frozenset(
            version.events[root].topic
            for version in versions.values()
            if self._stage in version.stages
            for root in set(version.roots()).intersection(version.stages[self._stage].subscribes)
        )


def _widest(version: Version, stage: str) -> int:
    """Return how many lanes a stage has in a version, 1 at least."""
    spec = version.stages.get(stage)
    types = () if spec is None else spec.subscribes
    return max((version.events[each].partitions for each in types), default=1)


def _widest_root(version: Version, stage: str) -> int:
    """Return how many lanes of a stage read roots."""
    roots = set(version.roots()).intersection(version.stages[stage].subscribes)
    return max((version.events[each].partitions for each in roots), default=0)
