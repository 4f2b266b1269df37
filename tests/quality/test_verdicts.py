"""Which verdict has each kind of check that is judged when a run ends?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from farandole.events.check_spec import CheckSpec
from farandole.quality.checks.rule_tallies import RuleTally
from farandole.quality.checks.verdicts import JudgedData, judge_check
from farandole.quality.profiles.profiling import profile_rows

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "cents": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "name": {"$ref": "#/$defs/Name"},
    },
    "required": ["id"],
    "$defs": {"Name": {"type": "string"}},
}
LINES: list[dict[str, Any]] = [{"id": n, "cents": n / 10, "name": "tea"} for n in range(10)]


def data(rows: list[dict[str, Any]], oldest: float | None = None) -> JudgedData:
    profile = profile_rows([orjson.dumps(row) for row in rows], frozenset({"secret"}))
    return JudgedData(profile, None, oldest, SCHEMA, "name")


def verdict(
    check: dict[str, Any],
    rows: list[dict[str, Any]],
    other: list[dict[str, Any]] | None = None,
    oldest: float | None = None,
) -> tuple[str, str]:
    facts = {"line": data(rows, oldest), "other": data(other or [])}
    found = judge_check("it", CheckSpec.model_validate(check), "line", facts)
    return found["verdict"], found.get("why", "")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ((10, 0), ("passed", "")),
        ((10, 2), ("failed", "2 of 10 rows have a key that has come before")),
        # A lane had forgotten the run: the profile alone says it.
        ((8, 0), ("failed", "9 values come again")),
    ],
)
def test_whether_keys_come_again_is_said_by_the_lanes(
    known: tuple[int, int], said: tuple[str, str]
) -> None:
    keys = RuleTally()
    keys.judged, keys.failed = known
    check = CheckSpec(rule="unique", severity="fail")
    found = judge_check("it", check, "line", {"line": data(LINES)._replace(keys=keys)})
    assert (found["verdict"], found.get("why", "")) == said


@pytest.mark.parametrize(
    ("check", "rows", "expected"),
    [
        ({"rule": "rows", "min": 10, "max": 10}, LINES, "passed"),
        ({"rule": "rows", "min": 11}, LINES, "warned"),
        ({"rule": "rows", "max": 9, "severity": "fail"}, LINES, "failed"),
        ({"rule": "rows", "min": 1, "severity": "gate"}, [], "failed"),
        ({"rule": "unique", "column": "id"}, LINES, "passed"),
        ({"rule": "unique", "column": "name"}, LINES, "warned"),
        ({"rule": "unique"}, LINES, "warned"),
        ({"rule": "unique", "column": "absent"}, LINES, "skipped"),
        ({"rule": "unique", "column": "secret"}, [{"secret": n} for n in range(99)], "passed"),
        ({"rule": "unique", "column": "secret"}, [{"secret": n % 9} for n in range(99)], "warned"),
        ({"rule": "unique", "column": "id"}, [], "skipped"),
        ({"rule": "schema"}, LINES, "passed"),
        ({"rule": "schema"}, [{"id": 1, "more": 2}], "warned"),
        ({"rule": "schema"}, [{"cents": 2}], "warned"),
        ({"rule": "schema"}, [{"id": "1"}], "warned"),
        ({"rule": "schema"}, [{"id": 1, "cents": None}], "passed"),
        ({"rule": "drift", "column": "cents"}, LINES, "not judged"),
        (
            {"rule": "known", "column": "id", "against": "other", "within": 60},
            LINES,
            "not judged",
        ),
        ({"rule": "rows"}, LINES, "not judged"),
    ],
)
def test_a_check_of_one_event_type(
    check: dict[str, Any], rows: list[dict[str, Any]], expected: str
) -> None:
    assert verdict(check, rows)[0] == expected


SUM = {"rule": "sum", "column": "cents", "against": "other", "severity": "fail"}


def test_money_that_is_lost_between_two_event_types_is_seen_to_the_last_cent() -> None:
    assert verdict(SUM, LINES, LINES[::-1])[0] == "passed"
    less = [*LINES[:-1], {**LINES[-1], "cents": 0.89}]
    assert verdict(SUM, LINES, less) == (
        "failed", "its sum is 4.5, that of other cents 4.49"
    )  # fmt: skip
    assert verdict({**SUM, "max": 0.02}, LINES, less)[0] == "passed"


def test_money_that_is_written_as_text_is_added_up_like_numbers() -> None:
    decimals = [{**line, "cents": f"{line['id']}.0"} for line in LINES]
    tenfold = [{**line, "cents": line["id"]} for line in LINES]
    assert verdict(SUM, decimals, tenfold)[0] == "passed"
    assert verdict(SUM, decimals, LINES) == ("failed", "its sum is 45, that of other cents 4.5")
    words = [{"cents": "none"}]
    assert verdict(SUM, words, words)[0] == "skipped"
    assert verdict(SUM, [{"cents": None}], [])[0] == "passed"


def test_a_sum_beyond_the_largest_number_is_judged_too() -> None:
    huge = [{"cents": 1.7e308}] * 2
    assert verdict(SUM, huge, huge)[0] == "passed"
    assert verdict(SUM, huge, LINES)[0] == "failed"


def test_a_key_that_the_other_event_type_does_not_have_is_named() -> None:
    known = {"rule": "known", "column": "id", "against": "other"}
    assert verdict(known, LINES[:3], LINES)[0] == "passed"
    assert verdict(known, LINES, LINES[:9]) == ("warned", "1 value is in no other: 9")
    many = [{"id": n} for n in range(2_000)]
    assert verdict(known, many, many)[0] == "skipped"


def test_a_text_that_is_too_long_to_be_shown_is_known_by_its_hash() -> None:
    known = {"rule": "known", "column": "note", "against": "other"}
    long, longer = [{"note": "a" * 200}], [{"note": "a" * 2_001}]
    assert verdict(known, long, long)[0] == "passed"
    said = "1 value is in no other: a text of 2\u202f001 characters"
    assert verdict(known, longer, long) == ("warned", said)


def test_events_are_fresh_by_the_age_at_which_they_were_worked() -> None:
    fresh = {"rule": "fresh", "within": 60}
    assert verdict(fresh, LINES, oldest=60.0)[0] == "passed"
    assert verdict(fresh, LINES, oldest=61.0)[0] == "warned"
    assert verdict(fresh, LINES)[0] == "skipped"


def test_a_column_is_as_fresh_as_its_newest_time_when_the_run_ended() -> None:
    check = CheckSpec(rule="fresh", column="when", within=60)
    rows = [{"when": f"1970-01-01T00:0{minute}:00Z"} for minute in range(3)]
    for at, expected in ((180_000, "passed"), (181_000, "warned")):
        facts = {"line": data(rows)._replace(at=at)}
        assert judge_check("it", check, "line", facts)["verdict"] == expected
    facts = {"line": data([{"when": "soon"}])._replace(at=5)}
    assert judge_check("it", check, "line", facts)["verdict"] == "skipped"
