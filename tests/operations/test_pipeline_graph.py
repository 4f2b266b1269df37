"""Does the picture of a pipeline show what it is, and what is different in it?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.operations.errors import NotFoundError
from farandole.operations.graph.code_location import CodeLocation, locate_function
from farandole.operations.graph.pipeline_graph import GraphPicture, picture_of
from farandole.operations.graph.read_graph import GraphRequest, graph_of
from farandole.operations.graph.stage_detail import stage_settings
from tests.router.made import derived

FILE = """\
pipeline: p
package: work
defaults: {partitions: 4}
events: {asked: {partitions: 1}, line.read: {key: household}}
stages:
  load: {subscribes: line.priced}
  read: {subscribes: asked, emits: line.read}
  price: {subscribes: line.read, emits: line.priced}
  flag: {subscribes: line.priced, emits: coupon.exceeded}
"""
OLDER = FILE.replace("line.priced}\n  read", "line.small}\n  read") + (
    "  small: {subscribes: line.priced, emits: line.small}\n"
)
PUBLISHED = datetime(2026, 11, 24, tzinfo=UTC)


def picture(topology: str) -> GraphPicture:
    return picture_of(derived(KafkaNames(), topology))


def published(topology: str, number: int, *, retired: bool = False) -> Version:
    made = derived(KafkaNames(), topology)
    return Version(
        pipeline="p",
        version=number,
        installation=UUID(int=7),
        published=PUBLISHED,
        published_by="a test",
        events=made.events,
        stages=made.stages,
        retired=PUBLISHED if retired else None,
    )


def test_stages_stand_in_the_order_in_which_events_flow() -> None:
    names = [stage.name for stage in picture(FILE).stages]
    assert names[:2] == ["read", "price"]
    assert set(names[2:]) == {"load", "flag"}


def test_each_reader_of_an_event_has_an_edge_of_its_own() -> None:
    edges = {edge.id: edge for edge in picture(FILE).edges}
    assert edges["line.priced>load"].sources == edges["line.priced>flag"].sources == ["price"]


def test_a_root_has_an_edge_that_comes_from_nobody_and_a_leaf_one_that_goes_to_nobody() -> None:
    edges = {edge.id: edge for edge in picture(FILE).edges}
    assert edges["asked>read"].sources == []
    assert edges["coupon.exceeded>"].target is None


def test_a_stage_has_as_many_lanes_as_its_widest_input_has_partitions() -> None:
    lanes = {stage.name: stage.lanes for stage in picture(FILE).stages}
    assert lanes == {"read": 1, "price": 4, "load": 4, "flag": 4}


def test_a_stage_that_only_older_versions_have_is_draining_and_still_has_its_edges() -> None:
    drawn = graph_of([published(OLDER, 1), published(FILE, 2)], "p", GraphRequest())
    stages = {stage.name: stage.draining for stage in drawn.picture.stages}
    assert stages == {"read": None, "price": None, "load": None, "flag": None, "small": 1}
    assert next(e for e in drawn.picture.edges if e.id == "line.priced>small").draining


def test_a_stage_of_a_retired_version_is_not_in_the_picture() -> None:
    history = [published(OLDER, 1, retired=True), published(FILE, 2)]
    drawn = graph_of(history, "p", GraphRequest())
    assert "small" not in {stage.name for stage in drawn.picture.stages}
    assert [stop.state for stop in drawn.versions] == ["retired", "in force"]


def test_a_comparison_marks_what_was_added_changed_and_removed() -> None:
    drawn = graph_of([published(OLDER, 1), published(FILE, 2)], "p", GraphRequest(compare=1))
    marks = {stage.name: stage.mark for stage in drawn.picture.stages}
    assert marks == {"read": "", "price": "", "load": "~", "flag": "", "small": "-"}
    edges = {edge.id: edge.mark for edge in drawn.picture.edges}
    assert edges["line.priced>load"] == "+"
    assert edges["line.small>load"] == edges["line.priced>small"] == "-"
    assert edges["line.priced>flag"] == ""


def test_a_version_that_does_not_exist_is_named() -> None:
    with pytest.raises(NotFoundError, match="versions 2 to 2, not 9"):
        graph_of([published(FILE, 2)], "p", GraphRequest(version=9))


def test_a_function_is_found_without_importing_it(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "load.py").write_text(
        "raise SystemExit\n\ndef load(x: int) -> None: ..."
    )
    assert locate_function(tmp_path, "stages.load:load") == CodeLocation(
        file="stages/load.py", line=3
    )


def test_a_module_outside_of_the_folder_is_not_looked_for(tmp_path: Path) -> None:
    assert locate_function(tmp_path, "..etc.passwd:x") is None


def test_settings_are_in_words() -> None:
    stage = derived(KafkaNames(), FILE).stages["load"]
    settings = {each.name: each.value for each in stage_settings(stage)}
    assert settings["retry"] == "3 attempts, 200 ms to 10 s"
    assert settings["breaker"] == "50 % of 20 in 10 s"
    assert settings["emits"] == "nothing"


def test_a_topology_with_a_cycle_is_still_drawn() -> None:
    made = derived(KafkaNames(), FILE)
    read = made.stages["read"].model_copy(update={"subscribes": ("line.priced",)})
    drawn = picture_of(replace(made, stages={**made.stages, "read": read}))
    assert len(drawn.stages) == 4
