"""Who starts the worker processes, ends the silent ones, and starts them again?"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
import structlog

from farandole.services.restart_policy import RestartPolicy
from farandole.worker.heartbeat import HEARTBEAT_FD_VARIABLE, HeartbeatReport

log = structlog.get_logger()

START_TIMEOUT = 60.0  # seconds until the first beat: imports, a cold disk
DRAIN_TIMEOUT = 20.0  # seconds from SIGTERM to SIGKILL


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One kind of process, and how many of it."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    patience: float
    """Seconds without a sign of life after which it is ended."""
    processes: int = 1


@dataclass(slots=True, eq=False)
class _SupervisedProcess:
    service: ServiceSpec
    number: int
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    child: asyncio.subprocess.Process | None = None
    report: HeartbeatReport = field(default_factory=dict)
    gone: HeartbeatReport = field(default_factory=dict)
    beat: float = 0.0
    starts: int = 0
    quarantined: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        of = self.service
        return of.name if of.processes == 1 else f"{of.name}-{self.number}"


class Supervisor:
    """A set of services under one parent. `reports` sums what they last said they have done."""

    def __init__(self, services: Sequence[ServiceSpec]) -> None:
        self._processes: dict[tuple[str, int], _SupervisedProcess] = {}
        self._retired: list[_SupervisedProcess] = []
        self._changed = asyncio.Event()
        self.want(services)

    def want(self, services: Sequence[ServiceSpec]) -> None:
        """Run these from now on: what is new is started, what is no longer among them drained, and
        what is in quarantine tried once more."""
        wanted = {(s.name, n + 1): s for s in services for n in range(s.processes)}
        for key in self._processes.keys() - wanted.keys():
            retired = self._processes.pop(key)
            retired.stopping.set()
            self._retired.append(retired)
        for key, service in wanted.items():
            before = self._processes.get(key)
            if before is not None and before.quarantined:
                self._retired.append(before)  # for what it has done
                before = None
            if before is not None:
                before.service = service
            else:
                self._processes[key] = _SupervisedProcess(service, key[1])
        self._changed.set()

    async def run(self, stopping: asyncio.Event) -> bool:
        """Keep them all running until `stopping` is set; then drain them. Returns at once when all
        are in quarantine. False if any was."""
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
            for task in (stop, *keepers.values()):
                task.cancel()
            await asyncio.gather(*keepers.values(), return_exceptions=True)
        return not any(p.quarantined for p in self._processes.values())

    def reports(self) -> HeartbeatReport:
        """Per stage, summed over processes and over their former lives."""
        total: HeartbeatReport = {}
        for process in (*self._processes.values(), *self._retired):
            for report in (process.gone, process.report):
                _add_report(total, report)
        return total

    def ready(self) -> bool:
        """Has every process shown a sign of life?"""
        return all(p.beat > 0 or p.quarantined for p in self._processes.values())

    def pids(self) -> dict[str, int]:
        return {p.name: p.child.pid for p in self._processes.values() if p.child and p.child.pid}

    async def _keep(self, process: _SupervisedProcess) -> None:
        stopping = process.stopping
        while not stopping.is_set():
            began = time.monotonic()
            try:
                code = await self._live(process, stopping)
            except OSError as error:
                log.error("service.unstartable", service=process.name, why=str(error))
                code = 127  # as a shell says it
            if stopping.is_set():
                return
            wait = process.restarts.ended(code, time.monotonic() - began)
            if wait is None:
                process.quarantined = True
                log.error(
                    "service.quarantined",
                    service=process.name,
                    crashes=process.restarts.crashes,
                    exit=code,
                    remedy="it crashed again and again without settling an event; see the log "
                    "above, mend the cause, then start it again; the others go on",
                )
                return
            log.warning("service.ended", service=process.name, exit=_exit_name(code), again_in=wait)
            await _sleep_unless_set(stopping, wait)

    async def _live(self, process: _SupervisedProcess, stopping: asyncio.Event) -> int:
        """One life of a process; its exit code, negative for a signal."""
        service = process.service
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            child = await asyncio.create_subprocess_exec(
                *service.argv,
                cwd=service.folder,
                env={**service.environment, HEARTBEAT_FD_VARIABLE: str(writing)},
                pass_fds=(writing,),
                start_new_session=True,  # Ctrl-C is ours to hear: we drain them in order
                stdin=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        process.child = child
        process.starts += 1
        process.beat = 0.0
        log.info("service.started", service=process.name, pid=child.pid)
        listener = asyncio.create_task(self._listen(process, reading))
        watchdog = asyncio.create_task(self._watch(process, child))
        ended = asyncio.create_task(child.wait())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._drain(process, child)
            return await ended
        finally:
            if child.returncode is None:
                _send_signal(child, signal.SIGKILL)
                await child.wait()
            await asyncio.wait({listener}, timeout=1)
            for task in (listener, watchdog, stop):
                task.cancel()
            gone, process.report = process.report, {}
            for stage in gone.values():
                stage["lanes"] = 0
            _add_report(process.gone, gone)
            process.child = None
            process.beat = 0.0  # who is dead is not ready

    async def _listen(self, process: _SupervisedProcess, fd: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**20)
        with os.fdopen(fd, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                while line := await reader.readline():
                    process.beat = time.monotonic()
                    with suppress(orjson.JSONDecodeError):  # a full pipe cuts a long beat: it beat
                        process.report = orjson.loads(line)
                    if any(s["consumed"] for s in process.report.values()):
                        process.restarts.progressed()
            finally:
                transport.close()

    async def _watch(self, process: _SupervisedProcess, child: asyncio.subprocess.Process) -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            silent = now - (process.beat or started)
            if silent > (process.service.patience if process.beat else START_TIMEOUT):
                log.error(
                    "service.silent",
                    service=process.name,
                    seconds=round(silent, 1),
                    remedy="a function held its process for too long; give its stage `threads:`, "
                    "or make it `async def`",
                )
                _send_signal(child, signal.SIGKILL)
                return

    async def _drain(self, process: _SupervisedProcess, child: asyncio.subprocess.Process) -> None:
        _send_signal(child, signal.SIGTERM)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await child.wait()
        except TimeoutError:
            log.warning("service.killed", service=process.name, after=DRAIN_TIMEOUT)
            _send_signal(child, signal.SIGKILL)


def _add_report(total: HeartbeatReport, report: HeartbeatReport) -> None:
    for stage, counts in report.items():
        into = total.setdefault(stage, {})
        for name, number in counts.items():
            into[name] = into.get(name, 0) + number


def _send_signal(child: asyncio.subprocess.Process, number: int) -> None:
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
