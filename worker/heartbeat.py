"""How does a worker process show that it is alive, and what it has done?

It writes one JSON line every `HEARTBEAT_PERIOD` into a pipe that its supervisor reads: an object,
what each stage has settled; and, every `METRICS_PERIOD`, an array, its metrics and why it is not
ready. No line is written while a function blocks the event loop, or while a call in a thread is
overdue: the supervisor then kills the process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import orjson
import structlog

from farandole.broker.awake_clock import AwakeClock
from farandole.telemetry.meter import Meter
from farandole.worker.counters import Counters

log = structlog.get_logger()

HEARTBEAT_PERIOD = 0.25  # seconds
METRICS_PERIOD = 1.0  # seconds
HEARTBEAT_FD_VARIABLE = "FARANDOLE_BEAT_FD"


StageReport = dict[str, int]
"""`consumed`, `emitted` and each recorded outcome of one stage since the process began; `lanes`:
how many of its lanes are open now."""

HeartbeatReport = dict[str, StageReport]
"""By stage."""


def silence_limit(session_timeout: float) -> float:
    """Return after how many seconds without a heartbeat a worker process is killed. It is below the
    session time-out of its Kafka groups: a process that blocks its event loop for so long would
    lose its lanes to another worker, which would then block too."""
    return 0.8 * session_timeout


class Heartbeat:
    """The calls under way and the counts of one worker process."""

    def __init__(
        self, fd: int | None, clock: AwakeClock | None = None, meter: Meter | None = None
    ) -> None:
        self._fd = fd
        self.meter = meter or Meter()
        """Measures this process."""
        self._metrics_due = 0.0
        self._last_metrics = b""
        self._calls: dict[object, tuple[str, float]] = {}
        self._counters: dict[str, Counters] = {}
        self._clock = clock or AwakeClock()

    def call_watch(self, stage: str) -> tuple[Callable[[float], object], Callable[[object], None]]:
        """Return `call_started(timeout in seconds) -> token` and `call_ended(token)`, by which
        calls in threads and awaited calls are watched."""

        def call_started(timeout: float) -> object:
            token = object()
            self._calls[token] = stage, self._clock.now() + timeout
            return token

        def call_ended(token: object) -> None:
            self._calls.pop(token, None)

        return call_started, call_ended

    @classmethod
    def from_environment(cls, meter: Meter | None = None) -> Heartbeat:
        """Return a heartbeat for the process that started this one; it writes nothing if it
        was given no pipe."""
        fd = os.environ.get(HEARTBEAT_FD_VARIABLE)
        return cls(int(fd) if fd else None, meter=meter)

    def counters(self, stage: str) -> Counters:
        """Return the counts of all that a stage has settled in this process."""
        return self._counters.setdefault(stage, Counters())

    async def run(self, lanes: Mapping[str, Callable[[], int]], orphaned: asyncio.Event) -> None:
        """Write heartbeats until cancelled, and one last one then. Set `orphaned` when the reader
        of the pipe has gone."""
        reported = False
        try:
            while True:
                overdue = self._overdue()
                if overdue and not reported:
                    log.error("handler.overdue", stage=overdue, remedy="the process is ended, its "
                              "event is tried again, and after some deaths given up")  # fmt: skip
                reported = bool(overdue)
                if not overdue:
                    self._beat(lanes, orphaned)
                await asyncio.sleep(HEARTBEAT_PERIOD)
        finally:
            self._beat(lanes, orphaned)  # what was settled since the last one

    def _beat(self, lanes: Mapping[str, Callable[[], int]], orphaned: asyncio.Event) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, orjson.dumps(self._report(lanes)) + b"\n")
            if self._clock.now() >= self._metrics_due:
                self._metrics_due = self._clock.now() + METRICS_PERIOD
                self._write_metrics(self._fd)
        except BlockingIOError:
            pass  # the supervisor is slow; the lines in the pipe still show that we are alive
        except OSError:
            orphaned.set()

    def _write_metrics(self, fd: int) -> None:
        line = orjson.dumps([self.meter.report(), self.meter.problems()]) + b"\n"
        if line != self._last_metrics and os.write(fd, line) == len(line):
            self._last_metrics = line

    def _overdue(self) -> str | None:
        now = self._clock.now()
        return next((stage for stage, ends in list(self._calls.values()) if now > ends), None)

    def _report(self, lanes: Mapping[str, Callable[[], int]]) -> HeartbeatReport:
        return {
            stage: {
                "consumed": counters.consumed,
                "emitted": counters.emitted,
                **counters.outcomes.complete(),
                "lanes": lanes[stage]() if stage in lanes else 0,
            }
            for stage, counters in self._counters.items()
        }
