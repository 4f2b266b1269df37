"""Do the rows of all runs say what the ledger holds?"""

from __future__ import annotations

import time
from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.admin import Admin
from farandole.broker.settings import Settings
from farandole.broker.tables import read_table, scan
from farandole.console.books import rows as believed
from farandole.events.ledger import partition_of
from farandole.ledger import reading
from farandole.ledger.book import MOST_CLOSED, RETENTION
from farandole.ledger.refold import Other, Refold
from farandole.ledger.work import POSITION

_NAMED = 5  # edges of a run that are named
_MOST = 1000  # runs that are named


class Rows:
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
        async with Admin.open(self._settings) as admin:
            width = (await admin.topics()).get(names.ledger, 0)
        positions = dict.fromkeys(range(width), 0)
        # First: all that stands before these is in the rows that are read later.
        async for records in scan(self._settings, [names.bookkeeper_state]):
            for record in records:
                if record.key == POSITION and (record.value or b"").isdigit():
                    positions[record.partition] = int(record.value or b"")
        for index, position in positions.items():
            if run is None or (width and index == partition_of(run.encode(), width)):
                await self._lane(index, position, run)

    async def _lane(self, index: int, position: int, run: str | None) -> None:
        names = self._settings.names
        table = await read_table(self._settings, names.runs, index)
        rows = {key: value for key, value in table.items() if believed.row(value) is not None}
        refold = Refold(rows, lambda each: run is None or each == run)
        start = {TopicPartition(names.ledger, index): 0}
        async with aclosing(scan(self._settings, [names.ledger], start=start)) as batches:  # type: ignore[type-var]  # it is one
            async for records in batches:
                for record in records:
                    entry = reading.entry(record.value)
                    if entry is None:
                        continue
                    if record.offset < position:
                        refold.add(entry)
                    else:
                        refold.pass_by(entry)
        self.ahead += refold.ahead
        for other in refold.others():
            self._judge(other, full=len(rows) >= MOST_CLOSED)

    def _judge(self, other: Other, *, full: bool) -> None:
        """`full`: the lane forgets runs for want of room."""
        one = other.row or other.fold
        assert one is not None
        if one["pipeline"] != self._pipeline or len(self.faults) + len(self.unsure) >= _MOST:
            return
        if other.row is None and (full or one["last"] < time.time() * 1000 - RETENTION):
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
            more = ", …" if len(what) > _NAMED else ""
            why = f"the row differs from its entries in {', '.join(what[:_NAMED])}{more}"
        self.faults.append({"run": other.run, "why": why})
