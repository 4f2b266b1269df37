"""Are only entries with the right types and values folded?"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.run_row import parse_run_row
from farandole.ledger import entry_validation
from farandole.ledger.run_fold import count_settled_events
from farandole.ledger.run_store import RunStore
from tests.ledger.made import consumed, emitted, entry, part, root

RUN = "a" * 13
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


def whole() -> Any:
    settled, out = {"asked": consumed(RUN, dead=1)}, {"made": emitted("x", to=["b"])}
    return entry("a", part(RUN, settled, out, root("a", within=3, fail_above=0.1)))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        each
        for key, below in inner
        for each in [
            (*path, key),
            *(_paths(below, (*path, key)) if isinstance(below, dict | list) else []),
        ]
    ]


def _at(value: Any, path: tuple[Any, ...], put: Callable[[Any, Any], None]) -> bytes:
    changed = deepcopy(value)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    put(inside, path[-1])
    return orjson.dumps(changed)


def _folds(value: bytes | None) -> bool:
    """Return True if the value is an entry; it is then folded and written as a row."""
    found = entry_validation.parse_entry(value)
    if found is None:
        return False
    book = RunStore()
    for each in found["runs"]:
        book.apply_part(each, found, count_settled_events(found))
    book.take_changes(0)
    return bool(found["runs"])


def test_a_valid_entry_is_accepted() -> None:
    assert _folds(orjson.dumps(whole()))


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"7", b"null", b'{"runs":{}}'])
def test_a_record_that_is_not_an_entry_is_skipped(value: bytes | None) -> None:
    assert not _folds(value)


@pytest.mark.parametrize("path", _paths(whole()), ids=str)
@given(wrong=JSON)
@settings(max_examples=15)
def test_an_entry_with_any_wrong_value_raises_nothing(path: tuple[Any, ...], wrong: Any) -> None:
    def put(inside: Any, key: Any) -> None:
        inside[key] = wrong

    _folds(_at(whole(), path, put))


@pytest.mark.parametrize("path", [p for p in _paths(whole()) if isinstance(p[-1], str)], ids=str)
def test_an_entry_with_a_missing_field_raises_nothing(path: tuple[Any, ...]) -> None:
    def put(inside: Any, key: Any) -> None:
        del inside[key]

    _folds(_at(whole(), path, put))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("at",), True),
        (("at",), 1.5),
        (("seconds",), -1),
        (("stage",), "a>b"),
        (("runs", 0, "run"), ""),
        (("runs", 0, "in", "asked", "n"), -1),
        (("runs", 0, "in", "asked", "n"), 2**63),
        (("runs", 0, "out", "made", "to"), "b"),
        (("runs", 0, "out", "made", "to"), ["b", "b"]),
        (("runs", 0, "root", "to"), ["a@x"]),
    ],
    ids=str,
)
def test_an_entry_with_an_invalid_value_is_rejected(path: tuple[Any, ...], wrong: Any) -> None:
    def put(inside: Any, key: Any) -> None:
        inside[key] = wrong

    assert not _folds(_at(whole(), path, put))


def test_a_bad_part_costs_no_other_run_its_part() -> None:
    good = part("b" * 13, {"asked": consumed("b" * 13)}, {}, root("a"))
    bad = part("c" * 65, {"asked": consumed("c")})
    value = orjson.dumps(entry("a", part(RUN, {"asked": consumed(RUN)}), bad, good))
    bad_parts: list[None] = []
    found = entry_validation.parse_entry(value, lambda: bad_parts.append(None))
    assert found is not None
    assert [each["run"] for each in found["runs"]] == [RUN, "b" * 13]
    assert len(bad_parts) == 1


@pytest.mark.parametrize("time", [-1, 0, -(2**63), 2**63 - 1, 1_700_000_000_000_000])
def test_events_without_a_usable_time_are_counted(time: int) -> None:
    """As older releases wrote them: with the time that the producer had given."""
    settled = {**consumed(RUN), "oldest": time}
    part_ = part(RUN, {"asked": settled}, {}, {**root("a"), "at": time})  # type: ignore[dict-item]
    found = entry_validation.parse_entry(orjson.dumps(entry("a", part_)))
    assert found is not None
    book = RunStore()
    book.apply_part(found["runs"][0], found, 1)
    row = book[RUN.encode()]
    assert row is not None
    assert (row["status"], row["opened"]) == ("completed", found["at"])
    assert row["edges"]["asked>a"]["age"] == 0
    assert parse_run_row(orjson.dumps(row)) == row
