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


READS_TEXT = """
class Hidden(BaseModel):
    household: {household}

def load(line: Hidden) -> None: ...
"""
TAKES_TEXT = READS_TEXT.format(household="int | str")
MAILED = """
class Mailed(BaseModel):
    household: dict[str, str]
    quantity: int

def ingest(feed: Feed) -> Iterator[Mailed]: ...
"""


def findings(folder: Folder, topology: str, **functions: str) -> list[str]:
    checked = check_topology_file(folder(topology, functions), KafkaNames())
    return [str(finding).partition("topology.yaml:")[2] for finding in checked.findings]


def test_a_masked_field_that_an_event_inherits_as_its_key_is_an_error(folder: Folder) -> None:
    (found,) = findings(folder, MASKED % ("household", ""), load=TAKES_TEXT)
    assert "'household' is masked, but 'household' is the Kafka key that 'line.hidden'" in found
    assert "give 'line.hidden' a `key` of its own" in found
    assert found.startswith("12:")


def test_a_part_of_an_object_that_is_a_key_is_in_the_key(folder: Folder) -> None:
    masked = MASKED.replace("household: redact", "household.mail: redact")
    (found,) = findings(
        folder, masked % ("household", ""), ingest=MAILED,
        load=READS_TEXT.format(household="dict[str, str]"),
    )  # fmt: skip
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
    assert findings(folder, MASKED % (key, more), load=TAKES_TEXT) == []


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


@pytest.mark.parametrize("read", ["int", "float | None", "bool", "Decimal", "Literal['a', 'b']"])
def test_a_masked_field_that_its_reader_takes_as_no_text_is_an_error(
    folder: Folder, read: str
) -> None:
    load = "from decimal import Decimal\nfrom typing import Literal\n"
    found = findings(
        folder, MASKED % ("quantity", ""), load=load + READS_TEXT.format(household=read)
    )
    masked = [each for each in found if "so it becomes text" in each]
    assert masked[0].startswith(
        "12:26: 'household' is masked, so it becomes text, but 'load' takes"
    )
    assert masked[0].endswith("let 'load' take text as well (`int | str`), or mask it later")


@pytest.mark.parametrize("read", ["str", "str | None", "int | str", "Any"])
def test_a_masked_field_that_its_reader_takes_as_text_is_fine(folder: Folder, read: str) -> None:
    found = findings(folder, MASKED % ("quantity", ""), load=READS_TEXT.format(household=read))
    assert [each for each in found if "masked" in each] == []
