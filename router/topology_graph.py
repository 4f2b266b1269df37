"""How is a pipeline drawn as a tree, for Mermaid, for Graphviz, and as JSON?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from farandole.events.feature_flags import FlagSpec
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import (
    AlertPolicy,
    EventSpec,
    QualityPolicy,
    RunExpectation,
    StageSpec,
)


class TopologyView(Protocol):
    """A derived file, or a published version."""

    @property
    def pipeline(self) -> str: ...
    @property
    def events(self) -> Mapping[str, EventSpec]: ...
    @property
    def stages(self) -> Mapping[str, StageSpec]: ...
    @property
    def alerts(self) -> AlertPolicy: ...
    @property
    def expect(self) -> RunExpectation: ...
    @property
    def quality(self) -> QualityPolicy: ...
    @property
    def flags(self) -> Mapping[str, FlagSpec]: ...
    @property
    def throttle(self) -> str | None: ...
    @property
    def limits(self) -> Mapping[str, str]: ...
    @property
    def schedules(self) -> Mapping[str, ScheduleSpec]: ...


class DrawnLine(NamedTuple):
    """One line of a drawing, and the event or stage that it shows."""

    text: str
    event_type: str
    stage: str | None
    """The stage that subscribes to the event; None if the line shows the event itself."""
    again: bool
    """True if the lines below this one are drawn at an earlier place."""


_DrawnBranch = tuple[DrawnLine, list[DrawnLine]]
"""A line, and the lines below it."""


def draw_tree(topology: TopologyView) -> str:
    """Return the roots, the stages that subscribe to them, what those emit, and so on, as a tree.
    Stages are in brackets. What appears several times is followed only at its first place."""
    triggers = _triggers(topology)
    drawn = draw_lines(
        topology,
        _root_events(topology),
        event=lambda event_type: _event_label(
            event_type, topology.events[event_type], triggers.get(event_type, ())
        ),
        stage=lambda name, event_type: _stage_label(
            name, topology.stages[name].when.get(event_type)
        ),
    )
    return "\n".join([topology.pipeline, *(line.text for line in drawn)])


def draw_lines(
    topology: TopologyView,
    roots: Iterable[str],
    *,
    event: Callable[[str], str] = str,
    stage: Callable[[str, str], str] = lambda name, _: f"[{name}]",
) -> list[DrawnLine]:
    """Return the lines of a tree that begins with these event types; `event` and `stage` return the
    labels."""
    seen: set[tuple[str, str]] = set()

    def followed(line: DrawnLine, below: Iterable[tuple[str, str | None]]) -> _DrawnBranch:
        key = ("", line.event_type) if line.stage is None else (line.stage, "")
        if key in seen:
            return line._replace(text=f"{line.text} (above)", again=True), []
        seen.add(key)
        return line, _flatten_branches([branch(*each) for each in below])

    def branch(event_type: str, name: str | None = None) -> _DrawnBranch:
        if name is None:
            line = DrawnLine(event(event_type), event_type, None, False)
            return followed(
                line, ((event_type, s) for s in _subscribed_stages(topology, event_type))
            )
        line = DrawnLine(stage(name, event_type), event_type, name, False)
        return followed(line, ((t, None) for t in topology.stages[name].emits))

    return _flatten_branches([branch(event_type) for event_type in roots])


def _stage_label(stage: str, condition: str | None) -> str:
    return f"[{stage}] when {' '.join(condition.split())}" if condition else f"[{stage}]"


def draw_mermaid(topology: TopologyView) -> str:
    """Return a Mermaid flowchart: events are round, stages square, schedules hexagons."""
    events = {event_type: f"e{i}" for i, event_type in enumerate(topology.events)}
    lines = ["flowchart LR"]
    lines += [f'    {node}(["{event_type}"])' for event_type, node in events.items()]
    for i, (name, stage) in enumerate(topology.stages.items()):
        lines.append(f'    s{i}["{name}"]')
        for event_type in stage.subscribes:
            condition = stage.when.get(event_type)
            arrow = f'-->|"{_mermaid_text(condition)}"|' if condition else "-->"
            lines.append(f"    {events[event_type]} {arrow} s{i}")
        lines += [f"    s{i} --> {events[event_type]}" for event_type in stage.emits]
    for i, (name, schedule) in enumerate(topology.schedules.items()):
        lines.append(f'    t{i}{{{{"{name}"}}}} -.-> {events[schedule.triggers]}')
    return "\n".join(lines)


def draw_dot(topology: TopologyView) -> str:
    """Return a graph for Graphviz: events are round, stages square, schedules hexagons, and
    conditions label their edges."""
    # Events and stages may have the same name, so their identifiers are numbers.
    events = {event_type: f"e{i}" for i, event_type in enumerate(topology.events)}
    # From top to bottom, and with details in a line of their own: a chain of stages fits a page.
    layout = '    rankdir=TB; ranksep=0.25; nodesep=0.3; node [height=0.4, margin="0.1,0.03"];'
    lines = [f"digraph {_dot_text(topology.pipeline)} {{", layout]
    for event_type, node in events.items():
        details = _event_details(topology.events[event_type])
        label = _dot_text(event_type)[:-1] + r"\n" + _dot_text(details)[1:]
        lines.append(f"    {node} [label={label}, shape=ellipse];")
    for i, (name, stage) in enumerate(topology.stages.items()):
        lines.append(f"    s{i} [label={_dot_text(name)}, shape=box];")
        for event_type in stage.subscribes:
            condition = stage.when.get(event_type)
            label = f" [label={_dot_text(condition)}]" if condition else ""
            lines.append(f"    {events[event_type]} -> s{i}{label};")
        lines += [f"    s{i} -> {events[event_type]};" for event_type in stage.emits]
    for i, (name, schedule) in enumerate(topology.schedules.items()):
        lines.append(f"    t{i} [label={_dot_text(name)}, shape=hexagon];")
        lines.append(f"    t{i} -> {events[schedule.triggers]} [style=dashed];")
    return "\n".join([*lines, "}"])


def _dot_text(text: str) -> str:
    """Return a quoted string of DOT. Backslashes are doubled: in labels they are escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


def _mermaid_text(text: str) -> str:
    """Return text for use inside quotes: a quote would end it, and `#` begins an entity."""
    escaped = text.replace("#", "#35;").replace('"', "#quot;")
    for sign, entity in (("<", "#lt;"), (">", "#gt;"), ("|", "#124;")):
        escaped = escaped.replace(sign, entity)
    return " ".join(escaped.split())


def graph_data(topology: TopologyView) -> dict[str, Any]:
    """Return the topology as JSON data; `schema` is the title of an event's schema, null if it is
    not known."""
    return {
        "pipeline": topology.pipeline,
        "roots": _root_events(topology),
        "events": {
            event_type: {
                "topic": event.topic,
                "partitions": event.partitions,
                "key": event.key,
                "schema": (event.data_schema or {}).get("title"),
                "emitters": [n for n, s in topology.stages.items() if event_type in s.emits],
                "subscribers": _subscribed_stages(topology, event_type),
            }
            for event_type, event in topology.events.items()
        },
        "stages": {
            name: {
                "run": stage.run,
                "subscribes": list(stage.subscribes),
                "emits": list(stage.emits),
                "when": dict(stage.when),
            }
            for name, stage in topology.stages.items()
        },
        "schedules": {
            name: {"triggers": schedule.triggers, "after": [*_awaited(schedule)]}
            for name, schedule in topology.schedules.items()
        },
    }


def _awaited(schedule: ScheduleSpec) -> Iterator[dict[str, str | None]]:
    """Yield what a schedule waits for: the root of a pipeline, null for any, or a file."""
    for each in schedule.after:
        if each.pipeline:
            yield {"pipeline": each.pipeline, "event": each.event}
        else:
            yield {"file": each.file}


def _event_label(event_type: str, event: EventSpec, schedules: Sequence[str]) -> str:
    triggered = f", triggered by {', '.join(schedules)}" if schedules else ""
    return f"{event_type} ({_event_details(event)}{triggered})"


def _triggers(topology: TopologyView) -> dict[str, list[str]]:
    """Return, by the event type that they trigger, the schedules."""
    triggers: dict[str, list[str]] = {}
    for name, schedule in topology.schedules.items():
        triggers.setdefault(schedule.triggers, []).append(name)
    return triggers


def _event_details(event: EventSpec) -> str:
    count = f"{event.partitions} partition{'s' if event.partitions > 1 else ''}"
    return f"{count}{f', key {event.key}' if event.key else ''}"


def _root_events(topology: TopologyView) -> list[str]:
    emitted = {event_type for stage in topology.stages.values() for event_type in stage.emits}
    return [event_type for event_type in topology.events if event_type not in emitted]


def _subscribed_stages(topology: TopologyView, event_type: str) -> list[str]:
    return [name for name, stage in topology.stages.items() if event_type in stage.subscribes]


def _flatten_branches(children: list[_DrawnBranch]) -> list[DrawnLine]:
    drawn = []
    for i, (line, below) in enumerate(children):
        last = i == len(children) - 1
        drawn.append(line._replace(text=f"{'└─' if last else '├─'} {line.text}"))
        drawn += [b._replace(text=f"{'   ' if last else '│  '}{b.text}") for b in below]
    return drawn
