"""Is it known whether the books say how runs stand?"""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from farandole.events.kafka_names import KafkaNames
from farandole.scheduler.books_lag import BooksLag

NAMES = KafkaNames()
LEDGER = TopicPartition(NAMES.ledger_topic, 0)


class Cluster:
    """A cluster with a ledger of one partition that is read up to `committed`; its entries before
    `old` are older than a minute."""

    def __init__(self, committed: int, old: int = 0, end: int = 10) -> None:
        self.committed, self.old, self.end = committed, old, end
        self.width = 1

    async def topics(self, _: Any) -> dict[str, int]:
        return {NAMES.ledger_topic: self.width} if self.width else {}

    async def end_offsets(self, _: Any) -> dict[TopicPartition, int]:
        return {LEDGER: self.end}

    async def start_offsets(self, tps: Any) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def committed_offsets(self, *_: Any) -> dict[TopicPartition, Any]:
        class Committed:
            offset, metadata = self.committed, ""

        return {LEDGER: Committed}

    async def offsets_at(self, *_: Any) -> dict[TopicPartition, int]:
        return {LEDGER: self.old}


async def lag(cluster: Any, now: list[float]) -> BooksLag:
    found = BooksLag(NAMES, lambda: now[0])
    assert found.are_behind, "nobody has asked"
    await found.ask(cluster)
    return found


@pytest.mark.parametrize(
    ("cluster", "behind"),
    [(Cluster(10), False), (Cluster(5), False), (Cluster(5, old=5), False), (Cluster(5, 6), True)],
)
async def test_the_books_are_behind_if_an_old_entry_is_unread(
    cluster: Cluster, behind: bool
) -> None:
    assert (await lag(cluster, [0.0])).are_behind is behind


async def test_an_installation_without_a_ledger_knows_nothing_of_its_runs() -> None:
    cluster = Cluster(0)
    cluster.width = 0
    assert (await lag(cluster, [0.0])).are_behind


async def test_an_answer_holds_for_a_while() -> None:
    now = [0.0]
    found = await lag(Cluster(10), now)
    assert (found.is_due, found.are_behind) == (False, False)
    now[0] = 6
    assert (found.is_due, found.are_behind) == (True, False)
    now[0] = 31
    assert (found.is_due, found.are_behind) == (True, True)
