"""Has the bookkeeper read everything, and what does `farandole audit` report?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from farandole.broker.settings import Settings
from farandole.cli.__main__ import farandole
from farandole.operations.runs.bookkeeper_lag import read_bookkeeper_lag
from tests.cli.conftest import environment

CLEAN = {
    "faults": [], "rows": [], "profile_faults": [], "unverifiable": [], "at_work": 0, "ahead": 0
}  # fmt: skip


async def books_read(settings: Settings) -> None:
    """Wait until the bookkeeper has read all entries."""

    async def all_read() -> bool:
        found = await read_bookkeeper_lag(settings)
        return found.members > 0 and not found.behind

    await until(all_read, "the bookkeeper is behind")


async def until(
    condition: Callable[[], Awaitable[object]], otherwise: str, seconds: float = 180
) -> None:
    ends = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < ends, otherwise
        await asyncio.sleep(0.1)


def audited(settings: Settings, folder: Path) -> tuple[int, Any]:
    """Return the exit code of `farandole audit`, and its report."""
    words = ["-C", str(folder), "audit", "--json"]
    # Otherwise records of the last seconds would count as still being worked on.
    with patch("farandole.operations.audit.topic_audit._now", lambda: 2 * 10**12):
        result = CliRunner().invoke(farandole, words, env=environment(settings))
    said = [line for line in result.stderr.splitlines() if "reading " not in line]
    assert said == [], result.stderr  # (on a busy machine it shows progress)
    return result.exit_code, json.loads(result.stdout)


def assert_clean(settings: Settings, folder: Path) -> None:
    """Assert that topics, entries and rows agree, and that everything was compared."""
    code, report = audited(settings, folder)
    found = {name: report[name] for name in CLEAN}
    assert (code, found) == (0, CLEAN)
