"""Which numbers does a document mean that are not to be told?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from farandole.events.anomaly_document import IgnoredNumbers, IgnoreDocument
from farandole.events.control_documents import ControlDocument
from farandole.events.control_problems import control_problem
from farandole.events.controls_in_force import TimedDocument
from farandole.events.ignored_numbers import ignored_numbers

T = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("meant", "covered", "others"),
    [
        (
            IgnoredNumbers("line"),
            [("line", "", "rows"), ("line", "price", "p95"), ("line>load", "", "dead")],
            [("", "", "seconds"), ("lines", "", "rows")],
        ),
        (IgnoredNumbers("line>load"), [("line>load", "", "dead")], [("line", "", "rows")]),
        (
            IgnoredNumbers("line", "price"),
            [("line", "price", "p95"), ("line", "price", "nulls")],
            [("line", "", "rows"), ("line", "item", "p95")],
        ),
        (
            IgnoredNumbers("line", "", "nulls"),
            [("line", "price", "nulls"), ("line", "item", "nulls")],
            [("line", "price", "p95")],
        ),
        (
            IgnoredNumbers("", "", "seconds"),
            [("", "", "seconds")],
            [("line", "", "seconds"), ("", "", "other")],
        ),
    ],
)
def test_names_that_are_given_must_all_fit(
    meant: IgnoredNumbers, covered: list[tuple[str, str, str]], others: list[tuple[str, str, str]]
) -> None:
    assert [each for each in (*covered, *others) if meant.covers(*each)] == covered


def test_numbers_are_named_as_people_say_them() -> None:
    assert str(IgnoredNumbers("line", "price", "p95")) == "p95 of line/price"
    assert str(IgnoredNumbers("line>load")) == "line>load"
    assert str(IgnoredNumbers("", "", "seconds")) == "seconds of the run"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('{"do": "ignore", "pipeline": "p"}', "say which numbers"),
        ('{"do": "ignore", "pipeline": "p", "column": "c", "statistic": "n"}', "a column needs"),
        ('{"do": "ignore", "pipeline": "p", "edge": "e", "metric": "n"}', "metric: no such field"),
        ('{"do": "expect", "pipeline": "p", "anomaly": "ABC"}', 'anomaly: "ABC" is no id'),
        ('{"do": "expect", "pipeline": "p"}', "anomaly: it is missing"),
    ],
)
def test_a_document_that_means_nothing_is_told_with_what_is_wrong(written: str, why: str) -> None:
    assert (control_problem(written.encode()) or "").startswith(why)


def test_the_newest_document_about_the_same_numbers_counts_until_it_expires() -> None:
    hour = timedelta(hours=1)
    said: list[ControlDocument] = [
        IgnoreDocument(pipeline="p", edge="b", until=T + 9 * hour),
        IgnoreDocument(pipeline="p", edge="a"),
        IgnoreDocument(pipeline="q", edge="a"),
        IgnoreDocument(pipeline="p", edge="b", until=T + hour),
    ]
    documents = [TimedDocument(each, T, number) for number, each in enumerate(said)]
    assert ignored_numbers(documents, T) == {
        "p": (IgnoredNumbers("a"), IgnoredNumbers("b")),
        "q": (IgnoredNumbers("a"),),
    }
    assert ignored_numbers(documents, T + 2 * hour)["p"] == (IgnoredNumbers("a"),)
