"""Is whatever the books and the topics do not agree upon caught, and named?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.ledger_entry import hash_event_ids
from farandole.events.run_ids import RunIdGenerator
from farandole.ledger.audit_comparison import (
    AuditEdge,
    EdgeSum,
    EdgeSums,
    RetentionLoss,
    differing_cells,
    explain_difference,
    remove_run_weight,
)
from tests.cli.conftest import Call, environment
from tests.cli.worked import STAGES, worked
from tests.operations.test_trace import forgotten

EDGE = AuditEdge("a", None)
ids = st.lists(st.integers(0, 10**6), unique=True, min_size=2, max_size=40).map(
    lambda numbers: [b"a/0/%d/0" % n for n in numbers]
)


def one_by_one(
    run: str, of: Sequence[bytes], group: Callable[[str], Any] = lambda _: 0
) -> EdgeSums:
    sums = EdgeSums(group)
    for each in of:
        sums.add(run, EDGE, 1, hash_event_ids([each]), 7)
    return sums


@given(ids, st.randoms())
def test_order_and_batches_make_no_difference(of: list[bytes], die: Any) -> None:
    shuffled = [*of]
    die.shuffle(shuffled)
    whole = EdgeSums(lambda _: 0)
    whole.add("r", EDGE, len(of), hash_event_ids(shuffled), 7)
    assert differing_cells(one_by_one("r", of), whole) == []


@given(ids)
def test_two_runs_of_a_group_that_exchange_an_event_differ(of: list[bytes]) -> None:
    right, wrong = EdgeSums(lambda _: 0), EdgeSums(lambda _: 0)
    for sums, (first, second) in ((right, ("r", "s")), (wrong, ("s", "r"))):
        sums.add(first, EDGE, 1, hash_event_ids(of[:1]), 7)
        sums.add(second, EDGE, 1, hash_event_ids(of[1:2]), 7)
    assert differing_cells(right, wrong) == [(0, EDGE)]


def found(topics: Sequence[bytes], books: Sequence[bytes], known: Sequence[bytes]) -> Any:
    a, b = one_by_one("r", topics)[0, EDGE], one_by_one("r", books)[0, EDGE]
    hashes = {hash_event_ids([each]): each.decode() for each in known}
    return explain_difference(a.n - b.n, remove_run_weight(a.hash - b.hash, "r"), hashes)


@given(ids)
def test_a_lost_doubled_or_swapped_event_is_named(of: list[bytes]) -> None:
    first, second = of[0].decode(), of[1].decode()
    assert found(of, of[1:], of) == ([first], [])
    assert found(of, [*of, of[0]], of) == ([], [first])
    assert found(of, [of[1], *of[1:]], of) == ([first], [second])
    assert sorted(found(of, of[2:], of)[0]) == sorted([first, second])
    assert found([*of, b"unknown"], of, of) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(STAGES)
    return tmp_path


def book(settings: Settings, run: str, stage: str, event_type: str, n: int, change: int) -> None:
    """An entry that says so many more, or fewer, of an edge."""

    async def written() -> None:
        consumed = {"n": n, "hash": change % 2**64, "oldest": 0}
        part = {"run": run, "version": 1, "in": {event_type: consumed}, "out": {}}
        entry = {"pipeline": "rewired", "stage": stage, "lane": 0, "at": 1, "seconds": 0}
        value = orjson.dumps({**entry, "runs": [part]})
        async with open_client(make_producer(settings), settings) as client:
            await client.send_and_wait(settings.names.ledger_topic, value, partition=0)

    asyncio.run(written())


@pytest.mark.kafka
def test_real_books_agree_and_a_changed_topic_is_caught(
    call: Call, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [b'{"n": 1, "household": 7}', b'{"n": 2, "household": 8}', b'{"n": "no number"}']
    # Else what was written a moment ago would count as at work.
    monkeypatch.setattr("farandole.operations.audit.topic_audit._now", lambda: 2 * 10**12)
    version = asyncio.run(worked(settings, folder, roots))
    env = environment(settings)

    def audited(*words: str) -> tuple[int, Any]:
        result = call("audit", "--json", *words, env=env)
        assert result.exit_code in (0, 1), result.stderr  # its progress is there too
        return result.exit_code, json.loads(result.stdout)

    code, data = audited()
    assert (code, data["events"], data["faults"]) == (0, 6, []), data
    assert "agree: 6 emitted events" in call("audit", env=env).stdout

    async def doubled() -> None:
        topic = version.events["made"].topic
        (first, *_), *_ = [batch async for batch in scan(settings, [topic])]
        async with open_client(make_producer(settings), settings) as client:
            await client.send_and_wait(
                topic, first.value, partition=first.partition, headers=[*first.headers]
            )

    asyncio.run(doubled())
    code, data = audited()
    assert code == 1
    (fault,) = data["faults"]
    assert (fault["edge"], fault["topics"], fault["books"]) == ("made", 2, 1)
    assert len(fault["missing_in_books"]) == 1
    assert audited(fault["run"])[0] == 1


@pytest.mark.kafka
def test_a_foreign_ledger_entry_is_ignored(call: Call, folder: Path, settings: Settings) -> None:
    asyncio.run(worked(settings, folder, [b'{"n": 1, "household": 7}']))

    async def scribbled() -> None:
        async with open_client(make_producer(settings), settings) as client:
            for value in (b"{}", b'{"stage": "take", "pipeline": "rewired", "runs": [{}]}', None):
                await client.send_and_wait(
                    settings.names.ledger_topic, value, key=b"k", partition=0
                )

    asyncio.run(scribbled())
    result = call("audit", env=environment(settings))
    assert (result.exit_code, result.stderr) == (0, ""), result.output


@pytest.mark.kafka
def test_books_that_doubled_or_swapped_an_event_or_a_root_are_caught(
    call: Call, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farandole.operations.audit.topic_audit._now", lambda: 2 * 10**12)
    roots = [b'{"n": 1, "household": 7}', b'{"n": 2, "household": 8}']
    version = asyncio.run(worked(settings, folder, roots))
    ids = RunIdGenerator(version.installation, version.events["asked"].topic)
    run, other = ids.run_id(0, 0, version.format), ids.run_id(0, 1, version.format)
    (event,) = (json.loads(call("trace", "asked/0/0", "--json", env=environment(settings)).stdout))[
        "effects"
    ][:1]
    of_event, of_other = (hash_event_ids([i.encode()]) for i in (event["id"], "x/0/0/0"))

    def fault(of: str = run) -> Any:
        result = call("audit", of, "--json", env=environment(settings))
        (found,) = json.loads(result.stdout)["faults"]
        assert result.exit_code == 1
        return (
            found["edge"], found["topics"], found["books"],
            found.get("missing_in_books"), found.get("missing_in_topics"),
        )  # fmt: skip

    book(settings, run, "make", "taken", 0, of_other - of_event)
    assert fault() == ("taken>make", 1, 1, None, None)  # whose id that is, nobody knows
    book(settings, run, "make", "taken", 0, of_event - of_other)
    assert call("audit", env=environment(settings)).exit_code == 0
    book(settings, run, "make", "taken", 1, of_event)
    assert fault() == ("taken>make", 1, 2, [], [event["id"]])
    book(settings, other, "take", "asked", 1, hash_event_ids([other.encode()]))
    assert fault(other) == ("asked>take", 1, 2, [], [other])
    stranger = "z" * 13
    book(settings, stranger, "take", "asked", 1, hash_event_ids([stranger.encode()]))
    result = call("audit", env=environment(settings))
    assert result.exit_code == 1
    assert f"{stranger}: asked>take: the topics hold 0, the books say 1" in result.stdout


@pytest.mark.kafka
def test_what_retention_has_deleted_is_unverifiable(
    call: Call, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farandole.operations.audit.topic_audit._now", lambda: 2 * 10**12)
    version = asyncio.run(worked(settings, folder, [b'{"n": 1, "household": 7}']))
    asyncio.run(forgotten(settings, version.events["asked"].topic, 1))
    result = call("audit", env=environment(settings))
    assert result.exit_code == 2, result.output
    assert "asked>take: retention has taken asked of that time" in result.stdout

    async def emptied() -> None:
        for number in range(version.ledger):
            await forgotten(settings, settings.names.ledger_topic, -1, number)

    asyncio.run(emptied())
    result = call("audit", env=environment(settings))
    assert result.exit_code == 2, result.output
    assert "taken>make: retention has taken entries of that time" in result.stdout


def test_retention_excuses_no_difference_in_later_records() -> None:
    gone = RetentionLoss({"a": 100}, books=200)
    assert gone.reason_for(EDGE, EdgeSum(1, 0, 50), EdgeSum(2, 0, 100)) is not None
    assert gone.reason_for(EDGE, EdgeSum(1, 0, 50), EdgeSum(2, 0, 101)) is None
    assert gone.reason_for(EDGE, EdgeSum(2, 0, 200), EdgeSum(1, 0, 50)) is not None
    assert gone.reason_for(EDGE, EdgeSum(2, 0, 201), EdgeSum(1, 0, 50)) is None
    assert gone.reason_for(EDGE, EdgeSum(1, 1, 50), EdgeSum(1, 2, 50)) is None
