"""What does `throttle` write, show and refuse?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.broker.settings import Settings
from farandole.cli.rendering.control_text import rate_text
from farandole.cli.rendering.rate_view import limit_lines, rate_lines
from farandole.cli.rendering.status_view import throttled_line
from farandole.events.throttled_stages import Throttled
from farandole.operations.control.rate_reports import (
    HeldBack,
    LimitsReport,
    RateReport,
    held_back,
)
from farandole.operations.control.throttle import RateState
from farandole.operations.status.pipeline_status import throttled_stage
from tests.cli.conftest import Call, one_line
from tests.cli.test_cluster_commands import applied as applied
from tests.cli.test_switch_commands import by_kcat, shown
from tests.events.test_throttled_stages import row

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def state(**fields: Any) -> RateReport:
    given = {
        "held": HeldBack(sharers=0, waiting=0, since=None),
        "kind": "stage", "target": "price", "rate": "7/s", "per_key": None, "per_second": 7.0,
        "generation": 3, "since": NOW, "until": None, "by": "ann", "file_rate": None,
        "file_per_key": None, **fields,
    }  # fmt: skip
    return RateReport(**given)


@pytest.mark.kafka
def test_a_throttle_counts_until_it_is_replaced_or_given_back(
    applied: Call, settings: Settings
) -> None:
    def rates(stage: str) -> dict[str, Any]:
        (found,) = shown(applied, stage)["stages"]
        section: dict[str, Any] = found["sections"].get("throttle", {})
        return section

    written = json.loads(applied("throttle", "load", "100/s", "--for", "2h", "--json").stdout)
    assert (written["kind"], written["target"], written["rate"]) == ("stage", "load", "100/s")
    assert (written["per_second"], written["file_rate"]) == (100, None)
    assert rates("load")["generation"] == written["generation"]
    text = applied(
        "throttle", "load", *["from", "0", "to", "9/s", "over", "10m"], "--per-key", "5/m"
    )
    assert text.stdout == "load: from 0 to 9/s over 10m, 5/m for each key; the file says no limit\n"
    # What a person has written under another key is replaced, too.
    by_kcat(
        settings,
        "mine",
        {"do": "throttle", "pipeline": "order-lines", "stage": "load", "rate": 0, "comment": "!"},
    )
    assert rates("load")["rate"] == "0"
    assert applied("throttle", "load", "off").stdout == "load: no limit\n"
    assert rates("load") == {}

    assert applied("throttle", "--roots", "50/m").stdout.startswith("order-lines: 50/m; ")
    assert "order-lines: roots: 50/m" in applied("switches").stdout
    assert applied("throttle", "--roots", "file").exit_code == 0


@pytest.mark.kafka
def test_what_is_no_throttle_is_refused_and_nothing_is_written(
    applied: Call, settings: Settings
) -> None:
    def refused(*words: str) -> str:
        result = applied("throttle", *words)
        return one_line(result, 2 if result.exit_code == 2 else 1)

    assert "did you mean 'load'?" in refused("laod", "5/s")
    assert "'5' has no unit; write for example 5/s, or off, or file" in refused("load", "5")
    assert "write 100/m" in refused("load", "100", "per", "minute")
    assert "names no time zone" in refused("load", "5/s between 22:00 and 06:00")
    assert "would park every event" in refused("load", "--per-key", "0")
    assert "has no limits; add `limits:`" in refused("--limit", "crm", "5/s")
    assert "per_key needs a stage" in refused("--roots", "5/s", "--per-key", "1/s")
    for words in ((), ("load",), ("5/s",), ("--roots",), ("--roots", "--limit", "crm", "5/s")):
        assert applied("throttle", *words).exit_code == 2
    assert shown(applied)["stages"] == []
    assert shown(applied)["sections"] == {}


@pytest.mark.kafka
def test_a_throttle_of_what_is_not_there_changes_nothing_and_is_shown(
    applied: Call, settings: Settings
) -> None:
    throttle = {"do": "throttle", "pipeline": "order-lines", "rate": "5/s"}
    by_kcat(settings, "a", {**throttle, "stage": "laod"})
    by_kcat(settings, "b", {**throttle, "limit": "crm"})
    by_kcat(settings, "c", {**throttle, "stage": "load", "rate": "fast"})
    assert shown(applied)["stages"] == []
    for command in ("switches", "status"):
        text = applied(command).stdout
        assert "no version of order-lines has a stage laod" in text
        assert "no version of order-lines has a limit crm" in text
        assert "(key c) is no control document and changes nothing: rate: 'fast' is no rate" in text


def test_a_rate_is_shown_with_its_origin() -> None:
    assert rate_text(state(until=NOW)) == (
        "7/s until 2026-11-24 12:00:00 UTC; the file says no limit"
    )
    assert rate_text(state(per_key="1/m", file_rate="7/s", file_per_key="1/m")) == (
        "7/s, 1/m for each key"
    )
    (line,) = rate_lines(state(file_rate="9/s", rate="from 0 to 9/s over 1h", per_second=2.25))
    assert line == (
        "throttle: from 0 to 9/s over 1h; the file says 9/s (now 2.2/s); set by ann at 2026-11-24"
        " 12:00:00 UTC (generation 3)"
    )
    night = state(rate="7/s between 22:00 and 06:00 UTC", per_second=None, by="an\x1bn\n")
    (line,) = rate_lines(night)
    assert "(now no limit); set by an\\x1bn" in line
    of_file = state(since=None, generation=None, file_rate="7/s", kind="limit", target="crm")
    assert [*limit_lines(LimitsReport(limits=[of_file]))] == ["limit crm: 7/s"]


def test_what_waits_is_shown_with_its_rate() -> None:
    at = int(NOW.timestamp() * 1000)
    rows = {
        b"throttle/p/price/0": row(throttled=at, waiting=3, at=at),
        b"throttle/p/price/1": row(throttled=at - 5000, waiting=1200, at=at),
        b"throttle/p/price/2": row(waiting=9, at=at),
        b"throttle/p/price/3": row(throttled=1, waiting=9, at=at - 600_000),
        b"throttle/p/price2/0": row(throttled=1, waiting=9, at=at),
        b"throttle/p/price/x": b"{}",
    }
    held = held_back(rows, b"throttle/p/price/", NOW)
    (line,) = rate_lines(state(held=held, file_rate="7/s"))
    assert line.endswith(
        "; 1\u202f203 events wait, since 2026-11-24 11:59:55 UTC; shared by 3 lanes"
    )
    one = held_back({b"limit/crm/a": row(throttled=at, waiting=1, at=at)}, b"limit/crm/", NOW)
    (line,) = rate_lines(state(held=one, kind="limit", target="crm"))
    assert line.endswith("; 1 call waits, since 2026-11-24 12:00:00 UTC; shared by 1 process")


def test_a_rate_of_0_is_shown_at_once_and_what_no_longer_waits_is_not() -> None:
    said = Throttled(int(NOW.timestamp() * 1000), 1203, (0, 1))
    stopped = RateState(**{k: v for k, v in state(rate="0", per_second=0.0) if k != "held"})
    slow = RateState(**{k: v for k, v in state() if k != "held"})

    def line(rate: RateState, said: Throttled | None, lag: int) -> str | None:
        found = throttled_stage([rate], said, lag)
        return None if found is None else throttled_line("price", found)

    stops = "price is throttled: 0; the file says no limit"
    assert line(stopped, None, 7) == line(stopped, said, 0) == stops
    since = "since 2026-11-24 12:00:00 UTC"
    assert line(stopped, said, 1) == f"{stops}; 1 event waits, {since}"
    assert line(slow, said, 9000) == (
        f"price is throttled: 7/s; the file says no limit; 1\u202f203 events wait, {since}"
    )
    assert line(slow, None, 7) is line(slow, said, 0) is None
