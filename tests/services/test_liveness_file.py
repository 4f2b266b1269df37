"""Does a service show that it is alive, and only while it is?"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from farandole.services import liveness_file as module
from farandole.services.liveness_file import LIVENESS_FILE_VARIABLE, liveness_file
from farandole.worker.heartbeat import HEARTBEAT_FD_VARIABLE


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LIVENESS_FILE_VARIABLE, str(tmp_path / "alive"))
    monkeypatch.setattr(module, "TOUCH_INTERVAL", 0.01)
    return tmp_path / "alive"


def exists(file: Path) -> bool:
    return file.exists()


def is_old(file: Path) -> bool:
    return file.stat().st_mtime == 0


async def touched(file: Path) -> None:
    """Wait until the file is touched once more."""
    os.utime(file, (0, 0))
    async with asyncio.timeout(60):
        while is_old(file):
            await asyncio.sleep(0.01)


async def test_the_file_is_touched_while_the_service_runs(file: Path) -> None:
    async with liveness_file():
        await touched(file)
        await touched(file)


async def test_it_is_not_touched_while_the_service_is_not_healthy(file: Path) -> None:
    asked = 0

    def is_healthy() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    async with liveness_file(is_healthy):
        assert not exists(file)
        async with asyncio.timeout(60):
            while not exists(file):
                await asyncio.sleep(0.01)
    assert asked >= 4


async def test_a_supervised_child_leaves_it_to_its_supervisor(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEARTBEAT_FD_VARIABLE, "7")
    async with liveness_file():
        assert not exists(file)
