"""Is a profile that of all rows, bit for bit, although processes are killed and frozen, rows are
rejected, wait for a person, and are mended?"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.check_spec import CheckSpec
from farandole.events.check_verdict import CheckVerdict
from farandole.events.quality_row import QualityKey, parse_quality_key
from farandole.events.run_row import in_flight
from farandole.events.topology_version import Version
from farandole.ledger.edge_data import EdgeData, parse_edge_data
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import ReplayRequest, replay_letters
from farandole.operations.installation import Installation
from farandole.operations.parked.list_parked import ParkedRequest, list_parked
from farandole.operations.parked.order_parked import OrderRequest, mend_parked, release_parked
from farandole.operations.topology_source import TopologySource
from farandole.quality.checks.row_rules import compile_row_rules
from farandole.quality.checks.tallying import tally_rows
from farandole.quality.profiles.profiling import profile_rows
from farandole.stages.cel_expression import compile_row_condition
from tests.books.clean import assert_clean, books_read, until
from tests.books.disturbed import Workers, workers
from tests.books.stand import linked, opened, rows
from tests.ledger.test_bookkeeper_live import bookkeeper, killed
from tests.rewiring.test_live import put

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PIPELINE = "lines"
FILE = """
pipeline: lines
package: stages.booked.lines
defaults: {partitions: 3}
events:
  asked: {partitions: 1}
  line:
    key: n
    checks:
      once: {rule: unique}
      item: {rule: not-null, column: item}
      paid: {rule: range, column: cents, min: 0, severity: reject}
      unlucky: {rule: expression, holds: data.cents != 13, severity: park}
      most: {rule: not-null, column: item, share: 99%, severity: fail}
  taken: {key: n, profile: true}
stages:
  read: {run: "stages.booked.lines:read", subscribes: asked, emits: line}
  take: {run: "stages.booked.lines:take", subscribes: line, emits: taken}
  store: {run: "stages.booked.lines:store", subscribes: taken}
"""
CHECKS = ("once", "item", "paid", "unlucky", "most")
LINES, PAUSE = 180, 0.002
Place = tuple[int, int]
"""Partition and offset in the topic of `line`."""
PERSONAL = frozenset({"customer", "value"})
MENDED = {"cents": 14}


def test_profiles_and_verdicts_are_those_of_all_rows_after_any_faults(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    """A worker is killed, another is frozen until it has lost its lanes, and the bookkeeper is
    killed; then a person lets the rows go on that wait, mends some, and replays others mended."""
    folder = linked(tmp_path)
    asyncio.run(survived(settings, folder, rounds=1))
    assert_clean(settings, folder)


@pytest.mark.soak
def test_profiles_are_those_of_all_rows_after_many_faults(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    folder = linked(tmp_path)
    asyncio.run(survived(settings, folder, rounds=20))
    assert_clean(settings, folder)


async def survived(settings: Settings, folder: Path, *, rounds: int) -> None:
    version = await put(settings, folder, FILE)
    async with workers(settings, folder, PIPELINE) as at_work:
        for number in range(rounds):
            await _disturb(settings, version, at_work, number * 5)
        with bookkeeper(settings):
            await _until_open_runs_wait(settings, rounds * 5)
            mended = await _decide(settings, folder)
            await _until_all_ended(settings, rounds * 5)
            await books_read(settings)
    found, completed = await rows(settings)
    assert completed == dict.fromkeys(found, 1)
    expected = await _rows_of_topics(settings, version, mended)
    assert expected.keys() == found.keys()
    kept = await _kept(settings)
    for run, of_run in expected.items():
        for event_type, all_rows in of_run.items():
            data = kept.data[QualityKey(PIPELINE, event_type, run, None)]
            whole = all_rows.read(version.events[event_type].checks)
            assert (data.profile, data.tallies) == (whole.profile, whole.tallies)
            assert (data.died, data.mended) == (whole.died, whole.mended)
    assert kept.written == dict.fromkeys(kept.data, 1)
    assert len(kept.data) == 2 * len(found)
    assert {_verdicts(row["checks"]) for row in found.values()} == {
        ("passed", "warned", "warned", "warned", "failed")
    }


async def _disturb(settings: Settings, version: Version, at_work: Workers, first: int) -> None:
    """Open five runs. Kill a worker and the bookkeeper, and freeze a worker, while they are
    worked."""
    with bookkeeper(settings) as books:
        await _ask(settings, version, first, 3)
        await at_work.consumed(200)
        at_work.kill()
        await at_work.consumed(100)
        await until(opened(settings), "the bookkeeper has opened no run")
        killed(books)
    await _ask(settings, version, first + 3, 2)
    await at_work.ready()
    await at_work.freeze()


async def _ask(settings: Settings, version: Version, first: int, runs: int) -> None:
    async with open_client(make_producer(settings), settings) as client:
        for number in range(first, first + runs):
            # Each line has a key of its own: else those behind a row that waits would wait too.
            root = {"first": number * LINES, "lines": LINES, "pause": PAUSE}
            await client.send_and_wait(version.events["asked"].topic, orjson.dumps(root))


async def _until_open_runs_wait(settings: Settings, runs: int) -> None:
    """Wait until nothing of any run is in flight but what waits for a person."""

    async def waiting() -> bool:
        found = [*(await rows(settings))[0].values()]
        return len(found) == runs and all(
            in_flight(edge) == edge["parked"] == (LINES // 60 if name == "line>take" else 0)
            for row in found
            for name, edge in row["edges"].items()
        )

    await until(waiting, "not only rows are left that wait for a person")


async def _until_all_ended(settings: Settings, runs: int) -> None:
    """Wait until every run has ended, and what was replayed is settled."""

    async def ended() -> bool:
        found = [*(await rows(settings))[0].values()]
        return all(
            row["closed"] is not None and in_flight(edge) == 0
            for row in found
            for edge in row["edges"].values()
        ) and sum(edge["dead"] for row in found for edge in row["edges"].values()) == (
            2 * runs * LINES // 60
        )

    await until(ended, "a run has not ended")


async def _decide(settings: Settings, folder: Path) -> set[Place]:
    """Mend the row that has waited longest and let the others go on; replay half of the rejected
    rows with other data. Returns where the mended rows stand."""
    here = Installation(settings, folder, TopologySource(folder / "topology.yaml", folder))
    patch = json.dumps(MENDED)
    position = (await list_parked(here, ParkedRequest("take", 1))).rows[0].position
    await mend_parked(here, OrderRequest("take", "a test", (position,), patch=patch))
    await release_parked(here, OrderRequest("take", "a test"))
    _, partition, offset = position.split("/")
    mended = {(int(partition), int(offset))}
    rejected = []
    async for records in scan(settings, [settings.names.dead_topic(PIPELINE, "take")]):
        for letter in records:
            headers = dict(letter.headers)
            if headers["dead_error"] == b"RowRejected":
                rejected.append(letter.offset)
                place = int(headers["dead_partition"]), int(headers["dead_offset"])
                if len(rejected) % 2:
                    mended.add(place)
    selection = LetterSelection({"take": frozenset(rejected[::2])})
    await replay_letters(here, ReplayRequest(selection, "a test", patch))
    return mended


@dataclass
class Rows:
    """The rows of one event type in one run, read from its topic by its headers alone."""

    raws: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    died: list[bytes] = field(default_factory=list)
    mended: int = 0

    def read(self, checks: Mapping[str, CheckSpec]) -> EdgeData:
        """What they say as a whole."""
        data = EdgeData(QualityKey(PIPELINE, "", "", None), 1, "")
        data.profile = profile_rows(self.raws, PERSONAL)
        data.died = profile_rows(self.died, PERSONAL) if self.died else None
        data.mended = self.mended
        if rules := compile_row_rules(checks, compile_row_condition):
            data.tallies = tally_rows([*map(orjson.loads, self.raws)], self.ids, rules, PERSONAL)
        return data


async def _rows_of_topics(
    settings: Settings, version: Version, mended: set[Place]
) -> dict[str, dict[str, Rows]]:
    """Return all rows by run and event type. A mended row counts as it came, and as it became."""
    found: dict[str, dict[str, Rows]] = {}
    for event_type in ("line", "taken"):
        async for records in scan(settings, [version.events[event_type].topic]):
            for record in records:
                headers, raw = dict(record.headers), record.value or b""
                of_run = found.setdefault(headers["ce_runid"].decode(), {})
                all_rows = of_run.setdefault(event_type, Rows())
                row = orjson.loads(raw)
                if event_type == "line" and row["n"] % 60 in (7, 11, 41):
                    all_rows.died.append(raw)
                became = [raw]
                if event_type == "line" and (record.partition, record.offset) in mended:
                    became.append(orjson.dumps({**row, **MENDED}))
                    all_rows.mended += 1
                all_rows.raws += became
                all_rows.ids += [headers["ce_id"]] * len(became)
    return found


@dataclass
class Kept:
    """What stands in `farandole.quality`."""

    data: dict[QualityKey, EdgeData] = field(default_factory=dict)
    written: Counter[QualityKey] = field(default_factory=Counter)
    """How often the row of each run was written."""


async def _kept(settings: Settings) -> Kept:
    kept = Kept()
    async for records in scan(settings, [settings.names.quality_topic]):
        for record in records:
            key = parse_quality_key(record.key or b"")
            if key is None:
                continue  # what was found when runs were compared
            whole = key._replace(amended=None)
            data = parse_edge_data(whole, record.value)
            assert data is not None
            kept.data.setdefault(whole, EdgeData(whole, 1, data.stage)).merge(data)
            kept.written[whole] += key.amended is None
    return kept


def _verdicts(checks: Mapping[str, CheckVerdict]) -> tuple[str, ...]:
    return tuple(checks[f"line/{name}"]["verdict"] for name in CHECKS)
