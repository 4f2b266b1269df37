"""Do the rows of all runs say what the ledger holds?"""

from __future__ import annotations

import time
from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.events.ledger_entry import ledger_partition
from farandole.ledger import entry_validation
from farandole.ledger.bookkeeper_lane import POSITION_KEY
from farandole.ledger.row_verification import RefoldCheck, RowMismatch
from farandole.ledger.run_store import MAX_CLOSED_RUNS, RUN_RETENTION_MS
from farandole.operations.runs import run_rows as believed

_MAX_NAMED_EDGES = 5  # edges of a run that are named
_MAX_NAMED_RUNS = 1000  # runs that are named


class RunRowAudit:
    """Rows beside what their entries fold into, one lane of the bookkeeper after the other."""

    def __init__(self, settings: Settings, pipeline: str, gone: int | None) -> None:
        """`gone`: up to when retention may have taken entries, in ms of the epoch; None: never."""
        self._settings = settings
        self._pipeline = pipeline
        self._gone = gone
        self.faults: list[dict[str, str]] = []
        self.unsure: list[str] = []
        self.ahead = 0
        """Runs with entries that their rows need not have yet."""

    async def compare(self, run: str | None) -> None:
        """All runs, or this one. Raises BrokerError."""
        names = self._settings.names
        async with ClusterAdmin.open(self._settings) as admin:
            width = (await admin.topics()).get(names.ledger_topic, 0)
        positions = dict.fromkeys(range(width), 0)
        # First: all that stands before these is in the rows that are read later.
        async for records in scan(self._settings, [names.bookkeeper_state_topic]):
            for record in records:
                if record.key == POSITION_KEY and (record.value or b"").isdigit():
                    positions[record.partition] = int(record.value or b"")
        for index, position in positions.items():
            if run is None or (width and index == ledger_partition(run.encode(), width)):
                await self._lane(index, position, run)

    async def _lane(self, index: int, position: int, run: str | None) -> None:
        names = self._settings.names
        table = await read_table(self._settings, names.runs_topic, index)
        rows = {
            key: value for key, value in table.items() if believed.parse_run_row(value) is not None
        }
        refold = RefoldCheck(rows, lambda each: run is None or each == run)
        start = {TopicPartition(names.ledger_topic, index): 0}
        async with aclosing(scan(self._settings, [names.ledger_topic], start=start)) as batches:  # type: ignore[type-var]  # it is one
            async for records in batches:
                for record in records:
                    entry = entry_validation.parse_entry(record.value)
                    if entry is None:
                        continue
                    if record.offset < position:
                        refold.add(entry)
                    else:
                        refold.pass_by(entry)
        self.ahead += refold.ahead
        for other in refold.others():
            self._judge(other, full=len(rows) >= MAX_CLOSED_RUNS)

    def _judge(self, other: RowMismatch, *, full: bool) -> None:
        """`full`: the lane forgets runs for want of room."""
        one = other.row or other.fold
        assert one is not None
        if (
            one["pipeline"] != self._pipeline
            or len(self.faults) + len(self.unsure) >= _MAX_NAMED_RUNS
        ):
            return
        if other.row is None and (full or one["last"] < time.time() * 1000 - RUN_RETENTION_MS):
            return  # as it must be
        if full or (self._gone is not None and one["opened"] <= self._gone):
            self.unsure.append(f"{other.run}: its row: entries of that time may be gone")
            return
        if other.row is None:
            why = "it has entries, and no row"
        elif other.fold is None:
            why = "it has a row, and no entry"
        else:
            what = other.what()
            more = ", …" if len(what) > _MAX_NAMED_EDGES else ""
            why = f"the row differs from its entries in {', '.join(what[:_MAX_NAMED_EDGES])}{more}"
        self.faults.append({"run": other.run, "why": why})
