"""How does a lane judge a run by those before it, and who is told?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from farandole.events.alert_record import parse_alert
from farandole.events.anomaly_document import ExpectDocument, IgnoreDocument
from farandole.events.check_spec import CheckSpec
from farandole.events.control_documents import ControlDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.kafka_names import KafkaNames
from farandole.events.quality_findings import is_over_key, parse_findings_row, parse_over_row
from farandole.events.quality_history import HistoryRow, history_key
from farandole.events.record import Partition
from farandole.events.topology_version import EventSpec, Version
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.ledger.quality_lane import QualityLane
from farandole.quality.profiles.column_wire import column_to_json
from farandole.quality.profiles.profiling import profile_rows

NAMES = KafkaNames()
HISTORY, STATE = NAMES.quality_history_topic, NAMES.quality_state_topic
CHECKS = {
    "usual": CheckSpec(rule="rows", severity="fail"),
    "prices": CheckSpec(rule="drift", column="cents"),
}
VERSION = Version.model_validate(
    {
        "pipeline": "shop", "version": 1, "installation": "0" * 32, "published": 0,
        "published_by": "", "events": {}, "stages": {}, "ledger": 1,
    }
)  # fmt: skip
EVENT = EventSpec(topic="t", partitions=1, checks=CHECKS)
VERSION = VERSION.model_copy(update={"events": {"line": EVENT}})


def history_row(number: int, rows: int, cents: list[int] | None = None, **more: Any) -> HistoryRow:
    profile = profile_rows([orjson.dumps({"cents": n}) for n in cents or range(100)], frozenset())
    pending = {"verdict": "not judged", "severity": "warn"}
    row: Any = {
        "pipeline": "shop", "version": 1, "run": f"run{number}", "at": 1_000 * number,
        "status": "completed", "measurements": [["line", "", "rows", "volume", rows]],
        "columns": {"line/cents": column_to_json(profile.columns["cents"])},
        "verdicts": {"line/usual": pending, "line/prices": pending}, **more,
    }  # fmt: skip
    made: HistoryRow = row
    return made


class World:
    """What is committed, and a lane over it."""

    now = 0.0
    """The lane's time, in seconds of the epoch."""

    def __init__(self, version: Version = VERSION) -> None:
        self.version = version
        self.documents: list[TimedDocument] = []
        self.history: dict[bytes, bytes] = {}
        self.state: dict[bytes, bytes] = {}
        self.open()

    def open(self) -> None:
        self.lane = QualityLane(
            NAMES,
            0,
            "here",
            lambda *_: self.version,
            lambda: self.documents,
            lambda: self.now,
        )
        self.lane.open({HISTORY: dict(self.history), STATE: dict(self.state)})

    def add(self, row: HistoryRow) -> None:
        self.history[history_key(row)] = orjson.dumps(row)

    def judge(self, row: HistoryRow) -> BatchResult:
        self.add(row)
        record = SimulatedRecord(HISTORY, 0, len(self.history), orjson.dumps(row), history_key(row))
        return self._committed(asyncio.run(self.lane.handle([record])))

    def judge_in_vain(self, row: HistoryRow) -> None:
        """Judge a run, and die before that is committed."""
        record = SimulatedRecord(HISTORY, 0, 10**6, orjson.dumps(row), history_key(row))
        asyncio.run(self.lane.handle([record]))

    def say(self, document: ControlDocument) -> None:
        at = datetime.fromtimestamp(self.now, UTC)
        self.documents = [*self.documents, TimedDocument(document, at, len(self.documents))]

    def idle(self) -> BatchResult:
        return self._committed(self.lane.on_idle() or BatchResult(0, {}))

    def _committed(self, done: BatchResult) -> BatchResult:
        for each in done.writes.get(Partition(STATE, 0), ()):
            if each.value is None:
                self.state.pop(each.key or b"", None)
            else:
                self.state[each.key or b""] = each.value
        return done


def verdicts(done: BatchResult) -> Mapping[str, str]:
    (written,) = done.writes[Partition(NAMES.quality_topic, 0)]
    row = parse_findings_row(written.value)
    assert row is not None
    return {name: each["verdict"] for name, each in row["verdicts"].items()}


def alerts(done: BatchResult) -> list[tuple[str, str]]:
    found = [
        parse_alert(a.value or b"") for a in done.writes.get(Partition(NAMES.alerts_topic, 0), ())
    ]
    return [(each.key, each.state) for each in found]


def texts(done: BatchResult) -> list[str]:
    found = done.writes.get(Partition(NAMES.alerts_topic, 0), ())
    return [parse_alert(each.value or b"").text for each in found]


@pytest.fixture
def world() -> World:
    made = World()
    for number in range(6):
        made.judge(history_row(number, 1_000 + number))
    return made


def test_nothing_is_judged_before_enough_runs_are_known() -> None:
    first = World().judge(history_row(0, 5))
    assert verdicts(first) == {"line/usual": "skipped", "line/prices": "skipped"}


def test_a_run_of_the_usual_size_and_prices_passes(world: World) -> None:
    assert verdicts(world.judge(history_row(7, 1_020))) == {
        "line/usual": "passed", "line/prices": "passed"
    }  # fmt: skip


def test_a_failure_is_told_once_and_resolved_by_the_next_run_that_passes(world: World) -> None:
    key = "shop/check/line/usual"
    few = world.judge(history_row(7, 100))
    assert (verdicts(few)["line/usual"], alerts(few)) == ("failed", [(key, "firing")])
    assert alerts(world.judge(history_row(8, 100))) == []
    assert alerts(world.judge(history_row(9, 1_000))) == [(key, "resolved")]


def test_prices_of_another_distribution_are_seen(world: World) -> None:
    assert verdicts(world.judge(history_row(7, 1_000, [n * 100 for n in range(100)]))) == {
        "line/usual": "passed", "line/prices": "warned"
    }  # fmt: skip


def test_a_lane_that_opens_anew_judges_by_the_same_runs(world: World) -> None:
    """The last row is in the topic, and was not judged before the lane died."""
    world.judge(history_row(7, 100))
    unread = history_row(8, 1_000)
    world.add(unread)
    world.open()
    done = world.judge(unread)
    assert verdicts(done)["line/usual"] == "passed"
    assert alerts(done) == [("shop/check/line/usual", "resolved")]


def test_a_run_that_comes_again_is_not_judged_again(world: World) -> None:
    last = history_row(7, 100)
    world.judge(last)
    world.open()
    assert world.judge(last).writes == {}


def test_a_cancelled_run_is_no_example() -> None:
    world = World()
    for number in range(6):
        world.judge(history_row(number, 10, status="cancelled"))
    assert verdicts(world.judge(history_row(7, 10)))["line/usual"] == "skipped"


HOUR = 3_600_000
STEP = 6 * HOUR


def test_ten_times_as_many_rows_are_unusual_without_any_rule_and_told_once() -> None:
    world = World()
    told = []
    for number in range(200):
        rows = 1_000 + number % 7 * 10
        told += alerts(world.judge(history_row(number, rows, at=HOUR * number, verdicts={})))
    assert told == []
    many = world.judge(history_row(200, 10_000, at=HOUR * 200, verdicts={}))
    ((key, state),) = alerts(many)
    assert (key.startswith("shop/unusual/"), state) == (True, "firing")
    (written,) = many.writes[Partition(NAMES.quality_topic, 0)]
    row = parse_findings_row(written.value)
    assert row is not None
    (found,) = row["anomalies"]
    assert (found["edge"], found["statistic"], found["value"]) == ("line", "rows", 10_000)
    world.open()
    again = world.judge(history_row(201, 10_000, at=HOUR * 201, verdicts={}))
    assert alerts(again) == []


def test_what_is_unusual_to_a_low_sensitivity_is_more_than_to_a_high_one() -> None:
    """The same runs, and then more and more rows, until somebody is told."""
    most = {}
    for sensitivity in ("low", "normal", "high"):
        quality = VERSION.quality.model_copy(update={"sensitivity": sensitivity})
        world = World(VERSION.model_copy(update={"quality": quality}))
        rows = 1_000
        for number in range(300):
            rows = 1_000 + number % 7 * 10 if number < 60 else rows + 10
            row = run_of(number, rows)
            if number >= 60:
                row["status"] = "failed"  # so that nothing is learnt of it
            if alerts(world.judge(row)):
                break
        most[sensitivity] = rows
    assert most["low"] > most["normal"] > most["high"] > 1_060


def test_a_feed_that_should_have_come_is_told_once_until_it_comes() -> None:
    """It comes each six hours for three weeks."""
    world = World()
    last = 21 * 4
    for number in range(last):
        at = STEP * number
        row = history_row(number, 1_000, at=at, verdicts={}, root="asked", opened=at)
        assert alerts(world.judge(row)) == []
    for hours, expected in ((0, []), (24, [("shop/silent/asked", "firing")]), (25, [])):
        world.now = (last * 6 + hours) * 3_600.0
        assert alerts(world.idle()) == expected
    at = STEP * last + 26 * HOUR
    late = world.judge(history_row(last, 1_000, at=at, verdicts={}, root="asked", opened=at))
    assert ("shop/silent/asked", "resolved") in alerts(late)


def unusual(done: BatchResult) -> str:
    """The id of the one anomaly that was told."""
    ((key, state),) = alerts(done)
    assert (key.partition("/unusual/")[0], state) == ("shop", "firing")
    return key.rpartition("/")[2]


def over(done: BatchResult) -> dict[str, str]:
    """By anomaly, how it is over."""
    rows = [
        parse_over_row(each.value)
        for each in done.writes.get(Partition(NAMES.quality_topic, 0), ())
        if is_over_key(each.key or b"", "shop")
    ]
    return {row["anomaly"]: row["how"] for row in rows if row is not None}


def taught(runs: int = 60) -> World:
    """A world that knows what is usual: a run each six hours of about 1,000 rows."""
    world = World()
    for number in range(runs):
        assert alerts(world.judge(run_of(number, 1_000 + number % 7 * 10))) == []
    return world


def run_of(number: int, rows: int) -> HistoryRow:
    return history_row(number, rows, at=STEP * number, verdicts={})


def test_what_a_person_takes_as_normal_is_over_and_not_told_again() -> None:
    world = taught()
    anomaly = unusual(world.judge(run_of(60, 5_000)))
    world.say(ExpectDocument(pipeline="shop", anomaly=anomaly, by="ann", comment="a sale"))
    done = world.idle()
    assert alerts(done) == [(f"shop/unusual/{anomaly}", "resolved")]
    assert over(done) == {anomaly: "expected"}
    assert world.idle().writes == {}
    assert alerts(world.judge(run_of(61, 5_000))) == []


def test_what_is_over_already_can_be_taken_as_normal_for_the_next_time() -> None:
    world = taught()
    anomaly = unusual(world.judge(run_of(60, 5_000)))
    for number in range(61, 64):
        world.judge(run_of(number, 1_020))
    world.say(ExpectDocument(pipeline="shop", anomaly=anomaly))
    assert alerts(world.idle()) == []
    assert alerts(world.judge(run_of(64, 5_000))) == []


def test_numbers_that_are_ignored_are_not_told_until_the_document_expires() -> None:
    world = taught()
    world.now = STEP * 60 / 1_000
    until = datetime.fromtimestamp(STEP * 61 / 1_000, UTC)
    world.say(IgnoreDocument(pipeline="shop", edge="line", statistic="rows", until=until))
    assert alerts(world.judge(run_of(60, 5_000))) == []
    world.now = STEP * 62 / 1_000
    unusual(world.judge(run_of(62, 20_000)))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (
            ExpectDocument(pipeline="shop", anomaly="0" * 16),
            "no anomaly 0000000000000000 of shop is known, or is known any more",
        ),
        (
            IgnoreDocument(pipeline="shop", edge="line", column="cent"),
            "no number about the runs of shop is line/cent",
        ),
    ],
)
def test_what_fits_nothing_is_told_until_it_is_gone(document: ControlDocument, why: str) -> None:
    world = taught()
    world.say(document)
    assert alerts(world.idle()) == []  # it may be about a run that is read in a moment
    world.now += 120
    done = world.idle()
    assert [state for _, state in alerts(done)] == ["firing"]
    assert texts(done)[0].endswith(f"changes nothing: {why}")
    world.documents = []
    world.now += 120
    assert [state for _, state in alerts(world.idle())] == ["resolved"]


def test_a_silence_that_a_person_takes_as_normal_is_told_again_only_for_the_next_one() -> None:
    world = World()
    for number in range(21 * 4):
        at = STEP * number
        world.judge(history_row(number, 1_000, at=at, verdicts={}, root="asked", opened=at))
    world.now = (21 * 24 + 24) * 3_600.0
    late = world.idle()
    assert alerts(late) == [("shop/silent/asked", "firing")]
    (written,) = late.writes[Partition(NAMES.quality_topic, 0)]
    found = parse_findings_row(written.value)
    assert found is not None
    assert (found["feed"], found["anomalies"][0]["kind"]) == ("asked", "silence")
    world.say(ExpectDocument(pipeline="shop", anomaly=found["anomalies"][0]["id"]))
    assert alerts(world.idle()) == [("shop/silent/asked", "resolved")]
    world.open()
    world.now += 7_200
    assert alerts(world.idle()) == []


def test_a_lane_that_dies_again_and_again_says_what_one_says_that_lives() -> None:
    """Both get the same runs, and hear the same between them. One opens anew before each run, and
    dies once in a transaction that is not committed."""
    living, dying = taught(30), taught(30)
    story = [
        3_000, 1_010, 1_020, "expect", 3_000, 1_030, 20_000, "expect", 1_010, "ignore", 90_000,
        1_020, 1_030, "forget", 400_000, 1_010, 1_020, "expect", 400_000, 1_010, 2_000_000,
    ]  # fmt: skip
    told: list[str] = []
    for number, step in enumerate(story, 30):
        if isinstance(step, int):
            row = run_of(number, step)
            dying.open()
            dying.judge_in_vain(row)
            dying.open()
            ones, others = living.judge(row), dying.judge(row)
            assert ones.writes == others.writes
            told += [key.rpartition("/")[2] for key, state in alerts(ones) if state == "firing"]
        for world in (living, dying):
            if step == "expect":
                world.say(ExpectDocument(pipeline="shop", anomaly=told[-1]))
            elif step == "ignore":
                world.say(IgnoreDocument(pipeline="shop", edge="line", statistic="rows"))
            elif step == "forget":
                world.documents.pop()
    assert living.state == dying.state
    kinds = Counter(key.partition(b"/")[0] for key in living.state)
    assert (len(told), kinds[b"expected"], kinds[b"ignored"]) == (4, 3, 2)
