"""Which stage and event was at work when something was logged?

A lane says what can describe its work, once per transaction. The description is made only when a
line is logged, so events cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Describe = Callable[[], Mapping[str, Any]]
"""Returns the fields that tell a log line's origin: `stage`, `id`, `run`."""

_describe: ContextVar[Describe | None] = ContextVar("farandole_log_origin", default=None)


@contextmanager
def logged_as(describe: Describe) -> Iterator[None]:
    """Let log lines that are written inside the block, also in its threads and tasks, say where
    they come from."""
    token = _describe.set(describe)
    try:
        yield
    finally:
        _describe.reset(token)


def add_origin(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the origin to a log line: a processor of structlog."""
    describe = _describe.get()
    if describe is not None:
        for name, value in describe().items():
            fields.setdefault(name, value)
    return fields
