"""Does the ledger run, and how far are its rows behind?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.cli.error_reporting import CommandError


@dataclass(frozen=True, slots=True)
class BookkeeperLag:
    """Of the lanes that fold entries into rows."""

    entries: bool
    """Is there anything to be folded?"""
    members: int
    """Processes at work."""
    behind: int
    """Offsets."""

    def said(self) -> str | None:
        """What a reader of rows must know; None: they are as of now."""
        if not self.entries:
            return "there are no books: no version that keeps any was applied; farandole apply"
        if not self.members:
            return (
                "the ledger is not running"
                + (f", and {self.behind:,} offsets behind" if self.behind else "")
                + ": its figures are those of when it ended; farandole up runs it"
            )
        return f"the ledger is {self.behind:,} offsets behind" if self.behind > 1 else None


async def read_bookkeeper_lag(settings: Settings) -> BookkeeperLag:
    """Raises BrokerError."""
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics()).get(names.ledger_topic, 0)
        partitions = [TopicPartition(names.ledger_topic, i) for i in range(width)]
        ends = await admin.end_offsets(partitions, stable=True)
        first = await admin.start_offsets(partitions)
        done = await admin.committed(names.bookkeeper_group, partitions)
        members = await admin.members(names.bookkeeper_group) if partitions else 0
    behind = 0
    for tp in partitions:
        committed = done[tp]
        behind += max(0, ends[tp] - (committed.offset if committed else first[tp]))
    return BookkeeperLag(bool(partitions), members, behind)


def raise_no_books(state: BookkeeperLag) -> NoReturn:
    """Raises CommandError."""
    raise CommandError(
        f"farandole: there are no rows of runs yet: {state.said() or 'no run was opened'}"
    )
