"""How does the monitor run, from the first look at Kafka to its end?"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from farandole.broker.admin import Admin, NewTopicSpec
from farandole.broker.errors import BrokerError
from farandole.broker.settings import Settings
from farandole.monitor.app import Counting, changelog
from farandole.monitor.consumer import ensure_committed
from farandole.monitor.pulse import watch
from farandole.monitor.settings import Settings as Own
from farandole.monitor.web import State, answering

log = structlog.get_logger()

DRAIN = 8.0  # seconds that Faust has to end
_START = 60.0  # seconds that Faust has to start
_AGAIN = 1.0  # seconds until the ledger is looked for again
_DATA = Path(".farandole") / "monitor"
_CHANGELOG = {
    "cleanup.policy": "compact",
    # What is compacted away is not read back at the next start.
    "segment.bytes": str(16 * 2**20),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.2",
}


class AlreadyMonitored(BrokerError):  # noqa: N818 -- what the folder is
    """Another process keeps its tables there."""


class Ended(BrokerError):  # noqa: N818 -- what has happened
    """Faust gave up."""


class Hangs(Exception):  # noqa: N818 -- what Faust does
    """Faust does not end: what it has not counted it counts after the next start."""


async def monitor(
    settings: Settings,
    own: Own,
    folder: Path,
    stopping: asyncio.Event,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Count what the ledger says until `stopping` is set; its tables are kept under `folder`, and
    `told` is given the address at which it answers.

    Raises AlreadyMonitored, PortTaken, ReadsUncommitted, Stalled, Ended, Hangs, and the errors of
    a Kafka that is out of reach at the start.
    """
    data = folder / _DATA
    state = State()
    with _alone(data):
        async with answering(folder, own.monitor_host, own.monitor_port, state) as url:
            told(url)
            ready = asyncio.create_task(_ledger(settings, state))
            await _first(stopping, ready)
            if stopping.is_set():
                await _cancelled(ready)
                return
            cluster, partitions = ready.result()
            # Offsets of one cluster say nothing of another, or of the same one wiped.
            place = data / cluster / (settings.namespace or "no-namespace")
            place.mkdir(parents=True, exist_ok=True)
            state.counting = Counting(settings, place, partitions)
            await _run(settings, state, state.counting, stopping)


async def _ledger(settings: Settings, state: State) -> tuple[str, int]:
    """The cluster, and the number of the ledger's partitions once it exists; our changelog then
    exists too. Raises BrokerError."""
    said = False
    async with Admin.open(settings) as admin:
        while not (partitions := (await admin.topics()).get(settings.names.ledger)):
            state.pulse.why = f"there is no topic {settings.names.ledger} yet; `apply` creates it"
            if not said:
                log.warning("monitor.waiting", why=state.pulse.why)
                said = True
            await asyncio.sleep(_AGAIN)
        await admin.create({changelog(settings): NewTopicSpec(partitions, _CHANGELOG)})
        return await admin.cluster(), partitions


async def _run(
    settings: Settings, state: State, counting: Counting, stopping: asyncio.Event
) -> None:
    app = counting.app
    watching = asyncio.create_task(watch(settings, counting, state.pulse))
    starting = asyncio.create_task(_started(counting))
    crashed = asyncio.create_task(app._crashed.wait())
    try:
        await _first(stopping, starting, crashed, timeout=_START)
        if not (stopping.is_set() or crashed.done() or starting.done()):
            raise Ended(f"Faust did not start within {_START:g} s")
        if starting.done():
            starting.result()
            log.info("monitor.started", partitions=counting.partitions)
            await _first(stopping, watching, crashed)
        if watching.done():
            watching.result()
        if crashed.done() and not stopping.is_set():
            reason = app.crash_reason
            raise Ended(f"Faust gave up: {type(reason).__name__}: {reason}")
    finally:
        await _cancelled(watching, starting, crashed)
        await _stopped(counting)


async def _started(counting: Counting) -> None:
    """Raises ReadsUncommitted, and then nothing was counted."""
    await counting.app.start()
    ensure_committed(counting.app)
    counting.allowed.set()


async def _stopped(counting: Counting) -> None:
    """Raises Hangs."""
    ending = asyncio.create_task(counting.app.stop())
    await asyncio.wait({ending}, timeout=DRAIN)
    if not ending.done():
        raise Hangs(f"Faust did not end within {DRAIN:g} s")
    with suppress(Exception):
        ending.result()


async def _first(
    stopping: asyncio.Event, *tasks: asyncio.Task[object], timeout: float | None = None
) -> None:
    """Return when `stopping` is set or one of the tasks has ended."""
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED, timeout=timeout)
    await _cancelled(stop)


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=2.0)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Raises AlreadyMonitored."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyMonitored(
                f"a monitor runs for this folder already (it keeps {data}); look at it: "
                "farandole top"
            ) from None
        yield
