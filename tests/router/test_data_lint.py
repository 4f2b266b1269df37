"""Does lint find masked fields that stay readable in keys, and money in floats?"""

from __future__ import annotations

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import Folder

MASKED = """\
pipeline: p
package: work
events:
  feed.requested: {partitions: 1}
  line.ingested: {key: %s}
%s
stages:
  ingest: {subscribes: feed.requested, emits: line.ingested}
  sample: {subscribes: line.ingested, emits: line.kept, run: "stages.generic.sample:sample",
           with: {share: 0.5}}
  hide: {subscribes: line.kept, emits: line.hidden, run: "stages.generic.mask:mask",
         with: {fields: {household: redact}}}
  load: {subscribes: line.hidden}
"""
PRICED = """\
pipeline: p
package: work
events: {asked: {}}
stages:
  price: {subscribes: asked, emits: priced}
  load: {subscribes: priced, run: "work.price:load"}
"""
PRICES = """
from decimal import Decimal

class Line(BaseModel):
    {field}

def price(line: Line) -> Line: ...
def load(line: Line) -> None: ...
"""


def findings(folder: Folder, topology: str, **functions: str) -> list[str]:
    checked = check_topology_file(folder(topology, functions), KafkaNames())
    return [str(finding).partition("topology.yaml:")[2] for finding in checked.findings]


def test_a_masked_field_that_an_event_inherits_as_its_key_is_an_error(folder: Folder) -> None:
    (found,) = findings(folder, MASKED % ("household", ""))
    assert "'household' is masked, but 'household' is the Kafka key that 'line.hidden'" in found
    assert "give 'line.hidden' a `key` of its own" in found
    assert found.startswith("12:")


def test_a_part_of_an_object_that_is_a_key_is_in_the_key(folder: Folder) -> None:
    masked = MASKED.replace("household: redact", "household.mail: redact")
    (found,) = findings(folder, masked % ("household", ""))
    assert "'household.mail' is masked, but 'household' is the Kafka key" in found


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("quantity", ""),
        ("household", "  line.hidden: {key: household}"),
        ("household", "  line.hidden: {key: quantity}"),
        ("household", "  line.kept: {key: quantity}"),
    ],
)
def test_a_key_that_is_not_masked_or_made_of_the_masked_value_is_fine(
    folder: Folder, key: str, more: str
) -> None:
    assert findings(folder, MASKED % (key, more)) == []


@pytest.mark.parametrize(
    "field",
    ["amount: float", "unit_price: float | None", "orderTotal: float = 0", "fee_eur: list[float]"],
)
def test_money_in_a_float_is_a_warning(folder: Folder, field: str) -> None:
    (found,) = findings(folder, PRICED, price=PRICES.format(field=field))
    name = field.partition(":")[0]
    assert f"warning: the field {name!r} of Line is a `float`" in found
    assert "write `Decimal`, or an `int` of cents" in found


@pytest.mark.parametrize(
    "field",
    [
        "amount: Decimal",
        "amount: Decimal | None",
        "amount: int",
        "amount_cents: int",
        "price_ratio: float",
        "total_seconds: float",
        "footprice: float",
    ],
)
def test_other_fields_are_not(folder: Folder, field: str) -> None:
    assert findings(folder, PRICED, price=PRICES.format(field=field)) == []
