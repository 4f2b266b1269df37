"""What does a pipeline look like?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from events.topology import Event, Stage

_Branch = tuple[str, list[str]]
"""A label, and the lines below it."""


class Wired(Protocol):
    """A derived file, or a published version."""

    @property
    def pipeline(self) -> str: ...
    @property
    def events(self) -> Mapping[str, Event]: ...
    @property
    def stages(self) -> Mapping[str, Stage]: ...


def tree(wired: Wired) -> str:
    """The roots, who subscribes to them, what those emit, and so on down to the leaves; stages in
    brackets. What stands in several places is followed in the first alone."""
    seen: set[tuple[str, str]] = set()

    def again(kind: str, name: str) -> bool:
        known = (kind, name) in seen
        seen.add((kind, name))
        return known

    def event(event_type: str) -> _Branch:
        if again("event", event_type):
            return f"{event_type} (above)", []
        subscribers = [subscriber(name, event_type) for name in _subscribers(wired, event_type)]
        return _label(event_type, wired.events[event_type]), _branches(subscribers)

    def stage(name: str) -> _Branch:
        if again("stage", name):
            return f"[{name}] (above)", []
        return f"[{name}]", _branches([event(t) for t in wired.stages[name].emits])

    def subscriber(name: str, event_type: str) -> _Branch:
        label, below = stage(name)
        condition = wired.stages[name].when.get(event_type)
        return f"{label} when {' '.join(condition.split())}" if condition else label, below

    return "\n".join([wired.pipeline, *_branches([event(t) for t in _roots(wired)])])


def mermaid(wired: Wired) -> str:
    """The same as a Mermaid flowchart: events round, stages square."""
    events = {event_type: f"e{i}" for i, event_type in enumerate(wired.events)}
    lines = ["flowchart LR"]
    lines += [f'    {node}(["{event_type}"])' for event_type, node in events.items()]
    for i, (name, stage) in enumerate(wired.stages.items()):
        lines.append(f'    s{i}["{name}"]')
        for event_type in stage.subscribes:
            condition = stage.when.get(event_type)
            arrow = f'-->|"{_mermaid_text(condition)}"|' if condition else "-->"
            lines.append(f"    {events[event_type]} {arrow} s{i}")
        lines += [f"    s{i} --> {events[event_type]}" for event_type in stage.emits]
    return "\n".join(lines)


def dot(wired: Wired) -> str:
    """The same for Graphviz: events round, stages square, conditions on their edges."""
    # Events and stages may share a name: what Graphviz identifies them by is a number.
    events = {event_type: f"e{i}" for i, event_type in enumerate(wired.events)}
    lines = [f"digraph {_dot_text(wired.pipeline)} {{", "    rankdir=LR;"]
    for event_type, node in events.items():
        label = _dot_text(_label(event_type, wired.events[event_type]))
        lines.append(f"    {node} [label={label}, shape=ellipse];")
    for i, (name, stage) in enumerate(wired.stages.items()):
        lines.append(f"    s{i} [label={_dot_text(name)}, shape=box];")
        for event_type in stage.subscribes:
            condition = stage.when.get(event_type)
            label = f" [label={_dot_text(condition)}]" if condition else ""
            lines.append(f"    {events[event_type]} -> s{i}{label};")
        lines += [f"    s{i} -> {events[event_type]};" for event_type in stage.emits]
    return "\n".join([*lines, "}"])


def _dot_text(text: str) -> str:
    """A quoted string of DOT. Its backslashes are doubled, for labels read them as escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


def _mermaid_text(text: str) -> str:
    """Inside of quotes, which Mermaid ends at the next one; `#` begins its own entities."""
    escaped = text.replace("#", "#35;").replace('"', "#quot;")
    for sign, entity in (("<", "#lt;"), (">", "#gt;"), ("|", "#124;")):
        escaped = escaped.replace(sign, entity)
    return " ".join(escaped.split())


def data(wired: Wired) -> dict[str, Any]:
    """The same as JSON data; `schema` is the title of an event's schema, null where unknown."""
    return {
        "pipeline": wired.pipeline,
        "roots": _roots(wired),
        "events": {
            event_type: {
                "topic": event.topic,
                "partitions": event.partitions,
                "key": event.key,
                "schema": (event.data_schema or {}).get("title"),
                "emitters": [n for n, s in wired.stages.items() if event_type in s.emits],
                "subscribers": _subscribers(wired, event_type),
            }
            for event_type, event in wired.events.items()
        },
        "stages": {
            name: {
                "run": stage.run,
                "subscribes": list(stage.subscribes),
                "emits": list(stage.emits),
                "when": dict(stage.when),
            }
            for name, stage in wired.stages.items()
        },
    }


def _label(event_type: str, event: Event) -> str:
    count = f"{event.partitions} partition{'s' if event.partitions > 1 else ''}"
    return f"{event_type} ({count}{f', key {event.key}' if event.key else ''})"


def _roots(wired: Wired) -> list[str]:
    emitted = {event_type for stage in wired.stages.values() for event_type in stage.emits}
    return [event_type for event_type in wired.events if event_type not in emitted]


def _subscribers(wired: Wired, event_type: str) -> list[str]:
    return [name for name, stage in wired.stages.items() if event_type in stage.subscribes]


def _branches(children: list[_Branch]) -> list[str]:
    lines = []
    for i, (label, below) in enumerate(children):
        last = i == len(children) - 1
        lines.append(f"{'└─' if last else '├─'} {label}")
        lines += [f"{'   ' if last else '│  '}{line}" for line in below]
    return lines
