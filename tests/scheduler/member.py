"""A scheduler in a process of its own, whose clock its parent drives.

Its lane asks the clock every few milliseconds: the clock stands still between two steps of the
parent, so that nobody can know how long to wait.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from farandole.broker.settings import Settings
from farandole.events.record import Partition, Record
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_port import LanePort
from farandole.scheduler.facts import Facts, TriggerPlace
from farandole.scheduler.service import run_scheduler
from farandole.worker.log_setup import configure_logging
from tests.lanes import broken
from tests.scheduler.shared_clock import SharedClock

_GLANCE = 0.004  # seconds between two looks at the clock
_LOOK_BACK = timedelta(minutes=10)  # of real time, for triggers: a test's disasters are shorter


class _DrivenFacts:
    """The facts of the real Kafka at the time of the shared clock."""

    clock_difference = 0.0

    def __init__(self, facts: Facts, clock: SharedClock) -> None:
        self._facts = facts
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._facts, name)

    def now(self) -> datetime | None:
        return None if self._facts.now() is None else self._clock.now()

    async def find_triggers(
        self, wanted: Mapping[str, Collection[str]], since: datetime
    ) -> Mapping[str, TriggerPlace]:
        return await self._facts.find_triggers(wanted, datetime.now(UTC) - _LOOK_BACK)


class _Glancing(broken._Around):
    """The lane's port, which never waits for long. In a file stands which process has the lane."""

    def __init__(self, port: KafkaPort, owner: Path) -> None:
        super().__init__(port)
        self._owner = owner

    async def fence(self) -> None:
        await self.port.fence()
        self._owner.write_text(str(os.getpid()))

    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        longest = _GLANCE if at_most is None else min(_GLANCE, at_most)
        found: Sequence[Record] = await self.port.fetch(wait=wait, at_most=longest, only=only)
        return found


async def main(settings: str, clock_file: str) -> None:
    clock, folder = SharedClock(Path(clock_file)), Path(clock_file).parent
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    def driven(facts: Facts) -> Facts:
        return cast(Facts, _DrivenFacts(facts, clock))

    def glancing(port: KafkaPort) -> LanePort:
        return cast(LanePort, _Glancing(port, folder / "owner"))

    await run_scheduler(
        Settings.model_validate_json(settings),
        folder,
        stopping,
        facts_of=driven,
        port=glancing,
    )


if __name__ == "__main__":
    configure_logging(pretty=False)
    asyncio.run(main(*sys.argv[1:]))
