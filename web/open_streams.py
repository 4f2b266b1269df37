"""How many streams of one kind may be open, and how do they end with the console?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from farandole.operations.errors import UnavailableError


class OpenStreams:
    """Streams of one kind, at most `most` of them."""

    def __init__(self, what: str, most: int) -> None:
        """`what`: how people call them."""
        self._what = what
        self._most = most
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_closed = False
        self.count = 0
        """How many are open."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places while the block runs. Raises UnavailableError
        (`too_many_streams`)."""
        if self.count >= self._most:
            raise UnavailableError(
                "too_many_streams",
                f"this console tells {self._most} {self._what} already; close a page that shows one"
                " and try again",
            )
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    @contextmanager
    def until_closed(self) -> Iterator[None]:
        """Let the task that runs the block be cancelled when all streams are closed."""
        task = asyncio.current_task()
        assert task is not None
        if self._is_closed:
            task.cancel()
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
