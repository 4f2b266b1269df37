"""Which topics and bindings does a file stand for?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.kafka_names import KafkaNames
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal
from farandole.events.topology_version import (
    AlertPolicy,
    AlertRoute,
    EventSpec,
    RetryPolicy,
    RunExpectation,
    Version,
)
from farandole.router import file_model, system_topics, yaml_source
from farandole.router.lint import lint_topology
from farandole.router.lint_finding import error_findings
from farandole.router.topic_specs import DEAD_LETTER_HEADROOM_BYTES, MAX_EVENT_BYTES
from farandole.router.topology_derivation import (
    DerivedTopology,
    derive_from_version,
    derive_topology,
)
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import GOOD, Folder

DAY = 86_400_000  # milliseconds


def derived(folder: Folder, topology: str = GOOD, **functions: str) -> DerivedTopology:
    checked = check_topology_file(folder(topology, functions), KafkaNames("test"))
    assert checked.topology is not None
    assert checked.findings == []
    return derive_topology(checked.topology, checked.signatures, KafkaNames("test"))


def test_every_event_gets_a_topic_that_keeps_data_for_a_week(folder: Folder) -> None:
    topics = derived(folder).topics
    assert topics["test.order-lines.feed.requested"].partitions == 1
    assert topics["test.order-lines.line.ingested"].partitions == 4
    configs = topics["test.order-lines.line.ingested"].configs
    assert configs["retention.ms"] == str(7 * DAY)
    assert configs["max.message.bytes"] == str(MAX_EVENT_BYTES)


def test_every_stage_gets_one_partition_for_what_died(folder: Folder) -> None:
    topics = derived(folder).topics
    for stage in ("ingest", "load"):
        dead = topics[f"test.order-lines.{stage}.dead"]
        assert dead.partitions == 1
        assert dead.configs["retention.ms"] == str(30 * DAY)
        assert (
            int(dead.configs["max.message.bytes"]) == MAX_EVENT_BYTES + DEAD_LETTER_HEADROOM_BYTES
        )


@pytest.mark.parametrize("table", ["topology", "control", "incidents", "outbox"])
def test_what_an_installation_knows_is_kept_in_compacted_topics(folder: Folder, table: str) -> None:
    made = derived(folder).topics[f"test.farandole.{table}"]
    assert (made.partitions, made.configs["cleanup.policy"]) == (1, "compact")


def test_nothing_else_is_created(folder: Folder) -> None:
    ours = [t for t in derived(folder).topics if not t.startswith("test.farandole.")]
    assert len(ours) == 8


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
    assert stages["load"].retry == RetryPolicy(attempts=7, backoff=1.0, max_backoff=10.0)
    assert (stages["load"].timeout, stages["load"].processes) == (300.0, 2)
    assert stages["ingest"].retry == RetryPolicy(attempts=3, backoff=1.0, max_backoff=10.0)
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
    found, _ = yaml_source.read_yaml(GOOD.encode(), "topology.yaml")
    assert found is not None
    written, _ = file_model.read_topology_file(found)
    assert written is not None
    wired = derive_topology(written, {}, KafkaNames())
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
    at = yaml_source.YamlDocument("topology.yaml", data, {}, {})
    written, findings = file_model.read_topology_file(at)
    assert written is not None
    assert error_findings([*findings, *lint_topology(at, written, {}, KafkaNames())]) == []
    wired = derive_topology(written, {}, KafkaNames())
    for name, stage in wired.stages.items():
        assert {*stage.subscribes, *stage.emits} <= set(wired.events)
        assert len({wired.events[t].partitions for t in stage.subscribes}) == 1
        assert wired.topics[f"p.{name}.dead"].partitions == 1
    for event_type, event in wired.events.items():
        assert event.topic == f"p.{event_type}"
        assert wired.topics[event.topic].partitions == event.partitions
        assert all(
            wired.topics[f"p.{s}.{own}"].partitions == event.partitions
            for s, stage in wired.stages.items()
            for own in ("retry", "state")
            if event_type in stage.subscribes
        )
    ours = len(wired.events) + 3 * len(wired.stages)
    assert len(wired.topics) == ours + len(system_topics.system_topic_specs(KafkaNames()))


PERSONAL = """
from typing import Annotated
from pydantic import Field

Name = Annotated[str, Field(json_schema_extra={"personal": True})]

class Holder(BaseModel):
    name: Name
    since: int

class Card(BaseModel):
    household: int
    number: str = Field(json_schema_extra={"personal": True})
    holder: Holder | None = None
    others: list[Holder] = []
    address: Holder = Field(json_schema_extra={"personal": True})

def ingest(feed: Feed) -> Iterator[Card]: ...
"""
CARD = {
    "household": 7,
    "number": "4000-1",
    "holder": {"name": "Ann", "since": 2001},
    "others": [{"name": "Bob", "since": 2002}],
    "address": {"name": "Low Road", "since": 2003},
}
HIDDEN = {
    "household": 7,
    "number": PERSONAL_MASK,
    "holder": {"name": PERSONAL_MASK, "since": 2001},
    "others": [{"name": PERSONAL_MASK, "since": 2002}],
    "address": PERSONAL_MASK,
}


def test_what_is_marked_as_personal_is_published_so(folder: Folder) -> None:
    events = derived(folder, ingest=PERSONAL, load="def load(line: Any) -> None: ...").events
    schema = events["line.ingested"].data_schema
    assert schema is not None
    assert schema["properties"]["number"]["personal"] is True
    assert schema["$defs"]["Holder"]["properties"]["name"]["personal"] is True
    assert "personal" not in schema["$defs"]["Holder"]["properties"]["since"]
    assert mask_personal(CARD, schema) == HIDDEN


def test_behind_a_stage_that_passes_events_on_the_same_is_personal(folder: Folder) -> None:
    file = GOOD + "  keep: {subscribes: line.ingested, emits: line.kept, run: 'work.keep:keep'}\n"
    keep = "from typing import TypeVar\nT = TypeVar('T')\ndef keep(event: T) -> T: ..."
    functions = {"ingest": PERSONAL, "load": "def load(line: Any) -> None: ...", "keep": keep}
    assert (
        mask_personal(CARD, derived(folder, file, **functions).events["line.kept"].data_schema)
        == HIDDEN
    )


def test_a_version_keeps_what_is_personal(folder: Folder) -> None:
    event = derived(folder, ingest=PERSONAL, load="def load(line: Any) -> None: ...").events
    read = EventSpec.model_validate_json(event["line.ingested"].model_dump_json())
    assert mask_personal(CARD, read.data_schema) == HIDDEN


ROUTES = """\
alerts:
  webhook: https://b.example/hook
  email: ops@b.example
  routes:
    - {stages: load, email: [dba@b.example]}
    - {errors: [ConnectionError, TimeoutError], email: [a@b.example], webhook: http://c.example}
"""


def test_what_stands_outside_of_the_routes_is_the_last_one(folder: Folder) -> None:
    assert derived(folder, GOOD + ROUTES).alerts.routes == (
        AlertRoute(stages=("load",), email=("dba@b.example",), channels=("email",)),
        AlertRoute(
            errors=("ConnectionError", "TimeoutError"),
            email=("a@b.example",),
            webhook="http://c.example",
            channels=("email", "webhook"),
        ),
        AlertRoute(
            email=("ops@b.example",),
            webhook="https://b.example/hook",
            channels=("webhook", "email"),
        ),
    )


def test_without_alerts_nobody_is_told(folder: Folder) -> None:
    assert derived(folder).alerts == AlertPolicy()
    assert AlertPolicy().routes == ()


def test_routes_alone_leave_what_none_of_them_takes(folder: Folder) -> None:
    alerts = "alerts: {routes: [{stages: load, email: dba@b.example}]}\n"
    assert [route.stages for route in derived(folder, GOOD + alerts).alerts.routes] == [("load",)]


def test_the_pace_of_alerts_is_in_seconds(folder: Folder) -> None:
    pace = (
        "alerts: {email: a@b.example, digests: [90s, 2h], quiet: 1d, fingerprints: 3, per_hour: 9}"
    )
    found = derived(folder, GOOD + pace).alerts
    assert (found.digests, found.quiet) == ((90, 7200), 86400)
    assert (found.fingerprints, found.per_hour) == (3, 9)


def test_one_digest_needs_no_list_and_the_rest_stays_as_it_is(folder: Folder) -> None:
    found = derived(folder, GOOD + "alerts: {email: a@b.example, digests: 1h}").alerts
    assert found == AlertPolicy(routes=found.routes, digests=(3600,))


def test_what_is_expected_is_in_seconds_and_a_part_of_1(folder: Folder) -> None:
    found = derived(folder, GOOD + "expect: {complete_within: 10m, fail_above: 0.5%}\n").expect
    assert found == RunExpectation(complete_within=600, fail_above=0.005)


def test_nothing_is_expected_unless_the_file_says_so(folder: Folder) -> None:
    found = derived(folder)
    assert found.expect == RunExpectation()
    assert {stage.age for stage in found.stages.values()} == {None}


def test_an_age_of_all_stages_gives_way_to_that_of_one(folder: Folder) -> None:
    text = GOOD.replace("stages:\n", "defaults: {age: 1m}\nstages:\n")
    stages = derived(folder, text.replace("  load: {", "  load: {age: 30s, ")).stages
    assert {name: stage.age for name, stage in stages.items()} == {"ingest": 60, "load": 30}


SAID_ONCE = (
    "expect: {complete_within: 10m}\nquality: {sensitivity: low}\ndefaults: {profile: true}\n"
)


def test_an_earlier_version_is_restored_with_its_alerts(folder: Folder) -> None:
    file = derived(folder, GOOD + ROUTES + SAID_ONCE)
    version = Version(
        pipeline=file.pipeline,
        version=1,
        installation=UUID(int=0),
        published=datetime(2026, 1, 1, tzinfo=UTC),
        published_by="ann",
        events=file.events,
        stages=file.stages,
        alerts=file.alerts,
        expect=file.expect,
        quality=file.quality,
    )
    found = derive_from_version(version, KafkaNames("test"))
    assert (found.alerts, found.expect, found.quality) == (file.alerts, file.expect, file.quality)
    assert found.quality.sensitivity == "low"


@pytest.mark.parametrize("namespace", ["", "blue"])
def test_every_topic_is_under_the_namespace(namespace: str, folder: Folder) -> None:
    checked = check_topology_file(folder(), KafkaNames(namespace))
    assert checked.topology is not None
    topics = derive_topology(checked.topology, checked.signatures, KafkaNames(namespace)).topics
    prefix = f"{namespace}." if namespace else ""
    assert all(
        topic.startswith((f"{prefix}order-lines.", f"{prefix}farandole.")) for topic in topics
    )


def test_a_stage_says_what_its_function_reads(folder: Folder) -> None:
    stages = derived(folder, load="def load(line: Any) -> None: ...").stages
    assert stages["ingest"].accepts is not None
    assert stages["ingest"].accepts["required"] == ["weeks"]
    assert stages["load"].accepts is None
