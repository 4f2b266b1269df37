"""Is the example of an external stage short, and is its file fit?"""

from __future__ import annotations

from pathlib import Path

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import (
    RELAY_FORMAT,
    VERSION_FORMAT,
    StageTopic,
    version_format,
)
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "external"


def test_the_program_is_as_short_as_the_page_says() -> None:
    lines = (EXAMPLE / "score.mjs").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("//")]) <= 60


def test_the_program_without_transactions_is_shorter() -> None:
    lines = (EXAMPLE / "score-simple.mjs").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("//")]) == 22


def test_its_file_is_fit_and_publishes_the_declared_schema() -> None:
    names = KafkaNames("x")
    checked = check_topology_file(EXAMPLE / "topology.yaml", names)
    assert checked.is_fit, checked.findings
    assert checked.topology is not None
    derived = derive_topology(checked.topology, checked.signatures, names)
    score = derived.stages["score"]
    assert (score.external, score.run, score.parking, score.code) == (True, "", None, "")
    schema = derived.events["order.scored"].data_schema
    assert schema is not None
    assert (schema["title"], sorted(schema["required"])) == (
        "Scored",
        ["cents", "customer", "score"],
    )
    assert "x.orders.score.retry" not in derived.topics


def test_without_transactions_it_has_a_raw_topic_as_wide_as_its_input() -> None:
    names = KafkaNames("x")
    checked = check_topology_file(EXAMPLE / "topology.yaml", names)
    assert checked.topology is not None
    stages = dict(checked.topology.stages)
    stages["score"] = stages["score"].model_copy(update={"external": "at-least-once"})
    simple = checked.topology.model_copy(update={"stages": stages})
    derived = derive_topology(simple, checked.signatures, names)
    score = derived.stages["score"]
    assert (score.is_relayed, score.parking) == (True, None)
    assert score.raw == StageTopic(topic="x.orders.score.raw", partitions=4)
    assert derived.topics["x.orders.score.raw"].partitions == 4
    assert version_format(derived.stages.values()) == RELAY_FORMAT
    assert (
        version_format([stage for stage in derived.stages.values() if stage is not score])
        == VERSION_FORMAT
    )
