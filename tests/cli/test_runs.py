"""Are the newest runs listed, and only those that are wanted?"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.settings import Settings
from farandole.cli.rendering.runs_table import runs_table
from farandole.events.run_row import RunRow
from farandole.events.run_row import parse_run_row as read
from farandole.events.time_format import format_elapsed
from farandole.operations.runs.newest_runs import NewestRuns, RunSummary, summarize_run
from tests.cli.booked import AT, edge, put, row
from tests.cli.conftest import Call, environment, one_line

steps = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 30), st.sampled_from(["running", "failed", None])),
    max_size=60,
)


@given(steps, st.integers(1, 5))
def test_the_newest_runs_are_those_of_sorting_all(
    written: Sequence[tuple[int, int, str | None]], limit: int
) -> None:
    """Whatever replaces what: with room enough, or looked at again with more."""
    newest_rows: dict[str, RunRow] = {}

    def running(run: RunSummary) -> bool:
        return run.status == "running"

    rows: list[tuple[str, RunRow | None]] = [
        (f"r{n}", None if status is None else row(f"r{n}", opened=AT + at, status=status))
        for n, at, status in written
    ]
    for name, each in rows:
        if each is None:
            newest_rows.pop(name, None)
        else:
            newest_rows[name] = each
    room = limit
    while True:
        newest = NewestRuns(running, room)
        for name, each in rows:
            newest.add(name, each)
        assert len(newest) <= room
        if newest.is_exact(limit):
            break
        room *= 2
    wanted = sorted(
        filter(running, map(summarize_run, newest_rows.values())), key=lambda r: (-r.opened, r.run)
    )
    assert [r.opened for r in newest][:limit] == [r.opened for r in wanted][:limit]


def test_an_event_with_two_subscribers_counts_once_in_a_line() -> None:
    edges = {"a>x": edge(5, dead=1), "a>y": edge(5, consumed=3), "b>z": edge(2)}
    of = summarize_run(row(edges=edges, leaves={"c": 4}))
    assert (of.events, of.dead, of.in_flight) == (11, 1, 2)


def test_a_list_says_which_schedules_opened_runs() -> None:
    manual, planned = row("manual"), row("planned")
    assert planned["root"] is not None
    planned["root"]["schedule"] = "nightly"
    table = runs_table([summarize_run(each) for each in (manual, planned)], AT)
    cells = [line.split()[2:4] for line in table]
    assert cells == [["status", "schedule"], ["completed", "14:13:20"], ["completed", "nightly"]]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (b"", "nothing"),
        (b"[]", "no object"),
        (b'{"run": "a"}', "half of it"),
        (json.dumps(row(opened=10**15)).encode(), "a time beyond all years"),
        (json.dumps(row(edges={"a>b": {"emitted": 1}})).encode(), "half an edge"),  # type: ignore[typeddict-item]
        (json.dumps(row(leaves={"a": "many"})).encode(), "a leaf that is no number"),
    ],
)
def test_a_foreign_record_is_no_run_row(value: bytes, wrong: str) -> None:
    assert read(value) is None, wrong


def test_a_row_is_read_as_it_was_written() -> None:
    assert read(json.dumps(row()).encode()) == row()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (86_399, "1 d 00 h"),
        (200_000, "2 d 08 h"),
    ],
)
def test_a_span_is_written_in_two_units(seconds: float, expected: str) -> None:
    assert format_elapsed(seconds) == expected


@pytest.mark.kafka
class TestOnKafka:
    def test_the_newest_come_first_and_hostile_text_does_nothing(
        self, call: Call, settings: Settings
    ) -> None:
        put(
            settings,
            row("older", opened=AT - 60_000, closed=AT),
            row("newer", status="running", closed=None),
            row("newer", status="completed with dead letters"),
            row("evil\x1b[2J", opened=AT - 90_000, status="failed\nok", closed=AT),
            row("gone"),
            (b"gone", None),
            (b"foreign", b"{}"),
        )
        result = call("runs", env=environment(settings))
        assert result.exit_code == 0, result.output
        assert result.stdout == (
            "run          pipeline       status                              opened (UTC)"
            "        took  events  dead  in flight\n"
            "newer        order-lines@1  completed with dead letters  2026-09-21 14:13:20"
            "        12 s       1     0          0\n"
            "older        order-lines@1  completed                    2026-09-21 14:12:20"
            "  1 min 00 s       1     0          0\n"
            "evil\\x1b[2J  order-lines@1  failed ok                    2026-09-21 14:11:50"
            "  1 min 30 s       1     0          0\n"
        )

    def test_each_filter_takes_away_what_is_not_wanted(
        self, call: Call, settings: Settings
    ) -> None:
        put(
            settings,
            *(row(f"r{n}", opened=AT + n * 1000, status="completed") for n in range(4)),
            row("other", pipeline="other", opened=AT + 9000),
            row("r1", opened=AT + 1000, status="failed"),
        )

        def found(*words: str) -> list[str]:
            result = call("runs", "--json", *words, env=environment(settings))
            assert result.exit_code == 0, result.output
            return [each["run"] for each in json.loads(result.stdout)]

        assert found("--pipeline", "order-lines", "--limit", "2") == ["r3", "r2"]
        assert found("--status", "fail") == ["r1"]
        since, until = "2026-09-21T14:13:21", "2026-09-21T14:13:23+00:00"
        assert found("--since", since, "--until", until) == ["r2", "r1"]
        assert found("--since", "1h") == []

    def test_without_a_ledger_it_says_what_to_do(self, call: Call, settings: Settings) -> None:
        assert "apply" in one_line(call("runs", env=environment(settings)))

    def test_a_status_that_there_is_not_is_refused(self, call: Call, settings: Settings) -> None:
        result = call("runs", "--status", "done", env=environment(settings))
        assert "there are running, cancelling" in one_line(result, 2)
