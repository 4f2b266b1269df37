"""Do checks come from data contracts into the file, and go back into contracts?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from farandole.cli.__main__ import farandole
from tests.testing.projects import write_project

CODE = """
    from pydantic import BaseModel

    class Order(BaseModel):
        customer: str
        cents: int = 0
        item: str | None = None

    def check(order: Order) -> Order:
        return order

    def keep(order: Order) -> None: ...
"""
TOPOLOGY = """
    # The shop.
    pipeline: shop
    events:
      order.placed: {key: customer} # what people send
      order.checked:
        checks:
          # nobody is paid
          paid: {rule: range, column: cents, min: 0}

    stages:
      check: {run: "MODULE:check", subscribes: order.placed, emits: order.checked}
      keep: {run: "MODULE:keep", subscribes: order.checked}
"""
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
schema:
  - name: Orders
    physicalName: shop.order.checked
    properties:
      - name: item
        quality:
          - {name: named, metric: nullValues, mustBeLessThan: 2, unit: percent, severity: error}
          - {type: text, description: items are named well}
      - {name: cents, quality: [{name: paid, metric: nullValues, mustBe: 0}]}
      - {name: colour, required: true}
  - {name: refunds, properties: [{name: id, required: true}]}
"""


class Shop:
    def __init__(self, folder: Path) -> None:
        self.file = write_project(folder, TOPOLOGY, CODE)
        self.contract = folder / "orders.odcs.yaml"
        self.contract.write_text(CONTRACT)

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(farandole, ["-C", str(self.file.parent), "checks", *words])

    def import_(self, *words: str) -> Any:
        result = self.call("import", str(self.contract), "--json", *words)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def shop(tmp_path: Path, unset: None) -> Shop:
    return Shop(tmp_path)


def test_a_contract_becomes_checks_and_each_rule_that_is_none_is_named(shop: Shop) -> None:
    before = shop.file.read_text()
    found = shop.import_()
    assert [(each["event"], each["name"], each["remark"]) for each in found["checks"]] == [
        ("order.checked", "named", "exactly 2 % is allowed too")
    ]
    added = "      named: {rule: not-null, column: item, share: 98%, severity: fail}"
    lines = before.splitlines()
    assert shop.file.read_text().splitlines() == [*lines[:9], added, *lines[9:]]
    assert {each["source"]: each["why"] for each in found["left_out"]} == {
        "Orders.item: quality 2": "it is a text for people",
        "Orders.cents: quality 1, paid": "order.checked has a check paid already, which stays",
        "Orders.colour: required": (
            "'order.checked' never has the field 'colour' that the check 'colour-required' asks for"
        ),
        "refunds": "no event type of the file has that name, for its rule; say which is meant",
    }
    assert CliRunner().invoke(farandole, ["-C", str(shop.file.parent), "lint"]).exit_code == 0


def test_an_object_is_about_the_event_that_is_named(shop: Shop) -> None:
    found = shop.import_("--object", "Orders", "--event", "order.placed")
    remarks = {each["name"]: each["remark"] for each in found["checks"]}
    assert {each["event"] for each in found["checks"]} == {"order.placed"}
    assert remarks.keys() == {"named", "paid", "colour-required"}
    assert "no stage reads a field 'colour'" in remarks["colour-required"]
    assert "  order.placed: # what people send\n    key: customer\n    checks:" in (
        shop.file.read_text()
    )


def test_a_dry_run_shows_the_change_and_writes_nothing(shop: Shop) -> None:
    before = shop.file.read_text()
    result = shop.call("import", str(shop.contract), "--dry-run")
    assert (result.exit_code, shop.file.read_text()) == (0, before)
    assert "+      named: {rule: not-null, column: item, share: 98%, severity: fail}" in (
        result.stdout.splitlines()
    )
    assert "nothing was written; 1 check can be imported" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: [", "orders.odcs.yaml:1:8: it is not YAML"),
        ("- a", "it is no contract of the Open Data Contract Standard"),
        ("kind: DataContract\napiVersion: v2.2.2", "contracts of version 3 are understood"),
        ("a: &b [*b]\nkind: DataContract", "contracts of version 3 are understood"),
        ("\0", "it is not YAML"),
    ],
)
def test_what_is_no_contract_is_refused_in_one_line(shop: Shop, text: str, said: str) -> None:
    shop.contract.write_text(text)
    before = shop.file.read_text()
    result = shop.call("import", str(shop.contract))
    assert (result.exit_code, shop.file.read_text()) == (1, before)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_is_not_there_is_named(shop: Shop) -> None:
    missing = shop.call("import", str(shop.contract.with_name("none.yaml")))
    assert "none.yaml: it cannot be read" in missing.stderr
    unknown = shop.call("import", str(shop.contract), "--object", "Lines")
    assert "there is no object 'Lines'; there are Orders, refunds" in unknown.stderr
    two = shop.call("import", str(shop.contract), "--event", "order.placed")
    assert "it has 2 objects; name the one that is about order.placed" in two.stderr
    event = shop.call("export", "order.plcaed")
    assert "did you mean 'order.placed'" in event.stderr


def test_what_is_exported_can_be_imported_by_another_pipeline(shop: Shop) -> None:
    shop.import_()
    exported = shop.call("export", "order.checked", "--contract-version", "2.1.0")
    contract = YAML(typ="safe").load(exported.stdout)
    assert contract["version"] == "2.1.0"
    assert (
        json.loads(shop.call("export", "order.checked", "--json").stdout)["schema"]
        == (contract["schema"])
    )
    (described,) = contract["schema"]
    assert described["physicalName"] == "shop.order.checked"
    shop.contract.write_text(exported.stdout)
    shop.import_("--event", "order.placed")
    text = shop.file.read_text()
    for check in (
        "named: {rule: not-null, column: item, share: 98%, severity: fail}",
        "paid: {rule: range, column: cents, min: 0}",
    ):
        assert text.count(check) == 2
