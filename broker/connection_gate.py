"""When may a process try to connect to a broker that did not answer?

While all brokers are away, every client of every process would try as often as it can: their
attempts take the processor time that the brokers need to come back.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Protocol, TypeVar

from aiokafka.errors import KafkaConnectionError, KafkaError

from farandole.broker.backoff import Backoff
from farandole.broker.silent_peers import SILENCE

Address = tuple[str, int]
"""Host and port."""

POLL_INTERVAL = 0.1  # seconds
PATIENCE = 0.1  # seconds that a client waits for its turn at one broker while another one answers
CONNECT_PATIENCE = SILENCE  # seconds that it then waits for this broker to answer

RETRIES = Backoff(first=0.1, longest=3.3, jitter=0.25)
"""14 processes make 4.9 attempts a second in the long run."""


class ConnectionPace:
    """Decides when the next attempt at an address may start. One that has not failed is free; all
    that have failed share one sequence of attempts. Times are of any clock that only goes on."""

    def __init__(self, backoff: Backoff = RETRIES) -> None:
        self._backoff = backoff
        self._failures: dict[Address, int] = {}
        self._next = 0.0

    def remaining(self, address: Address, now: float) -> float:
        """Return the seconds until an attempt may start; 0 if one may start now."""
        return max(0.0, self._next - now) if address in self._failures else 0.0

    def delay(self, address: Address, now: float) -> float:
        """Return the seconds to wait before the attempt. At 0 it must start: it is counted."""
        remaining = self.remaining(address, now)
        if not remaining and (failures := self._failures.get(address, 0)):
            self._next = now + self._backoff.delay(failures + 1)
        return remaining

    def record_failure(self, address: Address, now: float) -> None:
        failures = self._failures[address] = self._failures.get(address, 0) + 1
        self._next = max(self._next, now + self._backoff.delay(failures))

    def record_success(self, address: Address) -> None:
        if self._failures.pop(address, 0):
            self._next = 0.0


class Connection(Protocol):
    """What is opened."""

    def connected(self) -> bool: ...


C = TypeVar("C", bound=Connection)


class ConnectionGate:
    """Lets the clients of a process connect at the pace that the brokers' absence allows."""

    def __init__(self) -> None:
        self._pace = ConnectionPace()
        self._opened: weakref.WeakKeyDictionary[Connection, Address] = weakref.WeakKeyDictionary()
        self._last_errors: dict[Address, tuple[int, Exception]] = {}
        """By address that has failed: how often, and how it failed last."""

    async def connect(self, address: Address, opening: Callable[[], Awaitable[C]]) -> C:
        """Return what `opening` opens, as soon as it may try. Raises its errors, and
        KafkaConnectionError as `wait` does."""
        while self._pace.delay(address, _now()):
            await self.wait(address)
        try:
            async with asyncio.timeout(CONNECT_PATIENCE if self._others_answer(address) else None):
                connection = await opening()
        except (KafkaError, OSError, TimeoutError) as error:
            self.record_failure(address, error)
            raise
        self._pace.record_success(address)
        self._last_errors.pop(address, None)
        self._opened[connection] = address
        return connection

    def record_failure(self, address: Address, error: Exception) -> None:
        """Count an address as failed: it cannot be reached, or its connection is of no use."""
        self._pace.record_failure(address, _now())
        failures, _ = self._last_errors.get(address, (0, error))
        self._last_errors[address] = failures + 1, error.with_traceback(None)

    async def wait(self, address: Address) -> None:
        """Return when the address may be tried. Raises KafkaConnectionError, caused by the last
        error, if another client's attempt has failed meanwhile, or if another broker can be asked
        instead."""
        began = _now()
        failures, _ = self._last_errors.get(address, (0, None))
        while delay := self._pace.remaining(address, _now()):
            failed, error = self._last_errors.get(address, (0, None))
            is_waiting_in_vain = failed > failures or (
                _now() - began >= PATIENCE and self._others_answer(address)
            )
            if is_waiting_in_vain:
                raise KafkaConnectionError(
                    f"{address[0]}:{address[1]} did not answer before"
                ) from error
            # No longer: another client's success lets all of them go on.
            await asyncio.sleep(min(delay, POLL_INTERVAL))

    def _others_answer(self, address: Address) -> bool:
        return any(
            other != address and connection.connected()
            for connection, other in list(self._opened.items())
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


@cache
def process_gate() -> ConnectionGate:
    """Return the gate of this process."""
    return ConnectionGate()
