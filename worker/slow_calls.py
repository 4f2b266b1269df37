"""Does a function hold its process for so long that it may be ended?

A function that runs in the event loop keeps heartbeats from being sent. A thread notices that, and
names the line at which the function is, before the supervisor ends the process."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import structlog

from farandole.stages.user_traceback import frame_place
from farandole.worker.log_throttle import LogThrottle

log = structlog.get_logger()

SLOW_SHARE = 0.25
"""The share of the session time-out after which a call that blocks the event loop is reported."""
_CHECKS = 10  # of the loop within that time
_THROTTLE_SECONDS = 60.0
_STACK_BYTES = 512 * 1024  # the usual 8 MiB count against the memory that a process may hold


class SlowCallWatch:
    """Watches the event loop that `run` runs in. `functions` are the functions that this process
    hosts, by stage."""

    def __init__(
        self,
        session_timeout: float,
        ended_after: float,
        functions: Mapping[str, Callable[..., Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`session_timeout`: seconds; a process that is silent for `ended_after` seconds is ended.
        `clock`: seconds that never go back."""
        self._limit = session_timeout * SLOW_SHARE
        self._ended_after = ended_after
        self._functions = functions
        self._clock = clock
        self._beat = clock()
        self._reported = False
        self._throttle = LogThrottle(_THROTTLE_SECONDS)
        self._stopping = threading.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        watched = (threading.get_ident(),)
        usual = threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._watch, args=watched, daemon=True).start()
        threading.stack_size(usual)
        try:
            while True:
                self._beat, self._reported = self._clock(), False
                await asyncio.sleep(self._limit / _CHECKS)
        finally:
            self._stopping.set()

    def _watch(self, thread_id: int) -> None:
        while not self._stopping.wait(self._limit / _CHECKS):
            seconds = self._clock() - self._beat
            if seconds >= self._limit and not self._reported:
                self._reported = True
                self.report(seconds, sys._current_frames().get(thread_id))

    def report(self, seconds: float, frame: FrameType | None) -> None:
        """Log that the event loop is held since `seconds` by what is at work in `frame`."""
        stages = self._stages_of(frame) or sorted(self._functions)
        stage = ", ".join(stages)
        unsaid = self._throttle.suppressed_since(stage, self._clock())
        if unsaid is None:
            return
        names = {getattr(self._functions[each], "__name__", each) for each in stages}
        log.warning(
            "function.slow",
            stage=stage,
            function=", ".join(sorted(names)),
            place=frame_place(traceback.extract_stack(frame)) if frame is not None else None,
            seconds=round(seconds, 1),
            unsaid=unsaid,
            remedy=f"no other event is handled and no heartbeat sent meanwhile; after "
            f"{self._ended_after:g} s the process is ended, and its event tried again: give the "
            "stage `threads: 4` in topology.yaml, or write it as `async def` "
            "(FARANDOLE_SESSION_TIMEOUT is for calls that must hold the process)",
        )

    def _stages_of(self, frame: FrameType | None) -> list[str]:
        """Return the stages whose function is in the stack."""
        running = set()
        while frame is not None:
            running.add(frame.f_code)
            frame = frame.f_back
        return sorted(
            stage
            for stage, function in self._functions.items()
            if getattr(function, "__code__", None) in running
        )
