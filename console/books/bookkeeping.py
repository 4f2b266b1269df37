"""Does the ledger run, and how far are its rows behind?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from aiokafka import TopicPartition

from farandole.broker.admin import Admin
from farandole.broker.settings import Settings
from farandole.console.failing import Failed


@dataclass(frozen=True, slots=True)
class State:
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


async def state(settings: Settings) -> State:
    """Raises BrokerError."""
    names = settings.names
    async with Admin.open(settings) as admin:
        width = (await admin.topics()).get(names.ledger, 0)
        partitions = [TopicPartition(names.ledger, i) for i in range(width)]
        ends = await admin.end_offsets(partitions, stable=True)
        first = await admin.start_offsets(partitions)
        done = await admin.committed(names.bookkeeper, partitions)
        members = await admin.members(names.bookkeeper) if partitions else 0
    behind = 0
    for tp in partitions:
        committed = done[tp]
        behind += max(0, ends[tp] - (committed.offset if committed else first[tp]))
    return State(bool(partitions), members, behind)


def no_books(state: State) -> NoReturn:
    """Raises Failed."""
    raise Failed(f"farandole: there are no rows of runs yet: {state.said() or 'no run was opened'}")
