"""Does the AsyncAPI document say what the file says?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec
from farandole.router.asyncapi import KafkaServer, asyncapi_document
from farandole.router.topology_derivation import DerivedTopology, derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import GOOD, Folder

NAMES = KafkaNames("test")
NESTED = """\
class Inner(BaseModel):
    tags: tuple[int, str]

class Outer(BaseModel):
    inner: Inner
    children: list["Outer"] = []

def ingest(feed: Feed) -> Iterator[Outer]: ...
"""
NESTED_LOAD = "def load(lines: list[dict[str, Any]]) -> None: ..."


def derived(folder: Folder, topology: str = GOOD, **functions: str) -> DerivedTopology:
    checked = check_topology_file(folder(topology, functions), NAMES)
    assert checked.topology is not None
    assert checked.findings == []
    return derive_topology(checked.topology, checked.signatures, NAMES)


def nested(folder: Folder) -> DerivedTopology:
    without_key = GOOD.replace("{key: household}", "")
    return derived(folder, without_key, ingest=NESTED, load=NESTED_LOAD)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def at(made: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        made = made[step]
    return made


def test_an_event_is_a_channel_with_its_topic(folder: Folder) -> None:
    made = asyncapi_document(derived(folder), NAMES)
    channel = made["channels"]["line.ingested"]
    assert channel["address"] == "test.order-lines.line.ingested"
    kafka = channel["bindings"]["kafka"]
    assert kafka["partitions"] == 4
    assert kafka["topicConfiguration"] == {
        "cleanup.policy": ["delete"],
        "retention.ms": 7 * 86_400_000,
        "max.message.bytes": 1_048_576,
    }


def test_each_edge_is_one_operation(folder: Folder) -> None:
    operations = asyncapi_document(derived(folder), NAMES)["operations"]
    assert {name: o["action"] for name, o in operations.items()} == {
        "ingest.receive.feed.requested": "receive",
        "ingest.send.line.ingested": "send",
        "load.receive.line.ingested": "receive",
    }
    group = operations["load.receive.line.ingested"]["bindings"]["kafka"]["groupId"]
    assert group["const"] == "test.order-lines.load"


def test_a_condition_is_shown_with_the_edge_that_it_filters(folder: Folder) -> None:
    wired = derived(folder)
    load = wired.stages["load"].model_copy(update={"when": {"line.ingested": "data.quantity > 0"}})
    filtered = DerivedTopology(
        wired.pipeline, wired.events, {**wired.stages, "load": load}, wired.topics
    )
    operations = asyncapi_document(filtered, NAMES)["operations"]
    assert operations["load.receive.line.ingested"]["x-when"] == "data.quantity > 0"
    assert "x-when" not in operations["ingest.receive.feed.requested"]


def test_a_message_has_schema_key_and_headers(folder: Folder) -> None:
    made = asyncapi_document(derived(folder), NAMES)
    message = made["components"]["messages"]["line.ingested"]
    assert message["bindings"]["kafka"]["key"]["type"] == "string"
    payload = at(made, message["payload"]["$ref"])
    assert payload["properties"].keys() == {"household", "quantity"}
    assert "ce_id" in at(made, message["headers"]["$ref"])["required"]


def test_a_root_may_come_without_headers(folder: Folder) -> None:
    made = asyncapi_document(derived(folder), NAMES)
    message = made["components"]["messages"]["feed.requested"]
    assert "required" not in at(made, message["headers"]["$ref"])
    assert "key" not in message["bindings"]["kafka"]


def test_every_reference_leads_somewhere(folder: Folder) -> None:
    made = asyncapi_document(nested(folder), NAMES, KafkaServer("k:9092"))
    found = set(references(made))
    assert "#/components/schemas/line.ingested--Outer" in found
    for reference in found:
        assert at(made, reference) is not None


def test_the_schemas_are_draft_7_and_still_say_the_same(folder: Folder) -> None:
    made = asyncapi_document(nested(folder), NAMES)
    schema = {**made, "$ref": "#/components/schemas/line.ingested"}
    good = {"inner": {"tags": [1, "a"]}, "children": []}
    for event, valid in [
        (good, True),
        ({**good, "children": [good]}, True),
        ({**good, "children": [{"inner": 1}]}, False),
        ({**good, "inner": {"tags": ["a", 1]}}, False),
        ({**good, "inner": {"tags": [1]}}, False),
    ]:
        assert Draft7Validator(schema).is_valid(event) is valid, event


def test_a_field_may_be_called_like_a_word_of_json_schema() -> None:
    field = {"type": "string"}
    event = EventSpec(
        topic="p.e",
        partitions=1,
        data_schema={"type": "object", "properties": {"$defs": field, "$ref": field}},
    )
    made = asyncapi_document(DerivedTopology("p", {"e": event}, {}, {}), NAMES)
    schema = {"type": "object", "properties": {"$defs": field}}
    # The official parser would take the name for a reference, but not a pattern.
    schema["patternProperties"] = {r"^\$ref$": field}
    assert made["components"]["schemas"]["e"] == schema


@pytest.mark.parametrize(
    ("server", "protocol", "hosts"),
    [
        (KafkaServer("a:9092"), "kafka", ["a:9092"]),
        (KafkaServer("a:9093, b:9093", tls=True), "kafka-secure", ["a:9093", "b:9093"]),
    ],
)
def test_the_brokers_in_use_are_named(
    folder: Folder, server: KafkaServer, protocol: str, hosts: list[str]
) -> None:
    made = asyncapi_document(derived(folder), NAMES, server)
    assert [s["host"] for s in made["servers"].values()] == hosts
    assert {s["protocol"] for s in made["servers"].values()} == {protocol}


def test_how_a_client_says_who_it_is_is_described(folder: Folder) -> None:
    made = asyncapi_document(
        derived(folder), NAMES, KafkaServer("a:9093", sasl_mechanism="SCRAM-SHA-512")
    )
    (security,) = made["servers"]["kafka"]["security"]
    assert at(made, security["$ref"]) == {"type": "scramSha512"}


def test_without_a_broker_no_server_is_invented(folder: Folder) -> None:
    assert "servers" not in asyncapi_document(derived(folder), NAMES)


def test_the_same_file_gives_the_same_document(folder: Folder) -> None:
    one, other = (json.dumps(asyncapi_document(derived(folder), NAMES)) for _ in range(2))
    assert one == other


def test_another_file_has_another_version_and_another_broker_has_not(folder: Folder) -> None:
    made = asyncapi_document(derived(folder), NAMES)["info"]["version"]
    assert asyncapi_document(derived(folder), NAMES, KafkaServer("a:1"))["info"]["version"] == made
    changed = GOOD.replace("{partitions: 1}", "{partitions: 2}")
    assert asyncapi_document(derived(folder, changed), NAMES)["info"]["version"] != made


NUMBERS = """\
from typing import Literal
from pydantic import Field

class Small(BaseModel):
    few: int = 0

class Line(BaseModel):
    id: int
    cents: int = Field(ge=0)
    week: int = Field(ge=1, le=53)
    any: int = Field(ge=-(10**30))
    one: Literal[7]
    big: Literal[31281125463]
    small: Small | None
    many: list[Small | int]

def ingest(feed: Feed) -> Iterator[Line]: ...
"""


def numbers(folder: Folder) -> dict[str, Any]:
    without_key = GOOD.replace("{key: household}", "")
    wired = derived(folder, without_key, ingest=NUMBERS, load=NESTED_LOAD)
    made = asyncapi_document(wired, NAMES)["components"]["schemas"]
    properties: dict[str, Any] = made["line.ingested"]["properties"]
    return properties


def test_integers_that_may_need_64_bits_say_so(folder: Folder) -> None:
    formats = {name: schema.get("format") for name, schema in numbers(folder).items()}
    assert [name for name, form in formats.items() if form == "int64"] == ["id", "cents", "big"]


def test_a_union_has_a_title_for_generators_of_models(folder: Folder) -> None:
    properties = numbers(folder)
    assert properties["small"]["title"] == "LineSmall"
    assert properties["many"]["items"]["title"] == "LineManyItem"


def test_the_document_has_what_linters_of_asyncapi_ask_for(folder: Folder) -> None:
    alerts = "alerts: {email: [ops@example.com]}\n"
    made = asyncapi_document(derived(folder, GOOD + alerts), NAMES, licence="Apache-2.0")
    assert made["asyncapi"] == "3.1.0"
    assert made["info"]["contact"] == {"name": "order-lines", "email": "ops@example.com"}
    assert made["info"]["license"] == {"name": "Apache-2.0"}
    tags = [tag["name"] for tag in made["info"]["tags"]]
    assert tags == sorted(tags)
    for operation in made["operations"].values():
        assert operation["description"].endswith(".")
        assert operation["tags"][0]["description"]


def test_a_channel_names_the_schedules_that_publish_its_root(folder: Folder) -> None:
    nightly = "{cron: '@daily', triggers: feed.requested, data: {weeks: [1]}}"
    made = asyncapi_document(derived(folder, f"{GOOD}schedules: {{nightly: {nightly}}}\n"), NAMES)
    channels = made["channels"]
    assert channels["feed.requested"]["description"] == "Schedules that publish it: nightly."
    assert "description" not in channels["line.ingested"]
