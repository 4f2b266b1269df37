"""How does the monitor run, from its start to its end?"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.share_watch import watch_shares
from farandole.broker.topic_spec import TopicSpec
from farandole.events.next_step import NextStep
from farandole.monitor.committed_consumer import verify_read_committed
from farandole.monitor.faust_app import MonitorApp, changelog_topic
from farandole.monitor.http_api import serve_http
from farandole.monitor.lag_watchdog import watch_lag
from farandole.monitor.ledger_skip import skip_old_entries
from farandole.monitor.monitor_state import MonitorState
from farandole.monitor.settings import MonitorSettings

log = structlog.get_logger()

DRAIN_SECONDS = 8.0  # how long Faust may take to end
_START_SECONDS = 60.0  # how long Faust may take to start
_LEDGER_POLL_SECONDS = 1.0  # between two searches for the ledger
_SHARES_RETRY_SECONDS = 5.0
_DATA_FOLDER = Path(".farandole") / "monitor"
_CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    # Frequent compaction, so that the next start reads back less.
    "segment.bytes": str(16 * 2**20),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.2",
}


class MonitorRunningError(BrokerError):
    """Another monitor uses the same folder."""


class FolderNotWritableError(BrokerError):
    """The monitor cannot write to its folder."""


class FaustEndedError(BrokerError):
    """Faust has stopped by itself."""


class FaustHangsError(Exception):
    """Faust does not stop. The monitor counts the remaining entries after its next start."""


async def run_monitor(
    settings: Settings,
    monitor_settings: MonitorSettings,
    folder: Path,
    stopping: asyncio.Event,
    on_address: Callable[[str], None] = lambda _: None,
) -> None:
    """Count ledger entries until `stopping` is set. Tables are kept under `folder`; `on_address` is
    called with the address of the HTTP server.

    Raises MonitorRunningError, FolderNotWritableError, PortTakenError, UncommittedReadError,
    MonitorStalledError, FaustEndedError, FaustHangsError, and the errors of a Kafka that is out of
    reach at the start.
    """
    data = folder / _DATA_FOLDER
    state = MonitorState()
    with _exclusive_folder(data):
        async with serve_http(
            folder, monitor_settings.monitor_host, monitor_settings.monitor_port, state
        ) as url:
            on_address(url)
            ready = asyncio.create_task(_wait_for_ledger(settings, state))
            await _wait_first(stopping, ready)
            if stopping.is_set():
                await _cancel_tasks(ready)
                return
            cluster, partitions = ready.result()
            # Offsets are only valid in the cluster that they come from.
            app_folder = data / cluster / (settings.namespace or "no-namespace")
            app_folder.mkdir(parents=True, exist_ok=True)
            state.counting = MonitorApp(settings, app_folder, partitions)
            await _run_app(settings, state, state.counting, stopping)


async def _wait_for_ledger(settings: Settings, state: MonitorState) -> tuple[str, int]:
    """Wait until the ledger exists, create our changelog, and skip what the windows do not need.
    Return the id of the cluster, and the number of the ledger's partitions. Raises BrokerError."""
    is_logged = False
    async with ClusterAdmin.open(settings) as admin:
        ledger = settings.names.ledger_topic
        while not (partitions := (await admin.topics([ledger])).get(ledger)):
            state.lag.failure = f"there is no topic {ledger} yet; `apply` creates it"
            if not is_logged:
                log.warning("monitor.waiting", why=state.lag.failure)
                is_logged = True
            await asyncio.sleep(_LEDGER_POLL_SECONDS)
        await admin.create_topics(
            {changelog_topic(settings): TopicSpec(partitions, _CHANGELOG_CONFIG)}
        )
        await skip_old_entries(admin, settings, partitions, time.time())
        return await admin.cluster_id(), partitions


async def _run_app(
    settings: Settings, state: MonitorState, counting: MonitorApp, stopping: asyncio.Event
) -> None:
    app = counting.app
    watching = asyncio.create_task(watch_lag(settings, counting, state.lag))
    throttles = asyncio.create_task(_watch_throttles(settings, state))
    starting = asyncio.create_task(_start_app(counting))
    crashed = asyncio.create_task(app._crashed.wait())
    try:
        await _wait_first(stopping, starting, crashed, timeout=_START_SECONDS)
        if not (stopping.is_set() or crashed.done() or starting.done()):
            raise FaustEndedError(f"Faust did not start within {_START_SECONDS:g} s")
        if starting.done():
            starting.result()
            log.info("monitor.started", partitions=counting.partitions)
            await _wait_first(stopping, watching, crashed)
        if watching.done():
            watching.result()
        if crashed.done() and not stopping.is_set():
            reason = app.crash_reason
            raise FaustEndedError(f"Faust gave up: {type(reason).__name__}: {reason}")
    finally:
        await _cancel_tasks(watching, throttles, starting, crashed)
        await _stop_app(counting)


async def _watch_throttles(settings: Settings, state: MonitorState) -> None:
    """Keep up to date which stages are throttled, until cancelled."""
    failures = 0  # in a row
    while True:
        try:
            async with watch_shares(settings) as state.throttled:
                failures = 0
                await asyncio.Event().wait()  # until cancelled
        except BrokerError as error:
            failures += 1
            if is_logged(failures):
                log.warning("monitor.throttles_unread", why=str(error))
            await asyncio.sleep(_SHARES_RETRY_SECONDS)


async def _start_app(counting: MonitorApp) -> None:
    """Start the app, and let it count. Raises UncommittedReadError before anything is counted."""
    await counting.app.start()
    verify_read_committed(counting.app)
    counting.counting_allowed.set()


async def _stop_app(counting: MonitorApp) -> None:
    """Stop the app. Raises FaustHangsError."""
    ending = asyncio.create_task(counting.app.stop())
    await asyncio.wait({ending}, timeout=DRAIN_SECONDS)
    if not ending.done():
        raise FaustHangsError(f"Faust did not end within {DRAIN_SECONDS:g} s")
    with suppress(Exception):
        ending.result()


async def _wait_first(
    stopping: asyncio.Event, *tasks: asyncio.Task[object], timeout: float | None = None
) -> None:
    """Return when `stopping` is set or one of the tasks has ended."""
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED, timeout=timeout)
    await _cancel_tasks(stop)


async def _cancel_tasks(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=2.0)


@contextmanager
def _exclusive_folder(data: Path) -> Iterator[None]:
    """Lock the folder while the block runs. Raises MonitorRunningError and
    FolderNotWritableError."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        (data / "lock").touch()
    except OSError as error:
        raise FolderNotWritableError(
            f"the monitor keeps its tables in {data}, which cannot be written ({error.strerror}); "
            "FARANDOLE_MONITOR_FOLDER names another folder"
        ) from None
    with (data / "lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = (data / "lock").read_text().strip()
            raise MonitorRunningError(
                f"a monitor runs for this folder already: process {holder} keeps {data}; if it "
                "gives no answer it is frozen, and may be killed: nothing is lost",
                NextStep("look at it", ("top",)),
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
