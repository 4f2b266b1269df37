"""How do all who look at a page share what it took to answer it?"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

MAX_ANSWERS = 64
LIVE_SECONDS = 0.8
"""For so long all who look share an answer that the stream tells changes of: a browser asks again a
second after such a change, and must not be given what was known before it."""


@dataclass(slots=True)
class _Answer:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: Any = None
    until: float = 0.0
    """The value is given until then, by the monotonic clock."""


class RecentAnswers:
    """Answers that are given again for a moment. Who asks while an answer is made waits for it;
    an error is not kept."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()

    async def get(self, key: Hashable, seconds: float, make: Callable[[], Awaitable[T]]) -> T:
        """Return the answer for a key that is no older than that, else what `make` returns. `key`
        must name everything that the answer depends on."""
        answer = self._answers.setdefault(key, _Answer())
        self._answers.move_to_end(key)
        while len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        async with answer.lock:
            if self._monotonic() >= answer.until:
                answer.value = await make()
                answer.until = self._monotonic() + seconds
            value: T = answer.value
            return value

    async def renewed_by(self, writing: Awaitable[T]) -> T:
        """Return what a write returns; every answer is made anew after it, also if it fails."""
        try:
            return await writing
        finally:
            self.forget()

    def forget(self) -> None:
        """Make every answer anew: something was written."""
        self._answers.clear()
