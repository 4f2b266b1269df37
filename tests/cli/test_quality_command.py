"""How is shown, and said, what is unusual about the data?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from farandole.cli.__main__ import farandole
from farandole.cli.rendering.anomaly_view import anomaly_lines
from farandole.cli.rendering.quality_view import quality_lines
from farandole.events.next_step import plain_command_line
from farandole.operations.quality.anomaly_list import (
    Anomaly,
    ChangedValue,
    Meanwhile,
    UsualMoment,
)
from farandole.operations.quality.ignore_numbers import IgnoredState
from farandole.operations.quality.quality_score import QualityResult
from farandole.operations.quality.show_anomaly import AnomalyDetail, NumberPoint, OpenedIncident

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
MS: Any = int(T.timestamp() * 1000)
"""As it stands in a row."""
ROWS = Anomaly(
    id="3f9a1c0b7d2e4856", run="k7mq2vtd4x3aa", window=None, at=T, edge="line", column="",
    statistic="rows", kind="volume", value=9_000, expected=1_000, low=900, high=1_100, score=40.0,
    more=2,
)  # fmt: skip
SILENT = ROWS.model_copy(
    update={"run": None, "edge": "asked", "value": 50_400.0, "high": 7_200.0, "id": "a" * 16}
)


def lines(*anomalies: Anomaly, ignored: tuple[IgnoredState, ...] = ()) -> list[str]:
    result = QualityResult(
        pipeline="shop", sensitivity="normal", events=[], anomalies=[*anomalies],
        ignored=[*ignored],
    )  # fmt: skip
    return [*quality_lines(result)][1:]


def test_what_was_unusual_stands_with_its_id_and_how_it_ended() -> None:
    over = ROWS.model_copy(update={"state": "over", "over": T})
    normal = ROWS.model_copy(
        update={"state": "expected", "over": T, "by": "ann@till", "reason": "a sale"}
    )
    line = (
        "  3f9a1c0b7d2e4856  2026-11-24 12:00:00  rows of line was 9\u202f000 in run k7mq2vtd4x3aa;"
        " expected 900 to 1\u202f100; 2 more with it"
    )
    assert lines(ROWS, over, normal) == [
        "",
        "unusual:",
        line,
        f"{line} (over since 2026-11-24 12:00:00)",
        f"{line} (normal, says ann@till: a sale)",
    ]


def test_a_feed_that_did_not_come_is_said_in_times() -> None:
    assert lines(SILENT)[-1].endswith(
        "asked had not come for 14 h 00 min; usual are at most 2 h 00 min"
    )


def test_what_explains_it_stands_below_with_the_runs_around_it() -> None:
    of_nulls = {"column": "item", "statistic": "nulls", "kind": "null share"}
    nulls = ROWS.model_copy(update={**of_nulls, "value": 0.3, "low": 0.0, "high": 0.02})
    more = {
        "with": [nulls],
        "usual": UsualMoment(run="old", window=None, at=MS),
        "changed": [ChangedValue(column="item", value="'tea'", share=0.5, usual=0.1, rows=9_000)],
        "samples": ["line/0/17", "line/1/9"],
        "meanwhile": [Meanwhile(what="version", text="shop@2 was published by ann", at=MS)],
        "incident": "q2nf7x",
        "incidents": [OpenedIncident(id="b2x7k4", text="load: stage.age", at=T)],
        "points": [
            NumberPoint(run=f"run{n}", window=None, at=T + timedelta(hours=n), value=value)
            for n, value in enumerate((1_000, 9_000, 950), -1)
        ],
    }
    found = AnomalyDetail(**{**dict(ROWS), **more})
    assert [*anomaly_lines(found, plain_command_line)] == [
        "3f9a1c0b7d2e4856  rows of line was 9\u202f000 in run k7mq2vtd4x3aa;"
        " expected 900 to 1\u202f100; 3 more with it",
        "  by how much   40 usual deviations above the expected 1\u202f000, 9 times as much",
        "  last usual    run old, which ended 2026-11-24 12:00:00 UTC",
        "  with it       nulls of line item was 30.00 %; expected 0.00 % to 2.00 %",
        "                2 more",
        "  changed most  item 'tea': 50.00 % of 9\u202f000, usually 10.00 %",
        "  samples       line/0/17, line/1/9",
        "  meanwhile     2026-11-24 12:00:00 shop@2 was published by ann",
        "                2026-11-24 12:00:00 incident b2x7k4: load: stage.age",
        "",
        "  2026-11-24 11:00:00  run-1  1\u202f000",
        "  2026-11-24 12:00:00  run0  9\u202f000  <",
        "  2026-11-24 13:00:00  run1  950",
        "",
        "farandole profile k7mq2vtd4x3aa --against previous",
        "farandole trace line/0/17",
        "farandole quality expect 3f9a1c0b7d2e4856 --reason TEXT",
    ]


def test_what_is_ignored_stands_with_who_why_and_until_when() -> None:
    ignored = IgnoredState(
        edge="line", column="price", statistic="p95", since=T, until=T, by="ann", reason="a test",
        generation=7,
    )  # fmt: skip
    assert lines(ignored=(ignored,)) == [
        "",
        "ignored:",
        "  p95 of line/price  since 2026-11-24 12:00:00 until 2026-11-24 12:00:00 by ann: a test",
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("ignore --reason x", "say which EVENT, or --statistic of the run as a whole"),
        ("ignore line", "say why: --reason TEXT"),
        ("ignore /price --reason x", "say the event type before the column: EVENT/price"),
        ("ignore line --off --for 2h", "--off ends what is ignored: it takes no time and no"),
        ("expect 3f9a1c", "Missing option '--reason'"),
    ],
)
def test_what_is_said_incompletely_is_refused_before_anything_is_asked(
    words: str, why: str
) -> None:
    result = CliRunner().invoke(farandole, ["quality", *words.split()])
    assert result.exit_code == 2
    assert why in result.output
