"""How are hundreds of partitions followed of which only a few are busy?

A fetch names all partitions of its reader, and so does the answer: where a few are written to all
the time, asking for the quiet ones costs far more than reading what comes. So the quiet ones have a
reader of their own, whose fetches wait until something comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from aiokafka import TopicPartition

from farandole.broker.partition_reader import PartitionReader
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches

_BUSY_WAIT_MS = 500
_QUIET_WAIT_MS = 2_000  # also the longest time for which a reader is deaf to other partitions


class _Reader(Protocol):
    """What is used of a PartitionReader."""

    @property
    def positions(self) -> Mapping[TopicPartition, int]: ...

    def read_from(self, positions: Mapping[TopicPartition, int]) -> None: ...

    async def poll(self, wait: float) -> Batches: ...


class SplitReader:
    """Reads like a PartitionReader; `open` makes it."""

    def __init__(
        self, busy: _Reader, quiet: _Reader, is_quiet: Callable[[TopicPartition], bool]
    ) -> None:
        """`is_quiet`: which partitions the second reader reads."""
        self._readers = {False: busy, True: quiet}
        self._is_quiet = is_quiet
        self._positions: dict[TopicPartition, int] = {}
        self._polls: dict[bool, asyncio.Task[Batches]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, is_quiet: Callable[[TopicPartition], bool]
    ) -> AsyncIterator[SplitReader]:
        """Open a reader that reads nothing yet. Raises the errors of `open_client`."""
        async with (
            PartitionReader.open(settings, fetch_max_wait_ms=_BUSY_WAIT_MS) as busy,
            PartitionReader.open(settings, fetch_max_wait_ms=_QUIET_WAIT_MS) as quiet,
        ):
            reader = cls(busy, quiet, is_quiet)
            try:
                yield reader
            finally:
                reader._leave_polls()

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset of each partition: everything before it was returned by `poll`."""
        return self._positions

    def read_from(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, and no others. All must exist."""
        self._leave_polls()
        self._positions = dict(positions)
        for quiet, reader in self._readers.items():
            reader.read_from({tp: o for tp, o in positions.items() if self._is_quiet(tp) == quiet})

    async def poll(self, wait: float) -> Batches:
        """Return the next records, by partition, as `PartitionReader.poll` does. Raises what it
        raises."""
        for quiet, reader in self._readers.items():
            if quiet not in self._polls:
                self._polls[quiet] = asyncio.create_task(reader.poll(wait))
        await asyncio.wait(self._polls.values(), return_when=asyncio.FIRST_COMPLETED)
        # Those that are done as well are returned by the next call: until then they are not read.
        quiet = next(quiet for quiet, task in self._polls.items() if task.done())
        found = self._polls.pop(quiet).result()
        self._positions |= self._readers[quiet].positions
        return found

    def _leave_polls(self) -> None:
        """Forget what was not returned yet: whoever reads on seeks first."""
        for task in self._polls.values():
            task.cancel()
            task.add_done_callback(_take_error)
        self._polls.clear()


def _take_error(task: asyncio.Task[Batches]) -> None:
    """Let nobody be told of an error that nobody waits for."""
    if not task.cancelled():
        task.exception()
