"""Do the rows of all runs agree with the ledger entries?"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.events.ledger_entry import ledger_partition, without_deleted
from farandole.events.run_row import parse_run_row
from farandole.events.topology_version import Version
from farandole.ledger import entry_validation
from farandole.ledger.bookkeeper_lane import POSITION_KEY
from farandole.ledger.row_verification import RefoldCheck, RowMismatch
from farandole.ledger.run_store import MAX_CLOSED_RUNS, RUN_RETENTION_MS
from farandole.operations.reasons import Reason

_MAX_NAMED_EDGES = 5  # edges of a run that are named
_MAX_NAMED_RUNS = 1000  # runs that are named


class RowFault(NamedTuple):
    """A run whose row differs from the fold of its ledger entries."""

    run: str
    reason: Reason


class RunRowAudit:
    """Compares rows with the fold of their entries, for one lane of the bookkeeper after the
    other."""

    def __init__(self, settings: Settings, oldest: Version, retention_limit: int | None) -> None:
        """`oldest`: the oldest version of the pipeline. `retention_limit`: retention may have
        deleted entries up to this time, in ms of the epoch. None if it has deleted none."""
        self._settings = settings
        self._oldest = oldest
        self._retention_limit = retention_limit
        self.faults: list[RowFault] = []
        self.unverifiable: list[str] = []
        """Runs whose row differs, which deleted entries may explain."""
        self.ahead = 0
        """Runs with entries that their rows need not have yet."""

    async def compare(self, run: str | None) -> None:
        """Compare the rows of all runs, or of one. Raises BrokerError."""
        names = self._settings.names
        async with ClusterAdmin.open(self._settings) as admin:
            width = (await admin.topics([names.ledger_topic])).get(names.ledger_topic, 0)
        positions = dict.fromkeys(range(width), 0)
        # Read first: rows that are read later contain all entries before these positions.
        async for records in scan(self._settings, [names.bookkeeper_state_topic]):
            for record in records:
                if record.key == POSITION_KEY and (record.value or b"").isdigit():
                    positions[record.partition] = int(record.value or b"")
        for index, position in positions.items():
            if run is None or (width and index == ledger_partition(run.encode(), width)):
                await self._compare_lane(index, position, run)

    async def _compare_lane(self, index: int, position: int, run: str | None) -> None:
        names = self._settings.names
        table = await read_table(self._settings, names.runs_topic, index)
        rows = {key: value for key, value in table.items() if parse_run_row(value) is not None}
        refold = RefoldCheck(rows, lambda each: run is None or each == run)
        start = {TopicPartition(names.ledger_topic, index): 0}
        async with aclosing(scan(self._settings, [names.ledger_topic], start=start)) as batches:
            async for records in batches:
                for record in records:
                    entry = entry_validation.parse_entry(record.value)
                    if entry is None:
                        continue
                    entry = without_deleted(entry, self._oldest.pipeline, self._oldest.version)
                    if record.offset < position:
                        refold.add(entry)
                    else:
                        refold.skip_unfolded(entry)
        self.ahead += refold.unjudged
        for mismatch in refold.mismatches():
            self._record_difference(mismatch, full=len(rows) >= MAX_CLOSED_RUNS)

    def _record_difference(self, mismatch: RowMismatch, *, full: bool) -> None:
        """`full`: the lane has so many runs that it forgets the oldest."""
        either = mismatch.row or mismatch.refolded
        assert either is not None
        if (
            either["pipeline"] != self._oldest.pipeline
            or len(self.faults) + len(self.unverifiable) >= _MAX_NAMED_RUNS
        ):
            return
        is_old = either["last"] < time.time() * 1000 - RUN_RETENTION_MS
        if mismatch.row is None and (full or is_old):
            return  # as it must be
        if mismatch.refolded is None and is_old:
            return  # kept for its dead letters, longer than its entries
        limit = self._retention_limit
        if full or (limit is not None and either["opened"] <= limit):
            self.unverifiable.append(f"{mismatch.run}: its row: entries of that time may be gone")
            return
        self.faults.append(RowFault(mismatch.run, _difference(mismatch)))


def _difference(mismatch: RowMismatch) -> Reason:
    if mismatch.row is None:
        return Reason("row_missing")
    if mismatch.refolded is None:
        return Reason("row_without_entries")
    edges = mismatch.differing_fields()
    more = len(edges) > _MAX_NAMED_EDGES
    return Reason("row_differs", {"edges": edges[:_MAX_NAMED_EDGES], "more": more})
