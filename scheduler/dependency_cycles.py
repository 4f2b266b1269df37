"""Which schedules wait for each other in a circle?

One schedule leads to another if its trigger opens a run for which the other waits. A circle in
which no schedule has planned times goes round for ever, as fast as the runs end. One in which a
schedule has some does not begin by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from farandole.events.schedule_spec import ScheduleSpec


class ScheduleNode(NamedTuple):
    """A schedule of a pipeline, and the root that it triggers."""

    pipeline: str
    schedule: str
    triggers: str

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.triggers}"


class DependencyCycle(NamedTuple):
    """Schedules each of which waits for the run of the one before; the first, for the last's."""

    nodes: tuple[ScheduleNode, ...]
    is_timed: bool
    """True if one of them has planned times."""

    def __str__(self) -> str:
        """Return `orders/feed.requested → reports/report.requested → orders/feed.requested`."""
        return " → ".join(map(str, (*self.nodes, self.nodes[0])))


def dependency_cycles(
    pipelines: Mapping[str, Mapping[str, ScheduleSpec]],
) -> list[DependencyCycle]:
    """Return the circles among the schedules of these pipelines, each by its shortest way. No
    schedule is in two of them."""
    schedules = {
        ScheduleNode(pipeline, name, spec.triggers): spec
        for pipeline, specs in pipelines.items()
        for name, spec in specs.items()
    }
    waiting: dict[str, list[ScheduleNode]] = {}
    for node, spec in schedules.items():
        for pipeline in dict.fromkeys(each.pipeline for each in spec.after if each.pipeline):
            waiting.setdefault(pipeline, []).append(node)
    cycles: list[DependencyCycle] = []
    found: set[ScheduleNode] = set()
    for node, spec in schedules.items():
        nodes = _shortest_cycle(node, schedules, waiting) if spec.after else ()
        if nodes and found.isdisjoint(nodes):
            found.update(nodes)
            cycles.append(DependencyCycle(nodes, any(schedules[each].is_timed for each in nodes)))
    return cycles


def _shortest_cycle(
    start: ScheduleNode,
    schedules: Mapping[ScheduleNode, ScheduleSpec],
    waiting: Mapping[str, list[ScheduleNode]],
) -> tuple[ScheduleNode, ...]:
    """Return the shortest way from a schedule back to itself; () if there is none."""
    ways: deque[tuple[ScheduleNode, ...]] = deque([(start,)])
    seen: set[ScheduleNode] = set()
    while ways:
        way = ways.popleft()
        for following in waiting.get(way[-1].pipeline, ()):
            if not _waits_for(schedules[following], way[-1]):
                continue
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return ()


def _waits_for(spec: ScheduleSpec, node: ScheduleNode) -> bool:
    return any(
        each.pipeline == node.pipeline and each.event in (None, node.triggers)
        for each in spec.after
    )
