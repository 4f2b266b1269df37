"""Are the stages of a file connected correctly: no cycle, a root, inputs with equal partitions?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from farandole.router.file_model import TopologyFile
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.stages.nearest_name import did_you_mean


def _lint_repeated_types(context: LintContext) -> Iterator[Finding]:
    for name, stage in context.topology.stages.items():
        for key, event_types in (("subscribes", stage.subscribes), ("emits", stage.emits)):
            for index, event_type in enumerate(event_types):
                if event_type in event_types[:index]:
                    yield context.finding(
                        ("stages", name, key, index),
                        f"stage {name!r} {key} {event_type!r} twice",
                        "keep one of the two",
                    )


def _lint_unconnected_events(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    for name, stage in topology.stages.items():
        for index, event_type in enumerate(stage.subscribes):
            if event_type not in topology.events and not topology.emitters(event_type):
                known = [
                    t
                    for t in topology.event_types()
                    if t in topology.events or topology.emitters(t)
                ]
                yield context.finding(
                    ("stages", name, "subscribes", index),
                    f"stage {name!r} subscribes to {event_type!r}, which nobody emits",
                    did_you_mean(
                        event_type,
                        known,
                        "let a stage emit it, or declare it under `events:` to trigger it yourself",
                    ),
                )
    for event_type in topology.events:
        if not topology.emitters(event_type) and not topology.subscribers(event_type):
            used = [
                t for t in topology.event_types() if topology.emitters(t) or topology.subscribers(t)
            ]
            yield context.finding(
                ("events", event_type),
                f"nobody emits {event_type!r} and nobody subscribes to it",
                did_you_mean(event_type, used, "delete it, or name it in a stage"),
                on_key=True,
                severity="warning",
            )


def _lint_missing_root(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    if all(topology.emitters(t) for stage in topology.stages.values() for t in stage.subscribes):
        yield context.finding(
            ("stages",),
            "nothing can ever begin: every event that a stage subscribes to is emitted by a stage",
            "let one stage subscribe to an event that nobody emits, declared under `events:`",
            on_key=True,
        )


def _lint_cycles(context: LintContext) -> Iterator[Finding]:
    reported: set[str] = set()
    for start in context.topology.stages:
        cycle = _shortest_cycle(context.topology, start)
        if cycle and not reported & set(cycle):
            reported.update(cycle)
            yield context.finding(
                ("stages", start, "subscribes"),
                f"events go round in a cycle: {' → '.join(cycle)}",
                "let one of these stages emit another event type",
            )


def _shortest_cycle(topology: TopologyFile, start: str) -> list[str]:
    """Return the shortest path from a stage back to itself, stages and event types in turn; [] if
    there is none."""
    paths: deque[list[str]] = deque([[start]])
    seen: set[str] = set()
    while paths:
        path = paths.popleft()
        for event_type in topology.stages[path[-1]].emits:
            for subscriber in topology.subscribers(event_type):
                if subscriber == start:
                    return [*path, event_type, start]
                if subscriber not in seen:
                    seen.add(subscriber)
                    paths.append([*path, event_type, subscriber])
    return []


def _lint_partition_counts(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    for name, stage in topology.stages.items():
        first, *others = stage.subscribes
        for index, event_type in enumerate(others, start=1):
            count, first_count = topology.partitions(event_type), topology.partitions(first)
            if count != first_count:
                yield context.finding(
                    ("stages", name, "subscribes", index),
                    f"the inputs of stage {name!r} have unequal partitions: {first!r} has"
                    f" {first_count}, {event_type!r} has {count}",
                    "give both the same number under `events:`",
                )


WIRING_RULES: Mapping[str, LintRule] = {
    "repeated_types": _lint_repeated_types,
    "unconnected_events": _lint_unconnected_events,
    "missing_root": _lint_missing_root,
    "cycles": _lint_cycles,
    "partition_counts": _lint_partition_counts,
}
