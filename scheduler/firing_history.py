"""What became of the planned times of a schedule, as `farandole.firings` has it?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import structlog
from aiokafka import TopicPartition
from pydantic import ValidationError

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.record_time import to_milliseconds
from farandole.events.row_format import NewerFormatError
from farandole.scheduler.facts import PastFiring
from farandole.scheduler.firing_scan import scan_firings

log = structlog.get_logger()

_RETRY_SECONDS = 5.0
_KEPT_SECONDS = 300.0  # after the last call for them
MAX_READING = 4  # of how many orders the topic is read at once
_CLOCK_MARGIN = timedelta(days=1)
"""By how much the clock of who wrote a record may have been behind."""

Query = tuple[str, str, datetime, datetime]
"""Pipeline, schedule, and the range of planned times."""


class FiringHistory:
    """Reads the records of one schedule when somebody asks for them, and keeps them until it has
    returned them."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._reading: dict[Query, asyncio.Task[Sequence[PastFiring]]] = {}
        self._asked: dict[Query, float] = {}
        self._slots = asyncio.Semaphore(MAX_READING)

    def past_firings(
        self, pipeline: str, schedule: str, start: datetime, end: datetime
    ) -> Sequence[PastFiring] | None:
        """Return what is known (`farandole.scheduler.facts.Facts.past_firings`)."""
        now = self._monotonic()
        for query in [q for q, at in self._asked.items() if at < now - _KEPT_SECONDS]:
            del self._asked[query]
            self._reading.pop(query).cancel()
        query = pipeline, schedule, start, end
        self._asked[query] = now
        if query not in self._reading:
            self._reading[query] = asyncio.create_task(self._read(query))
        if not self._reading[query].done():
            return None
        del self._asked[query]
        return self._reading.pop(query).result()

    def forget(self) -> None:
        """Discard what was read, and read anew when somebody asks: meanwhile more may have
        fired."""
        for task in self._reading.values():
            task.cancel()
        self._reading, self._asked = {}, {}

    async def close(self) -> None:
        """End what is being read."""
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _read(self, query: Query) -> Sequence[PastFiring]:
        while True:
            try:
                async with self._slots:
                    return await self._scan(*query)
            except BrokerError as error:
                log.warning("scheduler.firings_unread", why=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _scan(
        self, pipeline: str, schedule: str, start: datetime, end: datetime
    ) -> Sequence[PastFiring]:
        found: dict[bytes, PastFiring] = {}
        topic = self._settings.names.firings_topic
        # No record is written before its planned time, so those of today are found soon, however
        # many there are.
        first = to_milliseconds(min(start, datetime.now(UTC)) - _CLOCK_MARGIN)
        async with ClusterAdmin.open(self._settings) as admin:
            width = (await admin.topics([topic])).get(topic, 0)
            starts = await admin.offsets_at([TopicPartition(topic, i) for i in range(width)], first)
            scanned = scan_firings(self._settings, admin, pipeline, schedule, starts)
            async with aclosing(scanned) as records:
                async for key, value in records:
                    firing = None if value is None else _parse(value)
                    if firing is None:
                        found.pop(key, None)
                    elif start <= firing.planned < end:
                        found[key] = PastFiring(firing.planned, firing.suffix, firing.outcome)
        return list(found.values())


def _parse(value: bytes) -> FiringRecord | None:
    """Return the record; None if no scheduler wrote it, or only a newer one could read it."""
    try:
        return parse_firing(value)
    except (NewerFormatError, ValidationError):
        return None
