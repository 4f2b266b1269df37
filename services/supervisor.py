"""How are processes started, killed when they hang, and restarted?"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
import structlog

from farandole.broker.awake_clock import AwakeClock
from farandole.broker.settings import ENV_PREFIX
from farandole.services.process_starter import (
    Command,
    ProcessStarter,
    RunningProcess,
    make_starter,
)
from farandole.services.restart_policy import RestartPolicy
from farandole.telemetry.meter import Report
from farandole.telemetry.metric_catalog import PROCESS_STARTS, PROCESS_UP
from farandole.telemetry.process_figures import own_figures, process_figures
from farandole.worker.heartbeat import HEARTBEAT_FD_VARIABLE, HeartbeatReport

log = structlog.get_logger()

START_TIMEOUT = 60.0  # seconds until the first beat: imports, a cold disk
_WATCH_INTERVAL = 0.1  # seconds
DRAIN_TIMEOUT = 20.0  # seconds from SIGTERM to SIGKILL, for most services


CLIENT_ID_VARIABLE = f"{ENV_PREFIX}CLIENT_ID"

DeathHandler = Callable[[str], Coroutine[Any, Any, None]]
"""Is called with the Kafka client id of a process that was killed or crashed; it raises nothing."""


async def _ignore_death(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """How one kind of process is started, and how many of it run."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    patience: float
    """A process is killed after this number of seconds without a heartbeat."""
    processes: int = 1
    drain_timeout: float = DRAIN_TIMEOUT
    """A process that is to end is killed this number of seconds after SIGTERM."""
    modules: tuple[str, ...] = ()
    """The modules of the user's functions that it imports."""


@dataclass(slots=True, eq=False)
class _SupervisedProcess:
    """One process of a service, over all of its restarts."""

    service: ServiceSpec
    number: int
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    child: RunningProcess | None = None
    report: HeartbeatReport = field(default_factory=dict)
    past_report: HeartbeatReport = field(default_factory=dict)
    """The sums of the last reports before each restart."""
    last_beat: float = 0.0
    """By the supervisor's clock; 0 before the first heartbeat since the last start."""
    starts: int = 0
    quarantined: bool = False
    metrics: Report = field(default_factory=dict)
    unready: list[str] = field(default_factory=list)
    """What its last heartbeat with metrics has said."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    restarting: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The service's name, with a number where it has several processes."""
        service = self.service
        return service.name if service.processes == 1 else f"{service.name}-{self.number}"


class Supervisor:
    """Runs a set of services and restarts their processes; `reports` sums what they have done."""

    def __init__(
        self,
        services: Sequence[ServiceSpec],
        handle_death: DeathHandler = _ignore_death,
        starter: ProcessStarter | None = None,
    ) -> None:
        """`handle_death` runs beside the restart of the process. `starter`: None for that of this
        system."""
        self._handle_death = handle_death
        self._starter = starter or make_starter()
        self._deaths: set[asyncio.Task[None]] = set()
        self._processes: dict[tuple[str, int], _SupervisedProcess] = {}
        self._retired: list[_SupervisedProcess] = []
        self._changed = asyncio.Event()
        self._clock = AwakeClock()
        self.set_services(services)

    def set_services(self, services: Sequence[ServiceSpec]) -> None:
        """Run these services from now on: new ones are started, those that are no longer among
        them are drained, and those in quarantine are tried once more."""
        wanted = {(s.name, n + 1): s for s in services for n in range(s.processes)}
        for key in self._processes.keys() - wanted.keys():
            retired = self._processes.pop(key)
            retired.stopping.set()
            self._retired.append(retired)
        for key, service in wanted.items():
            before = self._processes.get(key)
            if before is None:
                self._processes[key] = _SupervisedProcess(service, key[1])
            else:
                before.service = service
        self.retry_quarantined()
        self._changed.set()

    @property
    def services(self) -> list[ServiceSpec]:
        """The services that run from now on."""
        return [*{p.service.name: p.service for p in self._processes.values()}.values()]

    def retry_quarantined(self, names: Collection[str] | None = None) -> None:
        """Start the processes of these services that are in quarantine once more; None means all
        services."""
        for key, process in self._processes.items():
            if process.quarantined and (names is None or process.service.name in names):
                self._retired.append(process)  # its report still counts
                self._processes[key] = _SupervisedProcess(process.service, key[1])
                self._changed.set()

    def restart(self, names: Collection[str] | None = None) -> None:
        """Drain the processes of these services and start them again, also those in quarantine;
        None means all services."""
        self.retry_quarantined(names)
        for process in self._processes.values():
            if names is None or process.service.name in names:
                process.restarting.set()

    async def run(self, stopping: asyncio.Event) -> bool:
        """Keep all processes running until `stopping` is set, then drain them; stop earlier when
        all are in quarantine. Return False if any is in quarantine."""
        keepers: dict[_SupervisedProcess, asyncio.Task[None]] = {}
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._changed.clear()
                for process in self._processes.values():
                    if process not in keepers:
                        keepers[process] = asyncio.create_task(self._keep(process))
                at_work = [keeper for keeper in keepers.values() if not keeper.done()]
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait({stop, changed, *at_work}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if all(p.quarantined for p in self._processes.values()):
                    break
            for process in self._processes.values():
                process.stopping.set()
            await asyncio.gather(*keepers.values())
        finally:
            for task in (stop, *keepers.values(), *self._deaths):
                task.cancel()
            await asyncio.gather(*keepers.values(), *self._deaths, return_exceptions=True)
            await self._starter.close()
        return not any(p.quarantined for p in self._processes.values())

    def reports(self) -> HeartbeatReport:
        """Return the counts of each stage, summed over all processes and their restarts."""
        total: HeartbeatReport = {}
        for process in (*self._processes.values(), *self._retired):
            for report in (process.past_report, process.report):
                _add_report(total, report)
        return total

    def ready(self) -> bool:
        """Return True once every process has written a heartbeat or is in quarantine."""
        return all(p.last_beat > 0 or p.quarantined for p in self._processes.values())

    def healthy(self) -> bool:
        """Return True if every process writes heartbeats now."""
        return all(p.last_beat > 0 and not p.quarantined for p in self._processes.values())

    def metrics(self) -> dict[str, Report]:
        """Return the figures of each process, by its name, and of this one."""
        found: dict[str, Report] = {"supervisor": own_figures()}
        for process in self._processes.values():
            is_up = process.last_beat > 0
            found[process.name] = {
                **(process.metrics if is_up else {}),
                **(process_figures(process.child.pid) if process.child else {}),
                PROCESS_STARTS.name: [([], process.starts)],
                PROCESS_UP.name: [([], int(is_up))],
            }
        return found

    def problems(self) -> list[str]:
        """Return why the processes are not ready: a line for each reason."""
        found: list[str] = []
        for process in self._processes.values():
            if process.quarantined:
                found.append(f"{process.name} is in quarantine: it crashed again and again")
            elif process.last_beat == 0:
                found.append(f"{process.name} has not begun")
            else:
                found += (f"{process.name}: {problem}" for problem in process.unready)
        return found

    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that run now, by their names."""
        return {p.name: p.child.pid for p in self._processes.values() if p.child and p.child.pid}

    async def _keep(self, process: _SupervisedProcess) -> None:
        """Start a process again and again until it is to stop or is in quarantine."""
        stopping = process.stopping
        while not stopping.is_set():
            process.restarting.clear()
            began = time.monotonic()
            try:
                code = await self._live(process, stopping)
            except OSError as error:
                log.error("service.unstartable", service=process.name, why=str(error))
                code = 127  # the exit code of a shell for a command that cannot be started
            if stopping.is_set():
                return
            if process.restarting.is_set():
                log.info("service.restarted", service=process.name)
                continue
            wait = process.restarts.restart_delay(code, time.monotonic() - began)
            if wait is None:
                process.quarantined = True
                log.error(
                    "service.quarantined",
                    service=process.name,
                    crashes=process.restarts.crashes,
                    exit=code,
                    remedy="it crashed again and again without settling an event; see the log "
                    "above and mend the cause: a save of its code starts it again, and so does "
                    "`farandole restart`; the others go on",
                )
                return
            log.warning("service.ended", service=process.name, exit=_exit_name(code), again_in=wait)
            await _sleep_unless_set(stopping, wait)

    async def _live(self, process: _SupervisedProcess, stopping: asyncio.Event) -> int:
        """Run a process once and return its exit code, negative for a signal."""
        service = process.service
        client_id = f"{process.name}-{uuid4().hex[:8]}"
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            environment = {
                **service.environment,
                HEARTBEAT_FD_VARIABLE: str(writing),
                CLIENT_ID_VARIABLE: client_id,
            }
            child = await self._starter.start(
                Command(service.argv, environment, service.folder, kept_fd=writing),
                of=len(self._processes),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        process.child = child
        process.starts += 1
        process.metrics, process.unready = {}, []
        process.last_beat = 0.0
        log.info("service.started", service=process.name, pid=child.pid)
        listener = asyncio.create_task(self._listen(process, reading))
        watchdog = asyncio.create_task(self._watch(process, child))
        ended = asyncio.create_task(child.wait())
        stop = asyncio.create_task(stopping.wait())
        restart = asyncio.create_task(process.restarting.wait())
        try:
            await asyncio.wait({ended, stop, restart}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._drain(process, child)
            return await ended
        finally:
            if child.returncode is None:
                _send_signal(child, signal.SIGKILL)
                await child.wait()
            if child.returncode != 0:
                death = asyncio.create_task(self._handle_death(client_id))
                self._deaths.add(death)
                death.add_done_callback(self._deaths.discard)
            await asyncio.wait({listener}, timeout=1)
            for task in (listener, watchdog, stop, restart):
                task.cancel()
            last_report, process.report = process.report, {}
            for stage in last_report.values():
                stage["lanes"] = 0
            _add_report(process.past_report, last_report)
            process.child = None
            process.last_beat = 0.0  # a process that has ended is not ready

    async def _listen(self, process: _SupervisedProcess, fd: int) -> None:
        """Read the heartbeats of a process until its pipe is closed."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**20)
        with os.fdopen(fd, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                while line := await reader.readline():
                    process.last_beat = self._clock.now()
                    with suppress(
                        orjson.JSONDecodeError
                    ):  # a full pipe truncates a long report; it still counts as a heartbeat
                        document = orjson.loads(line)
                        if isinstance(document, list):
                            process.metrics, process.unready = document
                        else:
                            process.report = document
                    if any(s["consumed"] for s in process.report.values()):
                        process.restarts.record_progress()
            finally:
                transport.close()

    async def _watch(self, process: _SupervisedProcess, child: RunningProcess) -> None:
        """Kill a process that has been silent for too long."""
        started = self._clock.now()
        while True:
            await asyncio.sleep(_WATCH_INTERVAL)
            now = self._clock.now()
            silent = now - (process.last_beat or started)
            if silent > (process.service.patience if process.last_beat else START_TIMEOUT):
                log.error(
                    "service.silent",
                    service=process.name,
                    seconds=round(silent, 1),
                    remedy=_silence_remedy(process.service),
                )
                _send_signal(child, signal.SIGKILL)
                return

    async def _drain(self, process: _SupervisedProcess, child: RunningProcess) -> None:
        """Send SIGTERM, so that the process drains and ends; kill it after its drain timeout."""
        timeout = process.service.drain_timeout
        _send_signal(child, signal.SIGTERM)
        ends = self._clock.now() + timeout
        while child.returncode is None and self._clock.now() < ends:  # noqa: ASYNC110 -- see AwakeClock
            await asyncio.sleep(_WATCH_INTERVAL)
        if child.returncode is None:
            log.warning("service.killed", service=process.name, after=timeout)
            _send_signal(child, signal.SIGKILL)


def _add_report(total: HeartbeatReport, report: HeartbeatReport) -> None:
    for stage, counts in report.items():
        into = total.setdefault(stage, {})
        for name, number in counts.items():
            into[name] = into.get(name, 0) + number


def _send_signal(child: RunningProcess, number: int) -> None:
    with suppress(ProcessLookupError):
        child.send_signal(number)


def _exit_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else str(code)


async def _sleep_unless_set(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


def _silence_remedy(service: ServiceSpec) -> str:
    """Return what helps where a process has been silent: only some call functions of the user."""
    if service.modules:
        return (
            "a function held its process for too long; give its stage `threads:`, or make it"
            " `async def`"
        )
    return "it was frozen, or the machine is overloaded; another process takes its place"
