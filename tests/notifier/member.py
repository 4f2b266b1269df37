"""A notifier that kills itself at a point of its protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.events.incident import Notice
from farandole.lanes.kafka import KafkaPort
from farandole.lanes.port import Committed, Partition, Writes
from farandole.notifier import settings as mail
from farandole.notifier.channels import deliver, ways
from farandole.notifier.outcome import Attempt
from farandole.notifier.service import notify
from farandole.notifier.work import now
from farandole.worker.logs import configure
from tests.lanes import broken

(POINT,) = sys.argv[1:]


def reached(point: str) -> None:
    if point == POINT:
        os.kill(os.getpid(), signal.SIGKILL)


class Dying(broken._Around):
    """The healthy protocol; what counts is the transaction that writes a notice."""

    _tells = False

    async def fence(self) -> None:
        reached("before the fence")
        await self.port.fence()

    async def send(self, writes: Writes, offsets: Mapping[Partition, Committed]) -> None:
        self._tells = any("outbox" in partition.topic for partition in writes)
        if self._tells:
            reached("inside the transaction")
        await self.port.send(writes, offsets)
        if self._tells:
            reached("before the commit")

    async def commit(self) -> None:
        await self.port.commit()
        if self._tells:
            reached("after the commit, before the mail")


async def attempt(notice: Notice, settings: mail.Settings) -> Attempt:
    done = await deliver(notice, ways(settings, now))
    reached("after the 250, before the mark")
    return done


def around(port: KafkaPort) -> Dying:
    return Dying(port)


async def main() -> None:
    settings, mailing = Settings.load(Path()), mail.Settings.load(Path())
    way = partial(attempt, settings=mailing)
    await notify(settings, mailing.mail_from, way, asyncio.Event(), port=around)


if __name__ == "__main__":
    configure(pretty=False)
    asyncio.run(main())
