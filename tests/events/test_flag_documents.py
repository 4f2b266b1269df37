"""Which flag documents are read, and which one is in force?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from farandole.events.control_documents import parse_control, serialize_control
from farandole.events.controls_in_force import TimedDocument
from farandole.events.feature_flags import FlagSpec, FlagType
from farandole.events.flag_counts import (
    MAX_FLAGS,
    MAX_ROW_VALUES,
    MAX_VALUES,
    FlagCounts,
    add_flag_count,
    are_flag_counts,
    with_stage_counts,
)
from farandole.events.flag_document import MAX_RULES, FlagDocument, flag_misfit
from farandole.events.flags_in_force import flags_in_force
from farandole.events.row_format import NewerFormatError

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def flag(**fields: Any) -> bytes:
    return orjson.dumps({"do": "flag", "pipeline": "shop", "flag": "vip", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"value": True},
        {"value": None},
        {"value": {"a": [1, None]}, "stage": "price", "share": "5%", "when": "true", "by": "ann"},
        {"value": 1.5, "share": 0.25, "until": "2026-11-24T14:00:00Z"},
        {"rules": [{"value": True, "share": "5%"}, {"value": None, "stage": "price"}]},
        {"rules": [{"value": 1}], "value": 2, "comment": "for all the rest"},
        {"clear": True, "format": 1},
    ],
)
def test_a_document_is_written_as_it_was_read(fields: dict[str, Any]) -> None:
    document = parse_control(flag(**fields))
    assert isinstance(document, FlagDocument)
    assert document.key == b"flag/shop/vip"
    assert parse_control(serialize_control(document)) == document
    assert ("value" in orjson.loads(serialize_control(document))) == ("value" in fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"valeu": True},
        {"value": True, "untl": "2026-11-24T14:00:00Z"},
        {"value": True, "until": "2026-11-24T14:00:00"},
        {"value": True, "share": 5},
        {"value": True, "share": "0%"},
        {"value": True, "share": "101%"},
        {"value": True, "share": True},
        {"value": True, "share": "5"},
        {"value": True, "share": "nan%"},
        {"value": True, "when": "x" * 1001},
        {"value": True, "when": 1},
        {"value": True, "stage": ["price"]},
        {"value": True, "pipeline": ""},
        {"value": True, "flag": ""},
        {"value": True, "flag": None},
        {"value": True, "clear": True},
        {"clear": False},
        {"clear": "true"},
        {"clear": True, "share": "5%"},
        {"rules": []},
        {"rules": {"value": True}},
        {"rules": [{"share": "5%"}]},
        {"rules": [{"value": True, "shaer": "5%"}]},
        {"rules": [{"value": True}], "share": "5%"},
        {"rules": [{"value": True}] * (MAX_RULES + 1)},
        {"value": True, "format": 99},
    ],
)
def test_what_is_no_flag_document_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, NewerFormatError)):
        parse_control(flag(**fields))


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("bool", True, None),
        ("bool", 1, "the flag 'vip': 1 is no bool (true or false)"),
        ("bool", "true", "the flag 'vip': \"true\" is no bool (true or false)"),
        ("bool", None, "the flag 'vip': null is no bool (true or false)"),
        ("int", -3, None),
        ("int", 3.0, "the flag 'vip': 3.0 is no int"),
        ("int", True, "the flag 'vip': true is no int"),
        ("int", 2**63, "the flag 'vip': it is no integer of 64 bits"),
        ("float", 3, None),
        ("float", 1e308, None),
        ("text", "", None),
        ("text", 5, "the flag 'vip': 5 is no text"),
        ("json", None, None),
        ("json", [1, {"a": None}], None),
    ],
)
def test_a_value_has_the_type_of_its_flag(kind: FlagType, value: Any, said: str | None) -> None:
    document = FlagDocument(pipeline="shop", flag="vip", value=value)
    problem = flag_misfit(document, FlagSpec(type=kind, default=None))
    assert problem == said if said is None else problem is not None and problem.startswith(said)


@pytest.mark.parametrize(
    "written",
    [
        "NaN", "-Infinity", "1e999", "1" * 400, '"\\ud800"', '"' + "x" * 70_000 + '"', "[NaN]",
        "[" * 300,
    ],
)  # fmt: skip
def test_a_value_that_json_cannot_hold_is_none(written: str) -> None:
    value = flag(value=1).replace(b"1}", f"{written}}}".encode())
    with pytest.raises(ValidationError):
        parse_control(value)
    with pytest.raises(ValidationError):
        parse_control(flag(rules=[{"value": 1}]).replace(b"1}", f"{written}}}".encode()))


def test_a_misfit_names_its_rule() -> None:
    document = FlagDocument.model_validate_json(
        flag(rules=[{"value": True}, {"value": "yes"}, {"value": True, "stage": "gone"}])
    )
    spec = FlagSpec(type="bool", default=False)
    assert (flag_misfit(document, spec, ["price"]) or "").startswith("the flag 'vip': rule 2: ")
    first = FlagDocument.model_validate_json(flag(rules=[{"value": True, "stage": "gone"}]))
    assert flag_misfit(first, spec, ["price"]) == (
        "the flag 'vip' is for the stage 'gone', and there is none"
    )
    rules = [{"value": True, "stage": "gone"}, {"value": True, "stage": "price"}]
    both = FlagDocument.model_validate_json(flag(rules=rules))
    assert flag_misfit(both, spec, ["price"]) is None
    assert flag_misfit(first, spec) is None
    assert flag_misfit(first, None) == "the file has no flag 'vip'"


def test_the_newest_document_of_a_flag_counts_until_it_expires() -> None:
    def written(offset: int, **fields: Any) -> TimedDocument:
        return TimedDocument(parse_control(flag(**fields)), NOW, offset)

    soon = (NOW + timedelta(minutes=1)).isoformat()
    log = [
        written(3, value=1),
        written(4, value=2, until=soon),
        written(5, value=3, flag="other"),
        written(6, value=4, pipeline="other"),
    ]
    found = flags_in_force(log, "shop", NOW)
    assert {name: (f.document.value, f.generation) for name, f in found.items()} == {
        "vip": (2, 4),
        "other": (3, 5),
    }
    assert list(flags_in_force(log, "shop", NOW + timedelta(minutes=1))) == ["other"]


def test_counts_are_bounded() -> None:
    counts: dict[str, dict[str, int]] = {}
    for number in range(3 * MAX_FLAGS):
        for value in range(3 * MAX_VALUES):
            add_flag_count(counts, f"flag{number}", str(value), 2)
    assert len(counts) == MAX_FLAGS
    assert counts["flag0"] == {
        **{str(value): 2 for value in range(MAX_VALUES)},
        "…": 2 * 2 * MAX_VALUES,
    }
    assert are_flag_counts(counts)


def test_the_counts_of_a_run_are_bounded_over_all_stages() -> None:
    many = {f"flag{flag}": {str(value): 1 for value in range(8)} for flag in range(50)}
    total: dict[str, FlagCounts] = {}
    for stage in ("a", "b", "c"):
        total = with_stage_counts(total, stage, many)
    values = [value for flags in total.values() for found in flags.values() for value in found]
    assert len(values) == MAX_ROW_VALUES
    assert total["a"] == many
    assert all(are_flag_counts(flags) for flags in total.values())
    assert with_stage_counts(total, "a", many)["a"]["flag7"]["3"] == 2
    assert with_stage_counts(
        {"a": {"vip": {"true": 1}}}, "a", {"vip": {"true": 2, "false": 1}}
    ) == {"a": {"vip": {"true": 3, "false": 1}}}


@pytest.mark.parametrize(
    "found",
    [
        None, [], {"vip": 1}, {"vip": {"true": -1}}, {"vip": {"true": True}},
        {"vip": {"true": 1.5}},
        {"vip": {"x" * 61: 1}}, {"vip": {str(n): 1 for n in range(MAX_VALUES + 2)}},
        {str(n): {} for n in range(MAX_FLAGS + 1)},
    ],
)  # fmt: skip
def test_what_are_no_counts(found: Any) -> None:
    assert not are_flag_counts(found)
