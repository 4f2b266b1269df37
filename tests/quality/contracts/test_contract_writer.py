"""Is what is exported a contract by the standard's own schema, and are its checks read again?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator
from pydantic import BaseModel, Field

from farandole.events.check_spec import CheckSpec
from farandole.quality.contracts.contract_checks import contract_objects
from farandole.quality.contracts.contract_writer import event_contract
from farandole.router.file_values import parse_share

FILE = Path(__file__).parent / "odcs" / "odcs-json-schema-v3.2.0.json"
STANDARD = Draft201909Validator(json.loads(FILE.read_text()))


class Address(BaseModel):
    city: str = Field(max_length=40)
    zip: str | None = None


class Order(BaseModel):
    """An order."""

    customer: str = Field(json_schema_extra={"personal": True}, description="Who has ordered.")
    cents: int = Field(ge=0)
    address: Address
    tags: list[str] = []
    anything: int | str = 0
    parts: list[Address] = []
    at: str = Field(json_schema_extra={"format": "date-time"})


SCHEMA = Order.model_json_schema()
COLUMNS = st.sampled_from(["customer", "cents", "address.city", "other.field", r"a\.b"])
SHARES = st.none() | st.integers(1, 999).map(lambda n: n / 1000)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(?:-[a-z0-9]{1,5})?", fullmatch=True)


@st.composite
def checks(draw: st.DrawFn) -> CheckSpec:
    share, column = draw(SHARES), draw(COLUMNS)
    row = ["warn", "reject", "park"] if share is None else ["warn", "fail", "gate"]
    of_rows = {"severity": draw(st.sampled_from(row)), "share": share}
    of_run = {"severity": draw(st.sampled_from(["warn", "fail", "gate"]))}
    low, high = sorted(draw(st.tuples(st.integers(0, 99), st.integers(0, 99))))
    made: list[dict[str, Any]] = [
        {"rule": "not-null", "column": column, **of_rows},
        {"rule": "range", "column": column, "min": low, "max": high + 0.5, **of_rows},
        {"rule": "one-of", "column": column, "values": ("a", 1, True), **of_rows},
        {"rule": "pattern", "column": column, "matches": "[a-z]+|x", **of_rows},
        {"rule": "length", "column": column, "max": high, **of_rows},
        {"rule": "expression", "holds": "data.cents > 0", **of_rows},
        {"rule": "unique", "column": column, **of_run},
        {"rule": "fresh", "column": "at", "within": 90.0, **of_run},
        {"rule": "rows", "min": low, "max": high, **of_run},
        {"rule": "rows", "min": low, **of_run},
        {"rule": "rows", "against": "history", **of_run},
        {"rule": "schema", **of_run},
        {"rule": "drift", "column": "cents", "max": 0.5, "measure": "ks", **of_run},
        {"rule": "known", "column": column, "against": "other.event", **of_run},
        {"rule": "sum", "column": "cents", "against": "other.event", "max": 1, **of_run},
        {"rule": "function", "run": "a.b:c", "min": low, **of_run},
    ]
    description = draw(st.sampled_from(["", "why it is there"]))
    return CheckSpec(**draw(st.sampled_from(made)), description=description)


def contract(of: dict[str, CheckSpec]) -> dict[str, Any]:
    return event_contract(
        "shop", "order.placed", "shop.order.placed",
        key="customer", schema=SCHEMA, checks=of, version="1.0.0",
    )  # fmt: skip


def as_spec(written: dict[str, Any]) -> CheckSpec:
    """The check that a file has with these settings, whose patterns may be written otherwise."""
    share, within = written.get("share"), written.get("within")
    numbers = {} if share is None else {"share": parse_share(share)}
    numbers |= {} if within is None else {"within": float(within.rstrip("s"))}
    return CheckSpec(**{**written, **numbers})


@given(st.dictionaries(NAMES, checks(), max_size=5))
@settings(max_examples=15, deadline=None)
def test_an_exported_contract_is_valid_and_its_checks_are_read_again(
    of: dict[str, CheckSpec],
) -> None:
    written = json.loads(json.dumps(contract(of)))
    STANDARD.validate(written)
    (only,) = contract_objects(written)
    found = {each.name: each.settings for each in only.checks}
    for name, check in of.items():
        read = as_spec(found[name])
        if check.rule == "pattern":
            assert read.matches == "(?:^(?:[a-z]+|x)$)"
            read = read.model_copy(update={"matches": check.matches})
        assert read == check


def test_a_contract_describes_the_data() -> None:
    (described,) = contract({})["schema"]
    properties = {each["name"]: each for each in described["properties"]}
    assert properties["customer"] == {
        "name": "customer", "logicalType": "string", "required": True,
        "description": "Who has ordered.", "classification": "personal",
    }  # fmt: skip
    assert properties["cents"]["logicalTypeOptions"] == {"minimum": 0}
    assert properties["at"]["logicalType"] == "timestamp"
    city, zip_ = properties["address"]["properties"]
    assert (city["required"], city["logicalTypeOptions"]) == (True, {"maxLength": 40})
    assert zip_ == {"name": "zip", "logicalType": "string"}
    assert properties["tags"]["items"] == {"logicalType": "string"}
    assert properties["anything"] == {
        "name": "anything", "logicalType": "string", "physicalType": "any"
    }  # fmt: skip
    assert [p["name"] for p in properties["parts"]["items"]["properties"]] == ["city", "zip"]


def test_a_key_without_a_column_is_the_property_that_is_unique() -> None:
    (described,) = contract({"once": CheckSpec(rule="unique")})["schema"]
    (customer, *_) = described["properties"]
    assert customer["quality"][0]["metric"] == "duplicateValues"


def test_a_check_that_all_rows_must_keep_fails_the_run_afterwards_too() -> None:
    whole = CheckSpec(rule="not-null", column="customer", share=1.0, severity="fail")
    (only,) = contract_objects(contract({"all": whole}))
    (found,) = [each.settings for each in only.checks if each.name == "all"]
    assert as_spec(found) == whole


class Tree(BaseModel):
    children: list[Tree] = []


def test_a_schema_that_contains_itself_ends_somewhere() -> None:
    found = event_contract(
        "shop", "e", "t", key=None, schema=Tree.model_json_schema(), checks={}, version="1"
    )
    STANDARD.validate(found)
