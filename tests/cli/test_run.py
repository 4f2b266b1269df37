"""Does the balance sheet say what is in the books, and what is wrong?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from farandole.broker.settings import Settings
from farandole.cli.rendering.run_sheet import sheet_lines
from farandole.events.run_row import RunRow
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.operations.reason_text import reason_text
from farandole.operations.runs.balance_sheet import balance_sheet, find_problems
from tests.cli.booked import AT, edge, put, row
from tests.cli.conftest import Call, environment, one_line, process

NOW = AT + 60_000
EVENTS = ("feed.requested", "line.ingested", "line.validated", "line.enriched", "line.loaded")
VERSION = Version(
    pipeline="order-lines",
    version=1,
    installation=UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11"),
    published=datetime(2026, 9, 21, tzinfo=UTC),
    published_by="me",
    events={t: EventSpec(topic=f"order-lines.{t}", partitions=4) for t in EVENTS},
    stages={
        "ingest": StageSpec(run="m:f", subscribes=("feed.requested",), emits=("line.ingested",)),
        "validate": StageSpec(run="m:f", subscribes=("line.ingested",), emits=("line.validated",)),
        "enrich": StageSpec(run="m:f", subscribes=("line.ingested",), emits=("line.enriched",)),
        "load": StageSpec(
            run="m:f", subscribes=("line.validated", "line.enriched"), emits=("line.loaded",)
        ),
    },
)
WHOLE = {
    "feed.requested>ingest": edge(1, age=0.012, seconds=1.5, last=AT),
    "line.ingested>validate": edge(10_000, dead=3, dropped=7),
    "line.ingested>enrich": edge(10_000, consumed=9_990, parked=2),
    "line.validated>load": edge(9_990, consumed=9_992),
    "line.enriched>load": edge(9_988, differs=77),
}


def shown(of: RunRow, version: Version | None = VERSION) -> str:
    return "\n".join(sheet_lines(balance_sheet(of, NOW, version)))


def test_where_nothing_was_measured_no_time_is_shown() -> None:
    died = row("abcdefghijklm", {"feed.requested>ingest": edge(1, dead=1, seconds=0.0)})
    assert balance_sheet(died, NOW).edges["feed.requested>ingest"].seconds_each is None
    assert "µs" not in shown(died)


def test_a_sheet_says_under_which_documents_the_run_was_worked() -> None:
    worked = row(edges={"a>b": edge(1)}, controls=["switch/b=bypass@12", "flag/vip@13"])
    assert "worked under switch/b=bypass@12, flag/vip@13" in [
        *sheet_lines(balance_sheet(worked, AT))
    ]
    odd = balance_sheet(row(edges={"a>b": edge(1)}, controls=5), AT)
    assert not [line for line in sheet_lines(odd) if line.startswith("worked")]


def test_a_sheet_says_which_schedule_opened_the_run() -> None:
    opened = row(edges={"a>b": edge(1)})
    assert opened["root"] is not None
    opened["root"]["schedule"], opened["root"]["planned"] = "nightly", "2026-09-21T02:30:00Z"
    assert ", by the schedule nightly for 2026-09-21 02:30:00 UTC, took" in shown(opened, None)


def test_a_sheet_is_in_the_order_of_the_graph() -> None:
    late = row(
        "abcdefghijklm",
        WHOLE,
        status="running",
        closed=None,
        late=True,
        leaves={"line.loaded": 19_980},
    )
    assert shown(late) == GOLDEN.strip("\n")


GOLDEN = """
abcdefghijklm  order-lines@1  running
opened 2026-09-21 14:13:20 UTC by order-lines.feed.requested/0/0, 1 min 00 s ago

                                  emitted  consumed  handled  dropped  dead  parked  in flight  oldest    each  per s
└─ feed.requested
   └─ [ingest]                          1         1        1        0     0       0          0   12 ms   1.5 s
      └─ line.ingested
         ├─ [validate]             10 000    10 000    9 990        7     3       0          0  250 ms  1.0 ms  5 000
         │  └─ line.validated
         │     └─ [load]            9 990     9 992    9 992        0     0       0         -2  250 ms  1.0 ms  4 996
         │        └─ line.loaded   19 980
         └─ [enrich]               10 000     9 990    9 988        0     0       2         12  250 ms  1.0 ms  4 995
            └─ line.enriched
               └─ [load] (above)    9 988     9 988    9 988        0     0       0          0  250 ms  1.0 ms  4 994

it was expected to complete in time, and did not
validate: 3 line.ingested died: farandole dead --stage validate --run abcdefghijklm says why
enrich: 10 line.ingested in flight, and none was settled for 58 s
enrich: 2 line.ingested are parked, to be tried again
load has settled 2 more line.validated than were emitted: farandole audit abcdefghijklm names them
load has settled as many line.enriched as were emitted, and not the same ones: farandole audit abcdefghijklm names them
"""  # noqa: E501


def test_edges_that_the_graph_lacks_are_shown_too() -> None:
    drawn = shown(row(edges={"a>b": edge(4)}, leaves={"c": 5}))
    assert "\na>b" in drawn
    assert "\nc  " in drawn
    assert "\na>b" in shown(row(edges={"a>b": edge(4)}), None)


def one(**more: Any) -> list[str]:
    row_fields = more.pop("row", {})
    problems = find_problems(row("r", {"a>s": edge(4, **more)}, **row_fields), NOW)
    return [reason_text(problem) for problem in problems]


RUNNING = {"status": "running", "closed": None}


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([], one()),
        (
            ["s has settled 2 more a than were emitted: farandole audit r names them"],
            one(consumed=6),
        ),
        (
            [
                "s has settled as many a as were emitted, and not the same ones: "
                "farandole audit r names them"
            ],
            one(differs=1),
        ),
        (
            ["s: 3 a in flight, and none was settled for 58 s"],
            one(consumed=1, differs=5, row=RUNNING),
        ),
        ([], one(consumed=1, differs=5, last=NOW - 100, row=RUNNING)),
        (["s has settled none of 4 a yet"], one(consumed=0, last=0, first=0, row=RUNNING)),
        (["s has not settled 1 a, and the run is over: farandole audit r"], one(consumed=3)),
        (["s: 2 a are parked, to be tried again"], one(parked=2, row=RUNNING)),
        (["s: 1 a died: farandole dead --stage s --run r says why"], one(dead=1)),
        (
            [
                "s: its program has no transactions, so nothing proves that all results of 4 a are"
                " there"
            ],
            one(proven=False),
        ),
        (["amended 2 times: what came after its end was settled"], one(row={"amended": 2})),
        (["it was expected to complete in time, and did not"], one(row={"late": True})),
    ],
)  # fmt: skip
def test_each_problem_has_a_sentence(expected: list[str], found: list[str]) -> None:
    assert found == expected


def test_the_json_form_holds_computed_figures() -> None:
    of_row = row("r", {"a>s": edge(10, dead=2, dropped=1, consumed=9)})
    data = balance_sheet(of_row, NOW).to_data()
    of = data["edges"]["a>s"]
    assert (of["handled"], of["in_flight"], of["rate"]) == (6, 1, 4.5)
    assert len(data["wrong"]) == 2


@pytest.mark.kafka
class TestOnKafka:
    def test_the_beginning_of_an_id_is_enough_where_it_means_one(
        self, call: Call, settings: Settings
    ) -> None:
        put(settings, row("abcd"), row("abce", status="failed"), row("abce", status="cancelled"))
        env = environment(settings)
        assert json.loads(call("run", "abce", "--json", env=env).stdout)["status"] == "cancelled"
        assert "order-lines@1  cancelled" in call("run", "abce", env=env).stdout
        assert "'abc' can be abcd, abce" in one_line(call("run", "abc", env=env))

    def test_an_unknown_run_says_whether_the_ledger_runs(
        self, call: Call, settings: Settings
    ) -> None:
        put(settings, row("abcd"))
        line = one_line(call("run", "x", env=environment(settings)))
        assert line.startswith("farandole: no run in the books begins with 'x'; there are no books")

    def test_hostile_names_do_nothing_to_a_terminal(self, call: Call, settings: Settings) -> None:
        evil: RunRow = row("abcd", {"a\x1b[2J>s\u202e": edge(1, dead=1)}, status="\x1b[0m\nx")
        put(settings, evil)
        output = call("run", "abcd", env=environment(settings)).stdout
        assert "\x1b" not in output
        assert "\u202e" not in output
        assert "a\\x1b[2J>s\\u202e" in output

    def test_watch_waits_for_a_run_and_goes_on_until_it_is_closed(self, settings: Settings) -> None:
        put(settings, row("other"))
        child = process("run", "--watch", "a" * 13, env=environment(settings))
        try:
            put(settings, row("a" * 13, {"x>y": edge(7, consumed=3)}, **RUNNING))
            assert child.stdout is not None
            first = child.stdout.readline()
            assert first.startswith("running, ")
            assert first.endswith(": 3 settled, 4 in flight, 0 dead\n")
            put(settings, row("a" * 13, {"x>y": edge(7)}))
            out, err = child.communicate(timeout=100)
        finally:
            child.kill()
        assert (child.returncode, err) == (0, "")
        assert "order-lines@1  completed\n" in out
