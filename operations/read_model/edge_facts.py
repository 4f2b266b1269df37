"""What do the books say of each edge of a pipeline?"""

from __future__ import annotations

from farandole.events.run_row import edge_name
from farandole.events.topology_version import Version
from farandole.operations.graph.pipeline_figures import EdgeFacts
from farandole.operations.read_model.entry_rates import Counts, EntryRates
from farandole.operations.read_model.open_edges import OpenEdges


def find_edge_facts(
    version: Version, edges: OpenEdges, rates: EntryRates, now: int
) -> dict[str, EdgeFacts]:
    """Return what is on each edge, in the runs of all versions, by its name; `event>` for an event
    to which no stage subscribes. `now`: milliseconds of the epoch."""
    pipeline = version.pipeline
    in_flight: dict[str, int] = {}
    for edge, load in edges.of(pipeline).items():
        name = edge_name(edge.event, edge.stage)
        in_flight[name] = in_flight.get(name, 0) + load.in_flight

    def recent(stage: str, event: str) -> Counts:
        return rates.recent((pipeline, stage, event), now)

    found = {}
    roots = version.roots()
    for stage, spec in version.stages.items():
        for event in spec.subscribes:
            settled = recent(stage, event)
            is_root = event in roots  # nobody of ours emits it
            emitted = settled.settled if is_root else recent("", event).emitted
            name = edge_name(event, stage)
            left = in_flight.pop(name, 0)
            found[name] = EdgeFacts(
                in_flight=None if is_root else left,
                rate_in=rates.per_second(emitted),
                rate_out=rates.per_second(settled.settled),
                filtered_rate=rates.per_second(settled.filtered),
                dead_rate=rates.per_second(settled.dead),
                age_seconds=round(settled.age, 3) if settled.settled else None,
            )
    for event in version.events:
        if not version.subscribers(event):
            rate = rates.per_second(recent("", event).emitted)
            found[edge_name(event, "")] = EdgeFacts(rate_in=rate)
    return found | {name: EdgeFacts(in_flight=number) for name, number in in_flight.items()}
