"""Can a person see what is connected to what?"""

from __future__ import annotations

from events.names import Names
from router import document, form, graph
from router.derive import Derived, derive

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


def wired() -> Derived:
    found, _ = document.read(FILE, "topology.yaml")
    assert found is not None
    written, _ = form.read(found)
    assert written is not None
    return derive(written, {}, Names())


def test_the_tree_goes_from_the_roots_to_the_leaves() -> None:
    assert (
        graph.tree(wired())
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
    lines = graph.mermaid(wired()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '    e0(["feed.requested"])' in lines
    assert '    s0["ingest"]' in lines
    edges = [line for line in lines if "-->" in line]
    assert len(edges) == len(set(edges)) == 8


def test_the_data_names_both_ends_of_each_event() -> None:
    data = graph.data(wired())
    assert data["roots"] == ["feed.requested"]
    assert data["events"]["line.ingested"]["emitters"] == ["ingest"]
    assert data["events"]["line.ingested"]["subscribers"] == ["validate", "enrich"]
    assert data["stages"]["load"]["subscribes"] == ["line.validated", "line.enriched"]
