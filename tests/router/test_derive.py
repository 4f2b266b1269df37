"""Which topics and bindings does a file stand for?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.names import Names
from events.topology import Retry
from router import document, form
from router.check import check
from router.derive import DEAD_HEADROOM, LARGEST_EVENT, Derived, derive
from router.finding import errors
from router.lint import lint
from tests.router.conftest import GOOD, Folder

DAY = 86_400_000  # milliseconds


def derived(folder: Folder, topology: str = GOOD, **functions: str) -> Derived:
    checked = check(folder(topology, functions), Names("test"))
    assert checked.form is not None
    assert checked.findings == []
    return derive(checked.form, checked.signatures, Names("test"))


def test_every_event_gets_a_topic_that_keeps_data_for_a_week(folder: Folder) -> None:
    topics = derived(folder).topics
    assert topics["test.order-lines.feed.requested"].partitions == 1
    assert topics["test.order-lines.line.ingested"].partitions == 4
    configs = topics["test.order-lines.line.ingested"].configs
    assert configs["retention.ms"] == str(7 * DAY)
    assert configs["max.message.bytes"] == str(LARGEST_EVENT)


def test_every_stage_gets_one_partition_for_what_died(folder: Folder) -> None:
    topics = derived(folder).topics
    for stage in ("ingest", "load"):
        dead = topics[f"test.order-lines.{stage}.dead"]
        assert dead.partitions == 1
        assert dead.configs["retention.ms"] == str(30 * DAY)
        assert int(dead.configs["max.message.bytes"]) == LARGEST_EVENT + DEAD_HEADROOM


def test_the_versions_are_kept_in_a_compacted_topic(folder: Folder) -> None:
    topology = derived(folder).topics["test.farandole.topology"]
    assert (topology.partitions, topology.configs["cleanup.policy"]) == (1, "compact")


def test_nothing_else_is_created(folder: Folder) -> None:
    assert len(derived(folder).topics) == 5


def test_a_retention_of_its_own_wins(folder: Folder) -> None:
    topics = derived(
        folder,
        GOOD.replace("{partitions: 1}", "{retention: 2h}") + "defaults: {retention: 1d}\n",
    ).topics
    assert topics["test.order-lines.feed.requested"].configs["retention.ms"] == str(DAY // 12)
    assert topics["test.order-lines.line.ingested"].configs["retention.ms"] == str(DAY)


def test_a_stage_takes_from_the_defaults_what_it_does_not_say(folder: Folder) -> None:
    stages = derived(
        folder,
        GOOD.replace("load: {", "load: {retry: {attempts: 7}, timeout: 5m, processes: 2, ")
        + "defaults: {retry: {backoff: 1s}, timeout: 1m, threads: 3}\n",
    ).stages
    assert stages["load"].retry == Retry(attempts=7, backoff=1.0, max_backoff=10.0)
    assert (stages["load"].timeout, stages["load"].processes) == (300.0, 2)
    assert stages["ingest"].retry == Retry(attempts=3, backoff=1.0, max_backoff=10.0)
    assert (stages["ingest"].timeout, stages["ingest"].threads) == (60.0, 3)


def test_a_default_number_of_threads_leaves_async_functions_alone(folder: Folder) -> None:
    stages = derived(
        folder,
        GOOD + "defaults: {threads: 3}\n",
        load="async def load(lines: list[Line]) -> None: ...",
    ).stages
    assert (stages["ingest"].threads, stages["load"].threads) == (3, 0)


def test_a_function_is_found_by_the_name_of_its_stage(folder: Folder) -> None:
    stages = derived(
        folder,
        GOOD.replace("load:", "to-sql:"),
        to_sql="def to_sql(lines: list[Line]) -> None: ...",
    ).stages
    assert stages["to-sql"].run == "work.to_sql:to_sql"


def test_an_event_carries_the_schema_of_what_is_written(folder: Folder) -> None:
    events = derived(folder, ingest="def ingest(feed: Feed) -> Iterator[Priced]: ...").events
    schema = events["line.ingested"].data_schema
    assert schema is not None
    assert schema["title"] == "Priced"
    root = events["feed.requested"].data_schema
    assert root is not None
    assert root["title"] == "Feed"


def test_a_form_alone_is_enough_to_derive_what_is_connected(folder: Folder) -> None:
    found, _ = document.read(GOOD.encode(), "topology.yaml")
    assert found is not None
    written, _ = form.read(found)
    assert written is not None
    wired = derive(written, {}, Names())
    assert wired.events["line.ingested"].data_schema is None
    assert wired.stages["load"].run == "work.load:load"


@st.composite
def legal(draw: st.DrawFn) -> dict[str, Any]:
    """A topology in which each stage listens to events of the layers before its own."""
    partitions = draw(st.integers(1, 8))
    layers = [["root"]]
    stages: dict[str, Any] = {}
    for layer in range(draw(st.integers(1, 4))):
        known = [event_type for before in layers for event_type in before]
        layers.append([])
        for index in range(draw(st.integers(1, 3))):
            name = f"s{layer}-{index}"
            subscribes = draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
            emits = [f"e{layer}.{index}-{n}" for n in range(draw(st.integers(0, 2)))]
            layers[-1] += emits
            stages[name] = {"subscribes": subscribes, "emits": emits}
    return {
        "pipeline": "p",
        "package": "work",
        "defaults": {"partitions": partitions},
        "events": {"root": None},
        "stages": stages,
    }


@given(legal())
def test_legal_files_derive_to_whole_versions(data: dict[str, Any]) -> None:
    """Each binding has an event, each event a topic, and inputs agree on their partitions."""
    at = document.Document("topology.yaml", data, {}, {})
    written, findings = form.read(at)
    assert written is not None
    assert errors([*findings, *lint(at, written, {}, Names())]) == []
    wired = derive(written, {}, Names())
    for name, stage in wired.stages.items():
        assert {*stage.subscribes, *stage.emits} <= set(wired.events)
        assert len({wired.events[t].partitions for t in stage.subscribes}) == 1
        assert wired.topics[f"p.{name}.dead"].partitions == 1
    for event_type, event in wired.events.items():
        assert event.topic == f"p.{event_type}"
        assert wired.topics[event.topic].partitions == event.partitions
    assert len(wired.topics) == len(wired.events) + len(wired.stages) + 1


@pytest.mark.parametrize("namespace", ["", "blue"])
def test_every_topic_is_under_the_namespace(namespace: str, folder: Folder) -> None:
    checked = check(folder(), Names(namespace))
    assert checked.form is not None
    topics = derive(checked.form, checked.signatures, Names(namespace)).topics
    prefix = f"{namespace}." if namespace else ""
    assert all(
        topic.startswith((f"{prefix}order-lines.", f"{prefix}farandole.")) for topic in topics
    )


def test_a_stage_says_what_its_function_reads(folder: Folder) -> None:
    stages = derived(folder, load="def load(line: Any) -> None: ...").stages
    assert stages["ingest"].accepts is not None
    assert stages["ingest"].accepts["required"] == ["weeks"]
    assert stages["load"].accepts is None
