"""Is each dead letter replayed once, whoever replays it too, and whoever is killed at it?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import BrokerError
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.broker.topic_reader import scan
from farandole.broker.transactions import fenced_producer
from farandole.events.topology_version import EventSpec
from farandole.ledger.run_fold import count_settled_events, fold_part
from farandole.operations.dead_letters import settlement_writer
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.settlement_writer import (
    SettlementOrder,
    SettlementOutcome,
    find_open_letters,
    settle_letters,
)
from tests.cli.conftest import ROOT
from tests.ledger.made import consumed, emitted, entry, part, root
from tests.operations.buried import (
    LANES,
    RUNS,
    assert_each_once,
    buried,
    bury,
    found,
    letters,
    replaying,
)

pytestmark = pytest.mark.kafka

POINTS = ("after the fence", "before the commit", "while it commits", "after the commit")


async def all_of(store: DeadLetterStore) -> list[int]:
    every = LetterSelection(all_letters=True)
    return (await find_open_letters(store, "load", every, fence=True))[0]


def killed(settings: Settings, point: str, *, letters: int, at: int) -> None:
    """Somebody replays every letter, and does not survive that point of his `at`-th transaction."""
    clean = {name: v for name, v in os.environ.items() if not name.startswith(ENV_PREFIX)}
    values = settings.model_dump(mode="json", exclude_none=True)
    env = clean | {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in values.items()}
    command = [sys.executable, "-m", "tests.operations.replayer", point, str(letters), str(at)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


async def shared(
    store: DeadLetterStore, first: list[int], second: list[int]
) -> list[SettlementOutcome]:
    orders = [await replaying(store, chosen) for chosen in (first, second)]
    return await asyncio.gather(*(settle_letters(store, order) for order in orders))


async def overlapping(settings: Settings, count: int) -> None:
    store = await buried(settings, count)
    chosen = await all_of(store)
    assert len(chosen) == count
    ann, bob = await shared(store, chosen[: count * 3 // 4], chosen[count // 4 :])
    assert ann.starts + bob.starts > 2  # they have met
    assert ann.done + bob.done == count
    assert ann.settled_by_others + bob.settled_by_others == count // 2
    assert_each_once(await found(settings), count)


async def interrupted(settings: Settings, count: int, letters: int, *points: str) -> None:
    store = await buried(settings, count)
    for number, point in enumerate(points, 2):
        await asyncio.to_thread(killed, settings, point, letters=letters, at=number)
    chosen = await all_of(store)
    assert len(chosen) < count or set(points) == {"after the fence"}
    outcome = await settle_letters(store, await replaying(store, chosen))
    assert outcome.done == len(chosen)
    assert_each_once(await found(settings), count)


def test_two_replays_of_the_same_letters_send_each_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_writer, "MAX_TRANSACTION_LETTERS", 50)
    asyncio.run(overlapping(settings, 2_000))


@pytest.mark.parametrize("point", POINTS)
def test_a_replay_that_is_killed_twice_sends_each_letter_once(
    settings: Settings, point: str
) -> None:
    other = POINTS[(POINTS.index(point) + 1) % len(POINTS)]
    asyncio.run(interrupted(settings, 2_000, 150, point, other))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_fifty_thousand_letters_are_replayed_once_each(settings: Settings) -> None:
    asyncio.run(overlapping(settings, 50_000))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_fifty_thousand_letters_survive_ten_kills(settings: Settings) -> None:
    asyncio.run(interrupted(settings, 50_000, 500, *(POINTS[i % 4] for i in range(10))))


async def test_a_retry_row_holds_the_event_unchanged(settings: Settings) -> None:
    store = await buried(settings, 4)
    await settle_letters(store, await replaying(store, await all_of(store)))
    read = await found(settings)
    (third,) = [row for row in read.rows if row.value == b'{"n": 3}']
    topic = store.versions[1].events["line.read"].topic
    assert (third.topic, third.partition, third.offset, third.key) == (topic, 1, 1, b"k3")
    assert third.headers == (("ce_id", b"asked/0/1/3"),)
    assert (third.timestamp, third.before, third.replays) == (1_700_000_000_003, 3, 1)
    assert third.first_failed == 1_795_780_800_000
    assert read.lanes == {
        b"replay/%s/%d/%d" % (topic.encode(), lane, offset): lane
        for lane in range(LANES)
        for offset in range(2)
    }


async def test_the_ledger_counts_a_replayed_letter_as_parked(settings: Settings) -> None:
    store = await buried(settings, 3 * RUNS)
    await settle_letters(store, await replaying(store, await all_of(store)))
    read = await found(settings)
    by_run = {p["run"]: (p, e) for e in read.entries for p in e["runs"]}
    assert len(by_run) == RUNS
    run, (replayed, its) = next(iter(by_run.items()))
    # Its run as the lanes have written it: three lines were read, and died.
    read_by = part(
        run, {"asked": consumed(run)}, {"line.read": emitted("a", "b", "c", to=["load"])},
        root("read"),
    )  # fmt: skip
    died = part(run, {"line.read": consumed("a", "b", "c", dead=3)})
    row = None
    for stage, each in (("read", read_by), ("load", died)):
        book = entry(stage, each) | {"pipeline": "p"}
        row, what = fold_part(row, each, book, count_settled_events(book))
    assert what == "completed"
    assert row is not None
    assert row["status"] == "failed" or row["status"] == "completed with dead letters"
    row, what = fold_part(row, replayed, its, count_settled_events(its))
    edge = row["edges"]["line.read>load"]
    assert (edge["dead"], edge["parked"], edge["consumed"], edge["differs"]) == (0, 3, 3, 0)
    assert what == "progressed"  # out of balance until it is handled, and not over twice
    handled = part(run, {"line.read": {**consumed(), "parked": -3}})
    book = entry("load", handled) | {"pipeline": "p"}
    row, what = fold_part(row, handled, book, count_settled_events(book))
    assert (what, row["status"]) == ("amended", "completed")


async def test_the_older_of_two_letters_of_one_event_is_replayed_first(settings: Settings) -> None:
    """A stage that was sent back has given up on it twice; one row would replace the other."""
    store = await buried(settings, 3)
    await bury(settings, store.topic("load"), letters(store.versions[1], 3))
    chosen = await all_of(store)
    assert len(chosen) == 6
    for done, open_ in ((3, 3), (3, 0)):
        outcome = await settle_letters(store, await replaying(store, chosen))
        assert (outcome.done, outcome.refused.total()) == (done, open_)
    read = await found(settings)
    assert set(read.orders.values()) == {2}
    assert sorted(read.settled) == chosen


async def test_a_root_of_a_retired_version_opens_a_new_run(settings: Settings) -> None:
    store = await buried(settings, 4)
    first = store.versions[1]
    # As if another version had been published since: in it, lines are roots, in a topic of one
    # partition.
    asked = first.events["asked"].topic
    newest = first.model_copy(
        update={
            "version": 2,
            "stages": {"load": first.stages["load"]},
            "events": {"line.read": EventSpec(topic=asked, partitions=1)},
        }
    )
    retired = first.model_copy(update={"retired": datetime.now(UTC)})
    store = DeadLetterStore(settings, "p", {1: retired, 2: newest}, store.directory)
    order = (await replaying(store, await all_of(store)))._replace(as_new_run=True)
    assert (await settle_letters(store, order)).done == 4
    assert (await settle_letters(store, order)).settled_by_others == 4
    published = [r async for rs in scan(settings, [asked]) for r in rs]
    assert sorted(r.value or b"" for r in published) == [b'{"n": %d}' % n for n in range(4)]
    assert all(dict(r.headers)["farandole-again"] for r in published)
    result = await found(settings)
    assert (len(result.orders), len(result.settled), result.entries) == (0, 4, [])


async def test_what_is_discarded_stays_dead_and_is_not_replayed(settings: Settings) -> None:
    store = await buried(settings, 10)
    chosen = await all_of(store)
    order = SettlementOrder("load", "discarded", frozenset(chosen[:4]), "ann", "a test feed")
    assert (await settle_letters(store, order)).done == 4
    outcome = await settle_letters(store, await replaying(store, chosen))
    assert (outcome.done, outcome.settled_by_others) == (6, 4)
    read = await found(settings)
    assert len(read.orders) == 6
    assert sorted(read.settled) == chosen
    settled = await store.settlements("load")
    assert settled[chosen[0]].reason == "a test feed"
    assert [settled[o].how for o in chosen] == ["discarded"] * 4 + ["replayed"] * 6


async def test_a_transaction_is_bounded_in_bytes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_writer, "MAX_TRANSACTION_BYTES", 400)
    store = await buried(settings, 12)
    await settle_letters(store, await replaying(store, await all_of(store)))
    settlements = (await store.settlements("load")).values()
    sizes = [len(s.settles) for s in {id(s): s for s in settlements}.values()]
    assert 1 < max(sizes) < 9
    assert_each_once(await found(settings), 12)


async def test_an_order_that_is_always_fenced_is_given_up_with_its_progress(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_writer, "MAX_FRUITLESS_TRIES", 2)
    monkeypatch.setattr(settlement_writer, "_BACKOFF", Backoff(0.01, 0.01))
    store = await buried(settings, 10)
    order = await replaying(store, await all_of(store))
    transaction = settlement_writer._write_transaction

    async def fenced(*its: object) -> None:
        async with fenced_producer(settings, settings.names.replay_transactional_id("p", "load")):
            await transaction(*its)  # type: ignore[arg-type]

    monkeypatch.setattr(settlement_writer, "_write_transaction", fenced)
    with pytest.raises(
        settlement_writer.UnfinishedOrderError, match="at least 0 letters are replayed"
    ):
        await settle_letters(store, order)
    assert not (await found(settings)).orders


async def test_a_stage_without_a_retry_topic_says_what_to_do(settings: Settings) -> None:
    store = await buried(settings, 0)
    with pytest.raises(BrokerError, match=r"no topic .*\.p\.none\.retry yet; run: farandole apply"):
        await store.retry_topic("none")
