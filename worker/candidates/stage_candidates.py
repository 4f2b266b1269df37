"""Which candidate does a stage have in this process now, and what waits to be called on it?"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import structlog

from farandole.events.controls_in_force import StageMode
from farandole.events.switch_document import CANDIDATE_MODES
from farandole.worker.candidates.candidate_process import (
    CandidateAnswer,
    CandidateCall,
    CandidateLostError,
)

log = structlog.get_logger()

MAX_WAITING_CALLS = 1_000
"""Calls of all lanes of a process that may wait for one candidate; further ones are skipped."""
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Bytes of the data of these calls, together."""
_CLOSE_SECONDS = 8.0
_CALLS_AT_ONCE = 64
_BYTES_AT_ONCE = 2 * 1024 * 1024


class Candidate(Protocol):
    """What can be called; `farandole.worker.candidates.candidate_process.CandidateProcess` is
    one."""

    @property
    def takes_context(self) -> bool: ...
    async def start(self) -> None: ...
    async def call(self, calls: list[CandidateCall]) -> list[CandidateAnswer]: ...
    async def close(self) -> None: ...


Answered = Callable[[CandidateAnswer | None], None]
"""Gets the answer to a call; None if it is lost."""


class _WaitingCall(NamedTuple):
    call: CandidateCall
    size: int
    answered: Answered


class StageCandidate:
    """The candidate of one switch, shared by the lanes of this process. It starts at once; nobody
    waits for that but who calls it."""

    def __init__(
        self,
        candidate: Candidate,
        mode: StageMode,
        on_lost: Callable[[StageCandidate, str], object],
    ) -> None:
        """`on_lost` is called once if the candidate hangs, exits or cannot be used, with the
        reason."""
        self.mode = mode
        self.generation = mode.generation or 0
        self.is_lost = False
        """True once it is of no use any more: each event is for the stage's own function alone."""
        self._candidate = candidate
        self._on_lost = on_lost
        self._is_closed = False
        self._waiting: deque[_WaitingCall] = deque()
        self._waiting_bytes = 0
        self._has_work = asyncio.Event()
        self._starting = asyncio.create_task(self._start())
        self._serving = asyncio.create_task(self._serve())

    @property
    def takes_context(self) -> bool:
        """True if the candidate may ask for the Context, so that events need their headers."""
        return not self._starting.done() or self._candidate.takes_context

    async def call(self, calls: list[CandidateCall]) -> list[CandidateAnswer]:
        """Return the answers to some calls, once the candidate has started. Raises
        CandidateLostError."""
        try:
            await asyncio.wait({self._starting})
            if self._starting.cancelled():
                raise CandidateLostError("its switch is over")
            self._starting.result()
            return await self._candidate.call(calls)
        except CandidateLostError as error:
            self._lose(str(error))
            raise

    def offer(self, call: CandidateCall, size: int, answered: Answered) -> bool:
        """Let a call wait for its turn, and return at once. `size`: the bytes of its data. Return
        False if too many are waiting already; then it is not made."""
        if self.is_lost or self._is_closed:
            answered(None)
            return True
        is_full = len(self._waiting) >= MAX_WAITING_CALLS
        if is_full or self._waiting_bytes + size > MAX_WAITING_BYTES:
            return False
        self._waiting.append(_WaitingCall(call, size, answered))
        self._waiting_bytes += size
        self._has_work.set()
        return True

    async def close(self) -> None:
        """End the candidate; nobody is told that it is lost."""
        self._is_closed = True
        for task in (self._starting, self._serving):
            task.cancel()
        await asyncio.gather(self._starting, self._serving, return_exceptions=True)
        await self._candidate.close()
        self._drop_waiting()

    # -- inside

    async def _start(self) -> None:
        await self._candidate.start()

    async def _serve(self) -> None:
        """Make the calls that wait."""
        try:
            await self.call([])
            while True:
                self._has_work.clear()
                if not self._waiting:
                    await self._has_work.wait()
                taken = self._next_calls()
                answers: list[CandidateAnswer | None] = [None] * len(taken)
                try:
                    answers = [*await self.call([each.call for each in taken])]
                finally:
                    for each, answer in zip(taken, answers, strict=True):
                        each.answered(answer)
        except CandidateLostError:
            self._drop_waiting()
        except Exception as error:
            log.exception("candidate.failed")
            self._lose(f"it cannot be called: {type(error).__name__}: {error}")
            self._drop_waiting()

    def _next_calls(self) -> list[_WaitingCall]:
        taken: list[_WaitingCall] = []
        size = 0
        while self._waiting and len(taken) < _CALLS_AT_ONCE and size < _BYTES_AT_ONCE:
            taken.append(self._waiting.popleft())
            size += taken[-1].size
        self._waiting_bytes -= size
        return taken

    def _drop_waiting(self) -> None:
        while self._waiting:
            self._waiting.popleft().answered(None)
        self._waiting_bytes = 0

    def _lose(self, why: str) -> None:
        if self.is_lost or self._is_closed:
            return
        self.is_lost = True
        log.error("candidate.lost", run=self.mode.run, why=why, remedy="its switch is ended, and "
                  "every event is for the stage's own function alone")  # fmt: skip
        self._on_lost(self, why)


class StageCandidates:
    """The candidates of one stage in this process: one at a time, that of the newest switch."""

    def __init__(
        self,
        make_candidate: Callable[[StageMode], Candidate],
        end_switch: Callable[[int, str], Awaitable[None]],
        forbidden: Callable[[StageMode], str | None] = lambda _: None,
    ) -> None:
        """`make_candidate` returns a candidate that has not started. `end_switch` is given a
        generation and the reason why that switch is over; it does not raise. `forbidden` returns
        why a candidate may not be called at all."""
        self._make_candidate = make_candidate
        self._end_switch = end_switch
        self._forbidden = forbidden
        self._current: StageCandidate | None = None
        self._refused: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def current(self, mode: StageMode) -> StageCandidate | None:
        """Return the candidate that the stage has in this mode, started if it is new; None if it
        has none, or if it is lost. Asked for each batch."""
        current = self._current
        if mode.mode not in CANDIDATE_MODES:
            # A candidate outlives a hold: afterwards its switch is in force again.
            if current is not None and mode.mode != "hold":
                self._replace(None)
            return None
        if current is None or current.generation != mode.generation:
            if mode.generation == self._refused:
                return None
            why = self._forbidden(mode)
            if why is not None:
                self._refused = mode.generation
                self._replace(None)
                log.error("candidate.refused", run=mode.run, why=why)
                self._spawn(self._end_switch(mode.generation or 0, why))
                return None
            current = StageCandidate(self._make_candidate(mode), mode, self._lost)
            self._replace(current)
        return None if current.is_lost else current

    async def close(self) -> None:
        """End the candidate, and what is under way: what cannot be said of it within a few seconds
        is said by the next process that loses it."""
        self._replace(None)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()

    def _lost(self, candidate: StageCandidate, why: str) -> None:
        self._spawn(self._end_switch(candidate.generation, why))

    def _replace(self, candidate: StageCandidate | None) -> None:
        if self._current is not None:
            self._spawn(self._current.close())
        self._current = candidate

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
