"""Which anomaly, and which numbers, does a person mean?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.events.anomaly_document import IgnoredNumbers
from farandole.events.failure_fingerprint import failure_fingerprint
from farandole.events.quality_findings import OverRow
from farandole.events.quality_history import HistoryRow
from farandole.operations.errors import NotFoundError
from farandole.operations.quality.anomaly_list import Anomaly, list_anomalies
from farandole.operations.quality.expect_anomaly import find_anomaly
from farandole.operations.quality.ignore_numbers import require_numbers
from tests.cli.test_incidents import incident

FOUND = {
    "edge": "line", "column": "", "statistic": "rows", "kind": "volume", "value": 9.0,
    "expected": 3.0, "low": 1.0, "high": 5.0, "score": 7.0, "with": [], "more": 0,
}  # fmt: skip


def anomalies(
    *ids: str, of: Mapping[str, str] | None = None, over: Mapping[str, OverRow] | None = None
) -> list[Anomaly]:
    row: Any = {"pipeline": "shop", "at": 1_000, "verdicts": {}, **(of or {"run": "r"})}
    row["anomalies"] = [{**FOUND, "id": each} for each in ids]
    return [*list_anomalies([row], over or {})]


ONE, OTHER = "a1" * 8, "a2" * 8


def test_an_anomaly_is_named_by_its_id_or_the_beginning_of_it() -> None:
    found = anomalies(ONE, OTHER)
    assert find_anomaly(found, [], "shop", ONE).id == ONE
    assert find_anomaly(found, [], "shop", OTHER[:6]).id == OTHER


@pytest.mark.parametrize("id_", ["a1a1", "", "b" * 16, "a" * 16])
def test_what_could_be_several_or_none_is_refused(id_: str) -> None:
    with pytest.raises(NotFoundError, match="nothing unusual about the last runs of shop"):
        find_anomaly(anomalies(ONE, OTHER), [], "shop", id_)


@pytest.mark.parametrize(
    ("key", "of"), [(f"shop/unusual/{ONE}", {"run": "r"}), ("shop/silent/line", {"feed": "line"})]
)
def test_an_anomaly_is_named_by_its_incident(key: str, of: dict[str, str]) -> None:
    told = incident(
        id="q2nf7x", pipeline="shop", fingerprint=failure_fingerprint("", "data.unusual", key)
    )
    assert find_anomaly(anomalies(ONE, of=of), [told], "shop", "q2nf7x").id == ONE
    with pytest.raises(NotFoundError):
        find_anomaly(anomalies(ONE, of=of), [told], "other", "q2nf7x")


def test_what_is_over_says_since_when_and_who_took_it_as_normal() -> None:
    expected: OverRow = {
        "pipeline": "shop", "anomaly": ONE, "at": 2_000, "how": "expected", "by": "ann",
        "comment": "a sale",
    }  # fmt: skip
    first, second = anomalies(ONE, OTHER, over={ONE: expected})
    at = datetime.fromtimestamp(2, UTC)
    assert (first.state, first.over, first.by, first.reason) == ("expected", at, "ann", "a sale")
    assert (second.state, second.over) == ("open", None)


ROW: HistoryRow = {
    "pipeline": "shop", "version": 1, "run": "r", "at": 1, "root": "asked",
    "measurements": [
        ["", "", "seconds", "duration", 3.0], ["line", "", "rows", "volume", 3],
        ["line", "price", "p95", "quantile", 3.0], ["line>load", "", "dead", "dead share", 0.0],
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "numbers",
    [("line",), ("line", "price"), ("line", "", "p95"), ("line>load",), ("", "", "seconds"),
     ("asked",)],
)  # fmt: skip
def test_numbers_of_the_last_runs_can_be_ignored(numbers: tuple[str, ...]) -> None:
    require_numbers(IgnoredNumbers(*numbers), [ROW], "shop")


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (("lime",), "has the event type 'lime'; did you mean 'line'?"),
        (("line", "prize"), "has the column 'prize'; did you mean 'price'?"),
        (("line", "price", "p59"), "has the statistic 'p59'; there are p95"),
        (("line>lode",), "has the event type 'line>lode'; did you mean 'line>load'?"),
        (("", "", "rows"), "has the statistic 'rows'; there are seconds"),
    ],
)
def test_other_numbers_are_refused_with_the_nearest_name(
    numbers: tuple[str, ...], why: str
) -> None:
    with pytest.raises(NotFoundError) as refused:
        require_numbers(IgnoredNumbers(*numbers), [ROW], "shop")
    assert refused.value.message == f"no number about the last runs of shop {why}"


def test_before_any_run_nothing_is_known() -> None:
    with pytest.raises(NotFoundError, match="no run has ended yet"):
        require_numbers(IgnoredNumbers("line"), [], "shop")
