"""Which stages and edges does the picture of a topology have, and what is different in it?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from farandole.events.run_row import edge_name
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.operations.results import Result
from farandole.router.topology_change import Change
from farandole.router.topology_diff import diff_topologies
from farandole.router.topology_graph import TopologyView

Mark = Literal["", "+", "~", "-"]
"""Against the topology that is compared: the same, added, changed, removed."""


class GraphStage(Result):
    """A stage: one node of the picture."""

    name: str
    run: str
    """`package.module:function`; empty for an external stage."""
    lanes: int
    subscribes: list[str]
    emits: list[str]
    external: bool
    """A program of somebody else handles its events."""
    effects: bool
    """Its function writes to the outside."""
    batch: bool
    """Its function takes a list of events."""
    processes: int
    draining: int | None = None
    """The newest version that has it, if the one that is shown has not; None otherwise."""
    mark: Mark = ""
    said: str = ""
    """What is different, in words."""


class GraphEdge(Result):
    """An event on its way from those that emit it to one that reads it."""

    id: str
    """`event>stage`, as in the rows of runs; `event>` for an event that nobody reads."""
    event: str
    sources: list[str]
    """The stages that emit it; empty for a root."""
    target: str | None
    """The stage that reads it; None if nobody does."""
    condition: str
    """The `when` of the reader; empty if there is none."""
    draining: bool = False
    """Only older versions have it."""
    mark: Mark = ""
    said: str = ""


class GraphEvent(Result):
    """An event type: what stands above an edge."""

    name: str
    topic: str
    partitions: int
    key: str | None
    data_schema: str | None
    """The title of the schema of its data."""
    root: bool
    leaf: bool
    schedules: list[str]
    """Those that trigger it."""
    mark: Mark = ""
    said: str = ""


class GraphPicture(Result):
    """All that is drawn of a topology, in the order in which events flow."""

    stages: list[GraphStage]
    edges: list[GraphEdge]
    events: list[GraphEvent]


def picture_of(
    shown: TopologyView,
    compared: TopologyView | None = None,
    older: Iterable[Version] = (),
) -> GraphPicture:
    """Return the picture of a topology. `compared`: the one before it, whose removed parts are in
    the picture too; None compares with nothing. `older`: versions that may still have events; the
    stages that only they have are draining."""
    changes = [] if compared is None else diff_topologies(compared, shown)
    draining: dict[str, Version] = {}
    for version in sorted(older, key=lambda each: each.version):
        draining |= {name: version for name in version.stages if name not in shown.stages}
    layers: list[_Layer] = [_Layer(shown)]
    if compared is not None:
        removed = [name for name in compared.stages if name not in shown.stages]
        layers.append(_Layer(compared, removed, mark="-"))
    for name, version in draining.items():
        if compared is None or name not in compared.stages:
            layers.append(_Layer(version, [name], draining=version.version))
    stages = {name: stage for layer in reversed(layers) for name, stage in layer.stages.items()}
    picture_stages = [
        _graph_stage(layer, name, changes) for layer in layers for name in layer.names
    ]
    order = {name: i for i, name in enumerate(_flow_order(stages))}
    return GraphPicture(
        stages=sorted(picture_stages, key=lambda each: order[each.name]),
        edges=[*_edges(layers, stages, compared, order)],
        events=_events(layers, changes),
    )


class _Layer:
    """A topology, and those of its stages that are drawn because of it."""

    def __init__(
        self,
        topology: TopologyView,
        names: Sequence[str] | None = None,
        mark: Mark = "",
        draining: int | None = None,
    ) -> None:
        self.topology = topology
        self.names = [*topology.stages] if names is None else names
        self.mark = mark
        self.draining = draining

    @property
    def stages(self) -> dict[str, StageSpec]:
        return {name: self.topology.stages[name] for name in self.names}


def _graph_stage(layer: _Layer, name: str, changes: Sequence[Change]) -> GraphStage:
    stage, events = layer.topology.stages[name], layer.topology.events
    change = next((c for c in changes if c.what == "stage" and c.name == name), None)
    return GraphStage(
        name=name,
        run=stage.run,
        lanes=max((events[each].partitions for each in stage.subscribes), default=0),
        subscribes=[*stage.subscribes],
        emits=[*stage.emits],
        external=bool(stage.external),
        effects=stage.has_effects,
        batch=bool(stage.takes_batch),
        processes=stage.processes,
        draining=layer.draining,
        mark=layer.mark or (change.sign if change else ""),
        said=change.said if change else "",
    )


def _edges(
    layers: Sequence[_Layer],
    stages: Mapping[str, StageSpec],
    compared: TopologyView | None,
    order: Mapping[str, int],
) -> list[GraphEdge]:
    """Return the edges by the place of their reader; a leaf comes after those who emit it."""
    shown = layers[0].topology
    emitters: dict[str, list[str]] = {event: [] for event in shown.events}
    for name, stage in stages.items():
        for event in stage.emits:
            emitters.setdefault(event, []).append(name)
    edges = [*_readings(layers, emitters, compared)]
    read = {edge.event for edge in edges if edge.mark != "-"}
    edges += [_edge(event, emitters, None) for event in shown.events if event not in read]

    def place(edge: GraphEdge) -> int:
        ends = edge.sources if edge.target is None else [edge.target]
        return max((order[each] for each in ends), default=0)

    return sorted(edges, key=place)


def _readings(
    layers: Sequence[_Layer], emitters: Mapping[str, list[str]], compared: TopologyView | None
) -> Iterator[GraphEdge]:
    """Yield an edge for each event that a stage reads, or has read in the topology compared."""
    shown = layers[0].topology
    before = compared.stages if compared is not None else {}
    for layer in layers:
        for name in layer.names:
            stage = layer.topology.stages[name]
            for event in stage.subscribes:
                mark, said = layer.mark, ""
                if layer is layers[0] and compared is not None:
                    mark, said = _reading_change(before.get(name), stage, event)
                edge = _edge(event, emitters, name, stage.when.get(event, ""), mark, said)
                yield edge.model_copy(update={"draining": layer.draining is not None})
    for name, was in before.items():
        now = shown.stages.get(name)
        for event in was.subscribes if now is not None else ():
            if now is not None and event not in now.subscribes:
                yield _edge(event, emitters, name, mark="-")


def _reading_change(was: StageSpec | None, now: StageSpec, event: str) -> tuple[Mark, str]:
    if was is None or event not in was.subscribes:
        return "+", ""
    condition = now.when.get(event)
    if was.when.get(event) == condition:
        return "", ""
    return "~", f"when {condition}" if condition else "no condition any more"


def _edge(
    event: str,
    emitters: Mapping[str, list[str]],
    target: str | None,
    condition: str = "",
    mark: Mark = "",
    said: str = "",
) -> GraphEdge:
    return GraphEdge(
        id=edge_name(event, target or ""),
        event=event,
        sources=emitters.get(event, []),
        target=target,
        condition=condition,
        mark=mark,
        said=said,
    )


def _events(layers: Sequence[_Layer], changes: Sequence[Change]) -> list[GraphEvent]:
    found: dict[str, tuple[EventSpec, TopologyView]] = {}
    for layer in layers:
        names = (
            layer.topology.events
            if layer is layers[0]
            else [
                event
                for stage in layer.stages.values()
                for event in (*stage.subscribes, *stage.emits)
            ]
        )
        for name in names:
            found.setdefault(name, (layer.topology.events[name], layer.topology))
    return [_graph_event(name, spec, view, changes) for name, (spec, view) in found.items()]


def _graph_event(
    name: str, spec: EventSpec, topology: TopologyView, changes: Sequence[Change]
) -> GraphEvent:
    about = [c for c in changes if c.what in ("event", "topic") and c.name in (name, spec.topic)]
    stages = topology.stages.values()
    return GraphEvent(
        name=name,
        topic=spec.topic,
        partitions=spec.partitions,
        key=spec.key,
        data_schema=(spec.data_schema or {}).get("title"),
        root=not any(name in stage.emits for stage in stages),
        leaf=not any(name in stage.subscribes for stage in stages),
        schedules=[s for s, spec in topology.schedules.items() if spec.triggers == name],
        mark=about[0].sign if about else "",
        said="; ".join(each.said for each in about),
    )


def _flow_order(stages: Mapping[str, StageSpec]) -> list[str]:
    """Return the stages in an order in which each comes after those that feed it; in that of the
    file if there is a cycle, which no published version has."""
    emitters: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for event in stage.emits:
            emitters.setdefault(event, []).append(name)
    graph = {
        name: [e for event in stage.subscribes for e in emitters.get(event, ())]
        for name, stage in stages.items()
    }
    try:
        return [*TopologicalSorter(graph).static_order()]
    except CycleError:
        return [*stages]
