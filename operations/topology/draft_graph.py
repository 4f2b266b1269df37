"""Which stages and events does a text describe, though it may have mistakes?

No function is imported, so nothing of the user's runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from farandole.operations.results import Result
from farandole.router import file_model, yaml_source
from farandole.router.file_model import TopologyFile
from farandole.router.topology_graph import TopologyView


class DraftStage(Result):
    """A stage with what it is connected to."""

    name: str
    subscribes: list[str]
    emits: list[str]
    when: dict[str, str]
    """The conditions, by event type."""
    run: str | None
    """`package.module:function`; None for an external stage."""
    line: int | None = None
    """Where its entry begins; None for a published version."""


class DraftEvent(Result):
    """An event type, and the fields of its data as far as they are known."""

    name: str
    partitions: int
    key: str | None
    fields: list[str]
    line: int | None = None
    """Where `events:` or else the first stage names it."""


class DraftGraph(Result):
    """What is connected to what."""

    pipeline: str
    stages: list[DraftStage]
    events: list[DraftEvent]


def graph_of_text(content: bytes, file: str) -> DraftGraph | None:
    """Return the graph of a file, with guesses where it has mistakes; None if too little of it can
    be read."""
    document, _ = yaml_source.read_yaml(content, file)
    if document is None:
        return None
    model, _ = file_model.read_topology_file(document)
    if model is None:
        return None
    lines = {path: mark.line for path, mark in document.keys.items()}
    return DraftGraph(
        pipeline=model.pipeline,
        stages=[
            _draft_stage(name, stage, model.function(name), lines.get(("stages", name)))
            for name, stage in model.stages.items()
        ],
        events=[
            DraftEvent(
                name=event_type,
                partitions=model.partitions(event_type),
                key=model.events[event_type].key if event_type in model.events else None,
                fields=[],
                line=_event_line(model, lines, event_type),
            )
            for event_type in model.event_types()
        ],
    )


def graph_of_topology(topology: TopologyView) -> DraftGraph:
    """Return the graph of a derived file or a published version."""
    return DraftGraph(
        pipeline=topology.pipeline,
        stages=[
            _draft_stage(name, stage, stage.run or None) for name, stage in topology.stages.items()
        ],
        events=[
            DraftEvent(
                name=name,
                partitions=event.partitions,
                key=event.key,
                fields=sorted((event.data_schema or {}).get("properties", {})),
            )
            for name, event in topology.events.items()
        ],
    )


class _Wiring(Protocol):
    """What a stage of a file and one of a version say of its edges."""

    @property
    def subscribes(self) -> Iterable[str]: ...
    @property
    def emits(self) -> Iterable[str]: ...
    @property
    def when(self) -> Mapping[str, str]: ...


def _draft_stage(name: str, stage: _Wiring, run: str | None, line: int | None = None) -> DraftStage:
    return DraftStage(
        name=name,
        subscribes=list(stage.subscribes),
        emits=list(stage.emits),
        when=dict(stage.when),
        run=run,
        line=line,
    )


def _event_line(
    model: TopologyFile, lines: dict[yaml_source.KeyPath, int], event_type: str
) -> int | None:
    declared = lines.get(("events", event_type))
    if declared is not None:
        return declared
    named = [*model.emitters(event_type), *model.subscribers(event_type)]
    return lines.get(("stages", named[0])) if named else None
