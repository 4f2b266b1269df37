"""Who waits for a limit in this process, and who may go on?"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.events.rate import rate_at
from farandole.events.share_row import ShareRow
from farandole.events.throttles_in_force import RateInForce
from farandole.stages.nearest_name import did_you_mean
from farandole.worker.call_time import CallAbandonedError, UnknownLimitError
from farandole.worker.dependency_limits.limit_budget import LimitBudget
from farandole.worker.throttle.share_claim import SeenRow

log = structlog.get_logger()

SHORT_SECONDS = 0.05
"""A call that has to wait for longer is not begun before what is settled is committed."""
_RENEW_SECONDS = 1.0  # after so many, rates and rows are looked at again
_GOODBYE_SECONDS = 2.0  # for the deletion of a row that would be forgotten anyway
_SOON = 0.05  # seconds after which the row that was just written can have been read back


class ShareExchange(Protocol):
    """How the processes tell each other their shares of the limits."""

    @property
    def member(self) -> str:
        """The name of this process, which no other has."""

    def start(self) -> None:
        """Begin to read and write. Called when a limit is asked for."""

    @property
    def is_open(self) -> bool:
        """True if a row can be written now."""

    def rows(self, limit: str) -> Mapping[str, SeenRow]:
        """Return the newest rows of a limit by member."""

    async def write(self, limit: str, row: ShareRow | None) -> None:
        """Write the row of this process; None deletes it. Raises BrokerError."""

    async def close(self) -> None:
        """End what `start` has begun."""


class LimitRates(Protocol):
    """What the file and the control documents say of limits."""

    def limit(self, name: str) -> RateInForce: ...

    def limit_names(self) -> list[str]:
        """Return the names of all limits that a version has."""


class ProcessLimits:
    """The limits of one process. Its methods are called in the event loop."""

    def __init__(
        self,
        rates: LimitRates,
        exchange: ShareExchange | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`exchange`: None if no other process has the limits. `clock` returns seconds of the
        epoch, `monotonic` seconds that never go back."""
        self._rates = rates
        self._exchange = exchange
        self._clock = clock
        self._monotonic = monotonic
        self._limits: dict[str, _Limit] = {}

    def of_stage(self) -> StageLimits:
        """Return what the functions of one stage wait for."""
        return StageLimits(self)

    def find(self, name: str) -> _Limit:
        """Return a limit. Raises UnknownLimitError."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a limit is a text, not a {type(name).__name__}")
        found = self._limits.get(name)
        if found is None:
            names = self._rates.limit_names()
            if name not in names:
                remedy = did_you_mean(name, names, f"add it to `limits:`: {name}: 50/s")
                raise UnknownLimitError(f"the file has no limit {name!r}; {remedy}")
            if self._exchange is not None:
                self._exchange.start()
            found = self._limits[name] = _Limit(
                name, self._rates, self._exchange, self._clock, self._monotonic
            )
        return found

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return what runs now."""
        return [task for limit in self._limits.values() for task in limit.tasks()]

    async def close(self) -> None:
        """Give the shares of this process to the others."""
        await asyncio.gather(*(limit.close() for limit in self._limits.values()))
        if self._exchange is not None:
            await self._exchange.close()


class StageLimits:
    """The limits of a stage: `farandole.worker.call_time.LimitWaits`."""

    def __init__(self, limits: ProcessLimits) -> None:
        self._limits = limits
        self._used: dict[str, _Limit] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._has_ended = False

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        limit = self._used.get(name) if isinstance(name, str) else None
        if limit is None:
            limit = self._used[name] = self._limits.find(name)
        passed = limit.queue()
        if passed is None:
            return
        self._waiting.add(passed)
        try:
            if self._has_ended:
                raise CallAbandonedError
            await passed
        finally:
            self._waiting.discard(passed)
            limit.leave(passed)

    def is_short(self) -> bool:
        return any(limit.seconds_until_next() > SHORT_SECONDS for limit in self._used.values())

    def end(self) -> None:
        """Let nobody wait any longer: the stage ends."""
        self._has_ended = True
        for passed in self._waiting:
            if not passed.done():
                passed.set_exception(CallAbandonedError())


class _Limit:
    """Those who wait for one limit, in their order."""

    def __init__(
        self,
        name: str,
        rates: LimitRates,
        exchange: ShareExchange | None,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._name = name
        self._rates = rates
        self._exchange = exchange
        self._clock = clock
        self._monotonic = monotonic
        self._budget = LimitBudget(monotonic(), exchange.member if exchange else None)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failures = 0

    def queue(self) -> asyncio.Future[None] | None:
        """Return what is done when the caller may go on; None if it may now."""
        if not self._waiting and self._pass_now():
            return None
        passed = asyncio.get_running_loop().create_future()
        self._waiting.append(passed)
        self._changed.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return passed

    def leave(self, passed: asyncio.Future[None]) -> None:
        """Forget somebody who waits no longer."""
        if passed in self._waiting:
            self._waiting.remove(passed)

    def seconds_until_next(self) -> float:
        """Return how long somebody who comes now has to wait."""
        if self._update() is None:
            return 0.0
        return self._budget.seconds_until(len(self._waiting) + 1)

    async def close(self) -> None:
        """Delete the row of this process, which uses the limit no more."""
        for task in self.tasks():
            task.cancel()
        if self._exchange is not None and self._serving is not None:
            try:
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await self._exchange.write(self._name, None)
            except (BrokerError, TimeoutError) as error:
                log.debug("limit.kept", limit=self._name, why=str(error))

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return what runs now."""
        return [task for task in (self._serving, self._writing) if task is not None]

    def _pass_now(self) -> bool:
        return self._update() is None or self._budget.take(self._monotonic())

    def _update(self) -> float | None:
        """Read rate and rows; return the rate in calls a second, None if there is no limit."""
        found = self._rates.limit(self._name)
        rate = None if found.rule is None else rate_at(found.rule, self._clock(), found.begun)
        if rate is not None:
            rows = self._exchange.rows(self._name) if self._exchange else None
            self._budget.update(rate, len(self._waiting), self._monotonic(), rows)
        return rate

    async def _serve(self) -> None:
        """Let those who wait go on, and tell the other processes what this one uses. Alone, until
        nobody waits."""
        while self._waiting or self._exchange is not None:
            while self._waiting and (self._waiting[0].done() or self._pass_now()):
                passed = self._waiting.popleft()
                if not passed.done():
                    passed.set_result(None)
            self._tell()
            wait = self._budget.seconds_until(1) if self._waiting else _RENEW_SECONDS
            if self._budget.is_settling or not (self._exchange is None or self._exchange.is_open):
                wait = min(wait, _SOON)
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.001, min(wait, _RENEW_SECONDS))):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _tell(self) -> None:
        if self._exchange is None or not self._exchange.is_open:
            return
        if self._writing is not None and not self._writing.done():
            return
        self._update()
        at = int(self._clock() * 1000)
        row = self._budget.row_to_write(len(self._waiting), self._monotonic(), at)
        if row is not None:
            self._writing = asyncio.create_task(self._write(self._exchange, row))

    async def _write(self, exchange: ShareExchange, row: ShareRow) -> None:
        try:
            await exchange.write(self._name, row)
            self._failures = 0
        except BrokerError as error:
            self._failures += 1
            if is_logged(self._failures):
                log.warning("limit.untold", limit=self._name, why=str(error))
