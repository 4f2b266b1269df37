"""A notifier that kills itself at a point of its protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.events.incident_record import Notice
from farandole.events.record import Partition, PartitionWrites
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_port import CommittedOffset, PlacedOffsets
from farandole.notifier import settings as mail
from farandole.notifier.delivery_channels import build_channels, deliver_notice
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.delivery_tasks import OwnershipCheck
from farandole.notifier.notifier_lane import utc_now
from farandole.notifier.service import run_notifier
from farandole.worker.log_setup import configure_logging
from tests.lanes import broken

(POINT,) = sys.argv[1:]


def reached(point: str) -> None:
    if point == POINT:
        os.kill(os.getpid(), signal.SIGKILL)


class Dying(broken._Around):
    """The unchanged protocol with points to die at, in the transaction that writes a notice."""

    _tells = False

    async def fence(self) -> None:
        reached("before the fence")
        await self.port.fence()

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        self._tells = any("outbox" in partition.topic for partition in writes)
        if self._tells:
            reached("inside the transaction")
        found: PlacedOffsets = await self.port.send(writes, offsets, placed)
        if self._tells:
            reached("before the commit")
        return found

    async def commit(self) -> None:
        await self.port.commit()
        if self._tells:
            reached("after the commit, before the mail")


async def attempt(
    notice: Notice, owns_lane: OwnershipCheck, settings: mail.NotifierSettings
) -> AttemptResult:
    done = await deliver_notice(notice, owns_lane, build_channels(settings, utc_now))
    reached("after the 250, before the mark")
    return done


def around(port: KafkaPort) -> Dying:
    return Dying(port)


async def main() -> None:
    settings, mailing = Settings.load(Path()), mail.NotifierSettings.load(Path())
    way = partial(attempt, settings=mailing)
    await run_notifier(
        settings,
        mailing.mail_from,
        way,
        asyncio.Event(),
        attempt_seconds=mailing.attempt_seconds,
        port=around,
    )


if __name__ == "__main__":
    configure_logging(pretty=False)
    asyncio.run(main())
