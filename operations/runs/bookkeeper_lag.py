"""Does the bookkeeper run, and how far are its rows behind the ledger?"""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.operations.errors import NotFoundError
from farandole.operations.reason_text import reason_message, reason_steps
from farandole.operations.reasons import Reason


@dataclass(frozen=True, slots=True)
class BookkeeperLag:
    """The state of the lanes that fold ledger entries into run rows."""

    entries: bool
    """True if the ledger's topic exists."""
    members: int
    """The number of bookkeeper processes."""
    behind: int
    """The offsets of the ledger that are not folded yet."""

    def problem(self) -> Reason | None:
        """Return the problem that makes run rows out of date; None if they are current."""
        if not self.entries:
            return Reason("no_books")
        if not self.members:
            return Reason("ledger_stopped", {"behind": self.behind})
        return Reason("ledger_behind", {"behind": self.behind}) if self.behind > 1 else None


async def read_bookkeeper_lag(settings: Settings) -> BookkeeperLag:
    """Return the members and the lag of the bookkeeper. Raises BrokerError."""
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([names.ledger_topic])).get(names.ledger_topic, 0)
        partitions = [TopicPartition(names.ledger_topic, i) for i in range(width)]
        ends = await admin.end_offsets(partitions, stable=True)
        first = await admin.start_offsets(partitions)
        done = await admin.committed_offsets(names.bookkeeper_group, partitions)
        members = await admin.count_members(names.bookkeeper_group) if partitions else 0
    behind = 0
    for tp in partitions:
        committed = done[tp]
        behind += max(0, ends[tp] - (committed.offset if committed else first[tp]))
    return BookkeeperLag(bool(partitions), members, behind)


def no_run_rows_error(lag: BookkeeperLag) -> NotFoundError:
    """Return the error for a command that needs run rows where there are none."""
    problem = lag.problem()
    why = reason_message(problem) if problem else "no run was opened"
    return NotFoundError(
        "no_run_rows",
        f"there are no rows of runs yet: {why}",
        next_steps=reason_steps(problem) if problem else (),
        reason=problem.to_data() if problem else None,
    )
