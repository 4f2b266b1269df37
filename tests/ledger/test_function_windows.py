"""Does an idle bookkeeper close windows whose checks have functions, without waiting for them?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson

from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Partition
from farandole.lanes.lane_work import BatchResult
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.function_questions import FunctionQuestion
from farandole.quality.checks.function_answers import FunctionAnswer
from farandole.testing import Pipeline
from tests.testing.projects import SHOP, TOPOLOGY, write_project

WINDOWED = TOPOLOGY.replace(
    "order.placed: {key: customer}",
    """order.placed:
        key: customer
        profile: {per: 10m}
        checks: {enough: {rule: function, run: "MODULE:enough", min: 2, severity: fail}}""",
)
FAR = 10**13  # milliseconds of the epoch: all windows are over


class Function:
    """Answers with the number of rows, once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.rows: list[int] = []

    async def __call__(self, questions: Sequence[FunctionQuestion]) -> list[FunctionAnswer]:
        self.rows += [each.profile.rows for each in questions]
        await self.may_answer.wait()
        return [FunctionAnswer(each.profile.rows) for each in questions]


def closed(done: BatchResult | None) -> list[str]:
    """Return the verdicts in the rows about data that are written."""
    written = [] if done is None else [row for rows in done.writes.values() for row in rows]
    rows = [orjson.loads(row.value) for row in written if row.value and b'"verdicts"' in row.value]
    return [
        each["verdict"] for row in rows if "profile" in row for each in row["verdicts"].values()
    ]


async def test_a_window_is_closed_by_the_next_step_after_its_function_has_answered(
    tmp_path: Path,
) -> None:
    code = SHOP + "\n    def enough(profile): return profile.rows\n"
    file = write_project(tmp_path, WINDOWED, code)

    def worked() -> tuple[Pipeline, list[list[object]]]:
        with Pipeline(file) as shop:
            for customer in ("ann", "bob", "ann"):
                shop.send("order.placed", {"customer": customer})
            shop.run()
            names, kafka = shop._names, shop._cluster.kafka
            return shop, [
                [*kafka.read_committed(Partition(names.ledger_topic, index))]
                for index in range(shop.version.ledger)
            ]

    shop, ledger = await asyncio.to_thread(worked)
    function, names = Function(), KafkaNames()
    age: float | None = None
    lane = BookkeeperLane(
        names, 0, "here", clock=lambda: FAR, read_age=lambda: age,
        version_of=lambda *_: shop.version, call_functions=function,
    )  # fmt: skip
    lane.open({names.runs_topic: {}, names.bookkeeper_state_topic: {}})
    entries = [record for records in ledger for record in records]
    for number, record in enumerate(entries[:-1]):
        await lane.handle([record._replace(offset=number)])  # type: ignore[attr-defined]
    age = 0.0
    assert closed(lane.on_idle()) == []
    await asyncio.sleep(0)
    assert closed(lane.on_idle()) == []
    before = [*function.rows]
    # What comes meanwhile is asked about anew.
    age = None
    await lane.handle([entries[-1]._replace(offset=len(entries))])  # type: ignore[attr-defined]
    age = 0.0
    assert closed(lane.on_idle()) == []
    await asyncio.sleep(0)
    assert sum(function.rows[len(before) :]) == 3
    function.may_answer.set()
    while not (verdicts := closed(lane.on_idle())):
        await asyncio.sleep(0)
    assert set(verdicts) <= {"passed", "failed"}
    assert closed(lane.on_idle()) == []
