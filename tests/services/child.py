"""A worker process of a test: it writes heartbeats, and behaves as its argument says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from farandole.events.outcome import Outcome, OutcomeCounts
from farandole.worker import heartbeat as beats
from farandole.worker.counters import Counters
from farandole.worker.heartbeat import HEARTBEAT_FD_VARIABLE, Heartbeat


async def main(behaviour: str, diary: str) -> int:
    Path(diary).with_suffix(".client").write_text(os.environ["FARANDOLE_CLIENT_ID"])
    with open(diary, "a") as file:  # noqa: ASYNC230 -- one line
        file.write(f"{os.getpid()}\n")
    with open(diary) as file:  # noqa: ASYNC230
        life = len(file.readlines())
    beats.HEARTBEAT_PERIOD = 0.01
    stopping, orphaned = asyncio.Event(), asyncio.Event()
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    if behaviour == "crashes":
        return 3
    beat = Heartbeat(int(os.environ[HEARTBEAT_FD_VARIABLE]))
    if behaviour in ("progresses", "settles"):
        beat.counters("load").add(Counters(10, 1, outcomes=OutcomeCounts({Outcome.DEAD: 2})))
    beating = asyncio.create_task(beat.run({"load": lambda: 1}, orphaned))
    await asyncio.sleep(0.03)
    if behaviour == "progresses" and life < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "silent" and life == 1:
        time.sleep(60)  # noqa: ASYNC251 -- it blocks its event loop
    waiting = [asyncio.create_task(e.wait()) for e in (stopping, orphaned)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if behaviour == "settles":
        beat.counters("load").add(Counters(consumed=5))
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
