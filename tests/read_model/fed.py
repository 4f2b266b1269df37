"""A read model that follows nothing: the tests feed it."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from farandole.broker.settings import Settings
from farandole.events.record import Header
from farandole.events.run_row import RunRow
from farandole.operations.read_model.change_journal import ChangeJournal
from farandole.operations.read_model.read_model import ReadModel
from farandole.operations.read_model.revision import source_name
from farandole.operations.read_model.sources import Source, Table
from tests.read_model.stand import installation_of

RUNS = Source(Table.RUNS, "runs", 0, source_name("runs", "", 0))


class Written(NamedTuple):
    """A record as a follower reads it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: tuple[Header, ...] = ()


class FedModel:
    """Feeds a read model with the rows of runs."""

    def __init__(self, model: ReadModel | None = None) -> None:
        self.model = model or ReadModel(installation_of(Settings(bootstrap="localhost:9")))
        self._offset = 0
        self.model._tables.add_source(RUNS)
        self.model._tables.finish_loading(RUNS)

    def write(self, *rows: RunRow) -> None:
        for row in rows:
            record = Written("runs", 0, self._offset, row["run"].encode(), orjson.dumps(row))
            self.model._tables.apply(RUNS, record)
            self._offset += 1
        self.model._move()

    @property
    def journal(self) -> ChangeJournal:
        """What is kept of changes of runs."""
        return self.model._tables.journals[Table.RUNS]

    @property
    def watched(self) -> int:
        """How many views are watched by somebody."""
        return self.model._watched.total()
