"""Can a person see what is connected to what?"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

from farandole.events.kafka_names import KafkaNames
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.events.topology_version import StageSpec
from farandole.router import file_model, topology_graph, yaml_source
from farandole.router.topology_derivation import DerivedTopology, derive_topology

FILE = b"""\
pipeline: order-lines
package: stages.order_lines
events:
  feed.requested: {partitions: 1}
  line.ingested: {key: household_id}
stages:
  ingest: {subscribes: feed.requested, emits: line.ingested}
  validate: {subscribes: line.ingested, emits: line.validated}
  enrich: {subscribes: line.ingested, emits: line.enriched}
  load: {subscribes: [line.validated, line.enriched]}
"""


def wired() -> DerivedTopology:
    found, _ = yaml_source.read_yaml(FILE, "topology.yaml")
    assert found is not None
    written, _ = file_model.read_topology_file(found)
    assert written is not None
    return derive_topology(written, {}, KafkaNames())


def test_the_tree_goes_from_the_roots_to_the_leaves() -> None:
    assert (
        topology_graph.draw_tree(wired())
        == """\
order-lines
└─ feed.requested (1 partition)
   └─ [ingest]
      └─ line.ingested (4 partitions, key household_id)
         ├─ [validate]
         │  └─ line.validated (4 partitions)
         │     └─ [load]
         └─ [enrich]
            └─ line.enriched (4 partitions)
               └─ [load] (above)"""
    )


def test_the_flowchart_has_every_edge_once() -> None:
    lines = topology_graph.draw_mermaid(wired()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '    e0(["feed.requested"])' in lines
    assert '    s0["ingest"]' in lines
    edges = [line for line in lines if "-->" in line]
    assert len(edges) == len(set(edges)) == 8


def test_the_data_names_both_ends_of_each_event() -> None:
    data = topology_graph.graph_data(wired())
    assert data["roots"] == ["feed.requested"]
    assert data["events"]["line.ingested"]["emitters"] == ["ingest"]
    assert data["events"]["line.ingested"]["subscribers"] == ["validate", "enrich"]
    assert data["stages"]["load"]["subscribes"] == ["line.validated", "line.enriched"]


HARD = r'data.name == "a\\b" || data.n > 3 # "x"'


def filtered() -> DerivedTopology:
    """The same, with a condition on one edge that no drawing likes."""
    made = wired()
    enrich = made.stages["enrich"].model_copy(update={"when": {"line.ingested": HARD}})
    return DerivedTopology(
        made.pipeline, made.events, {**made.stages, "enrich": enrich}, made.topics
    )


def test_the_graph_for_graphviz_has_every_node_and_edge_once() -> None:
    first, layout, *lines, last = topology_graph.draw_dot(wired()).splitlines()
    assert (first, last) == ('digraph "order-lines" {', "}")
    assert layout.startswith("    rankdir=TB;")
    assert any(r'e1 [label="line.ingested\n4 partitions, key household_id", ' in s for s in lines)
    assert '    s0 [label="ingest", shape=box];' in lines
    edges = [line for line in lines if "->" in line]
    assert len(edges) == len(set(edges)) == 8
    assert len(lines) == 8 + 4 + 4


def test_a_condition_is_a_label_on_its_edge_alone() -> None:
    (edge,) = [
        line
        for line in topology_graph.draw_dot(filtered()).splitlines()
        if "-> s" in line and "[" in line
    ]
    quoted = re.fullmatch(r'    e1 -> s2 \[label="((?:[^"\\]|\\.)*)"\];', edge)
    assert quoted is not None
    assert re.sub(r"\\(.)", r"\1", quoted[1]) == HARD


def test_a_condition_cannot_break_out_of_a_flowchart() -> None:
    (edge,) = [
        line for line in topology_graph.draw_mermaid(filtered()).splitlines() if "-->|" in line
    ]
    inside = edge.removeprefix('    e1 -->|"').removesuffix('"| s2')
    assert not set(inside) & set('"<>|')
    assert "#quot;a" in inside


def test_the_tree_and_the_data_say_the_condition_too() -> None:
    assert f"[enrich] when {HARD}" in topology_graph.draw_tree(filtered())
    assert topology_graph.graph_data(filtered())["stages"]["enrich"]["when"] == {
        "line.ingested": HARD
    }


def test_graphviz_draws_it_where_there_is_one() -> None:
    drawn = topology_graph.draw_dot(filtered())
    program = shutil.which("dot")
    if program is None:  # without it, the structure is all that can be seen
        assert drawn.count("{") == drawn.count("}") == 1
        return
    done = subprocess.run([program, "-Tplain"], input=drawn, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nedge ") == 8


def test_a_stage_and_an_event_may_share_a_name() -> None:
    stage = StageSpec(run="m:f", subscribes=("line.ingested",))
    made = DerivedTopology(
        "p", {"line.ingested": wired().events["line.ingested"]}, {"e0": stage}, {}
    )
    assert "    e0 -> s0;" in topology_graph.draw_dot(made)


def scheduled() -> DerivedTopology:
    """The same, with two schedules, of which one waits for something."""
    after = (DependencySpec(pipeline="till"), DependencySpec(file="in/*.csv"))
    return replace(
        wired(),
        schedules={
            "nightly": ScheduleSpec(triggers="feed.requested", cron="@daily"),
            "late": ScheduleSpec(triggers="feed.requested", after=after),
        },
    )


def test_a_root_names_the_schedules_that_trigger_it() -> None:
    assert "feed.requested (1 partition, triggered by nightly, late)" in topology_graph.draw_tree(
        scheduled()
    )
    assert '    t1{{"late"}} -.-> e0' in topology_graph.draw_mermaid(scheduled())
    assert "    t0 -> e0 [style=dashed];" in topology_graph.draw_dot(scheduled())


def test_the_data_say_what_a_schedule_triggers_and_waits_for() -> None:
    assert topology_graph.graph_data(scheduled())["schedules"] == {
        "nightly": {"triggers": "feed.requested", "after": []},
        "late": {
            "triggers": "feed.requested",
            "after": [{"pipeline": "till", "event": None}, {"file": "in/*.csv"}],
        },
    }
